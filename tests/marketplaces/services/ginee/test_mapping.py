"""Ginee's words in ours (sections 4, 7 and 8 of the contract)."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from marketplaces.exceptions import PermanentError, Unsupported
from marketplaces.services.ginee import inbound, mapping, reading
from marketplaces.types import Call, OfferStatus, OrderState, RemoteOrder, ShipmentState
from tests.marketplaces.services.ginee.conftest import RememberingShop, connection, sample

AT = datetime(2020, 12, 24, 6, 20, 29, 174000, tzinfo=UTC)


def call(document: Any) -> Call:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Call("POST", "", "", {}, body, datetime(2026, 1, 1, tzinfo=UTC))


def payload_of(name: str) -> Any:
    """The payload of a sample, read as the product reads it."""
    return inbound.read(json.dumps(sample(name)).encode()).payload


# --- orders ------------------------------------------------------------------------------------------------------


def test_a_notification_of_an_order_says_what_it_says() -> None:
    """GIN-T04, and the mapping side of GIN-T03."""
    order = mapping.to_order(payload_of("order.create"))
    assert (order.external_id, order.channel) == ("order_1", "LAZADA_ID")
    assert (order.state, order.status_word) == (OrderState.NEW, "PAID")
    assert order.created_at == order.updated_at == AT
    assert order.raw == payload_of("order.create"), "all eight members are kept"
    assert order.needs_shipping
    assert order.lines == ()
    assert order.amount is None


@pytest.mark.parametrize("change", [{"externalShopId": ""}, {"payAt": ""}, {"payAt": None}])
def test_what_is_empty_or_missing_is_no_news(change: dict[str, Any]) -> None:
    """GIN-T05"""
    payload = payload_of("order.create") | change
    order = mapping.to_order(payload)
    assert (order.external_id, order.state) == ("order_1", OrderState.NEW)
    assert order.emptied == frozenset()
    del payload["payAt"]
    assert mapping.to_order(payload).state == OrderState.NEW


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("SHIPPING", OrderState.SHIPPED),  # the mapping side of GIN-T22
        (" ready_to_ship ", OrderState.READY_TO_SHIP),
        ("PARTIALLY_PAID", OrderState.AWAITING_PAYMENT),
        ("COMPLETED", OrderState.COMPLETED),
        ("WORD_OF_TOMORROW", OrderState.UNKNOWN),
        (None, OrderState.UNKNOWN),
        (["PAID"], OrderState.UNKNOWN),
    ],
)
def test_each_word_has_its_state(word: Any, state: OrderState) -> None:
    order = mapping.to_order({"orderId": "1", "orderStatus": word})
    assert order.state == state
    assert order.status_word == (word.strip() if isinstance(word, str) else "")


def test_details_tell_lines_amount_and_number() -> None:
    order = mapping.to_order(sample("get_orders")["data"][0], asked_at=AT)
    assert (order.number, order.amount, order.currency) == ("26030159H1XJ", Decimal(150000), "IDR")
    (line,) = order.lines
    assert (line.external_id, line.sku, line.external_offer_id) == (
        "OI5FF02DDA52FAFF0001000011",
        "SKU-RED-M",
        "SKU-RED-M",
    )
    assert (line.quantity, order.asked_at) == (2, AT)


def test_only_details_can_empty_a_field_and_only_by_null() -> None:
    payload = {"orderId": "1", "totalAmount": None, "currency": ""}
    assert mapping.to_order(payload, asked_at=AT).emptied == {"amount"}
    assert mapping.to_order(payload).emptied == frozenset()


def test_amounts_are_exact() -> None:
    payload = b'{"orderId": "1", "totalAmount": 0.10000000000000001}'
    body = b'{"id": "1", "entity": "order", "action": "CREATE", "payload": %s}' % payload
    assert mapping.to_order(inbound.read(body).payload).amount == Decimal("0.10000000000000001")


def test_what_is_personal_is_read_and_not_kept_raw() -> None:
    payload = payload_of("delivery-order.update")
    shipment = mapping.to_shipment(payload)
    assert shipment.ship_to is not None
    assert shipment.ship_to.name == "Test Buyer"
    for secret in ("Test Buyer", "80000000001", "Grogol", "Test street"):
        assert secret not in json.dumps(shipment.raw)
        assert secret not in repr(shipment)


# --- delivery orders ---------------------------------------------------------------------------------------------


def test_a_delivery_order_is_a_shipment() -> None:
    """The mapping side of GIN-T07 and GIN-T13."""
    shipment = mapping.to_shipment(payload_of("delivery-order.update"))
    assert (shipment.external_id, shipment.number) == ("WDO600573D16B2F070001490001", "2100011800000021")
    assert (shipment.order_id, shipment.order_number) == ("SO5FD858B7EE35880001690001", "2102261G58H1VX")
    assert (shipment.state, shipment.status_word, shipment.channel) == (ShipmentState.NEW, "NEW", "TOKOPEDIA_ID")
    assert (shipment.carrier_name, shipment.tracking_number) == ("Demo Express", "10000000000001")
    assert shipment.label_url == "https://labels.example.com/1/2"
    assert shipment.ship_to is not None
    assert shipment.ship_from is not None
    assert shipment.ship_to.street == "Grogol,Jakarta Barat,DKI Jakarta,11440"
    assert (shipment.ship_from.city, shipment.ship_from.region) == ("Jakarta Timur", "DKI Jakarta")
    (item,) = shipment.items
    assert (item.external_id, item.line_id) == ("WDOI600573D16B2F070001490002", "OI5FD97377CFF47E0001540001")
    assert (item.sku, item.quantity, item.name) == ("800151", 4, "Demo item")


def test_its_times_are_the_payloads_and_never_the_envelopes() -> None:
    """GIN-T14: the sample's envelope is older than its payload."""
    shop = RememberingShop()
    inbound.process(call(sample("delivery-order.update")), shop, connection())
    ((_, shipment, _),) = shop.told
    assert shipment.updated_at == datetime(2021, 1, 18, 11, 41, 5, 269000, tzinfo=UTC)


