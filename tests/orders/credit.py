"""Stories of top-ups: credit of a game on offer, whose buyers say which login it is for."""

from typing import Any

from inventory import publishing
from inventory.models import Offer, Product
from marketplaces.services.g2g.sandbox_catalogue import DIRECT_TOP_UP, RAGNAROK_CREDIT
from tests import make
from tests.desk import Desk
from tests.orders import story


def begin(desk: Desk, product: Product) -> story.Story:
    """Offer the product as credit, and wait until it is there."""
    choices = story.CHOICES | {"delivery_method_ids": [DIRECT_TOP_UP]}
    offer = make.offer(product, desk.account, external_product_id=RAGNAROK_CREDIT, attributes=choices)
    publishing.request(Offer.objects.filter(pk=offer.pk))
    desk.settle()
    offer.refresh_from_db()
    return story.Story(desk, product, offer)


def asked(shop: story.Story, qty: int = 2, *, login: str = "login", **details: Any) -> str:
    """A buyer has paid, and the marketplace asks for the delivery; returns the order's id."""
    order_id = shop.buy(qty, force=True, buyer_fields={"e02308e5": login, "1759fb6c": "98f0250f"}, **details)
    shop.until_asked()
    return order_id
