"""A wake-up joins the caller's transaction, comes on time, and carries nothing but a path and primary keys."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler
from django_q.signing import SignedPackage

from backoffice import queue, tasks
from backoffice.broker import Broker
from backoffice.models import Heartbeat
from tests.drain import drain

pytestmark = pytest.mark.django_db
HEARTBEAT = "backoffice.tasks.heartbeat"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.smoke
def test_a_wake_up_runs_its_task() -> None:
    queue.enqueue(HEARTBEAT)
    assert queue.depth() == 1
    assert drain() == 1
    assert Heartbeat.objects.get().is_fresh
    assert queue.depth() == 0


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_is_undone_with_its_transaction() -> None:
    for enqueue in (lambda: queue.enqueue(HEARTBEAT), lambda: queue.enqueue_at(_in(60), HEARTBEAT)):
        with transaction.atomic():
            enqueue()
            assert OrmQ.objects.count() == 1
            transaction.set_rollback(True)
        assert OrmQ.objects.count() == 0


def _in(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


@pytest.mark.smoke
def test_a_delayed_wake_up_is_taken_when_it_is_due_and_not_before() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        queue.enqueue_at(NOON + timedelta(seconds=90), HEARTBEAT)
        assert queue.depth() == 0
        assert drain() == 0
        clock.shift(89.9)
        assert not _taken_by_the_pusher()
        clock.shift(0.15)
        assert queue.depth() == 1
        assert _taken_by_the_pusher()


def _taken_by_the_pusher() -> bool:
    """Ask the queue's own broker, for it decides in real life."""
    return bool(Broker(list_key="backoffice").dequeue())


def test_a_wake_up_for_the_past_is_due_now() -> None:
    queue.enqueue_at(_in(-60), HEARTBEAT)
    assert queue.depth() == 1


@pytest.mark.parametrize("when", [None, timedelta(minutes=5)])
def test_the_payload_holds_a_path_and_primary_keys_alone(when: timedelta | None) -> None:
    if when is None:
        queue.enqueue("orders.tasks.deliver", 17, "9b2e7c1e")
    else:
        queue.enqueue_at(timezone.now() + when, "orders.tasks.deliver", 17, "9b2e7c1e")
    task = SignedPackage.loads(OrmQ.objects.get().payload)
    assert task["func"] == "orders.tasks.deliver"
    assert task["args"] == (17, "9b2e7c1e")
    assert not task["kwargs"]
    assert set(task) <= {"id", "name", "func", "args", "kwargs", "started", "cluster", "ack_failure", "timeout", "hook"}


def test_the_oldest_wait_counts_what_is_due_alone() -> None:
    assert queue.oldest_wait() == timedelta(0)
    with time_machine.travel(NOON, tick=False) as clock:
        queue.enqueue_at(NOON + timedelta(seconds=10), HEARTBEAT)
        queue.enqueue_at(NOON + timedelta(hours=1), HEARTBEAT)
        assert queue.oldest_wait() == timedelta(0)
        clock.shift(40)
        assert queue.oldest_wait() == timedelta(seconds=30)


def test_the_schedule_follows_the_settings(settings: Any) -> None:
    settings.SCHEDULES = {"heartbeat": (HEARTBEAT, 1), "prune": ("backoffice.tasks.prune", 60)}
    Schedule.objects.create(name="gone", func="no.longer.there", schedule_type=Schedule.MINUTES, minutes=1)
    Schedule.objects.create(name="heartbeat", func="an.older.path", schedule_type=Schedule.MINUTES, minutes=9)
    Schedule.objects.create(name="heartbeat", func="a.second.one", schedule_type=Schedule.MINUTES, minutes=9)
    for _ in range(2):
        queue.write_schedules()
        kept = {row.name: (row.func, row.minutes) for row in Schedule.objects.all()}
        assert kept == settings.SCHEDULES
        assert Schedule.objects.count() == 2


def test_a_changed_schedule_keeps_its_next_run(settings: Any) -> None:
    settings.SCHEDULES = {"heartbeat": (HEARTBEAT, 1)}
    queue.write_schedules()
    Schedule.objects.update(next_run=NOON)
    settings.SCHEDULES = {"heartbeat": (HEARTBEAT, 5)}
    queue.write_schedules()
    assert Schedule.objects.get().next_run == NOON


def test_sweeps_are_planned_every_ten_seconds_and_no_two_for_the_same_moment() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for late in (0, 60, 35, 0, 85):
            clock.shift(late)
            tasks.plan_sweeps()
            tasks.plan_sweeps()
        until = timezone.now()
    planned: dict[str, list[datetime]] = {}
    for row in OrmQ.objects.order_by("lock"):
        planned.setdefault(SignedPackage.loads(row.payload)["func"], []).append(row.lock)
    assert sorted(planned) == sorted(settings.SWEEPS)
    for times in planned.values():
        assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(seconds=settings.SWEEP_SECONDS)}
        assert (times[0], times[-1] > until + timedelta(seconds=80)) == (NOON, True)


def test_what_a_dead_worker_leaves_is_taken_up_within_ninety_seconds() -> None:
    assert settings.LOST_AFTER_SECONDS + settings.SWEEP_SECONDS < 90


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_schedule_is_planned_once_however_many_hosts_look_at_the_same_moment() -> None:
    queue.write_schedules()
    Schedule.objects.update(next_run=timezone.now() - timedelta(minutes=1))
    barrier = Barrier(4)

    def look(_: int) -> None:
        try:
            broker = get_broker()
            barrier.wait(30)
            scheduler(broker=broker)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as hosts:
        list(hosts.map(look, range(4)))
    planned = [SignedPackage.loads(payload)["func"] for payload in OrmQ.objects.values_list("payload", flat=True)]
    assert sorted(planned) == sorted(function for function, _ in settings.SCHEDULES.values())


def test_every_schedule_and_task_that_is_named_exists() -> None:
    from django.utils.module_loading import import_string

    assert all(callable(import_string(path)) for path in settings.SWEEPS)
    assert all(callable(import_string(function)) for function, _ in settings.SCHEDULES.values())
