"""Parcels are announced exactly once, whatever gets lost, end to end on the wire."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from inventory import goods, stock
from inventory.models import Product
from marketplaces.models import ApiCall
from orders import mirroring, shipping
from orders.models import OrderEvent, OrderLine, Shipment
from orders.verify import verify
from tests.orders import parcel_story

State = Shipment.State


@pytest.fixture
def shop(db):
    with parcel_story.open_market() as desk:
        yield parcel_story.Parcels(desk)


# --- announcing ------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_a_parcel_is_looked_for_announced_once_and_read_back(shop):
    """GCO-T47: look-up first. GCO-T51: J only when nothing remains."""
    shipment = shop.ship(3)

    assert (shipment.state, shipment.wish, shipment.failure) == (State.DONE, "", "")
    (made,) = shop.there()
    assert (shipment.external_id, shipment.status, shipment.completes_order) == (str(made.id), "shipped", False)
    assert (made.tracking_number, made.carrier, list(made.products.values())) == ("1Z1", "ups", [3])
    assert [shop.calls(op) for op in ("GCO-15", "GCO-16", "GCO-17", "GCO-11")] == [1, 1, 1, 0]
    assert "order_status" not in shop.bodies("GCO-16")[0]
    assert (shop.theirs.status, shop.shipped()) == ("K", [3, 0])
    assert list(shipping.remaining(shop.order).values()) == [2, 2]
    assert list(OrderEvent.objects.filter(kind__in=["packed", "announced"]).values_list("kind", flat=True)) == [
        "packed", "announced",
    ]  # fmt: skip
    assert verify().is_ok


def test_the_parcel_that_completes_the_order_says_so_and_the_order_shows_it(shop):
    """GCO-T51"""
    shop.ship(5)
    last = shop.ship(0, 2, tracking_number="1Z2")

    assert (last.state, last.completes_order, shop.theirs.status) == (State.DONE, True, "J")
    assert '"order_status":"J"' in shop.bodies("GCO-16")[1]
    shop.order.refresh_from_db()
    assert (shop.order.state, shop.shipped(), shop.calls("GCO-11")) == ("shipped", [5, 2], 1)


def test_an_order_that_does_not_follow_its_last_parcel_goes_to_a_person(shop):
    shop.desk.sandbox.switches.order_status_ignored = True
    shipment = shop.ship(5, 2)

    assert (shipment.state, shipment.failure, bool(shipment.external_id)) == (State.NEEDS_ATTENTION, "conflict", True)
    shop.desk.sandbox.orders.become(shop.theirs, "J")
    assert shipping.try_again(shipment)
    shop.desk.settle()
    shipment.refresh_from_db()
    assert (shipment.state, len(shop.there())) == (State.DONE, 1)


def test_parcels_of_one_order_go_one_by_one_and_the_last_completes_it(shop):
    first, second = shop.pack(5), shop.pack(0, 2, tracking_number="1Z2")
    shop.desk.advance(10)

    for shipment in (first, second):
        shipment.refresh_from_db()
    assert (first.completes_order, second.completes_order, shop.theirs.status) == (False, True, "J")


def test_what_is_there_with_the_same_tracking_number_is_not_announced_again(shop):
    """GCO-T47"""
    made = shop.make_there(2, tracking_number="1z1 ")
    shipment = shop.ship(2)

    assert (shipment.state, shipment.external_id) == (State.DONE, str(made.id))
    assert (shop.calls("GCO-16"), len(shop.there()), shop.shipped()) == (0, 1, [2, 0])


def test_what_the_mirror_saw_first_is_the_same_parcel(shop):
    made = shop.make_there(2)
    mirroring.read(shop.desk.account, timezone.now() - timedelta(days=1))
    shop.theirs_seen = Shipment.objects.get(external_id=str(made.id))
    assert shop.shipped() == [2, 0]
    shop.theirs_seen.tracking_number = ""  # so that it can be packed here, too
    shop.theirs_seen.save()
    shipment = shop.ship(2)

    assert Shipment.objects.filter(order=shop.order).get() == shipment
    assert (shipment.external_id, shop.shipped(), shop.calls("GCO-16")) == (str(made.id), [2, 0], 0)


def test_without_a_number_items_and_time_tell(shop):
    shop.make_there(2, tracking_number="", timestamp=int(timezone.now().timestamp()) - 3600)
    recent = shop.make_there(1, tracking_number="")
    shipment = shop.ship(1, tracking_number="")
    assert (shipment.external_id, shop.calls("GCO-16")) == (str(recent.id), 0)

    other = shop.ship(1, tracking_number="")
    assert other.external_id not in ("", shipment.external_id)
    assert (shop.calls("GCO-16"), shop.shipped()) == (1, [4, 0])


def test_units_that_somebody_shipped_there_meanwhile_are_not_shipped_twice(shop):
    shipment = shop.pack(4)
    shop.make_there(3, tracking_number="OTHER")
    shop.desk.settle()

    shipment.refresh_from_db()
    assert (shipment.state, shipment.failure, shop.calls("GCO-16")) == (State.NEEDS_ATTENTION, "conflict", 0)
    assert "2 units of that line" in shipment.last_error
    shipping.delete(shipment, by="ann")
    assert (shop.shipped(), list(shipping.remaining(shop.order).values())) == ([3, 0], [2, 2])
    assert verify().is_ok


def test_fewer_units_than_asked_for_go_to_a_person(shop):
    """GCO-T48: the other side takes what is left, in silence."""
    shipment = shop.pack(4)
    sandbox = shop.desk.sandbox
    clamp = sandbox.shipments._clamped
    sandbox.shipments._clamped = lambda order, asked: {id: count - 1 for id, count in clamp(order, asked).items()}
    shop.desk.settle()

    shipment.refresh_from_db()
    assert (shipment.state, shipment.failure, shop.shipped()) == (State.NEEDS_ATTENTION, "partial", [3, 0])
    assert "3 of 4" in shipment.last_error
    assert shipping.accept_partial(shipment, by="ann")
    shipment.refresh_from_db()
    assert (shipment.state, shipment.items.get().wanted, len(shop.there())) == (State.DONE, 3, 1)


def test_nothing_left_ends_as_already_done(shop):
    """GCO-T48: a bare 400, and every unit is in a parcel that is not this one."""
    shipment = shop.pack(5)
    shop.desk.sandbox.shipments._clamped = _ship_it_first(shop)
    shop.desk.settle()

    shipment.refresh_from_db()
    assert (shipment.state, shipment.failure, shipment.external_id) == (State.DONE, "already_done", "")
    assert (shipment.deleted_at is not None, shop.shipped(), len(shop.there())) == (True, [5, 0], 1)
    assert verify().is_ok


def _ship_it_first(shop):
    """Between our look and our call somebody ships all of it in the marketplace's pages."""
    clamp = shop.desk.sandbox.shipments._clamped

    def clamped(order, asked):
        shop.make_there(5, tracking_number="OTHER")
        return clamp(order, asked)

    return clamped


