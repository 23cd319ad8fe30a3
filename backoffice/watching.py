"""Notice that the workers stand still, from outside of them, and tell people without them."""

from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from backoffice import alert_messages, alerts
from backoffice.models import Alert, Heartbeat

WORKERS = "workers"


def look(since: datetime) -> bool:
    """Raise an alert when no worker has made progress for too long, and send what is due; True while they stand still.

    `since` is when whoever looks began: workers that never ran get as long to start. Heartbeats settle it. Safe to repeat
    and to run on several machines.
    """
    beat = Heartbeat.objects.filter(name=WORKERS).first()
    last = max(filter(None, [since, beat.at if beat else None]))
    if timezone.now() - last < timedelta(seconds=settings.HEARTBEAT_STALE_SECONDS):
        return False
    said = f"No progress since {beat.at:%Y-%m-%d %H:%M} UTC" if beat else "No worker has ever run"
    cause = alerts.Cause(
        f"{said}. Nothing is delivered or pushed. Restart them.", reverse("admin:django_q_ormq_changelist")
    )
    alerts.match(Alert.Kind.WORKERS, {WORKERS: cause})
    alert_messages.tell()
    for pk in alert_messages.due():
        alert_messages.send(pk)
    return True
