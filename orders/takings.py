"""What was ordered and earned lately: orders and revenue by day, today's profit, what sells best.

Amounts stay in the currency of their orders; none is added to another's without a rate. Days are those of the server's
time zone. Everything begins at an index by the time, so that the cost follows the days and not the years.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, TruncDate

from inventory.models import Product, Upload
from inventory.rates import MissingRate, Rates
from marketplaces.types import OrderState
from orders.models import Delivery, DeliveryItem, Order, OrderLine, ShipmentItem

NOTHING = Decimal(0)
# Orders that brought no money: not yet, or not any more.
UNSOLD = (OrderState.AWAITING_PAYMENT, OrderState.CANCELLED, OrderState.RETURNED, OrderState.FAILED)
_SOLD = ~Q(state__in=UNSOLD)
Accounts = Collection[UUID]
# Units of a parcel that are codes of a delivery, and counted there.
_CODES_TAKEN = Case(When(line__product__kind=Product.Kind.CODES, then=F("taken")), default=0)


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


def by_day(since: datetime, accounts: Accounts, *, until: datetime | None = None) -> list[Sales]:
    """Add up the orders since then and before `until`, in one statement."""
    orders = Order.objects.filter(ordered_at__gte=since, account__in=accounts).order_by()
    orders = orders.filter(ordered_at__lt=until) if until else orders
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


@dataclass
class Profit:
    """What units brought less their fees and cost, in the currency of their orders, and which units are not in it."""

    amounts: dict[str, Decimal] = field(default_factory=dict)
    units: int = 0
    without_fee: int = 0  # are in it, before a fee that the marketplace did not tell
    without_cost: int = 0
    without_price: int = 0
    without_rate: int = 0  # paid in one currency, sold in another

    def add(self, currency: str, amount: Decimal, units: int) -> None:
        self.amounts[currency] = self.amounts.get(currency, NOTHING) + amount
        self.units += units


def profit(since: datetime, accounts: Accounts, rates: Rates) -> Profit:
    """Add up what left since then, in two statements.

    A code counts with its own cost, else its batch's; an order's fee is shared by its units. A replacement brings nothing
    and costs. Of counted units no unit's own cost is known; of a marketplace's own inventory, no sale's price.
    """
    found = Profit()
    for row in _codes_sent(since, accounts):
        _count(found, row, rates)
    others: dict[str, int | None] = dict(_others(since, accounts))
    found.without_cost += (others.get("reported") or 0) + (others.get("shipped") or 0)
    found.without_price += others.get("uploaded") or 0
    return found


def _codes_sent(since: datetime, accounts: Accounts) -> Iterable[Any]:
    """The codes handed over, by order line and the currency that they were paid in."""
    same_order = OrderLine.objects.filter(order=OuterRef("delivery__line__order")).order_by()
    units = same_order.values("order").annotate(units=Sum("quantity")).values("units")
    cost = Coalesce("code__cost", "code__batch__cost")
    return (
        DeliveryItem.objects.filter(
            sent_at__gte=since, withdrawn_at=None, returned_at=None, delivery__account__in=accounts
        )
        .order_by()
        .values(
            "delivery__is_replacement", line=F("delivery__line"), currency=F("delivery__line__order__currency"),
            fee=F("delivery__line__order__fee"), price=F("delivery__line__unit_price"),
            quantity=F("delivery__line__quantity"), refunded=F("delivery__line__refunded"),
            paid_in=F("code__batch__currency"), of_order=Subquery(units),
        )
        .annotate(units=Count("pk"), costed=Count(cost), cost=Sum(cost))
    )  # fmt: skip


def _count(found: Profit, row: Mapping[str, Any], rates: Rates) -> None:
    is_replacement, units = row["delivery__is_replacement"], row["units"]
    if row["price"] is None and not is_replacement:
        found.without_price += units
        return
    costed = row["costed"] if row["paid_in"] else 0
    found.without_cost += units - costed
    if not costed:
        return
    try:
        cost = rates.convert(row["cost"], row["paid_in"], row["currency"])
    except MissingRate:
        found.without_rate += costed
        return
    if is_replacement:
        found.add(row["currency"], -cost, costed)
        return
    if row["fee"] is None:
        found.without_fee += costed
    fee = (row["fee"] or NOTHING) * costed / max(row["of_order"] or 0, costed)
    kept = max(row["quantity"] - row["refunded"], 0)
    brought = row["price"] * costed * kept / max(row["quantity"], 1)
    found.add(row["currency"], brought - fee - cost, costed)


def _others(since: datetime, accounts: Accounts) -> Any:
    """Units that left without a code of a delivery: what a person did, parcels, a marketplace's own inventory."""
    done = (Delivery.Status.SUBMITTED, Delivery.Status.DELIVERED, Delivery.Status.PARTIAL)
    reported = Delivery.objects.filter(report_sent_at__gte=since, status__in=done, account__in=accounts)
    shipped = ShipmentItem.objects.filter(
        shipment__announced_at__gte=since, shipment__deleted_at=None, shipment__account__in=accounts
    )
    uploaded = Upload.objects.filter(sold_at__gte=since, status=Upload.Status.SOLD, account__in=accounts)
    parts = (
        ("reported", reported, Sum("reported")),
        ("shipped", shipped, Sum(Coalesce("confirmed", "wanted", 0) - _CODES_TAKEN)),
        ("uploaded", uploaded, Count("pk")),
    )
    first, *rest = (
        rows.order_by().values(what=Value(name)).annotate(found=units).values_list("what", "found")
        for name, rows, units in parts
    )
    return first.union(*rest, all=True)


@dataclass(frozen=True)
class Seller:
    """A product and how many units of it were sold."""

    product: int
    sku: str
    name: str
    units: int


def best_sellers(since: datetime, accounts: Accounts, *, most: int = 10) -> list[Seller]:
    """The products of which most units were sold in orders since then, less what was refunded; in two statements."""
    orders = Order.objects.filter(_SOLD, ordered_at__gte=since, account__in=accounts)
    lines = OrderLine.objects.filter(order__in=orders, product__isnull=False).order_by()
    sold = lines.values("product_id").annotate(units=Sum(F("quantity") - F("refunded"))).filter(units__gt=0)
    units = dict(sold.order_by("-units", "product_id").values_list("product_id", "units")[:most])
    products = Product.objects.filter(pk__in=units).values_list("pk", "sku", "name")
    return sorted((Seller(*row, units[row[0]]) for row in products), key=lambda each: (-each.units, each.sku))
