"""Hand over what was bought: exactly what the marketplace asks for, each code once.

deliver() is one step that can be taken at any time: it reads where order and delivery stand, does what is missing, and says
when to look again. Where a code is stands in its item: picked, sent (it may have left), accepted. So a worker may die between
any two statements and the next one goes on from the rows.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from backoffice import correlation
from inventory import stock
from marketplaces import outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import MarketplaceError, PermanentError, UnknownOutcome
from marketplaces.models import Account
from marketplaces.outgoing import Again
from marketplaces.types import (
    DeliveryKind,
    DeliveryRequest,
    DeliveryResult,
    OrderState,
    RemoteDelivery,
    RemoteOrder,
    Urgency,
)
from orders import intake, merging, picking, pickup, results, sending, timeline, topups
from orders.models import Delivery, DeliveryItem, Order, OrderLine

Status = Delivery.Status
State = Delivery.State

# What was read this short a time ago need not be read again before codes leave.
FRESH = timedelta(seconds=15)
# Seconds. What took longer leaves the rest of the work to a task of its own.
SOON_ENOUGH = 5.0
WOKEN_AT_ONCE = 500


# --- what wakes a delivery -------------------------------------------------------------------------------------


def delivery_requested(account: Account, request: DeliveryRequest, hint: RemoteOrder) -> None:
    """Take in a request to deliver and take its first step, for the buyer waits. Safe to repeat.

    Where reading took long a worker is woken for that step: together they might be too long for one task. What is left by
    one that dies in between is found by the sweep.
    """
    delivery = intake.request_delivery(account, request, hint, until=time.monotonic() + SOON_ENOUGH)
    if delivery is not None:
        deliver(delivery.pk)


def delivery_changed(account: Account, order_id: str, delivery_id: str) -> None:
    """The result of a delivery may be known: look now. Safe to repeat.

    One that is not known here, because its request comes later or a person made it there, changes its order at most.
    Raises NotFound when there is no such order there.
    """
    known = Delivery.objects.filter(account=account, line__order__external_id=order_id, external_id=delivery_id)
    delivery = known.first()
    if delivery is None:
        intake.refresh(account, RemoteOrder(external_id=order_id))
    elif delivery.status in Delivery.OPEN and outgoing.try_again(delivery, wakes=False):
        deliver(delivery.pk)
    elif delivery.status in Delivery.OPEN:
        _wake(Delivery.objects.filter(pk=delivery.pk))  # who works on it now may have looked before this


def deliver_now(order: Order) -> int:
    """A person asks to go on with an order; returns how many deliveries were woken. Safe to repeat."""
    deliveries = Delivery.objects.filter(line__order=order).select_related("line__order")
    return sum(go_on(delivery) for delivery in deliveries)


def can_go_on(delivery: Delivery) -> bool:
    """Whether there is something to go on with: it is not done, or was stopped and its order may be delivered again."""
    is_stopped = delivery.status == Status.STOPPED and results.may_be_delivered(delivery)
    return delivery.state != State.DONE or is_stopped


def go_on(delivery: Delivery) -> bool:
    """A person asks to go on with a delivery; True when a worker was woken. Safe to repeat."""
    if not can_go_on(delivery):
        return False
    if delivery.status == Status.STOPPED and results.may_be_delivered(delivery):
        return intake.take_up_again(delivery)
    return outgoing.try_again(delivery)


def stock_came(product_id: int) -> int:
    """Wake the deliveries that wait for this product's stock; returns how many. Safe to repeat."""
    of_product = Delivery.objects.filter(line__product=product_id)
    woken = sum(_wake(page) for page in _pages(of_product.filter(status=Status.SHORT, state=State.DUE)))
    picked = Count("items", filter=Q(items__withdrawn_at=None))
    at_work = of_product.filter(status__in=Delivery.OPEN, state=State.IN_FLIGHT, kind=DeliveryKind.CODES)
    lacking = at_work.annotate(picked=picked).filter(picked__lt=F("requested"))
    for page in _pages(lacking):
        if not stock.sellable(product_id):  # who is at work now has looked at the same empty stock
            break
        woken += _wake(page)
    return woken


def _pages(rows: QuerySet[Delivery]) -> Iterator[QuerySet[Delivery]]:
    last = 0
    while pks := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:WOKEN_AT_ONCE]):
        yield Delivery.objects.filter(pk__in=pks)
        last = pks[-1]


def _wake(rows: QuerySet[Delivery]) -> int:
    """Make rows due now; who is in flight is asked once more when it is back."""
    with transaction.atomic():
        count = outgoing.mark_due(rows)
        outgoing.wake_all(rows)
    return count


# --- one step of a delivery ----------------------------------------------------------------------------------------


