"""No page of the admin asks the database more than fifteen times, however many rows there are."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from inventory.models import Code, Fee, Hold, Offer
from marketplaces.models import ApiCall, WebhookEvent
from orders import roles
from orders.models import (
    Delivery,
    DeliveryItem,
    Order,
    OrderEvent,
    OrderLine,
    ReservationLine,
    Shipment,
    ShipmentItem,
)
from tests.backoffice import world
from tests.backoffice.pages import addresses, page_of
from tests.backoffice.test_run_kinds import SAID
from tests.inventory.test_admin import act

MOST = 15
MANY = 50
REPORTS = ("profit", "profit&by=product", "profit&by=batch", "stock", "stock&by=supplier", "times")

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(admin_client):
    """Somebody who may see everything, in a process that knows the tables' numbers."""
    world.fill(3)
    ContentType.objects.get_for_models(*admin.site._registry, for_concrete_models=False)
    return admin_client


def seen(client: Any, address: str) -> tuple[int, Any]:
    """What the page at an address costs, and the page; a redirect's target instead of the redirect."""
    with CaptureQueriesContext(connection) as asked:
        response = client.get(address)
    if response.status_code == 302:
        return seen(client, response.url)
    assert response.status_code == 200, address
    return len(asked), response


def member(role: str) -> tuple[User, Client]:
    """Somebody of a role, at a browser; asked for the first time, as on the first page after a restart."""
    user = world.staff(role)
    user.groups.add(Group.objects.get(name=role))
    browser = Client()
    browser.force_login(user)
    return User.objects.get(pk=user.pk), browser


def reports() -> list[str]:
    """Where each report is."""
    named = [name.partition("&") for name in REPORTS]
    return [f"{reverse(f'reports:{report}')}?{query}" for report, _, query in named]


def dear(costs: dict[str, int]) -> dict[str, int]:
    assert costs
    return {what: cost for what, cost in costs.items() if cost > MOST}


def test_no_list_form_or_page_of_a_row_asks_the_database_more_than_15_times(client, admin_user):
    assert dear({address: seen(client, address)[0] for address in addresses(admin_user)}) == {}


@pytest.mark.parametrize("role", roles.ROLES)
def test_no_page_asks_the_database_more_than_15_times_for_any_role(role, client):
    user, somebody = member(role)

    assert dear({address: seen(somebody, address)[0] for address in addresses(user)}) == {}


@pytest.mark.parametrize("role", ["Managers", "Finance", "Auditors"])
def test_no_report_asks_the_database_more_than_15_times_for_who_may_see_it(role, client):
    _, somebody = member(role)

    assert dear({address: seen(somebody, address)[0] for address in reports()}) == {}


def test_no_report_asks_the_database_more_than_15_times(client):
    assert dear({address: seen(client, address)[0] for address in reports()}) == {}


@pytest.mark.parametrize("text", ["GAME-0", "17000000", "G0000", "INV"])
def test_a_search_with_hits_asks_the_database_at_most_15_times(text, client):
    with CaptureQueriesContext(connection) as asked:
        response = client.post("/admin/search/", {"text": text})

    assert sum(len(group.hits) for group in response.context["groups"]) >= 2
    assert len(asked) <= MOST


def previews(client: Any) -> Iterator[tuple[str, int, bool]]:
    """The preview of every run of all rows of each list, what it costs, and whether it was one."""
    for model, page in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        rows = list(model._default_manager.all())
        for kind in getattr(page, "run_kinds", ()):
            with CaptureQueriesContext(connection) as asked:
                response = act(client, address, f"run_{kind.__name__.lower()}", *rows, answered=1, **SAID)
            assert response.status_code == 200
            yield f"{model.__name__}: {kind.__name__}", len(asked), "preview" in response.context


def test_no_preview_of_a_run_asks_the_database_more_than_15_times(client):
    found = list(previews(client))

    assert all(is_preview for _, _, is_preview in found)
    assert dear({what: cost for what, cost, _ in found}) == {}


