"""How fast codes are taken out of stock by many at once, and that nobody gets another's."""

import functools
import itertools
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
from django.db import connection, transaction

from backoffice import queue
from inventory import changes, codes, statements, stock
from inventory.models import Code, Product
from tests.bench import peer
from tests.bench.ground import Ground
from tests.bench.measuring import Fact, Goal, Line, Prepare, Round, by_clients, check, compare, in_turns, timed
from tests.bench.suite import Benchmark, Run

CLIENTS = 8
PRODUCTS = 20
REPEATS = 3
OURS, SAME = "stock.take", "the same statement in a bare loop"
BARE = "only its part that picks, in a bare loop: nobody is told"
OSCAR = "django-oscar: allocate, which counts and picks no code"
SKIPPING, WAITING = "ORM: lock the next free row, save", "ORM: lock the next row, save"

Take = Callable[[int], int]


def run(run: Run) -> Iterator[Line]:
    shelves = {f"{PRODUCTS} products": PRODUCTS, "one hot product": 1}
    each, warm_up = run.size(200, 5), run.size(20, 2)
    repeats = run.size(REPEATS, 1)
    for name, count in shelves.items():
        product_ids = _shelf(name, count, len(WAYS) * CLIENTS * repeats * (each + warm_up))
        goes = {
            way: functools.partial(by_clients, CLIENTS, _client(make(run.place.url), product_ids, each, warm_up))
            for way, make in WAYS.items()
        }
        rounds = in_turns(goes, repeats)
        doubles = _count_doubles([one for of_way in rounds.values() for one in of_way])
        goals = {SAME: Goal(at_least=0.6), SKIPPING: Goal(at_least=3), WAITING: Goal(at_least=3)}
        facts = [Fact("codes that two clients got", doubles, Goal(below=1))]
        if not run.is_quick:
            try:
                rounds[OSCAR] = [_oscar(run.place, count, each)]
            except peer.NotThere as error:
                facts.append(Fact(OSCAR, f"not measured: {error}"))
        yield compare(name, "codes", rounds, goals, facts)


def _oscar(place: Ground, products: int, each: int) -> Round:
    said = peer.run("allocating", [str(CLIENTS), str(products), str(each)], {"DATABASE_URL": place.url})
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA oscar_bench CASCADE")
    check(said["allocated"] == CLIENTS * each, "django-oscar did not allocate what was asked for")
    return Round(said["seconds"], said["pieces"])


def _shelf(name: str, count: int, wanted: int) -> list[int]:
    """Stock `count` products with `wanted` codes in all and a reserve, the way staff do it."""
    products = [Product.objects.create(sku=f"{name} {number}") for number in range(count)]
    for product in products:
        # A client's choice is random, so one product may be asked for more than its share.
        lines = (f"{product.sku}-{number:07}\n".encode() for number in range(wanted // count * 2 + 50))
        codes.import_codes(product=product, lines=lines)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return [product.pk for product in products]


def _client(make: Callable[[], Take], product_ids: list[int], times: int, warm_up: int) -> Prepare:
    def prepare(number: int) -> Callable[[], tuple[list[float], list[int]]]:
        take, choice = make(), random.Random(number)
        asked = itertools.cycle(choice.choices(product_ids, k=997))
        early = [take(next(asked)) for _ in range(warm_up)]

        def work() -> tuple[list[float], list[int]]:
            pieces, taken = timed(lambda: take(next(asked)), times)
            return pieces, [*early, *taken]

        return work

    return prepare


def _count_doubles(rounds: list[Round]) -> int:
    ids = [pk for one in rounds for brought in one.brought for pk in brought]
    check(
        Code.objects.filter(pk__in=ids, state=Code.State.HELD).count() == len(set(ids)), "a code that was taken is free"
    )
    check(len(ids) == len(set(ids)), "two clients got the same code")
    return len(ids) - len(set(ids))


# --- the ways: each gives a function that takes one code of a product and returns its id -----------------------


def _ours(url: str) -> Callable[[], Take]:
    return lambda: lambda product_id: stock.take(product_id=product_id, quantity=1)[0]


def _bare(url: str, *, tells: bool) -> Callable[[], Take]:
    """The statement that picks, with the part that tells of it or without, and a commit; nothing of ours around it."""
    pick, now = stock.pick_statement(skip_locked=True), datetime.now(UTC)
    wake, woken = queue.enqueue_with("picked", changes.CHANGED_TASK, 1)
    statement = statements.PICK_AND_TELL.format(pick=pick, wake=wake) if tells else pick

    def make() -> Take:
        own = psycopg.connect(url)

        def take(product_id: int) -> int:
            told = [product_id, now, *woken] if tells else []
            (pk,) = own.execute(statement, [None, product_id, now.date(), 1, *told]).fetchone()
            own.commit()
            return pk

        return take

    return make


def _by_orm(url: str, *, skip_locked: bool) -> Callable[[], Take]:
    free = Code.objects.select_for_update(skip_locked=skip_locked).filter(state=Code.State.AVAILABLE)

    def take(product_id: int) -> int:
        while True:
            with transaction.atomic():
                code = free.filter(product_id=product_id).order_by("position").first()
                if code is not None:  # nobody took it while we waited for its lock
                    code.state = Code.State.HELD
                    code.save()
                    return code.pk

    return lambda: take


WAYS = {
    OURS: _ours,
    SAME: functools.partial(_bare, tells=True),
    BARE: functools.partial(_bare, tells=False),
    SKIPPING: functools.partial(_by_orm, skip_locked=True),
    WAITING: functools.partial(_by_orm, skip_locked=False),
}

BENCHMARK = Benchmark(
    what=f"{CLIENTS} clients take single codes, of {PRODUCTS} products and of one hot product",
    limit="the same statement and its commit in a bare psycopg loop; and without what tells the offers of it",
    peer="the way of the ORM: select_for_update(), then save(); with skip_locked and without; and django-oscar's allocate",
    must_reach="0.6 of the same statement in a bare loop, 3 × the ORM's way, no code twice",
    run=run,
)
