"""What codes that were handed over have earned: those of one order, or of one batch.

Amounts are in the currency of each sale. A code counts with its own cost, else its batch's; an order's fee is shared by its
units; a replacement brings nothing and costs. Units of which something is not known are in no profit, and are counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from backoffice import money
from inventory.rates import MissingRate, Rates
from orders.models import DeliveryItem, OrderLine

NOTHING = Decimal(0)
MISSING = (
    ("without_price", "price unknown for {}"),
    ("without_cost", "cost unknown for {}"),
    ("without_rate", "no exchange rate for the cost of {}"),
    ("without_fee", "fee unknown for {}, taken as none"),
)


@dataclass
class Earned:
    """Sums of one currency; `profit` is sales less fees and cost of the units of which all is known."""

    currency: str
    units: int = 0
    sales: Decimal = NOTHING
    fees: Decimal = NOTHING
    cost: Decimal = NOTHING
    without_price: int = 0
    without_cost: int = 0
    without_rate: int = 0
    without_fee: int = 0

    @property
    def profit(self) -> Decimal:
        return self.sales - self.fees - self.cost

    def __str__(self) -> str:
        shown = [money.display(amount, self.currency) for amount in (self.profit, self.sales, self.fees, self.cost)]
        missing = [
            text.format(f"{units:,} {'unit' if units == 1 else 'units'}")
            for name, text in MISSING
            if (units := getattr(self, name))
        ]
        text = "{}: {} sold less {} fees and {} cost".format(*shown) if self.units else "not known"
        return "; ".join([text, *missing])


def of(items: "QuerySet[DeliveryItem]", rates: Rates) -> list[Earned]:
    """Add up what the codes in these items have earned, by currency; in one statement, and one for rates."""
    found: dict[str, Earned] = {}
    for row in _rows(items):
        _add(found.setdefault(row["currency"], Earned(row["currency"])), row, rates)
    return [found[currency] for currency in sorted(found)]


def _rows(items: "QuerySet[DeliveryItem]") -> Iterable[Any]:
    same_order = OrderLine.objects.filter(order=OuterRef("delivery__line__order")).order_by()
    units = same_order.values("order").annotate(units=Sum("quantity")).values("units")
    cost = Coalesce("code__cost", "code__batch__cost")
    left = items.filter(sent_at__isnull=False, withdrawn_at=None, returned_at=None).order_by()
    return left.values(
        line=F("delivery__line"), replaces=F("delivery__is_replacement"), currency=F("delivery__line__order__currency"),
        fee=F("delivery__line__order__fee"), price=F("delivery__line__unit_price"),
        quantity=F("delivery__line__quantity"), refunded=F("delivery__line__refunded"),
        paid_in=F("code__batch__currency"), of_order=Subquery(units),
    ).annotate(units=Count("pk"), costed=Count(cost), cost=Sum(cost))  # fmt: skip


def _add(earned: Earned, row: Mapping[str, Any], rates: Rates) -> None:
    units = row["units"]
    if row["price"] is None and not row["replaces"]:
        earned.without_price += units
        return
    costed = row["costed"] if row["paid_in"] else 0
    earned.without_cost += units - costed
    if not costed:
        return
    try:
        cost = rates.convert(row["cost"], row["paid_in"], row["currency"])
    except MissingRate:
        earned.without_rate += costed
        return
    earned.units += costed
    earned.cost += cost
    if row["replaces"]:
        return
    earned.without_fee += costed if row["fee"] is None else 0
    earned.fees += (row["fee"] or NOTHING) * costed / max(row["of_order"] or 0, costed)
    kept = max(row["quantity"] - row["refunded"], 0)
    earned.sales += row["price"] * costed * kept / max(row["quantity"], 1)
