"""Mend what a comparison found, as far as that is ours to mend: push what we want, and look again."""

import time
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from inventory import differences, publishing, reconciling
from inventory.models import Difference, Offer
from marketplaces.models import Account

# A repair waits so long for a push that makes no progress.
PUSH_PAUSE_SECONDS, PATIENCE_SECONDS = 0.2, 120.0


def push_ours(account: Account, *, since: datetime) -> int:
    """Push what we want to offers found to differ since then, and look at them again; returns how many differences ended.

    It works without workers, and beside them. Raises MarketplaceError. Safe to repeat.
    """
    ours = Difference.objects.filter(
        account=account, state=Difference.State.OPEN, kind__in=Difference.PUSHABLE, last_seen_at__gte=since
    )
    fields_of: dict[int, list[str]] = {}
    names: dict[int, str] = {}
    for offer_id, external_id, name in ours.values_list("offer_id", "external_id", "field"):
        if offer_id is not None:
            fields_of.setdefault(offer_id, []).append(name)
            names[offer_id] = external_id
    if not fields_of:
        return 0
    before = ours.count()
    differences.push_ours(fields_of)
    _push_now(list(fields_of))
    service = account.service(is_patient=True)
    asked_at = timezone.now()
    for page in reconciling.reread(service, list(names.values())):
        reconciling.compare(account, page, asked_at=asked_at, is_after_push=True)
    return before - ours.count()


def _push_now(pks: list[int]) -> None:
    """Push what is due until nothing is on its way, or nothing has moved for a while."""
    offers = Offer.objects.filter(pk__in=pks, state__in=reconciling.ON_ITS_WAY)
    left, deadline = -1, 0.0
    while count := offers.count():
        if count != left:
            left, deadline = count, time.monotonic() + PATIENCE_SECONDS
        due = offers.exclude(state=Offer.State.IN_FLIGHT).filter(
            Q(next_try_at=None) | Q(next_try_at__lte=timezone.now())
        )
        for pk in list(due.values_list("pk", flat=True)):
            publishing.push(pk)
        if time.monotonic() > deadline or _waits_beyond(offers, deadline):
            return
        if not due.exists():
            time.sleep(PUSH_PAUSE_SECONDS)


def _waits_beyond(offers: QuerySet[Offer], deadline: float) -> bool:
    """Whether the next of the offers is tried only after our patience ends, and none is under way."""
    if offers.filter(state=Offer.State.IN_FLIGHT).exists():
        return False
    next_at = offers.order_by("next_try_at").values_list("next_try_at", flat=True).first()
    return next_at is not None and (next_at - timezone.now()).total_seconds() > deadline - time.monotonic()
