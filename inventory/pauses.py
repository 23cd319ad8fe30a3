"""The kill switch: stop and resume the sale of an offer, a product, an account, a marketplace or everything.

A pause is a row with who and why. Every offer that it concerns is pushed at once with what its marketplace understands as
"not for sale"; when the last pause is over, the newest number is pushed. Open orders are delivered all the same.
"""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from inventory import publishing
from inventory.models import Offer, Pause, Product, Upload
from inventory.shelves import scope_of
from marketplaces.models import Account

Level = Pause.Level


@dataclass(frozen=True)
class Target:
    """What is to be paused or resumed."""

    level: Level
    value: Any = None  # a row, or a marketplace's slug; nothing for everything

    @property
    def scope(self) -> str:
        return scope_of(self.level, getattr(self.value, "pk", self.value or ""))

    @property
    def offers(self) -> "QuerySet[Offer]":
        """The offers that it concerns and that are at their marketplaces, or on their way there."""
        there = ~Q(external_id="") | Q(state__in=[Offer.State.DUE, Offer.State.IN_FLIGHT, Offer.State.UNKNOWN])
        return Offer.objects.filter(there, self._mine(), product__isnull=False)

    def _mine(self) -> Q:
        match self.level:
            case Level.EVERYTHING:
                return Q()
            case Level.MARKETPLACE:
                return Q(account__marketplace=self.value)
            case Level.OFFER:
                return Q(pk=self.value.pk)
            case _:
                return Q((self.level.value, self.value))

    def columns(self) -> dict[str, Any]:
        """How a pause's row names it."""
        named = {} if self.level == Level.EVERYTHING else {self.level.value: self.value}
        return {"level": self.level, "scope": self.scope, **named}


EVERYTHING = Target(Level.EVERYTHING)


def target(of: "Offer | Product | Account | str") -> Target:
    """Name a row, or a marketplace by its slug, as what is to be paused."""
    if isinstance(of, str):
        return Target(Level.MARKETPLACE, of)
    return Target(Level(of._meta.model_name or ""), of)


def pause(what: Target, *, by: str, reason: str) -> int:
    """Stop the sale; returns how many offers that concerns. Safe to repeat: who paused first is kept."""
    with transaction.atomic():
        Pause.objects.get_or_create(
            scope=what.scope, ended_at=None, defaults={**what.columns(), "by": by, "reason": reason[:300]}
        )
        return publishing.request(what.offers)


def resume(what: Target, *, by: str) -> int:
    """Go on with the sale; returns how many offers are pushed, or 0 when it was not paused. Safe to repeat."""
    with transaction.atomic():
        over = Pause.objects.filter(scope=what.scope, ended_at=None).update(ended_at=timezone.now(), ended_by=by)
        return publishing.request(what.offers) if over else 0


def end(pauses: "QuerySet[Pause]", *, by: str) -> int:
    """Resume what these pauses stop; returns how many were open. Safe to repeat."""
    still = list(pauses.filter(ended_at=None).select_related("offer", "product", "account"))
    for row in still:
        resume(target_of(row), by=by)
    return len(still)


def target_of(row: Pause) -> Target:
    """What a pause's row speaks of."""
    return Target(Level(row.level), row.offer or row.product or row.account or row.marketplace or None)


def pause_offers(offers: "QuerySet[Offer]", *, by: str, reason: str) -> int:
    """Pause many offers at once, each by a row of its own, and push them; returns how many. Safe to repeat."""
    with transaction.atomic():
        pks = list(offers.values_list("pk", flat=True))
        Pause.objects.bulk_create(
            (
                Pause(level=Level.OFFER, scope=scope_of(Level.OFFER, pk), offer_id=pk, by=by, reason=reason[:300])
                for pk in pks
            ),
            ignore_conflicts=True,
        )
        return publishing.request(Offer.objects.filter(pk__in=pks, product__isnull=False))


def resume_offers(offers: "QuerySet[Offer]", *, by: str) -> int:
    """End the pauses of these very offers, and push them; returns how many had one. Safe to repeat."""
    with transaction.atomic():
        mine = Pause.objects.filter(offer__in=offers.values("pk"), level=Level.OFFER, ended_at=None)
        pks = list(mine.values_list("offer", flat=True))
        mine.update(ended_at=timezone.now(), ended_by=by)
        publishing.request(Offer.objects.filter(pk__in=pks, product__isnull=False))
        return len(pks)


def facts(what: Target) -> list[str]:
    """What people should know before they pause."""
    told = [
        f"{what.offers.count():,} offers will be shown as out of stock until sales are resumed. Open orders are delivered."
    ]
    if lying := Upload.objects.filter(offer__in=what.offers, status__in=Upload.LYING_THERE).count():
        told.append(f"{lying:,} codes that were uploaded are sold on by the marketplace: take them back, too.")
    return told
