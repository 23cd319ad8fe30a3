"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from django.utils import timezone

from marketplaces import outgoing
from orders import fulfilment, rereading, topups
from orders.models import Delivery


def deliver(pk: int) -> None:
    fulfilment.deliver(pk)


def sweep() -> None:
    outgoing.sweep(Delivery)
    now = timezone.now()
    topups.erase(now)
    rereading.read_again(now)
