"""Many products at once: the bulk update and the feed (GCO-08, GCO-09)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from marketplaces.exceptions import PermanentError, UnknownOutcome
from marketplaces.services.gcommerce import selling
from marketplaces.services.gcommerce.service import Service
from marketplaces.types import OfferChange, OfferContent, OfferResult
from tests.marketplaces.services.gcommerce.conftest import Market, content, open_line

PRICE_AND_STOCK = frozenset({"price", "quantity"})


def change(offer_id: Any, fields: frozenset[str] = PRICE_AND_STOCK, **changes: Any) -> OfferChange:
    return OfferChange(str(offer_id), content(external_product_id=f"CODE-{offer_id}", **changes), fields)


def ids(market: Market, count: int) -> list[int]:
    return list(market.products.all)[:count]


def by_id(results: Any) -> dict[str, OfferResult]:
    return {result.offer_id: result for result in results}


# --- bulk update -----------------------------------------------------------------------------------------------


def test_the_body_is_a_bare_list_with_price_and_stock(market: Market) -> None:
    """GCO-T28, GCO-T33, GCO-T34: the 0 is sent, nothing that is not asked for or not listed is."""
    full = frozenset(OfferContent.__dataclass_fields__) - {"attributes"}
    line = open_line()
    results = line.update_offers([change(123456, full, quantity=0, price=Decimal("159.546"))])
    assert market.asked == ["POST /products_bulk"]
    assert market.bodies == [[{"product_id": 123456, "vendor_price": 159.55, "amount": 0}]]
    product = market.products.all[123456]
    assert (product.price, product.amount, product.name) == (Decimal("159.55"), 0, "3D Printer")
    assert results[0].confirmed == {"price", "quantity", "currency", "low_stock_at", "is_for_sale", "offer_type"}


def test_1000_go_in_one_request_and_more_are_refused(market: Market) -> None:
    """GCO-T28: its part here; whoever calls cuts the 2,500."""
    line = open_line()
    assert line.offers_per_update == Service.offers_per_update == 1000
    results = line.update_offers([change(number) for number in ids(market, 1000)])
    assert len(results) == 1000
    assert all(result.confirmed == PRICE_AND_STOCK for result in results)
    for count in (0, 1001):
        with pytest.raises(PermanentError):
            line.update_offers([change(number) for number in range(1, count + 1)])
    assert len(market.calls) == 1


def test_an_account_may_send_fewer_at_once(market: Market) -> None:
    line = open_line(options={"bulk_size": 2})
    assert line.offers_per_update == 2
    with pytest.raises(PermanentError, match="1 to 2 rows"):
        line.update_offers([change(number) for number in (1, 2, 3)])


def test_a_price_is_confirmed_under_its_other_name(market: Market) -> None:
    """GCO-T29"""
    market.switches.change(bulk_false=["amount"])
    (result,) = open_line().update_offers([change(123456)])
    assert result.confirmed == {"price"}
    assert result.problem == "G-Commerce did not confirm quantity"


def test_answers_in_another_order_are_matched_by_id(market: Market) -> None:
    """GCO-T30"""
    one, two, three, four = ids(market, 4)
    market.switches.change(bulk_shuffled=True, bulk_empty=[str(three)])
    results = open_line().update_offers([change(number) for number in (one, two, three, four)])
    assert [result.offer_id for result in results] == [str(one), str(two), str(three), str(four)]
    assert [bool(result.confirmed) for result in results] == [True, True, False, True]


def test_answers_without_ids_are_matched_by_a_code_that_is_one_products_alone(market: Market) -> None:
    """GCO-T30: by code, and GCO-T19: not by one that two have."""
    changes = [change(1), change(2), replace(change(3), content=change(2).content)]
    flags = {"prices": 1, "amount": "Y"}
    answer = [{"code": "CODE-2", "updates": flags}, {"code": "CODE-1", "updates": flags}]
    sent = selling._updates(answer, changes)
    assert sent == {"1": flags}


@pytest.mark.parametrize(
    ("switch", "value", "problem"),
    [
        ("bulk_missing", ["123456"], "does not name this product"),
        ("bulk_empty", ["123456"], "did not confirm price, quantity"),
        ("bulk_false", ["vendor_price", "amount"], "did not confirm price, quantity"),
    ],
)
@pytest.mark.parametrize("as_object", [False, True])
def test_a_row_that_is_not_confirmed_is_not_done(
    market: Market, switch: str, value: list[str], problem: str, as_object: bool
) -> None:
    """GCO-T31"""
    market.switches.change(**{switch: value, "empty_as_object": as_object})
    other = next(number for number in market.products.all if number != 123456)
    results = by_id(open_line().update_offers([change(123456), change(other)]))
    assert not results["123456"].confirmed
    assert problem in results["123456"].problem
    if switch != "bulk_false":
        assert results[str(other)] == OfferResult(str(other), PRICE_AND_STOCK)


@pytest.mark.parametrize("strict", [True, False])
def test_all_that_is_sent_is_on_their_list(market: Market, strict: bool) -> None:
    """GCO-T34, and GCO-T33: a leading zero is kept."""
    market.switches.change(bulk_strict=strict)
    attributes = {
        "upc": "012345678905", "abilityone": True, "unit_of_measure": "EA", "manufacturer_name": "Demo Brand",
        "manufacturer_part_number": "AAA3545", "country_of_origin": "US", "unspsc": 53120000, "eccn": "05A99",
        "brand": "Demo Brand", "colour": "red", "images": ["https://img.example.com/1.jpg"], "weight": "",
    }  # fmt: skip
    (result,) = open_line().update_offers([change(123456, frozenset({"attributes", "price"}), attributes=attributes)])
    (row,) = market.bodies[0]
    assert {name: row[name] for name in ("upc", "unspsc", "eccn", "abilityone")} == {
        "upc": "012345678905", "unspsc": 53120000, "eccn": "05A99", "abilityone": "Y",
    }  # fmt: skip
    assert {"brand", "colour", "images", "weight", "code", "amount"}.isdisjoint(row)
    assert market.products.all[123456].upc == "012345678905"
    assert result.confirmed == {"attributes", "price"}


def test_attributes_that_a_bulk_update_does_not_take_leave_them_unconfirmed(market: Market) -> None:
    (result,) = open_line().update_offers([change(123456, frozenset({"attributes", "price"}))])
    assert (result.confirmed, result.problem) == ({"price"}, "")


def test_what_a_bulk_update_does_not_take_is_neither_sent_nor_confirmed(market: Market) -> None:
    (result,) = open_line().update_offers([change(123456, frozenset({"title", "quantity"}))])
    assert market.bodies == [[{"product_id": 123456, "amount": 40}]]
    assert result.confirmed == {"quantity"}
    (result,) = open_line().update_offers([change(123456, frozenset({"title"}))])
    assert not result.confirmed
    assert len(market.calls) == 1
    assert {"price", "quantity"} <= Service.bulk_fields
    assert {"title", "description", "attributes"}.isdisjoint(Service.bulk_fields)


def test_a_product_comes_once_in_a_batch(market: Market) -> None:
    """GCO-T34"""
    with pytest.raises(PermanentError, match="twice"):
        open_line().update_offers([change(123456), change(123456, quantity=3)])
    assert not market.calls


@pytest.mark.parametrize("status", [400, 413])
def test_a_batch_that_is_refused_is_refused_as_a_whole(market: Market, status: int) -> None:
    """GCO-T32: its part here, an error of the kind invalid, with which whoever calls halves the batch."""
    market.fault("GCO-08", "http_error", status=status)
    with pytest.raises(PermanentError) as refusal:
        open_line().update_offers([change(123456)])
    assert (refusal.value.kind, refusal.value.status) == ("invalid", status)


def test_a_bulk_update_without_an_answer_may_have_been_done(market: Market) -> None:
    market.fault("GCO-08", "drop_after_commit")
    line = open_line()
    with pytest.raises(UnknownOutcome):
        line.update_offers([change(123456, quantity=7)])
    assert market.products.all[123456].amount == 7
    (result,) = line.update_offers([change(123456, quantity=7)])  # it sets values, so it is sent again
    assert result.confirmed == PRICE_AND_STOCK


# --- feed --------------------------------------------------------------------------------------------------------


def test_a_feed_names_its_fields_as_the_contract_does(market: Market) -> None:
    """GCO-T35: images are joined by ///, categories are text with commas."""
    attributes = {
        "category_ids": [8200, 8201], "images": ["https://img.example.com/1.jpg", "https://img.example.com/2.jpg"],
        "upc": "098765432345432", "weight": "13", "free_shipping": "N", "brand": "Demo Brand", "made_in_usa": True,
        "country_of_origin": "USA", "main_category": 8200, "page_title": "no field of a feed",
    }  # fmt: skip
    open_line().feed_offers([content(attributes=attributes)])
    assert market.bodies[0] == {
        "items": [
            {
                "product": "Desk lamp", "full_description": "<p>A lamp</p>", "code": "OUR-1", "price": 125.55, "amount": 40,
                "category_ids": "8200,8201", "images": "https://img.example.com/1.jpg///https://img.example.com/2.jpg",
                "upc": "098765432345432", "weight": 13, "free_shipping": "N", "brand": "Demo Brand", "made_in_usa": "Y",
                "country_of_origin": "USA",
            }
        ]
    }  # fmt: skip


