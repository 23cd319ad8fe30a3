"""Top-ups whose units are counted: shown, held, taken once when handed over, and given back when nothing was."""

import pytest

from inventory import goods, stock
from inventory.models import Movement, Offer
from marketplaces.models import WebhookEvent
from marketplaces.services.g2g import sandbox_orders
from marketplaces.types import DeliveryIssue
from orders import topups
from orders.models import Delivery, OrderEvent, OrderLine
from orders.verify import verify
from tests import make
from tests.orders import credit
from tests.orders.credit import asked

Status, State = Delivery.Status, Delivery.State


@pytest.fixture
def shop(g2g, monkeypatch):
    """Five counted units of credit, on offer."""
    monkeypatch.setattr(sandbox_orders, "DEADLINE_MS", 86_400_000)
    product = make.product("CREDIT", kind="counted")
    goods.receive(product_id=product.pk, quantity=5, by="ann")
    return credit.begin(g2g, product)


def report(shop, order_id, delivered, **fields):
    topups.report(shop.delivery(order_id), delivered=delivered, by="ann", **fields)
    shop.desk.settle()


def shelf(shop):
    """Units on the shelf, and how many of them are held."""
    level = shop.product.level
    level.refresh_from_db()
    return level.on_hand, level.held


def shown(shop):
    shop.desk.settle()
    return Offer.objects.get().pushed_quantity


@pytest.mark.smoke
def test_the_offer_follows_counted_units_and_an_order_holds_and_takes_them_once(shop):
    assert shown(shop) == 5
    order_id = asked(shop, 2)
    assert (shelf(shop), shown(shop), shop.delivery(order_id).failure) == ((5, 2), 3, "by_hand")

    report(shop, order_id, 2)
    assert (shelf(shop), shown(shop)) == ((3, 0), 3)
    shop.until_delivered()
    shop.sweep()

    assert shop.delivery(order_id).status == Status.DELIVERED
    assert (shelf(shop), shown(shop)) == ((3, 0), 3)
    assert Movement.objects.filter(kind="shipped").count() == 1
    line = OrderLine.objects.get()
    assert (line.booked, line.taken, line.hold) == (2, 2, None)
    assert verify().is_ok


def test_a_cancelled_order_gives_its_units_back(shop):
    order_id = asked(shop, 2)
    shop.desk.sandbox.orders.act(order_id, "cancel")
    shop.desk.settle()

    assert shop.delivery(order_id).status == Status.STOPPED
    assert (shelf(shop), shown(shop), shop.count("delivered")) == ((5, 0), 5, 0)
    assert verify().is_ok


def test_a_report_that_is_corrected_books_what_it_says_in_the_end(shop):
    order_id = asked(shop, 3)
    shop.fault("G2G-14", "http_error", status=422, code="42200001")
    report(shop, order_id, 3)
    assert shelf(shop) == (2, 0)

    report(shop, order_id, 1, issue=DeliveryIssue.OTHER)
    assert shelf(shop)[0] == 4
    shop.until_delivered()
    assert shop.delivery(order_id).status == Status.PARTIAL
    assert shelf(shop)[0] == 4
    assert verify().is_ok


def test_what_was_topped_up_and_reported_elsewhere_leaves_stock_too(shop):
    order_id = asked(shop, 2)
    theirs = shop.desk.sandbox.orders.all[order_id]
    (delivery,) = theirs.deliveries.values()
    theirs.delivered_qty = delivery.delivered_qty = 2
    delivery.status, theirs.status, theirs.updated_at = "fully_delivered", "delivered", theirs.updated_at + 1000
    topups.outgoing.try_again(shop.delivery(order_id))
    shop.desk.settle()

    assert shelf(shop) == (3, 0)
    assert shop.count("delivered") == 2
    assert verify().is_ok


def test_a_short_one_waits_says_so_and_goes_to_a_person_when_units_come(shop):
    goods.correct(product_id=shop.product.pk, counted=1, by="ann", note="Count")
    order_id = asked(shop, 2)

    delivery = shop.delivery(order_id)
    assert (delivery.status, delivery.state) == (Status.SHORT, State.DUE)
    assert delivery.last_error == "1 of 2 units are missing: no stock of CREDIT."
    assert "It waits until units come in" in OrderEvent.objects.get(kind="short").text
    assert (shelf(shop), shown(shop)) == ((1, 1), 0)

    goods.receive(product_id=shop.product.pk, quantity=4, by="ann")
    shop.desk.settle()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.failure, shelf(shop)) == (Status.REQUESTED, "by_hand", (5, 2))
    assert OrderEvent.objects.filter(kind="short").count() == 1


def test_who_tops_up_what_stock_does_not_have_is_told_to_count_it(shop):
    goods.correct(product_id=shop.product.pk, counted=1, by="ann", note="Count")
    order_id = asked(shop, 2)
    report(shop, order_id, 2)

    assert shelf(shop) == (0, 0)
    assert "stock had only 1. Count it." in OrderEvent.objects.get(kind="stock").text
    shop.until_delivered()
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert verify().is_ok


def test_units_of_one_order_are_not_held_for_another(shop):
    first, second = asked(shop, 3), asked(shop, 3)

    assert shop.delivery(first).failure == "by_hand"
    assert shop.delivery(second).status == Status.SHORT
    shop.desk.sandbox.orders.act(first, "cancel")
    shop.desk.advance(10)
    assert (shop.delivery(second).failure, shelf(shop)) == ("by_hand", (5, 3))


def test_the_check_of_our_books_finds_units_that_were_handed_over_and_never_taken(shop):
    order_id = asked(shop, 2)
    report(shop, order_id, 2)
    OrderLine.objects.update(booked=1)
    assert {problem["check"] for problem in verify().problems} == {"top-up and stock"}


def test_what_ended_before_units_were_counted_is_not_booked_afterwards(shop):
    order_id = asked(shop, 2)
    report(shop, order_id, 2)
    shop.until_delivered()
    # As it would be, had the product been counted from today on.
    stock.unship(reference=OrderLine.objects.get().booking_reference)
    OrderLine.objects.update(booked=0, taken=0, hold=None)
    theirs = shop.desk.sandbox.orders.all[order_id]
    theirs.updated_at += 1000
    shop.send_again(WebhookEvent.objects.filter(kind__startswith="order").latest("pk"))
    shop.desk.settle()

    assert shelf(shop) == (5, 0)
