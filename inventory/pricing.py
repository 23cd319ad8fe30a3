"""What a price means: what the buyer pays, what is left for us; and the one way in which an offer gets another price."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from backoffice import money, queue
from inventory.costs import MissingCost
from inventory.limits import Book
from inventory.models import Offer, PriceChange, PriceRule
from inventory.rates import MissingRate
from marketplaces.types import Urgency

TASK = "inventory.tasks.simulate_price"
DRY_RUN_REPEATS = timedelta(days=1)
BY_MARKETPLACE, BY_FEES = "as the marketplace says", "by the account's fees"


# --- changing it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewPrice:
    """What an offer is to cost; the currency stays where none is named. `note` says more than the reason of all."""

    amount: Decimal | None
    currency: str | None = None
    note: str = ""


def set_price(prices: Mapping[int, NewPrice], *, reason: str, by: str = "", rule: PriceRule | None = None) -> set[int]:
    """Give offers, by primary key, their prices, and write each change down; returns the keys of those that changed.

    `by` is a user's name, empty for the program. The offers are locked in one order, so that two never wait for each
    other. Pushes nothing. Joins a transaction. Safe to repeat.
    """
    with transaction.atomic():
        rows = Offer.objects.select_for_update(no_key=True).filter(pk__in=prices).order_by("pk")
        changes = _changes(prices, rows, reason=reason, by=by, rule=rule)
        _write(changes)
        PriceChange.objects.bulk_create(changes)
    return {change.offer_id for change in changes}


def note_price(prices: Mapping[int, NewPrice], *, reason: str, by: str = "", rule: PriceRule) -> None:
    """Write down what a dry run of a rule would set, and change nothing. What it said last is not said again."""
    last = (
        PriceChange.objects.filter(offer__in=prices, rule=rule, is_dry_run=True, at__gt=timezone.now() - DRY_RUN_REPEATS)
        .order_by("offer", "-at").values_list("offer_id", "before", "after", "currency")
    )  # fmt: skip
    said: dict[int, tuple[Decimal | None, Decimal | None, str]] = {}
    for offer_id, before, after, currency in last:
        said.setdefault(offer_id, (before, after, currency))
    changes = _changes(prices, Offer.objects.filter(pk__in=prices), reason=reason, by=by, rule=rule)
    fresh = [
        change for change in changes if said.get(change.offer_id) != (change.before, change.after, change.currency)
    ]
    for change in fresh:
        change.is_dry_run = True
    PriceChange.objects.bulk_create(fresh)


def _changes(
    prices: Mapping[int, NewPrice], rows: QuerySet[Offer], *, reason: str, by: str, rule: PriceRule | None
) -> list[PriceChange]:
    """The changes that bring offers to their prices, without those that change nothing."""
    changes = [
        _change(pk, prices[pk], before, currency)
        for pk, before, currency in rows.values_list("pk", "price", "currency")
    ]
    for change in changes:
        note = prices[change.offer_id].note
        change.rule, change.by, change.reason = rule, by, (f"{reason}: {note}" if note else reason)[:500]
    return [change for change in changes if change.differs]


def _change(pk: int, new: NewPrice, before: Decimal | None, currency: str) -> PriceChange:
    after = currency if new.currency is None else new.currency
    return PriceChange(offer_id=pk, before=before, after=new.amount, currency_before=currency, currency=after)


def _write(changes: list[PriceChange]) -> None:
    """Write each offer's price and currency, one short statement each, sent together."""
    price, currency = (field for field in Offer._meta.concrete_fields if field.name in ("price", "currency"))
    lines = [
        [
            price.get_db_prep_save(change.after, connection),
            currency.get_db_prep_save(change.currency, connection),
            change.offer_id,
        ]
        for change in changes
    ]
    if lines:
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {Offer._meta.db_table} SET price = %s, currency = %s WHERE id = %s", lines)  # noqa: S608


# --- what is left of it ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Earning:
    """What is left of a price for us, in the offer's currency, and who says so; None where nobody can, and then why."""

    amount: Decimal | None
    currency: str
    source: str
    cost: Decimal | None = None

    @property
    def margin(self) -> Decimal | None:
        """What is left beyond the cost."""
        return None if self.amount is None or self.cost is None else self.amount - self.cost

    @property
    def margin_percent(self) -> Decimal | None:
        """The same, in percent of the cost."""
        return None if self.margin is None or not self.cost else 100 * self.margin / self.cost

    @property
    def margin_words(self) -> str:
        """The margin for people, such as "0.42 EUR (10.0 %)"; empty where it is not known."""
        if self.margin is None:
            return ""
        percent = "" if self.margin_percent is None else f" ({self.margin_percent:.1f} %)"
        return f"{money.display(self.margin, self.currency)}{percent}"


def earning(offer: Offer, price: Decimal | None, book: Book | None = None) -> Earning:
    """Say what is left of a price after fees, beside what a unit has cost.

    The marketplace's own answer counts where it was given for exactly this price; else the fees that were entered for the
    account. Asks no marketplace.
    """
    book = book or Book([offer])
    if price is None or not offer.currency:
        return Earning(None, offer.currency, "there is no price")
    try:
        cost = book.cost(offer)
    except (MissingCost, MissingRate):
        cost = None
    if offer.we_get is not None and offer.simulated_price == price:
        return Earning(offer.we_get, offer.currency, BY_MARKETPLACE, cost)
    if book.fee(offer) is None:
        return Earning(None, offer.currency, "no fee is entered for the account", cost)
    try:
        percent, fixed = book.fee_in(offer)
    except MissingRate as error:
        return Earning(None, offer.currency, str(error), cost)
    return Earning(price * (100 - percent) / 100 - fixed, offer.currency, BY_FEES, cost)


def request_simulation(offers: QuerySet[Offer]) -> int:
    """Ask the marketplaces what the offers' prices mean, where they can tell and were not asked yet; returns how many.

    Safe to repeat. The answers come from workers, in the order of their budgets, after everything that is urgent.
    """
    unknown = offers.filter(~Q(simulated_price=F("price")) | Q(simulated_price=None)).exclude(price=None)
    asked = [offer for offer in unknown.select_related("account") if can_tell(offer)]
    with transaction.atomic():
        for offer in asked:
            queue.enqueue(TASK, offer.pk)
    return len(asked)


def simulate(offer: Offer) -> None:
    """Ask the marketplace what the offer's price means and keep its answer. Raises MarketplaceError. Safe to repeat."""
    if offer.price is None or offer.simulated_price == offer.price or not can_tell(offer):
        return
    service = offer.account.service()
    service.plan(1, Urgency.PRICE)
    earnings = service.simulate_price(offer.external_product_id, offer.price)
    Offer.objects.filter(pk=offer.pk, price=offer.price).update(
        we_get=earnings.we_get, buyer_pays=earnings.buyer_pays, simulated_price=offer.price
    )


def can_tell(offer: Offer) -> bool:
    """Whether the offer's marketplace can say what a price means."""
    return offer.account.service_class.supports("simulate_price")
