"""What the demo offers on the make-believe G-Commerce: goods that lie on a shelf and go by parcel."""

from decimal import Decimal
from itertools import cycle, islice

from marketplaces.services.gcommerce.sandbox_catalogue import GOODS, MAKES, categories
from marketplaces.types import OfferContent

CHEAPEST, STEP = Decimal("14.90"), Decimal("7.35")
ACTIVE = "A"


def offers(count: int) -> list[OfferContent]:
    """Return `count` offers that the sandbox takes. There is no common catalogue: the product's id is our own code."""
    leaves = [category for category in categories().values() if category.level == 3 and category.status == ACTIVE]
    return [
        OfferContent(
            external_product_id=f"DEMO-{number:04d}",
            price=CHEAPEST + number * STEP,
            currency="USD",
            quantity=0,
            title=f"{MAKES[-1 - number // len(GOODS) % len(MAKES)]} {goods}",
            description=f"<p>{goods}, new, in its box</p>",
            attributes={"category_ids": [leaves[number % len(leaves)].id]},
        )
        for number, goods in enumerate(islice(cycle(GOODS), count))
    ]
