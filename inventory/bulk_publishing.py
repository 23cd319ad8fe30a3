"""Bring many offers of an account to what we want them to say with one request, where the marketplace has such a call.

A row is done for the fields that the answer confirms, and for no other. What was not confirmed is read back before it is
sent again. A batch that is refused for one of its rows goes on in halves, a request a turn: their names are in the rows, so
that it can be stopped, and goes on where it was when a worker dies.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Q
from django.utils import timezone

from backoffice.rows import update_each
from inventory import publishing, shelves
from inventory.limits import Book, PriceRefused
from inventory.models import Offer
from inventory.publishing import Change
from inventory.shelves import Place, Shelves
from marketplaces import outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import NotFound, PermanentError, UnknownOutcome
from marketplaces.models import Account, Pump
from marketplaces.outgoing import Again, Result
from marketplaces.types import OfferChange, OfferContent, OfferResult, RemoteOffer, Urgency

# Where offers can't be read together, so many of a batch are read back one by one; more are sent anew, which sets values.
MOST_LOOKS = 4
# Sent so often without being confirmed, an offer is a person's.
MOST_SENT = 3
URGENT_EVERY = timedelta(seconds=60)
SINGLES_SECONDS = 5.0
UNCONFIRMED = "unconfirmed"
# A batch is refused as a whole because of what is in it.
REFUSED = "invalid"
NOTHING: tuple[object, ...] = ("", None, {}, [], 0, 1, True)  # what an offer says that nobody ever set


def push_many(pks: Sequence[int]) -> int:
    """Push those of an account's offers that are due, as many as can with one request; returns how many were tried.

    Raises BudgetSpent before anything is claimed. Safe to repeat and to run at once: the newest wanted state is sent.
    """
    found = Offer.objects.select_related("account").in_bulk(list(pks))
    rows = [found[pk] for pk in pks if pk in found]
    if not rows:
        return 0
    account, together = rows[0].account, [row for row in rows if row.lot == rows[0].lot]
    service = account.service()
    book = Book(together)
    singly = [row.pk for row in together if _goes_singly(row, service, book)]
    batch = [row for row in together if row.pk not in set(singly)][: service.offers_per_update]
    done = 0
    if batch:
        looks = _looks(service, sum(row.outcome_unknown for row in batch))
        _plan(service, account, 1 + looks, is_urgent=any(row.urgency <= Offer.Change.FEWER for row in batch))
        done = outgoing.run_many(Offer, [row.pk for row in batch], partial(_push, service, account))
    return done + _push_singly(singly)


def requests_needed(account: Account, offers: int) -> int:
    """How many requests a change of the price or quantity of so many offers takes."""
    return -(-offers // Offer.per_batch(account))


def _push_singly(pks: Sequence[int]) -> int:
    """Push what no bulk update takes, one by one, as long as there is budget and a turn may take."""
    until, done = time.monotonic() + SINGLES_SECONDS, 0
    for pk in pks:
        done += publishing.push(pk)
        if time.monotonic() > until or Offer.objects.filter(pk=pk, failure=outgoing.BUDGET).exists():
            break
    return done


def _goes_singly(offer: Offer, service: MarketplaceService, book: Book) -> bool:
    """Whether it is to be created or deleted, waits for a job, or differs in nothing that a bulk update takes."""
    if not offer.external_id or offer.job_id is not None or offer.removal_by:
        return True
    may_have = not offer.lot and offer.urgency == Offer.Change.TEXT and not offer.outcome_unknown
    return may_have and _has_text(offer, service, book)


def _has_text(offer: Offer, service: MarketplaceService, book: Book) -> bool:
    try:
        return bool(_left(offer, publishing.as_json(publishing.wanted(offer, Shelves(), book)), service))
    except PriceRefused:
        return False  # its texts wait for the price, and its stock goes with the others
    except PermanentError:
        return True


def _plan(service: MarketplaceService, account: Account, requests: int, *, is_urgent: bool) -> None:
    """Set requests aside; what is sold out goes before orders, but with one batch a minute, or it would be all there is."""
    pump, now = Pump.objects.filter(account=account, kind=Offer._meta.label_lower), timezone.now()
    may_go_first = Q(urgent_at=None) | Q(urgent_at__lte=now - URGENT_EVERY)
    if not is_urgent or not pump.filter(may_go_first).exists():
        service.plan(requests, Urgency.PRICE)
        return
    service.plan(requests, Urgency.STOCK)
    pump.update(urgent_at=now)


def _push(service: MarketplaceService, account: Account, offers: list[Offer]) -> Mapping[object, Result]:
    """Push claimed offers with one request; returns what became of each."""
    for offer in offers:
        offer.account = account
    results: dict[object, Result] = {}
    changes = _changes(offers, results)
    seen = _read_back(service, [offer for offer in offers if offer.must_look and offer.pk in changes])
    sends: dict[str, tuple[Offer, OfferChange]] = {}
    arrived: list[Offer] = []
    for offer in offers:
        if offer.pk not in changes:
            continue
        change, shown = changes[offer.pk], seen.get(offer.pk)
        if offer.pk in seen and shown is None:
            results[offer.pk] = publishing.gone(offer)
        elif shown is not None and change.refusal is None and _says(shown, change.content, service):
            results[offer.pk] = _arrived(offer, change.content, service.bulk_fields, service)
            arrived.append(offer)
        else:
            fields = _fields(offer, change, service)
            sends[offer.external_id] = offer, OfferChange(offer.external_id, change.content, fields)
    if sends:
        try:
            answers = service.update_offers([change for _, change in sends.values()])
        except PermanentError as error:
            if error.kind != REFUSED:
                raise
            _save(arrived)
            return results | _halve([offer for offer, _ in sends.values()], error)
        told = {answer.offer_id: answer for answer in answers}
        for external_id, (offer, sent) in sends.items():
            answer = told.get(external_id, OfferResult(external_id))
            results[offer.pk] = _answered(offer, sent, answer, service, changes[offer.pk].refusal)
            arrived.append(offer)
    _save(arrived)
    return results


def _changes(offers: Sequence[Offer], results: dict[object, Result]) -> dict[int, Change]:
    """What each offer is to say, read together; what can't be said is that offer's result."""
    found, book = shelves.read(Place.of(offer) for offer in offers), Book(offers)
    changes: dict[int, Change] = {}
    for offer in offers:
        try:
            changes[offer.pk] = publishing.change_of(offer, found, book)
        except PermanentError as error:
            results[offer.pk] = error
    return changes


def _answered(
    offer: Offer, change: OfferChange, answer: OfferResult, service: MarketplaceService, refusal: PriceRefused | None
) -> Result:
    """Note the confirmed fields; the rest is unknown and read back, and after some times a person's."""
    missing = change.fields - answer.confirmed
    if not missing and refusal is None:
        return _arrived(offer, change.content, change.fields, service)
    _note(offer, change.content, answer.confirmed & change.fields)
    if not missing and refusal is not None:  # its stock is shown there; the price is a person's
        offer.lot, offer.must_look = "", False
        return refusal
    problem = answer.problem or f"The marketplace did not confirm {', '.join(sorted(missing))}"
    if offer.failure == UNCONFIRMED and offer.attempts >= MOST_SENT:
        return PermanentError(
            f"Offer “{offer}”: {problem}, {offer.attempts} times. Look at it there, then push it again",
            kind=UNCONFIRMED,
        )
    return UnknownOutcome(f"{problem}. It is read back before it is sent again", kind=UNCONFIRMED)


