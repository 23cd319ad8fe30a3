"""A sale becomes delivered codes: the main job, end to end, on the wire."""

import pytest

from inventory.models import Code
from marketplaces.models import WebhookEvent
from orders.models import Delivery, DeliveryItem, Order, OrderEvent
from orders.verify import verify
from tests import make
from tests.orders import story

State = Code.State
Status = Delivery.Status


@pytest.mark.smoke
def test_a_paid_order_is_delivered_once_and_the_books_add_up(g2g):
    shop = story.begin(g2g, codes=10)
    assert g2g.sandbox.offers.all[shop.offer.external_id].available == 10

    order_id = shop.buy(3)
    shop.until_asked()
    shop.until_delivered()

    assert len(set(shop.received(order_id))) == 3
    assert all(code.startswith("GAME-1-") for code in shop.received(order_id))
    order, delivery = shop.order(order_id), shop.delivery(order_id)
    assert (order.state, order.state_detail) == ("delivered", "awaiting_buyer")
    assert (delivery.status, delivery.state, delivery.confirmed) == (Status.DELIVERED, Delivery.State.DONE, 3)
    assert Code.objects.filter(state=State.DELIVERED).count() == 3
    assert verify().as_json() == {"ok": True, "checked": verify().checked, "problems": []}
    assert g2g.sandbox.offers.all[shop.offer.external_id].fields["api_qty"] == 7


def test_the_timeline_tells_the_whole_story(g2g):
    shop = story.begin(g2g, codes=5)
    order_id = shop.buy(2)
    shop.until_asked()
    shop.until_delivered()
    g2g.advance(3 * 86400 + 60)

    kinds = list(OrderEvent.objects.filter(order__external_id=order_id).values_list("kind", flat=True))
    assert kinds[0] == "created"
    assert [kind for kind in kinds if kind not in ("created", "state")] == ["requested", "submitted", "delivered"]
    assert shop.order(order_id).state == "completed"


def test_nothing_leaves_before_the_marketplace_asks(g2g):
    """G2G-T43"""
    shop = story.begin(g2g, codes=5)
    g2g.sandbox.options["request_seconds"] = 3600.0

    order_id = shop.buy(2)
    g2g.advance(60)

    kinds = set(WebhookEvent.objects.values_list("kind", flat=True))
    assert kinds == {"order.created", "order.confirmed"}
    assert not DeliveryItem.objects.exists()
    assert shop.received(order_id) == []


def test_an_unpaid_order_holds_its_units_for_a_while(g2g):
    shop = story.begin(g2g, codes=5)

    shop.buy(2, pay=False)
    g2g.settle()
    assert (shop.count(State.HELD), shop.count(State.AVAILABLE)) == (2, 3)

    g2g.advance(31 * 60)
    shop.sweep()
    assert shop.count(State.AVAILABLE) == 5


def test_the_same_event_twenty_times_is_one_delivery(g2g):
    """G2G-T44: out of order and again a day later too."""
    shop = story.begin(g2g, codes=10)
    shop.fault("G2G-WH-04", "duplicate")
    order_id = shop.buy(2)
    shop.until_asked()
    event = WebhookEvent.objects.get(kind="order.api_delivery")

    for _ in range(20):
        shop.send_again(event)
    shop.until_delivered()
    g2g.advance(86400)
    shop.send_again(event)
    g2g.settle()

    assert len(shop.received(order_id)) == 2
    assert sum(g2g.sandbox.deliveries.doubles.values()) == 0
    event.refresh_from_db()
    assert event.repeats >= 21
    assert Delivery.objects.count() == 1


def test_requested_three_of_five_sends_three(g2g):
    """G2G-T45"""
    shop = story.begin(g2g, codes=10)

    order_id = shop.buy(5, request_qty=3)
    shop.until_asked()
    shop.until_delivered()

    assert len(shop.received(order_id)) == 3
    assert shop.count(State.HELD) == 2, "the other two wait for this buyer"

    g2g.sandbox.orders.request(g2g.sandbox.orders.all[order_id])
    g2g.settle()
    shop.until_delivered()
    assert len(set(shop.received(order_id))) == 5
    assert shop.count(State.HELD) == 0


