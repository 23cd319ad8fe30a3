"""Say in one sentence where an order stands: that it is done, or why it is not and what comes next."""

from collections.abc import Sequence

from django.utils.formats import date_format
from django.utils.timezone import localtime

from marketplaces.types import OrderState
from orders import acceptance
from orders.models import Acceptance, Delivery, Order, Shipment

State = Delivery.State
OVER = {
    OrderState.COMPLETED: "It is done: the marketplace shows it as completed.",
    OrderState.CANCELLED: "It is over: the marketplace shows it as cancelled. Nothing of it is to be delivered.",
    OrderState.RETURNED: "It is over: the marketplace shows it as returned.",
    OrderState.FAILED: "It is over: the marketplace shows it as failed. Nothing of it is to be delivered.",
}
WAITS = {
    OrderState.AWAITING_PAYMENT: "The buyer has not paid yet. Its units are set aside for a while, and go out after that.",
    OrderState.ON_HOLD: "The marketplace holds it back. It goes on when the marketplace says so.",
    OrderState.UNKNOWN: "The marketplace shows a status for which there is no word here, so nothing is done because of it.",
}


def sentence(order: Order, deliveries: Sequence[Delivery], parcels: Sequence[Shipment]) -> str:
    """The one thing about an order that matters most now. What needs a person comes first."""
    wish = acceptance.wish_of(order)
    return (
        _needs_a_person(order, deliveries, parcels, wish)
        or OVER.get(OrderState(order.state), "")
        or _stopped(order)
        or ("Only its row in a list is known yet: the order is being read." if order.is_summary else "")
        or WAITS.get(OrderState(order.state), "")
        or _accepting(order, wish)
        or next((text for delivery in deliveries if (text := _under_way(delivery))), "")
        or _to_ship(order, parcels)
        or _at_rest(order, deliveries)
    )


def _needs_a_person(
    order: Order, deliveries: Sequence[Delivery], parcels: Sequence[Shipment], wish: Acceptance | None
) -> str:
    if order.is_disputed:
        return "The buyer has reported a problem. Solve it at the marketplace, then press “Settled”."
    for name, row in [
        *(("Delivery", row) for row in deliveries),
        *(("Parcel", row) for row in parcels),
        *([("Accepting it", wish)] if wish else []),
    ]:
        if row.state == State.NEEDS_ATTENTION:
            what = name if isinstance(row, Acceptance) else f"{name} {row}"
            return f"{what} needs you: {row.last_error or 'its page says why.'}"
    return ""


def _stopped(order: Order) -> str:
    account = order.account
    if not account.is_enabled:
        return f"Account “{account}” is switched off, so nothing is sent for it."
    return f"Account “{account}” is set up wrong, so nothing is sent for it: see its page." if account.trouble else ""


def _accepting(order: Order, wish: Acceptance | None) -> str:
    if not acceptance.can_accept(order):
        return ""
    if wish is not None and wish.state not in (State.DONE, State.NEEDS_ATTENTION):
        return "It is being accepted."
    return "It waits to be accepted: press “Accept”." if wish is None else ""


def _under_way(delivery: Delivery) -> str:
    """Why a delivery is not done; nothing for one that is."""
    given = f"{delivery.confirmed} of {delivery.requested} units have arrived"
    if delivery.state == State.UNKNOWN:
        return f"It is not known whether the last request of delivery {delivery} arrived: that is looked up first. {given}."
    if delivery.status == Delivery.Status.SHORT:
        product = delivery.line.product or "it"
        return f"There is not enough stock of {product}: {given}. Import codes, and it goes on by itself."
    if delivery.state == State.IN_FLIGHT:
        return f"Delivery {delivery} is being worked on now."
    if delivery.status == Delivery.Status.SUBMITTED:
        return f"Everything was handed over; the marketplace has not confirmed it yet: {given}."
    if delivery.state == State.DUE:
        at = delivery.next_try_at
        when = f" at {date_format(localtime(at), 'TIME_FORMAT')}" if at else ""
        return f"Delivery {delivery} goes on by itself{when}: {delivery.last_error or given + '.'}"
    return ""


def _to_ship(order: Order, parcels: Sequence[Shipment]) -> str:
    if any(parcel.state != State.DONE for parcel in parcels):
        return "The marketplace is being told of a parcel."
    if not order.needs_shipping or order.state in (OrderState.SHIPPED, OrderState.DELIVERED):
        return ""
    return "A part of it is packed. Pack the rest below." if parcels else "It waits to be packed: see “To ship” below."


def _at_rest(order: Order, deliveries: Sequence[Delivery]) -> str:
    if order.state == OrderState.DELIVERED:
        return "Everything has arrived. The marketplace has not closed the order yet; the buyer may still report a problem."
    if order.state == OrderState.SHIPPED:
        return "It is on its way to the buyer."
    if not deliveries:
        return "The marketplace has not asked for its codes yet. It goes on by itself when it does."
    return "All that was asked for was handed over. The marketplace has not closed the order yet."