def grow(order: Order) -> None:
    """Give the order, its account, its delivery, its parcel, its product and its reservation many rows more."""
    line, parcel, reservation = order.lines.get(), order.shipments.get(), order.reservation
    delivery, on = line.deliveries.get(), order.account
    product, offer, numbers = line.product, line.offer, range(MANY)
    lines = OrderLine.objects.bulk_create(
        OrderLine(order=order, external_id=f"many-{each}", offer=offer, product=product, quantity=1, unit_price=1)
        for each in numbers
    )
    ShipmentItem.objects.bulk_create(
        ShipmentItem(shipment=parcel, line=each, external_line_id=each.external_id, wanted=1) for each in lines
    )
    OrderEvent.objects.bulk_create(OrderEvent(order=order, kind="imported", text=f"Read {each}.") for each in numbers)
    batch = product.batches.first()
    codes = [world.sealed_code(product, batch, f"MANY-{each}", 90_000 + each, state="sent") for each in numbers]
    DeliveryItem.objects.bulk_create(
        DeliveryItem(delivery=delivery, code=code, sent_at=order.ordered_at) for code in codes
    )
    ReservationLine.objects.bulk_create(
        ReservationLine(
            reservation=reservation, offer=offer, product=product, external_product_id=f"many-{each}", quantity=1,
            hold=Hold.objects.create(product=product, account=on, reference=f"many-{each}"),
        )
        for each in numbers
    )  # fmt: skip
    Fee.objects.bulk_create(Fee(account=on, category=f"Many {each}", percent=1) for each in numbers)
    Offer.objects.bulk_create(
        Offer(account=on, product=product, external_id=f"many-{each}", price=1, currency="USD") for each in numbers
    )
    Delivery.objects.bulk_create(
        Delivery(
            account=on, line=each, external_id=f"many-{each.pk}", requested=1, state="needs_attention",
            failure="unconfirmed", last_error=f"Line {each.external_id} waits.",
        )
        for each in lines
    )  # fmt: skip
    Shipment.objects.bulk_create(
        Shipment(account=on, order=order, external_id=f"many-{each}", tracking_number=f"{each}") for each in numbers
    )
    WebhookEvent.objects.bulk_create(
        WebhookEvent(
            account=on, event_id=f"many-{each}", kind="order.paid", body="", subject=order.external_id,
            received_at=order.ordered_at,
        )
        for each in numbers
    )  # fmt: skip
    ApiCall.objects.bulk_create(
        ApiCall(
            account=on, operation="fetch_order", about=order.external_id, method="GET", url="https://example.test/",
            milliseconds=1, started_at=order.ordered_at,
        )
        for each in numbers
    )  # fmt: skip


def test_a_page_of_one_row_costs_the_same_with_many_rows_on_it(client):
    order = Order.objects.order_by("pk").last()
    Order.objects.filter(pk=order.pk).update(needs_shipping=True, state="accepted")
    delivery = Delivery.objects.get(line__order=order)
    code = Code.objects.get(items__delivery=delivery)
    rows = [
        order, order.account, delivery, order.shipments.get(), order.reservation, code, code.product,
        code.batch, Offer.objects.get(lines__order=order),
    ]  # fmt: skip
    pages = [page_of(row) for row in rows]

    few = {address: seen(client, address)[0] for address in pages}
    grow(order)
    many = {address: seen(client, address)[0] for address in pages}

    assert dear(many) == {}
    assert many == few


def test_many_rows_are_shown_though_they_are_read_together(client):
    order = Order.objects.order_by("pk").last()
    grow(order)

    _, page = seen(client, page_of(order))
    text = page.content.decode()

    assert all(f"many-{number}" in text for number in range(MANY))
    assert all(f"Read {number}." in text for number in range(MANY))
