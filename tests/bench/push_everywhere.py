"""The same change on one marketplace after the other, on a simulated clock: how many requests, and how long by its budget."""

import math
import time
from collections.abc import Iterator
from decimal import Decimal

from django.utils import timezone

from inventory import codes, publishing
from inventory.models import Offer, Product
from inventory.shelves import Shelves
from marketplaces.models import Account, ApiCall
from tests.bench import shelf
from tests.bench.measuring import Fact, Goal, Line, Way, check
from tests.bench.shelf import Pace
from tests.bench.suite import Run
from tests.desk import Desk
from tests.street import READ, Street, open_street

STOCK, LESS = 50, 7
# Where an offer is a request, a part of them says as much: each costs what every other does.
OFFERS, ONE_BY_ONE = 10_000, 300
MOST_STEPS = 100_000
OURS, ALONE = "from the change to the last offer that shows it", "the budget alone"
DEARER = 1.05
ONLY_ASK = ("GIN-C05",)  # a POST that reads: which warehouses there are


def lines(run: Run) -> Iterator[Line]:
    with open_street(ticks=False, is_paced=True) as street:
        for slug, desk in street.desks.items():
            is_batched = Offer.per_batch(desk.account) > 1
            count = run.size(OFFERS if is_batched else ONE_BY_ONE, 40)
            yield _change(run, street, slug, desk, count)


def _change(run: Run, street: Street, slug: str, desk: Desk, count: int) -> Line:
    account = desk.account
    product = Product.objects.create(sku=f"PUSH-{slug}")
    codes.import_codes(product=product, lines=(f"{product.sku}-{n:04}-CODE\n".encode() for n in range(STOCK)))
    street.settle()  # or the offers would be due for what came in before there were any
    rows = shelf.fill(street, account, [product] * count, Shelves(units={product.pk: STOCK}), shows=STOCK)
    mine = Offer.objects.filter(account=account)
    street.advance(61)  # whatever was asked until now counts no more
    ApiCall.objects.filter(account=account).delete()
    begun, at = time.monotonic(), timezone.now()
    mine.update(quantity=LESS, price=Decimal(11))
    publishing.request(mine)
    street.settle()
    for _ in range(MOST_STEPS):
        if not mine.exclude(state=Offer.State.DONE).exists():
            break
        street.step(60.0)
    shown = {READ[slug](street.box(slug), row.external_id) for row in rows}
    check(shown == {LESS}, f"{account.service_class.label} shows {sorted(shown)[:5]} units after a push of {LESS}")
    took = (timezone.now() - at).total_seconds()
    run.tell(f"  {slug}: {count:,} offers in {time.monotonic() - begun:.0f} s of work")
    return _line(account, count, took)


def _line(account: Account, count: int, took: float) -> Line:
    label, pace = account.service_class.label, Pace.of(account)
    fewest, alone = math.ceil(count / pace.per), _alone(account, pace, count)
    made = ApiCall.objects.filter(account=account)
    changes = made.filter(method__in=("POST", "PUT", "PATCH")).exclude(operation__in=ONLY_ASK).count()
    facts = [
        Fact("requests that changed offers, against the fewest possible", changes / fewest, Goal(below=1.0001)),
        Fact("other requests", made.count() - changes),
        Fact("seconds, against the budget's own", took / max(alone, 1.0), Goal(below=DEARER + 0.0001)),
        Fact("refused as too many", made.filter(status=429).count(), Goal(below=1)),
    ]
    ways = [
        Way(name, count / max(seconds, 1.0), {"median": seconds * 1000})
        for name, seconds in ((OURS, took), (ALONE, alone))
    ]
    return Line(f"{label}: {count:,} offers, {pace.per:,} a request", "offers", ways, facts)


def _alone(account: Account, pace: Pace, count: int) -> float:
    """How long it takes to tell of so many offers when nothing but the budget holds it up."""
    fewest, service = math.ceil(count / pace.per), account.service_class
    if service.budget_window:  # full batches go at once, as many as a window has for them
        a_window = account.option("requests_per_minute") - service.budget_kept
        return (math.ceil(fewest / a_window) - 1) * float(service.budget_window)
    return max(fewest - pace.at_once, 0) * pace.step