def deliver(pk: int) -> bool:
    """Take a delivery's next step; False when it is not due. Safe to repeat and to run at once."""
    return outgoing.run(Delivery, pk, _step)


def _step(delivery: Delivery) -> Again | None:
    delivery.line = OrderLine.objects.select_related("order").get(pk=delivery.line_id)
    correlation.narrow(correlation.of(delivery.account_id, delivery.order.external_id))
    if delivery.is_fetched:
        return pickup.step(delivery)
    return STEPS[delivery.kind](delivery)


def _send_codes(delivery: Delivery) -> Again | None:
    service = delivery.account.service()
    sent = [item for item in _items(delivery) if item.sent_at is not None]
    lots = -(-max(delivery.requested - len(sent), 0) // service.codes_per_call)
    if sent or _needs_reading(delivery):
        service.plan(2 + lots, Urgency.DELIVERY)
        _conclude(delivery, results.read(delivery, service))
        if delivery.status not in Delivery.OPEN:
            return None
    else:
        service.plan(lots, Urgency.DELIVERY)
    again = _wait_or_stop(delivery)
    if again or delivery.status == Status.STOPPED:
        return again
    if again := _unanswered(delivery, service, sent):
        return again
    items, plain = _pick(delivery, service)
    if (count := sending.send_lots(delivery, items, plain, service)) is not None:
        return _what_next(delivery, count)
    delivery.order.refresh_from_db()
    again = _wait_or_stop(delivery)
    return None if delivery.status == Status.STOPPED else again or Again(timezone.now())


def _needs_reading(delivery: Delivery) -> bool:
    is_fresh = delivery.checked_at is not None and timezone.now() - delivery.checked_at < FRESH
    # One that was short waited, and units may have been refunded meanwhile.
    return delivery.status == Status.SHORT or not is_fresh or delivery.must_look


def _items(delivery: Delivery) -> QuerySet[DeliveryItem]:
    return DeliveryItem.objects.filter(delivery=delivery, withdrawn_at=None)


def _conclude(delivery: Delivery, remote: RemoteDelivery) -> None:
    items = list(_items(delivery))
    sent = [item for item in items if item.sent_at is not None]
    is_over = delivery.expires_at is not None and delivery.expires_at < timezone.now()
    if remote.result == DeliveryResult.DELIVERED:
        _finish(delivery, items)
        return
    # What arrived there was accepted, whatever became of the answer.
    if delivery.confirmed >= len(sent):
        _note_accepted(sent)
    match remote.result:
        case DeliveryResult.PARTIAL if len(sent) >= delivery.requested:
            _close(delivery, Status.PARTIAL)
        case DeliveryResult.UNFULFILLED if sent:
            _close(delivery, Status.UNFULFILLED)
        case DeliveryResult.EXPIRED:
            _close(delivery, Status.EXPIRED)
        case _ if is_over and len(sent) < delivery.requested:
            _close(delivery, Status.EXPIRED)


def _note_accepted(sent: Sequence[DeliveryItem]) -> None:
    if lacking := [item.pk for item in sent if item.accepted_at is None]:
        DeliveryItem.objects.filter(pk__in=lacking, accepted_at=None).update(accepted_at=timezone.now())


def _finish(delivery: Delivery, items: Sequence[DeliveryItem]) -> None:
    """End a delivery that arrived, with these items, which nobody else sends: the delivery is claimed."""
    sent = [item for item in items if item.sent_at is not None]
    with transaction.atomic():
        if len(sent) < len(items):
            results.withdraw_unsent(delivery)
        _note_accepted(sent)
        stock.mark_delivered([item.code_id for item in sent])
        results.set_status(delivery, Status.DELIVERED)
        timeline.write(
            delivery.order, "delivered", f"The marketplace confirms {delivery.confirmed or len(sent)} units."
        )
        if len(sent) < delivery.requested:
            timeline.warn(
                delivery.order,
                "elsewhere",
                f"Only {len(sent)} of {delivery.requested} units came from here: the others were delivered elsewhere.",
            )


def _close(delivery: Delivery, status: Status) -> None:
    """The marketplace has ended it short of what was asked: what left stays gone, and a person decides."""
    with transaction.atomic():
        results.withdraw_unsent(delivery)
        results.set_status(delivery, status)
        text = (
            f"The marketplace says “{delivery.status_word or status.label}”: {delivery.confirmed} of {delivery.requested}"
            f" units arrived, {_items(delivery).count()} codes had left and are not sold again."
        )
        timeline.warn(delivery.order, status.value, text)
    raise PermanentError(
        f"{text} Look at the order there; if it needs new codes it will ask for them", kind=status.value
    )


def _wait_or_stop(delivery: Delivery) -> Again | None:
    """Go on (None) only if the order, as it was just read, may be delivered."""
    order = delivery.order
    if results.may_be_delivered(delivery):
        return None
    has_sent = _items(delivery).exclude(sent_at=None).exists()
    if order.state in intake.OVER or order.state == OrderState.DELIVERED:
        with transaction.atomic():
            results.withdraw_unsent(delivery)
            if not has_sent:
                results.set_status(delivery, Status.STOPPED)
                timeline.warn(order, "stopped", f"Nothing is delivered: the order is {order.get_state_display()}.")
    if delivery.status == Status.STOPPED:
        return None
    if has_sent and order.state in (OrderState.CANCELLED, OrderState.RETURNED):
        raise PermanentError(
            f"Order {order} is {order.get_state_display()}, yet codes had left for it. They are not sold again; settle it"
            " with the marketplace",
            kind="conflict",
        )
    if has_sent:
        return Again(timezone.now() + results.pause(delivery), "Handed over; waiting for the marketplace to confirm.")
    return results.not_yet(delivery)


def _unanswered(delivery: Delivery, service: MarketplaceService, sent: Sequence[DeliveryItem]) -> Again | None:
    """Deal with codes that were sent and whose arrival nobody confirms: look long, repeat the same lot once, then ask."""
    lost = _items(delivery).exclude(sent_at=None).filter(accepted_at=None).order_by("pk")
    first = lost.first() if sent else None
    if first is None:
        sending.set_repeated(delivery, None)  # a lot that is lost later is looked for just as long
        return None
    count = lost.count()
    again = results.unanswered(
        delivery, since=first.sent_at or timezone.now(), patience=results.UNANSWERED_FOR,
        was_last=delivery.repeated_at is not None,
        because=f"{count} codes were sent and the answer never came; looking whether they arrived.",
        ask=f"{count} codes of order {delivery.order} were sent twice and the marketplace shows neither. Ask there whether"
        " the buyer has them, then press “The buyer has them” or “They never arrived” on the delivery's page",
    )  # fmt: skip
    if again:
        return again
    lot = list(lost[: service.codes_per_call])
    plain = sending.plain_of(lot, {})
    delivery.save(update_fields=["repeated_at"])
    timeline.warn(delivery.order, "repeated", f"{count} codes never arrived; the same codes are sent once more.")
    try:
        sending.send(delivery, lot, plain, service)
        delivery.save(update_fields=["submitted_at"])
    except UnknownOutcome:
        raise
    except MarketplaceError:  # the repeat certainly did not arrive, so it is still to be made
        sending.set_repeated(delivery, None)
        raise
    return None


def _pick(delivery: Delivery, service: MarketplaceService) -> tuple[list[DeliveryItem], dict[int, str]]:
    """Take codes for what is still to be sent, and record them before anything leaves.

    Returns all items of the delivery in their order, and what those codes hold that were opened on the way.
    """
    with transaction.atomic():
        lines = OrderLine.objects.select_for_update(of=("self",), no_key=True).select_related("offer", "product")
        line = lines.get(pk=delivery.line_id)
        line.order = delivery.order  # which is read again before anything leaves
        if line.product_id is None:
            merging.link(line)
            line.save(update_fields=["offer", "product"])
        if line.product_id is None:
            raise PermanentError(
                f"Order {delivery.order}: offer {line.external_offer_id or '(not named)'} is not linked to a product of"
                " ours. Choose the product on the offer's page, then press “Deliver now”",
                kind="not_linked",
            )
        delivery.line = line
        items = list(_items(delivery).order_by("pk"))
        # What can't be opened stays picked: mostly it is a key that is missing, and no fault of the code.
        filled = picking.fill(delivery, service, picked=len(items), keep_unreadable=True)
        return [*items, *filled.items], filled.plain


def _what_next(delivery: Delivery, sent: int) -> Again:
    missing = delivery.requested - sent
    now, before = timezone.now(), delivery.status
    results.set_status(delivery, Status.SHORT if missing > 0 else Status.SUBMITTED)
    if missing > 0:
        because = f"{missing} of {delivery.requested} units are missing: no stock of {delivery.line.product}."
        if before != Status.SHORT:
            timeline.warn(delivery.order, "short", because)
        return Again(now + results.SHORT_AGAIN, because)
    if before != Status.SUBMITTED:
        timeline.write(delivery.order, "submitted", f"All {delivery.requested} units were handed to the marketplace.")
    return Again(now + results.pause(delivery), "Handed over; waiting for the marketplace to confirm.")


STEPS: dict[str, Callable[[Delivery], Again | None]] = {
    DeliveryKind.CODES: _send_codes,
    DeliveryKind.TOP_UP: topups.step,
}
