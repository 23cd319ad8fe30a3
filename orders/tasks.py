"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from django.utils import timezone

from marketplaces import outgoing
from orders import announcing, fulfilment, mirroring, rereading, reservations, topups
from orders.models import Delivery, Shipment


def deliver(pk: int) -> None:
    fulfilment.deliver(pk)


def ship(pk: int) -> None:
    announcing.step(pk)


def sweep() -> None:
    """End reservations whose time is up, and wake workers for what lost its wake-up."""
    now = timezone.now()
    reservations.end_expired(now)
    outgoing.sweep(Delivery)
    outgoing.sweep(Shipment)
    mirroring.join_strays()
    mirroring.erase(now)
    topups.erase(now)
    rereading.read_again(now)
