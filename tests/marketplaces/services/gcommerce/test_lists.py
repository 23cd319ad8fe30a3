"""Following pages (3.0), whatever a version of their platform makes of them."""

from typing import Any

import pytest

from marketplaces.exceptions import PermanentError, TemporaryError
from tests.marketplaces.services.gcommerce.conftest import Market, open_line

SEEDED = 2201


def pages(market: Market) -> list[str]:
    return [query["page"] for query in market.queries]


def test_all_products_are_read_in_pages_of_250(market: Market) -> None:
    """GCO-T16"""
    offers = list(open_line().fetch_offers())
    assert len({offer.external_id for offer in offers}) == len(offers) == SEEDED
    assert pages(market) == [str(number) for number in range(1, 10)]
    assert {query["items_per_page"] for query in market.queries} == {"250"}


@pytest.mark.parametrize("size", [10, 1000])
def test_the_size_of_a_page_is_a_setting(market: Market, size: int) -> None:
    line = open_line(options={"page_size": size})
    list(line.fetch_categories())
    assert {query["items_per_page"] for query in market.queries[:1]} == {str(size)}


@pytest.mark.parametrize("total", ["text", "number", "absent"])
def test_the_total_may_be_text_a_number_or_missing(market: Market, total: str) -> None:
    """GCO-T16"""
    market.switches.change(total_items=total)
    assert len(list(open_line().fetch_offers())) == SEEDED
    assert len(market.calls) == 9


@pytest.mark.parametrize("switches", [{}, {"bare_lists": True}, {"lists_as_objects": True}, {"category_params": True}])
def test_categories_come_without_a_total_and_in_any_form(market: Market, switches: dict[str, Any]) -> None:
    """GCO-T12, GCO-T13: the page that is shorter than the first, or empty, is the last."""
    market.switches.change(**switches)
    found = list(open_line(options={"page_size": 100}).fetch_categories())
    assert len({category.external_id for category in found}) == len(found) == 171
    assert pages(market) == ["1", "2"]
    assert open_line().get_category("8201").parent_id == "8200"


def test_a_page_that_is_as_long_as_the_first_is_followed_by_an_empty_one(market: Market) -> None:
    """GCO-T12"""
    assert len(list(open_line(options={"page_size": 19}).fetch_categories())) == 171
    assert pages(market) == [str(number) for number in range(1, 11)]


def test_a_short_first_page_alone_ends_nothing(market: Market) -> None:
    """GCO-T12: without a total it may have been cut short."""
    market.switches.change(page_cap=50)
    assert len(list(open_line().fetch_categories())) == 171
    assert [query["items_per_page"] for query in market.queries] == ["250", "50", "50", "50"]


@pytest.mark.parametrize("total", ["text", "absent"])
def test_a_server_that_caps_the_size_is_followed_by_its_own(market: Market, total: str) -> None:
    market.switches.change(page_cap=100, total_items=total)
    assert len(list(open_line().fetch_offers())) == SEEDED
    assert len(market.calls) == 23


@pytest.mark.parametrize("total", ["text", "absent"])
def test_a_server_that_repeats_its_last_page_ends_the_loop(market: Market, total: str) -> None:
    """GCO-T17, and GCO-T12 for categories"""
    market.switches.change(repeat_last_page=True, total_items=total)
    line = open_line(options={"page_size": 200})
    assert len(list(line.fetch_offers())) == SEEDED
    assert len(market.calls) <= 13
    market.calls.clear()
    assert len(list(open_line(options={"page_size": 57}).fetch_categories())) == 171
    assert pages(market) == ["1", "2", "3", "4"]


def test_rows_that_shift_between_pages_come_once(market: Market) -> None:
    market.switches.change(shifted_rows=3)
    offers = list(open_line().fetch_offers())
    assert len({offer.external_id for offer in offers}) == len(offers) == SEEDED


@pytest.mark.parametrize("numbers", ["text", "number"])
def test_an_id_is_the_same_however_it_is_written(market: Market, numbers: str) -> None:
    """GCO-T18"""
    market.switches.change(numbers=numbers, params_noise=True, empty_as_object=True)
    line = open_line()
    row = next(offer for offer in line.search_offers({"cid": "123456"}) if offer.title == "3D Printer")
    assert row.external_id == line.get_offer("123456").external_id == "123456"
    assert row.price == 10


