"""What the demo offers on the make-believe G2A: dropshipping offers, whose codes G2A fetches from us."""

from decimal import Decimal

from marketplaces.services.g2a.sandbox_catalogue import made
from marketplaces.types import OfferContent

UNDERCUT = Decimal("0.98")
CENT = Decimal("0.01")


def offers(count: int) -> list[OfferContent]:
    """Return `count` offers that the sandbox takes."""
    products = [made(number) for number in range(1, count + 1)]
    return [
        OfferContent(
            external_product_id=product.id,
            price=(product.price * UNDERCUT).quantize(CENT),
            currency="EUR",
            quantity=0,
            title=f"{product.name} {product.platform}",
            offer_type="dropshipping",
            visibility="all",
        )
        for product in products
    ]
