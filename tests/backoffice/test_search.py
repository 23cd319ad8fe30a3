"""The one search box: by any id to the right page, for those who may see it, and without a trace of what was typed."""

import logging
from collections import defaultdict
from importlib import import_module

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory.models import Batch, Code, Offer, Product, Purchase
from marketplaces.models import Account, Job, WebhookEvent
from orders import contacts, intake
from orders.models import Delivery, Order, PurchaseOrder, Reservation, Shipment
from tests.backoffice import world
from tests.orders import goods

pytestmark = pytest.mark.django_db
EMAIL = "mary.buyer@planted.example"


@pytest.fixture
def shop():
    return world.fill(3)


@pytest.fixture
def search(admin_client):
    def post(text, client=admin_client):
        return client.post("/admin/search/", {"text": text})

    return post


def page_of(row):
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"


def sections(response):
    return {group.title: [hit.name for hit in group.hits] for group in response.context["groups"]}


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Order, "1700000001ORDER"),
        (Order, "1700000001order"),
        (Order, "N-1"),
        (Delivery, "D0000001"),
        (Shipment, "S1"),
        (Shipment, "1Z000000001"),
        (Offer, "G00000001"),
        (Product, "GAME-001"),
        (Batch, "INV-1"),
        (Purchase, "80201019000001"),
        (PurchaseOrder, "PO1"),
        (WebhookEvent, "event-1"),
        (Code, f"  {world.CODE.lower()}-1-2 "),
        (Code, "code 2002"),
    ],
)
def test_a_whole_id_opens_its_page_at_once(model, text, shop, search):
    response = search(text)

    assert response.status_code == 302
    found = model.objects.get(pk=response["Location"].split("/")[-3])
    assert response["Location"] == page_of(found)
    assert (
        text.strip().upper().removeprefix("CODE ")
        in {
            str(getattr(found, name, "")).upper()
            for name in ("pk", "external_id", "number", "tracking_number", "sku", "reference", "event_id")
        }
        or model is Code
    )


def test_job_and_reservation_are_found_too(shop, search):
    job, reservation = Job.objects.first(), Reservation.objects.first()

    assert search(job.external_id)["Location"] == page_of(job)
    assert search(str(reservation.pk).upper())["Location"] == page_of(reservation)
    assert search(str(reservation.order_number))["Location"] == page_of(reservation)


def test_several_hits_are_listed_by_kind_with_a_line_that_says_what_each_is(shop, search):
    response = search("17000000")

    assert response.status_code == 200
    assert sorted(sections(response)["Orders"]) == [f"{number}ORDER" for number in range(1700000000, 1700000003)]
    text = response.content.decode()
    assert "Main shop · N-1 · ready to ship · 19.98 USD · " in text
    assert "about 1700000001ORDER" in text  # the events about them


def test_a_whole_id_that_two_accounts_have_is_listed_twice(shop, search):
    other = world.account("Second shop")
    Order.objects.create(account=other, external_id="1700000001ORDER")

    assert sections(search("1700000001ORDER"))["Orders"] == ["1700000001ORDER", "1700000001ORDER"]


def test_of_many_hits_ten_are_shown_and_the_page_says_so(shop, search):
    Offer.objects.bulk_create(
        [Offer(account=shop, external_id=f"MANY{number}", external_product_id="p") for number in range(12)]
    )

    response = search("many")

    assert len(sections(response)["Offers"]) == 10
    assert "The first 10 are shown" in response.content.decode()


def test_a_products_name_and_a_page_are_found_by_any_part(shop, search):
    assert sections(search("tycoon"))["Products"] == ["GAME-001"]
    assert sections(search("shipm"))["Pages"] == ["Shipments"]


@pytest.mark.parametrize("text", ["nothing-has-this", "zz", "%", "_", "😀", "\0", "'; DROP TABLE"])
def test_nothing_found_says_what_can_be_searched_for(text, shop, search):
    response = search(text)

    assert response.status_code == 200
    assert sections(response) == {}
    assert "tracking number or shipment id" in response.content.decode()