def test_a_replacement_sends_as_many_new_codes_as_requested(g2g):
    """G2G-T48"""
    shop = story.begin(g2g, codes=10)
    order_id = shop.buy(2)
    shop.until_asked()
    shop.until_delivered()

    g2g.sandbox.orders.act(order_id, "replace", qty=1)
    g2g.settle()
    shop.until_delivered()

    assert len(set(shop.received(order_id))) == 3
    replacement = Delivery.objects.get(is_replacement=True)
    assert (replacement.requested, replacement.status) == (1, Status.DELIVERED)
    assert replacement.case_id
    assert verify().is_ok


def test_short_stock_sends_what_there_is_and_the_rest_when_it_comes(g2g):
    """G2G-T50"""
    shop = story.begin(g2g, codes=2)
    order_id = shop.buy(3, force=True)
    shop.until_asked()

    delivery = shop.delivery(order_id)
    assert len(shop.received(order_id)) == 2
    assert delivery.status == Status.SHORT
    assert "1 of 3 units are missing" in delivery.last_error

    make.add_codes(shop.product, 1, prefix="LATE")
    shop.stock_came()
    shop.until_delivered()

    received = shop.received(order_id)
    assert len(set(received)) == 3
    assert received[-1].startswith("LATE-")
    assert shop.delivery(order_id).status == Status.DELIVERED


def test_250_codes_leave_in_three_lots(g2g):
    shop = story.begin(g2g, codes=250)
    order_id = shop.buy(250)
    shop.until_asked()
    shop.until_delivered()

    assert len(set(shop.received(order_id))) == 250
    assert shop.calls("G2G-12") == 3


def test_handed_over_is_not_delivered(g2g):
    """G2G-T25"""
    shop = story.begin(g2g, codes=1)
    g2g.sandbox.options["result_seconds"] = 600.0
    order_id = shop.buy(1)
    shop.until_asked()

    assert shop.delivery(order_id).status == Status.SUBMITTED
    assert shop.count(State.SENT) == 1
    assert shop.count(State.DELIVERED) == 0


def test_the_event_closes_the_delivery_only_after_reading_agrees(g2g):
    """G2G-T51"""
    shop = story.begin(g2g, codes=1)
    g2g.sandbox.options["result_seconds"] = 600.0
    order_id = shop.buy(1)
    shop.until_asked()

    delivery = shop.delivery(order_id)
    shop.forge("order.delivery_status", {"order_id": order_id, "delivery_id": delivery.external_id,
               "delivery_status": "fully delivered", "requested_qty": 1, "delivered_qty": 1})  # fmt: skip
    g2g.settle()
    assert shop.delivery(order_id).status == Status.SUBMITTED

    g2g.advance(700)
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert shop.count(State.DELIVERED) == 1


def test_without_any_result_event_the_result_is_asked_for(g2g):
    shop = story.begin(g2g, codes=1)
    shop.fault("G2G-WH-03", "drop", times=None)
    order_id = shop.buy(1)
    shop.until_asked()
    g2g.advance(45)

    assert shop.delivery(order_id).status == Status.DELIVERED


def test_an_order_that_was_read_a_moment_before_its_delivery_was_noted_is_read_again(g2g):
    """No event says anything of it for three days, and it would be shown as to be delivered."""
    shop = story.begin(g2g, codes=5)
    order_id = shop.buy(2)
    shop.until_asked()
    shop.until_delivered()
    Order.objects.update(state="ready_to_ship", state_detail="")
    g2g.advance(130)
    assert shop.order(order_id).state == "ready_to_ship"

    shop.sweep()
    assert shop.order(order_id).state == "delivered"
    before = shop.calls("G2G-10")
    shop.sweep()
    assert shop.calls("G2G-10") == before