def _arrived(offer: Offer, content: OfferContent, fields: frozenset[str], service: MarketplaceService) -> Result:
    """Note that the offer says what was sent; what a bulk update does not take goes by itself."""
    _note(offer, content, fields)
    offer.lot = ""
    said = publishing.as_json(content)
    if _left(offer, said, service):
        offer.urgency = Offer.Change.TEXT
        return Again(timezone.now(), "Its price and quantity arrived; the rest goes by itself.")
    offer.pushed = said
    return None


def _note(offer: Offer, content: OfferContent, fields: frozenset[str]) -> None:
    said = publishing.as_json(content)
    offer.pushed = offer.pushed | {name: said[name] for name in fields}
    offer.pushed_quantity = content.quantity if "quantity" in fields else offer.pushed_quantity
    offer.pushed_at = timezone.now()


def _save(offers: Sequence[Offer]) -> None:
    update_each(offers, ["pushed", "pushed_quantity", "pushed_at", "urgency", "lot"])


def _fields(offer: Offer, change: Change, service: MarketplaceService) -> frozenset[str]:
    """What a bulk update sends of the offer: what changed since the last push, and what a sale changes there."""
    if change.refusal is not None:
        return change.fields & service.bulk_fields | publishing.ALWAYS_SENT
    said = publishing.as_json(change.content)
    changed = {name for name, value in said.items() if name not in offer.pushed or offer.pushed[name] != value}
    return frozenset(changed) & service.bulk_fields | publishing.ALWAYS_SENT


