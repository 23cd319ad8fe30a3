"""The order's page, the buttons on it, and who may press them."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_q.models import OrmQ

from orders.models import Delivery, Order, OrderEvent
from tests.backoffice import world

ORDERS = reverse("admin:orders_order_changelist")
DELIVERIES = reverse("admin:orders_delivery_changelist")
LOOK = ("orders.view_order", "orders.view_delivery")


@pytest.fixture
def order(db):
    world.fill(3)
    return Order.objects.get(external_id="1700000001ORDER")  # a disputed one


@pytest.fixture
def delivery(order):
    return Delivery.objects.get(line__order=order)


def signed_in(*permissions):
    client = Client()
    client.force_login(world.staff("worker", *permissions))
    return client


def act(client, url, action, *rows, **fields):
    posted = {"action": action, "index": 0, "_selected_action": [row.pk for row in rows], **fields}
    return client.post(url, posted, follow=True)


def press(client, url, action, row, **fields):
    """Press an action's button on the row's own page."""
    return act(client, url, action, row, _from_page=row.pk, **fields)


def says(response):
    return " ".join(response.content.decode().split())


def page(row):
    return reverse(f"admin:orders_{row._meta.model_name}_change", args=[row.pk])


@pytest.mark.smoke
def test_the_page_shows_everything_from_the_order_to_its_codes(order, admin_client):
    text = says(admin_client.get(page(order)))

    code = order.lines.get().deliveries.get().items.get().code_id
    for fact in ("GAME-001", "D0000001", f"code {code}<", "The marketplace asks for 2 units.", "fetch_order", "19.98"):
        assert fact in text, fact


def test_the_page_asks_no_more_queries_for_more_deliveries(order, admin_client, django_assert_num_queries):
    admin_client.get(page(order))
    with CaptureQueriesContext(connection) as few:
        admin_client.get(page(order))
    line = order.lines.get()
    for number in range(15):
        Delivery.objects.create(account=order.account, line=line, external_id=f"more-{number}", requested=1)
        OrderEvent.objects.create(order=order, kind="requested", text="Again.")

    with django_assert_num_queries(len(few)):
        admin_client.get(page(order))


@pytest.mark.parametrize("term", ["1700000001ORDER", "1700000001", "D0000001", " D0000001 "])
def test_an_order_is_found_by_the_beginning_of_its_id_or_by_a_delivery(term, order, admin_client):
    response = admin_client.get(ORDERS, {"q": term})

    assert [row.external_id for row in response.context["cl"].result_list] == ["1700000001ORDER"]


def test_part_of_a_delivery_id_finds_nothing(order, admin_client):
    assert list(admin_client.get(ORDERS, {"q": "D000000"}).context["cl"].result_list) == []


@pytest.mark.parametrize(("word", "count"), [("needed", 1), ("disputed", 1), ("", 3)])
def test_orders_that_need_somebody_can_be_filtered(word, count, order, delivery, admin_client):
    Delivery.objects.exclude(pk=delivery.pk).update(state="done")

    assert len(admin_client.get(ORDERS, {"attention": word}).context["cl"].result_list) == count


def test_an_order_is_listed_once_however_many_lines_match(order, admin_client):
    line = order.lines.get()
    order.lines.create(external_id="2", product=line.product, quantity=1)

    response = admin_client.get(ORDERS, {"lines__product__id__exact": line.product_id})

    assert [row.pk for row in response.context["cl"].result_list] == [order.pk]


# --- buttons -------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_deliver_now_wakes_what_needs_attention(order, delivery, admin_client):
    assert "Deliver now" in says(admin_client.get(page(order)))

    response = act(admin_client, ORDERS, "deliver_now", order, _from_page=order.pk)

    delivery.refresh_from_db()
    assert delivery.state == "due"
    assert "A worker goes on with 1 delivery now" in says(response)
    assert response.redirect_chain[-1][0] == page(order)
    assert OrmQ.objects.count() == 1


def test_deliver_now_says_when_there_is_nothing_to_do(order, delivery, admin_client):
    Delivery.objects.update(state="done")

    assert "Nothing waits to be delivered there." in says(press(admin_client, ORDERS, "deliver_now", order))
    assert 'value="deliver_now"' not in says(admin_client.get(page(order)))


def test_a_delivery_is_tried_again_from_its_own_list(delivery, admin_client):
    response = press(admin_client, DELIVERIES, "deliver_now", delivery)

    delivery.refresh_from_db()
    assert delivery.state == "due"
    assert "A worker goes on with 1 delivery now" in says(response)


def test_a_settled_dispute_is_off_the_list_and_on_the_timeline(order, admin_client):
    press(admin_client, ORDERS, "settle", order)

    order.refresh_from_db()
    assert not order.is_disputed
    assert order.timeline.get(kind="settled").text == "admin settled the dispute."

    press(admin_client, ORDERS, "settle", order)
    assert order.timeline.filter(kind="settled").count() == 1


def test_who_may_only_look_has_no_buttons_and_no_effect(order, delivery):
    client = signed_in(*LOOK)
    assert 'value="deliver_now"' not in says(client.get(page(order)))

    press(client, ORDERS, "deliver_now", order)
    press(client, ORDERS, "settle", order)
    press(client, DELIVERIES, "deliver_now", delivery)

    delivery.refresh_from_db()
    order.refresh_from_db()
    assert (delivery.state, order.is_disputed) == ("needs_attention", True)
    assert OrmQ.objects.count() == 0


@pytest.mark.smoke
def test_what_a_buyer_filled_in_is_for_those_who_deliver(delivery):
    assert world.BUYER_FIELD not in says(signed_in(*LOOK).get(page(delivery)))

    client = Client()
    client.force_login(world.staff("deliverer", *LOOK, "orders.deliver_order"))
    assert f"login: {world.BUYER_FIELD}" in says(client.get(page(delivery)))


# --- what a person reports ---------------------------------------------------------------------------------------


@pytest.fixture
def reports(delivery):
    """Sends the form of “Report as done” for the delivery, as somebody who may deliver."""
    client = Client()
    client.force_login(world.staff("deliverer", *LOOK, "orders.deliver_order"))

    def send(**fields):
        return says(act(client, DELIVERIES, "report", delivery, _from_page=delivery.pk, **fields))

    return send


def test_a_top_up_has_the_button_of_a_person_and_no_other(delivery, admin_client):
    text = says(admin_client.get(page(delivery)))
    assert 'value="report"' in text
    assert 'value="deliver_now"' not in text
    assert '<option value="report"' not in says(admin_client.get(DELIVERIES))


def test_reporting_asks_for_the_units_and_proposes_all(delivery, reports):
    text = reports()

    assert "2 units were asked for" in text
    assert 'name="delivered" value="2"' in text
    assert 'name="issue"' not in text
    assert world.BUYER_FIELD not in text


@pytest.mark.smoke
def test_all_units_are_reported_without_a_reason(delivery, reports):
    text = reports(answered=1, delivered=2, reference="receipt 1")

    delivery.refresh_from_db()
    assert "The marketplace is being told" in text
    reported = (delivery.reported, delivery.report_issue, delivery.report_reference, delivery.reported_by)
    assert reported == (2, "", "receipt 1", "deliverer")
    assert delivery.state == "due"
    assert OrderEvent.objects.get(kind="reported").text.startswith("deliverer handed over 2 of 2 units")


def test_fewer_units_need_a_reason(delivery, reports):
    asked = reports(answered=1, delivered=1)
    delivery.refresh_from_db()
    assert 'name="issue"' in asked
    assert delivery.reported is None

    reports(answered=1, delivered=1, issue="wrong_details")

    delivery.refresh_from_db()
    assert (delivery.reported, delivery.report_issue) == (1, "wrong_details")


@pytest.mark.parametrize("delivered", ["", "3", "-1", "two"])
def test_a_number_that_can_not_be_is_refused(delivered, delivery, reports):
    reports(answered=1, delivered=delivered)

    delivery.refresh_from_db()
    assert delivery.reported is None


def test_what_is_over_can_not_be_reported(delivery, reports):
    Delivery.objects.update(status="stopped")

    assert "nothing to report any more" in reports(answered=1, delivered=2)


def test_who_may_not_deliver_reports_nothing(delivery):
    act(signed_in(*LOOK), DELIVERIES, "report", delivery, answered=1, delivered=2, _from_page=delivery.pk)

    delivery.refresh_from_db()
    assert delivery.reported is None
