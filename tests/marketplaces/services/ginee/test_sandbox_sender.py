"""The make-believe Ginee by the contract's section 11: how notifications travel, and what it makes of our answers."""

import base64
import hashlib
import hmac

import pytest

from marketplaces.sandbox_faults import Fault
from tests.marketplaces.services.ginee.sandbox_caller import HOOK, SKU, Receiver, control, new_market

V8 = "E8pYgFDp62mIii5pDCcjME7Vm2p1J8SY7+Vvv39YNvc="
TOKEN_PATH = "/webhooks/ginee/EXAMPLE-TOKEN-0123456789abcdefghijklmnopqrst"


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def market(receiver):
    return new_market(receiver)


def buy(market, count=1, **details):
    """Let buyers buy something that stays as it is: one notification each."""
    return [market.orders.buy(offer_id=SKU, stays=True, force=True, **details) for _ in range(count)]


def digest(path, secret):
    return base64.b64encode(hmac.new(secret.encode(), f"POST${path}$".encode(), hashlib.sha256).digest()).decode()


# --- addresses and signatures ----------------------------------------------------------------------------------


def test_one_address_or_one_for_each_module(market, receiver):
    order = market.orders.buy(offer_id=SKU, status="READY_TO_SHIP")
    market.switches.is_per_module = True
    market.orders.act(order.id, "label")
    market.orders.act(order.id, "ship")
    market.switches.keeps_slash = False
    market.orders.act(order.id, "deliver")
    market.switches.is_per_module = False
    market.orders.act(order.id, "return")
    market.advance(0)
    assert [url.removeprefix(HOOK.rstrip("/")) for url, _, _ in receiver.got] == [
        "/",
        "/",
        "/delivery-order/",
        "/order/",
        "/order",
        "",
    ]


def test_the_plain_way_has_no_authorization(market, receiver):
    buy(market)
    market.advance(0)
    [(_, headers, _)] = receiver.got
    assert headers["Content-Type"] == "application/json"
    assert headers.keys() == {"Content-Type", "User-Agent"}


@pytest.mark.parametrize(
    ("auth", "expected"),
    [("signature", V8), ("key_signature", f"test-access:{V8}"), ("wrong_signature", f"B{V8[1:]}")],
)
def test_signatures_are_made_over_the_registered_path(market, receiver, auth, expected):
    market.switches.set(auth=auth, signed_path=TOKEN_PATH)
    buy(market)
    market.advance(0)
    headers = receiver.got[0][1]
    if auth == "wrong_signature":
        assert headers["Authorization"] not in (V8, "")
        assert headers["Authorization"][1:] == expected[1:]
    else:
        assert headers["Authorization"] == expected


def test_an_own_secret_signs_the_path_of_the_module(receiver):
    market = new_market(receiver, secrets=("webhook-secret",))
    market.switches.set(auth="signature", is_per_module=True)
    buy(market)
    market.advance(0)
    path = "/hooks/7/EXAMPLE-TOKEN-0123456789abcdefghijklmnopqrst/order/"
    assert receiver.got[0][1]["Authorization"] == digest(path, "webhook-secret")


def test_a_shared_secret_travels_in_a_header_of_its_own(receiver):
    market = new_market(receiver, secrets=("webhook-secret",))
    market.switches.auth = "shared_secret"
    buy(market)
    market.switches.set(auth="wrong_secret", secret_header="X-Own")
    market.advance(0)
    market.switches.auth = "shared_secret"
    buy(market)
    market.advance(0)
    assert "X-Webhook-Secret" not in receiver.got[1][1]
    assert receiver.got[0][1]["X-Own"] != "webhook-secret"
    assert receiver.got[1][1]["X-Own"] == "webhook-secret"


def test_one_notification_can_be_signed_wrongly_or_not_at_all(market, receiver):
    market.switches.auth = "signature"
    market.faults.add(Fault("GIN-01", "wrong_signature"))
    buy(market)
    market.faults.add(Fault("GIN-01", "no_authorization"))
    buy(market, 2)
    market.advance(0)
    wrong, absent, right = (headers.get("Authorization") for _, headers, _ in receiver.got)
    assert (wrong != right, absent, right) == (
        True,
        None,
        digest(HOOK.removeprefix("https://shop.test"), "test-secret"),
    )


# --- our answers -----------------------------------------------------------------------------------------------


def attempts(market):
    return market.messages[0].attempts


