"""Set prices by the clock: rules are evaluated page by page, and other sellers' prices read one offer at a time.

Nothing here sleeps or calls anybody but the reading of competitors, which is work of its own rows (CompetitorWatch): the
pump does it within each account's budget, after everything that is urgent, and a row that is asked for twice is read once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import islice

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from backoffice import queue
from inventory import pricing, publishing, rules
from inventory.limits import ABOVE_CEILING, BELOW_FLOOR, Book
from inventory.models import CompetitorWatch, Offer, PriceChange, PriceRule
from inventory.pricing import NewPrice
from inventory.rates import MissingRate, Rates
from inventory.rules import Competitor, NoPrice, Rulebook, Target
from marketplaces import outgoing
from marketplaces.models import Account
from marketplaces.types import CompetingOffer, OfferStatus, Urgency

TASK = "inventory.tasks.reprice"
PAGE = 200
READ_AT_MOST = 500  # other sellers' offers of one product
# What another seller asked for longer ago than this is not acted upon by a person's run.
FRESH = timedelta(hours=1)
HOUR = timedelta(hours=1)
# A rule makes no new offers there, but one that was held back for its price was asked for by a person.
WANTED_THERE = ~Q(external_id="") | Q(failure__in=[BELOW_FLOOR, ABOVE_CEILING])


@dataclass(frozen=True)
class Books:
    """The rules that hold now: those that change prices, and those that only write down what they would do."""

    real: Rulebook
    dry: Rulebook

    def rules_for(self, offer: Offer) -> list[PriceRule]:
        found = (self.real.rule_for(offer), self.dry.rule_for(offer))
        return [rule for rule in found if rule is not None]


@dataclass
class Round:
    """What a round over some offers came to: new prices by rule, and why others stay, by offer."""

    changes: dict[PriceRule, dict[int, NewPrice]] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)


def books() -> Books:
    enabled = list(PriceRule.objects.filter(is_enabled=True))
    return Books(
        Rulebook(rule for rule in enabled if not rule.is_dry_run), Rulebook(rule for rule in enabled if rule.is_dry_run)
    )


def can_read(account: Account) -> bool:
    """Whether the marketplace has a call for what other sellers ask; whether this account may use it shows the reading."""
    return account.service_class.supports("fetch_competing_offers")


# --- by the clock ------------------------------------------------------------------------------------------------


def page(after: int = 0) -> None:
    """Evaluate the rules for the next offers after a primary key, and plan the page that follows. Safe to repeat."""
    found = books()
    if not found.real and not found.dry:
        return
    rows = in_reach().filter(pk__gt=after).order_by("pk")
    with transaction.atomic():
        offers = list(rows.select_related("account").select_for_update(no_key=True, of=("self",))[:PAGE])
        ruled = [(offer, rule) for offer in offers for rule in found.rules_for(offer)]
        _apply([(offer, rule, None) for offer, rule in ruled if rule.kind != PriceRule.Kind.COMPETITOR])
        _watch({offer for offer, rule in ruled if rule.kind == PriceRule.Kind.COMPETITOR})
        if len(offers) == PAGE:
            queue.enqueue(TASK, offers[-1].pk)


def in_reach() -> QuerySet[Offer]:
    """The offers that some enabled rule is for, and that are for sale."""
    mine = PriceRule.objects.filter(is_enabled=True).filter(
        Q(offer=OuterRef("pk"))
        | Q(offer=None, product=OuterRef("product"), account=OuterRef("account"))
        | Q(offer=None, product=OuterRef("product"), account=None)
        | Q(offer=None, product=None, account=OuterRef("account"))
    )
    there = Offer.objects.filter(Exists(mine), product__isnull=False, is_active=True).exclude(currency="")
    return there.exclude(seen_status=OfferStatus.REMOVED)


def _watch(offers: Iterable[Offer]) -> None:
    """Ask for the competitors of offers to be read, unless that is asked for already or is a person's by now."""
    mine = [offer for offer in sorted(offers, key=lambda offer: offer.pk) if can_read(offer.account)]
    CompetitorWatch.objects.bulk_create(
        [CompetitorWatch(offer=offer, account=offer.account) for offer in mine], ignore_conflicts=True
    )
    idle = CompetitorWatch.objects.filter(offer__in=mine, state=CompetitorWatch.State.DONE)
    pks = list(idle.values_list("pk", flat=True))
    asked = CompetitorWatch.objects.filter(pk__in=pks)
    outgoing.mark_due(asked)
    outgoing.wake_all(asked)


# --- other sellers -----------------------------------------------------------------------------------------------


def read(pk: int) -> bool:
    """Read what others ask for what an offer sells, and apply its rules; False when that is not due. Safe to repeat."""
    return outgoing.run(CompetitorWatch, pk, _read)


def _read(watch: CompetitorWatch) -> None:
    offer = Offer.objects.select_related("account").get(pk=watch.offer_id)
    if not any(rule.kind == PriceRule.Kind.COMPETITOR for rule in books().rules_for(offer)):
        return  # the rule went while the row waited
    service = watch.account.service()
    service.plan(1, Urgency.PRICE)
    found = list(islice(service.fetch_competing_offers(offer.external_product_id), READ_AT_MOST))
    others = not_ours(found, offer.account)
    watch.price, watch.currency, watch.seller = None, "", ""
    try:
        cheapest = _cheapest(others, offer)
    except MissingRate as error:
        cheapest, watch.note = None, f"{error}."
    else:
        watch.note = ""
    if cheapest is not None:
        watch.price, watch.currency, watch.seller = cheapest.price, cheapest.currency, cheapest.seller[:200]
    watch.others, watch.read_at = len(others), timezone.now()
    watch.note = (watch.note or _follow(offer.pk, competitor_of(watch)))[:500]
    watch.save(update_fields=["price", "currency", "seller", "others", "read_at", "note"])


