"""The admin's front page: what came in, what is left, what needs a person, how the accounts are.

unfold calls `context`. Each part is only for those who may see the lists that it sums up. The figures are kept for a
minute for everyone who may see the same, by each process for itself: to write them into a table costs more statements than a
part of them. Days that are over are added up beforehand; see orders.past_sales.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.cache import caches
from django.db.models import Count, F, Sum, Value
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.timesince import timesince

from backoffice import money
from backoffice.admin import link
from inventory.models import Cover, Offer, Product
from inventory.rates import Rates
from marketplaces import services, vitals
from marketplaces.models import Account
from orders import attention, past_sales, takings
from orders.attention import NEEDS, WAITS_ON, Health
from orders.charts import STACKED, chart
from orders.past_sales import DAYS, Lately
from orders.takings import Earned, Sales

# Seconds.
KEPT = 60
LOWEST = 5
HEALTH = ("Account", "State", "Last success", "Waiting", "Lag", "Budget used")
HEALTH_NOTES = (
    "Lag: how long what is due has waited.",
    "Calls failed: of those of the last hour, the last 200 at the most.",
)
# What is due is taken within a second or so; only what lies for longer lags.
LAG = timedelta(minutes=1)
# Units whose profit is not known, or not for sure, in words.
MISSING = {
    "without_cost": "Cost unknown for {}",
    "without_price": "Price unknown for {}",
    "without_rate": "No exchange rate for the cost of {}",
    "without_fee": "Fee unknown for {}, taken as none",
}
# The lists whose permission decides what is shown.
PAGES = sorted(
    {need.page for need in NEEDS}
    | set(WAITS_ON.values())
    | {"inventory.code", "inventory.product", "marketplaces.account", "marketplaces.apicall"}
)


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard to the context of the admin's front page."""
    pages = {page for page in PAGES if _may(request, "view", page) or _may(request, "change", page)}
    board = cached(pages) if pages else {}
    steps = [step for step in board.get("steps", ()) if _may(request, "add", step["page"])]
    return {**context, "dashboard": board, "steps": steps}


def _may(request: HttpRequest, verb: str, page: str) -> bool:
    app, model = page.split(".")
    return bool(request.user.has_perm(f"{app}.{verb}_{model}"))


def cached(pages: Collection[str]) -> dict[str, Any]:
    """The figures for those who may see these lists, at most a minute old."""
    key = past_sales.kept_as("dashboard", pages)
    found: dict[str, Any] | None = caches["figures"].get(key)
    if found is None:
        found = figures(pages)
        caches["figures"].set(key, found, KEPT)
    return found


def figures(pages: Collection[str]) -> dict[str, Any]:
    """Count everything for those who may see these lists: texts, links and numbers alone, so that it can be kept."""
    found, with_health = Account.objects.order_by("name"), "marketplaces.account" in pages
    found = found.defer("credentials", "webhook_secrets", "letter_sent")
    accounts = list(vitals.joined(found) if with_health else found)
    counted = past_sales.shown(accounts)
    play_only = bool(counted) and counted[0].is_sandbox
    board: dict[str, Any] = {"now": timezone.now(), "cards": [], "play_only": play_only}
    if "orders.order" in pages:
        board |= _sales(counted, pages)
    board["cards"] += _stock(pages)
    standing = attention.look(accounts if with_health else (), pages)
    board["needs"] = [{"text": each.text, "link": _list(each.need.page, each.need.query)} for each in standing.needs]
    if with_health:
        with_calls = "marketplaces.apicall" in pages
        board["health"] = {
            "headers": [*HEALTH, *(["Calls failed"] if with_calls else [])],
            "rows": [_health_row(row, with_calls=with_calls) for row in standing.health],
            "notes": HEALTH_NOTES[: 2 if with_calls else 1],
        }
    board["steps"] = _steps(accounts) if not board.get("has_orders") else []
    return board


def _list(page: str, query: str = "") -> str:
    url = reverse(f"admin:{page.replace('.', '_')}_changelist")
    return f"{url}?{query}" if query else url


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


# --- sales ---------------------------------------------------------------------------------------------------


