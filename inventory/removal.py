"""Delete an offer at its marketplace: a person asks, a worker does it, and never while codes of ours may lie in it.

What was asked stands in the offer's own row, so an answer that never came is looked for before the call is repeated, and an
offer that is not found there is done with.
"""

from django.db import transaction
from django.utils import timezone

from inventory.mirror import record_seen
from inventory.models import Offer, Upload
from marketplaces import outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import NotFound, PermanentError
from marketplaces.types import OfferStatus, UploadedState, Urgency

OPERATION = "delete_offer"
LIST = "fetch_uploaded"
NO_MORE_THERE = (UploadedState.SOLD, UploadedState.DELETED)


def codes_in(offer: Offer) -> int:
    """How many codes may lie in the offer there, by our books: also those of which nobody knows."""
    return Upload.objects.filter(offer=offer, external_offer_id=offer.external_id, status__in=Upload.OPEN).count()


def is_there(offer: Offer) -> bool:
    return bool(offer.external_id) and offer.seen_status != OfferStatus.REMOVED


def why_not(offer: Offer, lying: int | None = None) -> str:
    """Say why an offer can't be deleted there, and what to do; empty when it can. Asks nobody.

    `lying` is what codes_in() says, for whoever has counted that for many offers together.
    """
    if not offer.account.can(OPERATION):
        return (
            f"{offer.account.service_class.label} can't be asked to delete an offer through this account. Do it there"
        )
    if not is_there(offer):
        return f"Offer “{offer}” is not at the marketplace"
    if lying := codes_in(offer) if lying is None else lying:
        return f"{lying} uploaded codes lie in offer “{offer}”, or may. Take them back, or say where they are, then delete it"
    return ""


def ask(offer: Offer, *, by: str) -> None:
    """Ask for an offer to be deleted there and wake a worker. Raises PermanentError when it can't be. Safe to repeat."""
    with transaction.atomic():
        # Whoever uploads codes takes the same lock, and finds the offer on its way out.
        locked = Offer.objects.select_for_update(of=("self",), no_key=True).select_related("account").get(pk=offer.pk)
        if reason := why_not(locked):
            raise PermanentError(reason, kind="invalid")
        mine = Offer.objects.filter(pk=offer.pk)
        mine.update(removal_by=by)
        outgoing.mark_due(mine)
        outgoing.wake_all(mine)


def step(offer: Offer) -> None:
    """Look at the offer, then delete it. Safe to repeat. What refuses it, for good, also ends the wish."""
    service = offer.account.service()
    service.plan(3 if offer.account.can(LIST) else 2, Urgency.STOCK)
    try:
        if not _is_gone(offer, service):
            _check_empty(offer, service)
            service.delete_offer(offer.external_id)
    except NotFound:
        pass  # what we want, whoever did it
    except PermanentError:
        _set(offer, removal_by="")
        raise
    gone = {"seen_status": OfferStatus.REMOVED, "seen_at": timezone.now()}
    _set(offer, removal_by="", removed_by=offer.removal_by, job=None, pushing={}, **gone)


def _is_gone(offer: Offer, service: MarketplaceService) -> bool:
    remote = service.get_offer(offer.external_id)
    record_seen(offer, remote)
    return remote.status == OfferStatus.REMOVED


def _check_empty(offer: Offer, service: MarketplaceService) -> None:
    """Raise PermanentError while codes lie in the offer, by our books or by what the marketplace shows."""
    if reason := why_not(offer):
        raise PermanentError(f"It was not deleted: {reason}", kind="conflict")
    if not offer.account.can(LIST):
        return
    items = service.fetch_uploaded(offer.external_id)
    if any(item.state not in NO_MORE_THERE for item in items):
        raise PermanentError(
            f"It was not deleted: the marketplace shows codes in offer “{offer}” that our books do not know of. Press “Codes"
            " there” and look, take them out there, then delete it",
            kind="conflict",
        )


def _set(offer: Offer, **facts: object) -> None:
    Offer.objects.filter(pk=offer.pk).update(**facts)
    for name, value in facts.items():
        setattr(offer, name, value)
