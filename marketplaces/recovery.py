"""Find notifications that never reached us in the marketplace's own log, and process them as if they had."""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from backoffice import queue
from marketplaces import events
from marketplaces.exceptions import MarketplaceError, TemporaryError
from marketplaces.models import Account, Pump, WebhookEvent
from marketplaces.types import Urgency

log = logging.getLogger(__name__)

TASK = "marketplaces.tasks.recover_missed_events_of"
# The row of Pump that says who reads an account's log and when that goes on, so that walks do not multiply.
KIND = "missed events"
OVERLAP = timedelta(hours=1)
FIRST_LOOK_BACK = timedelta(hours=48)  # no marketplace of ours resends for longer
NOTE_EVERY = 100  # events, so that a worker that is killed loses no more
# A spent budget has room for one request within a second. A turn reads several pages, and leaves some to others.
PAUSE = timedelta(seconds=10)
# A planned turn that is so late has lost its wake-up.
LATE = timedelta(seconds=90)
# Longer than a task may run.
LEASE = timedelta(seconds=settings.LOST_AFTER_SECONDS)


@dataclass
class Reading:
    """A walk through an account's log, from `at` on; `at` moves with it, `new` counts what we never got."""

    account: Account
    at: datetime
    new: int = 0

    def run(self, *, is_patient: bool = False) -> None:
        """Read to the end of the log. What was read until an error is kept: the account's mark moves, `at` as well."""
        until = timezone.now()
        service = self.account.service(is_patient=is_patient)
        try:
            service.plan(1, Urgency.STOCK)
            for number, call in enumerate(service.missed_events(self.at, until), start=1):
                received = replace(call, received_at=timezone.now())
                self.new += events.receive(self.account, received, service.read_notice(call), WebhookEvent.Source.LOG)
                self.at = min(max(self.at, call.received_at), until)
                if number % NOTE_EVERY == 0:
                    self._note()
            self.at = until
        finally:
            self._note()

    def _note(self) -> None:
        earlier = Q(events_read_until=None) | Q(events_read_until__lt=self.at)
        Account.objects.filter(earlier, pk=self.account.pk).update(events_read_until=self.at)


def recover(account: Account, *, is_patient: bool = False) -> int:
    """Store every event of the marketplace's log that we never got; returns how many were new.

    Reads from the last look less one hour. Raises MarketplaceError. Safe to repeat: a known event does nothing.
    """
    reading = Reading(account, _start(account))
    reading.run(is_patient=is_patient)
    return reading.new


def go_on(account: Account, since: datetime | None = None) -> int:
    """The same for a worker: where the budget ends, or a page fails, another turn is planned that goes on from there.

    `since` is where the turn before it came to. Without it reading begins an hour before the last look: once a walk, or
    an hour with more events than a budget has pages would be read over and over. Raises MarketplaceError.
    """
    reading = Reading(account, since or _start(account))
    try:
        reading.run()
    except TemporaryError as error:
        # A page that fails does not begin the walk anew: of a long log hardly any would be read to its end.
        _plan_next(reading, timedelta(seconds=error.retry_after or 0))
        if error.retry_after is None:
            raise
    return reading.new


def go_on_from(account_id: str, since_ms: int) -> None:
    """Take the turn that was planned for an account, unless it was switched off or got into trouble meanwhile."""
    account = Account.objects.filter(pk=account_id).first()
    if account is not None and not account.is_stopped:
        _take_turn(account, datetime.fromtimestamp(since_ms / 1000, UTC))


def recover_all() -> None:
    """Recover every account whose marketplace keeps such a log. One account's failure stops no other."""
    for account in Account.objects.filter(is_enabled=True):
        if account.service_class.supports("missed_events") and not account.is_stopped:
            _take_turn(account, None)


def _take_turn(account: Account, since: datetime | None) -> None:
    if not _claim(account, is_planned=since is not None):
        return
    try:
        go_on(account, since)
    except MarketplaceError as error:
        log.warning("Account %s: missed events could not be read: %s", account.pk, error)
    finally:
        Pump.objects.filter(account=account, kind=KIND).update(leased_until=None)


def _start(account: Account) -> datetime:
    return (account.events_read_until or timezone.now() - FIRST_LOOK_BACK) - OVERLAP


def _plan_next(reading: Reading, wait: timedelta) -> None:
    when = timezone.now() + max(wait, PAUSE)
    Pump.objects.update_or_create(account=reading.account, kind=KIND, defaults={"planned_at": when})
    queue.enqueue_at(when, TASK, str(reading.account.pk), int(reading.at.timestamp() * 1000))


def _claim(account: Account, *, is_planned: bool) -> bool:
    """Take the turn that was planned, or begin a walk where none is under way; False when that is not ours to do."""
    now = timezone.now()
    Pump.objects.get_or_create(account=account, kind=KIND)
    is_free = Q(leased_until=None) | Q(leased_until__lte=now)
    is_mine = Q(planned_at__isnull=False) if is_planned else Q(planned_at=None) | Q(planned_at__lte=now - LATE)
    mine = Pump.objects.filter(is_free, is_mine, account=account, kind=KIND)
    return bool(mine.update(planned_at=None, leased_until=now + LEASE))
