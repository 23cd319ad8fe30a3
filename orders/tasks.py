"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from django.utils import timezone

from marketplaces import outgoing
from orders import fulfilment, rereading, reservations, topups
from orders.models import Delivery


def deliver(pk: int) -> None:
    fulfilment.deliver(pk)


def sweep() -> None:
    """End reservations whose time is up, and wake workers for what lost its wake-up."""
    now = timezone.now()
    reservations.end_expired(now)
    outgoing.sweep(Delivery)
    topups.erase(now)
    rereading.read_again(now)
