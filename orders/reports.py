"""The reports: profit, stock value, delivery times; each as a table for people, a chart, and plain rows for a file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _, ngettext

from backoffice import money
from backoffice.admin import link
from inventory.models import Batch, Product, Supplier
from inventory.rates import DatedRates
from marketplaces.models import Account
from orders import delivery_times, profit, stock_value
from orders.charts import chart
from orders.models import Order
from orders.profit import Figures, Period
from orders.stock_value import Stock

SHOWN = 200  # rows on a page; a file has them all
DRAWN = 15  # bars
DASH = "–"


@dataclass
class Report:
    """What a page shows and a file holds. `cells` are texts for people, `rows` the same as plain values."""

    title: str
    headers: list[str]
    cells: list[list[str]]
    columns: list[str]
    rows: list[list[object]]
    totals: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    charts: list[dict[str, str]] = field(default_factory=list)
    more: "Report | None" = None

    @property
    def table(self) -> dict[str, Any]:
        return {"headers": self.headers, "rows": [*self.totals, *self.cells[:SHOWN]]}

    @property
    def hidden(self) -> int:
        return max(len(self.cells) - SHOWN, 0)


def house_currency(accounts: Iterable[Account]) -> str:
    """The currency in which most was ordered in the last 90 days; EUR before the first order."""
    since = timezone.now() - timedelta(days=90)
    orders = Order.objects.filter(ordered_at__gte=since, account__in=[each.pk for each in accounts]).order_by()
    counted = orders.exclude(currency="").values("currency").annotate(n=Count("pk")).order_by("-n", "currency")
    first = counted.first()
    return str(first["currency"]) if first else "EUR"


# --- what a key is called ----------------------------------------------------------------------------------------


def _names(dimension: str, keys: Iterable[Any]) -> Callable[[Any], tuple[str, str]]:
    """How a key is written in a file, and as a link to its page."""
    known = [key for key in keys if key is not None]
    names: dict[Any, str] = {}
    if dimension == "account":
        names = {
            account.pk: str(account) for account in Account.objects.filter(pk__in=known).only("name", "is_sandbox")
        }
    elif dimension == "product":
        names = dict(Product.objects.filter(pk__in=known).values_list("pk", "sku"))
    elif dimension == "batch":
        names = {batch.pk: str(batch) for batch in Batch.objects.filter(pk__in=known).select_related("product")}
    elif dimension == "supplier":
        names = dict(Supplier.objects.filter(pk__in=known).values_list("pk", "name"))
    page = {"account": "marketplaces_account", "batch": "inventory_batch"}.get(dimension, f"inventory_{dimension}")

    def name(key: Any) -> tuple[str, str]:
        if isinstance(key, date):
            return key.isoformat(), key.isoformat()
        if key is None:
            unknown = _("(unknown)") if dimension in ("product", "account") else _("(none)")
            return unknown, unknown
        return names.get(key, str(key)), link(f"admin:{page}_change", names.get(key, str(key)), key)

    return name


TITLES = {
    "day": lambda: _("Day"), "account": lambda: _("Account"), "product": lambda: _("Product"), "batch": lambda: _("Batch"),
    "supplier": lambda: _("Supplier"),
}  # fmt: skip


# --- profit ------------------------------------------------------------------------------------------------------


def profit_report(
    dimension: str, days: tuple[date, date], period: Period, accounts: Sequence[UUID], house: str, product: int | None
) -> Report:
    """What was handed over in the period, by one dimension, after refunds, fees and cost."""
    grouped = profit.by(dimension, period, accounts, house=house, product=product)
    name, totals = _names(dimension, grouped), profit.totals(grouped)
    flat = [(key, figures) for key, groups in grouped.items() for figures in groups.values()]
    flat.sort(key=_newest if dimension == "day" else _most)
    title = TITLES[dimension]()
    headers = [
        title, _("Currency"), _("Units"), _("Sales"), _("Refunds"), _("Fees"), _("Cost"), _("Profit"),
        _("Profit in %(currency)s") % {"currency": house}, _("Not in profit"),
    ]  # fmt: skip
    return Report(
        title=_("Profit"),
        headers=headers,
        cells=[[name(key)[1], *_profit_cells(figures, house)] for key, figures in flat],
        columns=[
            dimension, "currency", "units", "sales", "refunds", "fees", "cost", "profit", f"profit_{house}",
            "units_without_price", "units_without_cost", "units_without_rate", "units_without_fee",
        ],
        rows=[[name(key)[0], *_profit_row(figures, house)] for key, figures in flat],
        totals=[[_("All"), *_profit_cells(figures, house)] for figures in totals.values()],
        notes=_profit_notes(totals, house),
        charts=[_profit_chart(dimension, days, grouped, name, house)] if flat else [],
    )  # fmt: skip


def _newest(row: tuple[Any, Figures]) -> Any:
    return -row[0].toordinal(), row[1].currency


def _most(row: tuple[Any, Figures]) -> Any:
    worth = row[1].converted
    return worth is None, -(worth or 0), str(row[0]), row[1].currency


def _profit_cells(figures: Figures, house: str) -> list[str]:
    amounts = (figures.sales, figures.refunds, figures.fees, figures.cost, figures.profit)
    converted = _("no rate") if figures.converted is None else money.display(figures.converted, house)
    return [
        figures.currency or DASH, f"{figures.units:,}", *(money.display(each, figures.currency) for each in amounts),
        converted,
        _("%(units)s units") % {"units": f"{figures.left_out:,}"} if figures.left_out else "",
    ]  # fmt: skip


def _profit_row(figures: Figures, house: str) -> list[object]:
    amounts = (figures.sales, figures.refunds, figures.fees, figures.cost, figures.profit)
    return [
        figures.currency, figures.units, *(money.rounded(each, figures.currency) for each in amounts),
        "" if figures.converted is None else money.rounded(figures.converted, house),
        figures.without_price, figures.without_cost, figures.without_rate, figures.without_fee,
    ]  # fmt: skip


def _profit_notes(totals: Mapping[str, Figures], house: str) -> list[str]:
    def count(name: str) -> int:
        return sum(getattr(figures, name) for figures in totals.values())

    notes = []
    if units := count("without_price"):
        notes.append(_(
            "%(units)s units are in no profit: the marketplace told no price of theirs."
        ) % {"units": f"{units:,}"})  # fmt: skip
    if units := count("without_cost"):
        notes.append(_(
            "%(units)s units are in no profit: their cost is unknown. Enter it on the batch, or with what was received."
        ) % {"units": f"{units:,}"})  # fmt: skip
    if units := count("without_rate"):
        notes.append(_(
            "%(units)s units are in no profit: they were bought in another currency, and no exchange rate is known."
        ) % {"units": f"{units:,}"})  # fmt: skip
    if units := count("without_fee"):
        notes.append(_("Of %(units)s units no fee was told; it is taken as none.") % {"units": f"{units:,}"})
    return [*notes, *_missing(set().union(*(figures.missing_rates for figures in totals.values())), house)]


def _missing(pairs: Iterable[tuple[str, str]], house: str) -> list[str]:
    words = ", ".join(f"{base} → {quote}" for base, quote in sorted(pairs) if base and quote)
    if not words:
        return []
    return [
        _("No exchange rate is known for some of the days: %(pairs)s. Enter it under Exchange rates.")
        % {"pairs": words}
    ]


def _profit_chart(
    dimension: str, days: tuple[date, date], grouped: profit.Grouped, name: Callable[[Any], tuple[str, str]], house: str
) -> dict[str, str]:
    sums = {
        key: sum((figures.converted or Decimal(0) for figures in groups.values()), Decimal(0))
        for key, groups in grouped.items()
    }
    label = _("Profit in %(currency)s") % {"currency": house}
    if dimension != "day":
        top = sorted(sums, key=lambda key: (-sums[key], str(key)))[:DRAWN]
        return chart(label, "bar", top, {label: sums}, words=[name(key)[0] for key in top])
    first, last = days
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return chart(label, "line", every, {label: sums}, words=[f"{day:%d %b}" for day in every])


# --- stock -------------------------------------------------------------------------------------------------------


def stock_report(dimension: str, house: str, product: int | None, unsold_days: int, only: str) -> Report:
    """What is in stock now, what it has cost, how old it is, what expires and what nobody buys."""
    now, today = timezone.now(), timezone.localdate()
    grouped = stock_value.by(dimension, today=today, product=product)
    idle = stock_value.dead(grouped, unsold_days, now) if dimension == "product" else set()
    if only == "dead":
        grouped = {key: groups for key, groups in grouped.items() if key in idle}
    elif only == "expiring":
        grouped = {
            key: groups
            for key, groups in grouped.items()
            if any(each.expiring + each.expired for each in groups.values())
        }
    rates, name, totals = DatedRates(today), _names(dimension, grouped), stock_value.totals(grouped)
    worth = {
        (key, each.currency): _worth(each, house, rates, today)
        for key, groups in grouped.items()
        for each in groups.values()
    }
    flat = [(key, each) for key, groups in grouped.items() for each in groups.values()]
    flat.sort(key=lambda row: (-(worth[row[0], row[1].currency] or 0), -row[1].units, str(row[0])))
    return Report(
        title=_("Stock value"),
        headers=[
            TITLES[dimension](), _("Currency"), _("Units"), _("Value"), _("Value in %(currency)s") % {"currency": house},
            _("Cost unknown"), _("Oldest"), _("Expire in 30 days"), _("Expired"),
            *([_("Sales")] if dimension == "product" else []),
        ],
        cells=[
            [name(key)[1], *_stock_cells(each, worth[key, each.currency], house, now),
             *_idle(dimension, key in idle, unsold_days)]
            for key, each in flat
        ],
        columns=[
            dimension, "currency", "units", "value", f"value_{house}", "units_without_cost", "oldest", "newest",
            "expire_in_30_days", "expired", *([f"unsold_for_{unsold_days}_days"] if dimension == "product" else []),
        ],
        rows=[
            [name(key)[0], *_stock_row(each, worth[key, each.currency], house),
             *(["yes" if key in idle else "no"] if dimension == "product" else [])]
            for key, each in flat
        ],
        totals=[
            [_("All"), *_stock_cells(each, _worth(each, house, rates, today), house, now), *_idle(dimension, False, 0)]
            for each in totals.values()
        ],
        notes=_stock_notes(totals, rates, house, today),
        charts=[_stock_chart(grouped, worth, name, house)] if flat else [],
    )  # fmt: skip


def _worth(stock: Stock, house: str, rates: DatedRates, today: date) -> Decimal | None:
    if stock.units == stock.without_cost:
        return Decimal(0)
    return rates.convert(stock.value, stock.currency, house, today)


def _idle(dimension: str, is_dead: bool, days: int) -> list[str]:
    if dimension != "product":
        return []
    return [_("none for %(days)s days") % {"days": days} if is_dead else ""]


def _stock_cells(stock: Stock, worth: Decimal | None, house: str, now: datetime) -> list[str]:
    days = (now - stock.oldest).days if stock.oldest else None
    age = DASH if days is None else ngettext("%(n)s day", "%(n)s days", days) % {"n": days}
    return [
        stock.currency or DASH, f"{stock.units:,}", money.display(stock.value, stock.currency),
        _("no rate") if worth is None else money.display(worth, house),
        *(f"{count:,}" if count else "" for count in (stock.without_cost,)), age,
        *(f"{count:,}" if count else "" for count in (stock.expiring, stock.expired)),
    ]  # fmt: skip


def _stock_row(stock: Stock, worth: Decimal | None, house: str) -> list[object]:
    return [
        stock.currency, stock.units, money.rounded(stock.value, stock.currency),
        "" if worth is None else money.rounded(worth, house), stock.without_cost,
        *(timezone.localtime(at).isoformat(timespec="seconds") if at else "" for at in (stock.oldest, stock.newest)),
        stock.expiring, stock.expired,
    ]  # fmt: skip


def _stock_notes(totals: Mapping[str, Stock], rates: DatedRates, house: str, today: date) -> list[str]:
    units = sum(stock.without_cost for stock in totals.values())
    notes = [_(
        "The cost of %(units)s units is unknown; they are counted, and worth nothing here. Enter it on the batch."
    ) % {"units": f"{units:,}"}] if units else []  # fmt: skip
    pairs = {(each.currency, house) for each in totals.values() if _worth(each, house, rates, today) is None}
    return [*notes, *_missing(pairs, house)]


def _stock_chart(
    grouped: stock_value.Grouped,
    worth: Mapping[Any, Decimal | None],
    name: Callable[[Any], tuple[str, str]],
    house: str,
) -> dict[str, str]:
    sums = {
        key: sum((worth[key, each.currency] or Decimal(0) for each in groups.values()), Decimal(0))
        for key, groups in grouped.items()
    }
    label = _("Value in %(currency)s") % {"currency": house}
    top = sorted(sums, key=lambda key: (-sums[key], str(key)))[:DRAWN]
    return chart(label, "bar", top, {label: sums}, words=[name(key)[0] for key in top])


# --- delivery times ----------------------------------------------------------------------------------------------


def times_report(days: tuple[date, date], period: Period, accounts: Sequence[Account], product: int | None) -> Report:
    """How fast deliveries were, by account and by day, against the marketplaces' targets."""
    now, keys, by_pk = timezone.now(), [account.pk for account in accounts], {each.pk: each for each in accounts}
    measured = [
        delivery_times.by_account(period, keys, now=now, product=product, by_day=by_day) for by_day in (False, True)
    ]
    together, daily = measured
    headers = [
        _("Account"), _("Asked for"), _("Handed over"), _("Median"), _("95 %"), _("99 %"), _("In time"), _("Late"),
        _("Target"),
    ]  # fmt: skip
    columns = [
        "account", "day", "asked", "handed_over", "median_seconds", "p95_seconds", "p99_seconds", "in_time", "late",
        "in_time_percent", "target_seconds",
    ]  # fmt: skip
    together.sort(key=lambda row: str(by_pk[row.account]))
    report = Report(
        title=_("Delivery times"),
        headers=headers,
        cells=[_times_cells(row, by_pk[row.account]) for row in together],
        columns=columns,
        rows=[_times_row(row, by_pk[row.account]) for row in daily],
        notes=[_(
            "From the marketplace's request to the last unit handed over; of all deliveries, so many percent took no longer."
            " A deadline that came with the request goes before the marketplace's target. What is still open counts as late"
            " once its target is over; what was stopped does not count."
        )],
        charts=[_times_chart(days, daily, by_pk)] if daily else [],
    )  # fmt: skip
    report.more = Report(
        title=_("By day"), headers=[_("Day"), *headers], columns=[], rows=[],
        cells=[[row.day.isoformat(), *_times_cells(row, by_pk[row.account])] for row in daily],
    )  # fmt: skip
    return report


