"""Find a product in a marketplace's catalogue: there, and where it can't be asked so, in our mirror of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.cache import cache

from marketplaces import accounts
from marketplaces.models import Account, CatalogueProduct
from marketplaces.types import RemoteProduct, Urgency

MIRRORED = 20  # products of the mirror that a text finds
CATEGORIES_SECONDS = 3600


@dataclass(frozen=True)
class Found:
    """What a search brought; `problem` says why it brought nothing."""

    products: Sequence[RemoteProduct] = ()
    problem: str = ""
    is_mirrored: bool = False


def to_buy(account: Account, text: str, page: int) -> Found:
    """Search what can be bought; where the marketplace can't search by that text, its mirrored catalogue stands in."""
    service = account.service()
    if not service.supports("search_products"):
        return Found(problem=f"{service.label} can't be searched. Give the product's id.")
    try:
        service.plan(1, Urgency.PRICE)
        return Found(service.search_products(text, page=page))
    except Exception as error:
        return _mirror_or(account, text, accounts.problem_of(account, error))


def to_sell(account: Account, text: str, category: str = "") -> Found:
    """Search for what an offer can be made of; the mirrored catalogue stands in where the marketplace can't be asked."""
    takes_category = account.service_class.searches_by_category
    if not account.can("search_catalogue") or not (category if takes_category else text):
        return _mirror_or(account, text, "")
    try:
        service = account.service()
        service.plan(1, Urgency.CATALOGUE)
        found = service.search_catalogue(text, category=category)
    except Exception as error:
        return _mirror_or(account, text, accounts.problem_of(account, error))
    return Found(found)


def categories(account: Account) -> tuple[Sequence[tuple[str, str]], str]:
    """The places in which the marketplace is searched, as (id, name), and why they can't be read. Kept for an hour."""
    if not (account.service_class.searches_by_category and account.can("search_catalogue")):
        return (), ""
    key = f"catalogue:categories:{account.pk}"
    found = cache.get(key)
    if found is None:
        try:
            service = account.service()
            service.plan(1, Urgency.CATALOGUE)
            found = [(category.external_id, category.name) for category in service.fetch_categories()]
        except Exception as error:
            return (), accounts.problem_of(account, error)
        cache.set(key, found, CATEGORIES_SECONDS)
    return found, ""


def look_up(account: Account, product_id: str) -> tuple[RemoteProduct | None, str]:
    """Read one product as it is there now, or say why it can't be read."""
    try:
        service = account.service()
        service.plan(1, Urgency.PRICE)
        return service.get_product(product_id), ""
    except Exception as error:
        return None, accounts.problem_of(account, error)


def known(account: Account, product_id: str) -> RemoteProduct | None:
    """A product of the mirrored catalogue, by its id."""
    row = CatalogueProduct.objects.filter(marketplace=account.marketplace, external_id=product_id).first()
    return of(row) if row else None


def _mirror_or(account: Account, text: str, problem: str) -> Found:
    found = CatalogueProduct.objects.filter(marketplace=account.marketplace, name__icontains=text)
    mirrored = [of(row) for row in (found.defer("raw").order_by("name")[:MIRRORED] if text else ())]
    return Found(mirrored, "" if mirrored else problem, is_mirrored=bool(mirrored))


def of(row: CatalogueProduct) -> RemoteProduct:
    """A row of the mirrored catalogue as the marketplace told it."""
    return RemoteProduct(
        row.external_id,
        row.name,
        category=row.category,
        brand=row.brand,
        region=row.region,
        price=row.price,
        currency=row.currency,
        available=row.available,
    )