# --- answers that get lost -----------------------------------------------------------------------------------------


def test_a_connection_cut_after_the_write_leaves_one_shipment(shop):
    """GCO-T52"""
    shop.desk.fault("GCO-16", "drop_after_commit")
    shipment = shop.ship(5, 2)
    assert (shipment.state, len(shop.there())) == (State.UNKNOWN, 1)
    assert verify().is_ok

    shop.desk.advance(60)
    shipment.refresh_from_db()
    assert (shipment.state, len(shop.there()), shop.calls("GCO-16")) == (State.DONE, 1, 1)
    assert (shipment.completes_order, shop.order.lines.first().shipped) == (True, 5)


@pytest.mark.parametrize("tracking_number", ["1Z1", ""])
def test_one_that_never_arrived_is_announced_once_more_after_long_looking(tracking_number, shop):
    shop.desk.fault("GCO-16", "timeout")
    shipment = shop.ship(3, tracking_number=tracking_number)
    shop.desk.advance(4 * 60)
    assert (shop.calls("GCO-16"), len(shop.there())) == (1, 0)

    shop.desk.advance(3 * 60)
    shipment.refresh_from_db()
    assert (shipment.state, shop.calls("GCO-16"), len(shop.there())) == (State.DONE, 2, 1)


def test_one_that_never_arrived_is_announced_again_through_a_bad_hour_and_looked_for_before_each(shop):
    shop.desk.fault("GCO-16", "timeout", times=2)
    shop.desk.fault("GCO-16", "http_error", status=503)  # which may have been taken, too
    shipment = shop.ship(3)
    shop.desk.advance(30 * 60)

    shipment.refresh_from_db()
    assert (shipment.state, shop.calls("GCO-16"), len(shop.there())) == (State.DONE, 4, 1)
    assert shop.calls("GCO-15") >= 4