def test_a_queue_id_is_kept_digit_by_digit_and_products_show_up_later(market: Market) -> None:
    """GCO-T36: its part here, the number, and that a look shows the codes once they are there."""
    line = open_line()
    queue_id = line.feed_offers([content()])
    assert queue_id == next(iter(market.bulk.feeds)) == "6772968756425294"
    assert line.find_offer(content()) is None
    market.advance(61)
    found = line.find_offer(content())
    assert found is not None
    assert found.price == Decimal("125.55")


def test_10_000_are_fed_at_once_and_more_are_refused(market: Market) -> None:
    """GCO-T35: its part here; whoever calls cuts the 10,001."""
    line = open_line()
    lot = [content(external_product_id=f"OUR-{number}") for number in range(10_001)]
    assert line.offers_per_feed == 10_000
    for refused in ([], lot, [content(), content()], [content(external_product_id="")], [content(title="")]):
        with pytest.raises(PermanentError):
            line.feed_offers(refused)
    assert not market.calls
    line.feed_offers(lot[:10_000])
    assert len(market.bodies[0]["items"]) == 10_000


@pytest.mark.parametrize("mode", ["timeout", "drop_after_commit", "empty_body"])
def test_a_feed_without_an_answer_is_not_sent_again(market: Market, mode: str) -> None:
    """GCO-T37"""
    market.fault("GCO-09", mode)
    with pytest.raises(UnknownOutcome):
        open_line().feed_offers([content()])
    assert market.asked == ["POST /products_feed"]