def _cheapest(others: Sequence[CompetingOffer], offer: Offer) -> CompetingOffer | None:
    """The cheapest in the offer's currency. Raises MissingRate."""
    rates = Rates()
    return min(
        others,
        key=lambda other: rates.convert(other.price or Decimal(0), other.currency, offer.currency),
        default=None,
    )


def not_ours(found: Sequence[CompetingOffer], account: Account) -> list[CompetingOffer]:
    """Leave out what is ours: offers that we know by their id, whatever account they are on, and all of their sellers."""
    ids = [other.external_id for other in found if other.external_id]
    ours = set(
        Offer.objects.filter(account__marketplace=account.marketplace, external_id__in=ids).values_list(
            "external_id", flat=True
        )
    )
    names = set(Account.objects.filter(marketplace=account.marketplace).values_list("name", flat=True))
    sellers = {name.casefold() for name in names}
    sellers |= {other.seller.casefold() for other in found if other.external_id in ours and other.seller}
    return [
        other
        for other in found
        if other.external_id not in ours and other.price and other.currency and other.seller.casefold() not in sellers
    ]


def competitor_of(watch: CompetitorWatch | None) -> Competitor | None:
    """The cheapest other seller as last read."""
    return None if watch is None or watch.price is None else Competitor(watch.price, watch.currency, watch.seller)


def fresh_competitors(offers: Iterable[Offer]) -> dict[int, Competitor]:
    """The same for many offers, by primary key, where it was read a short time ago."""
    pks = [offer.pk for offer in offers]
    fresh = CompetitorWatch.objects.filter(offer__in=pks, read_at__gte=timezone.now() - FRESH, price__isnull=False)
    found = {watch.offer_id: competitor_of(watch) for watch in fresh}
    return {pk: competitor for pk, competitor in found.items() if competitor is not None}


def _follow(pk: int, competitor: Competitor | None) -> str:
    """Apply the following rules of one offer; returns what came of it, for people."""
    with transaction.atomic():
        offer = Offer.objects.select_related("account").select_for_update(no_key=True, of=("self",)).get(pk=pk)
        following = [rule for rule in books().rules_for(offer) if rule.kind == PriceRule.Kind.COMPETITOR]
        came_of_it = _apply([(offer, rule, competitor) for rule in following])
    return came_of_it.notes.get(pk, "") or "The price was changed."


# --- applying ----------------------------------------------------------------------------------------------------


def _apply(wishes: Sequence[tuple[Offer, PriceRule, Competitor | None]]) -> Round:
    """Give locked offers the prices that their rules ask for, and push those that changed. Joins a transaction."""
    came_of_it, book = Round(), Book(offer for offer, _, _ in wishes)
    often = _changes_of_the_last_hour(wishes)
    for offer, rule, competitor in wishes:
        try:
            wanted = rules.target(rule, offer, book, competitor)
        except NoPrice as reason:
            came_of_it.notes[offer.pk] = str(reason)
            continue
        if not _is_worth_it(rule, offer, wanted, book):
            came_of_it.notes[offer.pk] = f"It stays at {wanted.because}: the difference is too small."
        elif often.get((offer.pk, rule.pk), 0) >= rule.changes_an_hour:
            came_of_it.notes[offer.pk] = (
                f"It was changed {rule.changes_an_hour} times within an hour, which is the most."
            )
        else:
            came_of_it.changes.setdefault(rule, {})[offer.pk] = NewPrice(wanted.price, note=wanted.because)
            if rule.is_dry_run:
                came_of_it.notes[offer.pk] = f"Dry run: the price would be {wanted.price:f}."
    for rule, prices in came_of_it.changes.items():
        if rule.is_dry_run:
            pricing.note_price(prices, reason=f"Rule “{rule}”", rule=rule)
        else:
            changed = pricing.set_price(prices, reason=f"Rule “{rule}”", rule=rule)
            publishing.request(Offer.objects.filter(WANTED_THERE, pk__in=changed))
    return came_of_it


def _is_worth_it(rule: PriceRule, offer: Offer, wanted: Target, book: Book) -> bool:
    """Whether the price differs by more than the dead band, or is one that must not go out."""
    if offer.price is None or book.limits(offer).refusal(offer.price):
        return wanted.price != offer.price
    return abs(wanted.price - offer.price) * 100 > offer.price * rule.dead_band


def _changes_of_the_last_hour(
    wishes: Sequence[tuple[Offer, PriceRule, Competitor | None]],
) -> dict[tuple[int, int], int]:
    """How often each rule changed each offer within the hour."""
    recent = PriceChange.objects.filter(
        offer__in=[offer.pk for offer, _, _ in wishes], rule__isnull=False, at__gt=timezone.now() - HOUR
    )
    rows = recent.order_by().values_list("offer_id", "rule_id").annotate(times=Count("pk"))
    return {(offer_id, rule_id): times for offer_id, rule_id, times in rows if rule_id is not None}
