"""Handing over codes (G2G-12) and reporting top-ups (G2G-14)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from marketplaces.exceptions import PermanentError, UnknownOutcome
from marketplaces.sandbox_faults import Fault
from marketplaces.services.g2g.sandbox import Sandbox
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD, RAGNAROK_CREDIT
from marketplaces.types import CodeToSend, DeliveryIssue, DeliveryResult
from tests.marketplaces.services.g2g.conftest import Opened, Peer, open_line, sample

AT = datetime(2022, 12, 22, 7, 15, 15, tzinfo=UTC)


def lot(count: int, start: int = 0) -> list[CodeToSend]:
    return [CodeToSend(f"SECRET-{number:05}", f"code-{number}") for number in range(start, start + count)]


def asked_for(sandbox: Sandbox, qty: int, product_id: str = ITUNES_CARD) -> tuple[str, str]:
    """An order that was paid and the delivery that G2G asks for."""
    stock = {"api_qty": 1000, "low_stock_alert_qty": 0}
    offer = sandbox.offers.by_hand(product_id=product_id, seller_id="100000", **stock)
    order = sandbox.orders.buy(offer_id=offer.id, qty=qty)
    sandbox.advance(3)
    return order.id, next(iter(order.deliveries))


def test_250_codes_are_three_lots_of_one_delivery(shop_floor: Sandbox) -> None:
    """G2G-T22"""
    line = open_line()
    order_id, delivery_id = asked_for(shop_floor, 250)
    for start in range(0, 250, line.codes_per_call):
        line.send_codes(order_id, delivery_id, lot(min(100, 250 - start), start))
    shop_floor.advance(3)
    assert [call["op"] for call in shop_floor.calls] == ["G2G-12"] * 3
    delivery = line.fetch_delivery(order_id, delivery_id)
    assert (delivery.result, delivery.delivered) == (DeliveryResult.DELIVERED, 250)


@pytest.mark.parametrize(
    "codes",
    [[], lot(101), [CodeToSend(" ", "code-1")], [CodeToSend("A", "")], lot(2) + lot(1)],
    ids=["none", "101", "empty", "no reference", "twice the same"],
)
def test_a_lot_that_is_none_is_refused_here(peer: Peer, codes: list[CodeToSend]) -> None:
    """G2G-T22: and no refusal tells a code."""
    with pytest.raises(PermanentError) as refusal:
        open_line().send_codes("O-1", "D1", codes)
    assert refusal.value.kind == "invalid"
    assert "SECRET" not in str(refusal.value)
    assert not peer.requests


def test_a_repeat_after_silence_is_the_same_to_the_letter(shop_floor: Sandbox) -> None:
    """G2G-T23: after a look that shows nothing arrived."""
    line = open_line()
    order_id, delivery_id = asked_for(shop_floor, 2)
    shop_floor.faults.add(Fault(op="G2G-12", mode="timeout"))
    with pytest.raises(UnknownOutcome):
        line.send_codes(order_id, delivery_id, lot(2))
    assert line.get_delivery_status(order_id, delivery_id).delivered == 0
    line.send_codes(order_id, delivery_id, lot(2))
    first, look, again = shop_floor.calls
    assert (look["op"], first["body"]) == ("G2G-13", again["body"])


def test_a_conflict_asks_to_look_and_the_look_says_delivered(shop_floor: Sandbox) -> None:
    """G2G-T24"""
    line = open_line()
    order_id, delivery_id = asked_for(shop_floor, 2)
    shop_floor.faults.add(Fault(op="G2G-12", mode="drop_after_commit"))
    with pytest.raises(UnknownOutcome):
        line.send_codes(order_id, delivery_id, lot(2))
    with pytest.raises(UnknownOutcome) as doubt:
        line.send_codes(order_id, delivery_id, lot(2))
    assert doubt.value.kind == "conflict"
    shop_floor.advance(3)
    assert line.fetch_delivery(order_id, delivery_id).result == DeliveryResult.DELIVERED
    with pytest.raises(UnknownOutcome) as closed:
        line.send_codes(order_id, delivery_id, lot(1, 5))
    assert closed.value.kind == "already_done"


def test_taken_is_not_delivered(shop_floor: Sandbox) -> None:
    """G2G-T25: in progress is said before and after (G2G-P60)."""
    line = open_line()
    order_id, delivery_id = asked_for(shop_floor, 2)
    assert line.fetch_delivery(order_id, delivery_id).result == DeliveryResult.OPEN
    line.send_codes(order_id, delivery_id, lot(2))
    delivery = line.fetch_delivery(order_id, delivery_id)
    assert (delivery.result, delivery.delivered) == (DeliveryResult.OPEN, 0)


def test_the_published_body_is_sent(peer: Peer) -> None:
    wanted = sample("deliver_code.request")
    code = wanted["codes"][0]
    peer.says(sample("deliver_code")["payload"])
    open_line().send_codes("O-1", wanted["delivery_id"], [CodeToSend(code["content"], code["reference_id"])])
    assert peer.bodies == [wanted]


def test_no_code_stands_in_the_call_log_or_in_an_error(peer: Peer) -> None:
    """G2G-T60, the client's part: not even when G2G repeats it."""
    peer.says(status=422, code=42200001, message="SECRET-00000 is used", payload={})
    line = open_line()
    with pytest.raises(PermanentError) as refusal:
        line.send_codes("O-1", "D1", lot(1))
    assert "is used" in str(refusal.value)
    assert "SECRET" not in str(refusal.value)
    (record,) = line.log
    assert "code-0" in record.request
    assert "SECRET" not in record.request + record.response


