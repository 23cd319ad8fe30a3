"""Price rules by the clock: which holds, what it sets, and what keeps it calm."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from backoffice import runs
from inventory import offer_runs, repricing, tasks
from inventory.models import CompetitorWatch, Offer, PriceChange, PriceRule, Product
from marketplaces.models import Account, ApiCall
from marketplaces.types import CompetingOffer
from tests import make
from tests.backoffice import world
from tests.drain import drain
from tests.inventory.priced import cost, fee, margin, on_sale, rate, there
from tests.inventory.test_admin import OFFERS, act, says

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer():
    product = make.product(codes=2)
    cost(product, "4")
    return make.offer(product, make.account(), price=Decimal(10), external_id="G1")


def rule(name="rule", **fields):
    return PriceRule.objects.create(**{"name": name, "kind": "fixed", "value": 8, "is_dry_run": False, **fields})


def price(offer):
    offer.refresh_from_db()
    return offer.price


# --- which holds and what it sets --------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_most_particular_rule_holds(offer):
    rule("account", account=offer.account, value=5)
    repricing.page()
    assert price(offer) == 5
    rule("product", product=offer.product, value=6)
    repricing.page()
    assert price(offer) == 6
    rule("both", product=offer.product, account=offer.account, value=7)
    repricing.page()
    assert price(offer) == 7
    rule("offer", offer=offer, value=8)
    repricing.page()
    assert price(offer) == 8


def test_a_rule_that_is_off_or_for_others_changes_nothing(offer):
    rule("off", account=offer.account, is_enabled=False)
    rule("others", account=make.account("Other"))
    rule("other product", product=make.product("SECOND"), account=offer.account)
    repricing.page()
    assert price(offer) == 10


def test_a_margin_rule_stands_on_cost_and_fees(offer):
    fee(offer.account, "10", "0.20")
    rule(account=offer.account, kind="margin", value=20)
    repricing.page()
    assert price(offer) == Decimal("5.56")  # (4 × 1.2 + 0.2) / 0.9
    assert "cost 4.00 USD, margin 20 %, fees 10 % and 0.20 USD" in PriceChange.objects.get().reason


@pytest.mark.parametrize(("low", "high", "expected"), [(9, None, 9), (None, 7, 7), (None, None, 8)])
def test_a_rules_own_floor_and_ceiling_hold(low, high, expected, offer):
    rule(account=offer.account, floor=low, ceiling=high)
    repricing.page()
    assert price(offer) == expected


@pytest.mark.smoke
def test_no_rule_goes_below_the_offers_floor(offer):
    Offer.objects.update(floor=Decimal("8.125"))
    rule(account=offer.account, value=5, ceiling=9)
    repricing.page()
    assert price(offer) == Decimal("8.13")


def test_a_floor_above_the_ceiling_leaves_the_price(offer):
    Offer.objects.update(floor=9)
    rule(account=offer.account, value=5, ceiling=7)
    repricing.page()
    assert price(offer) == 10


def test_a_rule_in_another_currency_is_converted_or_left(offer):
    rule(account=offer.account, value=5, currency="EUR")
    repricing.page()
    assert price(offer) == 10
    rate("EUR", "USD", "1.5")
    repricing.page()
    assert price(offer) == Decimal("7.5")


def test_what_a_rule_changes_is_pushed(g2g):
    sold = on_sale(g2g)
    rule(account=g2g.account, value=8)
    tasks.reprice()
    g2g.settle()
    assert there(g2g, sold) == (Decimal(8), 5)


def test_offers_come_in_pages_until_the_last(offer, monkeypatch):
    Offer.objects.bulk_create(
        Offer(account=offer.account, product=offer.product, external_product_id=f"p-{n}", price=10, currency="USD")
        for n in range(7)
    )
    monkeypatch.setattr(repricing, "PAGE", 3)
    rule(account=offer.account)
    tasks.reprice()
    drain()
    assert set(Offer.objects.values_list("price", flat=True)) == {8}


# --- calm --------------------------------------------------------------------------------------------------------


def test_a_small_difference_changes_nothing_unless_the_price_may_not_stand(offer):
    rule(account=offer.account, value=Decimal("9.96"), dead_band=Decimal("0.5"))
    repricing.page()
    assert price(offer) == 10
    Offer.objects.update(ceiling=Decimal("9.99"))
    repricing.page()
    assert price(offer) == Decimal("9.96")


def test_so_often_an_hour_and_no_more(offer):
    mine = rule(account=offer.account, changes_an_hour=2)
    for value in (7, 6, 5):
        PriceRule.objects.update(value=value)
        repricing.page()
    assert price(offer) == 6
    assert PriceChange.objects.filter(rule=mine).count() == 2
    with time_machine.travel(timezone.now() + timedelta(minutes=61), tick=False):
        repricing.page()
    assert price(offer) == 5


@pytest.mark.smoke
def test_a_dry_run_writes_what_it_would_do_once_and_stands_in_no_rules_way(offer):
    real = rule("real", account=offer.account, value=9)
    dry = rule("dry", offer=offer, value=5, is_dry_run=True)
    for _ in range(3):
        repricing.page()

    assert price(offer) == 9
    would_be = [(change.before, change.after) for change in PriceChange.objects.filter(is_dry_run=True, rule=dry)]
    assert would_be == [(9, 5)]
    assert PriceChange.objects.get(is_dry_run=False).rule == real


# --- competitors -------------------------------------------------------------------------------------------------


@pytest.fixture
def rival(g2a):
    """An offer on an account that may read what others ask; the cheapest of three asks what the product's price is."""
    Account.objects.filter(pk=g2a.account.pk).update(options={"dialect": "live", "requests_per_minute": 6000})
    g2a.account.refresh_from_db()
    theirs = next(product for product in g2a.sandbox.catalogue.products.values() if product.price > 10)
    product = make.product(codes=2)
    cost(product, "1", "EUR")
    margin(g2a.account, "0")
    return make.offer(
        product, g2a.account, external_product_id=theirs.id, currency="EUR", price=50,
        offer_type="dropshipping", state="done",
    ), theirs.price  # fmt: skip


