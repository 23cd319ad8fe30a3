"""Find notifications that never reached us in the marketplace's own log, and process them as if they had."""

import logging
from datetime import timedelta

from django.utils import timezone

from marketplaces import events
from marketplaces.exceptions import MarketplaceError
from marketplaces.models import Account, WebhookEvent
from marketplaces.types import Urgency

log = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)
FIRST_LOOK_BACK = timedelta(hours=48)  # no marketplace of ours resends for longer


def recover(account: Account, *, is_patient: bool = False) -> int:
    """Store every event of the marketplace's log that we never got; returns how many were new.

    Reads from the last look less one hour. Safe to repeat: a known event does nothing.
    """
    started = timezone.now()
    since = (account.events_read_until or started - FIRST_LOOK_BACK) - OVERLAP
    service = account.service(is_patient=is_patient)
    service.plan(1, Urgency.STOCK)
    new = 0
    for call in service.missed_events(since, started):
        new += events.receive(account, call, service.read_notice(call), WebhookEvent.Source.LOG)
    Account.objects.filter(pk=account.pk).update(events_read_until=started)
    return new


def recover_all() -> None:
    """Recover every account whose marketplace keeps such a log. One account's failure stops no other."""
    for account in Account.objects.filter(is_enabled=True):
        if not account.service_class.supports("missed_events") or account.is_stopped:
            continue
        try:
            recover(account)
        except MarketplaceError as error:
            log.warning("Account %s: missed events could not be read: %s", account.pk, error)
