"""How long it takes from a sale until every marketplace shows fewer units, where only their budgets hold it up.

The clock is simulated: it stands still while work is done, and jumps to whatever is due next, so what is measured are waits
that were planned: budgets, collected batches, pauses. A sale is a code that is taken for a buyer; what its order itself asks
of the marketplace where it was sold is left out.
"""

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from inventory import codes, stock
from inventory.models import Offer, Product
from inventory.shelves import Shelves
from marketplaces.models import ApiCall
from tests.bench import shelf
from tests.bench.measuring import Fact, Goal, Line, Way, check, spread
from tests.bench.shelf import Pace
from tests.bench.suite import Benchmark, Run
from tests.street import READ, Street, open_street

PRODUCTS, STOCK = 200, 40
A_SECOND = 20
SECONDS, QUICK_SECONDS = 20, 1
MOST_SECONDS = 1200.0
MEDIAN = 1.0  # seconds beyond what the budget itself asks for
OURS, ALONE = "from the sale to the last channel's number", "the budgets alone"


def run(run: Run) -> Iterator[Line]:
    count, seconds = run.size(PRODUCTS, 10), run.size(SECONDS, QUICK_SECONDS)
    with open_street(ticks=False, is_paced=True) as street:
        products = _fill_shelves(street, count)
        street.advance(61)  # whatever was asked until now counts no more
        ApiCall.objects.all().delete()
        sales = _sell(run, street, products, seconds)
    yield from _lines(street, sales, seconds)


# --- the shelves -------------------------------------------------------------------------------------------------


def _fill_shelves(street: Street, count: int) -> list[Product]:
    """Products with codes, and offers on every marketplace that say the same here and there."""
    products = [Product.objects.create(sku=f"SPREAD-{number}") for number in range(count)]
    for product in products:
        codes.import_codes(product=product, lines=(f"{product.sku}-{n:04}-CODE\n".encode() for n in range(STOCK)))
    street.settle()  # or the offers would be due for what came in before there were any
    units = Shelves(units={product.pk: STOCK for product in products})
    for slug, desk in street.desks.items():
        rows = shelf.fill(street, desk.account, products, units, shows=STOCK)
        check(READ[slug](street.box(slug), rows[0].external_id) == STOCK, f"{slug} does not show its stock")
    return products


# --- ours --------------------------------------------------------------------------------------------------------


@dataclass
class Sale:
    """A unit of a product that was sold, after which so many are `left`; and when each channel knew."""

    product: int
    left: int
    at: float
    shown: dict[str, float] = field(default_factory=dict)


def _sell(run: Run, street: Street, products: Sequence[Product], seconds: int) -> list[Sale]:
    """Sell at random, so many a second, and go on until every channel shows all of it."""
    dice, left = random.Random(1), dict.fromkeys([product.pk for product in products], STOCK)
    offers = {
        (offer.account.marketplace, offer.product_id): offer.external_id
        for offer in Offer.objects.select_related("account")
    }
    begun, sales, waiting = _now(), [], {slug: [] for slug in street.desks}
    due = deque(number / A_SECOND for number in range(seconds * A_SECOND))
    while due or any(waiting.values()):
        check(_now() - begun < MOST_SECONDS, f"numbers were not lowered within {MOST_SECONDS:g} s: {_stuck(waiting)}")
        if due and begun + due[0] <= _now() + 1e-6:
            due.popleft()
            product = dice.choice([pk for pk, units in left.items() if units > 1])
            _sell_one(product)
            left[product] -= 1
            sales.append(Sale(product, left[product], _now()))
            for rows in waiting.values():
                rows.append(sales[-1])
            street.settle()
        else:
            street.step(begun + due[0] - _now() if due else 60.0)
        for slug, rows in waiting.items():
            waiting[slug] = _unseen(street, slug, offers, rows)
    run.tell(f"  {len(sales)} sales, the last number was lowered {_now() - begun:.0f} s after the first of them")
    return sales


def _stuck(waiting: Mapping[str, Sequence[Sale]]) -> str:
    """Where how many are missing, and what an offer says that stopped."""
    stopped = Offer.objects.filter(state=Offer.State.NEEDS_ATTENTION).values_list("last_error", flat=True).first()
    return f"{ {slug: len(rows) for slug, rows in waiting.items()} } {stopped or ''}"