def follow(**fields):
    return rule(kind="competitor", **{"value": Decimal("0.05"), **fields})


def read(desk):
    tasks.reprice()
    desk.settle()


@pytest.mark.smoke
def test_a_following_rule_stays_just_below_the_cheapest(g2a, rival):
    offer, theirs = rival
    follow(account=g2a.account)
    read(g2a)

    assert price(offer) == theirs - Decimal("0.05")
    watch = CompetitorWatch.objects.get()
    assert (watch.price, watch.others, watch.state, watch.note) == (theirs, 3, "done", "The price was changed.")
    assert f"the cheapest other asks {theirs:.2f} EUR ({watch.seller})" in PriceChange.objects.get().reason
    read(g2a)
    assert ApiCall.objects.filter(operation="G2A-L05").count() == 2
    assert PriceChange.objects.count() == 1


def test_a_step_in_percent(g2a, rival):
    offer, theirs = rival
    follow(account=g2a.account, value=10, step_kind="percent")
    read(g2a)
    assert price(offer) == (theirs * 9 / 10).quantize(Decimal("0.01"))


def test_it_follows_nobody_below_the_floor(g2a, rival):
    offer, theirs = rival
    cost(offer.product, "30", "EUR")
    follow(account=g2a.account)
    read(g2a)
    assert price(offer) == max(Decimal(30), theirs - Decimal("0.05"))
    assert "held at the floor (cost 30.00 EUR" in PriceChange.objects.get().reason


def test_what_is_asked_for_twice_is_read_once(g2a, rival):
    follow(account=g2a.account)
    tasks.reprice()
    tasks.reprice()
    g2a.settle()
    assert ApiCall.objects.filter(operation="G2A-L05").count() == 1


def test_our_own_offers_and_all_of_their_sellers_are_no_competitors(offer):
    make.offer(offer.product, offer.account, external_id="G2")
    found = [
        CompetingOffer("G2", Decimal(1), "USD", "we"),
        CompetingOffer("X1", Decimal(2), "USD", "We"),
        CompetingOffer("X2", Decimal(3), "USD", offer.account.name),
        CompetingOffer("X3", None, "USD", "they"),
        CompetingOffer("X4", Decimal(5), "USD", "they"),
    ]
    assert [other.external_id for other in repricing.not_ours(found, offer.account)] == ["X4"]


def test_without_any_floor_it_follows_nobody(g2a, rival):
    offer, _ = rival
    Product.objects.update(min_margin=None)
    offer.account.terms.delete()
    follow(account=g2a.account)
    read(g2a)
    assert price(offer) == 50
    assert "It has no floor" in CompetitorWatch.objects.get().note


