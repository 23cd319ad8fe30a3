"""What a price means, and what sells well: both as the marketplace tells it."""

from decimal import Decimal

from django.urls import reverse
from django_q.models import OrmQ

from inventory import pricing
from inventory.models import Offer
from marketplaces import catalogue
from marketplaces.models import CatalogueProduct
from tests import make


def some_offer(desk, **fields):
    product_id = desk.account.service().search_products()[0].external_id
    return make.offer(make.product(), desk.account, external_product_id=product_id, currency="EUR", **fields)


def test_what_a_price_means_stands_next_to_it(g2a, admin_client):
    offer = some_offer(g2a, price="5.98")

    assert pricing.request_simulation(Offer.objects.all()) == 1
    g2a.settle()

    offer.refresh_from_db()
    assert offer.simulated_price == Decimal("5.98")
    assert 0 < offer.we_get < offer.buyer_pays
    assert f"{offer.we_get:.2f} EUR" in admin_client.get(reverse("admin:inventory_offer_changelist")).content.decode()
    assert pricing.request_simulation(Offer.objects.all()) == 0, "it is known already"


def test_what_another_price_meant_is_not_shown(g2a, admin_client):
    offer = some_offer(g2a, price="5.98", we_get="4.44", simulated_price="5.00")

    page = admin_client.get(reverse("admin:inventory_offer_change", args=[offer.pk])).content.decode()
    assert "4.44" not in page


def test_a_simulation_that_fails_is_tried_a_few_times_and_then_left(g2a):
    offer = some_offer(g2a, price="5.98")
    g2a.fault("G2A-14", "http_error", status=503, times=None)
    pricing.request_simulation(Offer.objects.all())
    g2a.advance(3600)

    offer.refresh_from_db()
    assert offer.we_get is None
    assert not OrmQ.objects.exists()


def test_where_nobody_can_tell_nobody_is_asked(g2g):
    make.offer(make.product(), g2g.account)
    assert pricing.request_simulation(Offer.objects.all()) == 0


def test_an_offer_can_be_started_from_what_sells_best(g2a, admin_client):
    count = catalogue.sync_bestsellers(g2a.account)
    assert count == CatalogueProduct.objects.exclude(rank=None).count() > 5

    best = CatalogueProduct.objects.get(rank=1)
    page = admin_client.get(reverse("admin:marketplaces_catalogueproduct_changelist"), {"best": "yes"}).content.decode()
    assert "Start an offer" in page
    form = admin_client.get(
        reverse("admin:inventory_offer_add"),
        {"external_product_id": best.external_id, "title": best.name, "account": str(g2a.account.pk)},
    ).content.decode()
    assert best.external_id in form
    assert str(g2a.account.pk) in form


def test_what_no_longer_sells_best_loses_its_place_and_stays_known(g2a):
    CatalogueProduct.objects.create(marketplace="g2a", external_id="1", name="Yesterday", rank=1)
    catalogue.sync_bestsellers(g2a.account)

    assert CatalogueProduct.objects.get(external_id="1").rank is None
