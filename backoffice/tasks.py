"""Tasks of the ground floor."""

from datetime import timedelta

from django.utils import timezone
from django_q.models import Task

from backoffice import alert_messages, alerts, runs
from backoffice.models import Alert, Heartbeat

WORKERS = "workers"
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
