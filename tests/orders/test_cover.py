"""How long stock lasts: counted from what was sold, in one statement, and an alert when it is too short."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backoffice.models import Alert
from inventory import cover, goods
from inventory.models import CodeReveal, Cover, Product, StockSettings, Upload
from inventory.tasks import watch as watch_stock
from marketplaces.models import Account, Job
from marketplaces.tasks import watch as watch_marketplaces
from orders import sales
from orders.models import Delivery, DeliveryItem, Order, OrderLine, Shipment, ShipmentItem
from orders.tasks import count_sales, watch as watch_orders
from tests import make
from tests.backoffice import world

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


def ago(**length):
    return timezone.now() - timedelta(**length)


@pytest.fixture
def account():
    return make.account()


def line_of(product, account, number=1):
    order = Order.objects.create(account=account, external_id=f"O-{account.name}-{product.sku}-{number}")
    return OrderLine.objects.create(order=order, external_id="1", product=product, quantity=9)


def delivery_of(product, account, number=1, **fields):
    line = line_of(product, account, number)
    values = {"external_id": f"D-{number}", "requested": 9, "status": "delivered", **fields}
    return Delivery.objects.create(account=account, line=line, **values)


def hand_over(delivery, codes, at, **fields):
    for code in codes:
        DeliveryItem.objects.create(delivery=delivery, code=code, sent_at=at, **fields)


def sold():
    return sales.sold_since(ago(days=14))


def test_play_sales_count_as_long_as_there_is_no_other_account():
    game, play = make.product("GAME"), make.account("Play", is_sandbox=True)
    hand_over(delivery_of(game, play, 1), make.add_codes(game, 2), ago(days=1))
    assert sold() == {game.pk: 2}

    make.account("Real")
    assert sold() == {}


def test_codes_that_left_are_counted_and_nothing_else(account):
    game, other = make.product("GAME"), make.product("OTHER")
    codes, play = make.add_codes(game, 12), make.account("Play", is_sandbox=True)
    hand_over(delivery_of(game, account, 1), codes[:3], ago(days=2))
    hand_over(delivery_of(game, account, 2), codes[3:4], ago(days=15))
    hand_over(delivery_of(game, account, 3, is_replacement=True), codes[4:5], ago(days=1))
    hand_over(delivery_of(game, play, 4), codes[5:6], ago(days=1))
    hand_over(delivery_of(game, account, 5), codes[6:7], None)
    hand_over(delivery_of(game, account, 6), codes[7:8], ago(days=1), returned_at=ago(days=1))
    hand_over(delivery_of(other, account, 7), make.add_codes(other, 1), ago(days=1))

    assert sold() == {game.pk: 3, other.pk: 1}


def test_top_ups_parcels_and_codes_sold_there_are_counted(account):
    topup, goods_, game = make.product("TOPUP"), make.product("GOODS"), make.product("GAME")
    reported = {"reported": 4, "report_sent_at": ago(days=1)}
    delivery_of(topup, account, 1, kind="top_up", **reported)
    delivery_of(topup, account, 2, kind="top_up", **{**reported, "status": "stopped"})
    line = line_of(goods_, account)
    for number, (announced, there, deleted) in enumerate(
        [
            (ago(days=1), None, None),
            (ago(days=1), ago(days=30), None),
            (ago(days=1), None, ago(days=1)),
            (None, None, None),
        ]
    ):
        parcel = Shipment.objects.create(
            account=account, order=line.order, external_id=f"S{number}", announced_at=announced, deleted_at=deleted,
            remote_created_at=there,
        )  # fmt: skip
        ShipmentItem.objects.create(shipment=parcel, line=line, external_line_id="1", wanted=3, confirmed=2)
    offer = make.offer(game, account, external_id="G1")
    for code, at in zip(make.add_codes(game, 2), (ago(days=1), ago(days=20)), strict=True):
        Upload.objects.create(
            account=account, offer=offer, code=code, external_offer_id="G1", by="x", status="sold", sold_at=at
        )

    assert sold() == {topup.pk: 4, goods_.pk: 2, game.pk: 1}


@pytest.mark.parametrize(
    ("left", "gone", "expected"),
    [(28, 14, "28.0"), (1, 3, "4.7"), (0, 3, "0.0"), (5, 0, None), (2**31, 1, "9999999.9")],
)
def test_days_of_cover(left, gone, expected):
    assert cover.days_of(left, gone, 14) == (None if expected is None else Decimal(expected))


def test_cover_is_counted_for_codes_and_counted_units_and_written_when_it_changes(account):
    game, shelf = make.product("GAME", codes=4), make.product("SHELF", kind="counted")
    goods.receive(product_id=shelf.pk, quantity=7, by="keeper", key="1")
    hand_over(delivery_of(game, account), make.add_codes(game, 2, state="sent"), ago(days=1))

    assert sales.refresh(timezone.now()) == 2
    assert sales.refresh(timezone.now()) == 0

    assert Cover.objects.values_list("product__sku", "sold", "left", "days").order_by("pk")[0] == (
        "GAME", 2, 4, Decimal("28.0"),
    )  # fmt: skip
    assert (shelf.cover.left, shelf.cover.days) == (7, None)


def test_low_stock_is_an_alert_until_there_is_more(account):
    StockSettings.objects.create(pk=1, low_at=2, low_days=3)
    game, idle = make.product("GAME", codes=2), make.product("IDLE", codes=1)
    own, never = make.product("OWN", codes=5, low_at=5), make.product("NEVER", codes=1, low_at=0, low_days=0)
    for number, product in enumerate((game, own, never)):
        make.offer(product, account, external_id=f"G{number}")
    count_sales()
    watch_stock()

    alerts = Alert.objects.filter(kind="low_stock").order_by("subject")
    assert [alert.subject for alert in alerts] == ["GAME", "OWN"]  # nobody is offered IDLE
    assert alerts[0].text == "GAME runs low: 2 units left."
    assert alerts[0].link == reverse("admin:inventory_product_change", args=[game.pk])
    assert not Cover.objects.get(pk=idle.pk).is_low

    make.add_codes(game, 5)
    count_sales()
    watch_stock()
    assert [alert.subject for alert in alerts.filter(settled_at=None)] == ["OWN"]


def test_stock_that_lasts_too_short_is_low(account):
    StockSettings.objects.create(pk=1, low_days=3)
    game = make.product("GAME", codes=4)
    make.offer(game, account)
    hand_over(delivery_of(game, account), make.add_codes(game, 28, state="sent"), ago(days=1))
    count_sales()
    watch_stock()
    assert Alert.objects.get().text == "GAME runs low: 4 units left, which last for 2.0 days."


def test_many_reveals_by_one_user_are_an_alert_without_a_name(account):
    StockSettings.objects.create(pk=1, reveals_an_hour=3)
    user, (code, *_) = world.staff("nosy.person"), make.add_codes(make.product("GAME"), 1)
    for name, count in (("nosy.person", 4), ("careful", 3), ("root-user", 5)):
        for _ in range(count):
            CodeReveal.objects.create(code=code, user=name, reason="x")
    watch_stock()

    found = list(Alert.objects.filter(kind="reveals").order_by("subject").values_list("subject", "text"))
    assert [subject for subject, _ in found] == ["a user of the command line", f"user {user.pk}"]
    assert "4 codes" in found[1][1]
    assert not any("nosy" in text or "root-user" in text for pair in found for text in pair)

    CodeReveal.objects.update(at=ago(hours=2))
    watch_stock()
    assert not Alert.objects.filter(settled_at=None).exists()


def test_deliveries_jobs_and_accounts_in_trouble_are_alerts_until_they_are_mended(account):
    delivery = delivery_of(make.product("GAME"), account, state="needs_attention", last_error="PLANTED")
    job = Job.objects.create(account=account, external_id="J-1", state="due", is_stuck=True)
    account.has_trouble("PLANTED words of a marketplace")
    away = make.account("Away", failing_since=ago(minutes=10))
    make.account("Blip", failing_since=ago(minutes=1))
    make.account("Off", failing_since=ago(minutes=10), is_enabled=False)
    watch_orders()
    watch_marketplaces()

    found = {alert.kind: alert for alert in Alert.objects.order_by("pk")}
    assert found["delivery"].link == reverse("admin:orders_delivery_change", args=[delivery.pk])
    assert found["job_stuck"].link == reverse("admin:marketplaces_job_change", args=[job.pk])
    subjects = Alert.objects.filter(kind="account").order_by("subject").values_list("subject", flat=True)
    assert list(subjects) == ["Away", "Main shop"]
    assert not any("PLANTED" in alert.text for alert in Alert.objects.all())

    Delivery.objects.update(state="done")
    Job.objects.update(state="done", is_stuck=False)
    Account.objects.update(failing_since=None, trouble="")
    watch_orders()
    watch_marketplaces()
    assert not Alert.objects.filter(settled_at=None).exists()
    assert away.pk


def test_the_list_shows_sorts_and_filters_by_cover_and_the_page_says_it(account, admin_client):
    few, many, none = (make.product(sku, codes=count) for sku, count in (("FEW", 1), ("MANY", 9), ("NONE", 1)))
    for number, product in enumerate((few, many)):
        hand_over(delivery_of(product, account, number), make.add_codes(product, 14, state="sent"), ago(days=1))
        make.offer(product, account, external_id=f"G{number}")
    count_sales()
    url = reverse("admin:inventory_product_changelist")

    text = admin_client.get(url + "?o=5").content.decode()
    assert text.index(">FEW<") < text.index(">MANY<") < text.index(">NONE<")
    assert ">9.0<" in text
    low = admin_client.get(url + "?low=yes").content.decode()
    assert (">FEW<" in low, ">MANY<" in low) == (True, False)
    page = admin_client.get(reverse("admin:inventory_product_change", args=[few.pk])).content.decode()
    assert "1 units left, 14 sold lately: they last for 1.0 days. That is low." in page
    assert none.pk


@pytest.mark.postgres
def test_twenty_thousand_products_are_counted_and_listed_in_a_few_statements(account, admin_client):
    Product.objects.bulk_create(Product(sku=f"P-{number:05}") for number in range(20_000))
    game = make.product("GAME", codes=3)
    hand_over(delivery_of(game, account), make.add_codes(game, 14, state="sent"), ago(days=1))
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            count_sales()
        assert len(queries) <= 24
    assert Cover.objects.count() == 20_001
    with connection.cursor() as cursor:  # as autovacuum does; what it knew of the empty tables makes a plan of minutes
        cursor.execute("ANALYZE inventory_product, inventory_cover")
    for order in ("", "?o=5", "?o=-5"):
        url = reverse("admin:inventory_product_changelist") + order
        admin_client.get(url)
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(url).status_code == 200
        assert len(queries) < 20
        assert max(float(query["time"]) for query in queries) < 1
