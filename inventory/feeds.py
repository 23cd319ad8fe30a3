"""Have many offers created with one request, where a marketplace takes a list and works on it by itself.

Its answer is a number and no more: an offer is there when it is seen there. A list whose answer got lost is never sent again
by us, for what becomes of codes that exist already nobody knows; a person looks and decides.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from backoffice.rows import update_each
from inventory import publishing, shelves
from inventory.limits import Book
from inventory.models import Feed, Offer
from marketplaces import outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import BudgetSpent, MarketplaceError, NotFound, PermanentError, UnknownOutcome
from marketplaces.outgoing import Again
from marketplaces.types import OfferContent, Urgency

State, Status = Feed.State, Feed.Status

# Looked for in growing distances, until it has to be believed that what is missing was not made.
FIRST_LOOK, NEXT_LOOK, LONGEST = timedelta(minutes=15), timedelta(minutes=60), timedelta(hours=48)
# Codes that one look asks for, each with a request of its own; the reading of all offers finds the others.
MOST_LOOKS = 4
SHARED_CODE = "Another offer has the same product code there, and a list could not tell the two apart. Push it instead."


def request(offers: QuerySet[Offer], *, by: str) -> list[Feed]:
    """Put new offers into feeds, as many to each as its marketplace takes; returns the feeds.

    Left alone are offers that exist there or may, that another feed has, whose code another offer has, and those of
    marketplaces that take no list. Safe to repeat: an offer is in one open feed at the most.
    """
    by_account: dict[object, list[Offer]] = {}
    with transaction.atomic():
        pks = list(offers.filter(external_id="").values_list("pk", flat=True))
        rows = Offer.objects.filter(pk__in=pks).select_related("account", "feed").order_by("pk")
        for offer in rows.select_for_update(of=("self",), no_key=True):
            if not why_not(offer):
                by_account.setdefault(offer.account_id, []).append(offer)
        return [feed for mine in by_account.values() for feed in _fill(_with_codes_of_their_own(mine), by)]


def why_not(offer: Offer) -> str:
    """Say why an offer can't be created by a list, for people; empty when it can. Asks nobody."""
    service = offer.account.service_class
    if not service.offers_per_feed:
        return f"{service.label} takes no lists. Push it instead."
    if offer.external_id:
        return "It is there."
    if offer.product_id is None:
        return "It is not linked to a product of ours. Choose one on its page."
    if offer.outcome_unknown or offer.state == State.IN_FLIGHT:
        return "It is being pushed, and may be there."
    return "" if offer.feed is None or offer.feed.ended_at else "A list that it is in is under way."


def _with_codes_of_their_own(offers: list[Offer]) -> list[Offer]:
    codes = Counter(offer.external_product_id for offer in offers)
    others = Offer.objects.filter(account=offers[0].account, external_product_id__in=list(codes))
    taken = set(others.exclude(pk__in=[offer.pk for offer in offers]).values_list("external_product_id", flat=True))
    return [
        offer for offer in offers if codes[offer.external_product_id] == 1 and offer.external_product_id not in taken
    ]


def _fill(offers: list[Offer], by: str) -> list[Feed]:
    feeds = []
    for first in range(0, len(offers), offers[0].account.service_class.offers_per_feed if offers else 1):
        part = offers[first : first + offers[0].account.service_class.offers_per_feed]
        now = timezone.now()
        feed = Feed.objects.create(account=part[0].account, size=len(part), by=by, state=State.DUE, next_try_at=now)
        # The feed makes them: their own push would make them a second time.
        mine = Offer.objects.filter(pk__in=[offer.pk for offer in part])
        mine.update(feed=feed, state=State.DONE, next_try_at=None, failure="", last_error="")
        outgoing.wake(feed)
        feeds.append(feed)
    return feeds


def advance(pk: int) -> bool:
    """Send a feed that is due, or look for its offers; False when it is not due. Safe to repeat: it is sent once."""
    return outgoing.run(Feed, pk, _advance)


def _advance(feed: Feed) -> Again | None:
    if feed.status == Status.WAITING and feed.sent_at is None:
        return _send(feed)
    if feed.status == Status.WAITING:  # its worker died in the call
        _set(feed, Status.UNANSWERED)
    return _look(feed)


def _send(feed: Feed) -> Again | None:
    offers = list(feed.offers.filter(external_id="").order_by("pk"))
    for offer in offers:
        offer.account = feed.account
    found = shelves.read(shelves.Place.of(offer) for offer in offers)
    book = Book(offers)
    contents = [publishing.wanted(offer, found, book) for offer in offers]
    service = feed.account.service()
    service.plan(1, Urgency.CATALOGUE)
    _sent_at(feed, is_sent=True)
    try:
        feed.external_id = service.feed_offers(contents)
    except UnknownOutcome:
        _set(feed, Status.UNANSWERED)
        raise
    except MarketplaceError:
        _sent_at(feed, is_sent=False)
        raise
    _set(feed, Status.QUEUED)
    now = timezone.now()
    for offer, content in zip(offers, contents, strict=True):
        offer.pushing, offer.pushed_at = publishing.as_json(content), now
    publishing.note_pushing(offers)
    return Again(now + FIRST_LOOK, "The marketplace works on it, and tells nobody how far it is.")


