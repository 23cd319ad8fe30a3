"""Wake a worker, now or later: the only place that knows django-q2.

A wake-up is an INSERT on the default database, so it joins the caller's transaction: rolled back, it never was. It may
come twice, late or, in a disaster, never; what has to be done stands in our own rows, and sweeps find what the queue
lost. The payload is stored in clear: only a dotted path and primary keys go in.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.signals import pre_enqueue
from django_q.signing import SignedPackage

from backoffice import broker

Argument = int | str
# settings.QUEUE_LANES says who passes whom.
LANES = {task: f"{Conf.CLUSTER_NAME}:{lane}" for task, lane in settings.QUEUE_LANES.items()}


def enqueue(task: str, *args: Argument, is_urgent: bool = False) -> None:
    """Run the function named by the dotted path `task` as soon as a worker is free. Safe to repeat.

    What `is_urgent` passes whatever else waits, as a delivery does.
    """
    broker.put(_lane(task, is_urgent), _package(task, args), timezone.now())


def enqueue_with(source: str, task: str, *args: Argument, is_urgent: bool = False) -> tuple[str, list[Any]]:
    """Return the INSERT that enqueue() would make, and its values, to be part (a CTE) of a larger statement.

    It inserts when the CTE called `source` has a row. For PostgreSQL, where each statement less is a journey less.
    """
    values = broker.as_values(_lane(task, is_urgent), _package(task, args), timezone.now())
    return broker.PUT_FOR.format(source=source), values


def enqueue_at(when: datetime, task: str, *args: Argument) -> None:
    """Run `task` at `when` (aware), to about 0.2 s; nobody waits for it in the meantime. Safe to repeat.

    A row of the queue whose lock ends at `when` is taken then; a one-off Schedule would be up to 30 s late.
    """
    broker.put(_lane(task), _package(task, args), max(when, timezone.now()))


def _lane(task: str, is_urgent: bool = False) -> str:
    return broker.DELIVERY if is_urgent else LANES.get(task, broker.REST)


def _package(task: str, args: tuple[Argument, ...]) -> str:
    """A task as django-q2's workers read it; its own async_task() makes the same in twice the time."""
    identity = uuid.uuid4().hex
    package = {
        "id": identity,
        "name": f"{task.rpartition('.')[2]} {identity[:12]}"[:100],
        "func": task,
        "args": args,
        "kwargs": {},
        "ack_failure": Conf.ACK_FAILURES,
        "started": timezone.now(),
    }
    pre_enqueue.send(sender="django_q", task=package)
    return str(SignedPackage.dumps(package))


def depth() -> int:
    """Count the wake-ups that are due now."""
    return int(OrmQ.objects.filter(lock__lte=timezone.now()).count())


def oldest_wait() -> timedelta:
    """How long the wake-up that is due longest has been waiting; zero when nothing waits."""
    now = timezone.now()
    lock = OrmQ.objects.filter(lock__lte=now).order_by("lock").values_list("lock", flat=True).first()
    return now - lock if lock else timedelta(0)


def write_schedules() -> None:
    """Make the schedule table equal to settings.SCHEDULES. Safe to repeat; runs after each migrate."""
    for name, (function, minutes) in settings.SCHEDULES.items():
        kept = Schedule.objects.filter(name=name).order_by("pk").first()
        # What runs by the clock is kept when it went well, too: it is little, and people look whether it ran.
        defaults = {
            "func": function, "schedule_type": Schedule.MINUTES, "minutes": minutes, "repeats": -1,
            "kwargs": "q_options={'save': True}",
        }  # fmt: skip
        if kept is None:
            Schedule.objects.create(name=name, next_run=timezone.now(), **defaults)
        else:
            Schedule.objects.filter(pk=kept.pk).update(**defaults)
            Schedule.objects.filter(name=name).exclude(pk=kept.pk).delete()
    Schedule.objects.exclude(name__in=settings.SCHEDULES).delete()


__all__ = ["depth", "enqueue", "enqueue_at", "enqueue_with", "oldest_wait", "write_schedules"]
