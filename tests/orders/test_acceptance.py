"""A person accepts orders: each once, looked at first when in doubt, and never kept waiting by what is being read."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orders import acceptance, polling
from orders.models import Acceptance, Order, OrderEvent
from tests.orders.goods import calls, told
from tests.orders.test_polling import buy, market, poll  # noqa: F401

State = Acceptance.State


def bought_and_read(desk, count=1, **more):
    orders = [buy(desk, **more) for _ in range(count)]
    poll(desk)
    return orders, list(Order.objects.order_by("external_id"))


def accept(desk, *orders, seconds=30):
    wished = sum(acceptance.accept(order, by="worker") for order in orders)
    desk.advance(seconds)
    return wished


@pytest.mark.smoke
def test_an_order_is_accepted_and_read_back(market):  # noqa: F811
    """GCO-T43"""
    (bought,), (order,) = bought_and_read(market)
    before = calls()
    assert accept(market, order) == 1

    order.refresh_from_db()
    assert (bought.status, order.state, calls("GCO-12"), calls() - before) == ("K", "accepted", 1, 2)
    row = Acceptance.objects.get()
    assert (row.state, row.wished_by, row.accepted_at is not None) == (State.DONE, "worker", True)
    assert told(order, "accepted") == ["It is accepted."]


def test_twenty_orders_take_forty_requests(market):  # noqa: F811
    _, orders = bought_and_read(market, 20)
    before = calls()
    accept(market, *orders)
    assert calls() - before == 40
    assert set(Order.objects.values_list("state", flat=True)) == {"accepted"}


def test_pressing_twice_accepts_once(market):  # noqa: F811
    _, (order,) = bought_and_read(market)
    assert acceptance.accept(order, by="worker")
    assert not acceptance.accept(order, by="other")
    market.advance(30)
    assert calls("GCO-12") == 1
    order.refresh_from_db()
    assert not acceptance.accept(order, by="worker")


@pytest.mark.parametrize("letter", ["K", "J"])
def test_what_was_accepted_there_meanwhile_is_done_without_a_call(market, letter):  # noqa: F811
    """GCO-T44"""
    (bought,), (order,) = bought_and_read(market)
    market.sandbox.orders.become(bought, letter)
    Order.objects.update(asked_at=timezone.now() - timedelta(minutes=11))
    accept(market, order)
    assert (calls("GCO-12"), Acceptance.objects.get().state) == (0, State.DONE)
    assert told(order, "accepted") == [f"It is {'accepted' if letter == 'K' else 'shipped'} already."]


def test_an_answer_without_effect_needs_a_person_and_says_so(market):  # noqa: F811
    """GCO-T44"""
    (bought,), (order,) = bought_and_read(market)
    market.sandbox.orders.become(bought, "D")
    accept(market, order)
    row = Acceptance.objects.get()
    assert (row.state, row.failure) == (State.NEEDS_ATTENTION, "conflict")
    assert "was not accepted" in row.last_error
    assert OrderEvent.objects.filter(order=order, kind="not_accepted", level="warning").exists()


def test_a_lost_answer_is_looked_for_before_anything_is_repeated(market):  # noqa: F811
    (bought,), (order,) = bought_and_read(market)
    market.fault("GCO-12", "drop_after_commit")
    market.fault("GCO-11", "drop_before_commit")
    accept(market, order, seconds=120)
    order.refresh_from_db()
    assert (bought.status, order.state, calls("GCO-12")) == ("K", "accepted", 1)
    assert Acceptance.objects.get().state == State.DONE


def test_an_order_on_hold_is_accepted_with_a_warning(market):  # noqa: F811
    _, (order,) = bought_and_read(market, status="B")
    assert order.state == "on_hold"
    accept(market, order)
    assert "on hold" in OrderEvent.objects.get(order=order, kind="accepting", level="warning").text


@pytest.mark.parametrize("letter", ["C", "I", "F"])
def test_what_is_over_is_not_accepted(market, letter):  # noqa: F811
    _, (order,) = bought_and_read(market, status=letter)
    assert accept(market, order) == 0
    assert not Acceptance.objects.exists()


def test_a_marketplace_without_acceptance_has_none(ginee):
    assert not acceptance.has_acceptance(ginee.account)


def test_five_hundred_orders_are_mirrored_while_accepting_waits_for_nobody(market):  # noqa: F811
    """A person's press goes ahead of the readings: it waits two requests' time at the most."""
    pace_seconds = 1.0
    _set_pace(market, per_minute=60)
    for _ in range(500):
        buy(market)
    market.advance(0.001)
    polling.plan_all(timezone.now())
    waits = []
    for _ in range(4):
        market.advance(10)
        order = Order.objects.filter(is_summary=False, state="new").latest("asked_at")
        begin = timezone.now()
        acceptance.accept(order, by="worker")
        while not Order.objects.filter(pk=order.pk, state="accepted").exists():
            market.advance(0.5)
        waits.append((timezone.now() - begin).total_seconds())
    assert max(waits) <= 2 * pace_seconds, waits
    assert 20 < Order.objects.filter(is_summary=False).count() < 100

    _set_pace(market, per_minute=6000)
    market.advance(60)
    assert Order.objects.filter(is_summary=False).count() == 500
    assert not Acceptance.objects.exclude(state=State.DONE).exists()


def _set_pace(desk, *, per_minute):
    desk.account.options = {**desk.account.options, "requests_per_minute": per_minute}
    desk.account.save(update_fields=["options"])
