"""Codes in an offer's own inventory at the marketplace: give away, watch, take back; and what a person decides about them.

A code leaves the shared pool in the transaction that makes its upload, so no other channel can sell it. It comes back only
when it is certain that it is not there: when nobody knows, it stays blocked and a person decides.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from inventory import shelves, stock
from inventory.models import Offer, Upload
from inventory.shelves import Place, Shelves
from inventory.upload_steps import withdraw
from marketplaces import outgoing
from marketplaces.exceptions import PermanentError
from marketplaces.shop import CodeKind
from marketplaces.types import OfferStatus

State = Upload.State
Status = Upload.Status

# Codes lie there for months; this is how soon a sale is noticed that no order told of.
CHECKED_EVERY = timedelta(hours=6)
# An account's uploads looked at in one sweep, a minute: a large inventory takes a part of the smallest budget.
CHECKED_AT_ONCE = 10
# Uploads of an offer that are looked at when an order was served from it.
LIKELY_SOLD = 20

CAN_BE_READ = Q(status__in=Upload.LYING_THERE) & ~Q(external_id="")
CAN_BE_TAKEN_BACK = CAN_BE_READ | Q(status=Status.WAITING)


# --- give away and take back ---------------------------------------------------------------------------------------


def why_not(offer: Offer, found: Shelves | None = None) -> str:
    """Say why no codes can be uploaded to an offer, and what to do; empty when they can.

    Whoever asks for many offers has read their shelves together.
    """
    if not offer.account.service_class.kinds_taken():
        return f"{offer.account.service_class.label} keeps no codes of yours: they are handed over at the sale"
    if offer.product_id is None:
        return f"Offer “{offer}” is not linked to a product of ours. Choose one on its page"
    if offer.removal_by:
        return f"Offer “{offer}” is being deleted there, as {offer.removal_by} asked"
    if not offer.external_id or offer.seen_status == OfferStatus.REMOVED:
        return f"Offer “{offer}” is not at the marketplace. Push it first"
    pause = shelves.pause_of(offer) if found is None else found.pause(Place.of(offer))
    if not offer.is_active or pause:
        return f"The sale of offer “{offer}” is stopped, and a code that lies there would be sold"
    return ""


def upload(offer: Offer, *, quantity: int, by: str) -> int:
    """Take up to `quantity` codes out of the pool for an offer's own inventory; returns how many, which is what there is.

    They are on their way when this returns. Raises PermanentError when the offer takes none. Not safe to repeat: each
    call gives away more.
    """
    with transaction.atomic():
        # Whoever asks for its deletion takes the same lock, and looks then whether codes lie in it.
        offer = Offer.objects.select_for_update(of=("self",), no_key=True).select_related("account").get(pk=offer.pk)
        if (reason := why_not(offer)) or offer.product_id is None:
            raise PermanentError(reason, kind="invalid")
        kinds = offer.account.service_class.kinds_taken()
        rows = Upload.objects.bulk_create(
            Upload(
                account_id=offer.account_id,
                offer=offer,
                code_id=code_id,
                external_offer_id=offer.external_id,
                by=by,
                state=State.DUE,
                next_try_at=timezone.now(),
            )
            for code_id in stock.give_away(product_id=offer.product_id, quantity=quantity, kinds=kinds)
        )
        outgoing.wake_all(_again(rows))
    return len(rows)


def can_be_given(offer: Offer) -> dict[CodeKind, int]:
    """How many codes of each kind that the offer takes are in stock. Asks nobody."""
    kinds = sorted(offer.account.service_class.kinds_taken())
    return {kind: stock.sellable(offer.product_id or 0, [kind]) for kind in kinds}


def take_back(rows: QuerySet[Upload], *, by: str) -> int:
    """Bring codes back from the marketplace, those not sent yet at once; returns how many that concerns.

    Safe to repeat. A code is for sale again only when the marketplace has said that it gave it back.
    """
    with transaction.atomic():
        found = list(Upload.objects.select_for_update().filter(CAN_BE_TAKEN_BACK, pk__in=_ids(rows)).order_by("pk"))
        unsent = [row for row in found if row.status == Status.WAITING and row.sent_at is None]
        withdraw(unsent, Status.BACK, f"Called back by {by} before it was sent.")
        _again(unsent).exclude(state=State.IN_FLIGHT).update(state=State.DONE, failure="", last_error="")
        others = _again([row for row in found if row not in unsent])
        others.update(wish=Upload.Wish.OUT, note=f"Called back by {by}.")
        outgoing.mark_due(others)
        outgoing.wake_all(others)
        return len(found)


def take_newest_back(offer: Offer, *, quantity: int, by: str) -> int:
    """The same for the newest codes of an offer, at most `quantity` of those that are not coming back yet."""
    mine = can_be_taken_back(Upload.objects.filter(offer=offer, wish=Upload.Wish.IN))
    newest = mine.order_by("-pk").values_list("pk", flat=True)[:quantity]
    return take_back(Upload.objects.filter(pk__in=list(newest)), by=by)


def can_be_taken_back(rows: QuerySet[Upload]) -> QuerySet[Upload]:
    """Those of the uploads that can be taken back: not sent yet, or there under an id of their own."""
    return rows.filter(CAN_BE_TAKEN_BACK)


# --- look where they are -----------------------------------------------------------------------------------------


def look_now(rows: QuerySet[Upload]) -> int:
    """Go on now with codes that lie there or wait to be sent; returns how many. Safe to repeat."""
    with transaction.atomic():
        mine = Upload.objects.filter(CAN_BE_TAKEN_BACK, pk__in=_ids(rows))
        count = outgoing.mark_due(mine)
        outgoing.wake_all(mine)
        return count


def watch(now: datetime) -> int:
    """Look at uploads that nobody looked at for long, a few an account; returns how many. Safe to repeat."""
    stale = Upload.objects.filter(CAN_BE_READ, state=State.DONE, checked_at__lt=now - CHECKED_EVERY)
    found: list[Upload] = []
    for account_id in stale.order_by().values_list("account_id", flat=True).distinct():
        found += stale.filter(account_id=account_id).order_by("checked_at")[:CHECKED_AT_ONCE]
    return look_now(_again(found)) if found else 0


def may_have_sold(offer_id: int) -> int:
    """Look at the offer's oldest uploads, for an order was served from them; returns how many. Safe to repeat."""
    first = Upload.objects.filter(CAN_BE_READ, offer_id=offer_id, state=State.DONE).order_by("pk")[:LIKELY_SOLD]
    found = list(first)
    return look_now(_again(found)) if found else 0


