"""Keep differences as rows: found, found again, found no more; and what a person may do about one.

A key is an offer's id, an order's id and a field; of the first two one is empty. One row a key lasts at a time.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from backoffice.rows import update_each
from inventory import publishing
from inventory.limits import Book
from inventory.models import Difference, Offer
from inventory.shelves import Shelves
from marketplaces.exceptions import PermanentError
from marketplaces.models import Account

Kind, State = Difference.Kind, Difference.State

NO_MORE = "It is found no more."
KEEP_SETTLED = timedelta(days=90)
FORGOTTEN_AT_ONCE = 5000  # a task has a minute; the next hour forgets more
FOUND_AGAIN = ("kind", "offer", "ours", "theirs", "shown", "last_seen_at", "state", "ignored_until", "by", "reason")
# The field of a push that a difference of this field is about.
PUSHED_AS = {"status": "is_for_sale"}


@dataclass(frozen=True)
class Finding:
    """One difference as a comparison found it; texts are for people."""

    field: str
    kind: str
    ours: str
    theirs: str
    external_id: str = ""
    order_id: str = ""
    offer_id: int | None = None
    shown: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.external_id, self.order_id, self.field


def record(
    account: Account,
    findings: Iterable[Finding],
    *,
    offers: Collection[str] = (),
    orders: Collection[str] = (),
    at: datetime,
) -> None:
    """Write down what was found of the `offers` and `orders` that were compared, by their ids there.

    Differences of theirs that were not found are settled. A few statements, however many there are. Safe to repeat.
    """
    found = {finding.key: finding for finding in findings}
    with transaction.atomic():
        compared = Q(external_id__in=list(offers), order_id="") | Q(external_id="", order_id__in=list(orders))
        about = lasting(account).filter(compared)
        known = {row.key: row for row in about.select_for_update(no_key=True).order_by("pk")}
        again = [row for key, row in known.items() if key in found]
        for row in again:
            _find_again(row, found[row.key], at)
        update_each(again, FOUND_AGAIN)
        settle(Difference.objects.filter(pk__in=[row.pk for key, row in known.items() if key not in found]))
        new = [_new(account, finding, at) for key, finding in found.items() if key not in known]
        Difference.objects.bulk_create(new, ignore_conflicts=True)


def _find_again(row: Difference, finding: Finding, at: datetime) -> None:
    row.kind, row.ours, row.theirs, row.last_seen_at = finding.kind, finding.ours[:300], finding.theirs[:300], at
    row.offer_id, row.shown = finding.offer_id, dict(finding.shown)
    if row.state == State.IGNORED and row.ignored_until is not None and row.ignored_until <= timezone.now():
        row.state, row.ignored_until, row.by, row.reason = State.OPEN, None, "", ""


def _new(account: Account, finding: Finding, at: datetime) -> Difference:
    return Difference(
        account=account,
        offer_id=finding.offer_id,
        external_id=finding.external_id,
        order_id=finding.order_id,
        field=finding.field[:120],
        kind=finding.kind,
        ours=finding.ours[:300],
        theirs=finding.theirs[:300],
        shown=dict(finding.shown),
        found_at=at,
        last_seen_at=at,
    )


def lasting(account: Account) -> QuerySet[Difference]:
    """The account's differences that are not settled."""
    return Difference.objects.filter(account=account, state__in=Difference.LASTING)


def settle(rows: QuerySet[Difference], *, by: str = "", reason: str = NO_MORE) -> int:
    """Note that differences are over; returns how many. Safe to repeat."""
    open_ones = rows.filter(state__in=Difference.LASTING)
    return open_ones.update(
        state=State.SETTLED, settled_at=timezone.now(), ignored_until=None, by=by, reason=reason[:300]
    )