def _sales(accounts: list[Account], pages: Collection[str]) -> dict[str, Any]:
    days, marketplaces = past_sales.days(), {account.pk: account.marketplace for account in accounts}
    with_profit = {"inventory.code", "orders.delivery"} <= set(pages)
    today, rates = days[-1], Rates()
    found = past_sales.lately(list(marketplaces), rates=rates, with_profit=with_profit)
    cards = [_orders_card(found.sales, today), _revenue_card(found.sales, today, rates)]
    if with_profit:
        cards.append(_profit_card([row for row in found.earned if row.day == today]))
    rows = [[_product(each.product, each.sku, pages), each.name, f"{each.units:,}"] for each in found.sold]
    return {
        "cards": cards,
        "charts": _charts(found, days, marketplaces),
        "sellers": {"headers": ["SKU", "Name", "Units"], "rows": rows},
        "has_orders": bool(found.sales),
    }


def _orders_card(sales: list[Sales], today: date) -> dict[str, Any]:
    count, unsold = (sum(getattr(row, name) for row in sales if row.day == today) for name in ("orders", "unsold"))
    notes = [f"{unsold:,} of them not paid yet, cancelled, returned or failed"] if unsold else []
    begins = past_sales.midnight(today).isoformat()
    query = f"ordered_at__gte={begins.replace('+', '%2B')}"
    return _card("Orders today", [f"{count:,}"], notes, _list("orders.order", query))


def _revenue_card(sales: list[Sales], today: date, rates: Rates) -> dict[str, Any]:
    of_today = [row for row in sales if row.day == today]
    amounts, untold = takings.revenue(of_today), sum(row.untold for row in of_today)
    notes = [f"{_many(untold, 'order')} without an amount not in it"] if untold else []
    if len(amounts) > 1:
        house = _house_currency(sales)
        total = takings.in_one(amounts, house, rates)
        if total is not None:
            notes.insert(0, f"{money.display(total, house)} in all, by today's rates")
    return _card("Revenue today", _amounts(amounts), notes)


def _house_currency(sales: Iterable[Sales]) -> str:
    """The currency in which most is ordered."""
    orders: dict[str, int] = defaultdict(int)
    for row in sales:
        orders[row.currency] += row.orders if row.currency else 0
    return min(orders, key=lambda currency: (-orders[currency], currency))


def _profit_card(earned: Collection[Earned]) -> dict[str, Any]:
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for row in earned:
        if row.units:
            amounts[row.currency] += row.profit
    return _card("Profit of what left today", _amounts(amounts), _missing(earned))


def _missing(earned: Collection[Earned]) -> list[str]:
    """Of how many units the profit is not known, or not for sure, in words."""
    counts = {text: sum(getattr(row, name) for row in earned) for name, text in MISSING.items()}
    return [text.format(_many(count, "unit")) for text, count in counts.items() if count]


def _amounts(amounts: Mapping[str, Decimal]) -> list[str]:
    return [money.display(amount, currency) for currency, amount in sorted(amounts.items())] or ["–"]


def _card(title: str, lines: list[str], notes: Iterable[str] = (), url: str = "") -> dict[str, Any]:
    return {"title": title, "lines": lines, "notes": list(notes), "link": url}


def _charts(found: Lately, days: list[date], marketplaces: Mapping[Any, str]) -> list[dict[str, str]]:
    labels = dict(services.choices())
    names = {account: labels.get(slug, slug) for account, slug in marketplaces.items()}
    orders, amounts, profits = _series(), _series(), _series()
    for row in found.sales:
        orders[names[row.account]][row.day] += row.orders
        if row.currency and row.amount:
            amounts[f"{names[row.account]}, {row.currency}"][row.day] += row.amount
    for each in found.earned:
        if each.units:
            profits[f"{names[each.account]}, {each.currency}"][each.day] += each.profit
    words = [f"{day:%d %b}" for day in days]
    charts = [
        chart(f"Orders of {DAYS} days", "bar", days, orders, words=words, options=STACKED),
        chart(f"Revenue of {DAYS} days", "line", days, amounts, words=words),
    ]
    if found.is_whole:
        title = f"Profit of {DAYS} days, by the day it left"
        charts.append({**chart(title, "line", days, profits, words=words), "note": ". ".join(_missing(found.earned))})
    return charts


def _series() -> dict[str, dict[date, Decimal]]:
    return defaultdict(lambda: defaultdict(Decimal))


# --- stock ---------------------------------------------------------------------------------------------------


def _stock(pages: Collection[str]) -> list[dict[str, Any]]:
    """Cards of what can be sold, from the rows that are counted every few minutes."""
    if "inventory.product" not in pages and "inventory.code" not in pages:
        return []
    kinds, lowest = _cover()
    cards = []
    for kind, title, page, query in (
        (Product.Kind.CODES, "Codes in stock", "inventory.code", "state__exact=available"),
        (Product.Kind.COUNTED, "Units in stock", "inventory.product", "kind__exact=counted"),
    ):
        left, products = kinds.get(kind, (0, 0))
        if page in pages and (products or kind == Product.Kind.CODES):
            notes = (
                [f"of {_many(products, 'product')}, counted every few minutes"] if products else ["nothing counted yet"]
            )
            cards.append(_card(title, [f"{left:,}"], notes, _list(page, query)))
    if "inventory.product" in pages:
        cards.append(_lowest(lowest))
    return cards