def _left(offer: Offer, said: Mapping[str, Any], service: MarketplaceService) -> set[str]:
    """What differs and no bulk update takes. What was never pushed is compared with what was seen there."""
    left = set()
    for name, value in said.items():
        if name in service.bulk_fields or name not in service.offer_fields or name == "external_product_id":
            continue
        if name in offer.pushed:
            differs = offer.pushed[name] != value
        else:
            differs = value not in NOTHING and offer.seen.get(name, value) != value
        if differs:
            left.add(name)
    return left


# --- reading back ------------------------------------------------------------------------------------------------


def _looks(service: MarketplaceService, count: int) -> int:
    """How many requests it takes to read so many offers back."""
    if service.supports("get_offers"):
        return -(-count // service.offers_per_read)
    return count if count <= MOST_LOOKS and service.supports("get_offer") else 0


def _read_back(service: MarketplaceService, offers: Sequence[Offer]) -> dict[int, RemoteOffer | None]:
    """What the marketplace shows of the offers; None for one that is gone. Empty where that would take too much."""
    if not offers or not _looks(service, len(offers)):
        return {}
    if not service.supports("get_offers"):
        return {offer.pk: _look_at(service, offer.external_id) for offer in offers}
    found: dict[str, RemoteOffer] = {}
    for first in range(0, len(offers), service.offers_per_read):
        ids = [offer.external_id for offer in offers[first : first + service.offers_per_read]]
        found |= {remote.external_id: remote for remote in service.get_offers(ids)}
    return {offer.pk: found.get(offer.external_id) for offer in offers}


def _look_at(service: MarketplaceService, external_id: str) -> RemoteOffer | None:
    try:
        return service.get_offer(external_id)
    except NotFound:
        return None


def _says(remote: RemoteOffer, content: OfferContent, service: MarketplaceService) -> bool:
    """Whether the offer shows the price and the quantity that we want, as far as a bulk update brings them there."""
    names = {"price", "quantity"} & service.bulk_fields
    return all(getattr(remote, name) == getattr(content, name) for name in names)


# --- looking for the row that is refused -------------------------------------------------------------------------


def _halve(offers: Sequence[Offer], error: PermanentError) -> dict[object, Result]:
    """Let each half of a refused batch go on by itself; a row that is alone is the one that is refused."""
    if len(offers) == 1:
        Offer.objects.filter(pk=offers[0].pk).update(lot="")
        return {offers[0].pk: error}
    middle, now = len(offers) // 2, timezone.now()
    for half in (offers[:middle], offers[middle:]):
        Offer.objects.filter(pk__in=[offer.pk for offer in half]).update(lot=secrets.token_hex(6))
    return dict.fromkeys([offer.pk for offer in offers], _goes_on(now, len(offers), error))


def _goes_on(at: datetime, count: int, error: PermanentError) -> Again:
    because = (
        f"A batch of {count:,} offers was refused ({error.message}); which of them is to blame is being looked for."
    )
    return Again(at, because)
