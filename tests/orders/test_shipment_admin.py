"""Packing, announcing, looking at and printing parcels, and who may."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orders.models import Order, OrderLine, Shipment, ShipmentItem
from orders.verify import verify
from tests.backoffice import world

SHIPMENTS = reverse("admin:orders_shipment_changelist")
ORDERS = reverse("admin:orders_order_changelist")
LOOK = ("orders.view_order", "orders.view_shipment")
STREET = "17 Planted Road"


@pytest.fixture
def order(db):
    account = world.account()
    account.marketplace = "gcommerce"
    account.save()
    order = Order.objects.create(
        account=account, external_id="120001", number="PO-77", state="accepted", needs_shipping=True, currency="USD",
        amount="99.50", seen_at=datetime.now(UTC),
        shipping_methods=[{"external_id": "44", "name": "Ground", "delivery_time": "3 days"}],
    )  # fmt: skip
    order.contact = {
        "ship_to": {"name": "Mary Buyer", "street": STREET, "city": "Testville", "region": "LA", "postal_code": "70000",
                    "country": "US"}, "phone": "555-0100",
    }  # fmt: skip
    order.save()
    OrderLine.objects.create(
        order=order, external_id="2756919659", name="Demo mask", sku="LM1", quantity=5, unit_price="19.90"
    )
    OrderLine.objects.create(order=order, external_id="2756919660", name="Demo suit", sku="LS2", quantity=2)
    return order


@pytest.fixture
def parcel(order):
    return make_parcel(order, "70001", tracking_number="1Z999", tracking_url="https://track.test/?n=1Z999")


def make_parcel(order, external_id, **fields):
    values = {
        "account": order.account,
        "status": "packed",
        "carrier": "ups",
        "announced_at": datetime.now(UTC),
        **fields,
    }
    parcel = Shipment.objects.create(order=order, external_id=external_id, **values)
    line = order.lines.order_by("pk").first()
    ShipmentItem.objects.create(shipment=parcel, line=line, external_line_id=line.external_id, sku="LM1", confirmed=1)
    OrderLine.objects.filter(pk=line.pk).update(shipped=line.shipped + 1)
    return parcel


def signed_in(*permissions):
    client = Client()
    client.force_login(world.staff("worker", *LOOK, *permissions))
    return client


def page(row):
    return reverse(f"admin:orders_{row._meta.model_name}_change", args=[row.pk])


def text_of(response):
    return " ".join(response.content.decode().split())


def act(client, url, action, *rows, **fields):
    posted = {"action": action, "index": 0, "select_across": 0, "_selected_action": [row.pk for row in rows], **fields}
    return client.post(url, posted, follow=True)


def said(response):
    return " ".join(str(message) for message in get_messages(response.wsgi_request)) or text_of(response)


def form_of(client, order):
    """The fields of the form on the order's page, as a browser would post them."""
    form = client.get(page(order)).context["ship_form"]
    return {name: form.get_initial_for_field(field, name) or "" for name, field in form.fields.items()} | {
        "shipping_method": "44", "answered": "1", "_from_page": order.pk,
    }  # fmt: skip


# --- to ship -------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_form_on_the_orders_page_is_filled_with_all_that_remains(order, parcel):
    client = signed_in("orders.ship_order")
    fields = form_of(client, order)
    first, second = order.lines.order_by("pk")
    assert (fields[f"line_{first.pk}"], fields[f"line_{second.pk}"]) == (4, 2)

    fields |= {f"line_{second.pk}": 1, "carrier": "other", "other_carrier": "ontrac", "tracking_number": "D1"}
    response = act(client, ORDERS, "ship", order, **fields)
    made = Shipment.objects.exclude(pk=parcel.pk).get()
    assert (made.state, made.wish, made.carrier, made.shipping_method_id, made.by) == (
        "due",
        "create",
        "ontrac",
        "44",
        "worker",
    )
    assert {item.sku: item.wanted for item in made.items.all()} == {"LM1": 4, "LS2": 1}
    assert "is packed" in text_of(response)
    assert verify().is_ok