def test_one_that_stays_unanswered_goes_to_a_person(shop):
    shop.desk.fault("GCO-16", "timeout", times=4)
    shipment = shop.ship(3)
    shop.desk.advance(60 * 60)

    shipment.refresh_from_db()
    assert (shipment.state, shipment.failure, shop.calls("GCO-16")) == (State.NEEDS_ATTENTION, "unanswered", 4)
    assert "announced 4 times" in shipment.last_error
    assert not shipping.can_delete(shipment), "nobody knows whether it is there"
    assert shipping.never_arrived(shipment, by="ann")
    shop.desk.settle()
    shipment.refresh_from_db()
    assert (shipment.state, len(shop.there())) == (State.DONE, 1)


def test_a_poll_that_sees_it_before_our_answer_makes_no_second_row(shop):
    shop.desk.fault("GCO-16", "drop_after_commit")
    shipment = shop.ship(3)
    mirroring.read(shop.desk.account, timezone.now() - timedelta(days=1))

    mine = Shipment.objects.filter(order=shop.order)
    assert (mine.get(), shop.shipped()) == (shipment, [3, 0])
    shop.desk.advance(60)
    shipment.refresh_from_db()
    assert (shipment.state, mine.count(), shop.calls("GCO-16")) == (State.DONE, 1, 1)


@pytest.mark.parametrize("op", ["GCO-15", "GCO-17"])
def test_a_read_that_fails_is_read_again(op, shop):
    shop.desk.fault(op, "http_error", status=503)
    shipment = shop.ship(3)
    assert shipment.state == State.DUE

    shop.desk.advance(400)
    shipment.refresh_from_db()
    assert (shipment.state, len(shop.there()), shop.calls("GCO-16")) == (State.DONE, 1, 1)


def test_a_refused_parcel_can_be_dropped_and_packed_again(shop):
    shipment = shop.ship(3, carrier="", tracking_number="")
    assert (shipment.state, shipment.failure, shipment.sent_at) == (State.NEEDS_ATTENTION, "invalid", None)
    assert list(shipping.remaining(shop.order).values()) == [2, 2]

    shipping.delete(shipment, by="ann")
    assert (shop.calls("GCO-19"), list(shipping.remaining(shop.order).values())) == (0, [5, 2])
    assert shop.ship(3).state == State.DONE


# --- what can't be packed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "problem"),
    [((), "empty"), ((0, 0), "empty"), ((6,), "5 of the line remain"), ((-1,), "can't be shipped")],
)
def test_what_is_empty_or_too_much_is_refused(units, problem, shop):
    """GCO-T50, on our side: an empty parcel would ship everything."""
    with pytest.raises(shipping.NotShippable, match=problem):
        shop.pack(*units)
    assert not Shipment.objects.filter(order=shop.order).exists()


def test_units_in_a_parcel_that_waits_are_not_packed_twice(shop):
    shop.pack(4)
    with pytest.raises(shipping.NotShippable, match="1 of the line remain"):
        shop.pack(2, tracking_number="1Z2")
    with pytest.raises(shipping.NotShippable, match="on another parcel"):
        shop.pack(1, tracking_number=" 1z1")


def test_a_double_click_makes_one_parcel(shop):
    token = uuid.uuid4()
    assert shop.pack(2, token=token) == shop.pack(2, token=token)
    shop.desk.settle()

    assert len(shop.there()) == Shipment.objects.filter(order=shop.order).count() == 1


def test_an_order_that_is_over_is_not_shipped(shop):
    shipment = shop.pack(2)
    shop.desk.sandbox.orders.become(shop.theirs, "I")
    shop.read()
    shop.desk.settle()

    shipment.refresh_from_db()
    assert (shipment.state, shop.there()) == (State.NEEDS_ATTENTION, [])
    with pytest.raises(shipping.NotShippable, match="cancelled"):
        shop.pack(1, tracking_number="1Z2")


def test_what_was_refunded_is_not_shipped(shop):
    OrderLine.objects.filter(pk=shop.lines()[0].pk).update(refunded=4)

    assert list(shipping.remaining(shop.order).values()) == [1, 2]
    with pytest.raises(shipping.NotShippable):
        shop.pack(2)


# --- stock -----------------------------------------------------------------------------------------------------------


def counted(shop):
    product = Product.objects.create(sku="MASK", name="Mask", kind="counted")
    goods.receive(product_id=product.pk, quantity=10, by="ann")
    OrderLine.objects.filter(pk=shop.lines()[0].pk).update(product=product)
    return product


