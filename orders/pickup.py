"""Orders whose codes the marketplace fetches from us: made of a reservation, filled, and closed when they were fetched.

What it asks is answered inside its request: one short transaction, nobody is called, Declined when the answer is no. What
the answer leaves to do is a delivery like any other, with a step of its own. How codes leave is `handover`.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from backoffice import queue
from inventory import stock
from marketplaces.exceptions import Declined, PermanentError, Reason
from marketplaces.models import Account
from marketplaces.outgoing import Again
from marketplaces.shop import SoldOrder
from marketplaces.types import OrderState
from orders import handover, picking, reservations, timeline
from orders.models import Delivery, DeliveryItem, Order, OrderLine, Reservation, ReservationLine

Status = Delivery.Status
State = Reservation.State

SHORT_AGAIN = timedelta(minutes=5)
FETCHED_AGAIN = timedelta(minutes=10)
FETCHED_WITHIN = timedelta(days=1)


# --- what the marketplace asks -----------------------------------------------------------------------------------


def order(account: Account, reservation_id: str, external_order_id: str) -> SoldOrder:
    """Make an order of a reservation and hand over its codes, if all are there.

    Raises Declined: NOT_FOUND, RELEASED, EXPIRED, and ALREADY_ORDERED, with our order's id, for whoever comes second: no
    code leaves twice.
    """
    with transaction.atomic():
        reservation = reservations.locked(account, reservation_id)
        if reservation.state == State.ORDERED:
            raise _exists(reservation)
        placed, is_ready = _place(reservation, external_order_id)
        if is_ready:
            return handover.hand_over_new(reservation, placed)
        _wake(placed)
        return handover.shown(reservation, placed, is_ready=False)


def confirm(account: Account, reservation_id: str) -> SoldOrder:
    """Make an order of a reservation and hand over nothing yet. Raises Declined as order(); a repeat is told the same."""
    with transaction.atomic():
        reservation = reservations.locked(account, reservation_id)
        if reservation.state == State.ORDERED and reservation.order:
            is_ready = handover.is_ready(reservation.order)
            return handover.shown(reservation, reservation.order, is_ready=is_ready)
        placed, is_ready = _place(reservation, reservation.external_id or str(reservation.pk))
        _wake(placed)
        return handover.shown(reservation, placed, is_ready=is_ready)


# --- what is left to do -------------------------------------------------------------------------------------------


def step(delivery: Delivery) -> Again | None:
    """Take the next step of a delivery that is fetched: fill it, wait for the marketplace, close it. Safe to repeat."""
    now = timezone.now()
    with transaction.atomic():
        placed = handover.lock(delivery.order)
        picked = DeliveryItem.objects.filter(delivery=delivery, withdrawn_at=None).count()  # returned ones count
        missing = picking.fill(delivery, delivery.account.service(), picked=picked).missing
        if not missing and not handover.live(delivery).filter(sent_at=None).exists():
            _finish(delivery)
            return None
        if missing:
            return Again(now + SHORT_AGAIN, _tell_short(placed, delivery, missing))
        if delivery.submitted_at is None:  # from here on it can be fetched
            delivery.submitted_at = now
        delivery.status = Status.REQUESTED
        delivery.save(update_fields=["status", "submitted_at"])
    if now - delivery.submitted_at > FETCHED_WITHIN:
        raise PermanentError(
            f"The codes of order {placed} are ready for a day, and the marketplace has not fetched them. Look at the order"
            " there; they are handed over as soon as it asks",
            kind="unfetched",
        )
    return Again(now + FETCHED_AGAIN, "Ready; waiting for the marketplace to fetch it.")


def _tell_short(placed: Order, delivery: Delivery, missing: int) -> str:
    because = f"{missing} of {delivery.requested} units are missing: no stock of {delivery.line.product}."
    if delivery.status != Status.SHORT:
        delivery.status = Status.SHORT
        delivery.save(update_fields=["status"])
        timeline.warn(placed, "short", because)
    return because


def _finish(delivery: Delivery) -> None:
    there = handover.live(delivery)
    stock.mark_delivered(list(there.values_list("code_id", flat=True)))
    there.filter(accepted_at=None).update(accepted_at=timezone.now())
    delivery.status, delivery.confirmed = Status.DELIVERED, delivery.requested
    delivery.save(update_fields=["status", "confirmed"])


# --- one step each -------------------------------------------------------------------------------------------------


def _exists(reservation: Reservation) -> Declined:
    return Declined(Reason.ALREADY_ORDERED, f"There is an order already: {reservation.order_number}")


def _place(reservation: Reservation, external_order_id: str) -> tuple[Order, bool]:
    """Make the order with its lines and deliveries, and pick what is there; True when that is all of it."""
    if reservation.state == State.RELEASED:
        raise Declined(Reason.RELEASED, "The reservation was released")
    if reservations.is_over(reservation):
        raise Declined(Reason.EXPIRED, "The reservation has expired")
    reserved = list(reservation.lines.select_related("offer").order_by("product_id", "pk"))
    defaults = {"state": OrderState.NEW, "status_word": handover.AWAITING_STOCK, "seen_at": timezone.now()}
    placed, is_new = Order.objects.get_or_create(
        account=reservation.account, external_id=external_order_id, defaults=defaults | _money(reserved)
    )
    if not is_new:
        other = Reservation.objects.filter(order=placed).first()
        raise _exists(other) if other else Declined(Reason.ALREADY_ORDERED, "There is an order with this id already")
    reservation.order, reservation.order_number, reservation.state = placed, uuid.uuid4(), State.ORDERED
    reservation.save(update_fields=["order", "order_number", "state"])
    lines = _make_lines(placed, reserved)
    timeline.write(placed, "created", f"It was made from a reservation, as our order {reservation.order_number}.")
    service = reservation.account.service()
    is_ready = True
    for delivery in _make_deliveries(reservation, lines):
        if missing := picking.fill(delivery, service, picked=0).missing:
            _tell_short(placed, delivery, missing)
            is_ready = False
    for hold_id in {line.hold_id for line in lines if line.hold_id}:
        stock.release(hold_id)
    return placed, is_ready


def _unit_price(line: ReservationLine) -> Decimal | None:
    """What a unit brings: what the marketplace said, or else what the offer says."""
    return line.offer.price if line.unit_price is None else line.unit_price


def _money(reserved: Sequence[ReservationLine]) -> dict[str, Any]:
    """The order's amount and currency, where every line has a price in the same one."""
    known = [price * line.quantity for line in reserved if (price := _unit_price(line)) is not None]
    currencies = {line.offer.currency for line in reserved}
    if len(known) < len(reserved) or len(currencies) != 1:
        return {}
    return {"amount": sum(known, Decimal(0)), "currency": currencies.pop()}


def _make_lines(placed: Order, reserved: Sequence[ReservationLine]) -> list[OrderLine]:
    return OrderLine.objects.bulk_create(
        OrderLine(
            order=placed,
            external_id=line.external_product_id,
            offer=line.offer,
            product_id=line.product_id,
            external_offer_id=line.offer.external_id,
            external_product_id=line.external_product_id,
            quantity=line.quantity,
            unit_price=_unit_price(line),
            hold_id=line.hold_id,
        )
        for line in reserved
    )


def _make_deliveries(reservation: Reservation, lines: Sequence[OrderLine]) -> list[Delivery]:
    now = timezone.now()
    return Delivery.objects.bulk_create(
        Delivery(
            account=reservation.account,
            line=line,
            external_id=str(reservation.order_number),
            requested=line.quantity,
            is_fetched=True,
            requested_at=now,
            checked_at=now,
            state=Delivery.State.DUE,
            next_try_at=now,
        )
        for line in lines
    )


def _wake(placed: Order) -> None:
    for pk in Delivery.objects.filter(line__order=placed).values_list("pk", flat=True):
        queue.enqueue(Delivery.task, pk)