def forget_settled(now: datetime) -> int:
    """Delete what was settled long ago; returns how many. What is open or ignored lasts. Safe to repeat."""
    before = now - KEEP_SETTLED
    # It was found before it was settled, and the index is by when it was found.
    old = Difference.objects.filter(state=State.SETTLED, found_at__lt=before, settled_at__lt=before)
    pks = list(old.order_by("found_at").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    return old.filter(pk__in=pks).delete()[0]


def ignore(rows: QuerySet[Difference], *, until: datetime, by: str, reason: str) -> int:
    """Leave differences alone until then; returns how many. One that is still found after that is open again."""
    lasting_ones = rows.filter(state__in=Difference.LASTING)
    return lasting_ones.update(state=State.IGNORED, ignored_until=until, by=by, reason=reason[:300])


def push_ours(fields_of: Mapping[int, Iterable[str]]) -> int:
    """Have exactly what is wanted pushed to offers, by primary key, with the named fields whatever was pushed last.

    What we pushed proves nothing where the marketplace shows something else. Returns how many offers. Safe to repeat.
    """
    with transaction.atomic():
        offers = Offer.objects.select_for_update(no_key=True).filter(pk__in=fields_of).only("pushed").order_by("pk")
        rows: Sequence[Offer] = list(offers)
        for offer in rows:
            doubted = {PUSHED_AS.get(name, name) for name in fields_of[offer.pk]}
            offer.pushed = {name: value for name, value in offer.pushed.items() if name not in doubted}
        update_each(rows, ["pushed"])
        return publishing.request(Offer.objects.filter(pk__in=[offer.pk for offer in rows]))


# --- taking over what is there ---------------------------------------------------------------------------------------

ADOPTABLE = ("price", "quantity", "title")


def why_not_pushed(row: Difference) -> str:
    """Say why a push can't end this difference; empty when it can."""
    match row.kind:
        case _ if row.state not in Difference.LASTING:
            return "It is settled already."
        case Kind.ORDER:
            return "An order is the marketplace's: read it again."
        case Kind.GONE:
            return "The offer is gone. On its page, “Forget the offer id” lets the next push make it anew."
        case Kind.UNKNOWN:
            return "It sells nothing of ours. Link it to a product on its page, or delete it there."
    return ""


def adopt(offer: Offer, row: Difference, found: Shelves | None = None, book: Book | None = None) -> None:
    """Write into the offer's row, without saving it, that we want what the marketplace shows.

    It counts as pushed: it is there. Whoever asks for many has read their shelves and limits together. Raises ValueError, for
    people, for what must not be wanted.
    """
    if row.kind not in Difference.PUSHABLE or row.field not in ADOPTABLE:
        raise ValueError("Only a price, a quantity or a title can be taken over.")
    before = {name: getattr(offer, name) for name in ADOPTABLE}
    try:
        ADOPT[row.field](offer, row.theirs)
        content = publishing.wanted(offer, found, book)  # refuses what must not go out
        if row.field == "quantity" and content.quantity != int(row.theirs):
            raise ValueError(f"Only {content.quantity} can be shown, by the stock and its rules.")
    except (PermanentError, ValueError) as error:
        for name, value in before.items():
            setattr(offer, name, value)
        raise ValueError(str(error)) from error
    offer.pushed = offer.pushed | {row.field: publishing.as_json(content)[row.field]}


def _adopt_price(offer: Offer, theirs: str) -> None:
    amount, _, currency = theirs.partition(" ")
    if currency and currency != offer.currency:
        raise ValueError(f"It is in {currency} there, and in {offer.currency} here.")
    if Decimal(amount) <= 0:
        raise ValueError("A price is more than nothing.")
    offer.price = Decimal(amount)


def _adopt_quantity(offer: Offer, theirs: str) -> None:
    offer.quantity = int(theirs)


def _adopt_title(offer: Offer, theirs: str) -> None:
    offer.title = theirs


ADOPT: Mapping[str, Callable[[Offer, str], None]] = {
    "price": _adopt_price, "quantity": _adopt_quantity, "title": _adopt_title,
}  # fmt: skip
