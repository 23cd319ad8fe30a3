"""Whether more of it does more: one, two and four clusters and web processes, and ten thousand to five million codes.

A rate says little on a machine that others use, and on one with few processors more processes can't do more. So the lines
say what a piece of work costs: processor time of all who take part, and pages that PostgreSQL looked at.
"""

import functools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from subprocess import Popen

from django.db import connection, connections, transaction

from backoffice import supervisor
from inventory import stock
from inventory.models import Batch, Product
from orders.verify import verify
from tests.bench import bench_delivery as selling, bench_webhooks as hooks, load
from tests.bench.ground import HOST
from tests.bench.measuring import Fact, Goal, Line, Way, by_clients, check, spread, timed
from tests.bench.processes import answers, running
from tests.bench.suite import Benchmark, Run
from tests.bench.usage import Usage, watched

COUNTS = (1, 2, 4)
SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
PRODUCTS = 10
WORKERS = "2"  # of each cluster
RATE = 5
DEARER = 1.3  # with the most codes, against the fewest
OF_ONE = "an order, from the request to the code"

# As they lie in stock: of every product one in two is for sale.
CODES = """
INSERT INTO inventory_code (product_id, batch_id, kind, sealed, "index", state, position, serial, created_at)
SELECT (%(products)s::bigint[])[1 + n %% %(count)s], (%(batches)s::bigint[])[1 + n %% %(count)s],
       'text', sha256(n::text::bytea), sha256(('s' || n)::bytea),
       CASE WHEN (n / %(count)s) %% 2 = 0 THEN 'available' ELSE 'void' END, n, '', now()
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
IMPORTED = """
UPDATE inventory_batch SET imported = (SELECT COUNT(*) FROM inventory_code WHERE batch_id = inventory_batch.id)
 WHERE reference = %s
