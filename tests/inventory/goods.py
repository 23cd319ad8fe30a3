"""A shelf of products on the make-believe marketplace that changes a thousand of them with one request."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from inventory import publishing
from inventory.models import Offer
from inventory.shelves import Shelves
from marketplaces.models import ApiCall
from tests import make
from tests.desk import Desk, open_desk

STOCK = 50


@contextmanager
def open_market(**options: object) -> Iterator[Desk]:
    """A play account at the marketplace's own limit of ten requests in any minute, with time standing still."""
    with open_desk("gcommerce", "Main goods", **options) as desk:
        desk.sandbox.switches.limit = 10
        desk.advance(0.001)
        yield desk


def shelf(desk: Desk, count: int, *, quantity: int = 5) -> list[Offer]:
    """Offers that say the same here and there: price 9.99, `quantity` units."""
    product = make.product(f"GOODS-{Offer.objects.count()}", codes=STOCK)
    rows = []
    for number in range(count):
        there = desk.sandbox.products.add(f"Thing {number}")
        there.code, there.price, there.amount = f"C-{there.id}", Decimal("9.99"), Decimal(quantity)
        offer = Offer(
            account=desk.account, product=product, external_id=str(there.id), external_product_id=there.code,
            title=there.name, price=Decimal("9.99"), currency="USD", quantity=quantity, state=Offer.State.DONE,
        )  # fmt: skip
        offer.pushed = publishing.as_json(publishing.wanted(offer, Shelves(units={product.pk: STOCK})))
        offer.pushed_quantity = quantity
        rows.append(offer)
    return Offer.objects.bulk_create(rows, batch_size=1000)


def there(desk: Desk, offer: Offer) -> tuple[Decimal, int]:
    """Price and units of an offer at the marketplace."""
    product = desk.sandbox.products.all[int(offer.external_id)]
    return product.price, int(product.amount)


def change(offers: list[Offer], **values: object) -> None:
    """Change what offers of ours want to say, and ask for a push, as any verb does."""
    mine = Offer.objects.filter(pk__in=[offer.pk for offer in offers])
    mine.update(**values)
    publishing.request(mine)


def sent(desk: Desk, operation: str = "") -> int:
    return ApiCall.objects.filter(**({"operation": operation} if operation else {})).count()
