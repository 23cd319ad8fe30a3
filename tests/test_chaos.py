"""The chaos suite can fail: it sees what is lost and what is doubled, and a seed repeats its plan."""

import random
from collections import Counter
from typing import Any

import pytest

from marketplaces.services.g2g import sandbox_orders
from tests.chaos import books, mishaps
from tests.chaos.buyers import wishes
from tests.desk import Desk
from tests.orders import story


def counts(desk: Desk) -> Counter[str]:
    found = books.compare(["g2g"], lambda slug: desk.sandbox.state())["g2g"].counts
    return Counter({word: number for word, number in found.items() if number})


def sold(desk: Desk, *units: int) -> list[Any]:
    """Orders that were delivered whole, as the other side has them."""
    shop = story.begin(desk, codes=20)
    ids = [shop.buy(number) for number in units]
    shop.until_asked()
    shop.until_delivered()
    return [next(iter(desk.sandbox.orders.all[number].deliveries.values())) for number in ids]


def test_what_was_delivered_once_is_well(g2g: Desk) -> None:
    sold(g2g, 2, 3)
    assert counts(g2g) == {"orders": 2, "units owed": 5, "delivered": 5}
    assert books.unfinished() == {}
    assert books.need_a_person(rightly=False) == books.need_a_person(rightly=True) == []


def test_a_code_in_two_hands_is_seen(g2g: Desk) -> None:
    first, second = sold(g2g, 2, 2)
    second.codes[0] = first.codes[0]
    found = counts(g2g)
    assert found["doubled"] >= 1
    assert found["lost"] == 1


def test_a_code_that_never_arrived_is_seen(g2g: Desk) -> None:
    (delivery,) = sold(g2g, 2)
    delivery.codes.pop()
    assert counts(g2g)["lost"] == 1


def test_what_only_a_person_can_find_out_is_neither_lost_nor_open(g2g: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_orders, "DEADLINE_MS", 86_400_000)
    shop = story.begin(g2g, codes=20)
    g2g.fault("G2G-12", "timeout", times=2)
    shop.buy(2)
    shop.until_asked()
    g2g.advance(30 * 60)
    assert counts(g2g) == {"orders": 1, "units owed": 2, "to ask": 2}
    assert books.unfinished() == {}
    assert (len(books.need_a_person(rightly=False)), len(books.need_a_person(rightly=True))) == (0, 1)


def test_an_order_that_nobody_knows_here_is_seen(g2g: Desk) -> None:
    shop = story.begin(g2g, codes=5)
    g2g.fault("*", "drop", times=None)
    shop.buy(1)
    g2g.sandbox.advance(10)
    assert counts(g2g)["open"] == 1


def test_a_seed_repeats_who_buys_what_and_what_goes_wrong() -> None:
    shelf = {"a": [f"a{number}" for number in range(20)], "b": ["b1"]}
    assert mishaps.plan(2000, 40, 7) == mishaps.plan(2000, 40, 7) != mishaps.plan(2000, 40, 8)
    kinds = Counter(one.kind for one in mishaps.plan(2000, 40, 7))
    assert sum(kinds[kind] for kind in set(mishaps.KILLS)) == 40
    assert all(kinds[kind] for kind in ("database", "cache", "cut", "clock"))
    assert kinds["cut"] == kinds["mend"]
    assert not mishaps.plan(100, 0, 7)
    first, again = (wishes(shelf, 50, random.Random(7)) for _ in range(2))
    assert first == again
    assert Counter(wish.slug for wish in first) == {"a": 25, "b": 25}
