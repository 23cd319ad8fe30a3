"""The stock verbs, each of them and against each other."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import statements, stock
from inventory.models import Code, Hold, StockChange
from tests import make

State = Code.State


def in_threads(count, work):
    """Run work(n) for n below `count` in threads with connections of their own; returns the results."""

    def run(number):
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.smoke
@pytest.mark.django_db
def test_it_takes_the_codes_that_came_in_first():
    product = make.product(codes=5)
    first = list(Code.objects.order_by("position").values_list("pk", flat=True)[:2])

    assert stock.take(product_id=product.pk, quantity=2) == first
    assert stock.count(product.pk)[State.HELD] == 2
    assert stock.sellable(product.pk) == 3


@pytest.mark.smoke
@pytest.mark.django_db
def test_it_takes_what_there_is_when_stock_is_short():
    product = make.product(codes=2)

    assert len(stock.take(product_id=product.pk, quantity=3)) == 2
    assert stock.take(product_id=product.pk, quantity=1) == []


@pytest.mark.django_db
def test_it_never_takes_another_products_codes():
    product, other = make.product(codes=1), make.product("OTHER", codes=5)

    taken = stock.take(product_id=product.pk, quantity=3)

    assert set(Code.objects.filter(pk__in=taken).values_list("product_id", flat=True)) == {product.pk}
    assert stock.sellable(other.pk) == 5


@pytest.mark.smoke
@pytest.mark.django_db
def test_a_code_past_its_date_is_not_picked_and_is_expired_by_the_sweep():
    product = make.product(codes=1)
    make.add_codes(product, 2, expires_at=date(2020, 1, 1))

    assert stock.sellable(product.pk) == 1
    assert len(stock.take(product_id=product.pk, quantity=3)) == 1
    assert stock.expire_codes(timezone.now()) == 2
    assert stock.count(product.pk)[State.EXPIRED] == 2


@pytest.mark.smoke
@pytest.mark.django_db
def test_a_hold_is_all_or_nothing_unless_it_may_be_short():
    product = make.product(codes=2)

    with pytest.raises(stock.ShortStock):
        stock.hold(product_id=product.pk, quantity=3, reference="a")
    assert stock.sellable(product.pk) == 2
    assert not Hold.objects.exists()

    assert stock.hold(product_id=product.pk, quantity=3, reference="a", may_be_short=True).quantity == 2
    assert stock.sellable(product.pk) == 0


@pytest.mark.smoke
@pytest.mark.django_db
def test_a_repeated_hold_holds_no_more_and_a_smaller_one_lets_go():
    product = make.product(codes=5)

    first = stock.hold(product_id=product.pk, quantity=3, reference="a")
    again = stock.hold(product_id=product.pk, quantity=3, reference="a")
    assert (again.hold.pk, again.quantity, stock.sellable(product.pk)) == (first.hold.pk, 3, 2)

    assert stock.hold(product_id=product.pk, quantity=1, reference="a").quantity == 1
    assert stock.sellable(product.pk) == 4


@pytest.mark.smoke
@pytest.mark.django_db
def test_a_delivery_takes_from_its_hold_first():
    product = make.product(codes=4)
    held = stock.hold(product_id=product.pk, quantity=2, reference="a").hold
    of_hold = set(Code.objects.filter(hold=held).values_list("pk", flat=True))

    taken = stock.take(product_id=product.pk, quantity=3, hold_id=held.pk)

    assert of_hold < set(taken)
    assert not Code.objects.filter(hold=held).exists()
    assert stock.sellable(product.pk) == 1


@pytest.mark.django_db
def test_a_released_hold_gives_back_once():
    product = make.product(codes=2)
    held = stock.hold(product_id=product.pk, quantity=2, reference="a").hold

    assert stock.release(held.pk) == 2
    assert stock.release(held.pk) == 0
    assert stock.sellable(product.pk) == 2
    assert stock.hold(product_id=product.pk, quantity=1, reference="a").hold.pk != held.pk


@pytest.mark.django_db
def test_a_hold_ends_when_its_time_is_up():
    product = make.product(codes=2)
    until = timezone.now() + timedelta(minutes=30)
    stock.hold(product_id=product.pk, quantity=2, reference="a", until=until)

    assert stock.end_holds(until - timedelta(seconds=1)) == 0
    assert stock.end_holds(until) == 1
    assert stock.sellable(product.pk) == 2


@pytest.mark.smoke
@pytest.mark.django_db
def test_a_code_that_was_sent_never_comes_back():
    product = make.product(codes=1)
    taken = stock.take(product_id=product.pk, quantity=1)
    stock.mark_sent(taken)

    with pytest.raises(stock.NotMoved), transaction.atomic():
        stock.put_back(taken)
    stock.mark_delivered(taken)
    stock.mark_delivered(taken)
    with pytest.raises(stock.NotMoved), transaction.atomic():
        stock.put_back(taken)
    assert stock.count(product.pk) == {**dict.fromkeys(State.values, 0), State.DELIVERED: 1}


@pytest.mark.django_db
def test_only_codes_for_sale_can_be_withdrawn():
    product = make.product(codes=2)
    sold = stock.take(product_id=product.pk, quantity=1)
    everything = list(Code.objects.values_list("pk", flat=True))

    assert stock.withdraw(everything, State.FAULTY) == 1
    assert Code.objects.get(pk=sold[0]).state == State.HELD
    with pytest.raises(ValueError, match="not one of"):
        stock.withdraw(everything, State.DELIVERED)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "verb",
    [
        lambda product: stock.take(product_id=product.pk, quantity=1),
        lambda product: stock.hold(product_id=product.pk, quantity=1, reference="a"),
        lambda product: stock.withdraw([Code.objects.first().pk], State.VOID),
    ],
)
def test_every_change_is_written_down_for_the_offers_in_its_own_transaction(verb):
    product = make.product(codes=2)

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        verb(product)
        raise ZeroDivisionError
    assert not StockChange.objects.exists()

    verb(product)
    assert StockChange.objects.get().product == product


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_hundred_parallel_holds_on_150_codes_are_exactly_150():
    product = make.product(codes=150)

    def hold(number):
        try:
            return stock.hold(product_id=product.pk, quantity=1, reference=f"buyer {number}").quantity
        except stock.ShortStock:
            return 0

    assert Counter(in_threads(200, hold)) == {1: 150, 0: 50}
    assert stock.count(product.pk)[State.HELD] == 150
    assert Hold.objects.count() == 150


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_parallel_holds_of_several_units_use_up_the_stock():
    """Who finds the rest locked by others waits for them before calling the stock short."""
    product = make.product(codes=60)

    def hold(number):
        try:
            return stock.hold(product_id=product.pk, quantity=3, reference=f"buyer {number}").quantity
        except stock.ShortStock:
            return 0

    assert Counter(in_threads(40, hold)) == {3: 20, 0: 20}


@pytest.mark.postgres
@pytest.mark.django_db
def test_who_finds_too_little_lets_go_before_it_waits():
    """Who found nothing may have locked what another took after the statement began: two such would wait in a circle."""
    product = make.product("A", codes=0)

    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        assert stock.take(product_id=product.pk, quantity=1, hold_id=None) == []
        assert stock.hold(product_id=product.pk, quantity=1, reference="r", may_be_short=True).quantity == 0

    told = [word for query in asked for word in ("SKIP LOCKED", "ROLLBACK TO", "FOR UPDATE)") if word in query["sql"]]
    assert told[-3:] == ["SKIP LOCKED", "ROLLBACK TO", "FOR UPDATE)"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_parallel_takes_never_share_a_code():
    product = make.product(codes=100)

    taken = in_threads(60, lambda number: stock.take(product_id=product.pk, quantity=2))

    codes = [pk for some in taken for pk in some]
    assert len(codes) == len(set(codes)) == 100


@pytest.mark.postgres
@pytest.mark.django_db
def test_picking_reads_the_small_index_of_available_codes_alone():
    products = [make.product(f"P{number}") for number in range(4)]
    for product in products:
        make.add_codes(product, 500)

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE inventory_code")
        values = [None, products[0].pk, date(2026, 1, 1), 1]
        cursor.execute("EXPLAIN " + stock.pick_statement(skip_locked=True), values)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "code_to_pick" in plan
    assert "Seq Scan" not in plan
    assert "Sort" not in plan


@pytest.mark.django_db
@pytest.mark.smoke
def test_an_offers_units_are_counted_no_further_than_anybody_is_shown(monkeypatch):
    monkeypatch.setattr(statements, "MOST_COUNTED", 3)
    many, few, none = (make.product(sku, codes=codes) for sku, codes in (("A", 5), ("B", 2), ("C", 0)))

    assert stock.sellable_of([many.pk, few.pk, none.pk]) == {many.pk: 3, few.pk: 2, none.pk: 0}
    assert stock.sellable(many.pk) == 5
    assert stock.sellable_of([]) == {}


@pytest.mark.django_db
@pytest.mark.smoke
def test_what_is_past_its_date_is_not_counted_before_the_sweep_took_it_out(monkeypatch):
    product, past = make.product("A", codes=5), make.product("B", codes=4)
    Code.objects.filter(pk__in=Code.objects.filter(product=product).values("pk")[:2]).update(
        expires_at=date(2020, 1, 1)
    )
    Code.objects.filter(product=product, expires_at=None).update(expires_at=timezone.now().date())
    Code.objects.filter(product=past).update(expires_at=date(2020, 1, 1))

    assert stock.sellable_of([product.pk, past.pk]) == {product.pk: 3, past.pk: 0}
    monkeypatch.setattr(statements, "MOST_COUNTED", 3)
    assert stock.sellable_of([past.pk]) == {past.pk: 0}
