"""Real workers, and what was seen to bring them to a stand: whatever dies, the work goes on, and a stop loses nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from backoffice import queue
from backoffice.models import Heartbeat
from tests.bench.processes import children, is_alive
from tests.postgres import url_of

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

HEARTBEAT = "backoffice.tasks.heartbeat"
STANDING_SECONDS = 7
HOUSEHOLD = f"""
import os, sys
from backoffice.supervisor import Household
household = Household()
household.add_workers(os.environ, standing_seconds={STANDING_SECONDS})
sys.exit(household.run())
"""


class Workers:
    """A supervised group of workers on the test's database, and its processes."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "tests.backoffice.workers_settings",
            "TEST_DATABASE_URL": url_of(connection.settings_dict),
            "PYTHONUNBUFFERED": "1",
        }
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", HOUSEHOLD], cwd=settings.BASE_DIR, env=environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def head(self) -> int:
        return int(self.said.rpartition("workers started (pid=")[2].split(")")[0])

    @property
    def sentinel(self) -> int:
        return children(self.head)[0]

    def parts(self) -> list[int]:
        """The processes of the guard in the order in which it began them: two workers, the monitor, the pusher."""
        return children(self.sentinel)

    def has_started(self, times: int = 1) -> bool:
        with suppress(ValueError, IndexError):
            return self.said.count("workers started") == times and len(self.parts()) == 4
        return False

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    group = Workers(tmp_path)
    try:
        until(group.has_started, group)
        until(run_something, group)
        yield group
    finally:
        group.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            group.process.wait(20)
        group.process.kill()
        group.process.wait()


def until(is_so: Callable[[], bool], group: Workers, seconds: float = 60) -> None:
    over = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < over, f"it does not come to that: {group.said[-3000:]}"
        assert group.process.poll() is None, group.said[-3000:]
        time.sleep(0.1)


def run_something() -> bool:
    """Whether a wake-up that is made now is run and acknowledged within a while."""
    queue.enqueue(HEARTBEAT)
    over = time.monotonic() + 2
    while time.monotonic() < over:
        if not OrmQ.objects.filter(lock__lte=timezone.now()).exists() and Heartbeat.objects.exists():
            Heartbeat.objects.all().delete()
            return not OrmQ.objects.exists()
        time.sleep(0.05)
    return False


def kill_the_idle_workers(group: Workers) -> None:
    """One of them waits for work with the queue's lock in its hand, and nobody can take it from the dead."""
    for pid in group.parts()[:2]:
        os.kill(pid, signal.SIGKILL)


def kill_the_monitor(group: Workers) -> None:
    """Without it everything runs, and again and again, for nothing is ever acknowledged."""
    os.kill(group.parts()[2], signal.SIGKILL)


def stop_the_guard(group: Workers) -> None:
    """It hangs; the others go on, but nobody replaces them, and nothing runs by the clock."""
    os.kill(group.sentinel, signal.SIGSTOP)


@pytest.mark.parametrize("disaster", [kill_the_idle_workers, kill_the_monitor, stop_the_guard])
def test_a_group_that_stands_still_is_killed_and_started_anew(
    workers: Workers, disaster: Callable[[Workers], None]
) -> None:
    old = [workers.head, workers.sentinel, *workers.parts()]
    disaster(workers)
    until(lambda: workers.has_started(2), workers)
    assert "The workers stood still: all of them are started anew." in workers.said
    assert not [pid for pid in old if is_alive(pid)]
    until(run_something, workers)
    assert workers.end() == 0


def test_a_dead_guard_leaves_nobody_behind_who_goes_on_unguarded(workers: Workers) -> None:
    old = workers.parts()
    os.kill(workers.sentinel, signal.SIGKILL)
    until(lambda: workers.has_started(2), workers)
    assert "The workers ended" in workers.said
    assert not [pid for pid in old if is_alive(pid)]
    until(run_something, workers)
    assert workers.end() == 0


def test_what_hangs_or_kills_is_ended_and_the_others_go_on_and_a_stop_waits_for_what_is_at_work(
    workers: Workers, tmp_path: Path
) -> None:
    before = set(workers.parts()[:2])
    # Longer than a task may take; a worker that dies in the middle; a wake-up that nobody can read any more.
    queue.enqueue("time.sleep", 60)
    queue.enqueue("os._exit", 1)
    OrmQ.objects.create(key="backoffice", payload="from another release", lock=timezone.now())
    until(lambda: not before & set(children(workers.sentinel)), workers)
    assert workers.said.count("workers started") == 1, "they were replaced one by one"
    until(run_or_restart(workers), workers)
    assert not OrmQ.objects.filter(payload="from another release").exists()

    # What is at work when the end is asked for is finished, and its wake-up is gone.
    OrmQ.objects.all().delete()
    queue.enqueue("time.sleep", 2)
    until(lambda: OrmQ.objects.filter(lock__gt=timezone.now()).count() == 1, workers)
    assert workers.end() == 0
    assert not OrmQ.objects.exists()


def run_or_restart(group: Workers) -> Callable[[], bool]:
    """The worker that died may have had a lock; then the whole group comes back first."""

    def has_run() -> bool:
        queue.enqueue(HEARTBEAT)
        time.sleep(0.5)
        return Heartbeat.objects.exists()

    return has_run
