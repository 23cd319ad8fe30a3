"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from django.utils import timezone

from marketplaces import outgoing
from orders import fulfilment, rereading
from orders.models import Delivery


def deliver(pk: int) -> None:
    fulfilment.deliver(pk)


def sweep() -> None:
    outgoing.sweep(Delivery)
    rereading.read_again(timezone.now())
