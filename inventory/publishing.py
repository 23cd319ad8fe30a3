"""Bring the marketplace's offer to what we want it to say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from backoffice.rows import update_each
from inventory import limits, removal, shelves, urgency
from inventory.limits import Book, PriceRefused
from inventory.mirror import record_seen
from inventory.models import Offer, StockChange, Upload
from inventory.shelves import Place, Shelves
from inventory.signals import stock_changed
from marketplaces import jobs, outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import NotFound, PermanentError, TemporaryError
from marketplaces.models import Account, Job
from marketplaces.outgoing import Again
from marketplaces.types import OfferContent, OfferStatus, RemoteOffer, Urgency

State = Offer.State
ALWAYS_SENT = frozenset({"quantity"})  # a sale changes it there, so what we pushed last proves nothing
STOCK = frozenset({"quantity", "is_for_sale"})  # goes out also when the price must not
FEED_AGAIN = timedelta(hours=1)
JOB_AGAIN = timedelta(minutes=15)  # the end of the job wakes the offer; this is for the case that nobody did


def wanted(offer: Offer, found: Shelves | None = None, book: Book | None = None) -> OfferContent:
    """What the offer should say now; its quantity is never more than can be delivered.

    Whoever asks for many offers has read their shelves together, and gives a `book` of them, which reads together what their
    limits stand on. A marketplace that takes no prices needs none. Raises PermanentError, naming what is missing, when it
    can't be said, and PriceRefused for a price that must not go out.
    """
    if "price" not in offer.account.service_class.offer_fields:
        return content_of(offer, offer.price or Decimal(0), found)
    if offer.price is None or not offer.currency:
        raise PriceRefused(
            f"Offer “{offer}” has no price. Give it a price and a currency, then push it", kind="invalid"
        )
    limits.check(offer, book)
    return content_of(offer, offer.price, found)


def content_of(offer: Offer, price: Decimal, found: Shelves | None) -> OfferContent:
    """What the offer says at this price, whether that may go out or not."""
    place = Place.of(offer)
    known = shelves.read([place]) if found is None else found
    return OfferContent(
        external_product_id=offer.external_product_id,
        price=price,
        currency=offer.currency,
        quantity=wanted_quantity(offer, known),
        min_quantity=offer.min_quantity,
        low_stock_at=offer.low_stock_at,
        title=offer.title,
        description=offer.description,
        offer_type=offer.offer_type,
        visibility=offer.visibility,
        attributes=offer.attributes,
        is_for_sale=offer.is_active and known.pause(place) is None,
    )


@dataclass(frozen=True)
class Change:
    """What an update sends: the named `fields` of `content`, after which the offer there `says` that, as in `pushed`.

    Where the price must not go out, `refusal` says why, and the fields are those that stock is made of: what is sold out
    has to be seen there whatever the price.
    """

    content: OfferContent
    fields: frozenset[str]
    says: dict[str, Any]
    differs: bool
    refusal: PriceRefused | None = None


def change_of(offer: Offer, found: Shelves | None = None, book: Book | None = None) -> Change:
    """Say what an update of an offer that exists there sends now, against what was pushed last.

    Raises PermanentError as wanted() does, but for a price that must not go out: that is the change's `refusal`.
    """
    try:
        content = wanted(offer, found, book)
    except PriceRefused as refusal:
        content = _without_price(offer, found, book)
        said = {name: value for name, value in as_json(content).items() if name in STOCK}
        fields = frozenset(name for name, value in said.items() if offer.pushed.get(name, True) != value)
        says = offer.pushed | said
        return Change(content, fields | ALWAYS_SENT, says, says != offer.pushed, refusal)
    differing = frozenset(_differing(offer, content))
    # What can't change after the creation is not compared, or it would be sent for ever.
    fields = differing - {"external_product_id"} | ALWAYS_SENT
    return Change(content, fields, as_json(content), bool(differing))


def _without_price(offer: Offer, found: Shelves | None, book: Book | None) -> OfferContent:
    """The content for its stock alone. Its price is the one that is there, and is not sent.

    Where that one, too, is out of bounds by now, no more units are shown there than before: each would sell at it.
    """
    there = Decimal(offer.pushed["price"]) if "price" in offer.pushed else offer.seen_price
    currency = offer.pushed.get("currency") or offer.seen.get("currency") or offer.currency
    content = replace(content_of(offer, there or Decimal(0), found), currency=currency)
    if there is not None and currency == offer.currency and not (book or Book()).limits(offer).refusal(there):
        return content
    shown = offer.seen_quantity if offer.pushed_quantity is None else offer.pushed_quantity
    return replace(content, quantity=min(content.quantity, shown or 0))


def wanted_quantity(offer: Offer, found: Shelves | None = None) -> int:
    """Units to show: what the rules say of the stock, at most the offer's own quantity, none while its sale is stopped."""
    if not offer.is_active or offer.product_id is None:
        return 0
    place = Place.of(offer)
    return (shelves.read([place]) if found is None else found).shown(place, offer.quantity)


