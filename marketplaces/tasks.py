"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from datetime import timedelta

from django.utils import timezone

from marketplaces import events, jobs, outgoing, pump as turns, recovery, watching
from marketplaces.models import ApiCall, Job, WebhookEvent

CALL_LOG_DAYS = 30
EVENT_BODY_DAYS = 30  # a top-up's event holds what the buyer filled in, which must not be kept for longer
ERASED_AT_ONCE = 5000  # a task has a minute; the next hour erases more


def process_event(pk: int) -> None:
    events.process(pk)


def follow_job(pk: int) -> None:
    jobs.follow(pk)


def pump(kind: str, account_id: str, planned: int = 0) -> None:
    turns.turn(kind, account_id, is_planned=bool(planned))


def sweep() -> None:
    outgoing.sweep(WebhookEvent)
    outgoing.sweep(Job)


def watch() -> None:
    watching.look(timezone.now())


def prune() -> None:
    ApiCall.objects.filter(started_at__lt=timezone.now() - timedelta(days=CALL_LOG_DAYS)).delete()

    _erase_bodies()


def _erase_bodies() -> None:
    """Empty what came in with events that were done with long ago; what they were and when they came is kept."""
    body = WebhookEvent._meta.get_field("body")
    before = timezone.now() - timedelta(days=EVENT_BODY_DAYS)
    old = WebhookEvent.objects.filter(state=WebhookEvent.State.DONE, received_at__lt=before).exclude(
        WebhookEvent.ERASED
    )
    for event in old.only("pk", "event_id").order_by("-received_at")[:ERASED_AT_ONCE]:
        # Still done: somebody may have asked for it to be processed again since.
        still = WebhookEvent.objects.filter(pk=event.pk, state=WebhookEvent.State.DONE)
        still.update(body=body.seal("", event), headers={}, method="", path="")


def recover_missed_events() -> None:
    recovery.recover_all()


def recover_missed_events_of(account_id: str, since_ms: int) -> None:
    recovery.go_on_from(account_id, since_ms)