# --- what a person decides where nobody else knows ---------------------------------------------------------------


def say_there(row: Upload, *, by: str, external_id: str = "") -> bool:
    """A person saw the code in the offer, perhaps with its id there; False when that was no question.

    Without the id its sale can't be noticed from here, so a person may still say that it is gone or sold. Raises
    PermanentError when the id is another code's.
    """
    if (
        external_id
        and Upload.objects.filter(account=row.account_id, external_id=external_id).exclude(pk=row.pk).exists()
    ):
        raise PermanentError(f"The id {external_id} belongs to another code. Look at it again", kind="invalid")
    with transaction.atomic():
        facts = {"external_id": external_id} if external_id else {}
        decided = _decide(row, Status.THERE, f"{by}: it is there.", **facts)
        if decided:
            look_now(_again([row]))
        return decided


def say_not_there(row: Upload, *, by: str) -> bool:
    """A person made sure that the code is not there and was not sold: it can be sold again. False when no question."""
    with transaction.atomic():
        decided = _decide(row, Status.BACK, f"{by}: it is not there.", withdrawn_at=timezone.now())
        if decided:
            stock.get_back([row.code_id])
        return decided


def say_sold(row: Upload, *, by: str) -> bool:
    """A person found that the marketplace has sold the code. False when that was no question."""
    with transaction.atomic():
        decided = _decide(row, Status.SOLD, f"{by}: it was sold.", sold_at=timezone.now())
        if decided:
            stock.mark_sold_there([row.code_id])
        return decided


def _decide(row: Upload, status: Status, note: str, **facts: object) -> bool:
    locked = Upload.objects.select_for_update().filter(pk=row.pk).exclude(state=State.IN_FLIGHT).first()
    if locked is None or not locked.needs_an_answer:
        return False
    Upload.objects.filter(pk=row.pk).update(
        status=status, note=note[:300], state=State.DONE, next_try_at=None, failure="", last_error="", **facts
    )
    return True


def _ids(rows: QuerySet[Upload]) -> list[int]:
    # A list's filter may no longer hold after the change, and a lock can't be taken through its joins.
    return list(rows.order_by().values_list("pk", flat=True))


def _again(rows: list[Upload]) -> QuerySet[Upload]:
    return Upload.objects.filter(pk__in=[row.pk for row in rows])
