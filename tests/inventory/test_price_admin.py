"""The pages about prices: who sees them, what they say while they are empty, and that they stay quick."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from inventory.models import AccountTerms, CompetitorWatch, ExchangeRate, Fee, Offer, PriceChange, PriceRule, Product
from tests import make
from tests.backoffice import world
from tests.inventory.priced import cost, fee, margin, rate
from tests.inventory.test_admin import OFFERS, press, says, signed_in
from tests.inventory.test_offer_admin import shown_on

pytestmark = pytest.mark.django_db

MODELS = {
    "fee": "No fee is entered yet",
    "exchangerate": "No exchange rate is known yet",
    "pricerule": "No price rule yet",
    "pricechange": "No price was changed yet",
    "competitorwatch": "No competitor&#x27;s price was read yet",
}


@pytest.fixture
def offer():
    product = make.product(codes=2)
    cost(product, "4")
    return make.offer(product, make.account(), price=Decimal(10), external_id="G1")


def page(model, name="changelist", *args):
    return reverse(f"admin:inventory_{model}_{name}", args=args)


def some_rows(offer, count):
    for number in range(count):
        fee(offer.account, category=f"category {number}")
        rate("EUR", f"X{chr(65 + number)}A", "1")
        rule = PriceRule.objects.create(
            name=f"rule {number}", account=offer.account, product=offer.product, offer=offer, kind="fixed", value=1
        )
        PriceChange.objects.create(offer=offer, after=1, currency="USD", reason="because", rule=rule)
        another = make.offer(offer.product, offer.account)
        CompetitorWatch.objects.create(offer=another, account=offer.account, read_at=timezone.now())


@pytest.mark.smoke
@pytest.mark.parametrize("model", MODELS)
def test_an_empty_list_says_what_it_is_for_and_a_full_one_does_not(model, offer, admin_client):
    assert MODELS[model] in says(admin_client.get(page(model)))
    some_rows(offer, 1)
    assert MODELS[model] not in says(admin_client.get(page(model)))


@pytest.mark.parametrize("model", MODELS)
def test_a_list_is_for_who_may_see_it_and_stands_in_their_sidebar(model):
    client = signed_in(f"inventory.view_{model}")
    assert client.get(page(model)).status_code == 200
    others = [other for other in MODELS if other != model]
    assert {client.get(page(other)).status_code for other in others} == {403}
    text = client.get(reverse("admin:index")).content.decode()
    assert [other for other in MODELS if page(other) in text] == [model]


@pytest.mark.smoke
@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(
    model, offer, admin_client, django_assert_max_num_queries
):
    some_rows(offer, 20)
    queries = {"fee": 9, "exchangerate": 10, "pricerule": 8, "pricechange": 10, "competitorwatch": 9}
    admin_client.get(page(model))
    with django_assert_max_num_queries(queries[model]):
        assert admin_client.get(page(model)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_each_page_of_one_opens(model, offer, admin_client):
    some_rows(offer, 1)
    row = {
        "fee": Fee, "exchangerate": ExchangeRate, "pricerule": PriceRule, "pricechange": PriceChange,
        "competitorwatch": CompetitorWatch,
    }[model].objects.get()  # fmt: skip
    assert admin_client.get(page(model, "change", row.pk)).status_code == 200


# --- the account's page ------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_fees_and_the_least_margin_are_entered_on_the_accounts_page(admin_client):
    account = world.account()
    url, posted = shown_on(admin_client, account)
    posted |= {
        "fees-TOTAL_FORMS": "1", "fees-0-account": str(account.pk), "fees-0-category": "", "fees-0-percent": "9.9",
        "fees-0-fixed": "0.30", "fees-0-currency": "USD",
        "terms-TOTAL_FORMS": "1", "terms-0-account": str(account.pk), "terms-0-min_margin": "10",
    }  # fmt: skip
    assert admin_client.post(url, posted).status_code == 302

    assert str(Fee.objects.get().percent) == "9.9000"
    assert AccountTerms.objects.get().min_margin == 10


def test_an_accounts_page_that_was_open_meanwhile_undoes_no_fee(db, admin_client):
    account = world.account()
    mine = fee(account)
    url, posted = shown_on(admin_client, account, name="Renamed")
    Fee.objects.update(percent=15)

    assert admin_client.post(url, posted).status_code == 302

    account.refresh_from_db()
    mine.refresh_from_db()
    assert (account.name, mine.percent) == ("Renamed", 15)


def test_an_amount_per_unit_without_a_currency_is_asked_about(offer, admin_client):
    posted = {"account": str(offer.account.pk), "percent": "5", "fixed": "0.30", "currency": ""}
    assert "An amount per unit needs its currency." in says(admin_client.post(page("fee", "add"), posted))
    assert not Fee.objects.exists()


def test_who_may_change_accounts_alone_sees_and_changes_no_fee(db):
    account = world.account()
    fee(account)
    client = signed_in("marketplaces.change_account")
    url, posted = shown_on(client, account)
    assert "fees-TOTAL_FORMS" not in posted
    more = {"fees-TOTAL_FORMS": "1", "fees-INITIAL_FORMS": "0", "fees-0-percent": "50"}
    assert client.post(url, posted | more).status_code == 302
    assert str(Fee.objects.get().percent) == "10.0000"


# --- offers ------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_list_of_offers_shows_what_is_left_and_the_margin(offer, admin_client):
    fee(offer.account)
    text = says(admin_client.get(OFFERS))
    assert "9.00 USD" in text
    assert "5.00 USD (125.0 %)" in text


def test_the_offers_page_says_who_says_so_and_what_is_missing(offer, admin_client):
    fee(offer.account)
    margin(offer.account, "10")
    Product.objects.get().batches.update(cost=None)
    text = says(admin_client.get(reverse("admin:inventory_offer_change", args=[offer.pk])))
    assert "9.00 USD, by the account&#x27;s fees" in text
    assert "no floor is computed: No cost is known of what is in stock" in text


def test_earnings_of_many_offers_take_no_more_queries(admin_client, django_assert_max_num_queries):
    shop = world.fill(2)
    fee(shop)
    margin(shop, "10")
    rate("EUR", "USD", "1.1")
    admin_client.get(OFFERS)
    with django_assert_max_num_queries(22):
        admin_client.get(OFFERS)
    product = Product.objects.first()
    Offer.objects.bulk_create(
        Offer(account=shop, product=product, external_product_id="p", price=9, currency="USD") for _ in range(40)
    )
    with django_assert_max_num_queries(22):
        assert says(admin_client.get(OFFERS)).count("margin") > 0


def test_a_floor_above_the_ceiling_is_asked_about(offer, admin_client):
    url, posted = shown_on(admin_client, offer, floor="12", ceiling="11")
    assert "The ceiling is below the floor." in says(admin_client.post(url, posted))


def test_an_offer_that_never_left_is_deleted_with_its_history(offer, admin_client):
    Offer.objects.update(external_id="")
    PriceChange.objects.create(offer=offer, after=1, currency="USD", reason="because")
    CompetitorWatch.objects.create(offer=offer, account=offer.account)
    client = signed_in("inventory.view_offer", "inventory.delete_offer")

    client.post(reverse("admin:inventory_offer_delete", args=[offer.pk]), {"post": "yes"})

    assert (Offer.objects.count(), PriceChange.objects.count()) == (0, 0)


# --- rules and watches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"account": ""}, "Say what it is for"),
        ({"value": "0"}, "A price is more than nothing."),
        ({"kind": "competitor", "value": "-1"}, "To be dearer than the cheapest"),
        ({"floor": "9", "ceiling": "8"}, "The ceiling is below the floor."),
        ({"value": ""}, "This field is required."),
    ],
)
def test_a_rule_without_sense_is_asked_about(changed, told, offer, admin_client):
    posted = {
        "name": "A rule", "account": str(offer.account.pk), "kind": "fixed", "value": "5", "step_kind": "amount",
        "dead_band": "0.5", "changes_an_hour": "4", "is_enabled": "on", **changed,
    }  # fmt: skip
    assert told in says(admin_client.post(page("pricerule", "add"), posted))
    assert not PriceRule.objects.exists()


def test_a_new_rule_is_a_dry_run_unless_one_says_otherwise():
    assert PriceRule().is_dry_run


def test_a_rules_page_says_whom_it_reaches_and_where_it_can_not(offer, admin_client):
    rule = PriceRule.objects.create(name="r", account=offer.account, kind="competitor", value=1)
    text = says(admin_client.get(page("pricerule", "change", rule.pk)))
    assert "1 offers that are for sale; no other sellers&#x27; prices are told on Main shop" in text


def test_a_watch_that_failed_is_read_again_by_who_may(offer):
    watch = CompetitorWatch.objects.create(offer=offer, account=offer.account, state="needs_attention")
    client = signed_in("inventory.view_competitorwatch")
    press(client, page("competitorwatch"), "look_again", watch)
    watch.refresh_from_db()
    assert watch.state == "needs_attention"


def test_look_again_makes_it_due(offer, admin_client):
    watch = CompetitorWatch.objects.create(offer=offer, account=offer.account, state="needs_attention")
    assert "1 competitor&#x27;s price read again now." in says(
        press(admin_client, page("competitorwatch"), "look_again", watch)
    )
    watch.refresh_from_db()
    assert watch.state == "due"
