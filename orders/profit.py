"""What was handed over in a period, and what it earned after fees, refunds and cost: the figures of the profit report.

A unit counts on the day it left, in the currency of its order. A code counts with its own cost, else its batch's; a counted
unit with the average of all receipts of its product that name a cost. An order's fee and refund are shared by its units. A
replacement brings nothing and costs. A unit of which something is not known is counted by the name of what is missing, and
is in no profit. Everything begins at an index by the time, so that the cost follows the days and not the years.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, Sum
from django.utils import timezone

from inventory.models import Batch, Code, Movement, Product, Upload
from inventory.rates import DatedRates
from marketplaces.models import Account
from orders.models import Delivery, DeliveryItem, Order, OrderLine, Shipment, ShipmentItem

NOTHING = Decimal(0)
# By what the figures can be split: a column of what was handed over.
DIMENSIONS = {
    "day": "handed.day",
    "account": "handed.account_id",
    "product": "handed.product_id",
    "batch": "handed.batch_id",
    "supplier": "handed.supplier_id",
}


@dataclass(frozen=True)
class Period:
    """From the first moment to before the last, and whose days they are."""

    since: datetime
    until: datetime


@dataclass
class Figures:
    """Sums of one currency. `profit` is of the units of which all is known, the others are counted by what is missing."""

    currency: str
    units: int = 0
    sales: Decimal = NOTHING
    refunds: Decimal = NOTHING
    fees: Decimal = NOTHING
    cost: Decimal = NOTHING
    profit: Decimal = NOTHING
    without_price: int = 0
    without_cost: int = 0
    without_rate: int = 0  # bought in one currency, sold in another
    without_fee: int = 0  # are in the profit, before a fee that nobody told
    converted: Decimal | None = NOTHING  # the profit in the shop's currency, by each day's rate; None: one is missing
    missing_rates: set[tuple[str, str]] = field(default_factory=set)

    @property
    def left_out(self) -> int:
        """Units that are in no profit."""
        return self.without_price + self.without_cost + self.without_rate

    def __iadd__(self, other: "Figures") -> "Figures":
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if each.name == "missing_rates":
                mine |= theirs
            elif each.name == "converted":
                self.converted = None if mine is None or theirs is None else mine + theirs
            elif each.name != "currency":
                setattr(self, each.name, mine + theirs)
        return self


Grouped = dict[Any, dict[str, Figures]]


def by(
    dimension: str,
    period: Period,
    accounts: Collection[UUID],
    *,
    house: str,
    product: int | None = None,
    rates: DatedRates | None = None,
) -> Grouped:
    """Add up what left in the period: figures by the dimension's key, then by currency; in four statements at most.

    Days are those of the current time zone. `house` is the currency that `converted` is in.
    """
    return _grouped(
        _rows(dimension, period, accounts, product),
        house,
        rates or DatedRates(timezone.localdate(period.until)),
        lambda row: row["key"],
    )


def by_account_and_day(period: Period, accounts: Collection[UUID], *, rates: DatedRates) -> Grouped:
    """Add up what left in the period, as by() does: figures by (account, day), then by currency; none is converted."""
    rows = _rows("account", period, accounts, None)
    return _grouped(rows, "", rates, lambda row: (row["key"], row["day"]))


def _grouped(
    found: Iterable[dict[str, Any]], house: str, rates: DatedRates, key: Callable[[dict[str, Any]], Any]
) -> Grouped:
    rows = list(found)
    averages = _averages({row["counted"] for row in rows if row["counted"] is not None})
    grouped: Grouped = defaultdict(dict)
    for row in rows:
        figures = grouped[key(row)].setdefault(row["currency"], Figures(row["currency"]))
        _add(figures, row, _costs(row, averages), rates, house)
    return dict(grouped)


def totals(grouped: Grouped) -> dict[str, Figures]:
    """All groups together, by currency."""
    found: dict[str, Figures] = {}
    for groups in grouped.values():
        for currency, figures in groups.items():
            found.setdefault(currency, Figures(currency)).__iadd__(figures)
    return dict(sorted(found.items()))


def _costs(row: Mapping[str, Any], averages: Mapping[int, Mapping[str, Decimal]]) -> dict[str, Decimal] | None:
    """What the row's units have cost, by the currency it was paid in; None where nobody knows."""
    if row["costed"]:
        return {row["paid_in"]: row["cost"]}
    average = averages.get(row["counted"])
    return {currency: each * row["units"] for currency, each in average.items()} if average else None


def _add(
    figures: Figures, row: Mapping[str, Any], costs: Mapping[str, Decimal] | None, rates: DatedRates, house: str
) -> None:
    units, day, currency = row["units"], row["day"], row["currency"]
    figures.units += units
    brought = row["sales"] - row["refunds"] - row["fees"]
    figures.sales += row["sales"]
    figures.refunds += row["refunds"]
    figures.fees += row["fees"]
    if not row["priced"] and not row["replaces"]:
        figures.without_price += units
        return
    if costs is None:
        figures.without_cost += units
        return
    cost = _converted(costs, currency, day, rates, figures)
    if cost is None:
        figures.without_rate += units
        return
    if not row["fee_known"] and not row["replaces"]:
        figures.without_fee += units
    figures.cost += cost
    figures.profit += brought - cost
    worth = _converted({currency: brought - cost}, house, day, rates, figures) if house else None
    figures.converted = None if worth is None or figures.converted is None else figures.converted + worth


