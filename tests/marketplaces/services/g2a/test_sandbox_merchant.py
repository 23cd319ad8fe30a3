"""The make-believe G2A as the caller of a merchant, by the contract's sections 4 and 11."""

import pytest

from marketplaces.sandbox_words import Seller
from marketplaces.services.g2a.sandbox import BUILT_IN, Sandbox
from marketplaces.services.g2a.sandbox_scenarios import SCENARIOS
from tests.marketplaces.services.g2a.caller import HASH, IMPORT, PRODUCT, control, ok
from tests.marketplaces.services.g2a.merchant import URL, Merchant

# What a merchant must be like for a story that is not about plain codes in stock.
SPECIAL = {"file_key": "file", "account_key": "account"}


@pytest.fixture
def merchant():
    return Merchant()


@pytest.fixture
def caller(merchant):
    seller = Seller(BUILT_IN.credentials, URL)
    sandbox = Sandbox(
        send=merchant,
        callbacks=lambda: [seller],
        requests_per_second=1000,
        seed=1,
        pause=lambda seconds: sandbox.advance(seconds),
        lapse=lambda seconds: sandbox.advance(seconds),
    )
    merchant.clock = sandbox.clock.time
    sandbox.offers.by_hand(account=HASH, product_id=PRODUCT, size=10, price="5.98")
    return sandbox


def offer_id(caller):
    return next(iter(caller.offers.all))


def failed(report):
    return sorted({check["id"] for check in report["failed"]})


@pytest.mark.smoke
@pytest.mark.parametrize("scenario", sorted(SCENARIOS.keys() - {"order_202_then_poll"}))
def test_a_merchant_who_keeps_the_contract_passes(caller, merchant, scenario):
    merchant.kind = SPECIAL.get(scenario, "text")
    report = caller.run_scenario(scenario)
    assert report["ok"], report["failed"]
    assert report["checks"]
    assert caller.state()["doubles"]["sold_twice"] == []


def test_a_merchant_who_delivers_later_passes(caller, merchant):
    merchant.flaws.add("promises")
    merchant.codes.clear()

    def restock():
        merchant.codes.append("LATE-1")
        merchant.fill()

    report = caller.run_scenario("order_202_then_poll", meanwhile=restock)
    assert report["ok"], report["failed"]
    order = caller.state()["orders"][0]
    assert (order["codes"], order["status"], len(order["polls"])) == (["LATE-1"], "delivered", 3)


@pytest.mark.parametrize(
    ("flaw", "scenario", "op"),
    [
        ("codes_in_reservation", "happy", "G2A-IN-03"),
        ("double_order", "duplicate_order", "G2A-IN-06"),
        ("double_order", "parallel_order", "G2A-IN-06"),
        ("never_expires", "order_after_expiry", "G2A-IN-06"),
        ("new_ids", "return_items", "G2A-IN-08"),
        ("open_door", "bad_token", "G2A-IN-02"),
        ("open_door", "short_token", "G2A-IN-02"),
        ("silent", "happy", "G2A-IN-01"),
    ],
)
def test_a_merchant_who_breaks_the_contract_is_found_out(caller, merchant, flaw, scenario, op):
    merchant.flaws.add(flaw)
    report = caller.run_scenario(scenario)
    assert not report["ok"]
    assert op in failed(report)


def test_a_crowd_finds_out_who_holds_too_much(caller, merchant):
    merchant.flaws.add("promises")
    report = caller.run_scenario("crowd", times=12, in_turn=True)
    assert [check["detail"] for check in report["failed"]] == ["12 are held"]


def test_text_codes_are_neither_files_nor_accounts(caller):
    report = caller.run_scenario("file_key")
    assert [check["what"] for check in report["failed"]] == ["an item of the kind file was sold"]


def test_an_answer_after_nine_seconds_is_none_and_the_call_is_made_again(caller, merchant):
    answers = [9.5, 0.0]

    def slowly(*call):
        caller.clock.advanced += answers.pop(0) if call[1].endswith("/order") else 0.0
        return merchant(*call)

    caller._send = slowly
    order = caller.orders.buy(offer_id=offer_id(caller))
    calls = [(call["status"], call["error"]) for call in caller.caller.calls if call["op"] == "G2A-IN-06"]
    assert calls == [(0, "answered 200 after 9.5 s"), (409, "")]
    # The codes left, nobody here has them, and no second one came.
    assert (order.status, order.items) == ("unknown", {})


def test_a_call_can_be_made_twice_or_lost_on_its_way(caller, merchant):
    for fault in (
        {"op": "G2A-IN-06", "mode": "duplicate"},
        {"op": "G2A-IN-03", "mode": "drop"},
    ):
        control(caller, "POST", "faults", fault)
    order = control(caller, "POST", "order", {"offer_id": offer_id(caller), "qty": 2})
    assert (order["status"], len(order["codes"])) == ("delivered", 2)
    statuses = [(call["op"], call["status"]) for call in caller.state()["merchant_calls"]]
    assert statuses == [
        ("G2A-IN-01", 200),
        ("G2A-IN-03", 0),
        ("G2A-IN-03", 200),
        ("G2A-IN-06", 200),
        ("G2A-IN-06", 409),
    ]


