"""The connection test (G2G-18) and the log of webhooks (G2G-19)."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import requests
import time_machine

from marketplaces.exceptions import BudgetSpent
from marketplaces.services.g2g.sandbox import Sandbox
from marketplaces.types import Call
from tests.marketplaces.services.g2g.conftest import Peer, open_line, sample
from tests.marketplaces.services.g2g.test_sending import asked_for

NOW = datetime(2022, 8, 5, 12, tzinfo=UTC)
SINCE = NOW - timedelta(hours=1)


def test_the_store_says_what_it_sells_in(peer: Peer) -> None:
    """G2G-T32"""
    peer.says(sample("view_store")["payload"])
    health = open_line(credentials={"user_id": "684814"}).check()
    assert (health.reachable, health.authenticated, health.usable) == (True, True, True)
    assert health.currencies == ["MYR", "USD"]
    assert health.details == ["Account status: active", "Seller status: active", "Sells in MYR, USD"]


@pytest.mark.parametrize(
    ("payload", "is_usable"),
    [
        ({"account_status": "ACTIVE", "seller_status": "active"}, True),
        ({}, True),
        ({"selling_currencies": "USD"}, True),
        ({"account_status": "word of tomorrow", "seller_status": "active"}, False),
        ({"account_status": "active", "seller_status": "suspended"}, False),
    ],
)
def test_any_status_but_active_stops_writes(peer: Peer, payload: dict[str, str], is_usable: bool) -> None:
    """G2G-T32: one that is not told stops nothing."""
    peer.says(payload)
    assert open_line().check().usable is is_usable


def test_another_users_key_is_told(peer: Peer) -> None:
    peer.says(sample("view_store")["payload"])
    assert "user 684814" in open_line().check().details[-1]


def test_the_clock_is_compared_with_theirs(peer: Peer) -> None:
    peer.says({}, headers={"Date": "Fri, 05 Aug 2022 11:59:00 GMT"})
    with time_machine.travel(NOW, tick=False):
        assert open_line().check().clock_off_seconds == 60


def test_a_key_without_access_is_told_how_to_get_it(shop_floor: Sandbox) -> None:
    """G2G-P50"""
    line = open_line()
    shop_floor.options["keys_without_access"] = [line.connection.credentials["api_key"]]
    health = line.check()
    assert (health.reachable, health.authenticated, health.usable) == (True, True, False)
    assert "requested and approved" in health.details[0]


def test_a_host_out_of_reach_is_a_finding(peer: Peer) -> None:
    peer.breaks(requests.exceptions.ConnectTimeout())
    health = open_line().check()
    assert (health.reachable, health.authenticated) == (False, False)


def test_a_warning_of_theirs_is_kept_for_people(peer: Peer) -> None:
    peer.says({}, warning="Version v1 ends soon")
    line = open_line()
    line.check()
    assert line.warnings == ["Version v1 ends soon"]


def test_a_spent_budget_is_no_finding() -> None:
    with pytest.raises(BudgetSpent):
        open_line(lambda count, urgency: 5.0).check()


# --- the log -----------------------------------------------------------------------------------------------------


def read_log(peer: Peer, *pages: tuple[list[object], str]) -> list[Call]:
    for entries, after in pages:
        peer.says({"results": entries, "after": after})
    return list(open_line().missed_events(SINCE, NOW))


def entry(event_id: str, **changes: object) -> dict[str, object]:
    event = {"id": event_id, "event_type": "order.created", "payload": {"order_id": "1-1", "unit_price": 9.95}}
    return {"event_id": event_id, "event_type": "order.created", "http_request": event} | changes


def test_the_log_is_read_in_pages_with_a_filter_on_each(peer: Peer) -> None:
    """G2G-T33: each event once, however often it was sent."""
    calls = read_log(peer, ([entry("e1"), entry("e1"), entry("e2")], "c1"), ([entry("e2"), entry("e3")], ""))
    assert [json.loads(call.body)["id"] for call in calls] == ["e1", "e2", "e3"]
    span = {"event_sent_from": 1659697200000, "event_sent_to": 1659700800000}
    first = {"filter": span, "limit": 100, "sort_order": "asc"}
    assert peer.bodies == [first, first | {"after": "c1"}]


def test_a_logged_event_is_the_call_that_it_was(peer: Peer) -> None:
    """G2G-T33: so it is known by the same id as the webhook, and does nothing when that came."""
    (call,) = read_log(peer, (sample("search_webhook_logs")["payload"]["results"], ""))
    assert (call.method, call.path, call.headers) == ("POST", "", {"content-type": "application/json"})
    notice = open_line().read_notice(call)
    assert (notice.event_id, notice.kind) == ("45252cb8-5f79-4b31-a0d8-761760bd3e57-1", "order.api_delivery")
    assert notice.subject == "1670568841157TEST-1"
    assert json.loads(call.body)["payload"] == sample("order.api_delivery")["payload"]


def test_what_an_event_lacks_is_taken_from_its_entry(peer: Peer) -> None:
    event = {"payload": {"order_id": "1-1"}}
    forms: list[object] = [event, json.dumps(event), "no json", {}, None, 7]
    entries: list[object] = [entry(f"e{number}", http_request=form) for number, form in enumerate(forms)]
    calls = read_log(peer, ([*entries, "no entry"], ""))
    assert [open_line().read_notice(call).event_id for call in calls] == ["e0", "e1"]


def test_a_cursor_that_leads_back_ends_the_log(peer: Peer) -> None:
    assert len(read_log(peer, ([entry("e1")], "c1"), ([entry("e2")], "c1"))) == 2
    assert read_log(peer, ([], "c9")) == []


def test_the_sandbox_tells_what_nobody_heard(shop_floor: Sandbox) -> None:
    """G2G-T33"""
    line = open_line()
    order_id, _ = asked_for(shop_floor, 1)
    now = datetime.now(UTC)
    kinds = [
        line.read_notice(call).kind for call in line.missed_events(now - timedelta(hours=1), now + timedelta(hours=1))
    ]
    assert kinds == [message.kind for message in shop_floor.messages]
    assert order_id


def test_no_event_of_the_log_stands_in_our_call_log(peer: Peer) -> None:
    """G2G-P58: a top-up's data is in there."""
    line = open_line()
    peer.says({"results": [entry("e1", http_request=json.dumps({"value": "hello_world"}))]})
    list(line.missed_events(SINCE, NOW))
    assert "hello_world" not in line.log[0].response
