"""An account that was mended: what waited for it goes on."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from inventory.models import Offer
from marketplaces import accounts, outgoing
from marketplaces.models import Account, WebhookEvent
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


def test_a_mended_account_wakes_its_offers_with_one_wake_up_and_its_events_one_by_one():
    account = make.account(trouble="refused", trouble_since=timezone.now())
    later = timezone.now() + timedelta(minutes=5)
    for number in range(20):
        make.offer(None, account, external_id=f"offer-{number}", state="due", next_try_at=later)
    for number in range(2):
        WebhookEvent.objects.create(
            account=account, event_id=f"e{number}", kind="order.paid", body="{}", received_at=later, state="due",
            next_try_at=later,
        )  # fmt: skip

    assert accounts.resume(account) == 22

    woken = sorted(SignedPackage.loads(row.payload)["func"] for row in OrmQ.objects.all())
    assert woken == [WebhookEvent.task, WebhookEvent.task, outgoing.PUMP]
    assert not Offer.objects.filter(next_try_at__gt=timezone.now()).exists()
    assert Account.objects.get().trouble == ""
