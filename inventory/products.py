"""Find products by the SKU that a person typed."""

import difflib

from inventory.models import Product

NEAREST = 3
# Comparing is slow; beyond this many names a guess is not worth the wait.
COMPARED = 20_000


class UnknownSku(ValueError):
    """No product that fits has this SKU; the text says why, or names the nearest ones."""


def by_sku(sku: str) -> Product:
    """Return the product of this SKU. Raises UnknownSku."""
    product = Product.objects.filter(sku=sku).first()
    if product is None:
        raise UnknownSku(f'There is no product with the SKU "{sku}".{_hint(nearest(sku))}')
    return product


def for_codes(sku: str) -> Product:
    """Return the product of this SKU, which takes codes. Raises UnknownSku, also for one whose units are counted."""
    product = by_sku(sku)
    if product.is_counted:
        raise UnknownSku(f'The units of "{sku}" are counted: it takes no codes. Name another product.')
    return product


def nearest(sku: str) -> list[str]:
    """Return up to three SKUs that look like this one, best first; letter case does not count."""
    known = {name.lower(): name for name in Product.objects.values_list("sku", flat=True)[:COMPARED]}
    return [known[name] for name in difflib.get_close_matches(sku.lower(), known, n=NEAREST)]


def _hint(names: list[str]) -> str:
    return f" Nearest: {', '.join(names)}." if names else ""
