"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from django.utils import timezone

from marketplaces import outgoing
from orders import fulfilment, reservations
from orders.models import Delivery


def deliver(pk: int) -> None:
    fulfilment.deliver(pk)


def sweep() -> None:
    """End reservations whose time is up, and wake workers for what lost its wake-up."""
    reservations.end_expired(timezone.now())
    outgoing.sweep(Delivery)
