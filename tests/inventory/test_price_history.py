"""Whatever changes an offer's price is written down: who, why, before and after."""

import ast
from decimal import Decimal
from pathlib import Path

import pytest
from django.urls import reverse

from backoffice import runs
from inventory import mirror, offer_runs, offers, pricing, publishing, repricing
from inventory.models import Offer, PriceChange, PriceRule
from inventory.pricing import NewPrice
from tests import make
from tests.backoffice import world
from tests.inventory.priced import on_sale
from tests.inventory.test_admin import OFFERS, says, signed_in
from tests.inventory.test_offer_admin import shown_on

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
HISTORY = reverse("admin:inventory_pricechange_changelist")


@pytest.fixture
def offer(db):
    return make.offer(make.product(codes=1), make.account(), price=Decimal("9.99"), external_id="G1")


def by_form(offer, client):
    url, posted = shown_on(client, offer, price="12.50")
    client.post(url, posted)
    return "Changed on the offer’s page", "admin"


def by_csv(offer, client):
    offers.import_offers(
        account=offer.account, lines=["sku,external_product_id,price,currency\n", "GAME-1,product-1,12.50,USD"]
    )
    return "Imported from a file", ""


def by_run(offer, client):
    run = runs.start(
        offer_runs.ChangePrice(), rows=Offer.objects.all(), said={"way": "to", "value": "12.5"}, by=world.staff("boss"),
        token="t",
    )  # fmt: skip
    runs.step(run.pk)
    return "Set prices to 12.5", "boss"


def by_rule(offer, client):
    PriceRule.objects.create(name="high", account=offer.account, kind="fixed", value="12.5", is_dry_run=False)
    repricing.page()
    return "Rule “high”: the fixed price", ""


@pytest.mark.smoke
@pytest.mark.parametrize("way", [by_form, by_csv, by_run, by_rule])
def test_each_way_leaves_one_line(way, offer, admin_client):
    reason, by = way(offer, admin_client)

    (change,) = PriceChange.objects.all()
    assert (change.before, change.after, change.currency) == (Decimal("9.99"), Decimal("12.5"), "USD")
    assert (change.reason, change.by, change.is_dry_run) == (reason, by, False)
    offer.refresh_from_db()
    assert offer.price == Decimal("12.5")


@pytest.mark.smoke
def test_what_is_new_has_its_first_price_written_down(offer, admin_client):
    offers.import_offers(
        account=offer.account, lines=["sku,external_product_id,price,currency\n", "GAME-1,product-2,3.20,USD"]
    )
    posted = {
        "account": str(offer.account.pk), "product": offer.product.pk, "external_product_id": "product-3", "price": "4",
        "currency": "USD", "is_active": "on", "min_quantity": 1, "low_stock_at": 0, "attributes": "{}",
    }  # fmt: skip
    admin_client.post(reverse("admin:inventory_offer_add"), posted)

    told = PriceChange.objects.order_by("pk").values_list("before", "after", "by")
    assert list(told) == [(None, Decimal("3.2"), ""), (None, Decimal(4), "admin")]
    assert sorted(Offer.objects.values_list("price", flat=True)) == [Decimal("3.2"), 4, Decimal("9.99")]


def test_what_is_found_at_the_marketplace_has_its_price_written_down(g2g):
    sold = on_sale(g2g)
    PriceChange.objects.all().delete()
    Offer.objects.all().delete()
    mirror.sync_offers(g2g.account)

    (change,) = PriceChange.objects.all()
    assert (change.before, change.after, change.reason) == (None, sold.price, "As it was found at the marketplace")
    assert Offer.objects.get().price == sold.price


def test_another_currency_is_another_price(offer, admin_client):
    url, posted = shown_on(admin_client, offer, currency="EUR")
    admin_client.post(url, posted)

    change = PriceChange.objects.get()
    assert (change.words, Offer.objects.get().currency) == ("9.99 USD → 9.99 EUR", "EUR")


def test_setting_the_same_again_is_no_change(offer):
    assert pricing.set_price({offer.pk: NewPrice(Decimal("9.99"))}, reason="again") == set()
    assert not PriceChange.objects.exists()


def test_many_prices_take_as_many_queries_as_one(offer, django_assert_max_num_queries):
    Offer.objects.bulk_create(
        Offer(account=offer.account, product=offer.product, external_product_id=f"p-{n}", price=n + 1, currency="USD")
        for n in range(300)
    )
    wanted = {pk: NewPrice(Decimal(pk)) for pk in Offer.objects.values_list("pk", flat=True)}

    with django_assert_max_num_queries(6):
        pricing.set_price(wanted, reason="many")
    assert all(offer.price == offer.pk for offer in Offer.objects.all())


def test_nothing_else_in_the_source_writes_an_offers_price():
    """Of the rooms that know offers, `pricing` alone sets `price` in an update or on an offer, but to ready it for that."""
    writers = set()
    for path in [*(ROOT / "inventory").rglob("*.py"), *(ROOT / "orders").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign):
                targets = [part for target in node.targets for part in ast.walk(target)]
                if any(
                    isinstance(part, ast.Attribute)
                    and part.attr == "price"
                    and isinstance(part.value, ast.Name)
                    and part.value.id in ("offer", "obj")
                    for part in targets
                ):
                    writers.add(path.name)
            is_update = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "update"
            if is_update and any(word.arg == "price" for word in node.keywords):
                writers.add(path.name)
    may = {"pricing.py", "offer_admin.py", "offers.py", "mirror.py", "differences.py", "reconciling.py", "drafting.py"}
    assert writers <= may


@pytest.mark.smoke
def test_the_history_stands_on_the_offers_page_and_in_a_list(offer, admin_client, django_assert_max_num_queries):
    for amount in range(1, 60):
        pricing.set_price({offer.pk: NewPrice(Decimal(amount))}, reason=f"Reason {amount}", by="boss")

    page = says(admin_client.get(reverse("admin:inventory_offer_change", args=[offer.pk])))
    assert "58.00 USD → 59.00 USD Reason 59, by boss" in page
    assert "Reason 40" not in page
    with django_assert_max_num_queries(14):
        text = says(admin_client.get(HISTORY))
    assert "58.00 USD → 59.00 USD" in text
    assert admin_client.post(reverse("admin:inventory_pricechange_add")).status_code == 403


def test_the_list_of_offers_shows_earnings_in_as_many_queries_for_many_as_for_one(
    admin_client, django_assert_max_num_queries
):
    world.fill(12)
    with django_assert_max_num_queries(22):
        assert admin_client.get(OFFERS).status_code == 200


def test_who_may_not_see_it_does_not(offer):
    assert signed_in("inventory.view_offer").get(HISTORY).status_code == 403


def test_a_push_that_was_asked_for_goes_out_with_the_new_price(g2g):
    sold = on_sale(g2g)
    pricing.set_price({sold.pk: NewPrice(Decimal("11.11"))}, reason="x")
    publishing.request(Offer.objects.all())
    g2g.settle()
    sold.refresh_from_db()
    assert sold.pushed["price"] == "11.11"