@pytest.mark.parametrize("status", [500, 401, 404, 201, 204, 302])
def test_anything_but_200_is_sent_again_three_times(market, receiver, status):
    receiver.status = status
    begin = market.clock.ms()
    buy(market)
    market.advance(3600)
    assert [(attempt["at"] - begin) // 1000 for attempt in attempts(market)] == [0, 5, 35, 155]
    assert {attempt["problem"] for attempt in attempts(market)} == {f"status {status}"}
    assert market.messages[0].is_over
    assert len({body for _, _, body in receiver.got}) == 1


def test_the_number_of_retries_is_a_switch(market, receiver):
    receiver.status = 503
    market.switches.retries = 1
    buy(market)
    market.advance(3600)
    assert len(receiver.got) == 2
    market.switches.retries = 0
    receiver.got.clear()
    buy(market)
    market.advance(3600)
    assert len(receiver.got) == 1


def test_a_success_ends_the_retries(market, receiver):
    receiver.status = 503
    buy(market)
    market.advance(1)
    receiver.status = 200
    market.advance(3600)
    assert [attempt["status"] for attempt in attempts(market)] == [503, 200]


def test_no_answer_is_repeated(market, receiver):
    def unreachable(method, url, headers, body):
        raise ConnectionRefusedError

    market._send = unreachable
    buy(market)
    market.advance(0)
    market._send = receiver
    market.advance(5)
    assert [(one["status"], one["error"], one["problem"]) for one in attempts(market)] == [
        (0, "ConnectionRefusedError", "no answer"),
        (200, "", ""),
    ]


def test_an_answer_after_five_seconds_is_flagged_and_counts_as_none(market, receiver):
    receiver.seconds = 5.5
    buy(market)
    market.advance(0)
    receiver.seconds = 4.0
    market.advance(60)
    first, second = attempts(market)
    assert (first["is_slow"], first["problem"], first["seconds"]) == (True, "slower than 5 s", 5.5)
    assert (second["is_slow"], second["problem"]) == (False, "")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b'{"status": "true"}', "application/json"),
        (b'{"status": 1}', "application/json"),
        (b'{"status": true, "more": 1}', "application/json"),
        (b"[true]", "application/json"),
        (b"OK", "text/plain"),
        (b"", "application/json"),
        (b'{"status": true}', "text/html"),
    ],
)
def test_another_body_is_flagged_and_not_sent_again(market, receiver, body, content_type):
    receiver.body, receiver.content_type = body, content_type
    buy(market)
    market.advance(3600)
    [attempt] = attempts(market)
    assert attempt["problem"] == 'the body is not {"status": true} as JSON'
    assert attempt["body"] == body.decode()
    [complaint] = control(market, "GET", "complaints")["complaints"]
    assert complaint["id"] == market.messages[0].id


def test_the_right_answer_is_no_complaint(market, receiver):
    receiver.body, receiver.content_type = b'{"status":true}', "application/json; charset=utf-8"
    buy(market)
    market.advance(0)
    state = control(market, "GET", "state")
    assert state["complaints"] == []
    [shown] = state["webhooks"]
    assert (shown["op"], shown["answered"], shown["attempts"][0]["body"]) == ("GIN-01", True, '{"status":true}')


# --- on the way ------------------------------------------------------------------------------------------------


def test_everything_sent_can_be_replayed_byte_for_byte(market, receiver):
    buy(market)
    market.faults.add(Fault("GIN-01", "drop"))
    buy(market)
    market.advance(0)
    assert len(receiver.got) == 1
    for event_id in [message.id for message in market.messages]:
        assert control(market, "POST", "replay", {"id": event_id})["attempts"] == []
    market.advance(0)
    assert receiver.got[1][2] == receiver.got[0][2]
    assert receiver.documents[2]["payload"]["orderId"] == list(market.orders.all)[1]
    assert control(market, "POST", "replay", {"id": "GENIE404"})["http_status"] == 404


def test_sending_can_be_stopped_and_what_was_held_replayed(market, receiver):
    assert control(market, "POST", "stop")["is_sending"] is False
    buy(market)
    market.advance(600)
    assert receiver.got == []
    [message] = market.messages
    assert (message.modes >= {"held"}, message.is_over, message.attempts) == (True, True, [])
    control(market, "POST", "switches", {"is_sending": True})
    market.advance(600)
    assert receiver.got == []
    market.sent.replay(message.id)
    market.advance(0)
    assert receiver.kinds == ["order CREATE"]


def test_stopping_also_holds_what_waits_for_its_next_try(market, receiver):
    receiver.status = 500
    buy(market)
    market.advance(1)
    market.switches.is_sending = False
    market.advance(600)
    assert len(receiver.got) == 1


def test_ordered_troubles_strike_once(market, receiver):
    for mode, seconds in (("duplicate", 0), ("delay", 20), ("reorder", 0)):
        market.faults.add(Fault("GIN-01", mode, seconds=seconds))
        receiver.got.clear()
        first, second = buy(market, 2)
        market.advance(0)
        early = [document["payload"]["orderId"] for document in receiver.documents]
        market.advance(30)
        seen = [document["payload"]["orderId"] for document in receiver.documents]
        expected = {
            "duplicate": ([first.id, second.id], [first.id, second.id, first.id]),
            "delay": ([second.id], [second.id, first.id]),
            "reorder": ([second.id], [second.id, first.id]),
        }
        assert (early, seen) == expected[mode]


def test_the_contracts_chances_are_a_preset(market, receiver):
    market.switches.set(preset="contract")
    buy(market, 1000)
    market.advance(3600)
    counted = {mode: sum(mode in message.modes for message in market.messages) for mode in ("duplicate", "reorder")}
    lost = sum("drop" in message.modes for message in market.messages)
    assert all(70 <= count <= 130 for count in counted.values())
    assert 8 <= lost <= 35
    waits = [message.attempts[0]["at"] / 1000 - message.happened_at for message in market.messages]
    assert 0 <= min(waits) < 1
    assert 29 < max(waits) < 38
    ids = [document["id"] for document in receiver.documents]
    assert len(set(ids)) == 1000 - lost
    doubled = {
        message.id for message in market.messages if "duplicate" in message.modes and "drop" not in message.modes
    }
    assert len(ids) - len(set(ids)) == len(doubled)


def test_the_same_seed_makes_the_same_troubles():
    def seen(seed):
        receiver = Receiver()
        market = new_market(receiver, seed=seed)
        market.switches.set(preset="contract", generation="mixed", decimals="mixed", empty_shop=0.5)
        buy(market, 60)
        market.advance(600)
        return [body for _, _, body in receiver.got]

    assert seen(5) == seen(5)
    assert seen(5) != seen(6)


def test_one_switch_does_not_move_what_another_one_does():
    def dropped(**more):
        market = new_market()
        market.switches.set(drop=0.3, **more)
        buy(market, 40)
        return [message.id for message in market.messages if "drop" in message.modes]

    assert dropped() == dropped(duplicate=0.5, empty_shop=1.0)