def _converted(
    amounts: Mapping[str, Decimal], currency: str, day: date, rates: DatedRates, figures: Figures
) -> Decimal | None:
    total: Decimal | None = NOTHING
    for base, amount in amounts.items():
        worth = rates.convert(amount, base, currency, day)
        if worth is None:
            figures.missing_rates.add((base, currency))
        total = None if worth is None or total is None else total + worth
    return total


def _averages(products: Collection[int]) -> dict[int, dict[str, Decimal]]:
    """What a unit of counted products has cost on average: what was paid in each currency over all units received."""
    if not products:
        return {}
    received = Movement.objects.filter(~Q(currency=""), product__in=products, kind="received", cost__isnull=False)
    rows = received.order_by().values_list("product_id", "currency")
    paid = list(rows.annotate(units=Sum("on_hand"), paid=Sum(F("on_hand") * F("cost"))))
    units: dict[int, int] = defaultdict(int)
    for product, _, count, _ in paid:
        units[product] += count
    found: dict[int, dict[str, Decimal]] = defaultdict(dict)
    for product, currency, _, amount in paid:
        if units[product]:
            found[product][currency] = amount / units[product]
    return found


# --- the statement -----------------------------------------------------------------------------------------------

_FROM = {
    "item": DeliveryItem, "delivery": Delivery, "line": OrderLine, "orders": Order, "code": Code, "batch": Batch,
    "shipment": Shipment, "shipped": ShipmentItem, "upload": Upload, "goods": Product,
}  # fmt: skip
_TABLE = {name: model._meta.db_table for name, model in _FROM.items()}

_PARCEL_UNITS = (
    "(COALESCE(shipped.confirmed, shipped.wanted, 0) - CASE goods.kind WHEN 'codes' THEN shipped.taken ELSE 0 END)"
)
# A code that was handed over, units that a person topped up, a parcel's units, a code sold out of an offer's own inventory.
# Codes that left with a parcel were handed over, so they are not counted with its units again.
_HANDED = """
    SELECT delivery.line_id, line.product_id, delivery.account_id, delivery.is_replacement AS replaces, {item_day} AS day,
           code.batch_id, batch.supplier_id, batch.currency AS paid_in, COALESCE(code.cost, batch.cost) AS cost,
           COUNT(*) AS units
      FROM {item} item
      JOIN {delivery} delivery ON delivery.id = item.delivery_id
      JOIN {line} line ON line.id = delivery.line_id
      JOIN {code} code ON code.id = item.code_id
      JOIN {batch} batch ON batch.id = code.batch_id
     WHERE item.sent_at >= %s AND item.sent_at < %s AND item.withdrawn_at IS NULL AND item.returned_at IS NULL
       AND delivery.account_id IN ({accounts})
     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    UNION ALL
    SELECT delivery.line_id, line.product_id, delivery.account_id, delivery.is_replacement, {report_day},
           NULL, NULL, NULL, NULL, delivery.reported
      FROM {delivery} delivery
      JOIN {line} line ON line.id = delivery.line_id
     WHERE delivery.report_sent_at >= %s AND delivery.report_sent_at < %s AND delivery.reported > 0
       AND delivery.status IN ('submitted', 'delivered', 'partial') AND delivery.account_id IN ({accounts})
    UNION ALL
    SELECT shipped.line_id, line.product_id, shipment.account_id, {no}, {parcel_day},
           NULL, NULL, NULL, NULL, {parcel_units}
      FROM {shipment} shipment
      JOIN {shipped} shipped ON shipped.shipment_id = shipment.id
      LEFT JOIN {line} line ON line.id = shipped.line_id
      LEFT JOIN {goods} goods ON goods.id = line.product_id
     WHERE shipment.announced_at >= %s AND shipment.deleted_at IS NULL AND {parcel_at} >= %s AND {parcel_at} < %s
       AND {parcel_units} > 0 AND shipment.account_id IN ({accounts})
    UNION ALL
    SELECT NULL, code.product_id, upload.account_id, {no}, {upload_day},
           code.batch_id, batch.supplier_id, batch.currency, COALESCE(code.cost, batch.cost), 1
      FROM {upload} upload
      JOIN {code} code ON code.id = upload.code_id
      JOIN {batch} batch ON batch.id = code.batch_id
     WHERE upload.sold_at >= %s AND upload.sold_at < %s AND upload.status = 'sold' AND upload.account_id IN ({accounts})
"""
# A parcel that was made at the marketplace is announced here when it is first read, which is later.
_PARCEL_AT = "COALESCE(shipment.remote_created_at, shipment.announced_at)"
_DAYS = {
    "item_day": "item.sent_at", "report_day": "delivery.report_sent_at", "parcel_day": _PARCEL_AT,
    "upload_day": "upload.sold_at",
}  # fmt: skip