def _cover() -> tuple[dict[str, tuple[int, int]], list[tuple[str, Decimal, int]]]:
    """Units left and products by kind, and (SKU, days, units) of those that last shortest; in one statement."""
    columns = ("is_total", "of", "units", "products", "lasts")
    total = Cast(Value(None), Cover._meta.get_field("days"))
    totals = (
        Cover.objects.order_by().values(is_total=Value(1), of=F("product__kind"))
        .annotate(units=Sum("left"), products=Count("pk"), lasts=total).values_list(*columns)
    )  # fmt: skip
    shortest = Cover.objects.filter(days__isnull=False).order_by("days", "pk").values("pk")[:LOWEST]
    single = (
        Cover.objects.filter(pk__in=shortest).order_by()
        .values(is_total=Value(0), of=F("product__sku"), units=F("left"), products=Value(1), lasts=F("days"))
        .values_list(*columns)
    )  # fmt: skip
    rows = list(totals.union(single, all=True))
    kinds = {of: (units or 0, products) for is_total, of, units, products, _ in rows if is_total}
    lowest = [(of, lasts, units) for is_total, of, units, _, lasts in rows if not is_total]
    return kinds, sorted(lowest, key=lambda row: (row[1], row[0]))


def _lowest(rows: Sequence[tuple[str, Decimal, int]]) -> dict[str, Any]:
    words = [(sku, f"{days.normalize():f} days", left) for sku, days, left in rows]
    notes = [f"{sku}: {days}, {left:,} left" for sku, days, left in words]
    lines = [words[0][1]] if words else ["–"]
    return _card("Lowest cover", lines, notes or ["nothing sold lately"], _list("inventory.product", "low=yes"))


def _product(pk: int, sku: str, pages: Collection[str]) -> str:
    return link("admin:inventory_product_change", sku, pk) if "inventory.product" in pages else sku


# --- accounts ------------------------------------------------------------------------------------------------


def _health_row(row: Health, *, with_calls: bool) -> list[str]:
    account = row.account
    if not account.is_enabled:
        state = "Switched off"
    elif account.trouble:
        state = f"Trouble: {Truncator(account.trouble).chars(160)}"
    elif account.failing_since:
        state = f"Out of reach since {naturaltime(account.failing_since)}"
    else:
        state = row.paused or "Works" if account.last_success_at else row.paused or "Nothing was asked yet"
    if row.paused and state != row.paused:
        state = f"{state}. {row.paused}"
    now, waiting = timezone.now(), ", ".join(kind.words for kind in row.waiting)
    if row.next_at:
        waiting = f"{waiting}; next {naturaltime(max(row.next_at, now))}"  # what is due by now is next now
    last = str(naturaltime(account.last_success_at)) if account.last_success_at else "never"
    return [
        link("admin:marketplaces_account_change", str(account), account.pk), state, last, waiting or "nothing",
        _lag(row, now), f"{row.vitals.used:.0%}", *([_failed(row.vitals.failed)] if with_calls else []),
    ]  # fmt: skip


def _lag(row: Health, now: datetime) -> str:
    """How long what is due has waited; of an account that is stopped, or is in trouble, nothing is due."""
    if row.account.is_stopped:
        return "–"
    return timesince(row.next_at, now) if row.next_at and now - row.next_at >= LAG else "none"


def _failed(share: float | None) -> str:
    return "–" if share is None else "none" if not share else f"{max(share, 0.01):.0%}"


def _steps(accounts: list[Account]) -> list[dict[str, str]]:
    """What is to be done first, in its order, while nothing was ever sold."""
    steps = []
    if not accounts:
        steps.append(("Add an account of yours on a marketplace", "marketplaces.account", ""))
    if not Product.objects.exists():
        steps.append(("Add a product", "inventory.product", "then import its codes with “manage.py import_codes”"))
    if not Offer.objects.exists():
        steps.append(("Make an offer", "inventory.offer", "which shows its product on an account"))
    return [
        {"text": text, "page": page, "note": note, "link": reverse(f"admin:{page.replace('.', '_')}_add")}
        for text, page, note in steps
    ]
