"""Stock that is counted, behind the same verbs and with the same promises as codes."""

import contextlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone
from hypothesis import given, settings, strategies as st
from hypothesis.extra.django import TestCase

from inventory import goods, stock
from inventory.models import Hold, Level, Movement, Product, StockChange
from orders.verify import levels_add_up
from tests import make

Kind = Movement.Kind


def shelf(units=10, sku="PAD-1"):
    product = make.product(sku, kind=Product.Kind.COUNTED)
    if units:
        goods.receive(product_id=product.pk, quantity=units, by="keeper", cost=Decimal("12.50"), currency="USD")
    return product


def level(product):
    found = Level.objects.get(pk=product.pk)
    return found.on_hand, found.held


def in_threads(count, work):
    def run(number):
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.smoke
def test_what_is_received_can_be_sold_and_its_offers_are_told(db):
    product = shelf(4)

    assert stock.sellable(product.pk) == 4
    assert StockChange.objects.filter(product=product).exists()
    received = Movement.objects.get()
    assert (received.kind, received.on_hand, received.cost, received.currency) == (Kind.RECEIVED, 4, 12.5, "USD")


@pytest.mark.smoke
def test_a_hold_takes_units_from_what_others_can_buy_and_a_repeat_takes_no_more(db):
    product = shelf(5)

    first = stock.hold(product_id=product.pk, quantity=3, reference="a")
    again = stock.hold(product_id=product.pk, quantity=3, reference="a")
    assert (first.hold.pk, first.quantity, again.quantity) == (again.hold.pk, 3, 3)
    assert (level(product), stock.sellable(product.pk)) == ((5, 3), 2)

    assert stock.hold(product_id=product.pk, quantity=1, reference="a").quantity == 1
    assert stock.sellable(product.pk) == 4


@pytest.mark.smoke
def test_a_hold_is_all_or_nothing_unless_it_may_be_short(db):
    product = shelf(2)

    with pytest.raises(stock.ShortStock):
        stock.hold(product_id=product.pk, quantity=3, reference="a")
    assert (level(product), Hold.objects.count()) == ((2, 0), 0)

    assert stock.hold(product_id=product.pk, quantity=3, reference="a", may_be_short=True).quantity == 2


@pytest.mark.smoke
def test_a_hold_ends_by_its_time_and_its_units_can_be_sold_again(db):
    product = shelf(2)
    now = timezone.now()
    stock.hold(product_id=product.pk, quantity=2, reference="a", until=now)

    assert stock.end_holds(now + timedelta(seconds=1)) == 1
    assert (level(product), stock.release(Hold.objects.get().pk)) == ((2, 0), 0)


@pytest.mark.smoke
def test_a_parcel_takes_its_holds_units_first_and_once(db):
    product = shelf(5)
    held = stock.hold(product_id=product.pk, quantity=2, reference="order line 1").hold

    for _ in range(2):
        assert stock.ship(product_id=product.pk, quantity=3, reference="shipment item 1", hold_id=held.pk) == 3
    assert level(product) == (2, 0)
    assert stock.count(product.pk)["delivered"] == 3


def test_a_parcel_leaves_what_is_set_aside_for_others_and_says_what_it_lacked(db):
    product = shelf(5)
    stock.hold(product_id=product.pk, quantity=4, reference="another order")

    assert stock.ship(product_id=product.pk, quantity=3, reference="shipment item 1") == 1
    assert level(product) == (4, 4)
    assert "2 more left" in Movement.objects.get(kind=Kind.SHIPPED).note


@pytest.mark.smoke
def test_a_parcel_that_did_not_leave_gives_its_units_back_once(db):
    product = shelf(5)
    stock.ship(product_id=product.pk, quantity=3, reference="shipment item 1")

    assert [stock.unship(reference="shipment item 1") for _ in range(2)] == [3, 0]
    assert level(product) == (5, 0)
    assert stock.unship(reference="never shipped") == 0


def test_what_a_buyer_sends_back_is_at_most_what_was_sent(db):
    product = shelf(5)
    stock.ship(product_id=product.pk, quantity=2, reference="shipment item 1")

    assert goods.take_back(reference="shipment item 1", quantity=9, by="keeper") == 2
    assert level(product) == (5, 0)


