"""What goes wrong, and when: a plan that the dice make beforehand, so that a seed repeats it."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests import postgres
from tests.chaos.buyers import ask
from tests.chaos.household import Household

CUT_ORDERS = 30  # for how many orders a marketplace can't be reached
KILLS = ("part", "part", "group", "group", "web", "web", "supervisor")
# Of each so many for a number of kills.
OTHERS = {"database": 12, "cache": 12, "cut": 10, "clock": 10}
SKEWS = (-45.0, 45.0, 0.0)
ADVANCE = 400.0  # less than any deadline: what a marketplace has given up rightly needs a person


@dataclass(frozen=True)
class Mishap:
    """`at` is the number of the order before which it happens; `dice` says whom it meets."""

    at: int
    kind: str
    dice: int


def plan(orders: int, kills: int, seed: int) -> list[Mishap]:
    """When what goes wrong, in order. The beginning and the end are spared, so that all of it meets work."""
    dice = random.Random(seed)
    kinds = [KILLS[number % len(KILLS)] for number in range(kills)]
    kinds += [kind for kind, each in OTHERS.items() for _ in range(-(-kills // each))]
    made = [Mishap(dice.randint(orders // 20, orders * 19 // 20), kind, dice.randrange(10**6)) for kind in kinds]
    ends = [Mishap(min(one.at + CUT_ORDERS, orders), "mend", one.dice) for one in made if one.kind == "cut"]
    return sorted([*made, *ends], key=lambda one: one.at)


@dataclass
class Mishaps:
    household: Household
    happened: Counter[str] = field(default_factory=Counter)
    _advanced: set[str] = field(default_factory=set)

    def do(self, mishap: Mishap) -> None:
        """Let it happen; a kill whose victim is just being started waits for it a little."""
        act = getattr(self, f"_{mishap.kind}")
        over = time.monotonic() + 15
        while not (is_done := act(mishap.dice)) and mishap.kind in KILLS and time.monotonic() < over:
            time.sleep(0.2)
        if is_done:
            self.happened[mishap.kind] += 1

    @property
    def kills(self) -> int:
        return sum(self.happened[kind] for kind in set(KILLS))

    def _part(self, dice: int) -> bool:
        return self.household.kill_part(dice, dice // 2)

    def _group(self, dice: int) -> bool:
        return self.household.kill_group(dice)

    def _web(self, dice: int) -> bool:
        return self.household.kill_web(dice)

    def _supervisor(self, dice: int) -> bool:
        return self.household.kill_supervisor(dice)

    def _database(self, dice: int) -> bool:
        """Our own server crashes and recovers; on one that others use, too, all connections to our database end."""
        if not postgres.crash():
            _end_connections()
        return True

    def _cache(self, dice: int) -> bool:
        return persistently(_empty_cache)

    def _cut(self, dice: int) -> bool:
        self.household.wires.cut(self._wire(dice), is_cut=True)
        return True

    def _mend(self, dice: int) -> bool:
        self.household.wires.cut(self._wire(dice), is_cut=False)
        return True

    def _wire(self, dice: int):  # type: ignore[no-untyped-def]
        wires = self.household.to_marketplaces
        return wires[sorted(wires)[dice % len(wires)]]

    def _clock(self, dice: int) -> bool:
        """A marketplace's clock is wrong by some seconds, or minutes pass there at once; twice would pass its deadlines."""
        slugs = sorted(self.household.to_marketplaces)
        slug = slugs[dice // 3 % len(slugs)]
        is_skew = dice % 2 or slug in self._advanced
        step = {"skew_seconds": SKEWS[dice % len(SKEWS)]} if is_skew else {"advance_seconds": ADVANCE}
        if not is_skew:
            self._advanced.add(slug)
        with suppress(OSError):
            ask(f"{self.household.place.sandbox}/{slug}/_sim/clock", step)
        return True

    def end(self) -> None:
        """All wires are whole again, and all clocks right."""
        for wire in self.household.to_marketplaces.values():
            self.household.wires.cut(wire, is_cut=False)
        for slug in self.household.to_marketplaces:
            ask(f"{self.household.place.sandbox}/{slug}/_sim/clock", {"skew_seconds": 0.0})


def persistently(work: Callable[[], bool]) -> bool:
    """Do something with the database, also when it was away a moment ago."""
    from django.db import Error, connections

    for _ in range(50):
        try:
            return work()
        except Error:
            connections.close_all()
            time.sleep(0.3)
    return work()


def _empty_cache() -> bool:
    from django.core.cache import cache

    cache.clear()
    return True


def _end_connections() -> None:
    from django.db import connection, connections

    def end() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return True

    persistently(end)
    connections.close_all()
