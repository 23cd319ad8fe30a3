"""The pages of the reports: for whom, what they show, what the files hold, how many statements they take."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inventory.models import Batch, Code, ExchangeRate
from orders.models import Delivery, DeliveryItem, Order, OrderLine
from tests import make
from tests.backoffice import world

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]
KINDS = ("profit", "stock", "times")


def sold(account, product, *, currency="USD", paid_in="USD", days=0):
    (code,) = make.add_codes(product, 1, prefix=f"s{Code.objects.count()}")
    Batch.objects.filter(pk=code.batch_id).update(cost="4.00", currency=paid_in)
    at = timezone.now() - timedelta(days=days)
    order = Order.objects.create(
        account=account, external_id=f"S{code.pk}", currency=currency, amount="10", fee="1.00", ordered_at=at
    )
    line = OrderLine.objects.create(order=order, external_id="1", product=product, quantity=1, unit_price="10.00")
    delivery = Delivery.objects.create(
        account=account, line=line, external_id=f"S{code.pk}", requested=1, requested_at=at, status="delivered"
    )
    Code.objects.filter(pk=code.pk).update(state="delivered")
    return DeliveryItem.objects.create(delivery=delivery, code=code, sent_at=at)


def page(client, kind, **query):
    response = client.get(reverse(f"reports:{kind}"), query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def rows(client, kind, **query):
    response = client.get(reverse(f"reports:{kind}"), {**query, "format": "csv"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.getvalue().decode())))


def signed_in(name, *permissions, group=""):
    client, user = Client(), world.staff(name, *permissions)
    if group:
        user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


@pytest.mark.parametrize("kind", KINDS)
def test_reports_and_their_files_need_a_permission_of_their_own(kind):
    stranger = signed_in("stranger", "orders.view_order", "inventory.view_product")
    address = reverse(f"reports:{kind}")

    assert stranger.get(address).status_code == 403
    assert stranger.get(address, {"format": "csv"}).status_code == 403
    assert Client().get(address).status_code == 302
    assert signed_in("reader", "orders.view_reports").get(address).status_code == 200


@pytest.mark.parametrize("role", ["Finance", "Managers", "Auditors"])
def test_those_who_deal_with_money_may_see_reports(role):
    client = signed_in("person", group=role)

    assert page(client, "profit")
    assert reverse("reports:index") in client.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("role", ["Listers", "Stock keepers", "Operators"])
def test_others_do_not(role):
    client = signed_in("person", group=role)

    assert client.get(reverse("reports:profit")).status_code == 403
    assert reverse("reports:index") not in client.get(reverse("admin:index")).content.decode()


def test_the_page_the_chart_and_the_file_say_the_same(admin_client):
    sold(make.account(), make.product())

    shown, (row,) = page(admin_client, "profit", by="product"), rows(admin_client, "profit", by="product")

    assert "5.00 USD" in shown  # 10 - 1 - 4
    chart = next(part for part in shown.split("data-value=")[1:])
    assert "5.0" in chart.split(">")[0]
    assert (row["product"], row["units"], row["sales"], row["fees"], row["cost"], row["profit"], row["profit_USD"]) == (
        "GAME-1", "1", "10.00", "1.00", "4.00", "5.00", "5.00",
    )  # fmt: skip
    assert row["time_zone"] == "UTC"


def test_each_currency_stands_alone_and_converted_where_a_rate_is_known(admin_client):
    shop, product = make.account(), make.product()
    sold(shop, product), sold(shop, product)
    sold(shop, product, currency="EUR", paid_in="EUR")

    shown = page(admin_client, "profit", by="account")
    assert "no rate" in shown
    assert "EUR → USD" in shown
    ExchangeRate.objects.create(base="EUR", quote="USD", rate="2", day=timezone.localdate() - timedelta(days=1))
    by_currency = {row["currency"]: row for row in rows(admin_client, "profit", by="account")}

    assert (by_currency["EUR"]["profit"], by_currency["EUR"]["profit_USD"]) == ("5.00", "10.00")
    assert by_currency["USD"]["profit_USD"] == "10.00"


def test_filters_narrow_what_is_counted(admin_client):
    one, two = make.account("One"), make.account("Two", "g2a")
    first, second = make.product("A"), make.product("B")
    sold(one, first), sold(two, second), sold(one, second, days=20)

    def units(**query):
        return sum(int(row["units"]) for row in rows(admin_client, "profit", **query))

    assert units() == 3
    assert units(period="7") == 2
    assert units(account=str(one.pk)) == 2
    assert units(marketplace="g2a") == 1
    assert units(product="A") == 1
    day = timezone.localdate() - timedelta(days=20)
    assert units(since=day.isoformat(), until=day.isoformat()) == 1
    assert "No product has exactly this SKU" in page(admin_client, "profit", product="C")
    assert "before the first day" in page(admin_client, "profit", since="2026-02-02", until="2026-02-01")


def test_play_accounts_are_left_out_unless_there_are_no_others(admin_client):
    sold(make.account("Play", is_sandbox=True), make.product())
    assert "play accounts only" in page(admin_client, "profit")
    make.account("Real")

    shown = page(admin_client, "profit")

    assert "Play accounts are left out" in shown
    assert "There is nothing to report" in shown


def test_dead_stock_and_what_expires_are_told(admin_client):
    old, soon = make.product("OLD"), make.product("SOON")
    make.add_codes(old, 2), make.add_codes(soon, 1, expires_at=timezone.localdate() + timedelta(days=3))
    Code.objects.filter(product=old).update(created_at=timezone.now() - timedelta(days=100))

    assert "none for 60 days" in page(admin_client, "stock")
    assert [row["product"] for row in rows(admin_client, "stock", only="dead")] == ["OLD"]
    (row,) = rows(admin_client, "stock", only="expiring")
    assert (row["product"], row["units"], row["expire_in_30_days"], row["units_without_cost"]) == (
        "SOON",
        "1",
        "1",
        "1",
    )


def test_delivery_times_are_told_by_account_and_day(admin_client):
    item = sold(make.account(), make.product())
    Delivery.objects.update(requested_at=item.sent_at - timedelta(seconds=90))

    shown, (row,) = page(admin_client, "times"), rows(admin_client, "times")

    assert "90.0 s" in shown
    assert (row["median_seconds"], row["in_time"], row["late"], row["target_seconds"]) == ("90.000", "0", "1", "60")


def test_a_name_that_would_be_a_formula_is_none_in_a_file(admin_client):
    sold(make.account("=HYPERLINK(1)"), make.product())

    (row,) = rows(admin_client, "profit", by="account")

    assert row["account"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["day", "account", "product", "batch", "supplier"])
def test_pages_take_few_statements_whatever_their_rows(kind, by, admin_client):
    by = by if kind == "profit" or by in ("product", "batch", "supplier") else ""
    shop = make.account()
    counts = []
    for number in range(2):
        for each in range(1 + number * 4):
            product = make.product(f"P-{number}-{each}")
            sold(shop, product, days=each)
            sold(shop, product, currency="EUR", days=each)
            make.add_codes(product, 1)
        page(admin_client, kind, by=by)
        with CaptureQueriesContext(connection) as queries:
            page(admin_client, kind, by=by)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 15


def test_no_page_holds_a_secret(admin_client):
    world.fill(2)
    for kind in KINDS:
        text = page(admin_client, kind)
        assert [secret for secret in world.SECRETS if secret in text] == []
        assert [secret for secret in world.SECRETS if secret in json.dumps(rows(admin_client, kind))] == []