def test_where_the_account_may_not_read_them_a_person_is_told_and_it_is_not_tried_on(g2a, rival):
    Account.objects.filter(pk=g2a.account.pk).update(options={"dialect": "contract"})
    follow(account=g2a.account)
    read(g2a)
    read(g2a)
    watch = CompetitorWatch.objects.get()
    assert (watch.state, ApiCall.objects.filter(operation="G2A-L05").count()) == ("needs_attention", 0)
    assert "dialect" in watch.last_error


def test_where_the_marketplace_tells_nobodys_prices_nothing_is_asked(offer):
    follow(account=offer.account)
    tasks.reprice()
    assert not CompetitorWatch.objects.exists()
    assert price(offer) == 10


def test_a_competitor_in_another_currency_needs_a_rate(g2a, rival):
    offer, theirs = rival
    Offer.objects.update(currency="USD", floor=1)
    follow(account=g2a.account)
    read(g2a)
    assert "no exchange rate from EUR to USD" in CompetitorWatch.objects.get().note
    rate("EUR", "USD", "2")
    read(g2a)
    assert price(offer) == theirs * 2 - Decimal("0.05")


def test_an_outage_is_waited_out(g2a, rival):
    offer, theirs = rival
    g2a.fault("G2A-L05", "http_error", status=503, times=2)
    follow(account=g2a.account)
    tasks.reprice()
    g2a.advance(60)
    assert price(offer) == theirs - Decimal("0.05")


# --- a rule on chosen offers -------------------------------------------------------------------------------------


def change(client, offer, **fields):
    return act(client, OFFERS, "run_changeprice", offer, answered=1, **fields)


@pytest.mark.smoke
def test_a_rule_is_applied_to_chosen_offers_after_a_preview(offer, admin_client):
    fee(offer.account, "10")
    margin(offer.account, "25")
    mine = rule("by hand", product=make.product("OTHER"), kind="margin", value=50, is_enabled=False)

    preview = says(change(admin_client, offer, way="rule", rule=mine.pk))
    for said in ("10.00 USD", "6.67 USD", "6.00 USD", "2.00 USD (50.1 %)", "5.5556 USD: cost 4.00 USD, margin 25 %"):
        assert said in preview
    change(admin_client, offer, way="rule", rule=mine.pk, confirmed=1, token="t")
    runs.step(runs.Run.objects.get().pk)

    assert price(offer) == Decimal("6.67")
    told = PriceChange.objects.get()
    assert (told.rule, told.by) == (mine, "admin")
    assert told.reason.startswith("Apply the price rule “by hand”: cost 4.00 USD")


def test_prices_are_set_to_the_floor(offer, admin_client):
    margin(offer.account, "25")
    fee(offer.account, "10")
    run = runs.start(
        offer_runs.ChangePrice(), rows=Offer.objects.all(), said={"way": "floor", "value": None, "rule": None},
        by=world.staff("boss"), token="t",
    )  # fmt: skip
    runs.step(run.pk)
    assert price(offer) == Decimal("5.56")


@pytest.mark.parametrize("said", [{"way": "rule"}, {"way": "percent"}, {"way": "to", "value": ""}])
def test_what_the_way_needs_is_asked_for(said, offer, admin_client):
    response = change(admin_client, offer, **said)
    assert "run-preview" not in says(response)


def test_a_preview_names_the_floor_of_what_is_refused(offer, admin_client):
    Offer.objects.update(floor=9)
    preview = says(change(admin_client, offer, way="percent", value="-20"))
    assert "The price 8.00 USD is below the floor of 9.00 USD" in preview
    page = says(admin_client.get(reverse("admin:inventory_offer_change", args=[offer.pk])))
    assert "9.00 USD: the offer&#x27;s own floor" in page


def test_a_rule_that_follows_needs_a_price_that_was_just_read(g2a, rival, admin_client):
    offer, _ = rival
    mine = follow(account=g2a.account)
    assert "No other seller&#x27;s price is known." in says(change(admin_client, offer, way="rule", rule=mine.pk))
    CompetitorWatch.objects.create(
        offer=offer, account=offer.account, price=20, currency="EUR", state="done", read_at=timezone.now()
    )
    assert "19.95 EUR" in says(change(admin_client, offer, way="rule", rule=mine.pk))
