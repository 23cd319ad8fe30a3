"""Disputes that buyers open: a person says when one is settled."""

from orders import timeline
from orders.models import Order


def settle(order: Order, *, by: str) -> None:
    """Take the flag of a dispute off, on the record. Safe to repeat."""
    if Order.objects.filter(pk=order.pk, is_disputed=True).update(is_disputed=False):
        timeline.write(order, "settled", f"{by} settled the dispute.")