def test_without_a_text_the_page_says_what_can_be_found_and_looks_at_no_address(shop, admin_client):
    response = admin_client.get(f"/admin/search/?s={world.CODE}-1-2&text={world.CODE}-1-2&extended=1")

    assert response.status_code == 200
    assert world.CODE not in response.content.decode()
    assert "the whole code" in response.content.decode()


def test_each_kind_is_shown_only_to_those_who_may_see_it(shop, client, search):
    client.force_login(world.staff("lister", "inventory.view_offer"))

    assert search("G00000001", client)["Location"] == page_of(Offer.objects.get(external_id="G00000001"))
    for text in ("1700000001ORDER", "GAME-001", f"{world.CODE}-1-2", "code 2002", "event-1", "shipm"):
        assert sections(search(text, client)) == {}
    assert "shipment id" not in search("nothing", client).content.decode()
    assert "offer id" in search("nothing", client).content.decode()


def test_who_is_not_signed_in_is_asked_to_and_what_was_typed_stands_in_no_address(shop, client):
    response = client.post("/admin/search/", {"text": f"{world.CODE}-1-2"})

    assert response.status_code == 302
    assert response["Location"] == "/admin/login/?next=/admin/search/"


def with_email(order, address=EMAIL):
    contacts.put(order, {"buyer": "Mary", "email": address})
    order.save()
    return order


@pytest.mark.smoke
def test_a_whole_email_finds_its_orders_for_those_who_may_see_contacts(shop, client, search):
    order = with_email(Order.objects.get(number="N-1"))
    client.force_login(world.staff("packer", "orders.view_order"))

    assert search(f" {EMAIL.upper()} ")["Location"] == page_of(order)
    assert sections(search(EMAIL, client)) == {}
    assert "e-mail" not in search("nothing", client).content.decode().split('id="search-help"')[1]

    with_email(Order.objects.get(number="N-2"))
    row = PurchaseOrder.objects.get(external_id="PO1")
    contacts.put(row, {"bill_to": {"email": EMAIL}})
    row.save()
    found = sections(search(EMAIL))
    assert len(found["Orders"]) == 2
    assert found["Purchase orders"] == ["PO1"]


def test_an_order_that_comes_in_is_found_by_its_email_until_its_contact_is_erased(gcommerce, search):
    order = intake.import_order(account=gcommerce.account, remote=goods.shown(email=EMAIL))
    assert search(EMAIL)["Location"] == page_of(order)

    Order.objects.filter(pk=order.pk).update(erase_at="2020-01-01T00:00:00Z")
    contacts.erase(order.ordered_at)

    assert sections(search(EMAIL)) == {}
    assert Order.objects.get(pk=order.pk).email_index is None


def test_contacts_from_before_are_found_after_the_migration(shop, search):
    order = Order.objects.get(number="N-1")
    order.contact = {"ship_to": {"email": EMAIL}}
    order.save()
    broken = Order.objects.get(number="N-2")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET contact = %s WHERE id = %s", [b"\x02k9broken", broken.pk])

    with connection.schema_editor() as editor:
        import_module("orders.migrations.0009_search").find_by_email(apps, editor)

    assert search(EMAIL)["Location"] == page_of(order)


@pytest.mark.parametrize("text", [f"{world.CODE}-1-2", EMAIL])
def test_a_secret_goes_into_no_statement_log_session_or_cache(text, shop, client, search, caplog):
    """Neither for who may see it, nor for who may not: a database may log its statements."""
    with_email(Order.objects.get(number="N-1"))
    caplog.set_level(logging.DEBUG)
    cache.clear()
    client.force_login(world.staff("packer", "orders.view_order", "inventory.view_offer"))

    with CaptureQueriesContext(connection) as caught:
        seen = search(text)
        unseen = search(text, client)

    assert seen.status_code == 302
    assert sections(unseen) == {}
    for response in (seen, unseen):
        assert "no-store" in response["Cache-Control"]
        assert text not in str(response.headers)
    for sql in (query["sql"] for query in caught.captured_queries):
        assert text.lower() not in sql.lower()
    assert text not in caplog.text
    assert text not in str(dict(client.session))