def test_a_second_press_of_the_button_makes_no_second_parcel(order):
    client = signed_in("orders.ship_order")
    fields = form_of(client, order) | {"tracking_number": "D1", "carrier": "ups"}
    first = order.lines.order_by("pk").first()
    for _ in range(2):
        act(client, ORDERS, "ship", order, **fields | {f"line_{first.pk}": 1})

    assert Shipment.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"line": 9}, "less than or equal to 5"),
        ({"line": 0, "other": 0}, "The parcel is empty"),
        ({"carrier": "other"}, "Say which carrier"),
    ],
)
def test_what_is_wrong_is_asked_again(change, problem, order):
    client = signed_in("orders.ship_order")
    first, second = order.lines.order_by("pk")
    fields = form_of(client, order) | {"carrier": change.get("carrier", "ups")}
    fields[f"line_{first.pk}"] = change.get("line", 1)
    fields[f"line_{second.pk}"] = change.get("other", 1)

    assert problem in text_of(act(client, ORDERS, "ship", order, **fields))
    assert not Shipment.objects.exists()


def test_who_may_not_ship_sees_no_form_and_posts_for_nothing(order):
    client = signed_in()
    response = client.get(page(order))
    assert response.context["ship_form"] is None
    assert "You may not ship orders" in text_of(response)

    act(client, ORDERS, "ship", order, answered="1")
    assert not Shipment.objects.exists()


def test_an_order_that_is_not_to_be_shipped_says_why(order):
    Order.objects.update(state="cancelled")
    assert "nothing of it is to be shipped" in text_of(signed_in("orders.ship_order").get(page(order)))


def test_an_order_without_goods_shows_no_parcels(order):
    Order.objects.update(needs_shipping=False)
    assert "To ship" not in text_of(signed_in("orders.ship_order").get(page(order)))


# --- the parcels -----------------------------------------------------------------------------------------------------


def test_parcels_are_found_by_the_beginning_of_their_number(order, parcel):
    client = signed_in()
    for term, count in (("1Z9", 1), ("70001", 1), ("Z99", 0), ("7000", 0)):
        assert len(client.get(SHIPMENTS, {"q": term}).context["cl"].result_list) == count, term


def test_the_list_asks_no_more_queries_for_more_parcels(order, parcel, django_assert_num_queries):
    client = signed_in()
    client.get(SHIPMENTS)
    with CaptureQueriesContext(connection) as few:
        client.get(SHIPMENTS)
    for number in range(10):
        make_parcel(order, f"8000{number}")
    with django_assert_num_queries(len(few)):
        client.get(SHIPMENTS)
    with CaptureQueriesContext(connection) as listed:
        client.get(page(order))
    for number in range(10):
        make_parcel(order, f"9000{number}")
    with django_assert_num_queries(len(listed)):
        client.get(page(order))


@pytest.mark.parametrize("url", [SHIPMENTS + "?deleted=no&status__exact=packed", SHIPMENTS + "?deleted=stray"])
def test_the_filters_work(url, order, parcel):
    assert signed_in().get(url).status_code == 200


def test_only_who_may_see_contacts_sees_addresses(order, parcel):
    assert STREET not in text_of(signed_in().get(page(parcel)))
    assert STREET not in text_of(Client().get(page(parcel)))
    client = Client()
    client.force_login(world.staff("packer", *LOOK, "orders.see_contact"))
    assert STREET in text_of(client.get(page(parcel)))


def test_a_link_is_one_only_when_it_goes_to_the_web(order, parcel):
    assert 'href="https://track.test/?n=1Z999"' in text_of(signed_in().get(page(parcel)))
    Shipment.objects.update(tracking_url="javascript:alert(1)", label_url="data:text/html,x")
    client = Client()
    client.force_login(world.staff("packer", *LOOK))
    text = text_of(client.get(page(parcel)))
    assert 'href="javascript:' not in text
    assert 'href="data:' not in text


