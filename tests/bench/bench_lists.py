"""How long the lists that staff look at take when there are many rows, and what Django's own list asks of the database."""

import time
from collections.abc import Callable, Iterator

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse

from inventory.models import Batch, Code, Product
from marketplaces.models import Account
from orders.models import Order
from tests.bench.measuring import Fact, Goal, Line, Way, check, spread
from tests.bench.suite import Benchmark, Run

SIZES = (10_000, 100_000, 1_000_000)
REPEATS = 7
SLOW = 1000  # milliseconds
OURS, THEIRS = "our whole page", "Django's own list, its queries alone"
BROWSER = {"HTTP_HOST": "127.0.0.1"}

# A million rows that were saved one by one would take an hour.
CODES = """
INSERT INTO inventory_code (product_id, batch_id, kind, sealed, "index", state, position, serial, created_at)
SELECT %s, %s, 'text', sha256(n::text::bytea), sha256(('i' || n)::bytea),
       CASE WHEN n %% 10 = 0 THEN 'available' ELSE 'delivered' END, n, '', now() - n * interval '1 second'
  FROM generate_series(%s::bigint, %s::bigint) AS n
"""


def run(run: Run) -> Iterator[Line]:
    account = Account.objects.create(name="Main shop", marketplace="g2g")
    product = Product.objects.create(sku="GAME")
    batch = Batch.objects.create(product=product)
    template = Order.objects.create(account=account, external_id="A0", state="completed", currency="EUR")
    boss = get_user_model().objects.create_superuser("boss", "boss@example.com", "bench")
    client = Client()
    client.force_login(boss)
    rows = 1
    for size in [600, 1200] if run.is_quick else SIZES:
        with connection.cursor() as cursor:
            cursor.execute(CODES, [product.pk, batch.pk, rows + 1, size])
            _copy(cursor, template, rows + 1, size)
            cursor.execute("ANALYZE")
        rows = size
        pages = {
            "front page": (reverse("admin:index"), None, ""),
            **_pages("codes", Code, f"product__id__exact={product.pk}&state__exact=available", "i77"),
            **_pages("orders", Order, f"state__exact=completed&account__id__exact={account.pk}", "A77"),
        }
        for name, (address, model, query) in pages.items():
            yield _compare(f"{name}, {size:,} rows", client, boss, address, model, query, run.size(REPEATS, 1))


def _copy(cursor: object, template: Order, first: int, last: int) -> None:
    """Write orders that are like one which the ORM made, so that a new column needs nothing here."""
    own = {"id", "external_id", "ordered_at"}
    columns = [field.column for field in Order._meta.concrete_fields if field.column not in own]
    names = ", ".join(f'"{column}"' for column in columns)
    cursor.execute(  # type: ignore[attr-defined]
        f"INSERT INTO orders_order (external_id, ordered_at, {names})"
        f" SELECT 'A' || n, now() - n * interval '1 second', {names}"
        " FROM orders_order, generate_series(%s::bigint, %s::bigint) AS n WHERE orders_order.id = %s",
        [first, last, template.pk],
    )


def _pages(name: str, model: type, filters: str, search: str) -> dict[str, tuple[str, type, str]]:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")  # type: ignore[attr-defined]
    queries = {"first page": "", "filtered": filters, "search": f"q={search}", "page 5": "p=5"}
    return {f"{name}, {what}": (address, model, query) for what, query in queries.items()}


def _compare(
    name: str, client: Client, boss: object, address: str, model: type | None, query: str, repeats: int
) -> Line:
    def ours() -> None:
        answer = client.get(f"{address}?{query}", **BROWSER)
        check(answer.status_code == 200, f"{address}?{query} is answered {answer.status_code}")

    request = RequestFactory().get(f"/?{query}")
    request.user = boss
    theirs = _queries_of(model, request) if model else lambda: client.get("/healthz", **BROWSER)
    ours_took, theirs_took = _times(ours, repeats), _times(theirs, repeats)
    median = spread(ours_took)["median"]
    ways = [
        Way(OURS, 1000 / median, spread(ours_took)),
        Way(
            THEIRS if model else "a page that says it is alive",
            1000 / spread(theirs_took)["median"],
            spread(theirs_took),
        ),
    ]
    return Line(name, "pages", ways, [Fact("median in milliseconds", median, Goal(below=SLOW))])


def _queries_of(model: type, request: HttpRequest) -> Callable[[], object]:
    """The stock ModelAdmin: it counts all rows, then those that are filtered, then reads a page; no HTML is made."""
    found = type(
        f"Stock{model.__name__}", (admin.ModelAdmin,), {"list_filter": _filters(model), "search_fields": ["id"]}
    )
    stock = found(model, admin.site)
    return lambda: list(stock.get_changelist_instance(request).result_list)


def _filters(model: type) -> tuple[str, ...]:
    return ("product", "state") if model is Code else ("state", "account")


def _times(work: Callable[[], object], repeats: int) -> list[float]:
    took = []
    for turn in range(repeats + 1):
        begun = time.perf_counter()
        work()
        if turn:  # the first fills caches
            took.append(time.perf_counter() - begun)
    return took


BENCHMARK = Benchmark(
    what="the front page and the lists of codes and orders, at 10,000, 100,000 and 1,000,000 rows",
    limit="a stock ModelAdmin of the same table: its queries, without the page",
    must_reach=f"a median under {SLOW} ms for every page",
    run=run,
)
