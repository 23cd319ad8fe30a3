"""Which offers do not say there what they should."""

from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from inventory.models import Difference, Offer
from marketplaces.types import OfferStatus

ANY = "any"
UNSENT = ~Q(state=Offer.State.DONE) & Q(product__isnull=False)
IS_DONE = Q(state=Offer.State.DONE) & ~Q(external_id="") & ~Q(seen_status=OfferStatus.REMOVED)
# What was read before the last push proves nothing. Where a marketplace shows no price or number there is none to compare.
SEEN_SINCE = IS_DONE & (Q(pushed_at=None) | Q(seen_at__gte=F("pushed_at")))
SHOWN_OTHERWISE = SEEN_SINCE & (
    (Q(seen_quantity__isnull=False) & Q(pushed_quantity__isnull=False) & ~Q(seen_quantity=F("pushed_quantity")))
    | (Q(seen_price__isnull=False) & Q(price__isnull=False) & ~Q(seen_price=F("price")))
)
KINDS = {
    ANY: "Out of step in any way",
    "unsent": "What is wanted was not pushed",
    "shown": "Seen is not what was pushed",
    "differences": "With open differences",
    "gone": "Gone there",
}


def _has_differences() -> Exists:
    return Exists(Difference.objects.filter(offer=OuterRef("pk"), state=Difference.State.OPEN))


def out_of_step(offers: "QuerySet[Any]", kind: str) -> "QuerySet[Any]":
    """Those of the offers that are out of step in this way, one of KINDS; all of them for another word."""
    gone = Q(seen_status=OfferStatus.REMOVED, removed_by="")
    match kind:
        case "unsent":
            return offers.filter(UNSENT)
        case "shown":
            return offers.filter(SHOWN_OTHERWISE)
        case "differences":
            return offers.filter(_has_differences())
        case "gone":
            return offers.filter(gone)
        case "any":
            return offers.filter(UNSENT | SHOWN_OTHERWISE | gone | _has_differences())
    return offers


class OutOfStepFilter(DropdownFilter):
    title = "out of step"
    parameter_name = "out_of_step"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(KINDS.items())

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return out_of_step(queryset, self.value() or "")
