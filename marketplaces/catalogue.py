"""Mirror a marketplace's catalogue, so that an offer can be started from it."""

from collections.abc import Iterable
from itertools import islice

from django.db import transaction
from django.utils import timezone

from backoffice import money
from marketplaces.models import Account, CatalogueProduct
from marketplaces.types import RemoteProduct

BATCH = 500
UPDATED = ["name", "category", "brand", "region", "price", "currency", "available", "raw", "seen_at"]


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


def sync_bestsellers(account: Account, *, is_patient: bool = False) -> int:
    """Read what sells best at the account's marketplace, in its order; returns how many. What sold well before and no
    longer does loses its place. Raises MarketplaceError, also when there is no such list. Safe to repeat.
    """
    products = list(account.service(is_patient=is_patient).fetch_bestsellers())
    ranks = {product.external_id: rank for rank, product in reversed(list(enumerate(products, start=1)))}
    mine = CatalogueProduct.objects.filter(marketplace=account.marketplace)
    with transaction.atomic():
        known = set(mine.filter(external_id__in=ranks).values_list("external_id", flat=True))
        # Such a list says less of a product than the catalogue does, so it only adds what is not known yet.
        _store(account.marketplace, [product for product in products if product.external_id not in known])
        mine.exclude(rank=None).exclude(external_id__in=ranks).update(rank=None)
        placed = list(mine.filter(external_id__in=ranks))
        for product in placed:
            product.rank = ranks[product.external_id]
        CatalogueProduct.objects.bulk_update(placed, ["rank"], batch_size=BATCH)
    return len(ranks)


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
            price=product.price,
            currency=product.currency,
            available=product.available,
            raw=money.json_safe(product.raw),
            seen_at=now,
        )
        for product in batch
    }
    CatalogueProduct.objects.bulk_create(
        rows.values(), update_conflicts=True, unique_fields=["marketplace", "external_id"], update_fields=UPDATED
    )
