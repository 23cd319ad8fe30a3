"""What comes after a sale: refunds, disputes, closed orders that open again. Each is written down once per event."""

from marketplaces.models import Account
from marketplaces.types import RemoteOrder
from orders import intake, timeline
from orders.models import DeliveryItem, Order


def record_refund(account: Account, hint: RemoteOrder, event_id: str) -> None:
    """Write one timeline entry per refund; amounts are totals, read again. Safe to repeat."""
    order = intake.refresh(account, hint)
    codes_out = DeliveryItem.objects.filter(delivery__line__order=order).exclude(sent_at=None).count()
    units = sum(order.lines.values_list("refunded", flat=True))
    text = f"Refunded: {units} units in all so far. {codes_out} codes had left for this order."
    timeline.warn(order, "refund", text, event_id=event_id, data={"refunded_units": units})


def record_dispute(account: Account, hint: RemoteOrder, event_id: str, case_id: str) -> None:
    """Flag the order until a person settles it. Safe to repeat."""
    order = intake.refresh(account, hint)
    text = (
        f"The buyer reported a problem (case {case_id or 'without a number'}): answer in the marketplace's own pages."
    )
    if timeline.warn(order, "case", text, event_id=event_id, data={"case": case_id}):
        Order.objects.filter(pk=order.pk).update(is_disputed=True)


def record_reopening(account: Account, hint: RemoteOrder, event_id: str) -> None:
    """Say that a closed order is open again. Safe to repeat."""
    order = intake.refresh(account, hint)
    timeline.warn(order, "reopened", f"It was reopened: now {order.get_state_display()}.", event_id=event_id)