# What of an order was refunded: the amount that was told, else its refunded units. It falls on the lines with refunded
# units, and on all of them where the marketplace told no units. `1.0 *`: an amount without cents is an integer to SQLite.
_PROFIT = """
WITH handed AS ({handed}),
known AS (
    SELECT line.order_id, SUM(line.quantity) AS units, SUM(1.0 * line.unit_price * line.quantity) AS worth,
           SUM(1.0 * line.unit_price * CASE WHEN line.refunded < line.quantity THEN line.refunded ELSE line.quantity END)
               AS refunded
      FROM {line} line
     WHERE line.order_id IN (SELECT line.order_id FROM {line} line WHERE line.id IN (SELECT line_id FROM handed))
     GROUP BY line.order_id
),
priced AS (
    SELECT {key} AS key, handed.day, COALESCE(orders.currency, '') AS currency, COALESCE(handed.paid_in, '') AS paid_in,
           handed.replaces, handed.units, handed.units * handed.cost AS cost,
           CASE WHEN handed.batch_id IS NULL THEN handed.product_id END AS counted,
           CASE WHEN handed.cost IS NOT NULL AND handed.paid_in <> '' THEN 1 ELSE 0 END AS costed,
           CASE WHEN line.unit_price IS NOT NULL AND orders.currency <> '' THEN 1 ELSE 0 END AS is_priced,
           CASE WHEN orders.fee IS NOT NULL THEN 1 ELSE 0 END AS fee_known,
           1.0 * line.unit_price * handed.units AS sales,
           1.0 * orders.fee * handed.units
               / CASE WHEN known.units > handed.units THEN known.units ELSE handed.units END AS fee,
           COALESCE(NULLIF(1.0 * orders.refunded_amount, 0), known.refunded) * handed.units / NULLIF(line.quantity, 0)
               * line.unit_price * CASE WHEN known.refunded = 0 THEN line.quantity
                                        WHEN line.refunded < line.quantity THEN line.refunded ELSE line.quantity END
               / NULLIF(CASE WHEN known.refunded = 0 THEN known.worth ELSE known.refunded END, 0) AS refund
      FROM handed
      LEFT JOIN {line} line ON line.id = handed.line_id
      LEFT JOIN {orders} orders ON orders.id = line.order_id
      LEFT JOIN known ON known.order_id = line.order_id
     {product}
)
SELECT key, day, currency, paid_in, counted, replaces, is_priced, costed, fee_known, SUM(units), SUM(cost),
       SUM(CASE WHEN NOT replaces AND is_priced = 1 THEN sales END),
       SUM(CASE WHEN NOT replaces AND is_priced = 1 THEN fee END),
       SUM(CASE WHEN NOT replaces AND is_priced = 1 THEN refund END)
  FROM priced
 GROUP BY key, day, currency, paid_in, counted, replaces, is_priced, costed, fee_known
"""
_COLUMNS = (
    "key", "day", "currency", "paid_in", "counted", "replaces", "priced", "costed", "fee_known", "units", "cost", "sales",
    "fees", "refunds",
)  # fmt: skip
_AMOUNTS = ("cost", "sales", "fees", "refunds")


def statement(
    dimension: str, period: Period, accounts: Collection[UUID], product: int | None = None
) -> tuple[str, list[Any]]:
    """The one statement that reads it all, and its parameters."""
    ops, zone = connection.ops, timezone.get_current_timezone_name()
    keys = [Account._meta.pk.get_db_prep_value(account, connection) for account in accounts]
    times = [ops.adapt_datetimefield_value(moment) for moment in (period.since, period.until)]
    parts: dict[str, str] = {
        **_TABLE,
        "accounts": ", ".join(["%s"] * len(keys)),
        "no": "FALSE",
        "parcel_at": _PARCEL_AT,
        "parcel_units": _PARCEL_UNITS,
    }
    params: list[Any] = []
    for name, column in _DAYS.items():
        parts[name], given = ops.datetime_cast_date_sql(column, (), zone)
        params += [*given, *(times[:1] if column == _PARCEL_AT else []), *times, *keys]
    handed = _HANDED.format(**parts)
    where = "WHERE handed.product_id = %s" if product is not None else ""
    sql = _PROFIT.format(**_TABLE, handed=handed, key=DIMENSIONS[dimension], product=where)
    return sql, [*params, *([product] if product is not None else [])]


def _rows(dimension: str, period: Period, accounts: Collection[UUID], product: int | None) -> Iterator[dict[str, Any]]:
    if not accounts:
        return
    with connection.cursor() as cursor:
        cursor.execute(*statement(dimension, period, accounts, product))
        found: Iterable[Any] = cursor.fetchall()
    for values in found:
        row = dict(zip(_COLUMNS, values, strict=True))
        row["units"] = int(row["units"])
        row["day"] = row["day"] if isinstance(row["day"], date) else date.fromisoformat(row["day"])
        for name in _AMOUNTS:
            row[name] = NOTHING if row[name] is None else Decimal(str(row[name]))
        if dimension == "day":
            row["key"] = row["day"]
        elif dimension == "account" and not isinstance(row["key"], UUID):
            row["key"] = UUID(row["key"])
        yield row
