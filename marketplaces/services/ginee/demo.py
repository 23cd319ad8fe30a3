"""What the demo offers on the make-believe Ginee: physical goods, by their master SKU."""

from decimal import Decimal
from itertools import islice

from marketplaces.services.ginee.sandbox_goods import goods
from marketplaces.types import OfferContent

ARE_GOODS = True

# The first two are the contract's samples.
FIRST = 2


def offers(count: int) -> list[OfferContent]:
    """Return `count` offers that the sandbox takes. Prices are in rupiah, for us alone: only stock is sent."""
    return [
        OfferContent(
            external_product_id=good.sku,
            price=Decimal(good.price),
            currency="IDR",
            quantity=0,
            title=good.name,
        )
        for good in islice(goods().values(), FIRST, FIRST + count)
    ]
