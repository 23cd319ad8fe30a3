"""What was ordered and earned lately: orders, revenue and profit by day, what sells best.

Amounts stay in the currency of their orders; none is added to another's without a rate. Days are those of the
current time zone. Everything begins at an index by the time, so that the cost follows the days and not the years.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from inventory.rates import DatedRates, MissingRate, Rates
from marketplaces.types import OrderState
from orders import profit
from orders.models import Order, OrderLine

NOTHING = Decimal(0)
# Orders that brought no money: not yet, or not any more.
UNSOLD = (OrderState.AWAITING_PAYMENT, OrderState.CANCELLED, OrderState.RETURNED, OrderState.FAILED)
_SOLD = ~Q(state__in=UNSOLD)
Accounts = Collection[UUID]


@dataclass(frozen=True)
class Sales:
    """The orders of one account, day and currency. `amount` is what was sold less what was refunded."""

    account: UUID
    day: date
    currency: str
    orders: int
    unsold: int  # of these, the ones that brought no money
    untold: int  # of these, the ones that are sold for an amount that nobody told
    amount: Decimal


def by_day(since: datetime, accounts: Accounts) -> list[Sales]:
    """Add up the orders since then, in one statement."""
    orders = Order.objects.filter(ordered_at__gte=since, account__in=accounts).order_by()
    rows = (
        orders.annotate(day=TruncDate("ordered_at"))
        .values("account_id", "day", "currency")
        .annotate(
            orders=Count("pk"), unsold=Count("pk", filter=~_SOLD), untold=Count("pk", filter=_SOLD & Q(amount=None)),
            taken=Sum(F("amount") - F("refunded_amount"), filter=_SOLD),
        )
    )  # fmt: skip
    return [
        Sales(
            row["account_id"], row["day"], row["currency"], row["orders"], row["unsold"], row["untold"],
            row["taken"] or NOTHING,
        )
        for row in rows
    ]  # fmt: skip


def revenue(sales: Iterable[Sales]) -> dict[str, Decimal]:
    """The amounts of each currency, side by side; a currency in which nothing was sold is left out."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in sales:
        if row.orders > row.unsold + row.untold:
            found[row.currency] += row.amount
    return dict(sorted(found.items()))


def in_one(amounts: Mapping[str, Decimal], currency: str, rates: Rates) -> Decimal | None:
    """All amounts in one currency, unrounded; None where a rate is missing."""
    try:
        return sum((rates.convert(amount, base, currency) for base, amount in amounts.items()), NOTHING)
    except MissingRate:
        return None


@dataclass(frozen=True)
class Earned:
    """What the units that left an account on a day brought less their fees and cost, and which units are not in it."""

    account: UUID
    day: date
    currency: str  # of their orders
    profit: Decimal
    units: int  # that are in it
    without_fee: int  # are in it, before a fee that the marketplace did not tell
    without_cost: int
    without_price: int
    without_rate: int  # paid in one currency, sold in another


def earned(
    since: datetime, accounts: Accounts, *, until: datetime | None = None, rates: Rates | None = None
) -> list[Earned]:
    """Add up what left since then and before `until`, as the profit report does; see orders.profit.

    `rates` are those of today, where they are read already.
    """
    period = profit.Period(since, until or timezone.now() + timedelta(days=1))
    return [
        Earned(
            account, day, currency, found.profit, found.units - found.left_out, found.without_fee, found.without_cost,
            found.without_price, found.without_rate,
        )
        for (account, day), figures in profit.by_account_and_day(
            period, accounts, rates=DatedRates(timezone.localdate(period.until), rates)
        ).items()
        for currency, found in figures.items()
    ]  # fmt: skip


@dataclass(frozen=True)
class Seller:
    """A product and how many units of it were sold."""

    product: int
    sku: str
    name: str
    units: int


def best_sellers(since: datetime, accounts: Accounts, *, most: int = 10) -> list[Seller]:
    """The products of which most units were sold in orders since then, less what was refunded; in one statement."""
    orders = Order.objects.filter(_SOLD, ordered_at__gte=since, account__in=accounts)
    lines = OrderLine.objects.filter(order__in=orders, product__isnull=False).order_by()
    sold = lines.values("product_id").annotate(units=Sum(F("quantity") - F("refunded"))).filter(units__gt=0)
    most_sold = sold.order_by("-units", "product_id")
    rows = most_sold.values_list("product_id", "product__sku", "product__name", "units")[:most]
    return sorted((Seller(*row) for row in rows), key=lambda each: (-each.units, each.sku))
