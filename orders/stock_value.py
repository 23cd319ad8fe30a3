"""What lies in stock and what it has cost, by batch: codes that are not sold, and counted units by what was received last.

A code is worth its own cost, else its batch's. Of counted units the newest receipts stay longest, so what is on hand is
worth what the last receipts that cover it have cost. What nobody knows the cost of is counted, and worth nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Min, Q, Sum, Window
from django.db.models.functions import Coalesce
from django.utils import timezone

from inventory.models import Code, Level, Movement
from orders import sales

NOTHING = Decimal(0)
# Codes that are still ours: what lies in a marketplace's own inventory and what is set aside is not sold yet.
OURS = (Code.State.AVAILABLE, Code.State.HELD, Code.State.UPLOADED, Code.State.RETURNED)
DIMENSIONS = ("product", "batch", "supplier")
EXPIRES_SOON = 30  # days


@dataclass
class Stock:
    """Units of one product, batch or supplier whose cost is in one currency."""

    currency: str
    units: int = 0
    value: Decimal = NOTHING
    without_cost: int = 0
    expiring: int = 0
    expired: int = 0  # still here although its date is over
    oldest: datetime | None = None
    newest: datetime | None = None


Grouped = dict[Any, dict[str, Stock]]


def by(dimension: str, *, today: date | None = None, soon: int = EXPIRES_SOON, product: int | None = None) -> Grouped:
    """Add up what is in stock now by the dimension's key, then by currency; in two statements."""
    found: Grouped = {}
    for row in (*_codes(dimension, today or timezone.localdate(), soon, product), *_units(dimension, product)):
        groups = found.setdefault(row["key"], {})
        _add(groups.setdefault(row["currency"], Stock(row["currency"])), row)
    return found


def _add(stock: Stock, row: dict[str, Any]) -> None:
    for name in ("units", "value", "without_cost", "expiring", "expired"):
        setattr(stock, name, getattr(stock, name) + (row[name] or 0))
    stock.oldest = min(filter(None, (stock.oldest, row["oldest"])), default=None)
    stock.newest = max(filter(None, (stock.newest, row["newest"])), default=None)


def totals(grouped: Grouped) -> dict[str, Stock]:
    """All groups together, by currency."""
    found: dict[str, Stock] = {}
    for groups in grouped.values():
        for currency, stock in groups.items():
            _add(found.setdefault(currency, Stock(currency)), vars(stock))
    return dict(sorted(found.items()))


def _codes(dimension: str, today: date, soon: int, product: int | None) -> Iterable[dict[str, Any]]:
    key = {"product": F("product_id"), "batch": F("batch_id"), "supplier": F("batch__supplier_id")}[dimension]
    is_costed = (Q(cost__isnull=False) | Q(batch__cost__isnull=False)) & ~Q(batch__currency="")
    codes = Code.objects.filter(state__in=OURS).order_by()
    codes = codes.filter(product=product) if product is not None else codes
    rows: Iterable[Any] = codes.values(key=key, currency=F("batch__currency")).annotate(
        units=Count("pk"),
        value=Sum(Coalesce("cost", "batch__cost"), filter=is_costed),
        without_cost=Count("pk", filter=~is_costed),
        expiring=Count("pk", filter=Q(expires_at__gte=today, expires_at__lte=today + timedelta(days=soon))),
        expired=Count("pk", filter=Q(expires_at__lt=today)),
        oldest=Min("created_at"),
        newest=Max("created_at"),
    )
    return rows


def _units(dimension: str, product: int | None) -> Iterator[dict[str, Any]]:
    """Each receipt of counted units with as many as are still on hand, the newest first; then what no receipt covers."""
    there = Level.objects.filter(on_hand__gt=0)
    there = there.filter(product=product) if product is not None else there
    left = dict(there.values_list("product_id", "on_hand"))
    received = (
        Movement.objects.filter(kind=Movement.Kind.RECEIVED, product__in=left) if left else Movement.objects.none()
    )
    newest_first = Window(Sum("on_hand"), partition_by=F("product"), order_by=[F("at").desc(), F("pk").desc()])
    rows = received.annotate(newer=newest_first - F("on_hand")).filter(newer__lt=F("product__level__on_hand"))
    for pk, supplier, cost, currency, at, units in rows.order_by("product_id", "-at", "-pk").values_list(
        "product_id", "supplier_id", "cost", "currency", "at", "on_hand"
    ):
        here = max(min(units, left[pk]), 0)
        left[pk] -= here
        if here > 0:
            yield _received({"product": pk, "supplier": supplier}.get(dimension), here, cost, currency, at)
    for pk, units in left.items():
        if units > 0:
            yield _received(pk if dimension == "product" else None, units, None, "", None)


def _received(key: Any, units: int, cost: Decimal | None, currency: str, at: datetime | None) -> dict[str, Any]:
    is_costed = cost is not None and currency != ""
    value = units * cost if cost is not None and is_costed else NOTHING
    return {
        "key": key, "currency": currency if is_costed else "", "units": units, "value": value,
        "without_cost": 0 if is_costed else units, "expiring": 0, "expired": 0, "oldest": at, "newest": at,
    }  # fmt: skip


def dead(by_product: Grouped, days: int, now: datetime) -> set[int]:
    """Products whose stock has been here for so many days, and of which nothing was sold in all of them."""
    since = now - timedelta(days=days)
    sold = sales.sold_since(since)
    return {
        product
        for product, groups in by_product.items()
        if product not in sold and all(stock.oldest is None or stock.oldest < since for stock in groups.values())
    }