def test_a_token_is_used_for_its_life_and_renewed_once_when_it_is_refused(caller, merchant):
    merchant.life = 60
    for _ in range(2):
        caller.orders.buy(offer_id=offer_id(caller))
    assert len(merchant.tokens) == 1
    caller.advance(60)
    caller.orders.buy(offer_id=offer_id(caller))
    assert len(merchant.tokens) == 2
    merchant.tokens.clear()
    assert caller.orders.buy(offer_id=offer_id(caller)).status == "delivered"
    assert len(merchant.tokens) == 1


def test_what_is_owed_is_asked_for_until_it_is_there(caller, merchant):
    merchant.flaws.add("promises")
    merchant.codes.clear()
    order = caller.orders.buy(offer_id=offer_id(caller), qty=2)
    assert order.status == "waiting"
    caller.advance(3600)
    assert 12 < len(order.polls) < 140
    merchant.codes += ["A", "B"]
    merchant.fill()
    caller.advance(30)
    assert [item.value for item in order.items.values()] == ["A", "B"]
    polls = len(order.polls)
    caller.advance(3600)
    assert len(order.polls) == polls


def test_the_books_show_the_same_code_in_two_hands(caller, merchant):
    merchant.flaws.add("same_code")
    orders = [caller.orders.buy(offer_id=offer_id(caller)) for _ in range(2)]
    doubles = caller.state()["doubles"]["sold_twice"]
    assert [double["orders"] for double in doubles] == [[order.id for order in orders]]


def test_a_code_that_came_back_may_be_sold_again(caller, merchant):
    merchant.flaws.add("resells")
    first = caller.orders.buy(offer_id=offer_id(caller))
    caller.orders.give_back(first, list(first.items))
    second = caller.orders.buy(offer_id=offer_id(caller))
    assert [item.value for item in second.items.values()] == [item.value for item in first.items.values()]
    assert caller.state()["doubles"]["sold_twice"] == []


def test_a_sale_lowers_what_the_offer_shows_unless_the_seller_has_counted_since(caller, merchant):
    offer = caller.offers.all[offer_id(caller)]
    caller.orders.buy(offer_id=offer.id, qty=3)
    assert (offer.size, offer.sold) == (7, 3)
    seller = caller.merchant("demo")
    order = caller.orders.new(seller, int(PRODUCT), 2, offer=offer)
    caller.orders.reserve(order)
    ok(caller, "PATCH", f"{IMPORT}/offers/{offer.id}", {"inventory": {"size": 5}})
    caller.orders.place(order)
    assert (offer.size, offer.sold) == (5, 5)


def test_buyers_come_along_until_nothing_is_left(caller, merchant):
    for _ in range(40):
        caller.shop_at_random()
    offer, state = caller.offers.all[offer_id(caller)], caller.state()
    codes = [code for order in state["orders"] for code in order["codes"]]
    assert len(codes) == len(set(codes)) == offer.sold
    assert offer.size == 10 - offer.sold <= 1
    assert state["doubles"]["sold_twice"] == []


def test_nobody_buys_from_who_has_no_address(merchant):
    alone = Sandbox(send=merchant, seed=1)
    alone.offers.by_hand(account=HASH, product_id=PRODUCT, size=10, price="5.98")
    alone.shop_at_random()
    assert alone.state()["orders"] == []
    assert "merchant" in control(alone, "POST", "merchant/run", {"scenario": "happy", "account": "demo"})["error"]


def test_scenarios_are_run_over_the_control_address(caller):
    report = control(caller, "POST", "merchant/run", {"scenario": "happy", "account": "demo"})
    assert report["ok"]
    assert {check["id"] for check in report["checks"]} >= {"G2A-IN-01", "G2A-IN-02", "G2A-IN-03", "G2A-IN-06"}
    assert "duplicate_order" in control(caller, "POST", "run", {"scenario": "unknown"})["error"]


def test_a_notification_switches_the_offer_off(caller, merchant):
    assert caller.run_scenario("notifications")["ok"]
    assert len(merchant.notices) == 3
    assert merchant.notices[0]["data"]["offer_id"] == offer_id(caller)
    assert caller.state()["offers"][0]["status"] == "inactive"


def test_no_token_or_secret_stands_in_the_journal(caller, merchant):
    caller.run_scenario("bad_token")
    shown = str(caller.state()["merchant_calls"])
    assert "demo-merchant" not in shown
    assert not any(token in shown for token in merchant.tokens)