def _seconds(value: float | None) -> str:
    if value is None:
        return DASH
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _times_cells(row: delivery_times.Times, account: Account) -> list[str]:
    share = DASH if row.share is None else f"{row.share:.1f} %"
    target = account.service_class.delivery_target_seconds
    return [
        link("admin:marketplaces_account_change", str(account), account.pk), f"{row.asked:,}", f"{row.done:,}",
        *(_seconds(value) for value in (row.median, row.p95, row.p99)), share, f"{row.late:,}" if row.late else "",
        _seconds(target),
    ]  # fmt: skip


def _times_row(row: delivery_times.Times, account: Account) -> list[object]:
    times = ("" if value is None else f"{value:.3f}" for value in (row.median, row.p95, row.p99))
    return [
        str(account), row.day.isoformat(), row.asked, row.done, *times, row.in_time, row.late,
        "" if row.share is None else f"{row.share:.2f}", account.service_class.delivery_target_seconds,
    ]  # fmt: skip


def _times_chart(
    days: tuple[date, date], daily: Sequence[delivery_times.Times], by_pk: Mapping[UUID, Account]
) -> dict[str, str]:
    first, last = days
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    series: dict[str, dict[date, float]] = {}
    for row in daily:
        series.setdefault(str(by_pk[row.account]), {})[row.day] = row.p95 or 0
    title = _("95 % of a day's deliveries took at most, in seconds")
    return chart(title, "line", every, series, words=[f"{day:%d %b}" for day in every])
