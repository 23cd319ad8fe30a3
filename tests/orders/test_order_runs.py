"""Many orders at once: deliver, accept, ship, process again. A preview, a run, and a result for each, told once."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from backoffice import runs
from backoffice.models import Run, RunItem
from inventory import stock
from marketplaces.models import ApiCall, WebhookEvent
from orders.models import Acceptance, Delivery, Order, Shipment
from orders.verify import verify
from tests import make
from tests.backoffice import world
from tests.inventory.test_admin import act, says
from tests.orders import parcel_story, story
from tests.orders.goods import calls
from tests.orders.test_acceptance import bought_and_read, market  # noqa: F401

ORDERS = reverse("admin:orders_order_changelist")
DELIVERIES = reverse("admin:orders_delivery_changelist")
EVENTS = reverse("admin:marketplaces_webhookevent_changelist")
SHIPMENTS = reverse("admin:orders_shipment_changelist")


def preview(client, url, action, *rows, **said):
    return says(act(client, url, action, *rows, answered=1, **said))


def begin(client, url, action, *rows, token="t", **said):
    """Press “Start” twice, as people do; returns the one run."""
    for _ in range(2):
        act(client, url, action, *rows, answered=1, confirmed=1, token=token, **said)
    return Run.objects.get(token=token)


def found(run):
    return list(RunItem.objects.filter(run=run).order_by("pk").values_list("state", "text"))


# --- deliver -------------------------------------------------------------------------------------------------------


@pytest.fixture
def short(g2g):
    """Two orders whose codes were not there when they were asked for."""
    shop = story.begin(g2g, codes=0)
    ids = [shop.buy(1, force=True) for _ in range(2)]
    shop.until_asked()
    return shop, [shop.order(order_id) for order_id in ids]


@pytest.mark.smoke
def test_orders_are_delivered_after_a_preview_and_each_code_leaves_once(short, admin_client):
    shop, orders = short
    make.add_codes(shop.product, 2)
    Delivery.objects.update(status="short", state="needs_attention", failure="unreadable")

    said = preview(admin_client, ORDERS, "run_deliverorders", *orders)
    assert "2 of 2 chosen rows change" in said
    assert "Requests to send: 6 to Main G2G (play)." in said
    assert shop.calls("G2G-12") == 0

    run = begin(admin_client, ORDERS, "run_deliverorders", *orders)
    shop.desk.advance(30)

    run.refresh_from_db()
    assert (run.total, run.ended_at is not None, {state for state, _ in found(run)}) == (2, True, {"done"})
    assert (shop.calls("G2G-12"), [len(shop.received(order.external_id)) for order in orders]) == (2, [1, 1])
    assert verify().is_ok


def test_what_is_short_says_so_and_is_retried_when_units_came(short, admin_client):
    shop, _ = short
    run = begin(admin_client, DELIVERIES, "run_delivernow", *Delivery.objects.all())
    shop.desk.advance(20)

    run.refresh_from_db()
    assert run.ended_at is not None
    assert {state for state, _ in found(run)} == {"failed"}
    assert "no stock of GAME-1" in found(run)[0][1]
    make.add_codes(shop.product, 2)
    runs.retry(run)
    shop.desk.advance(30)
    assert {state for state, _ in found(run)} == {"done"}
    assert shop.calls("G2G-12") == 2


def test_what_is_done_needs_nothing_and_a_top_up_stays_with_its_person(db, admin_client):
    world.fill(3)
    Delivery.objects.filter(pk=Delivery.objects.first().pk).update(failure="by_hand")
    Delivery.objects.filter(pk=Delivery.objects.last().pk).update(state="done", status="delivered")

    said = preview(admin_client, DELIVERIES, "run_delivernow", *Delivery.objects.all())
    assert "1 of 3 chosen rows change; 1 need nothing; 1 can" in said
    assert "It waits for a person to top it up" in said


def test_an_account_that_is_switched_off_is_left_alone(db, admin_client):
    account = world.fill(1)
    account.is_enabled = False
    account.save()
    said = preview(admin_client, DELIVERIES, "run_delivernow", *Delivery.objects.all())
    assert "0 of 1 chosen rows change" in said
    assert "Account “Main shop” is switched off" in said
    assert ">Start<" not in said


# --- accept --------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_orders_are_accepted_once_and_those_that_are_over_say_why_not(market, admin_client):  # noqa: F811
    _, orders = bought_and_read(market, 3)
    _, _ = bought_and_read(market, 1, status="I")
    everything = list(Order.objects.order_by("pk"))

    said = preview(admin_client, ORDERS, "run_acceptorders", *everything)
    assert "3 of 4 chosen rows change; 1 can" in said
    assert "It can&#x27;t be taken back from here" in said
    assert not Acceptance.objects.exists()

    run = begin(admin_client, ORDERS, "run_acceptorders", *everything)
    market.advance(60)

    run.refresh_from_db()
    assert run.ended_at is not None
    assert [state for state, _ in found(run)].count("done") == 3
    assert (calls("GCO-12"), {order.state for order in Order.objects.filter(pk__in=[o.pk for o in orders])}) == (
        3, {"accepted"},
    )  # fmt: skip


def test_an_order_that_is_not_accepted_there_has_its_reason_in_the_results(market, admin_client):  # noqa: F811
    (bought,), (order,) = bought_and_read(market)
    market.sandbox.orders.become(bought, "D")
    run = begin(admin_client, ORDERS, "run_acceptorders", order)
    market.advance(60)
    ((state, text),) = found(run)
    assert (state, "was not accepted" in text) == ("failed", True)


# --- ship ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def parcels(db):
    with parcel_story.open_market() as desk:
        yield [parcel_story.Parcels(desk) for _ in range(3)]


@pytest.mark.smoke
def test_orders_are_shipped_with_the_numbers_that_were_typed(parcels, admin_client):
    first, second, third = (parcel.order for parcel in parcels)
    typed = f"{first}, 1Z 001\r\n{second};D-77;DHL\r\n999999\t1Z3"
    asked = says(act(admin_client, ORDERS, "run_shiporders", first, second, third))
    assert "Tracking numbers" in asked

    said = preview(admin_client, ORDERS, "run_shiporders", first, second, third, parcels=typed, carrier="ups")
    assert "2 of 3 chosen rows change; 1 can" in said
    assert f"{third}: No tracking number was typed for it." in said
    assert "name no chosen order, and are not used: 999999" in said
    assert re.search(r"1Z 001.*D-77", said)
    assert not Shipment.objects.exists()

    run = begin(admin_client, ORDERS, "run_shiporders", first, second, third, parcels=typed, carrier="ups")
    parcels[0].desk.advance(60)

    run.refresh_from_db()
    assert run.ended_at is not None
    assert sorted(state for state, _ in found(run)) == ["done", "done", "failed"]
    made = Shipment.objects.order_by("pk").values_list("order", "tracking_number", "carrier", "state", "by")
    assert list(made) == [
        (first.pk, "1Z 001", "ups", "done", "admin"), (second.pk, "D-77", "dhl", "done", "admin"),
    ]  # fmt: skip
    assert [sum(each.shipped()) for each in parcels] == [7, 7, 0]
    assert [len(each.there()) for each in parcels] == [1, 1, 0]
    assert verify().is_ok


def test_a_parcel_that_got_stuck_is_tried_again_by_the_run_and_not_packed_twice(parcels, admin_client):
    parcel = parcels[0]
    parcel.desk.fault("GCO-16", "http_error", status=422)
    fields = {"parcels": f"{parcel.order} 1Z1", "carrier": "ups"}
    run = begin(admin_client, ORDERS, "run_shiporders", parcel.order, **fields)
    parcel.desk.advance(60)
    assert [state for state, _ in found(run)] == ["failed"]

    runs.retry(run)
    parcel.desk.advance(60)
    assert [state for state, _ in found(run)] == ["done"]
    assert (Shipment.objects.count(), len(parcel.there())) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"parcels": "123456"}, "Line 1 is not an order"),
        ({"parcels": "1,A\n1,B"}, "Line 2 names order 1 once more"),
        ({"parcels": ""}, "Give tracking numbers, or ship without them"),
        ({"parcels": "1,A", "carrier": "other"}, "Say which carrier"),
    ],
)
def test_what_is_typed_wrong_is_asked_again(fields, problem, parcels, admin_client):
    said = preview(admin_client, ORDERS, "run_shiporders", parcels[0].order, **fields)
    assert problem in said
    assert "run-preview" not in said


def test_without_numbers_only_when_that_is_wanted_and_ways_of_shipping_are_chosen_by_hand(parcels, admin_client):
    first, second, third = (parcel.order for parcel in parcels)
    Order.objects.filter(pk=second.pk).update(shipping_methods=[{"external_id": "1"}, {"external_id": "2"}])
    Order.objects.filter(pk=third.pk).update(needs_shipping=False)
    said = preview(admin_client, ORDERS, "run_shiporders", first, second, third, without_number="on")
    assert "1 of 3 chosen rows change; 2 can" in said
    assert "It names several ways of shipping" in said
    assert "Its goods do not go by parcel" in said


def test_parcels_are_deleted_from_their_list_and_the_deletion_is_followed(parcels, admin_client):
    one, other = parcels[0].ship(3), parcels[1].pack(1)
    Shipment.objects.filter(pk=other.pk).update(state="needs_attention")
    said = preview(admin_client, SHIPMENTS, "run_deleteparcels", one, other)
    assert "2 of 2 chosen rows change" in said
    run = begin(admin_client, SHIPMENTS, "run_deleteparcels", one, other)
    parcels[0].desk.advance(60)
    assert {state for state, _ in found(run)} == {"done"}
    assert Shipment.objects.filter(deleted_at=None).count() == 0
    assert parcels[0].there() == []


# --- events --------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_events_are_processed_again_and_end_in_the_same(g2g, admin_client):
    shop = story.begin(g2g, codes=3)
    order_id = shop.buy(2)
    shop.until_asked()
    shop.until_delivered()
    before = (shop.received(order_id), stock.count(shop.product.pk), Delivery.objects.count())

    events = list(WebhookEvent.objects.all())
    events[0].method = events[0].body = ""
    events[0].save()
    said = preview(admin_client, EVENTS, "run_processevents", *events)
    assert f"{len(events) - 1} of {len(events)} chosen rows change; 1 can" in said
    assert "Its body was erased" in said
    run = begin(admin_client, EVENTS, "run_processevents", *events)
    shop.desk.advance(120)

    run.refresh_from_db()
    assert run.ended_at is not None
    assert sorted({state for state, _ in found(run)}) == ["done", "failed"]
    assert (shop.received(order_id), stock.count(shop.product.pk), Delivery.objects.count()) == before
    assert shop.calls("G2G-12") == 1


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "action", "permission"),
    [
        (ORDERS, "run_deliverorders", "orders.deliver_order"),
        (ORDERS, "run_acceptorders", "orders.accept_order"),
        (ORDERS, "run_shiporders", "orders.ship_order"),
        (ORDERS, "run_settledisputes", "orders.deliver_order"),
    ],
)
def test_each_takes_its_own_permission(url, action, permission, db):
    world.fill(1)
    order = Order.objects.get()
    for name, permissions, is_there in (("viewer", (), False), ("worker", (permission,), True)):
        client = Client()
        client.force_login(world.staff(name, "orders.view_order", *permissions))
        assert (f'value="{action}"' in says(client.get(url))) is is_there
        act(client, url, action, order, answered=1, confirmed=1, token=name, without_number="on")
        assert Run.objects.filter(token=name).exists() is is_there
    assert not ApiCall.objects.filter(operation="accept_order").exists()