def test_units_leave_stock_when_the_parcel_is_announced_and_once(shop):
    product = counted(shop)
    shipment = shop.pack(3)
    assert stock.sellable(product.pk) == 10
    shop.desk.settle()
    shop.read()
    mirroring.read(shop.desk.account, timezone.now() - timedelta(days=1))

    # The order is accepted: what it still lacks is for nobody else.
    assert stock.count(product.pk)["delivered"] == 3
    assert (shipment.items.get().taken, verify().is_ok) == (3, True)

    shipment.refresh_from_db()
    shipping.delete(shipment, by="ann")
    shop.desk.settle()
    assert (stock.count(product.pk)["delivered"], shop.shipped()) == (0, [0, 0])


# --- marking, deleting -----------------------------------------------------------------------------------------------


def test_a_parcel_is_marked_as_shipped_and_read_back(shop):
    """GCO-T54: the letter alone is sent."""
    made = shop.make_there(2, status="A")
    mirroring.read(shop.desk.account, timezone.now() - timedelta(days=1))
    shipment = Shipment.objects.get(external_id=str(made.id))
    assert (shipment.status, shipping.can_mark_shipped(shipment)) == ("packed", True)

    shipping.mark_shipped(shipment, by="ann")
    shop.desk.settle()
    shipment.refresh_from_db()
    assert (shipment.status, shipment.state, shipment.tracking_number, made.status) == (
        "shipped",
        State.DONE,
        "1Z1",
        "S",
    )
    assert shop.bodies("GCO-18") == ['{"status":"S"}']
    with pytest.raises(shipping.NotShippable):
        shipping.mark_shipped(shipment, by="ann")


def test_a_tracking_number_that_gets_lost_is_told(shop, monkeypatch):
    """GCO-T54: an old version blanks what is left out, and takes nothing back."""
    made = shop.make_there(2, status="A")
    mirroring.read(shop.desk.account, timezone.now() - timedelta(days=1))
    shipment = Shipment.objects.get(external_id=str(made.id))
    behaves = iter(["blank", "whitelist"])
    monkeypatch.setattr(type(shop.desk.sandbox.switches), "shipment_update", property(lambda switches: next(behaves)))
    shipping.mark_shipped(shipment, by="ann")
    shop.desk.settle()

    shipment.refresh_from_db()
    assert (made.tracking_number, shipment.state) == ("", State.NEEDS_ATTENTION)
    assert "tracking number" in shipment.last_error
    assert shipment.tracking_number == "1Z1", "what was on the parcel is still on it"


@pytest.mark.parametrize("style", ["modern", "old"])
def test_a_parcel_is_deleted_and_nothing_else_is(style, shop):
    """GCO-T49, GCO-T55: 204 or 200, and the order stays as it is."""
    shop.desk.sandbox.switches.style = style
    shipment = shop.ship(5, 2)
    products = len(shop.desk.sandbox.products.all)
    shipping.delete(shipment, by="ann")
    shop.desk.settle()

    shipment.refresh_from_db()
    assert (shipment.state, shipment.wish, shop.there(), shop.theirs.status) == (State.DONE, "", [], "J")
    assert (shipment.deleted_at is not None, shop.shipped()) == (True, [0, 0])
    assert (shop.calls("GCO-19"), shop.calls("GCO-07"), len(shop.desk.sandbox.products.all)) == (1, 0, products)
    shop.order.refresh_from_db()
    assert shop.order.state == "shipped"


def test_a_deletion_whose_answer_got_lost_is_done_when_it_is_gone(shop):
    """GCO-T55: 404 on the repeat."""
    shipment = shop.ship(3)
    shop.desk.fault("GCO-19", "drop_after_commit")
    shipping.delete(shipment, by="ann")
    shop.desk.settle()
    shop.desk.advance(60)

    shipment.refresh_from_db()
    assert (shipment.state, shipment.deleted_at is not None, shop.calls("GCO-19")) == (State.DONE, True, 2)


def test_a_parcel_of_the_list_that_names_no_items_is_taken_in(shop):
    """GCO-T46"""
    empty = shop.desk.sandbox.shipments.all[min(shop.desk.sandbox.shipments.all)]
    shipment = mirroring.mirror(shop.desk.account, shop.desk.account.service().get_shipment(str(empty.id)))

    assert (shipment.external_id, shipment.items.count(), shipment.order) == (str(empty.id), 0, None)
    shop.ship(1)
    (call,) = _urls("GCO-15")
    assert f"order_id={shop.theirs.id}" in call


def _urls(operation):
    return ApiCall.objects.filter(operation=operation).values_list("url", flat=True)
