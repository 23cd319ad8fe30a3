"""How long every list that staff look at takes when there are many rows, and what Django's own list asks of the database."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse

from backoffice import startup
from inventory.models import Batch, Code, Offer, Product
from marketplaces.models import Account, WebhookEvent
from orders import past_sales
from orders.models import Order, OrderLine
from tests.bench.measuring import Fact, Goal, Line, Way, check, spread
from tests.bench.suite import Benchmark, Run

# How many rows there are of each: codes and events, and a part as many orders and offers.
FEW, SOME, MANY = 10_000, 100_000, 1_000_000
PART = {Code: 1, WebhookEvent: 1, Order: 5, Offer: 50}
REPEATS, OTHERS_REPEATS, QUERIES_REPEATS = 30, 21, 12
SLOW, GROWTH = 200, 1.5  # milliseconds at the 95th percentile; against the same page with few rows
PAGE, FEWER = "our whole page", "the same with {:,} codes and events"
QUERIES, THEIRS = "our list, its queries alone", "Django's own list, its queries alone"
OTHERS = "the slowest of {} other lists"
BROWSER = {"HTTP_HOST": "127.0.0.1"}

# A million rows that were saved one by one would take an hour.
CODES = """
INSERT INTO inventory_code (product_id, batch_id, kind, sealed, "index", state, position, serial, created_at)
SELECT %s, %s, 'text', sha256(n::text::bytea), sha256(('i' || n)::bytea),
       CASE WHEN n %% 10 = 0 THEN 'available' ELSE 'delivered' END, n, '', now() - n * interval '1 second'
  FROM generate_series(%s::bigint, %s::bigint) AS n
"""
LINES = """
INSERT INTO orders_orderline ({names}, order_id)
SELECT {columns}, made.id FROM orders_orderline AS line, orders_order AS made
 WHERE line.id = %s AND NOT EXISTS (SELECT 1 FROM orders_orderline WHERE order_id = made.id)