def _now() -> float:
    return timezone.now().timestamp()


def _sell_one(product: int) -> None:
    with transaction.atomic():
        taken = stock.take(product_id=product, quantity=1)
        check(len(taken) == 1, "there was nothing left to sell")
        stock.mark_sent(taken)


def _unseen(street: Street, slug: str, offers: Mapping[tuple[str, int | None], str], rows: list[Sale]) -> list[Sale]:
    """Note the sales that a channel shows by now; returns the others."""
    box, numbers, unseen = street.box(slug), {}, []
    for sale in rows:
        if sale.product not in numbers:
            numbers[sale.product] = READ[slug](box, offers[slug, sale.product])
        if numbers[sale.product] <= sale.left:
            sale.shown[slug] = _now() - sale.at
        else:
            unseen.append(sale)
    return unseen


# --- the limit -----------------------------------------------------------------------------------------------------


def _alone(pace: Pace, sales: Sequence[Sale]) -> list[float]:
    """How long each sale would wait if nothing but the budget did: who waits longest goes first, a product once."""
    waits, queue, used_until = [0.0] * len(sales), deque(), float("-inf")
    numbers: dict[int, list[int]] = {}

    def serve(until: float) -> None:
        nonlocal used_until
        while queue:
            at = max(used_until - (pace.at_once - 1) * pace.step, sales[numbers[queue[0]][0]].at)
            if at > until:
                return
            used_until = max(used_until, at) + pace.step
            for product in [queue.popleft() for _ in range(min(pace.per, len(queue)))]:
                for number in numbers.pop(product):
                    waits[number] = at - sales[number].at

    for number, sale in enumerate(sales):
        serve(sale.at - 1e-9)
        if sale.product not in numbers:
            queue.append(sale.product)
        numbers.setdefault(sale.product, []).append(number)
    serve(float("inf"))
    return waits


def _lines(street: Street, sales: Sequence[Sale], seconds: int) -> Iterator[Line]:
    alone = {slug: _alone(Pace.of(desk.account), sales) for slug, desk in street.desks.items()}
    ours = {slug: [sale.shown[slug] for sale in sales] for slug in street.desks}
    last, least = (
        [max(rows) for rows in zip(*ours.values(), strict=True)],
        [max(rows) for rows in zip(*alone.values(), strict=True)],
    )
    facts = [_beyond(last, least), *_requests(street)]
    yield Line(f"{len({sale.product for sale in sales})} products, {A_SECOND} sales a second for {seconds} s", "sales",
               _ways(last, least, seconds), facts)  # fmt: skip
    for slug, desk in street.desks.items():
        pace = Pace.of(desk.account)
        name = f"{desk.account.service_class.label}: {pace.per} offers a request, one in {pace.step:g} s"
        yield Line(name, "sales", _ways(ours[slug], alone[slug], seconds), [_beyond(ours[slug], alone[slug])])


def _ways(ours: Sequence[float], alone: Sequence[float], seconds: int) -> list[Way]:
    rate = len(ours) / seconds
    return [Way(OURS, rate, spread(ours)), Way(ALONE, rate, spread(alone))]


def _beyond(ours: Sequence[float], alone: Sequence[float]) -> Fact:
    beyond = (spread(ours)["median"] - spread(alone)["median"]) / 1000
    return Fact("seconds of the median beyond what the budget asks for", beyond, Goal(below=MEDIAN))


def _requests(street: Street) -> Iterator[Fact]:
    for desk in street.desks.values():
        made = ApiCall.objects.filter(account=desk.account)
        label = desk.account.service_class.label
        yield Fact(f"requests to {label}", made.count())
        yield Fact(f"of these refused as too many by {label}", made.filter(status=429).count(), Goal(below=1))


BENCHMARK = Benchmark(
    what="units are sold of products that stand on four marketplaces; all in one process, on a simulated clock",
    limit="each account's budget alone: who waits longest goes first, and a product's number is sent once for all its sales",
    must_reach=f"median under {MEDIAN:g} s beyond the budget's own wait; no answer that it is too much",
    run=run,
)
