"""The admin's front page: right sums, nothing of what one may not see, links that lead somewhere, few statements."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backoffice.models import Alert, Preference
from inventory import goods, pauses
from inventory.models import Batch, Code, ExchangeRate, Offer
from marketplaces import budget, vitals
from marketplaces.models import Account, ApiCall
from orders import dashboard, past_sales, sales, takings, tasks
from orders.models import Delivery, DeliveryItem, Order, OrderLine
from tests import make
from tests.backoffice import world

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]
EVERYTHING = dashboard.PAGES


def order_on(account, number=1, **fields):
    values = {"state": "delivered", "currency": "USD", "amount": "10.00", **fields}
    return Order.objects.create(account=account, external_id=f"O-{account.name}-{number}", **values)


def handed_over(account, code, *, number=1, units=1, is_replacement=False, **fields):
    """An order of `units` at 10.00 each, of which this one code was handed over now."""
    order = order_on(account, number, **fields)
    line = OrderLine.objects.create(
        order=order, external_id="1", product=code.product, quantity=units, unit_price="10.00"
    )
    delivery = Delivery.objects.create(
        account=account, line=line, external_id=f"D-{number}", requested=units, is_replacement=is_replacement
    )
    return DeliveryItem.objects.create(delivery=delivery, code=code, sent_at=timezone.now())


def bought(product, cost, currency="USD", count=1):
    codes = make.add_codes(product, count, prefix=f"{product.sku}-{cost}-{currency}")
    Batch.objects.filter(pk=codes[0].batch_id).update(cost=cost, currency=currency)
    return codes


def called(account, **said):
    values = {"operation": "X-01", "method": "GET", "url": "https://x", "milliseconds": 5, "started_at": timezone.now()}
    return ApiCall.objects.create(account=account, **{**values, **said})


def card(board, title):
    return next(each for each in board["cards"] if each["title"] == title)


def page(client):
    return client.get(reverse("admin:index")).content.decode()


def signed_in(name, *permissions):
    client = Client()
    client.force_login(world.staff(name, *permissions))
    return client


def test_two_currencies_stand_side_by_side_and_are_not_added_without_a_rate():
    shop = make.account()
    order_on(shop, 1, amount="10.00")
    order_on(shop, 2, amount="5.50", refunded_amount="0.50")
    order_on(shop, 3, amount="7.00", currency="EUR")
    order_on(shop, 4, amount="99.00", state="cancelled")
    order_on(shop, 5, amount=None)
    order_on(shop, 6, amount="1000.00", ordered_at=timezone.now() - timedelta(days=2))

    board = dashboard.figures(EVERYTHING)

    assert card(board, "Orders today")["lines"] == ["5"]
    assert "1 of them" in card(board, "Orders today")["notes"][0]
    revenue = card(board, "Revenue today")
    assert revenue["lines"] == ["7.00 EUR", "15.00 USD"]
    assert revenue["notes"] == ["1 order without an amount not in it"]


def test_with_a_rate_the_sum_is_shown_in_the_currency_of_most_orders():
    shop = make.account()
    order_on(shop, 1), order_on(shop, 2)
    order_on(shop, 3, amount="5.00", currency="EUR")
    ExchangeRate.objects.create(base="EUR", quote="USD", rate="1.20")

    revenue = card(dashboard.figures(EVERYTHING), "Revenue today")

    assert revenue["lines"] == ["5.00 EUR", "20.00 USD"]
    assert revenue["notes"] == ["26.00 USD in all, by today's rates"]


def test_play_accounts_are_left_out_of_money_unless_there_are_no_others(admin_client):
    play = make.account("Play", is_sandbox=True)
    order_on(play)
    alone = dashboard.figures(EVERYTHING)
    assert (card(alone, "Revenue today")["lines"], alone["play_only"]) == (["10.00 USD"], True)
    assert "play accounts only" in page(admin_client)

    order_on(make.account("Real"), amount="3.00")
    board = dashboard.figures(EVERYTHING)
    assert (card(board, "Orders today")["lines"], card(board, "Revenue today")["lines"]) == (["1"], ["3.00 USD"])
    assert not board["play_only"]


def test_profit_is_price_less_the_share_of_the_fee_and_the_codes_cost():
    shop, product = make.account(), make.product()
    first, second, third = *bought(product, "4.00", count=2), *bought(product, "4.00")
    handed_over(shop, first, number=1, units=2, fee="1.00")  # half of the fee: one unit of two has left
    handed_over(shop, second, number=2)
    Code.objects.filter(pk=second.pk).update(cost="6.50")  # its own goes before its batch's
    handed_over(shop, third, number=3, is_replacement=True)

    profit = card(dashboard.figures(EVERYTHING), "Profit of what left today")

    assert profit["lines"] == ["5.00 USD"]  # 10 - 0.50 - 4, 10 - 6.50, and a replacement that cost 4
    assert profit["notes"] == ["Fee unknown for 1 unit, taken as none"]


def test_profit_names_the_units_that_it_knows_too_little_of():
    shop, product = make.account(), make.product()
    handed_over(shop, make.add_codes(product, 1)[0], number=1, fee="0")
    (in_euro,) = bought(product, "5.00", "EUR")
    handed_over(shop, in_euro, number=2, fee="0")

    profit = card(dashboard.figures(EVERYTHING), "Profit of what left today")
    assert profit["lines"] == ["–"]
    assert profit["notes"] == ["Cost unknown for 1 unit", "No exchange rate for the cost of 1 unit"]

    ExchangeRate.objects.create(base="EUR", quote="USD", rate="1.20")
    assert card(dashboard.figures(EVERYTHING), "Profit of what left today")["lines"] == ["4.00 USD"]


def test_what_a_person_did_counts_as_of_unknown_cost():
    shop = make.account()
    line = OrderLine.objects.create(order=order_on(shop), external_id="1", quantity=3, unit_price="1")
    Delivery.objects.create(
        account=shop, line=line, external_id="D", requested=3, reported=3, status="delivered",
        report_sent_at=timezone.now(),
    )  # fmt: skip

    assert card(dashboard.figures(EVERYTHING), "Profit of what left today")["notes"] == ["Cost unknown for 3 units"]


def test_stock_is_what_can_be_sold_and_the_lowest_cover_comes_first():
    shop, product = make.account(), make.product(codes=3)
    handed_over(shop, product.codes.first())
    product.codes.filter(pk=product.codes.first().pk).update(state="sent")
    goods.receive(product_id=make.product("MUG", kind="counted").pk, quantity=7, by="worker")
    sales.refresh(timezone.now())

    board = dashboard.figures(EVERYTHING)

    assert card(board, "Codes in stock")["lines"] == ["2"]
    assert card(board, "Units in stock")["lines"] == ["7"]
    assert card(board, "Lowest cover")["notes"] == ["GAME-1: 28 days, 2 left"]


def test_the_charts_have_a_line_for_each_marketplace_and_currency():
    order_on(make.account()), order_on(make.account("Other", "g2a"), currency="EUR", amount="2.50")

    orders, revenue = (json.loads(chart["data"]) for chart in dashboard.figures(EVERYTHING)["charts"])

    assert len(orders["labels"]) == 30
    assert {each["label"]: each["data"][-1] for each in orders["datasets"]} == {"G2A": 1, "G2G": 1}
    assert {each["label"]: each["data"][-1] for each in revenue["datasets"]} == {"G2A, EUR": 2.5, "G2G, USD": 10}


def test_best_sellers_are_those_of_which_most_was_kept():
    shop = make.account()
    for number, (sku, quantity, refunded) in enumerate((("A", 5, 4), ("B", 3, 0), ("C", 2, 2))):
        order = order_on(shop, number)
        OrderLine.objects.create(
            order=order, external_id="1", product=make.product(sku), quantity=quantity, refunded=refunded
        )

    found = takings.best_sellers(timezone.now() - timedelta(days=30), [shop.pk])

    assert [(each.sku, each.units) for each in found] == [("B", 3), ("A", 1)]


def test_everything_that_needs_a_person_is_told_with_a_link_to_a_list_of_just_that(admin_client):
    account = world.fill(2)
    pauses.pause(pauses.target(account), by="boss", reason="stock-taking")
    needs = dashboard.figures(EVERYTHING)["needs"]
    assert len(needs) >= 6

    for need in needs:
        answer = admin_client.get(need["link"])
        assert answer.status_code == 200, need
        assert answer.context["cl"].result_count == int(need["text"].split()[0]), need


def test_every_card_and_step_leads_to_a_page(admin_client):
    steps = dashboard.figures(EVERYTHING)["steps"]
    assert len(steps) == 3
    order_on(make.account())
    links = [each["link"] for each in (*dashboard.figures(EVERYTHING)["cards"], *steps) if each["link"]]

    assert {url: admin_client.get(url, follow=True).status_code for url in links} == dict.fromkeys(links, 200)


def test_orders_today_leads_to_todays_orders(admin_client):
    shop = make.account()
    order_on(shop, 1), order_on(shop, 2, ordered_at=timezone.now() - timedelta(days=2))

    answer = admin_client.get(card(dashboard.figures(EVERYTHING), "Orders today")["link"])

    assert answer.context["cl"].result_count == 1


def test_the_health_of_an_account_says_what_is_wrong_and_what_waits():
    bad = make.account("Bad", trouble="The key was refused.", last_success_at=timezone.now() - timedelta(hours=3))
    make.account("Down", failing_since=timezone.now() - timedelta(hours=2), last_success_at=timezone.now())
    make.account("Off", is_enabled=False)
    paused = make.account("Paused", last_success_at=timezone.now())
    pauses.pause(pauses.target(paused), by="boss", reason="holiday")
    offer = make.offer(None, bad, external_id="X")
    Offer.objects.filter(pk=offer.pk).update(state="due", next_try_at=timezone.now() + timedelta(minutes=9))

    rows = dashboard.figures(EVERYTHING)["health"]["rows"]

    states, waiting = [row[1] for row in rows], [row[3] for row in rows]
    assert states[0] == "Trouble: The key was refused."
    assert states[1].startswith("Out of reach since 2")
    assert states[2:] == ["Switched off", "Paused by boss: holiday"]
    assert waiting[0].replace("\xa0", " ").startswith("1 offer; next 8 minutes")
    assert waiting[1:] == ["nothing"] * 3
    assert reverse("admin:marketplaces_account_change", args=[bad.pk]) in rows[0][0]


def test_what_was_due_long_ago_is_next_now():
    offer = make.offer(None, make.account(), external_id="X")
    Offer.objects.filter(pk=offer.pk).update(state="due", next_try_at=timezone.now() - timedelta(days=9))

    row = dashboard.figures(EVERYTHING)["health"]["rows"][0]
    assert (row[3], row[4].replace("\xa0", " ")) == ("1 offer; next now", "1 week, 2 days")


def test_the_health_of_an_account_says_how_its_calls_go_and_what_is_left_of_its_budget():
    busy, quiet, fine = make.account("Busy"), make.account("Quiet"), make.account("Well")
    for number in range(20):
        called(busy, status=500 if number < 3 else 200)
        called(fine, status=200)
    called(busy, status=None, error="Timeout")
    called(quiet, status=500, started_at=timezone.now() - timedelta(hours=2))
    budget.hold_off(busy.pk, 60)

    rows = dashboard.figures(EVERYTHING)["health"]["rows"]

    assert [row[4:] for row in rows] == [["none", "100%", "19%"], ["none", "0%", "–"], ["none", "0%", "none"]]


def test_an_account_whose_marketplace_is_gone_does_not_take_the_page_down(admin_client):
    gone = make.account("Gone", is_enabled=False)
    Account.objects.filter(pk=gone.pk).update(marketplace="closed")
    budget.hold_off(gone.pk, 60)

    assert "Gone" in page(admin_client)
    assert dashboard.figures(EVERYTHING)["health"]["rows"][0][4:] == ["–", "0%", "–"]


def test_a_stopped_account_does_not_lag():
    account = make.account("Off", is_enabled=False)
    offer = make.offer(None, account, external_id="X")
    Offer.objects.filter(pk=offer.pk).update(state="due", next_try_at=timezone.now() - timedelta(days=9))
    assert dashboard.figures(EVERYTHING)["health"]["rows"][0][4] == "–"


def test_only_the_last_calls_count_so_that_a_busy_account_costs_no_more(monkeypatch):
    busy = make.account("Busy")
    for ago in range(5):
        called(busy, status=200 if ago < 2 else 500, started_at=timezone.now() - timedelta(minutes=ago))

    assert vitals.of(vitals.joined(Account.objects.all()).get()).failed == pytest.approx(0.6)
    monkeypatch.setattr(vitals, "LAST_CALLS", 2)
    assert vitals.of(vitals.joined(Account.objects.all()).get()).failed == 0


@pytest.mark.parametrize(
    ("permission", "seen", "hidden"),
    [
        (
            "orders.view_order",
            "Revenue today",
            ("Codes in stock", "Profit", "Lowest cover", "Last success", "open alert"),
        ),
        ("inventory.view_code", "Codes in stock", ("Revenue today", "Units in stock", "Last success", "Best sellers")),
        ("inventory.view_product", "Lowest cover", ("Revenue today", "Codes in stock", "Last success")),
        (
            "marketplaces.view_account",
            "Budget used",
            ("Revenue today", "Codes in stock", "paused by boss", "offer;", "Calls failed"),
        ),
        ("backoffice.view_alert", "1 open alert", ("Revenue today", "Codes in stock", "Last success", "disputed")),
    ],
)
def test_each_part_is_only_for_who_may_see_what_it_shows(permission, seen, hidden):
    world.fill(2)
    Alert.objects.all().delete()
    Alert.objects.create(kind=Alert.Kind.values[0], subject="a", text="b")

    shown = page(signed_in("worker", permission))

    assert seen in shown
    assert [text for text in hidden if text in shown] == []


def test_who_may_see_nothing_sees_no_figure():
    world.fill(2)
    shown = page(signed_in("stranger"))
    assert [text for text in ("Needs a person", "Revenue", "in stock", "What to do first") if text in shown] == []


def test_an_empty_installation_says_what_to_do_first(admin_client):
    shown = page(admin_client)

    assert "What to do first" in shown
    assert "Nothing needs you now." in shown
    for name in ("marketplaces_account", "inventory_product", "inventory_offer"):
        assert f'href="{reverse(f"admin:{name}_add")}" class="font-semibold' in shown


def test_who_may_add_nothing_is_not_told_to():
    assert "What to do first" not in page(signed_in("viewer", "marketplaces.view_account"))


def test_the_statements_do_not_grow_with_the_rows_and_are_few(admin_client):
    world.fill(1)
    with CaptureQueriesContext(connection) as first:
        dashboard.figures(EVERYTHING)
    for number in range(5):
        order_on(make.account(f"Shop {number}"), currency=f"X{number}X"[:3])
    with CaptureQueriesContext(connection) as second:
        dashboard.figures(EVERYTHING)

    assert len(second) <= len(first) + 2  # the rates, once two currencies are there
    assert len(second) <= 12
    tasks.add_up_past_sales()
    someone = signed_in("someone", *(f"{name.replace('.', '.view_')}" for name in EVERYTHING))
    with CaptureQueriesContext(connection) as whole:
        page(someone)
    assert len(whole) <= 13  # a browser asks for the runs that have ended, too, and a second factor for itself


def of_days(board, chart=0):
    """The orders or revenue of the last three days, of the first marketplace."""
    return json.loads(board["charts"][chart]["data"])["datasets"][0]["data"][-3:]


def test_the_days_before_today_are_added_up_beforehand():
    shop = make.account()
    two_days_ago = timezone.now() - timedelta(days=2)
    order_on(shop, 1, ordered_at=two_days_ago)
    tasks.add_up_past_sales()
    order_on(shop, 2, ordered_at=two_days_ago)
    order_on(shop, 3)

    board = dashboard.figures(EVERYTHING)

    assert card(board, "Orders today")["lines"] == ["1"]
    assert of_days(board) == [1, 0, 1]  # the second of that day was not there then
    tasks.add_up_past_sales()
    assert of_days(dashboard.figures(EVERYTHING)) == [2, 0, 1]
    assert of_days(dashboard.figures(EVERYTHING), 1) == [20, 0, 10]


def test_what_was_added_up_the_day_before_lacks_no_order(time_machine):
    time_machine.move_to("2026-03-10T23:58:00Z", tick=False)
    shop = make.account()
    order_on(shop, 1)
    order_on(shop, 2, ordered_at=timezone.now() - timedelta(days=1))
    tasks.add_up_past_sales()
    order_on(shop, 3)
    time_machine.move_to("2026-03-11T00:01:00Z", tick=False)
    order_on(shop, 4)

    assert of_days(dashboard.figures(EVERYTHING)) == [1, 2, 1]


def test_profit_of_past_days_is_added_up_every_half_an_hour_and_after_midnight(time_machine):
    time_machine.move_to("2026-03-10T12:00:00Z", tick=False)
    shop, codes = make.account(), bought(make.product(), "4.00", count=5)
    handed_over(shop, codes[0], number=1, fee="1.00")
    assert len(dashboard.figures(EVERYTHING)["charts"]) == 2  # the days before today were not added up yet

    def profits():
        tasks.add_up_past_sales()
        return of_days(dashboard.figures(EVERYTHING), 2)

    assert profits() == [0, 0, 5]
    time_machine.move_to("2026-03-10T23:58:00Z", tick=False)
    profits()
    handed_over(shop, codes[1], number=2, fee="0")
    time_machine.move_to("2026-03-11T00:01:00Z", tick=False)
    assert of_days(dashboard.figures(EVERYTHING), 2) == [0, 11, 0]  # counted when yesterday was today
    handed_over(shop, codes[2], number=3, fee="2.00")
    assert profits() == [0, 11, 4]
    Order.objects.update(fee="3.00")
    assert profits() == [0, 11, 3]  # the fee of yesterday's is told late
    time_machine.move_to("2026-03-11T00:32:00Z", tick=False)
    assert profits() == [0, 6, 3]


def test_profit_is_charted_by_marketplace_and_currency_and_only_for_who_may_see_what_left():
    product = make.product()
    handed_over(make.account("One"), bought(product, "4.00")[0], number=1, fee="1.00")
    handed_over(make.account("Two", "g2a"), bought(product, "1.00", "EUR")[0], number=2, fee="0", currency="EUR")
    tasks.add_up_past_sales()

    handed_over(Account.objects.get(name="One"), make.add_codes(product, 1, prefix="FREE")[0], number=3)
    title = "Profit of 30 days, by the day it left"
    (chart,) = [each for each in dashboard.figures(EVERYTHING)["charts"] if each["title"] == title]
    found = {each["label"]: each["data"][-1] for each in json.loads(chart["data"])["datasets"]}
    assert found == {"G2A, EUR": 9, "G2G, USD": 5}
    assert chart["note"] == "Cost unknown for 1 unit"
    assert title not in page(signed_in("seller", "orders.view_order"))


def test_past_days_are_those_of_everybodys_own_time_zone():
    shop, boss = make.account(), world.staff("boss")
    Preference.objects.create(user=boss, time_zone="Pacific/Auckland")
    Preference.objects.create(user=world.staff("old"), time_zone="Mars/Base")
    order_on(shop, 1, ordered_at=timezone.now() - timedelta(days=4))
    tasks.add_up_past_sales()
    order_on(shop, 2, ordered_at=timezone.now() - timedelta(days=4))

    counted = {}
    for zone in ("UTC", "Pacific/Auckland", "Europe/Berlin"):
        with timezone.override(zone):
            counted[zone] = sum(row.orders for row in past_sales.lately([shop.pk]).sales)
    assert counted == {"UTC": 1, "Pacific/Auckland": 1, "Europe/Berlin": 2}  # nobody works in Berlin


def test_the_figures_are_counted_once_a_minute_for_all_who_may_see_the_same(admin_client):
    order_on(make.account())
    page(admin_client)
    order_on(Account.objects.get(), 2)
    same = Client()
    same.force_login(User.objects.create_superuser("second"))

    with CaptureQueriesContext(connection) as again:
        shown = page(same)

    assert "10.00 USD" in shown
    assert "20.00 USD" not in shown
    assert not [query for query in again if "orders_order" in query["sql"]]
    assert "20.00 USD" in page(signed_in("worker", "orders.view_order"))


def test_nothing_secret_is_on_the_page_or_kept(admin_client):
    world.fill(3)
    shown = page(admin_client)
    kept = repr(dashboard.figures(EVERYTHING))
    assert [secret for secret in world.SECRETS if secret in shown or secret in kept] == []
