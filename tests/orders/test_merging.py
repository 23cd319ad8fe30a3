"""Which answer about an order counts: asked later beats asked earlier, the order itself beats its row in a list."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from marketplaces.types import Address, OrderState, RemoteOrderLine
from orders import contacts, intake, verify
from orders.models import Order, OrderEvent
from tests import make
from tests.inventory.test_goods import level, shelf
from tests.orders.goods import PERSON, STREET, later, row, shown, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return make.account(marketplace="gcommerce")


def take(account, remote, **more):
    order = intake.import_order(account=account, remote=remote, **more)
    return Order.objects.get(pk=order.pk)


@pytest.mark.smoke
def test_all_that_was_said_is_kept(account):
    order = take(account, shown())

    assert (order.state, order.number, order.channel, order.needs_shipping) == ("new", "N-1", "SHOP", True)
    assert order.contact["ship_to"] == {"name": PERSON, "street": STREET, "city": "Testville", "country": "US"}
    assert (order.contact["buyer"], order.buyer) == (PERSON, "")
    line = order.lines.get()
    assert (line.name, line.sku, line.quantity) == ("Demo mask", "LM1", 3)


def test_a_row_of_a_list_clears_and_replaces_nothing(account):
    """GCO-T42"""
    before = take(account, shown())
    after = take(account, row(status_word="J", state=OrderState.SHIPPED, amount="99", asked_at=later(5)))

    same = ("state", "status_word", "amount", "contact", "number", "channel", "asked_at", "is_summary")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert after.lines.get().quantity == 3


def test_a_row_makes_an_order_that_is_still_to_be_read_and_reading_completes_it(account):
    order = take(account, row())
    assert (order.is_summary, order.state, order.lines.count()) == (True, "new", 0)

    order = take(account, shown(asked_at=later(2), updated_at=later(-5)))
    assert (order.is_summary, order.lines.count(), order.contact["email"]) == (False, 1, "planted@example.com")


def test_a_row_replaces_the_row_before_it(account):
    take(account, row())
    assert take(account, row(status_word="I", state=OrderState.CANCELLED)).state == "cancelled"


def test_an_answer_asked_for_earlier_only_fills_what_is_empty(account):
    take(account, shown(asked_at=later(9), state=OrderState.ACCEPTED, status_word="K", phone=""))
    order = take(account, shown(asked_at=later(3), email="other@example.com", payment_word="PO"))

    assert (order.state, order.contact["email"]) == ("accepted", "planted@example.com")
    assert (order.payment_word, order.contact["phone"]) == ("PO", "(000)-000-0000")
    assert order.asked_at == later(9)


def test_among_answers_of_one_moment_the_newer_state_counts(account):
    take(account, shown(updated_at=later(8), state=OrderState.ACCEPTED, status_word="K"))
    assert take(account, shown(updated_at=later(7))).state == "accepted"
    assert take(account, shown(updated_at=later(9), state=OrderState.SHIPPED, status_word="J")).state == "shipped"


def test_hearsay_without_a_time_replaces_nothing_once_a_time_is_known(account):
    take(account, shown(updated_at=later(8), asked_at=None, channel=""), is_hearsay=True)
    order = take(account, shown(state=OrderState.SHIPPED, status_word="S", asked_at=None), is_hearsay=True)
    assert (order.state, order.channel, order.is_hearsay) == ("new", "SHOP", True)


def test_the_order_itself_may_say_that_something_is_empty_now(account):
    take(account, shown())
    emptied = shown(
        asked_at=later(2), phone="", number="", ship_to=None, emptied=frozenset({"phone", "number", "ship_to"})
    )
    order = take(account, emptied)
    assert (order.number, set(order.contact)) == ("", {"buyer", "email"})


@pytest.mark.parametrize("stale", [{"asked_at": later(0)}, {"is_summary": True, "asked_at": later(3)}])
def test_what_does_not_count_clears_nothing_either(account, stale):
    take(account, shown())
    order = take(account, replace(shown(phone="", emptied=frozenset({"phone"})), **stale))
    assert order.contact["phone"]


def test_a_word_that_nobody_knows_stays_readable(account):
    """GCO-T41"""
    take(account, shown())
    order = take(account, shown(state=OrderState.UNKNOWN, status_word="Q", asked_at=later(2)))
    assert (order.state, order.status_word) == ("unknown", "Q")


def test_a_step_back_is_taken_and_flagged(account):
    take(account, shown(state=OrderState.DELIVERED, status_word="D", updated_at=later(1)))
    order = take(account, shown(updated_at=later(2), asked_at=later(2)))
    assert order.state == "new"
    entry = OrderEvent.objects.get(order=order, level="warning")
    assert entry.text == "The marketplace shows it as new. Before it was delivered."


def test_goods_are_found_by_their_sku_and_that_is_said(account):
    product = make.product("LM1")
    order = take(account, shown())
    take(account, shown(asked_at=later(2)))
    assert order.lines.get().product == product
    assert told(order, "linked") == ["Line 424186180 is taken for our LM1: the marketplace repeats its SKU."]


def test_our_offer_is_believed_before_a_sku(account):
    mine, other = make.product("MINE"), make.product("LM1")
    offer = make.offer(mine, account, external_id="123456")
    line = take(account, shown()).lines.get()
    assert (line.product, line.offer, other.pk == line.product_id) == (mine, offer, False)


@pytest.mark.parametrize(
    ("state", "held"),
    [("new", 3), ("accepted", 3), ("ready_to_ship", 3), ("on_hold", 3), ("failed", 0), ("cancelled", 0)],
)
def test_units_are_set_aside_while_the_order_may_still_take_them(account, state, held):
    product = make.product("LM1", codes=5)
    now = timezone.now()
    take(account, shown(created_at=now, asked_at=now))
    take(account, shown(created_at=now, asked_at=now + timedelta(minutes=1), state=OrderState(state), status_word="?"))
    assert product.codes.filter(state="held").count() == held


def test_an_answer_taken_in_again_and_again_works_once(account):
    product = make.product("LM1", codes=5)
    for minute in range(1, 6):
        order = take(account, shown(state=OrderState.ACCEPTED, status_word="K", asked_at=later(minute)))
    assert told(order, "state") == ["The marketplace shows it as accepted."]
    assert product.codes.filter(state="held").count() == 3


@pytest.mark.parametrize("state", ["shipped", "delivered", "completed"])
def test_counted_goods_that_left_stay_set_aside_until_their_parcel_is_known(account, state):
    """GIN-T43: what left is not for sale again, however many steps are told of it; and verify names it."""
    product = shelf(10, "LM1")
    take(account, shown())
    assert level(product) == (10, 3)
    for minute in (2, 3):
        order = take(account, shown(asked_at=later(minute), state=OrderState(state), status_word="?"))
    assert level(product) == (10, 3)

    Order.objects.update(seen_at=timezone.now() - timedelta(days=2))
    assert [problem["check"] for problem in verify.verify().problems] == ["no parcel"]

    order.lines.update(shipped=3)
    take(account, shown(asked_at=later(4), state=OrderState(state), status_word="?"))
    assert level(product) == (10, 0)


def test_an_order_that_had_left_when_it_was_first_seen_sets_nothing_aside(account):
    product = shelf(10, "LM1")
    take(account, shown(state=OrderState.SHIPPED, status_word="J"))
    assert level(product) == (10, 0)


def test_a_line_that_an_answer_lacks_stays(account):
    take(account, shown())
    order = take(account, shown(asked_at=later(2), lines=[RemoteOrderLine("7", sku="LM2", quantity=1)]))
    assert set(order.lines.values_list("external_id", flat=True)) == {"424186180", "7"}


def test_who_bought_lies_sealed_and_what_was_sent_is_masked(account):
    raw = {"email": "planted@example.com", "s_address": STREET, "firstname": PERSON, "total": "15.00"}
    order = take(account, shown(raw=raw))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM orders_order WHERE id = %s", [order.pk])
        kept = repr([bytes(value) if isinstance(value, memoryview) else value for value in cursor.fetchone()])
    for secret in (PERSON, STREET, "planted@example.com", "(000)-000-0000"):
        assert secret not in kept, secret
    assert order.raw["total"] == "15.00"


def test_who_bought_is_erased_a_month_after_the_end_and_does_not_come_back(account):
    order = take(account, shown(state=OrderState.COMPLETED, status_word="C"))
    end = timezone.now() + timedelta(days=30, minutes=1)
    assert contacts.erase(timezone.now() + timedelta(days=29)) == 0
    assert contacts.erase(end) == 1
    Order.objects.filter(pk=order.pk).update(erase_at=timezone.now() - timedelta(days=1))

    order = take(account, shown(state=OrderState.COMPLETED, status_word="C", asked_at=later(60)))
    assert order.contact is None


def test_an_order_that_goes_on_keeps_who_bought_it(account):
    take(account, shown(state=OrderState.SHIPPED, status_word="J"))
    order = take(account, shown(asked_at=later(2), state=OrderState.NEW))
    assert order.erase_at is None
    assert contacts.erase(timezone.now() + timedelta(days=90)) == 0


def test_an_address_that_moved_replaces_the_whole_old_one(account):
    take(account, shown())
    moved = shown(asked_at=later(2), ship_to=Address(name="Other", city="Elsewhere"))
    assert take(account, moved).contact["ship_to"] == {"name": "Other", "city": "Elsewhere"}
