"""Reading orders and deliveries (G2G-10, G2G-11, G2G-13)."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marketplaces.exceptions import NotFound, PermanentError, TemporaryError
from marketplaces.services.g2g import mapping
from marketplaces.types import DeliveryKind, DeliveryResult, OrderState, RemoteOrderLine
from tests.marketplaces.services.g2g.conftest import Peer, open_line, sample

ORDER, DELIVERY = "1654240349966TEKP-1", "D1650341633714"


def listed(number: int, **summary: Any) -> dict[str, Any]:
    """A row of G2G-11 as it comes for an order of several deliveries."""
    return {"purchased_qty": 9, "delivered_qty": 4, "delivery_summary": {
        "delivery_id": f"D{number}", "delivery_status": "in progress", "requested_qty": 1, **summary}}  # fmt: skip


def test_an_order_is_read(peer: Peer) -> None:
    peer.says(sample("get_order")["payload"])
    order = open_line().fetch_order(ORDER)
    assert (order.state, order.state_detail, order.status_word) == (
        OrderState.READY_TO_SHIP,
        "delivering",
        "delivering",
    )
    assert (order.amount, order.currency, order.buyer) == (Decimal("401.98"), "MYR", "1000000002")
    assert order.created_at == datetime(2022, 6, 3, 7, 12, 29, 966000, tzinfo=UTC)
    assert order.lines == (RemoteOrderLine(ORDER, quantity=2, delivered=0, refunded=0, unit_price=Decimal("200.99")),)
    assert order.raw["seller_store_name"] == "example"


@pytest.mark.parametrize("payload", [{}, {"order_id": "another-1"}])
def test_an_answer_about_another_order_is_none(peer: Peer, payload: dict[str, str]) -> None:
    peer.says(payload)
    with pytest.raises(TemporaryError, match="G2G answered"):
        open_line().fetch_order(ORDER)


@pytest.mark.parametrize(
    ("word", "detail", "state"),
    [
        ("unpaid", "awaiting_payment", OrderState.AWAITING_PAYMENT),
        ("payment_review", "payment_review", OrderState.ON_HOLD),
        ("verifying_payment", "payment_review", OrderState.ON_HOLD),
        ("payment_failed", "cancelled", OrderState.CANCELLED),
        ("cancelled", "cancelled", OrderState.CANCELLED),
        ("paid", "paid", OrderState.NEW),
        ("start_delivering", "to_deliver", OrderState.READY_TO_SHIP),
        ("start_deliver", "to_deliver", OrderState.READY_TO_SHIP),
        ("delivering", "delivering", OrderState.READY_TO_SHIP),
        ("Delivering In-Progress", "delivering", OrderState.READY_TO_SHIP),
        ("AWAITING BUYER CONFIRMATION", "awaiting_buyer", OrderState.DELIVERED),
        ("delivered", "completed", OrderState.COMPLETED),
        ("partial-delivered", "partly_completed", OrderState.COMPLETED),
        ("refunded", "refunded", OrderState.RETURNED),
        ("refund_txn_in_progress", "refund_pending", OrderState.ON_HOLD),
        ("word of tomorrow", "unknown", OrderState.UNKNOWN),
        ("", "", OrderState.UNKNOWN),
        (["paid"], "unknown", OrderState.UNKNOWN),
    ],
)
def test_order_words_map_as_in_the_table(word: Any, detail: str, state: OrderState) -> None:
    """G2G-T20"""
    order = mapping.to_order({"order_id": ORDER, "order_status": word})
    assert (order.state_detail, order.state) == (detail, state)
    assert order.status_word == (word if isinstance(word, str) else "")


def test_a_refund_of_a_part_is_called_so() -> None:
    order = mapping.to_order({"order_id": ORDER, "order_status": "refunded", "purchased_qty": 2, "refunded_qty": 1})
    assert (order.state, order.state_detail) == (OrderState.RETURNED, "partly_refunded")


def test_250_deliveries_come_in_three_requests(peer: Peer) -> None:
    """G2G-T21: the cursor's # goes out as %23."""
    cursors = ["Item#1670568841157TEST-1#D1671691755000", "Item#1670568841157TEST-1#D2", ""]
    for page, after in enumerate(cursors):
        rows = [listed(page * 100 + number) for number in range(50 if page == 2 else 100)]
        peer.says({"order_id": ORDER, "after": after, "delivery_list": rows})
    assert len(list(open_line().fetch_deliveries(ORDER))) == 250
    assert peer.asked[:2] == [
        f"GET /v2/orders/{ORDER}/delivery",
        f"GET /v2/orders/{ORDER}/delivery?after=Item%231670568841157TEST-1%23D1671691755000",
    ]
    assert len(peer.requests) == 3


