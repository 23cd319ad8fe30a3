"""The make-believe G2G by the contract's section 11: webhooks, their troubles, and the log of them."""

import hashlib
import hmac
import json
import time

import pytest

from marketplaces.sandbox_faults import Fault
from marketplaces.sandbox_words import Message
from marketplaces.services.g2g.sandbox import BUILT_IN
from marketplaces.services.g2g.sandbox_events import sign
from tests.marketplaces.services.g2g.caller import (
    CARD,
    TOP_UP,
    Receiver,
    code_of,
    control,
    new_market,
    payload,
    signed_headers,
)

HOOK = "https://www.your_webhook_url.com"
LOG = "/v2/logs/webhooks/search"


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def market(receiver):
    return new_market(receiver)


@pytest.fixture
def offer_id(market):
    return payload(market, "POST", "/v2/offers", CARD)["offer_id"]


def bodies(receiver):
    return [json.loads(body) for _, body in receiver.got]


def after_trouble(market, receiver, offer_id, op, *modes, qty=1, **details):
    """Buy while an event has troubles, and return the events of its type that arrived, as they were sent."""
    for mode in modes:
        market.faults.add(Fault(op, mode, **details))
    market.orders.buy(offer_id=offer_id, qty=qty)
    market.advance(2.5)
    kinds = {message.kind for message in market.messages if message.op == op}
    return [body for body in bodies(receiver) if body.get("event_type") in kinds]


def test_it_signs_as_it_was_published(market):
    seller = market.sellers()[1]
    message = Message("1", "G2G-WH-01", "order.created", "", seller, {}, b"", frozenset(), 0)
    signature = sign(message, 1653278884000)["g2g-signature"]
    assert signature == "645343db00f974f5dab1f9e9ed8d4846a265e150291009fe40bfbdf437cfa16a"