def as_json(content: OfferContent) -> dict[str, Any]:
    """The content as it is kept in `pushed`: amounts as text without trailing zeros."""

    def plain(value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value

    return {name: plain(value) for name, value in vars(content).items()}


def differences(offer: Offer, book: Book | None = None) -> dict[str, tuple[Any, Any]]:
    """Field by field, what was pushed last against what is wanted now. Everything, for an offer not created yet.

    What its marketplace takes from nobody is not wanted there, and so makes no difference.
    """
    return _differing(offer, wanted(offer, book=book))


def _differing(offer: Offer, content: OfferContent) -> dict[str, tuple[Any, Any]]:
    takes = offer.account.service_class.offer_fields
    now = {name: value for name, value in as_json(content).items() if name in takes}
    return {name: (offer.pushed.get(name), value) for name, value in now.items() if offer.pushed.get(name) != value}


def request(offers: QuerySet[Offer]) -> int:
    """Ask for offers to be pushed and wake workers for them; returns how many. Safe to repeat: ten asks are one push."""
    with transaction.atomic(savepoint=False):
        pks = list(offers.values_list("pk", flat=True))
        marked = Offer.objects.filter(pk__in=pks)
        outgoing.mark_due(marked)
        urgency.note(marked)
        outgoing.wake_all(marked)
    return len(pks)


def forget_id(offers: QuerySet[Offer]) -> int:
    """Let go of what the offers are at the marketplace, so that the next push makes them anew; returns how many.

    What was pushed and seen goes with it. An offer in flight is left alone: its worker is writing the id. Safe to repeat.
    """
    there = Offer.objects.filter(pk__in=offers.values("pk")).exclude(external_id="").exclude(state=State.IN_FLIGHT)
    return there.update(
        external_id="", job=None, removed_by="", pushing={}, pushed={}, pushed_quantity=None, pushed_at=None,
        seen={}, seen_price=None, seen_quantity=None, seen_status="", seen_at=None,
    )  # fmt: skip


def push(pk: int) -> bool:
    """Push a due offer; False when it is not due. Safe to repeat: the newest wanted state is sent."""
    return outgoing.run(Offer, pk, _push)


def _push(offer: Offer) -> Again | None:
    if offer.removal_by:
        removal.step(offer)
        return None
    if offer.job is not None:
        if not offer.job.result:
            return Again(timezone.now() + JOB_AGAIN, f"The marketplace works on it (job {offer.job}).")
        service = offer.account.service()
        service.plan(1, Urgency.PRICE)  # before the job is let go of, which happens once
        _job_over(offer, offer.job)
        change = change_of(offer)
        if not change.differs:
            _look(offer, service)
            _over(offer, change)
            return None
    service = offer.account.service()
    if not offer.external_id:
        if offer.feed is not None and offer.feed.ended_at is None:
            return Again(timezone.now() + FEED_AGAIN, f"It is being made by {offer.feed}.")
        # Planned as a whole: what is granted bit by bit would be spent on looking again and again.
        service.plan(1 + (service.find_requests if offer.must_look else 0), Urgency.PRICE)
        return _create(offer, service)
    change = change_of(offer, book=Book([offer]))
    # Nobody waits for the budget here: what the change says is as new as can be when it leaves.
    service.plan(1, Urgency.STOCK if change.refusal or change.fields == ALWAYS_SENT else Urgency.PRICE)
    try:
        remote = service.update_offer(offer.external_id, change.content, change.fields)
    except NotFound as error:
        raise gone(offer, error) from error
    again = _sent(offer, change.says, remote)
    if again is None:
        _over(offer, change)
    return again


def _over(offer: Offer, change: Change) -> None:
    """End a push: what there was of stock is there. A price that must not go out is a person's."""
    if change.refusal is not None:
        offer.must_look = False
        raise change.refusal


def _create(offer: Offer, service: MarketplaceService) -> Again | None:
    """Create it there, after looking whether an earlier try did; one that exists is taken over and brought up to date."""
    refusal = None
    try:
        content = wanted(offer)
    except PriceRefused as error:
        if not offer.must_look:
            raise
        # An earlier create may have arrived: what is sold out has to be seen there.
        content, refusal = replace(content_of(offer, offer.price or Decimal(0), None), quantity=0), error
    found = service.find_offer(content) if offer.must_look else None
    if found is None and refusal is not None:
        raise refusal
    if found is not None and Offer.objects.filter(account=offer.account, external_id=found.external_id).exists():
        raise PermanentError(
            f"An offer may have been created for “{offer}”, and the one like it that is found there ({found.external_id}) has"
            " a row of its own. Look there: enter the new one's id here, or, if there is none, delete this row",
            kind="conflict",
        )
    remote = found or service.create_offer(content)
    if found is not None or remote.was_there:
        offer.external_id = remote.external_id
        offer.save(update_fields=["external_id"])
        return Again(timezone.now(), "It existed there already and is brought up to date.")
    return _sent(offer, as_json(content), remote)


def _sent(offer: Offer, says: dict[str, Any], remote: RemoteOffer) -> Again | None:
    """Note what was sent: it has arrived, or will have when the marketplace's job is done."""
    offer.pushing, offer.external_id = says, offer.external_id or remote.external_id
    if remote.job_id:
        with transaction.atomic():
            offer.job = jobs.start(offer.account, remote.job_id, purpose=f"offer {offer.pk}")
            offer.save(update_fields=["pushing", "external_id", "job"])
        return Again(timezone.now() + JOB_AGAIN, f"The marketplace works on it (job {offer.job}).")
    _arrived(offer)
    record_seen(offer, remote)
    return None


def note_pushing(offers: Sequence[Offer]) -> None:
    """Write down what is on its way, for offers that left together."""
    update_each(offers, ["pushing", "pushed_at"])


def _look(offer: Offer, service: MarketplaceService) -> None:
    """Note what the marketplace shows after its job, which told nothing of the offer itself."""
    try:
        record_seen(offer, service.get_offer(offer.external_id))
    except (NotFound, TemporaryError):
        return  # the push is done all the same; the next look finds it


def _job_over(offer: Offer, job: Job) -> None:
    offer.job = None
    if job.result == Job.Result.DONE:
        offer.external_id = offer.external_id or job.resource_id
        _arrived(offer)
        return
    offer.pushing = {}
    offer.save(update_fields=["job", "pushing"])
    raise PermanentError(
        f"Offer “{offer}”: the marketplace's job {job} ended as {job.result}"
        f"{f' ({job.reason})' if job.reason else ''}. Mend what it says, then push it again",
        kind="job_failed",
    )


def _arrived(offer: Offer) -> None:
    offer.pushed, offer.pushing = offer.pushing, {}
    offer.pushed_quantity, offer.pushed_at = offer.pushed["quantity"], timezone.now()
    offer.save(update_fields=["pushed", "pushing", "pushed_quantity", "pushed_at", "external_id", "job"])


def job_ended(job: Job) -> None:
    """Go on with the offers and uploads that waited for a job. Safe to repeat."""
    for waiting in (*Offer.objects.filter(job=job), *Upload.objects.filter(job=job)):
        outgoing.try_again(waiting)


def gone(offer: Offer, error: NotFound | None = None) -> PermanentError:
    """Note that the offer is not there any more, and return what its row says about that."""
    offer.seen_status, offer.seen_at = OfferStatus.REMOVED, timezone.now()
    offer.save(update_fields=["seen_status", "seen_at"])
    return PermanentError(
        f"Offer “{offer}” no longer exists there. To sell it again, press “Forget the offer id” and push it",
        kind="not_found",
        operation=error.operation if error else "",
        status=error.status if error else None,
        request_id=error.request_id if error else "",
    )


def tell_offers(product_id: int) -> None:
    """Make a product's offers due after its stock changed, and let others know. Safe to repeat.

    The notes are taken away in the transaction that marks the offers. A change that commits later has its own note, and an
    offer counts its stock only after it was claimed, so no change goes unseen.
    """
    with transaction.atomic():
        if not StockChange.objects.filter(product_id=product_id).delete()[0]:
            return
        show_again(Offer.objects.filter(product_id=product_id))
    stock_changed.send(sender=StockChange, product_id=product_id)


def show_again(offers: QuerySet[Offer]) -> int:
    """Push the number of those of these offers that are there, or on their way there; returns how many. Safe to repeat."""
    is_there = ~Q(external_id="") | Q(state__in=[State.DUE, State.IN_FLIGHT, State.UNKNOWN])
    return request(offers.filter(is_there).exclude(seen_status=OfferStatus.REMOVED))


def look_at(account: Account, external_id: str) -> None:
    """Read an offer again, and push what differs. Safe to repeat."""
    offer = Offer.objects.filter(account=account, external_id=external_id).first()
    if offer is None:
        raise PermanentError(
            f"The marketplace speaks of offer {external_id}, which is not known here. Run `sync offers`, then link it",
            kind="not_found",
        )
    service = account.service()
    service.plan(1, Urgency.STOCK)
    record_seen(offer, service.get_offer(external_id))
    if offer.product_id is not None:
        request(Offer.objects.filter(pk=offer.pk))


def stopped_there(account: Account, external_ids: Sequence[str], reason: str) -> None:
    """Pause the offer that the marketplace took off sale itself, until a person has seen why. Safe to repeat.

    It is the first of `external_ids` that is known. Raises PermanentError when none is.
    """
    known = {
        offer.external_id: offer
        for offer in Offer.objects.filter(account=account, external_id__in=[pk for pk in external_ids if pk])
    }
    offer = next((known[external_id] for external_id in external_ids if external_id in known), None)
    if offer is None:
        named = " or ".join(filter(None, external_ids)) or "(not named)"
        raise PermanentError(
            f"The marketplace stopped offer {named}, which is not known here: “{reason}”. Run `sync offers`, then link it",
            kind="not_found",
        )
    offer.is_active, offer.stopped_because = False, reason[:300]
    offer.seen_status, offer.seen_at = OfferStatus.PAUSED, timezone.now()
    offer.save(update_fields=["is_active", "stopped_because", "seen_status", "seen_at"])
