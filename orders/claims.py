"""What comes after a sale: refunds, disputes, closed orders that open again. Each is written down once per event."""

from collections.abc import Sequence

from django.db import transaction

from marketplaces.models import Account
from marketplaces.types import RemoteOrder
from orders import intake, timeline
from orders.models import DeliveryItem, Order

NAMED = 10  # codes that an entry's text names; its data has them all


def record_refund(account: Account, hint: RemoteOrder, event_id: str) -> None:
    """Write one timeline entry per refund; amounts are totals, read again. Safe to repeat."""
    order = intake.refresh(account, hint)
    codes = _codes_out(order)
    units = sum(order.lines.values_list("refunded", flat=True))
    text = f"Refunded: {units} units in all so far. {_told(codes)}"
    timeline.warn(order, "refund", text, event_id=event_id, data={"refunded_units": units, "codes": codes})


def record_dispute(account: Account, hint: RemoteOrder, event_id: str, case_id: str) -> None:
    """Flag the order until a person settles it. Safe to repeat."""
    order = intake.refresh(account, hint)
    codes = _codes_out(order)
    case = case_id or "without a number"
    text = f"The buyer reported a problem (case {case}): answer in the marketplace's own pages. {_told(codes)}"
    with transaction.atomic():  # an entry without its flag would keep the flag off for ever
        if timeline.warn(order, "case", text, event_id=event_id, data={"case": case_id, "codes": codes}):
            Order.objects.filter(pk=order.pk).update(is_disputed=True)


def _codes_out(order: Order) -> list[int]:
    """The numbers of the codes that left for an order."""
    sent = DeliveryItem.objects.filter(delivery__line__order=order).exclude(sent_at=None)
    return list(sent.order_by("code_id").values_list("code_id", flat=True))


def _told(codes: Sequence[int]) -> str:
    if not codes:
        return "No codes had left for this order."
    more = f" and {len(codes) - NAMED} more" if len(codes) > NAMED else ""
    named = ", ".join(f"code {number}" for number in codes[:NAMED])
    return f"{len(codes)} codes had left for this order: {named}{more}."


def record_reopening(account: Account, hint: RemoteOrder, event_id: str) -> None:
    """Say that a closed order is open again. Safe to repeat."""
    order = intake.refresh(account, hint)
    timeline.warn(order, "reopened", f"It was reopened: now {order.get_state_display()}.", event_id=event_id)