def test_no_page_has_a_search_box_that_sends_what_is_typed_in_an_address(shop, admin_client):
    text = admin_client.get("/admin/").content.decode()

    assert 'method="post" action="/admin/search/"' in text
    assert "hx-get" not in text


@pytest.mark.parametrize("text", ["17000000", "INV", "nothing", "mary@planted.example"])
def test_a_search_takes_at_most_fifteen_queries(text, shop, client, django_assert_max_num_queries):
    client.force_login(world.staff("many", "orders.view_order", "inventory.view_code", "inventory.view_batch",
                                   "marketplaces.view_job", "marketplaces.view_webhookevent", "orders.see_contact",
                                   "orders.view_delivery", "orders.view_shipment", "backoffice.view_alert"))  # fmt: skip
    with django_assert_max_num_queries(15) as caught:
        client.post("/admin/search/", {"text": text})

    assert len([query for query in caught.captured_queries if "UNION ALL" in query["sql"]]) <= 3


# --- with many rows ---------------------------------------------------------------------------------------------------


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.postgres
def test_big_tables_are_read_by_their_indexes(admin_client, search):
    """Whole ids, beginnings, codes and addresses: no look reads a big table from end to end."""
    main = world.account()
    fill_many(main)
    with CaptureQueriesContext(connection) as caught:
        for text in ("ORD-0019999", "ORD-00199", "code 19999", "19999", "CODE-0019999", EMAIL, "EV-0019999"):
            search(text)
    # Django writes JSONB_BUILD_OBJECT for PostgreSQL before 16, JSON_OBJECT from then on.
    shapes = ("jsonb_build_object", "json_object")
    statements = [query["sql"] for query in caught.captured_queries if any(s in query["sql"].lower() for s in shapes)]

    assert len(statements) > 10
    read = defaultdict(int)
    for sql in statements:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
            plan = cursor.fetchone()[0][0]["Plan"]
        for node in nodes(plan):
            if node["Node Type"] == "Seq Scan":
                looked_at = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                read[node["Relation Name"]] = max(looked_at, read[node["Relation Name"]])
    assert {table for table, rows in read.items() if rows > 2_000} == set()


def fill_many(main):
    """Twenty thousand of what there is much of, in one statement each."""
    rows = "FROM generate_series(1, 20000) n"
    product = Product.objects.create(sku="ONE")
    batch = Batch.objects.create(product=product)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO orders_order (account_id, external_id, state, state_detail, status_word, event_status_word,
                    payment_word, is_disputed, buyer, currency, refunded_amount, ordered_at, raw, number, channel,
                    needs_shipping, shipping_methods, is_hearsay, is_summary)
                SELECT %s, 'ORD-' || lpad(n::text, 7, '0'), 'new', '', '', '', '', false, '', 'EUR', 0, now(), '{{}}',
                    'NO' || n, '', false, '[]', false, false {rows}""",
            [main.pk],
        )
        cursor.execute(
            f"""INSERT INTO inventory_code (product_id, batch_id, kind, sealed, index, state, position, serial, created_at)
                SELECT %s, %s, 'text', ''::bytea, sha256(n::text::bytea), 'available', n, '', now() {rows}""",
            [product.pk, batch.pk],
        )
    now = Account.objects.get(pk=main.pk).created_at
    WebhookEvent.objects.bulk_create(
        [
            WebhookEvent(account=main, event_id=f"EV-{n:07}", kind="k", subject=f"ORD-{n:07}", body="", received_at=now)
            for n in range(20_000)
        ],
        batch_size=5000,
    )
    Job.objects.bulk_create([Job(account=main, external_id=f"JOB-{n:07}") for n in range(20_000)], batch_size=5000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
