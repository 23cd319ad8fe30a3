"""The contract's samples in our words."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marketplaces.services.gcommerce import mapping, statuses
from marketplaces.types import OfferStatus, OrderState, ShipmentState, ShippingMethod
from tests.marketplaces.services.gcommerce.conftest import sample


def order(**changes: Any) -> Any:
    return mapping.to_order(sample("get_order") | changes, statuses.ORDERS)


# --- products ----------------------------------------------------------------------------------------------------


def test_a_product_is_an_offer_of_its_own() -> None:
    """GCO-T23: the sample, whose main_pair is [] and whose product_code is empty."""
    offer = mapping.to_offer(sample("get_product"))
    assert (offer.external_id, offer.external_product_id, offer.title) == ("123456", "", "3D Printer")
    assert (offer.price, offer.currency, offer.quantity) == (Decimal(12), "USD", 1)
    assert (offer.status, offer.status_word) == (OfferStatus.PAUSED, "D")
    assert "images" not in offer.attributes
    assert offer.attributes["category_ids"] == ["123456"]
    assert offer.attributes["main_category"] == "123456"


def test_images_are_one_main_and_a_map_of_others() -> None:
    """GCO-T23"""
    offer = mapping.to_offer(sample("get_product") | sample("get_product.images"))
    assert offer.attributes["images"] == ["https://img.example.com/a.jpg", "https://img.example.com/b.jpg"]


def test_a_row_of_the_list_is_a_short_offer() -> None:
    """GCO-T18"""
    offer = mapping.to_offer(sample("list_products")["products"][0])
    assert (offer.external_id, offer.price, offer.quantity, offer.min_quantity) == ("123456", Decimal(10), 144, 1)
    assert offer.external_id == mapping.to_offer(sample("get_product")).external_id  # text there, a number here


@pytest.mark.parametrize(
    ("letter", "amount", "status"),
    [
        ("A", "5", OfferStatus.LIVE), ("a", "5", OfferStatus.LIVE), ("A", "0", OfferStatus.OUT_OF_STOCK),
        ("A", "-2", OfferStatus.OUT_OF_STOCK), ("D", "5", OfferStatus.PAUSED), ("H", "5", OfferStatus.PAUSED),
        ("R", "5", OfferStatus.SUSPENDED), ("X", "5", OfferStatus.SUSPENDED), ("Z", "5", OfferStatus.UNKNOWN),
    ],
)  # fmt: skip
def test_product_letters(letter: str, amount: str, status: OfferStatus) -> None:
    offer = mapping.to_offer({"product_id": 1, "status": letter, "amount": amount})
    assert (offer.status, offer.status_word) == (status, letter.upper())


def test_a_category_has_no_description_and_no_parent() -> None:
    """GCO-T14"""
    category = mapping.to_category(sample("get_category"))
    assert (category.external_id, category.name, category.parent_id) == ("123456", "Printers", "")
    assert mapping.to_category(sample("get_category") | {"parent_id": 55}).parent_id == "55"


# --- orders ------------------------------------------------------------------------------------------------------


def test_an_order_says_who_buys_what_and_where_it_goes() -> None:
    """GCO-T40: the sample; its sums do not add up, and are stored as they are."""
    found = order()
    assert (found.external_id, found.state, found.status_word) == ("123456", OrderState.COMPLETED, "C")
    assert (found.amount, found.currency, found.buyer) == (Decimal("10000.00"), "USD", "Test Buyer")
    assert found.created_at == datetime(2022, 5, 12, 23, 31, 48, tzinfo=UTC)
    assert found.updated_at == datetime(2022, 5, 13, 0, 25, 3, tzinfo=UTC)
    assert found.shipping_methods == [ShippingMethod("44", "Standard Shipping", "1-3 business days")]
    assert found.needs_shipping
    assert not found.is_summary
    (line,) = found.lines
    assert (line.external_id, line.external_offer_id, line.sku) == ("424186180", "123456", "LM1")
    assert (line.quantity, line.unit_price, line.name) == (1200, Decimal("1.13"), "Demo mask")


def test_an_empty_shipping_name_falls_back_to_the_bill_and_then_to_the_customer() -> None:
    """GCO-T40"""
    assert order().ship_to.name == "Test Buyer"
    nameless = {"b_firstname": "", "b_lastname": None, "firstname": "Ada", "lastname": "Birch"}
    assert order(**nameless).ship_to.name == "Ada Birch"
    assert order(s_firstname="Eve", s_lastname="").ship_to.name == "Eve"
    assert (order().ship_to.street, order().ship_to.region, order().ship_to.country) == ("1 Test Ave", "LA", "US")
    assert order(s_address_2="Floor 1").ship_to.street == "1 Test Ave\nFloor 1"


@pytest.mark.parametrize("products", [[], {}, None, ""])
def test_an_order_without_products_has_no_lines(products: Any) -> None:
    """GCO-T40"""
    assert list(order(products=products).lines) == []


def test_lines_may_be_a_list_and_their_ids_above_32_bits() -> None:
    row = {"item_id": 2905461962, "product_id": 7, "amount": "2"}
    as_list, as_map = order(products=[row]), order(products={"2905461962": {"product_id": 7, "amount": "2"}})
    assert as_list.lines[0].external_id == as_map.lines[0].external_id == "2905461962"


def test_an_unknown_letter_is_shown_and_breaks_nothing() -> None:
    """GCO-T41"""
    found = order(status="Q")
    assert (found.state, found.status_word) == (OrderState.UNKNOWN, "Q")
    assert order(status="k").state is OrderState.ACCEPTED


def test_an_account_may_say_what_its_letters_mean() -> None:
    table, problem = statuses.read_table('{"q": "on_hold", "P": "awaiting_payment"}')
    assert (table["Q"], table["P"], table["K"], problem) == (
        OrderState.ON_HOLD, OrderState.AWAITING_PAYMENT, OrderState.ACCEPTED, "",
    )  # fmt: skip


@pytest.mark.parametrize("given", ["{", "[]", '{"Q": "nowhere"}', '"on_hold"', "7"])
def test_letters_that_can_not_be_read_leave_the_usual_ones_and_are_told(given: str) -> None:
    table, problem = statuses.read_table(given)
    assert table == statuses.ORDERS
    assert "on_hold" in problem


def test_only_what_an_order_carries_as_empty_is_emptied() -> None:
    assert order(notes="", email="").emptied == {"note", "email"}
    assert order(notes="Ring twice").emptied == frozenset()
    payload = sample("get_order")
    del payload["notes"]
    assert mapping.to_order(payload, statuses.ORDERS).emptied == frozenset()


def test_a_row_of_the_list_clears_nothing() -> None:
    """GCO-T42: its part here, that the row says so."""
    row = mapping.to_order(sample("list_orders")["orders"][0], statuses.ORDERS, is_summary=True)
    assert (row.is_summary, row.emptied, row.ship_to, list(row.lines)) == (True, frozenset(), None, [])
    assert (row.external_id, row.amount, row.email) == ("123456", Decimal("10000.00"), "buyer@example.com")


def test_a_basket_as_a_whole_is_no_order_of_ours() -> None:
    assert not mapping.is_ours({"status": "T"})
    assert not mapping.is_ours({"status": "O", "is_parent_order": "Y"})
    assert mapping.is_ours({"status": "O", "is_parent_order": "N"})


# --- purchase orders and shipments ---------------------------------------------------------------------------------


def test_a_purchase_order_has_a_list_of_products_and_an_address_for_the_bill() -> None:
    """GCO-T45"""
    found = mapping.to_purchase_order(sample("get_purchase_order"), statuses.ORDERS)
    assert (found.external_id, found.state, found.amount) == ("123456", OrderState.NEW, Decimal("15.00"))
    assert [line.external_id for line in found.lines] == ["2756919659"]
    assert found.bill_to is not None
    assert (found.bill_to.email, found.bill_to.company) == ("ap@example.com", "DEMO INC")
    assert found.bill_to.street == "2 Test Street\nFloor 1"


@pytest.mark.parametrize("products", [[], {"2756919659": {"product_id": "217005", "amount": "1"}}])
def test_products_of_a_purchase_order_may_be_none_or_a_map(products: Any) -> None:
    """GCO-T45"""
    payload = sample("get_purchase_order") | {"products": products}
    assert len(mapping.to_purchase_order(payload, statuses.ORDERS).lines) == len(products)


def test_a_shipment_says_what_is_in_it_and_how_it_goes() -> None:
    found = mapping.to_shipment(sample("get_shipment"))
    assert (found.external_id, found.order_id, found.state) == ("1234", "657", ShipmentState.PICKED)
    assert (found.carrier, found.carrier_name, found.tracking_number) == ("usps", "USPS", "100000000002")
    assert [(item.line_id, item.quantity) for item in found.items] == [("2905461962", 1)]
    assert found.ship_to is not None
    assert found.ship_to.name == "Test Buyer"


@pytest.mark.parametrize("info", [[], None, {}, "absent"])
def test_a_carrier_that_is_not_known_has_no_name(info: Any) -> None:
    """GCO-T53"""
    payload = sample("get_shipment") | {"carrier_info": info}
    if info == "absent":
        del payload["carrier_info"]
    found = mapping.to_shipment(payload)
    assert (found.carrier_name, found.tracking_url, found.carrier) == ("", "", "usps")


def test_a_link_to_follow_a_parcel_is_an_address_of_the_web() -> None:
    assert mapping.to_shipment(sample("get_shipment")).tracking_url.startswith("https://track.example.com/")
    payload = sample("get_shipment") | {"carrier_info": {"tracking_url": "javascript:alert(1)"}}
    assert mapping.to_shipment(payload).tracking_url == ""


def test_a_shipment_without_products_is_empty() -> None:
    """GCO-T46"""
    payload = sample("list_shipments")["shipments"][0]
    for key in ("products", "group_key"):
        del payload[key]
    assert list(mapping.to_shipment(payload, is_summary=True).items) == []


@pytest.mark.parametrize(("letter", "state"), [("P", "picked"), ("A", "packed"), ("S", "shipped"), ("Z", "unknown")])
def test_shipment_letters(letter: str, state: str) -> None:
    assert mapping.to_shipment({"shipment_id": "1", "status": letter}).state == state
