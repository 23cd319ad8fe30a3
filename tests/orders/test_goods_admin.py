"""Pages of orders of goods: who sees the buyer, who may accept, what is found."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders import verify
from orders.models import Acceptance, Order, OrderEvent, OrderReading, PurchaseOrder
from tests import make
from tests.backoffice import world
from tests.orders.goods import PERSON, STREET
from tests.orders.test_admin import page, press, says

ORDERS = reverse("admin:orders_order_changelist")
LOOK = ("orders.view_order", "orders.view_orderline", "orders.view_purchaseorder", "orders.view_orderreading")
CONTACT = {"buyer": PERSON, "email": "planted@example.com", "ship_to": {"name": PERSON, "street": STREET}}
PLANTED = (PERSON, STREET, "planted@example.com")


@pytest.fixture
def order(db):
    account = make.account("Goods shop", marketplace="gcommerce")
    order = Order.objects.create(
        account=account, external_id="123456", number="SH-77", channel="DEMO_SHOP", state="new", status_word="O",
        needs_shipping=True, contact=CONTACT, asked_at=timezone.now(), ordered_at=timezone.now(),
        shipping_methods=[{"external_id": "44", "name": "Standard Shipping", "delivery_time": "1-3 days"}],
    )  # fmt: skip
    line = order.lines.create(external_id="1", name="Demo mask", sku="LM1", quantity=4, shipped=3)
    parcel = order.shipments.create(account=order.account, external_id="70001", announced_at=timezone.now())
    parcel.items.create(line=line, external_line_id="1", sku="LM1", confirmed=3)
    return order


@pytest.fixture
def purchase_order(order):
    return PurchaseOrder.objects.create(
        account=order.account, external_id="55", stage="new", status_word="O", contact=CONTACT,
        lines=[{"name": "Demo suit", "sku": "HC-1", "quantity": 1, "unit_price": "15"}],
    )  # fmt: skip


def signed_in(*permissions):
    client = Client()
    client.force_login(world.staff("goods", *LOOK, *permissions))
    return client


@pytest.mark.smoke
def test_who_bought_is_seen_by_those_who_may_and_nobody_else(order, purchase_order):
    stranger = signed_in()
    for row in (order, purchase_order):
        text = says(stranger.get(page(row)))
        assert not [secret for secret in PLANTED if secret in text]
    client = Client()
    client.force_login(world.staff("packer", *LOOK, "orders.see_contact"))
    for row in (order, purchase_order):
        text = says(client.get(page(row)))
        assert all(secret in text for secret in PLANTED), row
    listed = says(client.get(ORDERS)) + says(client.get(reverse("admin:orders_purchaseorder_changelist")))
    assert not [secret for secret in PLANTED if secret in listed]


def test_the_page_shows_what_has_to_be_packed(order):
    text = says(signed_in().get(page(order)))
    for fact in ("SH-77", "DEMO_SHOP", "Demo mask", "LM1", "Standard Shipping – 1-3 days"):
        assert fact in text, fact


@pytest.mark.parametrize("term", ["SH-77", "1234", "123456"])
def test_an_order_is_found_by_the_number_that_people_know(term, order):
    found = signed_in().get(ORDERS, {"q": term}).context["cl"].result_list
    assert [row.pk for row in found] == [order.pk]


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"is_hearsay": True}, "from notifications only"),
        ({"is_summary": True}, "not read yet"),
        ({"deleted_at": timezone.now()}, "removed there"),
    ],
)
def test_the_list_says_what_is_not_as_it_should_be(facts, word, order):
    Order.objects.update(**facts)
    assert word in says(signed_in().get(ORDERS))
    assert "how it is known" in says(signed_in_again().get(page(order))).lower()


def signed_in_again():
    client = Client()
    client.force_login(world.staff("again", *LOOK))
    return client


@pytest.mark.smoke
def test_accepting_takes_the_permission(order):
    client = signed_in()
    assert 'value="accept"' not in says(client.get(page(order)))
    press(client, ORDERS, "accept", order)
    assert not Acceptance.objects.exists()

    client = Client()
    client.force_login(world.staff("seller", *LOOK, "orders.accept_order"))
    assert 'value="accept"' in says(client.get(page(order)))
    assert "A worker accepts 1 order now" in says(press(client, ORDERS, "accept", order))
    row = Acceptance.objects.get()
    assert (row.wished_by, row.state) == ("seller", "due")
    assert OrderEvent.objects.get(order=order).text == "seller accepts it."
    assert 'value="accept"' not in says(client.get(page(order)))


def test_a_marketplace_without_acceptance_shows_no_button(order, admin_client):
    order.account.marketplace = "ginee"
    order.account.save()
    text = says(admin_client.get(page(order)))
    assert 'value="accept"' not in text


def test_where_an_order_can_be_cancelled_is_said(order, admin_client):
    where = order.account.service_class.elsewhere["cancel_order"]
    assert where in says(admin_client.get(page(order)))


def test_an_acceptance_that_failed_is_among_what_needs_attention(order, admin_client):
    Acceptance.objects.create(order=order, account=order.account, state="needs_attention", last_error="It stayed O.")
    found = admin_client.get(ORDERS, {"attention": "needed"}).context["cl"].result_list
    assert [row.pk for row in found] == [order.pk]
    assert "It stayed O." in says(admin_client.get(page(order)))


def test_what_could_not_be_read_is_taken_up_again(order):
    reading = OrderReading.objects.create(account=order.account, external_id="9", state="needs_attention")
    readings = reverse("admin:orders_orderreading_changelist")
    press(signed_in(), readings, "read_again", reading)
    reading.refresh_from_db()
    assert reading.state == "needs_attention"  # who may only look

    client = Client()
    client.force_login(world.staff("reader", *LOOK, "orders.change_orderreading"))
    press(client, readings, "read_again", reading)
    reading.refresh_from_db()
    assert reading.state == "due"


# --- our own books ---------------------------------------------------------------------------------------------------


def test_goods_that_lie_about_are_named_and_not_as_a_delivery_nobody_asked_for(order):
    assert verify.verify().is_ok
    type(order.account).objects.update(created_at=timezone.now() - timedelta(days=9))
    Order.objects.update(ordered_at=timezone.now() - timedelta(days=4), seen_at=timezone.now() - timedelta(days=4))
    problems = verify.verify().problems
    assert [problem["check"] for problem in problems] == ["not shipped"]
    assert "123456 was paid over 3 days ago and is not shipped" in problems[0]["text"]


@pytest.mark.parametrize("state", ["shipped", "completed", "cancelled"])
def test_goods_that_left_or_are_over_are_nobodys_work(state, order):
    Order.objects.update(state=state, ordered_at=timezone.now() - timedelta(days=9))
    assert verify.verify().is_ok
