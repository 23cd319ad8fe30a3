"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from datetime import timedelta

from django.utils import timezone

from marketplaces import events, jobs, outgoing, pump as turns, recovery
from marketplaces.models import ApiCall, Job, WebhookEvent

CALL_LOG_DAYS = 30


def process_event(pk: int) -> None:
    events.process(pk)


def follow_job(pk: int) -> None:
    jobs.follow(pk)


def pump(kind: str, account_id: str) -> None:
    turns.turn(kind, account_id)


def sweep() -> None:
    outgoing.sweep(WebhookEvent)
    outgoing.sweep(Job)


def prune() -> None:
    ApiCall.objects.filter(started_at__lt=timezone.now() - timedelta(days=CALL_LOG_DAYS)).delete()


def recover_missed_events() -> None:
    recovery.recover_all()


def recover_missed_events_of(account_id: str, since_ms: int) -> None:
    recovery.go_on_from(account_id, since_ms)
