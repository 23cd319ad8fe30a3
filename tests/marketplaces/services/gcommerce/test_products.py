"""Products as offers: making, changing, deleting, and looking for one (GCO-03 to GCO-07)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from inventory import publishing
from marketplaces.exceptions import NotFound, PermanentError, UnknownOutcome
from marketplaces.types import OfferStatus, Urgency
from tests import make
from tests.desk import Desk
from tests.marketplaces.services.gcommerce.conftest import Market, content, open_line

IMAGES = ["https://img.example.com/1.jpg", "http://img.example.com/2.jpg", "https://img.example.com/3.jpg"]
IMAGE_KEYS = {"main_pair", "image_pairs"}


# --- create --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("style", "status"), [("modern", 201), ("old", 200)])
def test_a_product_is_made_and_read_back(market: Market, style: str, status: int) -> None:
    """GCO-T20"""
    market.switches.change(style=style)
    offer = open_line().create_offer(content())
    made = market.products.get(offer.external_id)
    assert market.calls[0]["status"] == status
    assert market.asked == ["POST /products", f"GET /products/{offer.external_id}"]
    assert (made.code, made.name, made.price, made.amount) == ("OUR-1", "Desk lamp", Decimal("125.55"), 40)
    assert (made.category_ids, made.upc, made.weight) == ([8200], "012345678905", Decimal("1.25"))
    assert (offer.external_product_id, offer.status, offer.price) == ("OUR-1", OfferStatus.LIVE, Decimal("125.55"))


def test_what_is_sent_to_make_one_is_what_the_contract_names(market: Market) -> None:
    open_line().create_offer(
        content(attributes={"category_ids": "8200,8201", "main_category": "8201", "images": IMAGES})
    )
    assert market.bodies[0] == {
        "product": "Desk lamp", "product_code": "OUR-1", "full_description": "<p>A lamp</p>", "price": 125.55, "amount": 40,
        "min_qty": 1, "category_ids": [8200, 8201], "main_category": 8201,
        "main_pair": {"detailed": {"image_path": IMAGES[0]}},
        "image_pairs": [
            {"position": 1, "detailed": {"image_path": IMAGES[1]}}, {"position": 2, "detailed": {"image_path": IMAGES[2]}},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"price": None}, {"price": Decimal("-1")}, {"title": ""}, {"external_product_id": ""}, {"currency": "EUR"},
        {"visibility": "visible"}, {"quantity": -1},
        {"attributes": {"category_ids": ["shoes"]}}, {"attributes": {"weight": "heavy"}},
        {"attributes": {"free_shipping": "perhaps"}},
        {"attributes": {"images": ["/srv/a.jpg"]}}, {"attributes": {"images": ["ftp://img.example.com/a.jpg"]}},
        {"attributes": {"images": ["https://img.example.com/a///b.jpg"]}},
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_before_the_call(market: Market, changes: dict[str, Any]) -> None:
    """GCO-T21: above all a product without a price."""
    with pytest.raises(PermanentError) as refusal:
        open_line().create_offer(content(**changes))
    assert refusal.value.kind == "invalid"
    assert not market.calls


def test_their_refusal_is_shown(market: Market) -> None:
    """GCO-T21"""
    with pytest.raises(PermanentError, match="category_ids field names categories") as refusal:
        open_line().create_offer(content(attributes={"category_ids": ["7"]}))
    assert refusal.value.kind == "invalid"


def test_a_product_that_waits_for_approval_is_not_called_live(market: Market) -> None:
    market.switches.change(approval=True)
    line = open_line()
    offer = line.create_offer(content())
    assert (offer.status, offer.status_word) == (OfferStatus.SUSPENDED, "R")
    assert "approval" in line.warnings[0]


@pytest.mark.parametrize("mode", ["http_error", "empty_body", "timeout"])
def test_a_product_that_can_not_be_read_back_is_made_all_the_same(market: Market, mode: str) -> None:
    market.fault("GCO-05", mode)
    offer = open_line().create_offer(content())
    assert market.products.get(offer.external_id).code == "OUR-1"
    assert (offer.status, offer.status_word) == (OfferStatus.UNKNOWN, "")


def test_without_budget_a_product_is_made_and_not_read_back(market: Market) -> None:
    grants = iter([0.0, 6.0])
    offer = open_line(lambda count, urgency: next(grants)).create_offer(content())
    assert market.asked == ["POST /products"]
    assert offer.external_id


def test_after_silence_it_is_looked_for_by_its_exact_code_before_a_second_try(market: Market) -> None:
    """GCO-T22"""
    line = open_line()
    line.create_offer(content(external_product_id="OUR-10"))  # a code that holds the other
    assert line.find_offer(content()) is None
    market.fault("GCO-04", "drop_after_commit")
    with pytest.raises(UnknownOutcome):
        line.create_offer(content())
    found = line.find_offer(content())
    assert found is not None
    assert market.products.get(found.external_id).code == "OUR-1"
    assert market.queries[-1]["pcode"] == "OUR-1"


def test_a_push_without_an_answer_makes_one_product(gcommerce: Desk) -> None:
    """GCO-T22"""
    offer = make.offer(
        make.product(codes=3), gcommerce.account, external_product_id="OUR-1", title="Lamp", state="due",
        attributes={"category_ids": ["8200"]},
    )  # fmt: skip
    gcommerce.fault("GCO-04", "drop_after_commit")
    publishing.push(offer.pk)
    offer.refresh_from_db()
    assert (offer.state, offer.external_id) == ("unknown", "")

    for _ in range(2):
        offer.next_try_at = None
        offer.save()
        publishing.push(offer.pk)
        offer.refresh_from_db()
    (made,) = gcommerce.sandbox.products.made()
    assert (offer.state, offer.external_id, made.amount) == ("done", str(made.id), 3)
    assert [call["op"] for call in gcommerce.sandbox.calls].count("GCO-04") == 1


def test_a_code_that_two_products_have_is_reported_and_never_matched(market: Market) -> None:
    """GCO-T19"""
    first, second = next(found for found in market.products.by_code().values() if len(found) > 1)[:2]
    with pytest.raises(PermanentError) as refusal:
        open_line().find_offer(content(external_product_id=first.code))
    assert refusal.value.kind == "conflict"
    assert str(first.id) in str(refusal.value)
    assert str(second.id) in str(refusal.value)


def test_a_product_without_a_code_is_not_looked_for(market: Market) -> None:
    with pytest.raises(PermanentError, match="no product code"):
        open_line().find_offer(content(external_product_id=""))
    assert not market.calls


# --- change and delete ---------------------------------------------------------------------------------------------


def test_an_ordinary_update_sends_what_changed_and_no_image(market: Market) -> None:
    """GCO-T24"""
    line = open_line()
    with_images = content(attributes={"category_ids": ["8200"], "images": IMAGES})
    made = line.create_offer(with_images)
    pictures = dict(market.products.get(made.external_id).image_pairs)
    changed = replace(with_images, title="Desk lamp, new", price=Decimal("9.9"), quantity=0)
    line.update_offer(made.external_id, changed, frozenset({"title", "price", "quantity", "currency", "low_stock_at"}))
    assert market.bodies[2] == {"product": "Desk lamp, new", "price": 9.9, "amount": 0}
    seen = line.update_offer(made.external_id, changed, frozenset({"attributes", "title"}))
    assert not IMAGE_KEYS & market.bodies[4].keys()
    assert market.products.get(made.external_id).image_pairs == pictures
    assert seen.attributes["images"] == IMAGES


def test_nothing_that_is_theirs_or_fixed_is_sent_back(market: Market) -> None:
    line = open_line()
    made = line.create_offer(content())
    market.calls.clear()
    seen = line.get_offer(made.external_id)
    everything = frozenset(name for name in content().__dataclass_fields__)
    line.update_offer(made.external_id, replace(content(), attributes=seen.attributes), everything)
    assert {"product_id", "product_code", "timestamp", "premoderation_reason", *IMAGE_KEYS}.isdisjoint(market.bodies[1])


def test_attributes_that_only_a_bulk_update_takes_go_by_one(market: Market) -> None:
    line = open_line()
    attributes = {"category_ids": ["8201"], "unit_of_measure": "EA", "unspsc": "053120000"}
    line.update_offer("123456", content(attributes=attributes), frozenset({"attributes"}))
    assert market.asked[:2] == ["PUT /products/123456", "POST /products_bulk"]
    assert market.bodies[0] == {"category_ids": [8201]}
    assert market.bodies[1] == [{"product_id": 123456, "unit_of_measure": "EA", "unspsc": "053120000"}]
    market.switches.change(bulk_false=["unspsc"])
    with pytest.raises(UnknownOutcome, match="did not confirm"):
        line.update_offer("123456", content(attributes=attributes), frozenset({"attributes"}))


def test_both_requests_of_an_update_are_planned_before_the_first(market: Market) -> None:
    asked: list[tuple[int, Urgency]] = []
    line = open_line(lambda count, urgency: float(asked.append((count, urgency)) or 0.0))
    line.update_offer("123456", content(attributes={"unit_of_measure": "EA"}), frozenset({"attributes", "title"}))
    assert asked[0][0] == 2


def test_what_g_commerce_has_no_field_for_costs_no_request(market: Market) -> None:
    offer = open_line().update_offer("123456", content(), frozenset({"low_stock_at", "is_for_sale"}))
    assert offer.external_id == "123456"
    assert not market.calls


def test_a_change_of_what_is_gone_says_so(market: Market) -> None:
    with pytest.raises(NotFound):
        open_line().update_offer("999999", content(), frozenset({"price"}))


def test_images_are_replaced_by_an_action_of_its_own(market: Market) -> None:
    """GCO-T25: its part here; nothing but images is sent, and none at all would only delete."""
    line = open_line()
    made = line.create_offer(content(attributes={"images": IMAGES}))
    seen = line.replace_images(made.external_id, content(attributes={"images": ["https://img.example.com/9.jpg"]}))
    assert market.bodies[2] == {
        "main_pair": {"detailed": {"image_path": "https://img.example.com/9.jpg"}}, "image_pairs": [],
    }  # fmt: skip
    assert seen.attributes["images"] == ["https://img.example.com/9.jpg"]
    with pytest.raises(PermanentError, match="would delete"):
        line.replace_images(made.external_id, content(attributes={}))
    assert len(market.calls) == 4


@pytest.mark.parametrize("style", ["modern", "old"])
def test_a_product_is_deleted_and_one_that_is_gone_is_deleted(market: Market, style: str) -> None:
    """GCO-T26"""
    market.switches.change(style=style)
    line = open_line()
    line.delete_offer("123456")
    assert 123456 not in market.products.all
    line.delete_offer("123456")
    assert market.asked == ["DELETE /products/123456"] * 2
    assert market.calls[-1]["status"] == 404
