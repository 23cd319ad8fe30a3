"""What the demo offers on the make-believe G2G: gift cards of its invented brands."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from marketplaces.services.g2g.sandbox_catalogue import DENOMINATION, VALUES, products
from marketplaces.types import OfferContent

STEP = 51  # brands stand in the order of their words; this far apart no two share one
SHOWN = (1, 2)  # which denominations of a brand are sold
MARGIN = Decimal("0.97")
CENT = Decimal("0.01")


def offers(count: int) -> list[OfferContent]:
    """Return `count` offers that the sandbox takes. `title` is a name for our own product; G2G takes none."""
    return list(islice(_offers(), count))


def _offers() -> Iterator[OfferContent]:
    cards = [product for product in products().values() if product.required == {DENOMINATION}]
    values = [list(VALUES.items())[position] for position in SHOWN]
    for number, product in enumerate(cards[STEP::STEP]):
        for attribute_id, value in values:
            choice = {"attribute_group_id": DENOMINATION, "attribute_id": attribute_id}
            currency, amount = value.split()
            yield OfferContent(
                external_product_id=product.id,
                price=Decimal(amount) * MARGIN - number * 7 * CENT,  # no two alike, as on a real shelf
                currency=currency,
                quantity=0,
                title=f"{product.name} {value}",
                attributes={"offer_attributes": [choice]},
            )
