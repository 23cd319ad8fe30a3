"""Shelves of many offers on every make-believe marketplace, and the pace at which each may be told of changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from inventory import publishing
from inventory.models import Offer, Product
from inventory.shelves import Shelves
from marketplaces import budget
from marketplaces.models import Account
from marketplaces.services.g2a.sandbox_tokens import account_hash
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD
from marketplaces.services.ginee.sandbox_goods import Good
from marketplaces.types import Urgency
from tests.desk import seller_of
from tests.street import Street

CURRENCY = {"g2a": "EUR"}


def fill(street: Street, account: Account, products: Sequence[Product], units: Shelves, *, shows: int) -> list[Offer]:
    """Make an offer of each product on an account, here and there, that says the same and shows so many units."""
    rows, made = [], MAKE[account.marketplace](street, account, len(products), shows)
    for number, (product, external_id) in enumerate(zip(products, made, strict=True)):
        offer = Offer(
            account=account, product=product, external_id=external_id, external_product_id=external_id,
            title=f"Thing {number}", price=Decimal(10), currency=CURRENCY.get(account.marketplace, "USD"),
            state=Offer.State.DONE, pushed_quantity=shows,
        )  # fmt: skip
        offer.pushed = publishing.as_json(publishing.wanted(offer, units))
        rows.append(offer)
    return Offer.objects.bulk_create(rows, batch_size=1000)


def _on_g2a(street: Street, account: Account, count: int, shows: int) -> list[str]:
    box = street.box("g2a")
    box.options |= {"products": count, "patch_answer": "offer"}
    seller, products = account_hash(seller_of(account)), list(box.catalogue.products)[:count]
    return [
        str(box.offers.by_hand(account=seller, product_id=product_id, size=shows, price="10").id)
        for product_id in products
    ]


def _on_g2g(street: Street, account: Account, count: int, shows: int) -> list[str]:
    offers, seller_id = street.box("g2g").offers, account.credentials["user_id"]
    return [
        str(offers.by_hand(product_id=ITUNES_CARD, seller_id=seller_id, unit_price=10.0, api_qty=shows).id)
        for _ in range(count)
    ]


def _on_ginee(street: Street, account: Account, count: int, shows: int) -> list[str]:
    box, skus = street.box("ginee"), [f"SHELF-{number}" for number in range(count)]
    there = box.goods.shelf(box.main_key())
    levels = type(next(iter(there.values())))
    for number, sku in enumerate(skus):
        box.goods.all[sku] = Good(sku, sku, 10, number)
        there[sku] = levels(shows)
    return skus


def _on_gcommerce(street: Street, account: Account, count: int, shows: int) -> list[str]:
    ids = []
    for number in range(count):
        made = street.box("gcommerce").products.add(f"Thing {number}")
        made.code, made.price, made.amount = f"C-{made.id}", Decimal(10), Decimal(shows)
        ids.append(str(made.id))
    return ids


MAKE = {"g2a": _on_g2a, "g2g": _on_g2g, "ginee": _on_ginee, "gcommerce": _on_gcommerce}


@dataclass
class Pace:
    """What a budget allows: `at_once` requests after a quiet time, one every `step` seconds then, `per` offers in each."""

    at_once: int
    step: float
    per: int

    @classmethod
    def of(cls, account: Account) -> "Pace":
        service = account.service_class
        if service.budget_window:  # where requests are counted, what became less has one a minute (GCO, section 12)
            return cls(1, service.budget_window, Offer.per_batch(account))
        free = max(int(service.budget_burst - budget.LEAVES[Urgency.STOCK]), 1)
        return cls(free, 60 / account.option("requests_per_minute"), Offer.per_batch(account))
