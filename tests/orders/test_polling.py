"""Lists read at their pace: new orders and their details, once, also when a walk is interrupted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from marketplaces import services
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import BudgetSpent, ConfigurationError, NotFound
from marketplaces.models import Budget
from orders import polling
from orders.models import Order, OrderReading, Poll, PurchaseOrder
from tests import make
from tests.command import outcome
from tests.inventory.goods import open_market
from tests.orders.goods import calls, row, shown, told

Kind = Poll.Kind


@pytest.fixture
def market(gcommerce):
    """G-Commerce, where nobody has bought anything yet."""
    for part in (gcommerce.sandbox.orders, gcommerce.sandbox.purchase_orders, gcommerce.sandbox.shipments):
        part.all.clear()
    return gcommerce


def buy(desk, qty=1, **more):
    product = next(product for product in desk.sandbox.products.all.values() if product.amount > 50)
    return desk.sandbox.orders.buy(offer_id=str(product.id), qty=qty, force=True, **more)


def poll(desk, seconds=30):
    """Let the clock come round: what is due is read."""
    desk.advance(0.001)
    Poll.objects.update(next_at=timezone.now())
    polling.plan_all(timezone.now())
    desk.advance(seconds)


@pytest.mark.smoke
def test_an_order_is_found_and_read(market):
    bought = buy(market, 2)
    poll(market)
    order = Order.objects.get(external_id=str(bought.id))
    assert (order.state, order.is_summary, order.lines.get().quantity) == ("new", False, 2)
    assert Poll.objects.get(kind=Kind.ORDERS).read_until is not None


def test_a_hundred_new_orders_take_one_list_and_a_hundred_readings(market):
    """GCO-T38"""
    for _ in range(100):
        buy(market)
    poll(market)
    assert (calls("GCO-10"), calls("GCO-11")) == (1, 100)
    assert Order.objects.filter(is_summary=False).count() == 100


def test_what_did_not_change_is_not_read_again(market):
    buy(market)
    for _ in range(3):
        poll(market)
    assert (calls("GCO-10"), calls("GCO-11")) == (3, 1)


def test_a_transition_that_is_polled_five_times_works_once(market):
    """GCO-T59"""
    bought = buy(market)
    poll(market)
    market.sandbox.orders.become(bought, "J")
    for _ in range(5):
        poll(market)
    order = Order.objects.get()
    assert told(order, "state") == ["The marketplace shows it as new.", "The marketplace shows it as shipped."]
    assert calls("GCO-11") == 2


def test_what_is_missing_from_a_list_is_still_here(market):
    bought = buy(market)
    poll(market)
    del market.sandbox.orders.all[bought.id]
    poll(market)
    order = Order.objects.get()
    assert (order.state, order.deleted_at) == ("new", None)


def test_lists_are_read_at_their_own_pace(market):
    market.advance(0.001)
    for _ in range(20):
        polling.plan_all(timezone.now())
        market.advance(60)
    assert (calls("GCO-10"), calls("GCO-13")) == (11, 2)


def test_purchase_orders_are_mirrored_and_taken_for_no_order(market):
    """GCO-T45"""
    market.sandbox.purchase_orders.seed()
    poll(market)
    assert PurchaseOrder.objects.count() == len(market.sandbox.purchase_orders.all)
    read = PurchaseOrder.objects.exclude(lines=[]).first()
    assert (read.is_summary, read.state, bool(read.contact["bill_to"])) == (False, "done", True)
    assert not Order.objects.exists()
    before = calls("GCO-14")
    poll(market)
    assert calls("GCO-14") == before


def test_the_command_reads_orders_the_same_way(market):
    buy(market)
    data, status, _ = outcome("sync", "orders")
    assert status == 0
    facts = data["accounts"][0]
    assert (facts["seen"], facts["new"], facts["to_read"], facts["purchase_orders"]) == (1, 1, 1, 0)


def test_what_no_notification_and_no_list_of_changes_told_is_found_within_a_day(ginee):
    """Section 12 of Ginee's contract: its times are the channel's, whose clock may be far behind."""
    for _ in range(3):  # a first reading goes back far
        poll(ginee)
    assert Poll.objects.get(kind=Kind.ORDERS).read_until
    ginee.sandbox.switches.set(is_sending=False, channel_clock_seconds=5 * 3600)
    missed = ginee.buy("TSHIRT-RED", stays=True)
    daily = Poll.objects.filter(kind=Kind.MADE_ORDERS)
    daily.update(next_at=timezone.now() + timedelta(minutes=30))
    for _ in range(2):
        Poll.objects.filter(kind=Kind.ORDERS).update(next_at=timezone.now())
        polling.plan_all(timezone.now())
        ginee.advance(30)
    assert not Order.objects.exists()

    ginee.advance(1800)
    polling.plan_all(timezone.now())
    ginee.advance(30)
    order = Order.objects.get()
    assert (order.external_id, order.state, order.is_summary) == (missed.id, "new", False)
    assert timedelta(hours=23) < daily.get().next_at - timezone.now() <= timedelta(days=1)


@pytest.mark.django_db
def test_a_long_list_comes_to_its_end_though_the_budget_is_tight():
    """Section 12 of G-Commerce's contract: ten requests in any minute, of which the readings of what it shows want most.

    The list is the newest first and longer than a minute's requests, so a walk that was broken off goes on at its page.
    """
    with open_market(page_size=10) as goods:
        for part in (goods.sandbox.orders, goods.sandbox.purchase_orders, goods.sandbox.shipments):
            part.all.clear()
        bought = {str(buy(goods).id) for _ in range(120)}
        poll(goods, seconds=0.1)
        walk, came_to = Poll.objects.filter(kind=Kind.ORDERS), set()
        for _ in range(30):
            came_to.add(walk.get().page)
            if walk.get().read_until:
                break
            goods.advance(20)

        assert walk.get().read_until is not None, "the walk never came to its end"
        assert (walk.get().page, walk.get().broken_off, walk.get().failures) == (0, 0, 0)
        assert len(came_to) > 1, "it was broken off on the way"
        assert set(Order.objects.values_list("external_id", flat=True)) == bought
        pages = [call for call in goods.sandbox.calls if call["op"] == "GCO-10"]
        assert 120 / 10 <= len(pages) < 30
        assert not [call for call in goods.sandbox.calls if call["status"] == 429]


def test_a_list_that_is_being_read_is_left_to_who_reads_it(market):
    Poll.objects.create(account=market.account, kind=Kind.ORDERS, leased_until=timezone.now() + timedelta(minutes=1))
    assert polling.take_turn(Poll.objects.get().pk) is None
    data, status, _ = outcome("sync", "orders")
    assert (status, calls()) == (1, 0)
    assert "at this moment" in data["accounts"][0]["problem"]


# --- walks that are interrupted: a marketplace of ten lines ------------------------------------------------------


class Tiny(MarketplaceService):
    """A marketplace whose list breaks off when it is told to."""

    slug, label, default_base_url = "g2g", "Tiny", "https://tiny.example"
    options = services.get_service("g2g").options
    rows: list = []
    breaks_at: int | None = None
    error: Exception = BudgetSpent("spent", retry_after=1.0, kind="budget")
    asked: list = []

    def fetch_orders(self, since) -> Iterator:
        self.asked.append(since)
        for number, order in enumerate(order for order in self.rows if order.created_at >= since):
            if number == type(self).breaks_at:
                raise self.error
            yield order

    def fetch_order(self, order_id):
        raise NotFound("none", kind="not_found")


@pytest.fixture
def tiny(db, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(services, "get_service", lambda slug: Tiny)
    Tiny.rows = [
        replace(shown(), external_id=str(number), created_at=now - timedelta(minutes=500 - number), asked_at=None)
        for number in range(400)
    ]
    Tiny.asked, Tiny.breaks_at = [], None
    Tiny.error = BudgetSpent("spent", retry_after=1.0, kind="budget")
    return Poll.objects.create(account=make.account(), kind=Kind.ORDERS)


def turn(poll):
    Budget.objects.all().delete()  # it was quiet for long enough
    Poll.objects.update(next_at=timezone.now())
    found = polling.take_turn(poll.pk)
    poll.refresh_from_db()
    return found


def test_a_walk_goes_on_where_it_was_interrupted(tiny):
    Tiny.breaks_at = 250
    turn(tiny)
    assert (Order.objects.count(), tiny.read_until, tiny.reached) == (250, None, Tiny.rows[249].created_at)
    began = tiny.began_at

    Tiny.breaks_at = None
    turn(tiny)
    assert Tiny.asked[1] == Tiny.rows[249].created_at
    assert (Order.objects.count(), tiny.read_until, tiny.reached) == (400, began, None)


def test_a_walk_through_a_list_without_order_begins_anew_and_loses_nothing(tiny):
    Tiny.rows.reverse()
    Tiny.breaks_at = 250
    turn(tiny)
    assert (Order.objects.count(), tiny.reached, tiny.broken_off) == (250, None, 1)
    Tiny.breaks_at = None
    assert (turn(tiny).new, tiny.broken_off) == (150, 0)


def test_the_next_walk_begins_before_the_last_one_ended(tiny):
    turn(tiny)
    turn(tiny)
    assert (
        timedelta(0) < Tiny.asked[0].tzinfo.utcoffset(None) + (timezone.now() - Tiny.asked[1]) < timedelta(minutes=61)
    )


def test_a_budget_that_is_spent_is_no_failure_and_other_trouble_is(tiny):
    Tiny.breaks_at = 0
    turn(tiny)
    assert (tiny.failures, tiny.last_error, tiny.leased_until) == (0, "", None)
    assert tiny.broken_off == 1, "what came nowhere sets more aside, also where it saw nothing yet"
    Tiny.error = ConfigurationError("The key was refused", kind="authentication")
    turn(tiny)
    assert (tiny.failures, tiny.last_error) == (1, "The key was refused")
    tiny.account.refresh_from_db()
    assert tiny.account.is_stopped
    assert polling.plan_all(timezone.now()) == 0


def test_one_row_that_can_not_be_taken_in_stops_no_other(tiny):
    Tiny.rows = [Tiny.rows[0], replace(Tiny.rows[1], currency="MUCH TOO LONG"), Tiny.rows[2]]
    assert turn(tiny).new == 2
    assert set(Order.objects.values_list("external_id", flat=True)) == {"0", "2"}


def test_rows_that_come_twice_count_once(tiny):
    Tiny.rows = [row(external_id="7", created_at=timezone.now())] * 2
    assert (turn(tiny).new, OrderReading.objects.count()) == (1, 1)


def test_a_total_with_more_places_than_are_kept_is_no_news(tiny):
    Tiny.rows = [row(external_id="7", created_at=timezone.now(), amount=Decimal("10.123456"))]
    turn(tiny)
    OrderReading.objects.all().delete()
    turn(tiny)
    assert not OrderReading.objects.exists()