def test_each_attempt_is_signed_anew(market, receiver, offer_id):
    receiver.status = 500
    market.orders.buy(offer_id=offer_id, pay=False)
    market.advance(0)
    market.clock.skew = 60
    market.advance(1800)
    first, second = (headers for headers, _ in receiver.got)
    assert int(second["g2g-timestamp"]) - int(first["g2g-timestamp"]) == pytest.approx(60_000, abs=5_000)
    text = f"{HOOK}100000{second['g2g-timestamp']}"
    assert second["g2g-signature"] == hmac.new(b"gBW1wXgBNnA", text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("status", [500, 401, 201, 204, 302])
def test_anything_but_200_is_sent_again_five_times_then_given_up(market, receiver, offer_id, status):
    receiver.status = status
    begin = market.clock.ms()
    market.orders.buy(offer_id=offer_id, pay=False)
    market.advance(48 * 3600)
    minutes = [round((attempt["at"] - begin) / 60_000) for attempt in market.messages[0].attempts]
    assert minutes == [0, 30, 90, 210, 450, 930]
    assert market.messages[0].is_over
    assert len({body for _, body in receiver.got}) == 1


def test_an_attempt_without_an_answer_is_repeated(market, receiver, offer_id):
    def unreachable(method, url, headers, body):
        raise ConnectionRefusedError

    market._send = unreachable
    market.orders.buy(offer_id=offer_id, pay=False)
    market.advance(0)
    market._send = receiver
    market.advance(1800)
    attempts = market.messages[0].attempts
    assert [(attempt["status"], attempt["error"]) for attempt in attempts] == [(0, "ConnectionRefusedError"), (200, "")]


def test_a_snapshot_has_the_fields_of_its_event(market, receiver, offer_id):
    market.options["confirmed_word"] = "verifying_payment"
    market.orders.buy(offer_id=offer_id)
    market.advance(2.5)
    created, confirmed, asked = bodies(receiver)
    assert created["payload"]["order_status"] == "unpaid"
    assert created["payload"]["order_payment_status"] == "to_pay"
    assert "other_pricing" in created["payload"]
    assert "other_pricing" not in confirmed["payload"]
    assert confirmed["payload"]["order_status"] == "verifying_payment"
    summary = asked["payload"]["delivery_summary"]
    assert summary["expired_at"] - summary["requested_at"] == 900_000
    assert {"id", "event_happened_at", "event_type", "payload"} == asked.keys()


def test_a_top_up_leaves_absent_keys_out_or_sends_empty_texts(market, receiver):
    offer_id = payload(market, "POST", "/v2/offers", TOP_UP)["offer_id"]
    [asked] = after_trouble(market, receiver, offer_id, "G2G-WH-04")
    text, choice = asked["payload"]["delivery_summary"]["delivery_method_list"]
    assert "expired_at" not in asked["payload"]["delivery_summary"]
    assert (text["value"], "attribute_id" in text) == ("hello_world", False)
    assert (choice["attribute_value"], "value" in choice) == ("Aldebaran", False)
    asked = after_trouble(market, receiver, offer_id, "G2G-WH-04", "empty_texts")[-1]
    text, choice = asked["payload"]["delivery_summary"]["delivery_method_list"]
    assert (text["attribute_id"], choice["value"]) == ("", "")


def test_bodies_can_be_bent(market, receiver, offer_id):
    def sent(*modes):
        return after_trouble(market, receiver, offer_id, "G2G-WH-04", *modes)[-1]["payload"]

    flat = sent("flat_delivery_id")
    assert "delivery_summary" not in flat
    assert flat["delivery_qty"] == 1
    assert "expired_at" not in sent("no_expired_at")["delivery_summary"]
    forged = sent("forged_body", "forged_order")
    assert (forged["purchased_qty"], forged["delivery_summary"]["requested_qty"]) == (10, 10)
    assert forged["order_id"] not in market.orders.all


def test_a_portal_test_has_no_id_and_a_new_type_is_unknown(market, receiver, offer_id):
    [test_message] = after_trouble(market, receiver, offer_id, "G2G-WH-04", "portal_test")
    assert test_message.keys() == {"event_type", "payload"}
    market.faults.add(Fault("G2G-WH-01", "unknown_type"))
    market.faults.add(Fault("G2G-WH-02", "unreadable"))
    receiver.got.clear()
    market.orders.buy(offer_id=offer_id)
    market.advance(1.5)
    assert json.loads(receiver.got[0][1])["event_type"] == "order.of_tomorrow"
    with pytest.raises(ValueError, match=r"line 1 column"):
        json.loads(receiver.got[1][1])


def test_signatures_can_be_wrong_or_stale(market, receiver, offer_id):
    after_trouble(market, receiver, offer_id, "G2G-WH-01", "wrong_signature")
    headers = receiver.got[0][0]
    right = hmac.new(b"gBW1wXgBNnA", f"{HOOK}100000{headers['g2g-timestamp']}".encode(), hashlib.sha256).hexdigest()
    assert headers["g2g-signature"] != right
    receiver.got.clear()
    after_trouble(market, receiver, offer_id, "G2G-WH-01", "stale_timestamp")
    assert time.time() - int(receiver.got[0][0]["g2g-timestamp"]) / 1000 > 301


def test_events_come_twice_late_or_in_another_order(market, receiver, offer_id):
    assert len(after_trouble(market, receiver, offer_id, "G2G-WH-02", "duplicate")) == 2
    receiver.got.clear()
    after_trouble(market, receiver, offer_id, "G2G-WH-01", "reorder")
    market.advance(10)
    kinds = [body["event_type"] for body in bodies(receiver)]
    assert kinds == ["order.confirmed", "order.api_delivery", "order.created"]
    receiver.got.clear()
    assert after_trouble(market, receiver, offer_id, "G2G-WH-01", "delay", seconds=3600) == []
    market.advance(3600)
    assert bodies(receiver)[-1]["event_type"] == "order.created"


def test_a_lost_event_stands_in_the_log_alone(market, receiver, offer_id):
    assert after_trouble(market, receiver, offer_id, "G2G-WH-04", "drop") == []
    found = payload(market, "POST", LOG, {"filter": {"event_type": "order.api_delivery"}})["results"]
    assert [(entry["http_status"], entry["http_request"]["event_type"]) for entry in found] == [
        (504, "order.api_delivery")
    ]
    market.advance(48 * 3600)
    assert "order.api_delivery" not in [body["event_type"] for body in bodies(receiver)]


def test_the_log_has_every_attempt_page_by_page(market, receiver, offer_id):
    receiver.status = 500
    order = market.orders.buy(offer_id=offer_id, pay=False)
    for minutes in (0, 30, 60, 120, 240, 480):
        market.clock.skew += minutes * 60 + 1
        market.run_due()
    seen, after = [], ""
    for size in (4, 2):
        wanted = {"filter": {"order_id": order.id}, "limit": 4, "after": after}
        page = payload(market, "POST", LOG, wanted, headers=signed_headers(LOG, at=market.clock.wire_time()))
        after = page["after"]
        assert len(page["results"]) == size
        seen += [entry["event_sent_at"] for entry in page["results"]]
    assert after == ""
    assert seen == sorted(set(seen))
    market.clock.skew = 0
    newest = payload(market, "POST", LOG, {"filter": {}, "limit": 1, "sort_order": "desc"})["results"][0]
    assert newest["event_sent_at"] == seen[-1]
    between = {"event_sent_from": seen[1], "event_sent_to": seen[3], "http_status": 500}
    assert len(payload(market, "POST", LOG, {"filter": between})["results"]) == 3


@pytest.mark.parametrize("wrong", [{}, {"filter": {}, "limit": 0}, {"filter": {}, "sort_order": "up"}])
def test_the_log_refuses_what_is_wrong(market, wrong):
    assert code_of(market, "POST", LOG, wrong) == 40000001


def test_a_webhook_goes_to_the_sellers_own_addresses(market, receiver, offer_id):
    control(market, "POST", "callbacks", {"url": "https://second.test/", "secret": "two"})
    control(market, "POST", "callbacks", {"url": "https://other.test/", "secret": "three", "user_id": "200000"})
    market.orders.buy(offer_id=offer_id, pay=False)
    assert [message.seller.url for message in market.messages] == [HOOK, "https://second.test/"]
    assert BUILT_IN.url == ""
