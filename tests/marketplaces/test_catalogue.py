import pytest

from marketplaces import catalogue
from marketplaces.exceptions import MarketplaceError
from marketplaces.models import CatalogueProduct
from marketplaces.sandbox_faults import Fault
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD, products

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(catalogue, "BATCH", 3)


def test_the_whole_catalogue_is_mirrored_and_a_second_look_only_updates(g2g):
    seen = catalogue.sync_catalogue(g2g.account)
    assert seen == CatalogueProduct.objects.count() == len(products())
    CatalogueProduct.objects.filter(external_id=ITUNES_CARD).update(name="An older name")
    assert catalogue.sync_catalogue(g2g.account) == seen
    product = CatalogueProduct.objects.get(marketplace="g2g", external_id=ITUNES_CARD)
    assert product.name == products()[ITUNES_CARD].name
    assert product.raw
    assert CatalogueProduct.objects.count() == seen


def test_a_reading_that_breaks_off_keeps_what_was_stored(g2g):
    catalogue.sync_catalogue(g2g.account)
    count = CatalogueProduct.objects.count()
    g2g.sandbox.faults.add(Fault("G2G-03", "http_error"))
    with pytest.raises(MarketplaceError):
        catalogue.sync_catalogue(g2g.account)
    assert CatalogueProduct.objects.count() == count
