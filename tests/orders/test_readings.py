"""What a marketplace tells of goods, and the queue of orders to be read: on the wire where it has one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from marketplaces.models import WebhookEvent
from marketplaces.types import OrderState
from orders import news, readings, shop
from orders.models import Order, OrderReading
from tests.orders.goods import calls, later, shown, told

SKU = "SKU-RED-M"
State = OrderReading.State


def without_keys(desk):
    desk.account.credentials = {**desk.account.credentials, "access_key": "", "secret_key": ""}
    desk.account.save(update_fields=["credentials"])


def mirrored(bought):
    return Order.objects.get(external_id=bought.id)


@pytest.mark.smoke
def test_a_notification_leads_to_one_reading_and_all_of_the_order_is_here(ginee):
    """GIN-T03, GIN-T06"""
    bought = ginee.buy(SKU, 2, stays=True)
    ginee.advance(12)

    order = mirrored(bought)
    assert calls("GIN-C02") == 1
    assert (order.state, order.status_word, order.is_summary, order.is_hearsay) == ("new", "PAID", False, False)
    members = ("orderId", "channel", "shopId", "externalShopId", "orderStatus", "createAt", "payAt", "lastUpdateAt")
    assert all(name in order.raw for name in members)
    assert order.lines.get().quantity == 2
    assert order.needs_shipping


def test_without_keys_the_notification_is_believed_and_nobody_is_asked(ginee):
    """GIN-T03, GIN-T05, GIN-T06, GIN-T22"""
    without_keys(ginee)
    bought = ginee.buy(SKU, stays=True)
    ginee.advance(12)
    order = mirrored(bought)
    assert (order.state, order.is_hearsay, calls()) == ("new", True, 0)
    assert order.raw["shopId"]

    ginee.sandbox.orders.become(bought, "SHIPPING")
    ginee.advance(12)
    order = mirrored(bought)
    assert (order.state, order.event_status_word) == ("shipped", "SHIPPING")
    assert told(order, "state")[-1] == "The marketplace shows it as shipped."


def test_news_of_a_hundred_orders_are_read_in_one_request(ginee):
    bought = [ginee.buy(SKU, stays=True, force=True) for _ in range(100)]
    ginee.advance(12)
    assert calls("GIN-C02") == 1
    assert Order.objects.filter(is_summary=False).count() == len(bought)
    assert set(OrderReading.objects.values_list("state", flat=True)) == {State.DONE}


def test_an_order_is_read_within_ten_seconds_of_its_notification(ginee):
    bought = ginee.buy(SKU, stays=True)
    ginee.advance(10)
    assert not mirrored(bought).is_summary


def test_what_is_not_found_concerns_only_itself(ginee):
    bought = ginee.buy(SKU, stays=True)
    readings.ask(ginee.account, "SO-MADE-UP")
    ginee.advance(400)
    assert not mirrored(bought).is_summary
    lost = OrderReading.objects.get(external_id="SO-MADE-UP")
    assert (lost.state, lost.failure) == (State.NEEDS_ATTENTION, "not_found")
    assert OrderReading.objects.exclude(pk=lost.pk).get().state == State.DONE


def test_what_was_removed_there_is_kept_flagged_and_read_again(ginee):
    """GIN-T24"""
    bought = ginee.buy(SKU, stays=True)
    ginee.advance(12)
    ginee.sandbox.orders.act(bought.id, "delete")
    ginee.advance(12)

    order = mirrored(bought)
    assert (order.state, order.deleted_at is not None, order.lines.count()) == ("new", True, 1)
    assert len(told(order, "deleted")) == 1
    assert calls("GIN-C02") > 1


def test_what_was_removed_and_can_not_be_asked_about_is_flagged_once(ginee):
    news.order_told(ginee.account, shown(asked_at=None, updated_at=later(1)))
    for _ in range(2):
        shop.OurShop(ginee.account).order_deleted(shown(asked_at=None, updated_at=later(2)), "event-1")
    order = Order.objects.get()
    assert (order.deleted_at, len(told(order, "deleted"))) == (later(2), 1)
    assert not OrderReading.objects.exists()


@pytest.mark.parametrize("sequence", [(0, 1, 2), (0, 2, 1), (2, 1, 0, 2)])
def test_events_of_one_order_work_once_in_any_order(ginee, sequence):
    """GIN-T43"""
    steps = [(OrderState.NEW, "PAID"), (OrderState.SHIPPED, "SHIPPING"), (OrderState.DELIVERED, "DELIVERED")]
    for number in sequence:
        state, word = steps[number]
        news.order_told(ginee.account, shown(state=state, status_word=word, asked_at=None, updated_at=later(number)))
    order = Order.objects.get()
    assert order.state == "delivered"
    assert len(told(order, "state")) == len(set(told(order, "state")))


def test_a_wish_that_waits_is_not_wished_twice(ginee):
    for _ in range(3):
        readings.ask(ginee.account, "SO-1")
    assert OrderReading.objects.get().state == State.DUE


def test_a_wish_while_it_is_being_read_is_done_once_more(ginee):
    readings.ask(ginee.account, "SO-1")
    OrderReading.objects.update(state=State.IN_FLIGHT, in_flight_since=timezone.now())
    readings.ask(ginee.account, "SO-1")
    row = OrderReading.objects.get()
    assert (row.state, row.asked_again) == (State.IN_FLIGHT, True)


def test_the_oldest_order_is_read_first(ginee):
    now = timezone.now()
    for days in (1, 3, 2):
        readings.ask(ginee.account, f"SO-{days}", since=now - timedelta(days=days))
    order = OrderReading.objects.order_by("next_try_at").values_list("external_id", flat=True)
    assert list(order) == ["SO-3", "SO-2", "SO-1"]


def test_a_reading_that_needs_a_person_is_only_woken_by_other_news(ginee):
    readings.ask(ginee.account, "SO-1", news="O 15.0000")
    OrderReading.objects.update(state=State.NEEDS_ATTENTION)
    readings.ask(ginee.account, "SO-1", news="O 15.0000")
    assert OrderReading.objects.get().state == State.NEEDS_ATTENTION
    readings.ask(ginee.account, "SO-1", news="J 15.0000")
    assert OrderReading.objects.get().state == State.DUE


def test_a_notification_changes_nothing_of_a_known_order_before_it_is_read(ginee):
    bought = ginee.buy(SKU, stays=True)
    ginee.advance(12)
    news.order_changed(
        ginee.account, shown(external_id=bought.id, state=OrderState.CANCELLED, status_word="CANCELLED", asked_at=None)
    )
    order = mirrored(bought)
    assert (order.state, order.event_status_word) == ("new", "CANCELLED")
    assert not WebhookEvent.objects.filter(state="needs_attention").exists()