def _look(feed: Feed) -> Again | None:
    """Look for some of the offers that are not known to be there, and end the feed when all are, or when time is up."""
    missing, now = feed.offers.filter(external_id=""), timezone.now()
    service = feed.account.service()
    looked_at = missing.order_by(F("seen_at").asc(nulls_first=True), "pk").select_related("account", "product")
    try:
        for offer in looked_at[:MOST_LOOKS]:
            service.plan(service.find_requests, Urgency.CATALOGUE)
            _find(service, offer)
    except BudgetSpent as error:
        return Again(now + timedelta(seconds=error.retry_after or 60), "It waits for requests to look for its offers.")
    Feed.objects.filter(pk=feed.pk).update(checked_at=now)
    left, since = missing.count(), feed.sent_at or feed.created_at
    if left == 0:
        _end(feed, Status.CONFIRMED)
        return None
    if now - since >= LONGEST:
        _end(feed, Status.UNCONFIRMED if left == feed.size else Status.PARTLY)
        raise PermanentError(
            f"{left:,} of {feed.size:,} offers were not found within {LONGEST.total_seconds() / 3600:.0f} h. Read the"
            " marketplace's mails about it; then put what is missing into another feed, or push it by itself",
            kind="unconfirmed",
        )
    wait = FIRST_LOOK if now - since < NEXT_LOOK else NEXT_LOOK
    return Again(now + wait, f"{left:,} of {feed.size:,} offers are not seen there yet.")


def _find(service: MarketplaceService, offer: Offer) -> None:
    content = OfferContent(offer.external_product_id, offer.price or 0, offer.currency, 0)  # type: ignore[arg-type]
    try:
        remote = service.find_offer(content)
    except NotFound:
        remote = None
    except PermanentError as error:  # several have the code: only a person can tell which one is ours
        Offer.objects.filter(pk=offer.pk).update(last_error=str(error), failure=error.kind, seen_at=timezone.now())
        return
    if remote is None:
        Offer.objects.filter(pk=offer.pk).update(seen_at=timezone.now())
        return
    offer.external_id = remote.external_id
    arrived([offer])


def arrived(offers: Sequence[Offer]) -> None:
    """Note that offers of feeds are there, under the ids that they were just given; what changed since is pushed.

    They belong to one account. Safe to repeat: an id that another row has is left to it.
    """
    with transaction.atomic():
        ids = [offer.external_id for offer in offers]
        account = offers[0].account if offers else None
        taken = set(Offer.objects.filter(account=account, external_id__in=ids).values_list("external_id", flat=True))
        fresh = [offer for offer in offers if offer.external_id not in taken]
        for offer in fresh:
            offer.pushed, offer.pushing = offer.pushing, {}
            offer.pushed_quantity = offer.pushed.get("quantity")
        update_each(fresh, ["external_id", "pushed", "pushing", "pushed_quantity"])
        publishing.request(Offer.objects.filter(pk__in=[offer.pk for offer in fresh]))
        for feed in Feed.objects.filter(pk__in={offer.feed_id for offer in fresh}, ended_at=None).exclude(
            state=State.IN_FLIGHT
        ):
            if not feed.offers.filter(external_id="").exists():
                outgoing.try_again(feed)


def drop(feed: Feed, *, by: str) -> bool:
    """A person gives a feed up: what is not there may be pushed by itself, or go into another one. Safe to repeat."""
    with transaction.atomic():
        mine = Feed.objects.filter(pk=feed.pk).exclude(state=State.IN_FLIGHT).exclude(status=Status.CONFIRMED)
        now, because = timezone.now(), f"Given up by {by}."
        return bool(
            mine.filter(status__in=[Status.WAITING, *Feed.SENT]).update(
                status=Status.DROPPED, state=State.DONE, ended_at=now, next_try_at=None, last_error=because
            )
        )


def _end(feed: Feed, status: Feed.Status) -> None:
    feed.ended_at = timezone.now()
    _set(feed, status)


def _set(feed: Feed, status: Feed.Status) -> None:
    feed.status = status
    feed.save(update_fields=["status", "external_id", "ended_at"])


def _sent_at(feed: Feed, *, is_sent: bool) -> None:
    feed.sent_at = timezone.now() if is_sent else None
    feed.save(update_fields=["sent_at"])
