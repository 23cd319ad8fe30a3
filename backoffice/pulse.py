"""The pulse of one group of workers, by which whoever supervises it sees that all of it works.

A cluster can look alive and stand still: a worker that was killed may take a lock of the queue with it, the guard may hang.
So a task goes through every part of it, without the database: the guard signs, the pusher puts it in when it sees that, a
worker runs it, and the monitor, which hears of it last, signs in the file that the supervisor looks at. Whichever part stands
still, the file does. It says nothing of other groups: those have files of their own.
"""

import time
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

EVERY = 2.0
# The number of a wake-up that is no row of the queue.
ROW = -1


def guard() -> None:
    """Sign as the guard. Called again and again while it watches; does nothing where nobody supervises."""
    if settings.WORKERS_PULSE:
        _sign(_of_guard())


def beat() -> None:
    """The task. That it comes through is all."""


def arrived() -> None:
    """Sign as the monitor: a task came through."""
    if settings.WORKERS_PULSE:
        _sign(Path(settings.WORKERS_PULSE))


class Starter:
    """What a pusher remembers between two beats."""

    def __init__(self) -> None:
        self._next_at = 0.0
        self._guard_signed = 0

    def is_due(self) -> bool:
        """Whether it is time for a beat, and the guard has signed since the last one."""
        if not settings.WORKERS_PULSE or time.monotonic() < self._next_at:
            return False
        self._next_at = time.monotonic() + EVERY
        signed = signed_at(_of_guard())
        if signed == self._guard_signed:
            return False
        self._guard_signed = signed
        return True


def task() -> dict[str, Any]:
    """The beat as django-q2 writes tasks."""
    return {
        "id": uuid.uuid4().hex, "name": "pulse", "func": "backoffice.pulse.beat", "args": (), "kwargs": {},
        "started": timezone.now(), "save": False,
    }  # fmt: skip


def signed_at(path: Path) -> int:
    """A number that changes whenever the file is signed; 0 as long as it is not there. No time to compare with others."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _of_guard() -> Path:
    return Path(f"{settings.WORKERS_PULSE}.guard")


def _sign(path: Path) -> None:
    try:
        path.touch()
    except OSError:  # a full disk must not stop deliveries; whoever looks at the file finds it old
        return
