"""Orders read from Ginee: windows, cursors, batches (GIN-C01, GIN-C02), and shops (GIN-C03)."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine

from marketplaces.exceptions import NotFound, PermanentError
from marketplaces.types import OrderState
from tests.desk import Desk
from tests.marketplaces.services.ginee.conftest import Peer, open_line, sample

NOW = datetime(2026, 3, 31, 12, 0, 0, 500000, tzinfo=UTC)
LAST: dict[str, Any] = {"content": [], "more": False}


def row(order_id: str) -> dict[str, Any]:
    return {"orderId": order_id, "orderStatus": "PAID", "channel": "SHOPEE_ID"}


# --- lists ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "calls"), [(0, 1), (14, 1), (15, 2), (40, 3), (90, 7), (4000, 7)])
def test_no_window_is_longer_than_15_days_and_none_older_than_three_months(peer: Peer, days: int, calls: int) -> None:
    """GIN-T45: 40 days are split in 3 calls."""
    for _ in range(calls):
        peer.says(LAST)
    with time_machine.travel(NOW, tick=False):
        assert list(open_line().fetch_orders(NOW - timedelta(days=days))) == []

    spans = [tuple(datetime.fromisoformat(body[f"lastUpdate{end}"]) for end in ("Since", "To")) for body in peer.bodies]
    assert all(timedelta(0) < end - start <= timedelta(days=15) for start, end in spans)
    assert all(before[1] == after[0] for before, after in pairwise(spans)), "no gap between them"
    first = max(NOW - timedelta(days=days, minutes=60), datetime(2025, 12, 31, 12, 0, 0, tzinfo=UTC))
    assert spans[0][0] == first.replace(microsecond=0), "an overlap for the channels' clocks"
    assert spans[-1][1] > NOW
    assert all(body["size"] == 100 for body in peer.bodies)


def test_once_a_day_fourteen_days_are_asked_for_by_when_orders_were_made(peer: Peer) -> None:
    """Section 12: one window, no overlap."""
    peer.says({"content": [row("SO1")], "more": False})
    with time_machine.travel(NOW, tick=False):
        line = open_line()
        found = list(line.fetch_made_orders(NOW - timedelta(days=line.repair_days)))

    assert [(order.external_id, order.is_summary) for order in found] == [("SO1", True)]
    (asked,) = peer.bodies
    assert asked.keys() == {"size", "createSince", "createTo"}
    assert datetime.fromisoformat(asked["createSince"]) == datetime(2026, 3, 17, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("cursor", [["1772323200000", "SO1"], "opaque", 17, {"a": [1, "b"]}])
def test_a_cursor_goes_back_as_it_came_and_ends_the_walk_when_it_stays(peer: Peer, cursor: Any) -> None:
    """GIN-T46"""
    for number in range(2):
        peer.says({"content": [row(f"SO{number}")], "more": True, "nextCursor": cursor})
    with time_machine.travel(NOW, tick=False):
        found = list(open_line().fetch_orders(NOW))
    assert [order.external_id for order in found] == ["SO0", "SO1"]
    assert "nextCursor" not in peer.bodies[0]
    assert peer.bodies[1]["nextCursor"] == cursor


@pytest.mark.parametrize(
    "end",
    [{"more": False}, {"more": "false"}, {"nextCursor": None}, {"nextCursor": []}, {"nextCursor": ""}, {"content": []}],
)
def test_a_list_ends_in_each_of_its_ways(peer: Peer, end: dict[str, Any]) -> None:
    """GIN-P19"""
    peer.says({"content": [row("SO1")], "more": True, "nextCursor": ["1"]} | end)
    with time_machine.travel(NOW, tick=False):
        assert len(list(open_line().fetch_orders(NOW))) == len(end.get("content", [1]))
    assert len(peer.requests) == 1


@pytest.mark.parametrize("style", ["more", "no_cursor", "empty_page", "same_cursor"])
def test_every_order_is_listed_once_and_as_a_summary(ginee: Desk, style: str) -> None:
    ginee.sandbox.switches.set(list_end=style)
    an_hour_ago = (int(datetime.now(UTC).timestamp()) - 3600) * 1_000_000
    make = ginee.sandbox.orders.make
    ids = {make({"SKU-RED-M": 1}, at=an_hour_ago + number // 2).id for number in range(205)}
    found = list(ginee.account.service(is_patient=True).fetch_orders(datetime.now(UTC) - timedelta(days=1)))
    assert sorted(order.external_id for order in found) == sorted(ids)
    assert all(order.is_summary and order.state == OrderState.NEW and order.number for order in found)


def test_a_refused_window_is_not_asked_again(peer: Peer) -> None:
    """GIN-T47"""
    peer.says(code="PARAMETER_ERROR")
    with pytest.raises(PermanentError) as caught:
        list(open_line().fetch_orders(datetime.now(UTC)))
    assert (caught.value.kind, len(peer.requests)) == ("invalid", 1)


def test_a_list_without_an_end_is_broken_off_and_told(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplaces.services.ginee.line.MOST_PAGES", 3)
    for number in range(3):
        peer.says({"content": [row(f"SO{number}")], "more": True, "nextCursor": [str(number)]})
    found = open_line().fetch_orders(datetime.now(UTC))
    assert [next(found).external_id for _ in range(3)] == ["SO0", "SO1", "SO2"]
    with pytest.raises(PermanentError, match="did not end within 3 pages"):
        next(found)


# --- details -------------------------------------------------------------------------------------------------------


def test_a_hundred_and_one_orders_are_read_in_two_requests_and_one_that_is_missing_misses_alone(ginee: Desk) -> None:
    """GIN-T49"""
    ginee.sandbox.switches.set(is_sending=False)
    ids = [ginee.buy("SKU-RED-M", stays=True, force=True).id for _ in range(100)]
    found = ginee.account.service(is_patient=True).get_orders([*ids[:50], "SO-UNKNOWN", *ids[50:]])
    assert [order.external_id for order in found] == ids
    assert [len(call["body"].split("SO")) - 1 for call in ginee.sandbox.calls] == [100, 1]

    with pytest.raises(NotFound) as caught:
        ginee.account.service(is_patient=True).fetch_order("SO-UNKNOWN")
    assert (caught.value.kind, "SO-UNKNOWN" in str(caught.value)) == ("not_found", True)


def test_an_order_older_than_three_months_is_still_found(ginee: Desk) -> None:
    ginee.sandbox.switches.set(is_sending=False)
    (order,) = ginee.sandbox.orders.make_history(count=1, days=1)
    order.updated_at -= 200 * 86_400 * 1_000_000
    assert ginee.account.service(is_patient=True).fetch_order(order.id).external_id == order.id


@pytest.mark.parametrize("shape", ["list", "content", "object"])
def test_details_read_alike_in_every_shape(ginee: Desk, shape: str) -> None:
    """GIN-T50"""
    ginee.sandbox.switches.set(details_shape=shape, is_sending=False)
    made = ginee.buy("SKU-RED-M", 2, stays=True)
    order = ginee.account.service(is_patient=True).fetch_order(made.id)
    assert (order.external_id, order.number, order.channel) == (made.id, made.external_number, "SHOPEE_ID")
    assert (order.amount, order.currency, order.is_summary) == (made.amount, "IDR", False)
    assert [(line.external_id, line.sku, line.quantity) for line in order.lines] == [(made.lines[0].id, "SKU-RED-M", 2)]
    assert order.asked_at is not None


def test_an_answer_about_another_order_is_no_answer(peer: Peer) -> None:
    peer.says(sample("get_orders")["data"])
    assert open_line().get_orders(["SO-OTHER"]) == []


# --- shops and warehouses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["content", "list"])
def test_shops_that_lost_their_marketplace_are_named(ginee: Desk, shape: str) -> None:
    """GIN-T51"""
    ginee.sandbox.switches.set(shops_shape=shape)
    health = ginee.account.service(is_patient=True).check()
    assert (health.reachable, health.authenticated, health.usable) == (True, True, True)
    told = " ".join(health.details)
    assert "Shop “Demo shop Tiki” (TIKI_ID) is EXPIRED and needs attention" in told
    assert "Shop “Demo shop of old” (BLIBLI_ID) is DISCONNECTED" in told
    assert "4 of 6 shops are connected" in told
    assert "default warehouse WW5FF02DDA52FAFF0001000020" in told
    assert "WW5FF02DDA52FAFF0001000022" in told
    assert '"page": 0' in ginee.sandbox.calls[0]["body"]


def test_refused_keys_are_a_finding(ginee: Desk) -> None:
    """GIN-T55, by the connection test."""
    ginee.fault("GIN-C03", "iam_failed")
    health = ginee.account.service(is_patient=True).check()
    assert (health.reachable, health.authenticated, health.usable) == (True, False, False)
    assert "Check the access key" in health.details[0]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"options": {"verification": "off"}}, "Verification is off"),
        ({"credentials": {"path_token": ""}}, "has no token"),
        ({"options": {"verification": "off", "allow_off": True}, "credentials": {"path_token": ""}}, ""),
    ],
)
def test_a_door_that_is_shut_is_a_finding(peer: Peer, changes: dict[str, Any], word: str) -> None:
    keyless = {"access_key": "", "secret_key": ""}
    changes = changes | {"credentials": keyless | changes.get("credentials", {})}
    details = open_line(**changes).check().details
    assert word in details[0]
    assert len(details) == (2 if word else 1)


def test_a_host_out_of_reach_is_a_finding(peer: Peer) -> None:
    peer.breaks()
    health = open_line().check()
    assert (health.reachable, health.usable) == (False, False)