def test_deleting_asks_first_and_needs_the_permission(order, parcel):
    client = signed_in("orders.ship_order")
    asked = act(client, SHIPMENTS, "delete_parcel", parcel, _from_page=parcel.pk)
    assert "The order stays as it is" in text_of(asked)
    parcel.refresh_from_db()
    assert parcel.wish == ""

    act(client, SHIPMENTS, "delete_parcel", parcel, _from_page=parcel.pk, answered="1")
    parcel.refresh_from_db()
    assert (parcel.wish, parcel.state) == ("delete", "due")


@pytest.mark.parametrize("action", ["mark_shipped", "delete_parcel", "try_again", "accept_partial", "never_arrived"])
def test_actions_need_their_permission(action, order, parcel):
    act(signed_in("orders.see_contact"), SHIPMENTS, action, parcel, _from_page=parcel.pk, answered="1")
    parcel.refresh_from_db()
    assert (parcel.wish, parcel.state) == ("", "done")


def test_the_page_offers_the_buttons_that_are_of_use(order, parcel):
    client = Client()
    client.force_login(world.staff("shipper", *LOOK, "orders.ship_order", "orders.see_contact"))
    names = [name for name, _ in client.get(page(parcel)).context["page_buttons"]]
    assert names == ["print_slips", "print_labels", "mark_shipped", "delete_parcel"]

    ordered = client.get(page(order)).context
    assert [name for name, _ in ordered["page_buttons"]] == []
    assert [name for name, _ in ordered["prints"]] == ["print_slips", "print_labels"]

    Shipment.objects.update(status="shipped", deleted_at=datetime.now(UTC))
    names = [name for name, _ in client.get(page(parcel)).context["page_buttons"]]
    assert names == ["print_slips", "print_labels"]


# --- paper -----------------------------------------------------------------------------------------------------------


def test_slips_of_several_orders_are_printed_each_on_its_page_and_name_no_price(order, parcel):
    other = Order.objects.create(account=order.account, external_id="120002", state="accepted", needs_shipping=True)
    OrderLine.objects.create(order=other, external_id="1", name="Demo hat", quantity=3, unit_price="19.90")
    response = act(signed_in("orders.see_contact"), ORDERS, "print_slips", order, other)

    text = text_of(response)
    assert len(re.findall('<section class="slip">', text)) == 2
    for fact in (
        "PO-77",
        "Mary Buyer",
        STREET,
        "Testville, LA 70000",
        "555-0100",
        "Demo mask",
        "LM1",
        "Demo hat",
        "Ground",
    ):
        assert fact in text, fact
    assert '<td class="units">4</td>' in text, "what is in a parcel already is not packed again"
    for price in ("19.9", "99.5", "USD", "$"):
        assert price not in text, price
    assert "no-store" in response["Cache-Control"]
    assert re.search('id="letter" checked', text), "the buyer lives where paper is Letter"


def test_a_label_has_the_orders_address_where_the_parcel_has_a_name_only(order, parcel):
    parcel.contact = {"ship_to": {"name": "Mary B."}, "ship_from": {"name": "Hall 1", "city": "Austin"}}
    parcel.save()
    text = text_of(act(signed_in("orders.see_contact"), SHIPMENTS, "print_labels", parcel))

    for fact in ("Mary B.", STREET, "Hall 1", "1Z999", "Order PO-77"):
        assert fact in text, fact


@pytest.mark.parametrize("action", ["print_slips", "print_labels"])
def test_paper_with_addresses_is_for_who_may_see_them(action, order, parcel):
    client = signed_in("orders.ship_order")
    assert STREET not in text_of(act(client, ORDERS, action, order))
    assert STREET not in text_of(act(client, SHIPMENTS, action, parcel))


# --- the books -------------------------------------------------------------------------------------------------------


def test_the_check_of_our_books_finds_what_parcels_lack(order, parcel):
    assert verify().is_ok
    Shipment.objects.create(
        order=order, account=order.account, state="done", wish="create", announced_at=datetime.now(UTC)
    )
    OrderLine.objects.update(shipped=3)
    too_many = make_parcel(order, "70009")
    too_many.items.update(confirmed=8)

    found = {problem["check"] for problem in verify().problems}
    assert found == {"parcel without id", "asleep parcel", "shipped units", "shipped too much"}