# --- top-ups -----------------------------------------------------------------------------------------------------


def report(line: Opened, order_id: str = "O-1", delivery_id: str = "D1", **changes: Any) -> None:
    facts = {"delivered": 1, "requested": 1, "delivered_before": 0, "at": AT}
    line.report_units(order_id, delivery_id, **(facts | changes))


def test_a_top_up_is_reported(shop_floor: Sandbox) -> None:
    """G2G-T27: an empty answer is success."""
    shop_floor.options["empty_patch_answer"] = True
    line = open_line()
    order_id, delivery_id = asked_for(shop_floor, 1, RAGNAROK_CREDIT)
    report(line, order_id, delivery_id)
    shop_floor.advance(3)
    assert line.fetch_delivery(order_id, delivery_id).result == DeliveryResult.DELIVERED


@pytest.mark.parametrize(
    ("issue", "word"),
    [
        (DeliveryIssue.SHORT_OF_STOCK, "insufficient_stock"),
        (DeliveryIssue.WRONG_DETAILS, "incorrect_delivery_detail"),
        (DeliveryIssue.OTHER, "others"),
    ],
)
def test_an_issue_is_told_only_when_units_are_missing(peer: Peer, issue: DeliveryIssue, word: str) -> None:
    """G2G-T27"""
    peer.says({}).says({})
    line = open_line()
    report(line, delivered=1, requested=2, issue=issue, reference="r-1")
    report(line, issue=issue)
    short = {"delivered_qty": 1, "delivered_at": 1671693315000, "delivery_issue": word, "reference_id": "r-1"}
    assert peer.bodies == [short, {"delivered_qty": 1, "delivered_at": 1671693315000}]


@pytest.mark.parametrize(("scope", "total"), [("order", 3), ("delivery", 1)])
def test_the_quantity_is_the_orders_unless_the_option_says_otherwise(peer: Peer, scope: str, total: int) -> None:
    """G2G-P32"""
    peer.says({})
    line = open_line(options={"patch_qty_scope": scope})
    report(line, delivered_before=2)
    assert peer.bodies[0]["delivered_qty"] == total
    assert bool(line.warnings) == (scope == "order")


@pytest.mark.parametrize("wrong", [{"delivered": -1}, {"delivered": 2}, {"delivered_before": -1}])
def test_an_impossible_quantity_is_refused_here(peer: Peer, wrong: dict[str, int]) -> None:
    """G2G-T27"""
    with pytest.raises(PermanentError):
        report(open_line(), **wrong)
    assert not peer.requests


def test_codes_and_top_ups_do_not_take_each_others_way(shop_floor: Sandbox) -> None:
    """G2G-T28: refused without a request once the delivery was read."""
    line = open_line()
    card, top_up = asked_for(shop_floor, 1), asked_for(shop_floor, 1, RAGNAROK_CREDIT)
    line.fetch_delivery(*card)
    line.fetch_delivery(*top_up)
    made = len(shop_floor.calls)
    with pytest.raises(PermanentError, match="not made with a top-up"):
        report(line, *card)
    with pytest.raises(PermanentError, match="not made with codes"):
        line.send_codes(*top_up, lot(1))
    assert len(shop_floor.calls) == made
