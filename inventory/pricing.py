"""What a price means: what the buyer pays, and what is left for us after the marketplace's part."""

from django.db import transaction
from django.db.models import F, Q, QuerySet

from backoffice import queue
from inventory.models import Offer
from marketplaces.types import Urgency

TASK = "inventory.tasks.simulate_price"


def request_simulation(offers: QuerySet[Offer]) -> int:
    """Ask the marketplaces what the offers' prices mean, where they can tell and were not asked yet; returns how many.

    Safe to repeat. The answers come from workers, in the order of their budgets, after everything that is urgent.
    """
    unknown = offers.filter(~Q(simulated_price=F("price")) | Q(simulated_price=None)).exclude(price=None)
    asked = [offer for offer in unknown.select_related("account") if _can_tell(offer)]
    with transaction.atomic():
        for offer in asked:
            queue.enqueue(TASK, offer.pk)
    return len(asked)


def simulate(offer: Offer) -> None:
    """Ask the marketplace what the offer's price means and keep its answer. Raises MarketplaceError. Safe to repeat."""
    if offer.price is None or offer.simulated_price == offer.price or not _can_tell(offer):
        return
    service = offer.account.service()
    service.plan(1, Urgency.PRICE)
    earnings = service.simulate_price(offer.external_product_id, offer.price)
    Offer.objects.filter(pk=offer.pk, price=offer.price).update(
        we_get=earnings.we_get, buyer_pays=earnings.buyer_pays, simulated_price=offer.price
    )


def _can_tell(offer: Offer) -> bool:
    return offer.account.service_class.supports("simulate_price")
