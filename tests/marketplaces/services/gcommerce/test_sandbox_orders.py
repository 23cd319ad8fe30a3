"""The make-believe G-Commerce by the contract's section 11: orders, accepting them, stock, purchase orders."""

import pytest

from marketplaces.sandbox_words import Refusal
from tests.marketplaces.services.gcommerce.caller import call, new_market, ok, status_of

CONTROLLER = 200_001 + 3 * 22  # a game controller of which there are some


@pytest.fixture
def market():
    market = new_market()
    market.products.all[CONTROLLER].amount = 100
    return market


def stock(market):
    return market.products.all[CONTROLLER].amount


def buy(market, qty=10, **details):
    return market.orders.buy(offer_id=str(CONTROLLER), qty=qty, **details)


def accept(market, order):
    return call(market, "PUT", f"/order_status/{order.id}", {"status": "K"})


# --- buying ----------------------------------------------------------------------------------------------------


def test_what_is_bought_is_an_order_with_its_lines(market):
    order = market.orders.buy(
        items=[(str(CONTROLLER), 2), ("123456", 3)], firstname="Ann", email="ann@example.com", notes="Ring twice"
    )
    shown = ok(market, "GET", f"/orders/{order.id}")
    assert (shown["status"], shown["firstname"], shown["notes"]) == ("O", "Ann", "Ring twice")
    assert all(int(key) > 2**31 and line["item_id"] == key for key, line in shown["products"].items())
    assert [(line["product_id"], line["amount"]) for line in shown["products"].values()] == [
        (str(CONTROLLER), "2"),
        ("123456", "3"),
    ]
    assert float(shown["total"]) == float(shown["subtotal"]) + float(shown["shipping_cost"])
    assert ok(market, "GET", "/orders", email="ann@example.com")["orders"][0]["order_id"] == str(order.id)
    assert ok(market, "GET", "/orders")["orders"][0]["order_id"] == str(order.id)


@pytest.mark.parametrize("details", [{"qty": 0}, {"qty": 101}, {"offer_id": "5"}, {"offer_id": "x"}], ids=str)
def test_nobody_buys_what_is_not_there(market, details):
    with pytest.raises((Refusal, ValueError)):
        market.orders.buy(**{"offer_id": str(CONTROLLER), "qty": 1} | details)
    assert market.orders.bought() == []
    assert stock(market) == 100


def test_force_oversells(market):
    market.products.all[CONTROLLER].status = "D"
    with pytest.raises(Refusal):
        buy(market)
    buy(market, qty=101, force=True)
    assert stock(market) == -1


def test_incomplete_and_parent_orders_are_never_listed(market):
    for letter in "NT":
        order = buy(market, status=letter)
        assert ok(market, "GET", "/orders", order_id=order.id)["orders"] == []
        assert ok(market, "GET", "/orders", status=letter)["orders"] == []


def test_an_order_without_lines_shows_a_list(market):
    order = buy(market)
    order.items.clear()
    assert ok(market, "GET", f"/orders/{order.id}")["products"] == []


def test_some_buyers_name_no_recipient(market):
    shown = [ok(market, "GET", f"/orders/{id}") for id in (120001, 120003)]
    assert [(each["s_firstname"], each["b_firstname"]) for each in shown] == [("", "Test"), ("Ada", "Ada")]


# --- accepting -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["O", "P", "B", "K"])
def test_k_accepts_what_can_be_accepted(market, letter):
    order = buy(market, status=letter)
    assert accept(market, order) == (200, {"order_id": order.id})
    assert order.status == "K"
    assert ok(market, "GET", f"/orders/{order.id}")["status"] == "K"


@pytest.mark.parametrize("letter", ["C", "F", "D", "I", "J", "Q"])
def test_k_does_nothing_to_an_order_that_is_past_it(market, letter):
    """200 without effect is the default."""
    order = buy(market, status=letter)
    for word, status in (("silent", 200), ("conflict", 409), ("invalid", 400)):
        market.switches.accept_refusal = word
        assert accept(market, order)[0] == status
        assert order.status == letter


def test_no_other_letter_can_be_set(market):
    order = buy(market)
    for body in ({}, {"status": "C"}, {"status": ""}):
        assert status_of(market, "PUT", f"/order_status/{order.id}", body) == 400
    assert order.status == "O"
    assert status_of(market, "PUT", "/order_status/1", {"status": "K"}) == 404


# --- stock follows letters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("taking", ["O", "P", "C"])
@pytest.mark.parametrize("giving", ["B", "D", "F", "I"])
def test_stock_is_taken_and_given_back_once(market, taking, giving):
    order = buy(market, status=taking)
    assert stock(market) == 90
    market.orders.become(order, "K")
    assert stock(market) == 90
    for _ in range(2):
        market.orders.become(order, giving)
        assert (order.status, stock(market)) == (giving, 100)
    market.orders.become(order, taking)
    assert stock(market) == 90


def test_an_order_that_is_not_complete_takes_nothing(market):
    order = buy(market, status="N")
    assert stock(market) == 100
    market.orders.become(order, "O")
    assert stock(market) == 90


def test_too_little_stock_on_the_way_back_makes_it_back_ordered(market):
    order = buy(market)
    market.orders.become(order, "I")
    market.products.all[CONTROLLER].amount = 9
    market.orders.become(order, "O")
    assert (order.status, stock(market)) == ("B", 9)
    assert accept(market, order)[0] == 200
    assert order.status == "B"


def test_stock_of_a_deleted_product_is_no_trouble(market):
    order = buy(market)
    ok(market, "DELETE", f"/products/{CONTROLLER}")
    market.orders.become(order, "I")
    line = next(iter(ok(market, "GET", f"/orders/{order.id}")["products"].values()))
    assert line["product_status"] == "D"


def test_a_shipped_order_is_complete_after_some_days(market):
    order = buy(market)
    market.orders.become(order, "J")
    market.advance(3 * 86_400 - 60)
    assert order.status == "J"
    market.advance(120)
    assert order.status == "C"


# --- purchase orders -------------------------------------------------------------------------------------------


def test_purchase_orders_are_read_and_nothing_else(market):
    """Lines are a list, empty or not; no number is one of an order."""
    shown = [ok(market, "GET", f"/purchase_orders/{id}") for id in (5001, 5002, 5003)]
    assert [len(each["products"]) for each in shown] == [0, 1, 2]
    assert all(type(each["products"]) is list and each["b_email"].startswith("ap.") for each in shown)
    assert status_of(market, "GET", "/orders/5001") == 404
    assert status_of(market, "GET", "/purchase_orders/120001") == 404
    assert status_of(market, "PUT", "/purchase_orders/5001", {"status": "K"}) == 405
