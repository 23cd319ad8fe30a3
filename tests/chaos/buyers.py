"""Who makes the day: buyers of every marketplace, and staff who accept, pack and change prices meanwhile."""

import json
import random
import threading
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.household import Household

TRIES = 8
MOST_BOUGHT = 3
STAFF_SECONDS, PRICES_EVERY = 1.5, 8


def ask(address: str, body: Mapping[str, Any] | None = None, *, seconds: float = 120) -> Any:
    """Use a sandbox's control address; raises OSError when it refuses."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return json.load(answer)


@dataclass(frozen=True)
class Wish:
    """What a buyer wants; `others` are what they look at when it can't be had."""

    slug: str
    offers: Sequence[str]
    units: int


def wishes(shelf: Mapping[str, Sequence[str]], count: int, dice: random.Random) -> list[Wish]:
    """Who wants what, evenly over the marketplaces; the same for the same dice."""
    slugs = sorted(shelf)
    return [
        Wish(slug, dice.sample(list(shelf[slug]), min(TRIES, len(shelf[slug]))), dice.randint(1, MOST_BOUGHT))
        for slug in (slugs[number % len(slugs)] for number in range(count))
    ]


@dataclass
class Buyers:
    """Buy at the sandboxes, from any thread. A refusal is no order: the buyer looks at the next offer."""

    sandbox: str
    bought: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def buy(self, wish: Wish) -> bool:
        for offer_id in wish.offers:
            with suppress(OSError):
                made = ask(f"{self.sandbox}/{wish.slug}/_sim/order", {"offer_id": offer_id, "qty": wish.units})
                if made.get("status") not in ("refused", "released"):
                    with self._lock:
                        self.bought[wish.slug] += 1
                    return True
        with self._lock:
            self.gone += 1
        return False


class Staff(threading.Thread):
    """People who work on whatever lies there: accept new orders, pack what is accepted, and change prices in bulk."""

    def __init__(self, household: Household, seed: int) -> None:
        super().__init__(daemon=True)
        self._household = household
        self._dice = random.Random(seed)
        self._is_over, self._is_evening = threading.Event(), threading.Event()
        self.runs = 0

    def run(self) -> None:
        from django.db import Error, connections

        rounds = 0
        while not self._is_over.wait(STAFF_SECONDS):
            rounds += 1
            tasks: list[Callable[[], None]] = [self._accept, self._pack]
            if rounds % PRICES_EVERY == 0 and not self._is_evening.is_set():
                tasks.append(self._change_prices)
            for task in tasks:
                try:
                    task()
                except Error:  # the database is away; people press the button again
                    connections.close_all()
        connections.close_all()

    def finish(self) -> None:
        """Accept and pack what is there, and begin nothing new."""
        self._is_evening.set()

    def end(self) -> None:
        self._is_over.set()
        self.join(30)

    def _accept(self) -> None:
        from orders import acceptance

        for order in _todays(state__in=acceptance.ACCEPTABLE):
            if acceptance.is_open_to(order):
                acceptance.accept(order, by="staff")

    def _pack(self) -> None:
        from marketplaces.types import OrderState
        from orders import shipping

        for order in _todays(state=OrderState.ACCEPTED, is_summary=False):
            left = {line: units for line, units in shipping.remaining(order).items() if units}
            if not left or shipping.cannot_ship(order):
                continue
            token = uuid.uuid5(uuid.NAMESPACE_OID, f"{order.pk} {sorted(left.items())}")
            with suppress(shipping.NotShippable):
                shipping.ship(
                    order, left, carrier="ups", tracking_number=f"1Z{token.hex[:12].upper()}", shipping_method_id="44",
                    by="staff", token=token,
                )  # fmt: skip

    def _change_prices(self) -> None:
        from django.contrib.auth import get_user_model

        from backoffice import runs
        from inventory.models import Offer
        from inventory.offer_runs import ChangePrice

        user = get_user_model().objects.get(username="admin")
        said = {"way": "percent", "value": str(self._dice.choice((-1, 1, 2))), "rule": None}
        runs.start(ChangePrice(), rows=Offer.objects.all(), said=said, by=user, token=uuid.uuid4().hex)
        self.runs += 1


def _todays(**which: Any) -> Any:
    """Orders of goods that came since we opened; what lay there before is others' work."""
    from django.db.models import F

    from orders.models import Order

    return Order.objects.filter(needs_shipping=True, ordered_at__gt=F("account__created_at"), **which)
