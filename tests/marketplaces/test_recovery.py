"""A long log is read to its end, however small the budget and however busy the shop."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django_q.models import OrmQ

from marketplaces import budget, recovery
from marketplaces.models import Account, ApiCall, Pump, WebhookEvent
from marketplaces.sandbox_words import Message
from marketplaces.types import Urgency
from tests.desk import seller_of

HOURS = 4


@pytest.fixture
def slow(g2g):
    """The shop at G2G's usual pace, with time standing still until it is told to move."""
    Account.objects.update(options={"requests_per_minute": 60})
    g2g.account.refresh_from_db()
    g2g.advance(0.001)
    return g2g


def lost(desk, count, *, hours=HOURS):
    """`count` events of the last hours that never arrived, as the marketplace's log has them."""
    now, seller = datetime.now(UTC), seller_of(desk.account)
    for number in range(count):
        at = now - timedelta(hours=hours) * (count - number) / count
        ms = int(at.timestamp() * 1000)
        kind = "order.of_tomorrow"  # kept, and nothing to do for it
        event = {"id": str(uuid.uuid4()), "event_type": kind, "event_happened_at": ms, "payload": {"order_id": "1-1"}}
        message = Message(event["id"], "G2G-WH-99", kind, "1-1", seller, event, b"", frozenset(), at.timestamp())
        message.attempts.append({"status": 504, "sent_at": ms})
        message.is_over = True
        desk.sandbox.messages.append(message)


def read():
    return WebhookEvent.objects.count()


def test_a_long_log_is_read_to_its_end_at_60_requests_a_minute(slow):
    lost(slow, 1500)

    recovery.recover_all()
    first = read()
    assert 0 < first < 1500
    slow.advance(180)

    assert read() == 1500
    assert not OrmQ.objects.exists()
    assert ApiCall.objects.count() <= 60
    assert datetime.now(UTC) - Account.objects.get().events_read_until < timedelta(minutes=3)


def test_an_hour_with_more_events_than_a_budget_has_pages_does_not_turn_in_a_circle(slow):
    """What was read already lies in the overlap: the walk has to come through it all the same."""
    lost(slow, 1500, hours=0.9)
    slow_end = datetime.now(UTC) - timedelta(minutes=1)
    Account.objects.update(events_read_until=slow_end)

    recovery.recover_all()
    assert Account.objects.get().events_read_until == slow_end
    slow.advance(120)

    assert read() == 1500


def test_a_page_that_fails_does_not_begin_the_walk_anew(slow):
    lost(slow, 1000)
    recovery.recover_all()
    assert 0 < read() < 1000
    slow.fault("G2G-19", "http_error", status=500)
    slow.advance(180)

    assert read() == 1000
    assert not OrmQ.objects.exists()
    # Ten pages and the end, the failure, and a turn's first page once more: it goes on from the last event it has.
    assert ApiCall.objects.filter(operation="G2G-19").count() <= 18


def test_progress_is_kept_where_the_budget_ends(slow):
    lost(slow, 1500)

    recovery.recover_all()

    account, newest = Account.objects.get(), WebhookEvent.objects.order_by("-happened_at").first()
    assert account.events_read_until == newest.happened_at


def test_walks_do_not_multiply(slow):
    lost(slow, 1500)

    for _ in range(5):
        recovery.recover_all()
        slow.settle()
    assert OrmQ.objects.count() == 1


def test_a_wake_up_that_came_twice_does_nothing(slow):
    lost(slow, 10)
    recovery.recover_all()
    before = ApiCall.objects.count()

    recovery.go_on_from(str(slow.account.pk), 1_000_000)

    assert ApiCall.objects.count() == before
    assert not Pump.objects.filter(planned_at__isnull=False).exists()


def test_a_walk_whose_wake_up_was_lost_is_begun_again(slow):
    lost(slow, 1000)
    recovery.recover_all()
    OrmQ.objects.all().delete()

    slow.advance(6 * 60)
    recovery.recover_all()
    slow.advance(120)

    assert read() == 1000


def test_without_any_budget_the_walk_waits_and_then_goes(slow):
    lost(slow, 10)
    while not budget.take(slow.account.pk, per_minute=60, burst=5, urgency=Urgency.DELIVERY):
        pass

    recovery.recover_all()
    assert read() == 0
    slow.advance(60)

    assert read() == 10


def test_an_event_counts_as_received_when_it_was_found(slow):
    lost(slow, 1)

    recovery.recover_all()

    event = WebhookEvent.objects.get()
    assert datetime.now(UTC) - event.received_at < timedelta(minutes=1)
    assert datetime.now(UTC) - event.happened_at > timedelta(hours=1)
