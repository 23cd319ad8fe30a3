"""The make-believe G-Commerce by the contract's section 11: its buttons, its timer, its log, and how it is served."""

import json
import threading

import pytest
import requests

from marketplaces import http
from marketplaces.sandbox_wire import Server, Street, mount
from marketplaces.sandbox_words import Request, Seller
from marketplaces.services.gcommerce.sandbox import Sandbox
from tests.marketplaces.services.gcommerce.caller import (
    EMAIL,
    KEY,
    PRODUCT,
    basic,
    control,
    new_market,
    ok,
    send,
    status_of,
)


@pytest.fixture
def market():
    return new_market()


def page(market, name, remote="127.0.0.1"):
    return market.answer(Request("GET", f"/_sim/{name}", "", {}, {}, b"", remote))


# --- buttons ---------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_button_makes_an_order_of_anything_or_of_what_was_named(market):
    status, order = control(market, "POST", "order")
    assert (status, order["status"]) == (200, "O")
    asked = {"offer_id": "123456", "qty": 3, "status": "P", "email": "ann@example.com"}
    _, order = control(market, "POST", "order", asked)
    assert ok(market, "GET", f"/orders/{order['order_id']}") == order
    assert (order["status"], order["email"]) == ("P", "ann@example.com")
    _, order = control(market, "POST", "order", {"items": [["123456", 1], ["200004", 1]], "force": True})
    assert len(order["products"]) == 2
    _, order = control(market, "POST", "order", {"order_id": order["order_id"], "status": "I"})
    assert order["status"] == "I"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"offer_id": "5"}, 404),
        ({"offer_id": "123456", "qty": 10_000}, 409),
        ({"colour": "red"}, 400),
        ({"order_id": "5"}, 404),
    ],
    ids=str,
)
def test_an_order_that_cannot_be_is_refused(market, asked, status):
    answered, answer = control(market, "POST", "order", asked)
    assert (answered, bool(answer["error"])) == (status, True)
    assert market.orders.bought() == []


def test_switches_are_set_over_the_wire_all_or_none(market):
    status, shown = control(market, "POST", "switches", {"style": "old", "page_cap": 7, "feed_seconds": 5})
    assert (status, shown["style"], market.switches.page_cap) == (200, "old", 7)
    for wrong in ({"style": "new"}, {"colour": 1}, {"page_cap": "7"}, {"approval": 1}, {"bulk_missing": "x"}):
        assert control(market, "POST", "switches", {"page_cap": 9, **wrong})[0] == 400
    assert control(market, "GET", "switches")[1]["page_cap"] == 7
    control(market, "POST", "reset")
    assert (market.switches.style, market.switches.page_cap) == ("modern", 0)


def test_a_timer_sells_until_it_is_stopped(market):
    control(market, "POST", "timer", {"seconds": 30})
    control(market, "POST", "clock", {"advance_seconds": 95})
    assert len(market.orders.bought()) == 3
    control(market, "POST", "timer", {"seconds": 60})
    market.advance(125)
    assert len(market.orders.bought()) == 5
    control(market, "POST", "timer", {"seconds": 0})
    market.advance(600)
    assert len(market.orders.bought()) == 5


def test_a_buyer_who_comes_along_prefers_what_a_seller_has_made(market):
    id = ok(market, "POST", "/products", PRODUCT)["product_id"]
    for _ in range(5):
        market.shop_at_random()
    items = [item for order in market.orders.bought() for item in order.items.values()]
    assert {item.product_id for item in items} == {id}
    assert market.products.all[id].amount == 1000 - sum(item.quantity for item in items)
    for product in market.products.all.values():
        product.amount = 0
    market.shop_at_random()
    assert len(market.orders.bought()) == 5


def test_a_few_buyers_change_their_mind_before_it_is_shipped(market):
    orders = [market.orders.buy(offer_id="123456", status=letter) for letter in "OKJ"]
    for order in orders:
        market.orders.call_off(order)
    assert [order.status for order in orders] == ["I", "I", "J"]


# --- what there is to see --------------------------------------------------------------------------------------