"""


@dataclass(frozen=True)
class Page:
    """An address of the admin; of a list its model, too."""

    name: str
    address: str
    query: str = ""
    model: type[Model] | None = None
    is_named: bool = False  # has a line of its own
    is_cold: bool = False  # in a process that has counted nothing yet, or a minute after it has


def run(run: Run) -> Iterator[Line]:
    startup.settle()  # as the web's processes do
    boss = get_user_model().objects.create_superuser("boss", "boss@example.com", "bench")
    client = Client()
    client.force_login(boss)
    sizes = (6_000, 12_000) if run.is_quick else (FEW, SOME, MANY)
    rows = Rows()
    pages = _pages(rows)
    if run.is_quick:
        pages = [page for number, page in enumerate(pages) if page.is_named or number % 10 == 0]
    rounds = {page: run.size(REPEATS if page.is_named else OTHERS_REPEATS, 1) for page in pages}
    took: dict[Page, dict[int, list[float]]] = {page: {} for page in pages}
    for size in sizes:
        run.tell(f"admin: {size:,} codes and events …")
        rows.grow(size)
        past_sales.refresh()  # as the schedule does every few minutes
        for page, pieces in _in_rounds({page: _shown(client, page) for page in pages}, rounds).items():
            took[page][size] = pieces
    for page in pages:
        if page.is_named:
            peers = _queries(page, boss, run.size(QUERIES_REPEATS, 1)) if page.model else []
            yield _line(page.name, took[page], peers)
    others = [page for page in pages if not page.is_named]
    worst = max(others, key=lambda page: spread(took[page][sizes[-1]])["p95"])
    yield _line(f"{OTHERS.format(len(others))}: {worst.name}", took[worst], [])


def _line(name: str, took: Mapping[int, list[float]], peers: list[Way]) -> Line:
    """What a page took with the most rows, and with fewer."""
    spreads = {size: spread(pieces) for size, pieces in took.items()}
    few, *_, many = spreads
    ways = [
        Way(PAGE if size == many else FEWER.format(size), 1000 / found["median"], found)
        for size, found in sorted(spreads.items(), reverse=True)
    ]
    now, then = spreads[many]["p95"], spreads[few]["p95"]
    facts = [
        Fact("95th percentile in milliseconds", now, Goal(below=SLOW)),
        Fact(f"95th percentile, against that with {few:,}", now / then, Goal(below=GROWTH)),
    ]
    return Line(name, "pages", [*ways, *peers], facts)


# --- rows ---------------------------------------------------------------------------------------------------------------


class Rows:
    """One row of each kind that the ORM made, and as many like it as are wanted: a new column needs nothing here."""

    def __init__(self) -> None:
        self.account = Account.objects.create(name="Main shop", marketplace="g2g")
        self.product = Product.objects.create(sku="GAME")
        self._batch = Batch.objects.create(product=self.product)
        self._offer = Offer.objects.create(account=self.account, product=self.product, external_id="O0")
        self._order = Order.objects.create(account=self.account, external_id="A0", state="completed", currency="EUR")
        self._line = OrderLine.objects.create(order=self._order, external_id="1", product=self.product, quantity=1)
        now = self._order.ordered_at
        self._event = WebhookEvent.objects.create(
            account=self.account, event_id="E0", kind="order.created", method="POST", body="{}", received_at=now
        )
        self._size = 1

    def grow(self, size: int) -> None:
        first = {model: self._size // part + 1 for model, part in PART.items()}
        last = {model: size // part for model, part in PART.items()}
        ago, every = "now() - n * interval '1 second'", "now() - n * interval '40 seconds'"  # 200,000 orders in 93 days
        with connection.cursor() as cursor:
            cursor.execute(CODES, [self.product.pk, self._batch.pk, first[Code], last[Code]])
            _copy(cursor, self._offer, {"external_id": "'O' || n"}, first[Offer], last[Offer])
            _copy(cursor, self._order, {"external_id": "'A' || n", "ordered_at": every}, first[Order], last[Order])
            self._copy_line(cursor)
            values = {"event_id": "'E' || n", "subject": "'A' || n", "received_at": ago}
            _copy(cursor, self._event, values, first[WebhookEvent], last[WebhookEvent])
            cursor.execute("VACUUM ANALYZE")
        self._size = size

    def _copy_line(self, cursor: object) -> None:
        own = [field.column for field in OrderLine._meta.concrete_fields if field.column not in ("id", "order_id")]
        names, columns = ", ".join(own), ", ".join(f"line.{column}" for column in own)
        cursor.execute(LINES.format(names=names, columns=columns), [self._line.pk])  # type: ignore[attr-defined]


def _copy(cursor: object, row: Model, values: Mapping[str, str], first: int, last: int) -> None:
    """Write rows that are like `row` but for some values, which are expressions of a number n."""
    table = row._meta.db_table
    columns = [field.column for field in row._meta.concrete_fields if field.column not in ("id", *values)]
    names = ", ".join(f'"{column}"' for column in columns)
    cursor.execute(  # type: ignore[attr-defined]
        f"INSERT INTO {table} ({', '.join(values)}, {names}) SELECT {', '.join(values.values())}, {names}"
        f" FROM {table}, generate_series(%s::bigint, %s::bigint) AS n WHERE {table}.id = %s",
        [first, last, row.pk],
    )


# --- pages --------------------------------------------------------------------------------------------------------------


def _pages(rows: Rows) -> list[Page]:
    """The front page, the big lists by their first page, filtered, searched and further on, and every other list."""
    account, product = rows.account.pk, rows.product.pk
    big = {
        Code: (f"product__id__exact={product}&state__exact=available", "i77"),
        Order: (f"state__exact=completed&account__id__exact={account}", "A1"),
        Offer: (f"state__exact=done&account__id__exact={account}", "O1"),
        WebhookEvent: (f"state__exact=done&account__id__exact={account}", "A77"),
    }
    front = reverse("admin:index")
    pages = [
        Page("front page", front, is_named=True),
        Page("front page, counted anew", front, is_named=True, is_cold=True),
    ]
    for model in admin.site._registry:
        name = str(model._meta.verbose_name_plural)
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        if model not in big:
            pages.append(Page(name, address, model=model))
            continue
        filters, search = big[model]
        far = 2 if model is Offer else 5  # as far as there are pages with few rows
        queries = {"first page": "", "filtered": filters, "search": f"q={search}", f"page {far}": f"p={far}"}
        pages += [Page(f"{name}, {what}", address, query, model, True) for what, query in queries.items()]
    return pages


def _shown(client: Client, page: Page) -> Callable[[], None]:
    def show() -> None:
        if page.is_cold:
            caches["figures"].clear()
        answer = client.get(f"{page.address}?{page.query}", **BROWSER)
        # A table of one row has no list: its page is the row.
        check(answer.status_code in (200, 302), f"{page.address}?{page.query} is answered {answer.status_code}")

    return show


def _queries(page: Page, boss: object, repeats: int) -> list[Way]:
    """What our list asks of the database, and what a stock ModelAdmin of the same table does, which counts all rows."""
    request = RequestFactory().get(f"/?{page.query}")
    request.user = boss
    assert page.model is not None
    registered = admin.site._registry[page.model]
    ours = spread(_times(_listed(registered, request), repeats))
    stock = type("Stock", (admin.ModelAdmin,), {"list_filter": FILTERS[page.model], "search_fields": ["id"]})
    theirs = spread(_times(_listed(stock(page.model, admin.site), request), repeats))
    goal = Goal(at_least=1) if PART[page.model] == 1 else None  # those with a million rows
    return [
        Way(QUERIES, 1000 / ours["median"], ours),
        Way(THEIRS, 1000 / theirs["median"], theirs, theirs["median"] / ours["median"], goal),
    ]


FILTERS: Mapping[type[Model], tuple[str, ...]] = {
    Code: ("product", "state"),
    Order: ("state", "account"),
    Offer: ("state", "account"),
    WebhookEvent: ("state", "account"),
}


def _listed(shown_by: admin.ModelAdmin, request: HttpRequest) -> Callable[[], object]:
    return lambda: list(shown_by.get_changelist_instance(request).result_list)


def _in_rounds(works: Mapping[Page, Callable[[], None]], rounds: Mapping[Page, int]) -> dict[Page, list[float]]:
    """Each page's times, a page after the other in turns: a moment in which the machine is busy is no single page's."""
    took: dict[Page, list[float]] = {page: [] for page in works}
    for turn in range(max(rounds.values()) + 1):
        for page, work in works.items():
            if turn <= rounds[page]:
                took[page].append(_seconds(work))
    return {page: pieces[1:] for page, pieces in took.items()}  # the first fills caches


def _times(work: Callable[[], object], repeats: int) -> list[float]:
    return [_seconds(work) for _ in range(repeats + 1)][1:]  # the first fills caches


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


BENCHMARK = Benchmark(
    what=f"every list of the admin and its front page, with {MANY:,} codes, {MANY // PART[Order]:,} orders,"
    f" {MANY // PART[Offer]:,} offers and {MANY:,} events",
    limit=f"the same pages with {FEW:,} codes and events",
    peer="a stock ModelAdmin of the same table: its queries beside ours, without the page",
    must_reach=f"95th percentile under {SLOW} ms and under {GROWTH} of that with few rows; not slower than stock at"
    f" {MANY:,} rows",
    run=run,
)