def test_the_shelf_is_set_to_what_was_counted_and_never_below_what_is_set_aside(db):
    product = shelf(5)
    stock.hold(product_id=product.pk, quantity=2, reference="a")

    assert goods.correct(product_id=product.pk, counted=4, by="keeper", note="one broke") == -1
    with pytest.raises(stock.ShortStock, match="2 units are set aside"):
        goods.correct(product_id=product.pk, counted=1, by="keeper", note="lost")
    assert level(product) == (4, 2)


def test_a_delivery_note_that_is_sent_twice_is_received_once(db):
    product = shelf(0)

    said = [goods.receive(product_id=product.pk, quantity=3, by="keeper", key="form 1") for _ in range(2)]

    assert (said, level(product)) == ([True, False], (3, 0))


def test_the_database_itself_refuses_to_hold_more_than_there_is(db):
    product = shelf(1)

    with pytest.raises(IntegrityError), transaction.atomic():
        Level.objects.filter(pk=product.pk).update(held=2)


def test_many_products_are_counted_in_one_statement(db, django_assert_num_queries):
    pads, keys, none = shelf(3), make.product("KEY-1", codes=2), make.product("KEY-2")
    stock.hold(product_id=pads.pk, quantity=1, reference="a")

    with django_assert_num_queries(1):
        assert stock.sellable_of([pads.pk, keys.pk, none.pk]) == {pads.pk: 2, keys.pk: 2, none.pk: 0}


def test_the_books_notice_a_level_that_was_changed_behind_their_back(db):
    product = shelf(5)
    assert not list(levels_add_up())

    Level.objects.filter(pk=product.pk).update(on_hand=6)

    (problem,) = levels_add_up()
    assert problem["product"] == product.pk


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_forty_buyers_at_once_hold_exactly_what_there_is():
    product = shelf(25)

    def buy(number):
        try:
            return stock.hold(product_id=product.pk, quantity=1, reference=f"order {number}").quantity
        except stock.ShortStock:
            return 0

    assert Counter(in_threads(40, buy)) == {1: 25, 0: 15}
    assert level(product) == (25, 25)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_the_same_parcel_told_eight_times_at_once_leaves_once():
    product = shelf(10)
    held = stock.hold(product_id=product.pk, quantity=4, reference="order line 1").hold

    def leave(_):
        return stock.ship(product_id=product.pk, quantity=4, reference="shipment item 1", hold_id=held.pk)

    assert set(in_threads(8, leave)) == {4}
    assert level(product) == (6, 0)


STEPS = st.one_of(
    st.tuples(st.just("receive"), st.integers(1, 5)),
    st.tuples(st.just("hold"), st.integers(0, 6), st.integers(1, 3)),
    st.tuples(st.just("release"), st.integers(1, 3)),
    st.tuples(st.just("ship"), st.integers(1, 6), st.integers(1, 4), st.integers(0, 3)),
    st.tuples(st.just("unship"), st.integers(1, 4)),
    st.tuples(st.just("correct"), st.integers(0, 8)),
)


class Conservation(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(st.lists(STEPS, max_size=12))
    def test_whatever_happens_in_whatever_order_the_numbers_are_the_sum_of_their_movements(self, steps):
        product = shelf(3)
        for step in steps:
            with contextlib.suppress(stock.ShortStock):
                self.take(product, *step)
            found = Level.objects.get(pk=product.pk)
            assert 0 <= found.held <= found.on_hand
            assert not list(levels_add_up())

    def take(self, product, verb, number, *more):
        holds = {hold.reference: hold.pk for hold in Hold.objects.filter(released_at=None)}
        match verb:
            case "receive":
                goods.receive(product_id=product.pk, quantity=number, by="keeper")
            case "hold":
                stock.hold(
                    product_id=product.pk, quantity=number, reference=f"h{more[0]}", may_be_short=number % 2 == 0
                )
            case "release":
                stock.release(holds.get(f"h{number}", 0))
            case "ship":
                stock.ship(
                    product_id=product.pk, quantity=number, reference=f"p{more[0]}", hold_id=holds.get(f"h{more[1]}")
                )
            case "unship":
                stock.unship(reference=f"p{number}")
            case "correct":
                goods.correct(product_id=product.pk, counted=number, by="keeper", note="count")
