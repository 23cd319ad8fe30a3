"""Keep what was last seen of our offers at the marketplaces beside what we want them to say."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from backoffice import money
from backoffice.rows import update_each
from inventory import feeds, pricing
from inventory.models import Offer
from inventory.pricing import NewPrice
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
# Offers that are written together, and those that a listing lacks and one reading looks at by themselves.
PAGE, MOST_LOOKS = 500, 100
NAMED = 5  # duplicates that a report names
FEW_OFFERS = 10  # with fewer offers than this no part of them says anything


@dataclass(frozen=True)
class SyncResult:
    """Offers the marketplace showed, those unknown to us before, and those that are gone. `problem` is for a person.

    `duplicates` are codes of ours that several offers have there, where a code is all that would tell them apart.
    """

    seen: int
    new: int
    gone: int
    problem: str = ""
    duplicates: tuple[str, ...] = ()


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
    known = len(expected)  # what this reading itself makes known says nothing of what is gone
    seen = new = 0
    codes: dict[str, set[str]] = {}
    for page in _pages(service.fetch_offers()):
        seen += len(page)
        new += _mirror(account, service, page)
        for remote in page:
            expected.pop(remote.external_id, None)
            if service.offers_by_code and remote.external_product_id:
                codes.setdefault(remote.external_product_id, set()).add(remote.external_id)
    twice = tuple(sorted(code for code, ids in codes.items() if len(ids) > 1))
    _take_over_fed(account, {code: min(ids) for code, ids in codes.items() if len(ids) == 1})
    problems = [_duplicates(account, twice, codes)] if twice else []
    if known >= FEW_OFFERS and len(expected) > known * MOST_GONE:
        return SyncResult(seen, new, 0, " ".join([_too_many(account, len(expected), known), *problems]), twice)
    if len(expected) > MOST_LOOKS and service.supports("get_offer"):
        problems.append(
            f'Account "{account}": the listing lacks {len(expected)} offers; {MOST_LOOKS} of them were looked at by'
            " themselves. Read the offers again to look at the others"
        )
    gone = sum(_mark_gone(service, sorted(expected.values())[:MOST_LOOKS]))
    return SyncResult(seen, new, gone, " ".join(problems), twice)


def _pages(remotes: Iterable[RemoteOffer]) -> Iterator[list[RemoteOffer]]:
    """Take what is read together a few hundred at a time; of an offer that is shown twice, the newest."""
    iterator = iter(remotes)
    while page := list(itertools.islice(iterator, PAGE)):
        yield list({remote.external_id: remote for remote in page}.values())


def _mirror(account: Account, service: MarketplaceService, page: list[RemoteOffer]) -> int:
    """Update or make the rows of remote offers, in a few statements; returns how many were unknown."""
    mine = Offer.objects.filter(account=account)
    known = {offer.external_id: offer for offer in mine.filter(external_id__in=[remote.external_id for remote in page])}
    fresh = list(_whole(service, [remote for remote in page if remote.external_id not in known]))
    with transaction.atomic():
        being_created = set(_being_created(mine, [remote.external_product_id for remote in fresh]))
        made = [from_remote(account, remote) for remote in fresh if remote.external_product_id not in being_created]
        shown = {remote.external_id: remote for remote in (*page, *fresh)}
        for offer in (*known.values(), *made):
            see(offer, shown[offer.external_id])
        update_each(list(known.values()), SEEN_FIELDS)
        Offer.objects.bulk_create(made)
        prices = {offer.pk: NewPrice(shown[offer.external_id].price or None) for offer in made}
        pricing.set_price(prices, reason="As it was found at the marketplace")
    return len(made)


def _whole(service: MarketplaceService, remotes: Iterable[RemoteOffer]) -> Iterator[RemoteOffer]:
    """Offers that are unknown here, read by themselves where the listing says too little to tell what is offered."""
    for remote in remotes:
        if remote.external_product_id or not service.supports("get_offer"):
            yield remote
            continue
        try:
            yield service.get_offer(remote.external_id)
        except NotFound:
            continue


def _being_created(mine: QuerySet[Offer], product_ids: Iterable[str]) -> QuerySet[Offer, str]:
    # Our own create may have arrived while its answer did not. The push, or the look after a feed, finds that offer and
    # takes its id; a second row with the same id would stand in its way.
    on_its_way = Q(state__in=[State.DUE, State.IN_FLIGHT, State.UNKNOWN]) | Q(feed__ended_at=None, feed__isnull=False)
    created = mine.filter(on_its_way, external_id="", external_product_id__in=list(product_ids))
    return created.values_list("external_product_id", flat=True)


def _take_over_fed(account: Account, ids: dict[str, str]) -> None:
    """Give offers that a feed was to create the ids under which they are there now, by codes that name one offer each."""
    fed = Offer.objects.filter(account=account, external_id="", feed__isnull=False, feed__ended_at=None)
    there = [offer for offer in fed.select_related("account") if offer.external_product_id in ids]
    for offer in there:
        offer.external_id = ids[offer.external_product_id]
    feeds.arrived(there)


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


def _duplicates(account: Account, twice: Sequence[str], codes: dict[str, set[str]]) -> str:
    named = "; ".join(f"{code} ({', '.join(sorted(codes[code]))})" for code in twice[:NAMED])
    more = f" and {len(twice) - NAMED} more" if len(twice) > NAMED else ""
    return (
        f'Account "{account}": {len(twice)} product codes are there more than once: {named}{more}. Such offers are told apart'
        " by their ids alone; nothing is matched by these codes. Give them different codes there"
    )
