"""What came in is not kept for ever."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from marketplaces import tasks
from marketplaces.models import Account, WebhookEvent
from tests import make
from tests.command import outcome

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]

LIST = reverse("admin:marketplaces_webhookevent_changelist")


def event(event_id, *, days, state="done"):
    return WebhookEvent.objects.create(
        account=Account.objects.first() or make.account(), event_id=event_id,
        kind="order.api_delivery", subject="1-1", method="POST", path="x", headers={"a": "b"}, body='{"login": "player"}',
        state=state, received_at=timezone.now() - timedelta(days=days),
    )  # fmt: skip


def test_what_a_buyer_filled_in_is_gone_after_30_days_and_what_happened_is_kept():
    old, young = event("old", days=31), event("young", days=29)

    tasks.prune()

    for row in (old, young):
        row.refresh_from_db()
    assert (old.body, old.headers, old.method, old.path) == ("", {}, "", "")
    assert (old.event_id, old.kind, old.subject, old.state) == ("old", "order.api_delivery", "1-1", "done")
    assert young.body == '{"login": "player"}'


@pytest.mark.parametrize("state", ["due", "unknown", "in_flight", "needs_attention"])
def test_what_still_has_work_to_do_is_kept_whole(state):
    row = event("old", days=400, state=state)

    tasks.prune()

    row.refresh_from_db()
    assert row.body == '{"login": "player"}'


def test_an_erased_event_says_so_and_is_not_processed_again(admin_client):
    row = event("old", days=31)
    tasks.prune()

    page = admin_client.get(reverse("admin:marketplaces_webhookevent_change", args=[row.pk])).content.decode()
    assert "Erased: bodies are kept for 30 days" in page
    assert 'value="process_again"' not in page
    admin_client.post(LIST, {"action": "process_again", "index": 0, "_selected_action": row.pk, "_from_page": row.pk})
    assert outcome("replay_events", "--status", "all").data == {"replayed": 0}

    row.refresh_from_db()
    assert row.state == "done"


def test_erasing_once_more_touches_nothing(django_assert_num_queries):
    event("old", days=31)
    tasks.prune()

    with django_assert_num_queries(2):  # the call log, and the look for more
        tasks.prune()
