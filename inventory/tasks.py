"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from datetime import timedelta

from django.utils import timezone

from backoffice import queue
from inventory import publishing, stock
from inventory.models import Offer, StockChange
from marketplaces import outgoing


def push_offer(pk: int) -> None:
    publishing.push(pk)


def stock_changed(product_id: int) -> None:
    publishing.tell_offers(product_id)


def sweep() -> None:
    """End holds and codes whose time is up, and wake workers for what lost its wake-up."""
    now = timezone.now()
    stock.end_holds(now)
    stock.expire_codes(now)
    left = StockChange.objects.filter(at__lt=now - timedelta(seconds=10))
    for product_id in left.values_list("product_id", flat=True).distinct():
        queue.enqueue("inventory.tasks.stock_changed", product_id)
    outgoing.sweep(Offer)
