"""Keep what was last seen of our offers at the marketplaces beside what we want them to say."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from backoffice import money
from inventory.models import Offer
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import NotFound
from marketplaces.models import Account
from marketplaces.types import OfferStatus, RemoteOffer

State = Offer.State

SEEN_FIELDS = ("seen", "seen_price", "seen_quantity", "seen_status", "seen_at")
# What a remote offer says about the request, not about itself; and the whole answer, which the call log has.
NOT_KEPT = frozenset({"raw", "job_id", "was_there"})
# A listing that lacks more than this part of an account's offers is believed to be broken, not the offers gone.
MOST_GONE = 0.2
FEW_OFFERS = 10  # with fewer offers than this no part of them says anything


@dataclass(frozen=True)
class SyncResult:
    """Offers the marketplace showed, those unknown to us before, and those that are gone. `problem` is for a person."""

    seen: int
    new: int
    gone: int
    problem: str = ""


def record_seen(offer: Offer, remote: RemoteOffer) -> None:
    """Write down what the marketplace shows now; what we want stays as it is. Safe to repeat.

    What it does not say (a listing says less than a single read) leaves what was seen before.
    """
    see(offer, remote)
    offer.save(update_fields=SEEN_FIELDS)


def see(offer: Offer, remote: RemoteOffer) -> None:
    """Note in the row, without saving it, what the marketplace shows now."""
    offer.seen = {**offer.seen, **as_json(remote)}
    offer.seen_price = offer.seen_price if remote.price is None else remote.price
    offer.seen_quantity = offer.seen_quantity if remote.quantity is None else remote.quantity
    if remote.status != OfferStatus.UNKNOWN or remote.status_word:
        offer.seen_status = remote.status
    offer.seen_at = timezone.now()


def as_json(remote: RemoteOffer) -> dict[str, Any]:
    """What was said, without what was not; amounts as text, as in an offer's `pushed`."""
    said = {name: value for name, value in asdict(remote).items() if name not in NOT_KEPT}
    return {name: money.json_safe(value) for name, value in said.items() if value not in (None, "", {}, False)}


def sync_offers(account: Account, *, is_patient: bool = False) -> SyncResult:
    """Read all offers of an account into the mirror. Raises MarketplaceError; safe to repeat.

    An offer we do not know gets a row without a product; one of ours that the whole listing lacks is looked at by
    itself where the marketplace can do that, and marked as removed when it is not there. When too many are lacking
    nothing is marked, and the result says so.
    """
    service = account.service(is_patient=is_patient)
    exists = Offer.objects.filter(account=account).exclude(external_id="").exclude(seen_status=OfferStatus.REMOVED)
    expected = dict(exists.values_list("external_id", "pk"))
    seen = new = 0
    for remote in service.fetch_offers():
        seen += 1
        new += _mirror(account, service, remote)
        expected.pop(remote.external_id, None)
    known = exists.count()
    if known >= FEW_OFFERS and len(expected) > known * MOST_GONE:
        return SyncResult(seen, new, 0, _too_many(account, len(expected), known))
    return SyncResult(seen, new, sum(_mark_gone(service, expected.values())))


def _mirror(account: Account, service: MarketplaceService, remote: RemoteOffer) -> bool:
    """Update or make the row of a remote offer; True when it was unknown."""
    offers = Offer.objects.filter(account=account, external_id=remote.external_id)
    if not remote.external_product_id and not offers.exists() and service.supports("get_offer"):
        # Some listings say too little to tell what is offered.
        try:
            remote = service.get_offer(remote.external_id)
        except NotFound:
            return False
    with transaction.atomic():
        offer = offers.first()
        is_new = offer is None
        if offer is None:
            if _is_being_created(account, remote):
                return False
            offer = from_remote(account, remote)
            offer.save()
        record_seen(offer, remote)
    return is_new


def _is_being_created(account: Account, remote: RemoteOffer) -> bool:
    # Our own create may have arrived while its answer did not. The push finds that offer and takes its id; a second row
    # with the same id would stand in its way.
    return Offer.objects.filter(
        account=account,
        external_id="",
        external_product_id=remote.external_product_id,
        state__in=[State.DUE, State.IN_FLIGHT, State.UNKNOWN],
    ).exists()


def from_remote(account: Account, remote: RemoteOffer) -> Offer:
    """An offer that wants what it says already, so that linking a product to it changes nothing else."""
    return Offer(
        account=account,
        external_id=remote.external_id,
        external_product_id=remote.external_product_id,
        title=remote.title[:300],
        offer_type=remote.offer_type[:40],
        visibility=remote.visibility[:40],
        attributes=money.json_safe(remote.attributes),
        price=remote.price or None,
        currency=remote.currency,
        quantity=remote.quantity,
        min_quantity=remote.min_quantity or 1,
        low_stock_at=remote.low_stock_at or 0,
        is_active=remote.status != OfferStatus.PAUSED,
        state=State.DONE,
    )


def _mark_gone(service: MarketplaceService, offer_ids: Iterable[int]) -> Iterator[bool]:
    for offer in Offer.objects.filter(pk__in=list(offer_ids)).order_by("pk"):
        # A page that shifts while it is read hides an offer that exists, so each is looked at before it is given up.
        if service.supports("get_offer"):
            try:
                record_seen(offer, service.get_offer(offer.external_id))
            except NotFound:
                pass
            else:
                yield False
                continue
        offer.seen_status, offer.seen_at = OfferStatus.REMOVED, timezone.now()
        offer.save(update_fields=["seen_status", "seen_at"])
        yield True


def _too_many(account: Account, missing: int, known: int) -> str:
    return (
        f'Account "{account}": the listing lacks {missing} of {known} offers, which is too many to believe. None was'
        " marked as removed. Look at the marketplace's own list; if they are really gone, delete them here"
    )
