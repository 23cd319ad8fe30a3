"""Workers die at any point of buying fifty codes, again and again: each is paid once and in stock once."""

import random
from contextlib import contextmanager

import pytest
from django.db import connection

import inventory.tasks
from inventory import purchasing
from inventory.models import Code, Purchase
from marketplaces import http, sandbox_wire
from orders import verify
from tests import make
from tests.drain import drain
from tests.inventory.test_buying import Buyer

State, Stage = Purchase.State, Purchase.Stage
KEY = "/order/key/"
MOST_ROUNDS = 2000  # of 3 seconds; an order that was killed twice is left to lapse before the third


class Killed(BaseException):
    """The worker is gone; nothing below catches it."""


class Reaper:
    """Kills by the dice, before and after every request and every statement that writes.

    `spares_keys`: never while a worker holds the answer with a key and has not written it down; nobody can help that
    key, since it is given once. Without it, that is the only moment at which it kills.
    """

    def __init__(self, dice, *, chance, spares_keys):
        self.dice, self.chance, self.spares_keys = dice, chance, spares_keys
        self.holds_key = False
        self.kills = 0

    def pass_by(self):
        if self.holds_key == self.spares_keys or self.dice.random() >= self.chance:
            return
        self.kills += 1
        self.holds_key = False  # what a dying worker still writes down on its way out kills nobody twice
        raise Killed

    def statement(self, execute, sql, params, many, context):
        is_write = sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE"))
        if is_write:
            self.pass_by()
        answer = execute(sql, params, many, context)
        if is_write:
            if sql.startswith('UPDATE "inventory_purchase"') and '"answer"' in sql:
                self.holds_key = False
            self.pass_by()
        return answer


class Wire(sandbox_wire.InProcess):
    """The way to the other side, on which workers die, too."""

    def __init__(self, desk, reaper):
        super().__init__(desk.sandbox, desk.account.base_url)
        self.reaper = reaper

    def send(self, request, **details):
        self.reaper.pass_by()
        response = super().send(request, **details)
        self.reaper.holds_key = KEY in request.url and response.status_code == 200
        self.reaper.pass_by()
        return response


@contextmanager
def dying_workers(desk, reaper):
    http.mount(desk.account.base_url, Wire(desk, reaper))
    try:
        with connection.execute_wrapper(reaper.statement):
            yield
    finally:
        sandbox_wire.mount(desk.sandbox, desk.account.base_url)


def work_until_all_is_over(shop, reaper):
    for _ in range(MOST_ROUNDS):
        try:
            with dying_workers(shop.desk, reaper):
                shop.desk.advance(3)
        except Killed:
            # What the marketplace does goes on; a dead worker is noticed after a while.
            drain()
            shop.desk.advance(80)
        inventory.tasks.sweep()
        if not Purchase.objects.filter(state__in=[State.DUE, State.IN_FLIGHT, State.UNKNOWN]).exists():
            return
    left = Purchase.objects.filter(state__in=[State.DUE, State.IN_FLIGHT, State.UNKNOWN])
    raise AssertionError(f"It does not come to an end: {list(left.values('stage', 'state', 'failure', 'next_try_at'))}")


@pytest.mark.parametrize("seed", [1, 2])
def test_fifty_codes_are_paid_once_and_in_stock_once_however_often_workers_die(g2a, seed):
    shop = Buyer(g2a, make.product("GAME"))
    shop.order(50)
    reaper = Reaper(random.Random(seed), chance=0.02, spares_keys=True)
    work_until_all_is_over(shop, reaper)

    assert reaper.kills > 10
    assert shop.is_whole(50)
    assert [order.reads for order in shop.paid()] == [1] * 50
    assert shop.theirs.wallet(shop.paid()[0].account).balance == 1000 - 50 * 4


def test_a_key_that_a_worker_took_to_its_grave_is_shown_to_a_person_and_the_others_are_in_stock(g2a):
    shop = Buyer(g2a, make.product("GAME"))
    run = shop.order(50)
    reaper = Reaper(random.Random(1), chance=0.1, spares_keys=False)
    work_until_all_is_over(shop, reaper)

    done = purchasing.progress(run)
    assert reaper.kills > 3
    assert (done.wanted, done.bought, done.in_stock) == (50, 50, 50 - reaper.kills)
    assert [row.failure for row in done.needs_attention] == ["key_lost"] * reaper.kills
    assert len(shop.paid()) == 50
    assert len(shop.theirs.all) == 50
    assert Code.objects.count() == done.in_stock
    assert verify.verify().problems == []
