"""Many offers changed at once: a form, a preview, a run with a result for each."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from backoffice import runs
from backoffice.models import Run, RunItem
from inventory.models import Offer
from tests import make
from tests.backoffice import world
from tests.drain import drain
from tests.inventory.test_admin import OFFERS, act, says, signed_in
from tests.orders import story

RUNS = reverse("admin:backoffice_run_changelist")


@pytest.fixture
def shop(db):
    account = world.fill(3)
    Run.objects.all().delete()  # those of the busy day; each test here begins its own
    return account


def token_of(response):
    return re.search(r'name="token" value="([0-9a-f]+)"', response.content.decode()).group(1)


def price_run(client, *offers, way="percent", value="5", **more):
    return act(client, OFFERS, "run_changeprice", *offers, answered=1, way=way, value=value, **more)


def prices():
    return sorted(Offer.objects.values_list("price", flat=True))


@pytest.mark.smoke
def test_prices_change_after_a_preview_and_a_double_click_changes_them_once(shop, admin_client):
    offers = list(Offer.objects.all())
    Offer.objects.update(price=Decimal(10), currency="USD")

    asked = act(admin_client, OFFERS, "run_changeprice", *offers)
    assert "Nothing is changed before you have seen a preview" in says(asked)

    preview = price_run(admin_client, *offers)
    assert f"{len(offers)} of {len(offers)} chosen rows change" in says(preview)
    assert "10.50 USD" in says(preview)
    assert set(prices()) == {Decimal(10)}

    for _ in range(2):
        response = price_run(admin_client, *offers, confirmed=1, token=token_of(preview))
    assert response.redirect_chain[-1][0] == reverse("admin:backoffice_run_change", args=[Run.objects.get().pk])
    drain()
    assert set(prices()) == {Decimal("10.5")}


def test_a_preview_calls_an_offer_without_a_title_by_its_products_name(shop, admin_client):
    offer = Offer.objects.order_by("pk").first()
    Offer.objects.filter(pk=offer.pk).update(price=Decimal(10), currency="USD", title="")

    preview = says(price_run(admin_client, offer))

    assert offer.product.name in preview
    assert offer.external_id not in preview


def test_all_that_match_a_filter_are_changed_and_no_other(shop, admin_client):
    Offer.objects.update(price=Decimal(10), currency="USD", is_active=False)
    lucky = Offer.objects.order_by("pk").first()
    Offer.objects.filter(pk=lucky.pk).update(is_active=True)

    said = {"way": "to", "value": "8", "answered": 1, "confirmed": 1, "token": "t", "select_across": 1}
    act(admin_client, OFFERS + "?is_active__exact=1", "run_changeprice", lucky, **said)
    drain()

    assert prices()[:2] == [8, 10]


def test_what_can_not_be_changed_says_why_and_stops_no_other(shop, admin_client):
    first, second, *_ = Offer.objects.order_by("pk")
    Offer.objects.update(price=Decimal(10), currency="USD")
    Offer.objects.filter(pk=first.pk).update(price=None)

    preview = price_run(admin_client, first, second, way="amount", value="-3")
    assert "It has no price yet." in says(preview)
    price_run(admin_client, first, second, way="amount", value="-3", confirmed=1, token="t")
    drain()

    failed = RunItem.objects.get(state=RunItem.State.FAILED)
    assert (failed.target, failed.text) == (str(first.pk), "It has no price yet.")
    second.refresh_from_db()
    assert second.price == 7


@pytest.mark.parametrize(("way", "value"), [("percent", "900"), ("to", "0"), ("percent", "five")])
def test_nonsense_is_asked_about_and_changes_nothing(way, value, shop, admin_client):
    before = prices()

    response = price_run(admin_client, Offer.objects.first(), way=way, value=value, confirmed=1, token="t")

    assert "run-preview" not in says(response)
    assert (prices(), Run.objects.count()) == (before, 0)


def test_without_the_permission_there_is_no_such_action(shop):
    client = signed_in("inventory.view_offer")

    assert "run_changeprice" not in says(client.get(OFFERS))
    price_run(client, Offer.objects.first(), confirmed=1, token="t")

    assert not Run.objects.exists()


def test_the_runs_page_shows_each_state_and_only_ones_own_runs(shop, admin_client):
    price_run(admin_client, *Offer.objects.all(), confirmed=1, token="t")
    run = Run.objects.get()
    drain()

    page = says(admin_client.get(reverse("admin:backoffice_run_change", args=[run.pk])))
    where = reverse("admin:backoffice_run_progress", args=[run.pk])
    assert f'data-url="{where}"' in page
    figures = admin_client.get(where).json()
    assert sum(state["rows"] for state in figures["states"]) == run.total

    stranger = signed_in("inventory.change_offer")
    assert stranger.get(where).status_code == 404
    assert run.title not in says(stranger.get(RUNS))


def test_results_come_as_csv_a_row_each(shop, admin_client):
    price_run(admin_client, *Offer.objects.all(), confirmed=1, token="t")
    drain()

    response = admin_client.get(reverse("admin:backoffice_run_results", args=[Run.objects.get().pk]))
    lines = b"".join(response.streaming_content).decode().splitlines()

    assert lines[0] == "row,state,result"
    assert len(lines) == 1 + Offer.objects.count()


def test_a_run_ends_when_the_marketplace_has_the_new_prices(g2g):
    shop = story.begin(g2g, codes=3)
    offer = Offer.objects.get()
    offer.refresh_from_db()
    run = runs.start(
        _kind("ChangePrice"), rows=Offer.objects.all(), said={"way": "to", "value": "8.88"},
        by=world.staff("boss"), token="t",
    )  # fmt: skip
    g2g.settle()
    g2g.advance(5)

    run.refresh_from_db()
    assert (runs.tally(run)["done"], run.ended_at is not None) == (1, True)
    offer.refresh_from_db()
    assert (offer.pushed["price"], shop is not None) == ("8.88", True)


def _kind(name):
    from inventory import offer_runs

    return getattr(offer_runs, name)()


@pytest.mark.smoke
def test_ten_thousand_offers_are_one_statement_to_begin_with(db, django_assert_max_num_queries):
    account, product = make.account(), make.product()
    Offer.objects.bulk_create(
        Offer(account=account, product=product, external_id=f"o{n}", external_product_id="p", price=1, currency="USD")
        for n in range(10_000)
    )
    user = world.staff("boss")

    with django_assert_max_num_queries(10):
        run = runs.start(_kind("PauseOffers"), rows=Offer.objects.all(), said={"reason": "Holiday"}, by=user, token="t")

    assert run.total == RunItem.objects.count() == 10_000
