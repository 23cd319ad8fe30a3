"""What the queue's broker promises: an order, one taker a row, and that nothing it took is lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from backoffice import queue
from backoffice.broker import BEHIND, Broker

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DELIVER, EVENT, STOCK = "orders.tasks.deliver", "marketplaces.tasks.process_event", "inventory.tasks.stock_changed"
HEARTBEAT = "backoffice.tasks.heartbeat"


@pytest.fixture
def broker(db: None) -> Broker:
    found = get_broker()
    assert isinstance(found, Broker)
    return found


def take(broker: Broker) -> tuple[int, str] | None:
    """The next wake-up as (its row, its task)."""
    taken = broker.dequeue()
    if not taken:
        return None
    ((pk, payload),) = taken
    return pk, SignedPackage.loads(payload)["func"]


def take_all(broker: Broker) -> list[str]:
    taken = []
    while row := take(broker):
        taken.append(row[1])
    return taken


@pytest.mark.smoke
def test_a_delivery_passes_what_waits_and_stock_waits_for_the_rest(broker: Broker) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for task in (STOCK, EVENT, HEARTBEAT, DELIVER):
            queue.enqueue(task, 1)
            clock.shift(1)
        assert take_all(broker) == [DELIVER, EVENT, HEARTBEAT, STOCK]


@pytest.mark.smoke
def test_of_one_kind_the_one_that_was_due_first_comes_first(broker: Broker) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        queue.enqueue_at(NOON + timedelta(seconds=5), DELIVER, 2)
        queue.enqueue_at(NOON + timedelta(seconds=3), DELIVER, 1)
        clock.shift(9)
        numbers = [SignedPackage.loads(payload)["args"][0] for _ in range(2) for _, payload in broker.dequeue() or ()]
        assert numbers == [1, 2]


def test_deliveries_do_not_keep_the_rest_waiting_without_end(broker: Broker) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        queue.enqueue(HEARTBEAT)
        clock.shift(61)
        queue.enqueue(DELIVER, 1)
        assert take_all(broker) == [HEARTBEAT, DELIVER]
    assert -min(BEHIND.values()) < settings.HEARTBEAT_STALE_SECONDS / 2


@pytest.mark.smoke
def test_a_row_whose_worker_died_is_due_again_after_the_retry(broker: Broker) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        queue.enqueue(EVENT, 1)
        first = take(broker)
        assert first is not None
        clock.shift(settings.Q_CLUSTER["retry"] - 1)
        assert take(broker) is None
        clock.shift(2)
        assert take(broker) == first
        broker.acknowledge(first[0])
        clock.shift(settings.Q_CLUSTER["retry"] * 2)
        assert take(broker) is None
        assert not OrmQ.objects.exists()


@pytest.mark.smoke
def test_what_can_not_be_read_is_dropped_and_stops_nobody(broker: Broker) -> None:
    now = timezone.now()
    for payload in ("no package at all", SignedPackage.dumps({"func": EVENT}) + "x"):
        OrmQ.objects.create(key="backoffice", payload=payload, lock=now - timedelta(seconds=5))
    queue.enqueue(HEARTBEAT)
    assert broker.dequeue() == []
    assert broker.dequeue() == []
    assert take_all(broker) == [HEARTBEAT]
    assert OrmQ.objects.count() == 1  # the one that was taken, until it is acknowledged


def test_what_the_scheduler_and_an_older_version_put_in_is_taken(broker: Broker) -> None:
    package = SignedPackage.dumps({"id": "1", "name": "old", "func": EVENT, "args": (1,), "kwargs": {}})
    OrmQ.objects.create(key="backoffice", payload=package, lock=timezone.now())
    async_task(HEARTBEAT, broker=broker)  # as the scheduler does it
    assert take_all(broker) == [EVENT, HEARTBEAT]


def test_it_counts_what_is_due_and_what_is_not_in_every_lane(broker: Broker) -> None:
    queue.enqueue(DELIVER, 1)
    queue.enqueue(HEARTBEAT)
    queue.enqueue_at(timezone.now() + timedelta(hours=1), STOCK, 1)
    assert (broker.queue_size(), broker.lock_size()) == (2, 1)


@pytest.mark.postgres
def test_a_step_is_one_statement(broker: Broker) -> None:
    queue.enqueue(DELIVER, 1)
    with CaptureQueriesContext(connection) as statements:
        row = take(broker)
        assert row is not None
        broker.acknowledge(row[0])
    assert len(statements) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_at_once_never_take_the_same() -> None:
    for number in range(60):
        queue.enqueue((DELIVER, EVENT, STOCK)[number % 3], number)

    def work(_: int) -> list[int]:
        own, found = get_broker(), []
        try:
            while len(found) < 60 and OrmQ.objects.filter(lock__lte=timezone.now()).exists():
                found += [pk for pk, _ in own.dequeue() or ()]
        finally:
            connection.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        taken = [pk for found in pool.map(work, range(4)) for pk in found]
    # STOCK is put back a little, but it is due, so all are taken, and each once.
    assert sorted(taken) == sorted(OrmQ.objects.values_list("pk", flat=True))