@pytest.mark.parametrize("mode", ["extra_keys", "missing_optional", "unknown_status"])
def test_fields_may_come_and_go(market: Market, mode: str) -> None:
    line = open_line()
    order = str(market.orders.buy(offer_id="123456").id)
    for op, call in (
        ("GCO-03", lambda: list(line.search_offers({"cid": "123456"}))),
        ("GCO-05", lambda: line.get_offer("123456")),
        ("GCO-10", lambda: list(line.search_orders({"status": "O"}))),
        ("GCO-11", lambda: line.fetch_order(order)),
        ("GCO-15", lambda: list(line.fetch_shipments())),
    ):
        market.fault(op, mode)
        assert call()


def test_an_object_in_place_of_a_list_is_not_taken_for_an_empty_one(market: Market) -> None:
    market.fault("GCO-03", "wrapped_data")
    with pytest.raises(TemporaryError, match="no list of products"):
        list(open_line().fetch_offers())


def test_products_are_searched_by_the_names_of_the_contract(market: Market) -> None:
    """GCO-T15"""
    filters = {
        "pcode": "SKU", "cid": "8200", "subcats": "Y", "amount_from": "1", "amount_to": "9000", "price_from": "1",
        "price_to": "9000", "free_shipping": "N", "status": "A", "order_ids": "120001,120003",
    }  # fmt: skip
    line = open_line()
    list(line.search_offers(filters, q="lamp & more", within=["pname", "pfull"]))
    sent = market.queries[0]
    assert {name: sent[name] for name in filters} == filters
    assert {name: sent[name] for name in ("q", "pname", "pfull", "pshort", "pkeywords")} == {
        "q": "lamp & more", "pname": "Y", "pfull": "Y", "pshort": "N", "pkeywords": "N",
    }  # fmt: skip
    assert (sent["sort_by"], sent["sort_order"]) == ("code", "asc")
    list(line.search_offers({"sort_by": "price", "sort_order": "desc", "cid": "123456"}))
    assert (market.queries[1]["sort_by"], market.queries[1]["sort_order"]) == ("price", "desc")
    assert "q" not in market.queries[1]


def test_a_text_is_looked_for_where_it_was_said(market: Market) -> None:
    """GCO-T15: flags that are absent count as yes in newer versions."""
    market.switches.change(text_flags_on=True)
    line = open_line()
    assert [offer.external_id for offer in line.search_offers({"cid": "123456"}, q="its tools", within=["pfull"])] == [
        "123456"
    ]
    assert not list(line.search_offers({"cid": "123456"}, q="its tools", within=["pname"]))


@pytest.mark.parametrize("filters", [{"colour": "red"}, {"page": "2"}])
def test_a_filter_that_does_not_exist_is_refused_here(market: Market, filters: dict[str, str]) -> None:
    line = open_line()
    for call in (line.search_offers, line.search_orders, line.search_purchase_orders):
        with pytest.raises(PermanentError):
            list(call(filters))
    assert not market.calls


@pytest.mark.parametrize(("op", "path"), [("search_orders", "/orders"), ("search_purchase_orders", "/purchase_orders")])
def test_orders_are_searched_by_the_names_of_the_contract(market: Market, op: str, path: str) -> None:
    """GCO-T39"""
    filters = {"status": "O", "email": "buyer@example.com", "user_id": "123", "sort_by": "total", "sort_order": "asc"}
    line = open_line()
    list(getattr(line, op)(filters))
    assert market.calls[0]["path"] == path
    assert market.queries[0] == {**filters, "page": "1", "items_per_page": "250"}
    list(getattr(line, op)({}))
    assert market.queries[1] == {"sort_by": "date", "sort_order": "desc", "page": "1", "items_per_page": "250"}


def test_an_address_is_compared_exactly(market: Market) -> None:
    """GCO-T39: their filter matches parts."""
    mine = market.orders.buy(offer_id="123456", email="Ann@example.com")
    market.orders.buy(offer_id="123456", email="joann@example.com")
    found = list(open_line().search_orders({"email": "ann@example.com"}))
    assert [order.external_id for order in found] == [str(mine.id)]


def test_shipments_are_listed_by_the_names_of_the_contract(market: Market) -> None:
    """GCO-T46"""
    line = open_line()
    shipment = next(iter(market.shipments.all.values()))
    (found,) = line.fetch_shipments(order_id=str(shipment.order.id))
    assert (found.external_id, list(found.items)) == (str(shipment.id), [])  # the one that holds nothing
    assert market.queries[0] == {
        "order_id": str(shipment.order.id), "sort_by": "id", "sort_order": "desc", "page": "1", "items_per_page": "250",
    }  # fmt: skip
    assert {each.status_word for each in line.search_shipments(status="S")} == {"S"}
    assert market.queries[1]["status"] == "S"
