"""Bring remote offers to the wanted state."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Q, QuerySet
from django.utils import timezone

from backoffice import progress
from backoffice.commands import Report, ReportingCommand, Unusable
from inventory import bulk_publishing, products, publishing
from inventory.limits import Book, PriceRefused
from inventory.models import Offer
from marketplaces import accounts
from marketplaces.exceptions import BudgetSpent, PermanentError
from marketplaces.models import Account
from marketplaces.types import OfferStatus

State = Offer.State
OPEN = (State.DUE, State.IN_FLIGHT, State.UNKNOWN)
POLL_SECONDS = 0.2
# --wait gives up when no offer came to an end for so long.
PATIENCE_SECONDS = 120
SHOWN = 40

Differences = dict[int, dict[str, tuple[Any, Any]]]


class Command(ReportingCommand):
    help = "Bring remote offers to the wanted state. Workers do it; with --wait this command does it, too."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--account", metavar="NAME", help="only this account's offers")
        parser.add_argument("--sku", action="append", default=[], help="only this product's offers; may be given often")
        parser.add_argument("--dry-run", action="store_true", help="print the difference and push nothing")
        parser.add_argument("--wait", action="store_true", help="return when every offer is done, or has failed")

    def report(self, **options: Any) -> Report:
        offers = list(_chosen(options["account"], options["sku"]))
        differing: Differences = {}
        failed: list[dict[str, str]] = []
        held_back: list[int] = []
        book = Book(offers)
        for offer in progress.track(offers, label="Comparing offers"):
            try:
                if found := publishing.differences(offer, book):
                    differing[offer.pk] = found
            except PermanentError as error:
                failed.append(_failure(offer, str(error)))
                if isinstance(error, PriceRefused) and offer.external_id:
                    held_back.append(offer.pk)  # its stock is shown there all the same
        pushed, waiting, requests = 0, "", _requests(offers, differing)
        if not options["dry_run"]:
            publishing.request(Offer.objects.filter(pk__in=[*differing, *held_back]))
        if options["wait"] and not options["dry_run"]:
            is_over = _wait([*differing, *held_back])
            pushed = Offer.objects.filter(pk__in=list(differing), state=State.DONE).count()
            left = _with_names(Offer.objects.filter(pk__in=list(differing)).exclude(state=State.DONE))
            failed += [
                _failure(offer, offer.last_error or f"it is still {offer.get_state_display()}") for offer in left
            ]
            waiting = "" if is_over else f"; gave up after {PATIENCE_SECONDS} s without progress, the workers go on"
        data = {
            "offers": len(offers),
            "differ": len(differing),
            "requests": requests,
            "pushed": pushed,
            "failed": failed,
        }
        if options["dry_run"]:
            data["differences"] = [_as_json(offer, differing[offer.pk]) for offer in offers if offer.pk in differing]
        lines = list(_lines(offers, differing, data, options))
        lines += [f"Failed: {failure['offer']}: {failure['reason']}" for failure in failed]
        return Report(data, lines, f"{len(failed):,} offers could not be pushed{waiting}" if failed or waiting else "")


def _chosen(account: str | None, skus: list[str]) -> QuerySet[Offer]:
    """Offers that sell a product and were not removed there. Raises Unusable."""
    offers = Offer.objects.filter(product__isnull=False).exclude(seen_status=OfferStatus.REMOVED)
    try:
        offers = offers.filter(account__in=accounts.chosen(account))
        if skus:
            offers = offers.filter(product__in=[products.by_sku(sku) for sku in skus])
    except (accounts.UnusableAccount, products.UnknownSku) as error:
        raise Unusable(str(error)) from error
    return _with_names(offers)


def _with_names(offers: QuerySet[Offer]) -> QuerySet[Offer]:
    return offers.select_related("account", "product").order_by("pk")


def _wait(pks: list[int]) -> bool:
    """Push what is due here until none of the offers is on its way; False when that did not come to an end.

    It works without workers, and beside them: whoever claims an offer first pushes it.
    """
    offers = Offer.objects.filter(pk__in=pks, state__in=OPEN)
    left, deadline = -1, 0.0
    while count := offers.count():
        if count != left:
            left, deadline = count, time.monotonic() + PATIENCE_SECONDS
        if _push_due(offers):
            continue
        if _is_hopeless(offers, deadline - time.monotonic()):
            return False
        time.sleep(POLL_SECONDS)
    return True


def _push_due(offers: QuerySet[Offer]) -> int:
    """Push what is due, as many together as go together; returns how many, 0 when nothing is due or for want of budget."""
    is_due = Q(next_try_at=None) | Q(next_try_at__lte=timezone.now())
    due = offers.exclude(state=State.IN_FLIGHT).filter(is_due).select_related("account").order_by(*Offer.goes_by)
    by_account: dict[Account, list[int]] = {}
    for offer in due.only("pk", "account"):
        by_account.setdefault(offer.account, []).append(offer.pk)
    pushed = 0
    for account, pks in by_account.items():
        size = Offer.per_batch(account)
        for first in range(0, len(pks), size):
            if size == 1:
                pushed += publishing.push(pks[first])
                continue
            try:
                pushed += bulk_publishing.push_many(pks[first : first + size])
            except BudgetSpent:
                break
    return pushed


def _is_hopeless(offers: QuerySet[Offer], seconds: float) -> bool:
    """True when our patience is at its end, or will be before the next offer is tried."""
    if seconds < 0:
        return True
    if offers.filter(state=State.IN_FLIGHT).exists():
        return False
    next_try_at = offers.order_by("next_try_at").values_list("next_try_at", flat=True).first()
    return next_try_at is not None and (next_try_at - timezone.now()).total_seconds() > seconds


def _failure(offer: Offer, reason: str) -> dict[str, str]:
    return {"offer": str(offer), "sku": str(offer.product), "account": offer.account.name, "reason": reason}


def _as_json(offer: Offer, found: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    fields = {name: {"pushed": pushed, "wanted": wanted} for name, (pushed, wanted) in found.items()}
    return {"offer": str(offer), "sku": str(offer.product), "account": offer.account.name, "fields": fields}


def _requests(offers: list[Offer], differing: Differences) -> int:
    """How many requests the pushes take, where many offers of an account may go together."""
    counts = Counter(offer.account for offer in offers if offer.pk in differing)
    return sum(bulk_publishing.requests_needed(account, count) for account, count in counts.items())


def _lines(offers: list[Offer], differing: Differences, data: dict[str, Any], options: dict[str, Any]) -> Iterator[str]:
    if options["dry_run"]:
        for offer in offers:
            if offer.pk in differing:
                changes = [f"{name} {_short(old)} → {_short(new)}" for name, (old, new) in differing[offer.pk].items()]
                yield f"{offer.account}, {offer.product}, {offer}: {'; '.join(changes)}"
        yield f"{len(differing):,} of {len(offers):,} offers differ; it would take {data['requests']:,} requests."
    elif options["wait"]:
        yield f"{len(differing):,} of {len(offers):,} offers differed; {data['pushed']:,} were pushed."
    else:
        yield f"{len(differing):,} of {len(offers):,} offers differ and are on their way."


def _short(value: Any) -> str:
    text = "nothing" if value in (None, "", {}) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
