"""Creating, changing, reading and removing offers (G2G-05 to G2G-08), and what is refused before it is sent."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from marketplaces.exceptions import PermanentError, UnknownOutcome
from marketplaces.services.g2g.sandbox import Sandbox
from marketplaces.services.g2g.sandbox_catalogue import DIRECT_TOP_UP, ITUNES_CARD, RAGNAROK_CREDIT
from marketplaces.types import OfferContent, OfferStatus
from tests.marketplaces.services.g2g.conftest import Peer, open_line, sample

CHOICE = {"offer_attributes": [{"attribute_group_id": "1f00aa01", "attribute_id": "1f00aa02"}]}
CARD = OfferContent(ITUNES_CARD, Decimal("200.99"), "USD", 100, 2, 5, attributes=CHOICE)
TOP_UP = replace(
    CARD, external_product_id=RAGNAROK_CREDIT, attributes=CHOICE | {"delivery_method_ids": [DIRECT_TOP_UP]}
)
TIERS = [{"min": 10, "max": 20, "unit_price": "195.5"}, {"min": 21, "max": 1000, "unit_price": 190}]


def with_attributes(**more: Any) -> OfferContent:
    return replace(CARD, attributes=CHOICE | more)


def test_an_offer_is_created_and_read_back(shop_floor: Sandbox) -> None:
    made = open_line().create_offer(with_attributes(wholesale_details=TIERS, other_pricing=[
        {"currency": "EUR", "unit_price": 185.25}]))  # fmt: skip
    read = open_line().get_offer(made.external_id)
    assert (read.external_product_id, read.price, read.currency) == (ITUNES_CARD, Decimal("200.99"), "USD")
    assert (read.quantity, read.available, read.min_quantity, read.low_stock_at) == (100, 100, 2, 5)
    assert read.status == OfferStatus.LIVE
    assert read.attributes["wholesale_details"][0] == {"min": 10, "max": 20, "unit_price": 195.5}
    assert read.raw["code_label"] == "Code"


@pytest.mark.parametrize(
    "wrong",
    [
        replace(CARD, external_product_id=""),
        replace(CARD, min_quantity=0),
        replace(CARD, quantity=-1),
        replace(CARD, low_stock_at=-1),
        replace(CARD, currency="usd"),
        replace(CARD, price=Decimal(0)),
        replace(CARD, price=Decimal("NaN")),
        replace(CARD, attributes={}),
        with_attributes(offer_attributes=[{"attribute_group_id": "1f00aa01"}]),
        with_attributes(wholesale_details=[{"min": n, "max": n, "unit_price": 1} for n in (2, 4, 6, 8)]),
        with_attributes(wholesale_details=[{"min": 5, "max": 4, "unit_price": 1}]),
        with_attributes(wholesale_details=[TIERS[0], {"min": 20, "max": 30, "unit_price": 1}]),
        with_attributes(wholesale_details="many"),
        with_attributes(other_pricing=[{"currency": "EUR", "unit_price": 0}]),
        with_attributes(sales_territory_settings={"settings_type": "moon"}),
        with_attributes(wholesale_detail=TIERS),
    ],
)
def test_an_offer_out_of_bounds_is_refused_here(peer: Peer, wrong: OfferContent) -> None:
    """G2G-T11: the seven required fields, at most three tiers, and no name that G2G does not know."""
    with pytest.raises(PermanentError) as refusal:
        open_line().create_offer(wrong)
    assert (refusal.value.kind, refusal.value.operation) == ("invalid", "G2G-05")
    assert not peer.requests


def test_a_gift_card_is_sent_without_texts(peer: Peer) -> None:
    """G2G-T12"""
    peer.says({"offer_id": "G1"})
    line = open_line()
    line.create_offer(replace(CARD, title="Our title", description="Long"))
    assert set(peer.bodies[0]) == {
        "product_id", "min_qty", "api_qty", "low_stock_alert_qty", "offer_attributes", "currency", "unit_price",
    }  # fmt: skip
    assert [warning for warning in line.warnings if "title" in warning]
    with pytest.raises(PermanentError, match="delivery method"):
        line.create_offer(with_attributes(service_type="gift_card", delivery_method_ids=[DIRECT_TOP_UP]))


def test_a_top_up_has_exactly_one_delivery_method_and_no_title(peer: Peer) -> None:
    """G2G-T12"""
    peer.says({"offer_id": "G1"})
    open_line().create_offer(replace(TOP_UP, title="Our title", description="How it works"))
    assert peer.bodies[0]["delivery_method_ids"] == [DIRECT_TOP_UP]
    assert "title" not in peer.bodies[0]
    assert peer.bodies[0]["description"] == "How it works"
    for ids in ([], [DIRECT_TOP_UP, "another"]):
        wrong = replace(TOP_UP, attributes=CHOICE | {"service_type": "top_up", "delivery_method_ids": ids})
        with pytest.raises(PermanentError, match="exactly one delivery method"):
            open_line().create_offer(wrong)


def test_other_goods_keep_their_texts(peer: Peer) -> None:
    peer.says({"offer_id": "G1"})
    open_line().create_offer(replace(with_attributes(service_type="software"), title="Ours", description="Long"))
    assert (peer.bodies[0]["title"], peer.bodies[0]["description"]) == ("Ours", "Long")


def test_a_currency_the_store_does_not_sell_in_is_warned_of(shop_floor: Sandbox) -> None:
    """G2G-T13"""
    shop_floor.options["selling_currencies"] = ["USD", "JPY"]
    line = open_line()
    assert line.check().currencies == ["USD", "JPY"]
    line.create_offer(CARD)
    assert line.warnings == []
    with pytest.raises(PermanentError):
        line.create_offer(replace(CARD, currency="CHF"))
    assert "CHF" in line.warnings[0]


def test_an_answer_with_the_id_alone_is_an_offer(peer: Peer) -> None:
    """G2G-T15: as is one whose delivery_speed is null."""
    peer.says({"offer_id": "G1"}).says(sample("get_offer")["payload"] | {"delivery_speed": None})
    bare = open_line().get_offer("G1")
    assert (bare.external_id, bare.status, bare.price, bare.quantity) == ("G1", OfferStatus.UNKNOWN, None, None)
    assert open_line().get_offer("G1650341633714BW").price == Decimal("200.99")


def test_an_offer_created_without_an_id_is_looked_for(peer: Peer) -> None:
    peer.says({})
    with pytest.raises(UnknownOutcome):
        open_line().create_offer(CARD)


def test_zero_is_a_value_and_nothing_is_no_update(peer: Peer) -> None:
    """G2G-T16"""
    peer.says({})
    line = open_line()
    line.update_offer("G1", replace(CARD, quantity=0, price=Decimal(0)), frozenset({"quantity"}))
    assert peer.bodies == [{"api_qty": 0}]
    for fields in (frozenset(), frozenset({"title"}), frozenset({"external_product_id", "description"})):
        with pytest.raises(PermanentError, match="at least one field") as refusal:
            line.update_offer("G1", CARD, fields)
        assert refusal.value.kind == "invalid"
    assert len(peer.requests) == 1


def test_an_update_sends_the_named_fields_and_never_what_is_fixed(peer: Peer) -> None:
    """G2G-T17"""
    peer.says(sample("update_offer")["payload"]).says({})
    every = frozenset(OfferContent.__dataclass_fields__)
    answer = open_line().update_offer("G1650341633714BW", replace(CARD, title="New"), every)
    assert set(peer.bodies[0]) == {
        "unit_price", "currency", "api_qty", "min_qty", "low_stock_alert_qty", "offer_attributes",
    }  # fmt: skip
    assert answer.price == Decimal("300.99")
    open_line().update_offer("G1", CARD, frozenset({"price", "title"}))
    assert peer.bodies[1] == {"unit_price": 200.99, "currency": "USD"}


def test_the_published_bodies_are_sent_as_they_stand(peer: Peer) -> None:
    for name in ("create_offer", "update_offer"):
        wanted = sample(f"{name}.request")
        attributes = {key: value for key, value in wanted.items() if isinstance(value, list | dict)}
        content = OfferContent(
            wanted.get("product_id", ""), Decimal(str(wanted["unit_price"])), wanted["currency"], wanted["api_qty"],
            wanted["min_qty"], wanted["low_stock_alert_qty"], attributes=attributes,
        )  # fmt: skip
        peer.says({"offer_id": "G1"})
        if name == "create_offer":
            open_line().create_offer(content)
        else:
            open_line().update_offer("G1", content, frozenset(OfferContent.__dataclass_fields__))
        assert peer.bodies[-1] == wanted


def test_an_offer_that_is_gone_is_deleted(shop_floor: Sandbox) -> None:
    """G2G-T18"""
    line = open_line()
    made = line.create_offer(CARD)
    line.delete_offer(made.external_id)
    line.delete_offer(made.external_id)
    assert [call["status"] for call in shop_floor.calls] == [200, 200, 404]


@pytest.mark.parametrize("name", ["other_pricing", "other_wholesale_details", "delivery_method_ids"])
def test_v1_refuses_what_only_v2_has(peer: Peer, name: str) -> None:
    """G2G-T35, fields"""
    value = sample("create_offer.request")[name]
    content = replace(CARD, attributes=CHOICE | {name: value})
    for work in (
        lambda line: line.create_offer(content),
        lambda line: line.update_offer("G1", content, frozenset({"attributes"})),
    ):
        with pytest.raises(PermanentError, match="v1") as refusal:
            work(open_line(options={"version": "v1"}))
        assert refusal.value.kind == "invalid"
    assert not peer.requests