def test_an_order_with_one_delivery_takes_one_request(peer: Peer) -> None:
    peer.says(sample("get_deliveries")["payload"])
    delivery = open_line().fetch_delivery(ORDER, DELIVERY)
    assert (delivery.result, delivery.status_word) == (DeliveryResult.OPEN, "in progress")
    assert (delivery.requested, delivery.delivered, delivery.kind) == (2, 0, DeliveryKind.CODES)
    assert delivery.expires_at == datetime(2022, 4, 19, 4, 28, 53, 714000, tzinfo=UTC)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "row",
    [
        listed(1),
        listed(1, requested_qty=9, delivery_mode="replacement"),
        {"delivery_summary": {"delivery_id": "D1", "requested_qty": 1}},
    ],
    ids=["a part of the order", "replacement", "little told"],
)
def test_the_orders_total_is_not_taken_for_the_deliverys(peer: Peer, row: dict[str, Any]) -> None:
    """What the list leaves open is read from the delivery's own status."""
    status = {"order_id": ORDER, "delivery_status": "partial delivered", "requested_qty": 5, "delivered_qty": 0}
    peer.says({"delivery_list": [row]}).says(status)
    delivery = open_line().fetch_delivery(ORDER, "D1")
    assert delivery.delivered == 0
    assert delivery.requested == row["delivery_summary"]["requested_qty"]
    assert delivery.status_word == row["delivery_summary"].get("delivery_status", "partial delivered")
    assert peer.asked[1] == f"GET /v2/orders/{ORDER}/delivery/D1"


def test_a_listed_delivery_without_a_status_of_its_own_exists(peer: Peer) -> None:
    peer.says({"delivery_list": [listed(1), listed(2)]}).says(status=404, code=40400001)
    delivery = open_line().fetch_delivery(ORDER, "D2")
    assert (delivery.delivery_id, delivery.delivered, delivery.requested) == ("D2", None, 1)


def test_a_delivery_that_is_not_listed_is_made_up(peer: Peer) -> None:
    peer.says({"delivery_list": [listed(1)]})
    with pytest.raises(NotFound, match="D7"):
        open_line().fetch_delivery(ORDER, "D7")


def test_without_an_id_it_is_the_one_open_delivery(peer: Peer) -> None:
    done, part = listed(1, delivery_status="fully delivered"), {"delivered_qty": 0, "requested_qty": 1}
    peer.says({"delivery_list": [done, listed(2)]}).says(part)
    assert open_line().fetch_delivery(ORDER, "").delivery_id == "D2"
    peer.says({"delivery_list": [done]}).says({"delivery_list": [listed(2), listed(3)]})
    with pytest.raises(NotFound):
        open_line().fetch_delivery(ORDER, "")
    with pytest.raises(PermanentError, match="2 open deliveries"):
        open_line().fetch_delivery(ORDER, "")


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("fully delivered", DeliveryResult.DELIVERED),
        ("Fully_Delivered", DeliveryResult.DELIVERED),
        ("completed", DeliveryResult.DELIVERED),
        ("partial delivered", DeliveryResult.PARTIAL),
        ("partially-delivered", DeliveryResult.PARTIAL),
        ("unfulfilled", DeliveryResult.UNFULFILLED),
        ("failed", DeliveryResult.UNFULFILLED),
        ("in progress", DeliveryResult.OPEN),
        ("processing", DeliveryResult.OPEN),
        ("expired", DeliveryResult.EXPIRED),
        ("word of tomorrow", DeliveryResult.UNKNOWN),
    ],
)
def test_delivery_words_are_read_flat_and_nested(peer: Peer, word: str, result: DeliveryResult) -> None:
    """G2G-T26"""
    told = {"delivery_id": "D1", "delivery_status": word, "requested_qty": "2", "delivered_qty": 1}
    peer.says({"order_id": ORDER, **told}).says({"order_id": ORDER, "delivery_summary": told})
    flat, nested = (open_line().get_delivery_status(ORDER, "D1") for _ in range(2))
    for delivery in (flat, nested):
        assert (delivery.result, delivery.status_word) == (result, word)
        assert (delivery.delivery_id, delivery.requested, delivery.delivered) == ("D1", 2, 1)
