"""How long the stock of each product lasts, and whether that is too short.

The figures stand in a row a product (Cover), counted again every few minutes, so that a list of any length can show and
sort them. Quantities are units.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, F

from inventory import stock
from inventory.models import Code, Cover, Level, Offer, Product, StockSettings

LONGEST = Decimal("9999999.9")
AT_ONCE = 2000


@dataclass(frozen=True)
class Limits:
    """When a product is low. None: never, by units; 0: never, by days."""

    units: int | None
    days: int

    def is_low(self, left: int, days: Decimal | None) -> bool:
        by_units = self.units is not None and left <= self.units
        return by_units or (days is not None and days < self.days)


def days_of(left: int, sold: int, days: int) -> Decimal | None:
    """How many days `left` units last when `sold` went in `days`, to a tenth; None without sales."""
    if not sold:
        return None
    return min((Decimal(left) * days / sold).quantize(Decimal("0.1")), LONGEST)


def limits_of(low_at: int | None, low_days: int | None, general: StockSettings, *, is_offered: bool) -> Limits:
    """A product's own limits count always, the general ones only while it is offered somewhere."""
    units = low_at if low_at is not None else general.low_at if is_offered else None
    return Limits(units, low_days if low_days is not None else general.low_days if is_offered else 0)


def refresh(sold: Mapping[int, int], *, days: int) -> int:
    """Write every product's cover, with the units `sold` in the last `days`; returns how many changed. Safe to repeat.

    A handful of statements for any number of products; what did not change is not written.
    """
    general, left = StockSettings.current(), _left()
    offered = set(Offer.objects.filter(is_active=True, product__isnull=False).values_list("product_id", flat=True))
    known = {pk: facts for pk, *facts in Cover.objects.values_list("pk", "sold", "left", "days", "is_low")}
    changed = []
    for pk, low_at, low_days in Product.objects.order_by().values_list("pk", "low_at", "low_days"):
        units, gone = left.get(pk, 0), sold.get(pk, 0)
        lasts = days_of(units, gone, days)
        is_low = limits_of(low_at, low_days, general, is_offered=pk in offered).is_low(units, lasts)
        if known.get(pk) != [gone, units, lasts, is_low]:
            changed.append(Cover(product_id=pk, sold=gone, left=units, days=lasts, is_low=is_low))
    Cover.objects.bulk_create(
        changed, batch_size=AT_ONCE, update_conflicts=True, unique_fields=["product"],
        update_fields=["sold", "left", "days", "is_low"],
    )  # fmt: skip
    return len(changed)


def _left() -> dict[int, int]:
    """What can be sold of every product, in two statements."""
    codes = stock.can_be_sold(Code.objects.all()).order_by().values_list("product_id").annotate(units=Count("pk"))
    levels = Level.objects.values_list("pk", F("on_hand") - F("held"))
    return dict(codes) | dict(levels)


def words(product: Product) -> str:
    """Say how long a product lasts, for people."""
    found = Cover.objects.filter(pk=product.pk).first()
    if found is None:
        return "Not counted yet."
    if found.days is None:
        return f"{found.left} units left, none sold lately."
    low = " That is low." if found.is_low else ""
    return f"{found.left} units left, {found.sold} sold lately: they last for {found.days} days.{low}"