def test_every_request_is_in_the_log_with_its_second_of_the_window_and_its_answer(market):
    market.switches.limit = 2
    send(market, "GET", "/categories/8200")
    market.clock.advanced += 12
    send(market, "GET", "/categories/8200", q="a")
    send(market, "GET", "/nowhere")
    calls = control(market, "GET", "calls")[1]["calls"]
    assert [(call["op"], call["status"], call["calls_before"]) for call in calls] == [
        ("GCO-02", 200, 0),
        ("GCO-02", 200, 1),
        ("", 429, 2),
    ]
    assert [round(call["second"]) for call in calls] == [0, 12, 12]
    assert json.loads(calls[0]["answer"])["category"] == "Office"
    assert "authorization" in calls[0]["headers"]
    assert KEY not in json.dumps(calls)


def test_people_see_the_log_and_the_mails_as_pages(market):
    ok(market, "GET", "/products", q="<b>")
    ok(market, "POST", "/products_feed", {"items": [{"product": "x"}]})
    market.advance(61)
    log, mails = page(market, "log"), page(market, "mails")
    assert "GCO-03" in log.body.decode()
    assert "<b>" not in log.body.decode()
    assert all(word in mails.body.decode() for word in ("received", "processing", "completed"))
    assert log.headers["Content-Type"].startswith("text/html")
    assert len(control(market, "GET", "outbox")[1]["mails"]) == 3
    assert page(market, "log", remote="192.0.2.7").status == 403
    assert page(market, "log", remote="").status == 403
    assert page(market, "nowhere").status == 404
    assert "New order" in page(market, "").body.decode()


def test_the_state_shows_what_was_not_there_at_the_start(market):
    id = ok(market, "POST", "/products", PRODUCT)["product_id"]
    order = market.orders.buy(offer_id=str(id))
    ok(market, "POST", "/shipments", {"order_id": order.id, "shipping_id": 44, "carrier": "ups"})
    state = control(market, "GET", "state")[1]
    assert [each["product_id"] for each in state["made"]] == [id]
    assert [each["order_id"] for each in state["orders"]] == [str(order.id)]
    assert len(state["shipments"]) == 1
    control(market, "POST", "reset")
    assert control(market, "GET", "state")[1]["orders"] == []


def test_there_are_no_webhooks(market):
    market.orders.buy(offer_id="123456")
    assert control(market, "GET", "state")[1]["webhooks"] == []
    assert control(market, "POST", "run")[0] == 404


# --- how it is served ------------------------------------------------------------------------------------------


def test_who_runs_it_names_the_sellers():
    market = Sandbox(callbacks=lambda: [Seller({"email": "a@example.com", "api_key": "k"})], requests_per_second=50)
    assert status_of(market, "GET", "/categories", headers=basic("a@example.com", "k")) == 200
    assert control(market, "GET", "state")[1]["sellers"] == ["a@example.com", EMAIL]


def test_the_products_own_client_reaches_it(market):
    base = "http://gcommerce-line.test/api"
    mount(market, base)
    try:
        client = http.Client(base_url=base, budget=lambda *_: 0.0, record=lambda record: None, allow_local=True)
        headers = {"Authorization": basic()["authorization"], "Accept": "application/json"}
        answer = client.send("GCO-05", "GET", "/products/123456", headers=headers)
        assert (answer.status, answer.json["product"]) == (200, "3D Printer")
        made = client.send("GCO-04", "POST", "/products", headers=headers, payload=PRODUCT, is_write=True)
        assert made.status == 201
    finally:
        http.unmount(base)


def test_ten_of_forty_calls_at_once_come_through_a_socket():
    """Nobody slips through between counting and answering."""
    market = Sandbox()
    server = Server(0, Street({"gcommerce": market}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url, statuses = f"http://127.0.0.1:{server.server_port}/gcommerce/categories/8200", []

    def call_ten():
        statuses.extend(requests.get(url, auth=(EMAIL, KEY), timeout=10).status_code for _ in range(10))

    callers = [threading.Thread(target=call_ten) for _ in range(4)]
    try:
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert (statuses.count(200), statuses.count(429)) == (10, 30)
