"""Tasks of the ground floor."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.models import Task

from backoffice import alert_messages, alerts, queue, runs
from backoffice.models import Alert, Heartbeat

WORKERS, SWEEPS = "workers", "sweeps"
# A schedule is planned up to half a minute late.
PLANNED_AHEAD = timedelta(seconds=100)
HISTORY_DAYS = 7
ALERT_DAYS = 90


def heartbeat() -> None:
    """Prove that the queue moves: a cluster can look alive and stand still. Safe to repeat."""
    Heartbeat.objects.update_or_create(name=WORKERS, defaults={"at": timezone.now()})
    alerts.clear(Alert.Kind.WORKERS, WORKERS)


def prune() -> None:
    """Drop the queue's record of old tasks; our own rows hold what matters. Safe to repeat."""
    Task.objects.filter(stopped__lt=timezone.now() - timedelta(days=HISTORY_DAYS)).delete()
    alerts.prune(timezone.now() - timedelta(days=ALERT_DAYS))


def plan_sweeps() -> None:
    """Plan the sweeps of the next minute and a little more, where none are planned yet. Safe to repeat and to run at once."""
    now = timezone.now()
    with transaction.atomic():
        step = timedelta(seconds=settings.SWEEP_SECONDS)
        Heartbeat.objects.get_or_create(name=SWEEPS, defaults={"at": now})
        # Until when they are planned. A clock that was put back must not end them for as long.
        planned = Heartbeat.objects.select_for_update().get(name=SWEEPS)
        if planned.at > now + PLANNED_AHEAD + step:
            planned.at = now
        when, until = max(planned.at, now), now + PLANNED_AHEAD
        while when < until:
            for task in settings.SWEEPS:
                queue.enqueue_at(when, task)
            when += step
        Heartbeat.objects.filter(name=SWEEPS).update(at=when)


def step_run(pk: int) -> None:
    runs.step(pk)


def sweep_runs() -> None:
    runs.sweep()


def tell_alerts() -> None:
    alert_messages.tell()


def send_alert(pk: str) -> None:
    alert_messages.send(pk)


def sweep_alerts() -> None:
    alert_messages.tell()
    alert_messages.sweep()
