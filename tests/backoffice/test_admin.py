"""The ground of every admin page, and promises that hold on all of them."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.paginator import EmptyPage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success

from backoffice import queue
from backoffice.admin import BaseAdmin, EstimatingPaginator
from inventory.models import Product
from tests.backoffice import world

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
IDS = [model._meta.label for model in MODELS]
NOBODY_EDITS = (
    "inventory.Code", "inventory.CodeReveal", "inventory.Hold", "inventory.Upload", "marketplaces.ApiCall",
    "marketplaces.CatalogueProduct", "marketplaces.WebhookEvent", "orders.Delivery", "orders.Order", "orders.OrderEvent",
    "orders.OrderReading", "orders.Poll", "orders.PurchaseOrder", "orders.Reservation", "django_q.OrmQ",
    "django_q.Schedule", "django_q.Success", "django_q.Failure", "backoffice.Alert", "backoffice.AlertMessage",
    "backoffice.Authenticator", "backoffice.SecondFactorEvent",
    "backoffice.Change",
)  # fmt: skip

# What whoever may deliver, or see contacts, has to read on one page.
SEEN_BY_WHO_NEEDS_IT = {
    "orders.Delivery": world.BUYER_FIELD, "orders.Order": world.CONTACT, "orders.PurchaseOrder": world.CONTACT,
    "orders.Shipment": world.CONTACT,
}  # fmt: skip


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def a_failure(number=1):
    now = timezone.now()
    return Failure.objects.create(
        id=f"{number:032}", name=f"task-{number}", func="backoffice.tasks.heartbeat", started=now, stopped=now,
        success=False, result="it broke", args=(), kwargs={},
    )  # fmt: skip


def fill_queue(number=0):
    queue.enqueue("backoffice.tasks.heartbeat", number)
    now = timezone.now()
    Success.objects.create(
        id=f"s{number:031}", name=f"done-{number}", func="backoffice.tasks.heartbeat", started=now, stopped=now,
        success=True, args=(), kwargs={},
    )  # fmt: skip
    a_failure(number)
    Group.objects.create(name=f"group {number}")


@pytest.fixture
def full(db):
    account = world.fill(2)
    fill_queue()
    return account


@pytest.fixture
def stranger(db):
    """Staff who may do nothing yet."""
    client = Client()
    client.force_login(world.staff("stranger"))
    return client


def page_addresses(model):
    pages = [address(model, "changelist")]
    row = admin.site._registry[model].model._default_manager.order_by("-pk").first()
    assert row is not None, f"the test made no {model._meta.label}"
    return [*pages, address(model, "change", row.pk)]


def test_pages_say_what_they_may_load_and_the_door_says_nothing(admin_client):
    policy = admin_client.get(reverse("admin:index"))["Content-Security-Policy"].split("; ")

    assert {"script-src 'self' 'unsafe-eval'", "object-src 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert "Content-Security-Policy" not in admin_client.get("/hooks/nobody/")


def test_every_admin_page_stands_on_our_base():
    strays = [model._meta.label for model in MODELS if not isinstance(admin.site._registry[model], BaseAdmin)]

    assert strays == []


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_a_superuser_opens_the_list_and_an_object(model, full, admin_client):
    for url in page_addresses(model):
        assert admin_client.get(url).status_code == 200, url


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_staff_without_permission_see_no_page(model, full, stranger):
    for url in page_addresses(model):
        assert stranger.get(url).status_code == 403, url


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_no_page_holds_a_secret(model, full, admin_client):
    for url in page_addresses(model):
        text = admin_client.get(url).content.decode()
        shown = [secret for secret in world.SECRETS if secret in text]
        if "change" in url and (seen := SEEN_BY_WHO_NEEDS_IT.get(model._meta.label)):
            shown.remove(seen)
        assert shown == [], url


@pytest.mark.parametrize("label", NOBODY_EDITS)
def test_evidence_can_be_looked_at_and_not_touched(label, full, admin_client):
    model = next(model for model in MODELS if model._meta.label == label)
    row = model._default_manager.order_by("-pk").first()

    assert admin_client.get(address(model, "add")).status_code == 403
    assert admin_client.get(address(model, "delete", row.pk)).status_code == 403
    assert admin_client.post(address(model, "change", row.pk), {}).status_code == 403
    assert "delete_selected" not in admin_client.get(address(model, "changelist")).content.decode()


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_a_long_list_takes_as_many_queries_as_a_short_one(model, db, admin_client):
    url = address(model, "changelist")
    account = world.account()
    counts = []
    for rows in (range(1), range(1, 20)):
        for number in rows:
            world.order_row(number, world.product_row(number, account))
            world.alert_rows(number)
            fill_queue(number)
            User.objects.create_user(f"user-{number}")
            if number:
                world.account(f"Shop {number}")
                world.Supplier.objects.create(name=f"Supplier {number}")
        cache.clear()  # what is about to expire would be counted anew in between
        admin_client.get(url)  # content types and the like are fetched once
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(url).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.smoke
def test_the_front_page_shows_the_title_and_only_what_one_may_see(db, admin_client, stranger):
    links = [address(model, "changelist") for model in MODELS]
    everything, nothing = (client.get(reverse("admin:index")).content.decode() for client in (admin_client, stranger))

    assert "Back office" in everything
    assert [link for link in links if link not in everything] == []
    assert [link for link in links if link in nothing] == []


def test_a_failed_task_can_be_run_again(db, admin_client):
    failure = a_failure()

    admin_client.post(
        address(Failure, "changelist"), {"action": "run_again", "index": 0, "_selected_action": failure.pk}
    )

    assert OrmQ.objects.count() == 1
    assert not Failure.objects.filter(pk=failure.pk).exists()


def test_staff_who_may_only_look_cannot_run_a_task_again(db):
    client = Client()
    client.force_login(world.staff("viewer", "django_q.view_failure"))
    failure = a_failure()

    client.post(address(Failure, "changelist"), {"action": "run_again", "index": 0, "_selected_action": failure.pk})

    assert OrmQ.objects.count() == 0


def test_schedules_are_listed_by_name(db, admin_client):
    text = admin_client.get(address(Schedule, "changelist")).content.decode()

    assert "sweep marketplaces" in text


# --- the paginator -------------------------------------------------------------------------------------------


class SmallPaginator(EstimatingPaginator):
    COUNTED = 5


@pytest.fixture
def products(db):
    Product.objects.bulk_create(Product(sku=f"P-{number:04}") for number in range(8))
    return Product.objects.order_by("sku")


@pytest.mark.smoke
def test_it_counts_a_small_table_exactly(products):
    paginator = EstimatingPaginator(products, 3)

    assert (paginator.count, paginator.is_exact, paginator.num_pages) == (8, True, 3)


@pytest.mark.smoke
def test_it_stops_counting_when_there_is_more_than_anybody_reads(products):
    filtered = SmallPaginator(products.filter(sku__startswith="P-"), 2)

    assert (filtered.count, filtered.is_exact) == (5, False)


def test_the_count_it_asks_for_is_limited(products):
    with CaptureQueriesContext(connection) as queries:
        assert SmallPaginator(products.filter(sku__startswith="P-"), 2).count == 5

    assert "LIMIT 5" in queries[-1]["sql"]


@pytest.mark.postgres
def test_it_takes_the_databases_estimate_for_a_big_table(products):
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE inventory_product")
    with CaptureQueriesContext(connection) as queries:
        paginator = SmallPaginator(products, 2)
        assert (paginator.count, paginator.is_exact) == (8, False)

    assert len(queries) == 1
    assert "COUNT" not in queries[0]["sql"]


@pytest.mark.postgres
def test_it_counts_when_the_table_was_never_analyzed(products):
    assert EstimatingPaginator(products, 3).count == 8


def test_pages_end_at_a_hundred(db):
    Product.objects.bulk_create(Product(sku=f"P-{number:04}") for number in range(250))
    paginator = EstimatingPaginator(Product.objects.order_by("sku"), 2)

    assert paginator.num_pages == 100
    assert len(paginator.page(100)) == 2
    with pytest.raises(EmptyPage):
        paginator.page(101)


def test_a_list_says_when_its_figure_is_not_a_count(products, admin_client, monkeypatch):
    monkeypatch.setattr(EstimatingPaginator, "COUNTED", 5)

    text = " ".join(admin_client.get(address(Product, "changelist") + "?q=P-").content.decode().split())

    assert "more than 4 products" in text
