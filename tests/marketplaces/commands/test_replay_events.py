from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from marketplaces.models import WebhookEvent
from tests import make
from tests.command import outcome

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def account():
    return make.account()


def event(account, event_id, state, at=NOON, failure=""):
    return WebhookEvent.objects.create(
        account=account, event_id=event_id, kind="order.paid", body="{}", method="POST", received_at=at, state=state,
        failure=failure, attempts=8,
    )  # fmt: skip


def due():
    waiting = WebhookEvent.objects.filter(state__in=["due", "unknown"], next_try_at__lte=timezone.now(), attempts=0)
    return sorted(waiting.values_list("event_id", flat=True))


def test_failed_events_are_due_again_and_workers_are_woken(account):
    event(account, "stuck", "needs_attention")
    event(account, "trying", "due", failure="unavailable")
    event(account, "done", "done")
    event(account, "now", "in_flight", failure="unavailable")
    data, status, _ = outcome("replay_events")
    assert (data, status) == ({"replayed": 2}, 0)
    assert due() == ["stuck", "trying"]
    assert OrmQ.objects.count() == 2


def test_what_may_have_been_done_is_still_looked_at_first(account):
    event(account, "unsure", "unknown", failure="unavailable")
    WebhookEvent.objects.update(outcome_unknown=True)
    outcome("replay_events")
    assert WebhookEvent.objects.get().state == "unknown"


@pytest.mark.parametrize(
    ("options", "replayed"),
    [
        (["--status", "all"], ["early", "late", "theirs"]),
        (["--status", "done"], ["late", "theirs"]),
        (["--status", "all", "--account", "Main shop"], ["early", "late"]),
        (["--status", "all", "--since", "2026-05-01T12:00:00+00:00"], ["late", "theirs"]),
        (["--status", "all", "--since", "2026-05-01T14:00:00+02:00"], ["late", "theirs"]),
        (["--status", "all", "--since", "2026-05-02"], []),
    ],
)
def test_they_are_chosen_by_status_account_and_time(account, options, replayed):
    event(account, "early", "needs_attention", at=NOON - timedelta(minutes=1))
    event(account, "late", "done")
    event(make.account("Other"), "theirs", "done")
    assert outcome("replay_events", *options).data == {"replayed": len(replayed)}
    assert due() == replayed


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--status", "broken"], "failed, all"),
        (["--since", "yesterday"], "--since"),
        (["--since", "2026-13-45"], "--since"),
        (["--account", "Nobody"], "Main shop"),
    ],
)
def test_an_unusable_option_is_refused_by_name(account, options, named):
    data, status, words = outcome("replay_events", *options)
    assert (data, status) == (None, 2)
    assert named in words
