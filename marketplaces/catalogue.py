"""Mirror a marketplace's catalogue, so that an offer can be started from it."""

from collections.abc import Iterable
from itertools import islice

from django.utils import timezone

from backoffice import money
from marketplaces.models import Account, CatalogueProduct
from marketplaces.types import RemoteProduct

BATCH = 500
UPDATED = ["name", "category", "brand", "region", "raw", "seen_at"]


def sync_catalogue(account: Account, *, is_patient: bool = False) -> int:
    """Read the whole catalogue of the account's marketplace; returns how many products it showed.

    What was stored stays when reading breaks off. Raises MarketplaceError. Safe to repeat.
    """
    products = account.service(is_patient=is_patient).fetch_catalogue()
    seen = 0
    while batch := list(islice(products, BATCH)):
        _store(account.marketplace, batch)
        seen += len(batch)
    return seen


def _store(marketplace: str, batch: Iterable[RemoteProduct]) -> None:
    now = timezone.now()
    # A product that the pages show twice may stand in one statement only once; the later one is newer.
    rows = {
        product.external_id: CatalogueProduct(
            marketplace=marketplace,
            external_id=product.external_id,
            name=product.name[:300],
            category=product.category[:200],
            brand=product.brand[:200],
            region=product.region[:100],
            raw=money.json_safe(product.raw),
            seen_at=now,
        )
        for product in batch
    }
    CatalogueProduct.objects.bulk_create(
        rows.values(), update_conflicts=True, unique_fields=["marketplace", "external_id"], update_fields=UPDATED
    )
