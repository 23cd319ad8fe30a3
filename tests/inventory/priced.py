"""Offers whose price stands on something: costs, fees, margins."""

from datetime import date
from decimal import Decimal

from inventory import publishing
from inventory.models import AccountTerms, Batch, ExchangeRate, Fee, Offer, Product
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD
from tests import make
from tests.orders.story import CHOICES


def cost(product: Product, amount: str, currency: str = "USD") -> None:
    Batch.objects.filter(product=product).update(cost=Decimal(amount), currency=currency)


def margin(account, percent: str) -> None:
    AccountTerms.objects.update_or_create(account=account, defaults={"min_margin": Decimal(percent)})


def fee(account, percent: str = "10", fixed: str = "0", currency: str = "USD", **fields) -> Fee:
    return Fee.objects.create(
        account=account, percent=Decimal(percent), fixed=Decimal(fixed), currency=currency, **fields
    )


def rate(base: str, quote: str, value: str) -> None:
    ExchangeRate.objects.create(base=base, quote=quote, rate=Decimal(value), day=date(2020, 1, 1))


def on_sale(desk, *, codes: int = 5, price: str = "9.99", **fields) -> Offer:
    """An offer that is live on G2G, of codes that cost 4 USD each, on an account that keeps 10 %."""
    product = make.product(codes=codes)
    cost(product, "4")
    fee(desk.account)
    offer = make.offer(
        product, desk.account, external_product_id=ITUNES_CARD, attributes=CHOICES, price=price, **fields
    )
    publishing.request(Offer.objects.filter(pk=offer.pk))
    desk.settle()
    offer.refresh_from_db()
    return offer


def there(desk, offer: Offer):
    """What the marketplace's books say of a G2G offer: its price and its number."""
    fields = desk.sandbox.offers.all[offer.external_id].fields
    return Decimal(str(fields["unit_price"])), fields["api_qty"]
