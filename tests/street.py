"""Four desks in one street: every marketplace's sandbox at once, and one stock of ours behind them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import time_machine
from django.utils.module_loading import import_string

from inventory import publishing
from inventory.models import Offer, Product
from marketplaces import services
from marketplaces.sandbox import Sandbox
from marketplaces.sandbox_words import Clock
from tests import make
from tests.desk import Desk, open_desk

# Out of the way; the most that each account may be given.
PER_MINUTE = {"g2a": 6000}
USUALLY = 600_000


class Boxes:
    """Several sandboxes whose timers are run as one's."""

    def __init__(self, boxes: Mapping[str, Sandbox]) -> None:
        self.all = boxes
        self.clock = Clock()

    def run_due(self) -> int:
        return sum(box.run_due() for box in self.all.values())

    def next_due(self) -> float | None:
        """When the next timer is due by the clock of all: a sandbox that paused is ahead of it."""
        dues = [(box.next_due(), box.clock.advanced) for box in self.all.values()]
        return min((due - ahead for due, ahead in dues if due is not None), default=None)


class Street(Desk):
    """`settle` and `advance` work for all desks together; `offers` is one product's offer on each.

    Time `ticks` on, as buyers and workers in threads need it to, or stands still between its moves.
    """

    def __init__(self, desks: Mapping[str, Desk], *, ticks: bool) -> None:
        super().__init__(Boxes({slug: desk.sandbox for slug, desk in desks.items()}), None)  # type: ignore[arg-type]
        self._travel = time_machine.travel(datetime.now(UTC), tick=ticks)
        self._traveller = self._travel.start()
        self.desks = desks
        self.offers: dict[str, Offer] = {}

    def box(self, slug: str) -> Any:
        return self.desks[slug].sandbox

    def step(self, most: float) -> float:
        """Let time pass until something is due, `most` seconds at the longest, and do it; returns how many passed."""
        passed = min(most, max(0.001, self._seconds_to_the_next()))
        self._traveller.shift(passed)
        self.settle()
        return passed

    def offer_everywhere(self, product: Product) -> None:
        """Make an offer of one product on every marketplace, as its demo does, and wait until it is there."""
        for slug, desk in self.desks.items():
            self.offers[slug] = demo_offer(desk.account, product)
        publishing.request(Offer.objects.filter(product=product))
        self.advance(130)
        for offer in self.offers.values():
            offer.refresh_from_db()

    def numbers(self) -> dict[str, int]:
        """How many units each marketplace would sell to the next buyer, by its own books."""
        return {slug: READ[slug](self.box(slug), offer.external_id) for slug, offer in self.offers.items()}


# Units that a marketplace would sell to the next buyer, by its own books.
READ: Mapping[str, Callable[[Any, str], int]] = {
    "g2a": lambda box, id: box.offers.all[id].size,
    "g2g": lambda box, id: box.offers.all[id].available,
    "ginee": lambda box, id: box.goods.shelf(box.main_key())[id].available,
    "gcommerce": lambda box, id: int(box.products.all[int(id)].amount),
}


def demo_offer(account: Any, product: Product) -> Offer:
    """Make the first offer that the marketplace's demo has, of a product of ours."""
    content = import_string(f"{services.__name__}.{account.marketplace}.demo.offers")(1)[0]
    sends_titles = account.marketplace == "gcommerce"  # elsewhere the name is the catalogue's
    return make.offer(
        product, account, external_product_id=content.external_product_id, price=content.price,
        currency=content.currency, title=content.title * sends_titles, description=content.description,
        attributes=content.attributes, offer_type=content.offer_type, visibility=content.visibility,
    )  # fmt: skip


@contextmanager
def open_street(*, ticks: bool = True, is_paced: bool = False) -> Iterator[Street]:
    """A play account on every marketplace there is, each at the pace that is usual there where it `is_paced`."""
    with ExitStack() as doors:
        desks = {}
        for slug in services.all_services():
            options = {} if is_paced else {"requests_per_minute": PER_MINUTE.get(slug, USUALLY)}
            desks[slug] = doors.enter_context(open_desk(slug, f"Main {slug}", **options))
        street = Street(desks, ticks=ticks)
        if is_paced:
            street.budget_wait = 0.002  # else all that waits for a usual budget would be due at once
        doors.callback(street.close)
        _clear(desks)
        desks["gcommerce"].sandbox.switches.limit = 10 if is_paced else USUALLY
        yield street


def _clear(desks: Mapping[str, Desk]) -> None:
    """Take away what there is from before our time."""
    ginee, gcommerce = desks["ginee"].sandbox, desks["gcommerce"].sandbox
    for there in ginee.goods.shelf(ginee.main_key()).values():
        there.locked = 0
    for part in (gcommerce.orders, gcommerce.shipments, gcommerce.purchase_orders, gcommerce.products):
        part.all.clear()
