"""One stock, every shelf: buyers race on four marketplaces for the same fifty codes, over the wire.

Two of them ask for codes: what their buyers got stands in their own books. The other two take parcels: there staff accept and
ship what units are set aside for, cancel the rest, and the codes that leave with a parcel are in the order's delivery.
"""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.db.models import Sum
from django.utils import timezone

import orders.tasks
from inventory import codes, stock
from inventory.models import Code
from marketplaces.sandbox_words import Refusal
from orders import acceptance, shipping
from orders.models import DeliveryItem, Order, OrderLine, Poll
from orders.verify import verify
from tests import make
from tests.command import outcome
from tests.drain import drain
from tests.street import open_street

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

CODES, WANTED, BUYERS, WORKERS = 50, 200, 6, 2
POLL_SECONDS = 0.5
FIRST = 3  # units that are bought on each marketplace before the race
BY_PARCEL = ("ginee", "gcommerce")


def baskets(units, seed):
    """Who wants how many of these units where, in the order of arrival: as many on each marketplace."""
    dice, found = random.Random(seed), []
    for slug in ("g2a", "g2g", *BY_PARCEL):
        left = units // 4
        while left:
            found.append((slug, min(dice.randint(1, 4), left)))
            left -= found[-1][1]
    dice.shuffle(found)
    return found


class Race:
    """Buyers in threads of their own, and two workers of ours beside them."""

    def __init__(self, street):
        self.street, self.is_over, self.sold, self.broken = street, threading.Event(), Counter(), []
        self.refusals = set()

    def run(self, wanted):
        workers = [threading.Thread(target=self.work) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        try:
            with ThreadPoolExecutor(BUYERS) as buyers:
                list(buyers.map(self.buy, wanted))
        finally:
            self.is_over.set()
            for worker in workers:
                worker.join(60)
        assert self.broken == []
        assert self.refusals <= {409}, "there are not so many left"

    def buy(self, basket):
        slug, units = basket
        more = {"stays": True} if slug == "ginee" else {}  # its staff decide what becomes of an order
        try:
            bought = self.street.desks[slug].buy(self.street.offers[slug].external_id, units, **more)
            self.sold[slug] += units if bought.status != "refused" else 0
        except Refusal as refusal:
            self.refusals.add(refusal.status)
        finally:
            connections.close_all()

    def work(self):
        polled_at = 0.0
        try:
            while not self.is_over.is_set():
                if time.monotonic() - polled_at > POLL_SECONDS:
                    plan_polls()
                    polled_at = time.monotonic()
                if not self.street.sandbox.run_due() + drain():
                    self.is_over.wait(0.02)
        except Exception as error:
            self.broken.append(error)
            raise
        finally:
            connections.close_all()


def plan_polls():
    """Two minutes pass in a moment: what is read by the clock is due."""
    Poll.objects.update(next_at=timezone.now())
    orders.tasks.plan_polls()


def poll(street):
    plan_polls()
    street.settle()


def set_aside(line):
    return Code.objects.filter(hold=line.hold_id).count() if line.hold_id else 0


def staff_work(street):
    """On marketplaces of parcels: ship what units are set aside for, and cancel what there is nothing for."""
    lines = list(OrderLine.objects.filter(order__account__marketplace__in=BY_PARCEL).select_related("order__account"))
    served = {line: units for line in lines if (units := set_aside(line))}
    for line in lines:
        if line not in served:
            cancel(street, line.order)
    theirs = [line for line in served if line.order.account.marketplace == "gcommerce"]
    for line in theirs:
        assert acceptance.accept(line.order, by="ann")
    street.advance(30)
    for number, line in enumerate(theirs):
        shipping.ship(
            Order.objects.get(pk=line.order_id), {line.pk: served[line]}, carrier="ups", tracking_number=f"1Z{number}",
            shipping_method_id="44", by="ann",
        )  # fmt: skip
    for line in set(served) - set(theirs):
        for action in ("ready", "ship", "deliver"):
            street.box("ginee").orders.act(line.order.external_id, action)
    street.advance(60)


def cancel(street, order):
    box = street.box(order.account.marketplace)
    if order.account.marketplace == "ginee":
        box.orders.act(order.external_id, "cancel")
    else:
        box.orders.call_off(box.orders.all[int(order.external_id)])


def received(street):
    """Every code that a buyer holds by the marketplaces' own books, by marketplace."""
    g2a, g2g = street.box("g2a"), street.box("g2g")
    return {
        "g2a": [item.value for order in g2a.orders.all.values() for item in order.kept],
        "g2g": [
            code.content
            for order in g2g.orders.all.values()
            for each in order.deliveries.values()
            for code in each.codes
        ],
    }


def handed_over(slug):
    """The same by our books."""
    items = DeliveryItem.objects.filter(delivery__account__marketplace=slug, withdrawn_at=None).exclude(sent_at=None)
    return list(codes.plaintexts(list(items.values_list("code_id", flat=True))).values())


def test_two_hundred_units_are_wanted_everywhere_and_fifty_are_delivered():
    with open_street() as street:
        street.box("g2g").options |= {"pay_seconds": 0.0, "request_seconds": 0.0}
        product = make.product(codes=CODES)
        street.offer_everywhere(product)
        orders.tasks.plan_polls()  # the first round makes the lists known, the next ones read them
        assert set(street.numbers().values()) == {CODES}

        race = Race(street)
        for slug in street.desks:
            race.buy((slug, FIRST))
        poll(street)
        street.advance(70)
        left = CODES - 4 * FIRST
        assert street.numbers() == {
            "g2a": left,
            "g2g": left,
            "gcommerce": left,
            "ginee": left - FIRST,
        }  # of which it locks

        race.run(baskets(WANTED - 4 * FIRST, seed=1))
        poll(street)
        street.advance(70)
        assert sum(race.sold.values()) >= CODES
        assert stock.count(product.pk)["available"] == 0
        assert street.numbers() == dict.fromkeys(street.numbers(), 0)

        staff_work(street)
        poll(street)
        street.advance(120)

        # None is delivered twice, by any pair of books.
        got = received(street)
        ours = {slug: handed_over(slug) for slug in street.desks}
        assert {slug: sorted(texts) for slug, texts in got.items()} == {slug: sorted(ours[slug]) for slug in got}
        texts = [text for texts in ours.values() for text in texts]
        assert len(texts) == len(set(texts)) == CODES
        # An order that got a part of what it wants is not over: its codes stay “sent” until the rest comes or it ends.
        states = {state: units for state, units in stock.count(product.pk).items() if units}
        assert states.keys() <= {"delivered", "sent"}
        assert sum(states.values()) == CODES
        shipped = OrderLine.objects.filter(order__account__marketplace__in=BY_PARCEL).aggregate(units=Sum("shipped"))
        assert shipped["units"] == sum(len(ours[slug]) for slug in BY_PARCEL)
        assert all(ours.values()), "each marketplace's buyers had a share"

        # Each channel's number is zero there, and stays so; both sides' books agree.
        assert street.numbers() == dict.fromkeys(street.numbers(), 0)
        assert not street.box("g2a").orders.doubles
        assert verify().problems == []
        data, status, words = outcome("reconcile")
        assert (data["differences"], status) == ([], 0), words