def test_an_unknown_status_is_kept_as_text() -> None:
    """GIN-T15"""
    shipment = mapping.to_shipment({"deliveryOrderId": "W", "deliveryOrderStatus": "ON_THE_MOON"})
    assert (shipment.state, shipment.status_word) == (ShipmentState.UNKNOWN, "ON_THE_MOON")


@pytest.mark.parametrize("name", ["sourceOrderItemId", "orderItemId", "orderId"])
def test_an_item_names_its_line_in_one_of_three_ways(name: str) -> None:
    """GIN-T16"""
    shipment = mapping.to_shipment({"deliveryOrderId": "W", "orderItems": [{name: "OI1", "quantity": "4"}]})
    assert [(item.line_id, item.quantity) for item in shipment.items] == [("OI1", 4)]


def test_a_removal_says_when_and_clears_nothing() -> None:
    """The mapping side of GIN-T17 and GIN-T18."""
    shop, event = RememberingShop(), sample("delivery-order.delete")
    inbound.process(call(event), shop, connection())
    del event["payload"]["lastUpdateAt"]
    inbound.process(call(event), shop, connection())

    told = [shipment for verb, shipment, event_id in shop.told if event_id == "GENIE606D4BF6DC0E820001500005"]
    assert [shipment.deleted_at for shipment in told] == [
        datetime(2021, 4, 7, 6, 6, 46, 490000, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    ]
    assert (told[0].ship_to, told[0].items, told[0].status_word, told[0].emptied) == (None, (), "", frozenset())


# --- single values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "2020-12-24T06:20:29Z", "2020-12-24T06:20:29.000Z", "2020-12-24T06:20:29.000000Z", "2020-12-24T13:20:29+07:00",
        "2020-12-24T06:20:29", 1608790829, 1608790829000, "1608790829", "1608790829000",
    ],
)  # fmt: skip
def test_a_moment_is_the_same_however_it_is_written(written: Any) -> None:
    """GIN-T30"""
    assert reading.when(written) == datetime(2020, 12, 24, 6, 20, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    "written", ["", None, "yesterday", True, {}, 0, "0000-00-00", 10**30, "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_moment_is_none(written: Any) -> None:
    assert reading.when(written) is None


def test_stock_may_come_as_text() -> None:
    """GIN-T54"""
    offer = mapping.to_offer(sample("read_stock")["data"][0])
    assert (offer.external_id, offer.available, offer.quantity) == ("SKU-RED-M", 28, 30)
    assert offer.status == OfferStatus.LIVE
    assert mapping.to_offer({"masterSku": "S", "availableStock": "0"}).status == OfferStatus.OUT_OF_STOCK
    assert mapping.to_offer({"masterSku": "S", "availableStock": "many"}).available is None


def test_booleans_come_in_many_ways() -> None:
    assert [reading.flag(value) for value in (True, "true", "True", 1, "1")] == [True] * 5
    assert [reading.flag(value) for value in (False, "FALSE", 0, "0")] == [False] * 4
    assert [reading.flag(value) for value in (None, "", 2, "yes", [], {})] == [None] * 6


# --- anything at all ---------------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    [
        "id", "entity", "action", "payload", "createAt", "orderId", "deliveryOrderId", "orderStatus", "lastUpdateAt", "items",
        "orderItems", "shippingAddress", "senderAddress", "shop", "quantity", "totalAmount", "customerInfo", "paymentInfo",
        "channel", "sku", "itemId", "masterSku", "availableStock", "content", "user",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(),
    st.sampled_from(["order", "delivery-order", "CREATE", "UPDATE", "DELETE", "\x00", "\ud800", "1e999999", "9" * 400]),
)  # fmt: skip
ANYTHING = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8))
EVENTS = st.fixed_dictionaries(
    {
        "id": st.one_of(st.text(min_size=1), st.integers()),
        "entity": st.sampled_from(["order", "delivery-order"]),
        "action": st.sampled_from(["CREATE", "UPDATE", "DELETE"]),
        "payload": st.dictionaries(KEYS, ANYTHING).map(
            lambda payload: {"orderId": "1", "deliveryOrderId": "2"} | payload
        ),
    }
)


@settings(deadline=None)  # a busy machine is no failure
@given(ANYTHING | EVENTS)
def test_no_json_breaks_it(value: Any) -> None:
    sent, shop = call(json.dumps(value).encode()), RememberingShop()
    ((kept, notice),) = inbound.notices(connection(), sent)
    assert notice.event_id
    assert notice.kind
    try:
        inbound.process(kept, shop, connection())
    except (PermanentError, Unsupported):
        return
    ((_, told, _),) = shop.told
    json.dumps(told.raw)
    assert told.external_id
    assert "\x00" not in repr(told)
    if isinstance(told, RemoteOrder):
        assert told.amount is None or abs(told.amount) < 10**10


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary())
def test_no_bytes_break_it(body: bytes) -> None:
    ((_, notice),) = inbound.notices(connection(), call(body))
    assert len(notice.event_id) >= 1
    assert reading.parse(body) is None or isinstance(reading.parse(body), dict)
