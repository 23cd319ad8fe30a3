"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from marketplaces import outgoing
from orders import fulfilment
from orders.models import Delivery


def deliver(pk: int) -> None:
    fulfilment.deliver(pk)


def sweep() -> None:
    outgoing.sweep(Delivery)