"""
REFERENCE = "bench"


def run(run: Run) -> Iterator[Line]:
    counts = (1, 2) if run.is_quick else COUNTS
    yield from _claims(run, counts)
    run.place.fresh()
    yield from _doors(run, (2,) if run.is_quick else counts)
    run.place.fresh()
    yield from _clusters(run, (2,) if run.is_quick else counts)
    run.place.fresh()
    yield from _sizes(run)


# --- more clients, web processes and clusters ---------------------------------------------------------------------


def _claims(run: Run, counts: tuple[int, ...]) -> Iterator[Line]:
    each = run.size(1000, 10)
    products = _products()
    _stock(products, 0, sum(counts) * each * 4 + 1000)
    for count in counts:
        takes = by_clients(count, functools.partial(_client, products, each))
        taken = [pk for brought in takes.brought for pk in brought]
        yield Line(
            f"{count} who take codes",
            "codes",
            [Way("stock.take", takes.rate, spread(takes.pieces))],
            [Fact("codes that two got", len(taken) - len(set(taken)), Goal(below=1))],
        )


def _client(products: list[int], each: int, number: int) -> Callable[[], tuple[list[float], list[int]]]:
    asked = iter(products[(number + turn) % len(products)] for turn in range(each + 1))
    stock.take(product_id=next(asked), quantity=1)
    return lambda: timed(lambda: stock.take(product_id=next(asked), quantity=1)[0], each)


def _doors(run: Run, counts: tuple[int, ...]) -> Iterator[Line]:
    events = hooks.Events(hooks.open_account())
    wanted = run.size(1500, 60)
    for count in counts:
        web = _with(supervisor.web(HOST, run.place.web_port), "--workers", str(count))
        with running(web, ready=lambda: answers(f"{run.place.web}/healthz")) as door:
            load.send_all(run.place.web, events.make(run.size(100, 16)), connections=hooks.CONNECTIONS)
            with watched({"web": door.pid}, run.place.url) as used:
                messages = events.make(wanted)
                done = load.send_all(run.place.web, messages, connections=hooks.CONNECTIONS)
        ways = [Way("the door", done.rate, spread(done.pieces))]
        yield Line(f"{count} web processes", "events", ways, _costs(used, wanted, "an event"))
    hooks.check_books(events)


def _clusters(run: Run, counts: tuple[int, ...]) -> Iterator[Line]:
    orders = run.size(100, 6)
    with ExitStack() as household:
        market = selling._open_market(run, household)
        door = household.enter_context(_web(run))
        selling._open_shop(run, units=sum(counts) * orders + 500)
        shelf: list[str] = []
        for count in counts:
            with ExitStack() as workers:
                env = {"Q_WORKERS": WORKERS}
                heads = [workers.enter_context(running(supervisor.manage("qcluster"), env=env)) for _ in range(count)]
                shelf = shelf or selling._wait_for_offers()
                groups = {"web": door.pid, **{f"cluster {number + 1}": head.pid for number, head in enumerate(heads)}}
                yield _sold(run, market, shelf, orders, f"{count} clusters of {WORKERS} workers", groups)
        check_books(market)


# --- more codes -----------------------------------------------------------------------------------------------------


def _sizes(run: Run) -> Iterator[Line]:
    """Sell the same orders with ever more codes in stock."""
    orders, sizes = run.size(60, 4), (1000, 2000) if run.is_quick else SIZES
    first: dict[str, float] = {}
    with ExitStack() as household:
        market = selling._open_market(run, household)
        door = household.enter_context(_web(run))
        head = household.enter_context(running(supervisor.manage("qcluster")))
        selling._open_shop(run, units=len(sizes) * orders + 500)
        shelf, filled = selling._wait_for_offers(), 0
        products = list(Product.objects.order_by("pk").values_list("pk", flat=True))
        for size in sizes:
            run.tell(f"scale: {size:,} codes …")
            _stock(products, filled, size)
            filled = size
            selling._come_to_rest()
            line = _sold(run, market, shelf, orders, f"{size:,} codes", {"web": door.pid, "workers": head.pid})
            claim = _claim_cost(run, products)
            facts = [*line.facts, *claim]
            found = {fact.what: float(fact.value) for fact in facts if isinstance(fact.value, int | float)}
            first = first or found
            # How many pages an order looks at depends on how often its offer is pushed meanwhile: it is only shown.
            goals = {COST: Goal(below=DEARER), BUFFERS: None, TAKE_BUFFERS: Goal(below=DEARER)}
            dearer = [
                Fact(f"{name}, against {sizes[0]:,} codes", found[name] / first[name], None if run.is_quick else goal)
                for name, goal in goals.items()
                if first.get(name)
            ]
            yield Line(line.name, line.unit, line.ways, [*facts, *dearer])
        check_books(market)


COST, BUFFERS = "milliseconds of processor time an order", "pages that PostgreSQL looked at, an order"
TAKE_BUFFERS = "pages that PostgreSQL looked at, a code taken"


def _claim_cost(run: Run, products: list[int]) -> list[Fact]:
    """What one code costs by the ledger of the database, nothing else going on."""
    takes, buffers = run.size(100, 10), 0
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {stock.pick_statement(skip_locked=True)}"
    with transaction.atomic(), connection.cursor() as cursor:
        for number in range(takes):
            cursor.execute(explain, [None, products[number % len(products)], datetime.now(UTC).date(), 1])
            (found,) = cursor.fetchone()
            plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
            buffers += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        transaction.set_rollback(True)  # nobody wanted them
    return [Fact(TAKE_BUFFERS, buffers / takes)]


# --- what they share --------------------------------------------------------------------------------------------------


def _web(run: Run) -> AbstractContextManager[Popen[bytes]]:
    web = supervisor.web(HOST, run.place.web_port)
    return running(web, ready=lambda: answers(f"{run.place.web}/healthz"))


def _with(command: list[str], option: str, value: str) -> list[str]:
    """The command with another value of one of its options."""
    place = command.index(option) + 1
    return [*command[:place], value, *command[place + 1 :]]


def _products() -> list[int]:
    return [Product.objects.create(sku=f"GAME-{number}").pk for number in range(PRODUCTS)]


def _stock(products: list[int], before: int, wanted: int) -> None:
    """Bring the stock from so many codes to so many; rows that were imported one by one would take an hour."""
    batches = [Batch.objects.get_or_create(product_id=pk, reference=REFERENCE)[0].pk for pk in products]
    values = {"products": products, "batches": batches, "count": len(products)}
    with connection.cursor() as cursor:
        cursor.execute(CODES, values | {"first": 10_000_000 + before, "last": 10_000_000 + wanted - 1})
        cursor.execute(IMPORTED, [REFERENCE])
        cursor.execute("VACUUM ANALYZE inventory_code")
    connections.close_all()


def _sold(run: Run, market: selling.Market, shelf: list[str], orders: int, name: str, groups: dict[str, int]) -> Line:
    """Let buyers come at a pace that one cluster bears, and see what an order costs to its end."""
    selling._come_to_rest()
    before = selling._handed_over()
    with watched(groups, run.place.url) as used:
        begun, bought = time.monotonic(), []
        for number in range(orders):
            time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
            bought.append(market.buy(shelf[number % len(shelf)]))
        selling._wait_for_deliveries(before + orders)
        took = time.monotonic() - begun
        selling._come_to_rest()
    made = selling._handed_over() - before
    waits = selling._waits(market.tell("GET", "state"), set(bought))
    facts = [*_costs(used, orders, "an order"), Fact("orders without a code", orders - made, Goal(below=1))]
    return Line(f"{orders} orders, {name}", "orders", [Way(OF_ONE, made / took, spread(waits))], facts)


def _costs(used: Usage, pieces: int, of_one: str) -> list[Fact]:
    parts = ", ".join(f"{name} {seconds / pieces * 1000:.1f}" for name, seconds in used.seconds.items())
    return [
        Fact(f"milliseconds of processor time {of_one}", used.total / pieces * 1000),
        Fact("of which", parts),
        Fact(f"pages that PostgreSQL looked at, {of_one}", used.buffers / pieces),
        Fact(f"transactions {of_one}", used.transactions / pieces),
    ]


def check_books(market: selling.Market) -> None:
    """No code went out twice, by our books and by theirs."""
    books = verify()
    check(not books.problems, f"the books are wrong: {books.problems[:3]}")
    there = [
        code["content"]
        for order in market.tell("GET", "state")["orders"]
        for delivery in order["deliveries"]
        for code in delivery["codes"]
        if "content" in code
    ]
    check(len(there) == len(set(there)), "a buyer got another's code")


BENCHMARK = Benchmark(
    what="claims, events and orders with 1, 2 and 4 processes for each, and orders with 10,000 to 5,000,000 codes in stock",
    limit="the same with one process, and with 10,000 codes",
    must_reach=f"no code twice; an order with 5,000,000 codes costs at most {DEARER} of one with 10,000",
    run=run,
)
