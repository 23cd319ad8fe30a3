"""Take in what the marketplace shows and asks: orders, whose units are set aside for them, and requests to deliver."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from backoffice.rows import as_read, insert_if_new, save_changed
from inventory import publishing, stock
from inventory.models import Offer
from marketplaces import outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import PermanentError
from marketplaces.models import Account
from marketplaces.types import (
    DeliveryKind,
    DeliveryRequest,
    DeliveryResult,
    OrderState,
    RemoteDelivery,
    RemoteOrder,
    RemoteOrderLine,
    Urgency,
)
from orders import inventories, merging, parcels, timeline, topup_stock
from orders.models import Delivery, DeliveryItem, Order, OrderLine

UNPAID_HOLD = timedelta(minutes=30)

# What an order's state means for the units on it.
UNPAID = frozenset({OrderState.AWAITING_PAYMENT, OrderState.ON_HOLD})
TO_DELIVER = frozenset({OrderState.NEW, OrderState.ACCEPTED, OrderState.READY_TO_SHIP})
OVER = frozenset(
    {OrderState.SHIPPED, OrderState.COMPLETED, OrderState.CANCELLED, OrderState.RETURNED, OrderState.FAILED}
)

# Goods of such an order have left, whether their parcels are known here yet or not.
LEFT = frozenset({OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED})
# The marketplace puts the units of such an order back on its own shelf, whether we have any or not.
GIVEN_BACK = OVER - LEFT


def refresh(account: Account, hint: RemoteOrder, service: MarketplaceService | None = None) -> Order:
    """Read the order from its marketplace and take it in, with what only the notification knew.

    Raises NotFound when there is no such order there; then nothing is made here. Safe to repeat, in any order.
    """
    if service is None:
        service = account.service()
        service.plan(1, Urgency.DELIVERY)
    asked_at = timezone.now()
    remote = as_asked(with_hint(service.fetch_order(hint.external_id), hint), asked_at)
    return import_order(account=account, remote=remote, event_status_word=hint.status_word)


def as_asked(remote: RemoteOrder, at: datetime) -> RemoteOrder:
    """Say when an answer was asked for, where it does not say so itself."""
    return replace(remote, asked_at=remote.asked_at or at)


def with_hint(remote: RemoteOrder, hint: RemoteOrder) -> RemoteOrder:
    """Fill what reading an order does not tell, such as its offer, from the notification. What was read wins."""
    hints = {line.external_id: line for line in hint.lines}
    return replace(
        remote,
        payment_word=remote.payment_word or hint.payment_word,
        fee=hint.fee if remote.fee is None else remote.fee,
        refunded_amount=hint.refunded_amount if remote.refunded_amount is None else remote.refunded_amount,
        buyer=remote.buyer or hint.buyer,
        currency=remote.currency or hint.currency,
        lines=[_line_with_hint(line, hints.get(line.external_id)) for line in remote.lines],
    )


def as_known(order: Order) -> RemoteOrder:
    """What is known of an order, as far as a notification may add to it: see with_hint()."""
    lines = [
        RemoteOrderLine(
            external_id=line.external_id,
            external_offer_id=line.external_offer_id,
            external_product_id=line.external_product_id,
            quantity=line.quantity,
            unit_price=line.unit_price,
        )
        for line in order.lines.all()
    ]
    return RemoteOrder(
        external_id=order.external_id,
        payment_word=order.payment_word,
        fee=order.fee,
        refunded_amount=order.refunded_amount or None,
        buyer=order.buyer,
        currency=order.currency,
        lines=lines,
    )


def _line_with_hint(line: RemoteOrderLine, hint: RemoteOrderLine | None) -> RemoteOrderLine:
    if hint is None:
        return line
    return replace(
        line,
        external_offer_id=line.external_offer_id or hint.external_offer_id,
        external_product_id=line.external_product_id or hint.external_product_id,
        quantity=hint.quantity if line.quantity is None else line.quantity,
        unit_price=hint.unit_price if line.unit_price is None else line.unit_price,
    )


def import_order(
    *, account: Account, remote: RemoteOrder, event_status_word: str = "", is_hearsay: bool = False
) -> Order:
    """Insert or update an order by its id. It never goes back in time, and what was not said erases nothing.

    `is_hearsay` says that nobody was asked: it is a notification's own words. One transaction. Safe to repeat and to run
    at once.
    """
    with transaction.atomic():
        order, is_new = _locked_or_new(account, remote)
        before = as_read(order)
        order.account = account  # else it would be read once more
        before_state = order.state
        if is_new:
            timeline.write(order, "created", "The order came in.")
        if event_status_word:
            order.event_status_word = event_status_word[:60]
        replaced = merging.merge(order, remote, is_hearsay=is_hearsay)
        order.seen_at = timezone.now()
        save_changed(order, before)
        lines = merging.merge_lines(order, remote, replaced=replaced)
        parcels.link_orders(order, lines)
        set_all_aside(lines)
        for line in lines:
            inventories.follow(line)
        if order.state in OVER:
            stop_unsent(order)
            _wake_persons_work(order)
        if order.state in GIVEN_BACK and before_state not in GIVEN_BACK:
            publishing.show_again(Offer.objects.filter(pk__in=[line.offer_id for line in lines if line.offer_id]))
        return order


def _locked_or_new(account: Account, remote: RemoteOrder) -> tuple[Order, bool]:
    """The order, locked until the transaction ends, and whether it was made just now."""
    known = Order.objects.select_for_update(no_key=True).filter(account=account, external_id=remote.external_id)
    order = known.first()
    if order is not None:
        return order, False
    ordered_at = remote.created_at or timezone.now()
    order = Order(account=account, external_id=remote.external_id, ordered_at=ordered_at, is_summary=remote.is_summary)
    if insert_if_new(order):
        return order, True
    return known.get(), False  # somebody else made it at this moment


def set_all_aside(lines: Sequence[OrderLine]) -> None:
    """Hold what the lines of an order may still take; where that is held already, two looks are all. Safe to repeat.

    The lines, or their order, are locked by the caller.
    """
    # Stock is locked in the order of products, as by whoever ships: no two wait for each other.
    wanting = sorted(
        (line for line in lines if line.product_id is not None), key=lambda line: (line.product_id, line.pk)
    )
    for line in wanting:
        if line.hold_id or line.booked:  # what ended before we held anything for it is no matter of ours
            topup_stock.account_for(line)
    given = _given([line for line in wanting if _units_left(line)])
    holding = [line.hold_id for line in wanting if line.hold_id is not None and _is_to_hold(line.order)]
    held = stock.covered(holding) if holding else {}
    for line in wanting:
        open_units, until = _units_to_come(line, given[line.pk]), _hold_until(line.order)
        product_id, kept_until, units = held.get(line.hold_id or 0, (None, None, 0))
        is_covered = open_units > 0 and (product_id, units) == (line.product_id, open_units)
        if is_covered and kept_until != until:
            is_covered = until is None and stock.keep(line.hold_id or 0)
        if not is_covered:
            set_aside(line, open_units)


def _hold_until(order: Order) -> datetime | None:
    return order.ordered_at + UNPAID_HOLD if order.state in UNPAID else None


def _is_to_hold(order: Order) -> bool:
    until = _hold_until(order)
    return order.state in UNPAID | TO_DELIVER and (until is None or until >= timezone.now())


def set_aside(line: OrderLine, open_units: int | None = None) -> None:
    """Hold what the line may still take: unpaid for a limited time, paid until delivered or cancelled. Safe to repeat.

    `open_units` are the units to come, where the caller has counted them.
    """
    if line.product is None:
        return
    order = line.order
    if open_units is None:
        open_units = units_to_come(line)
    if order.state in LEFT and order.needs_shipping and open_units:
        return  # what is held for it is on its way; the parcel takes it out of stock when it is known here
    if not _is_to_hold(order) or open_units == 0:
        let_go(line)
        return
    until = _hold_until(order)
    held = stock.hold(
        product_id=line.product.pk,
        quantity=open_units,
        reference=f"order line {line.pk}",
        account_id=order.account_id,
        until=until,
        may_be_short=True,
        is_counted=line.product.is_counted,
    ).hold
    if until is None and held.until is not None:
        held.until = None
        held.save(update_fields=["until"])
    if line.hold_id != held.pk:
        line.hold = held
        line.save(update_fields=["hold"])


def let_go(line: OrderLine) -> None:
    """Release what is held for the line. Safe to repeat."""
    if line.hold_id is None:
        return
    stock.release(line.hold_id)
    line.hold = None
    line.save(update_fields=["hold"])


def units_to_come(line: OrderLine) -> int:
    """Units bought that are neither refunded, nor delivered as the marketplace counts, nor given or shipped by us."""
    return _units_to_come(line, _given([line])[line.pk])


def _units_to_come(line: OrderLine, given: int) -> int:
    return max(line.quantity - line.refunded - max(given, line.delivered, line.shipped), 0)


def _units_left(line: OrderLine) -> int:
    """The same, whatever we have given for it."""
    return _units_to_come(line, 0)


def _given(lines: Sequence[OrderLine]) -> Counter[int]:
    """Units that we have picked for lines, less what came back; where they are counted, what people have handed over."""
    counted = [line for line in lines if topup_stock.is_counted(line)]
    others = [line for line in lines if not topup_stock.is_counted(line)]
    there = DeliveryItem.objects.filter(delivery__line__in=others, withdrawn_at=None, returned_at=None)
    items = there.filter(delivery__is_replacement=False).values_list("delivery__line")
    rows = items.annotate(units=Count("pk")).order_by() if others else ()
    return Counter(dict(rows) | {line.pk: topup_stock.handed_over(line).bought for line in counted})


def stop_unsent(order: Order) -> int:
    """Return codes that were picked for a closed order and have not left; what left stays gone. Safe to repeat.

    A worker that sends at this moment marks its codes first: one of the two comes second and finds nothing to do.
    """
    with transaction.atomic():
        unsent = DeliveryItem.objects.select_for_update(no_key=True).filter(
            delivery__line__order=order,
            delivery__is_replacement=False,
            delivery__status__in=Delivery.OPEN,
            sent_at=None,
            withdrawn_at=None,
        )
        code_ids = list(unsent.values_list("code_id", flat=True))
        if not code_ids:
            return 0
        DeliveryItem.objects.filter(code_id__in=code_ids, withdrawn_at=None).update(withdrawn_at=timezone.now())
        stock.put_back(code_ids)
        timeline.write(order, "withdrawn", f"{len(code_ids)} codes that had not left went back to stock.")
        return len(code_ids)


def _wake_persons_work(order: Order) -> None:
    """Let what waits for a person notice that the order is over."""
    waiting = Delivery.objects.filter(line__order=order, kind=DeliveryKind.TOP_UP, status__in=Delivery.OPEN)
    for delivery in waiting.filter(state=Delivery.State.NEEDS_ATTENTION):
        outgoing.try_again(delivery)


def request_delivery(account: Account, request: DeliveryRequest, hint: RemoteOrder, *, until: float) -> Delivery | None:
    """Take in a request to deliver, after reading order and delivery back; the smaller quantity counts.

    Returns the delivery when it is new and nobody was woken for it: its first step is the caller's, who is given it until
    then (by the monotonic clock). Raises NotFound when there is no such order or delivery there (the request was made up);
    then nothing is made here. Safe to repeat, in any order: one delivery per order line and delivery id.
    """
    service = account.service()
    service.plan(2, Urgency.DELIVERY)
    order = refresh(account, hint, service)
    remote = service.fetch_delivery(request.order_id, request.delivery_id)
    asked = [quantity for quantity in (remote.requested, request.quantity) if quantity is not None]
    is_replacement = remote.is_replacement or request.is_replacement
    with transaction.atomic():
        line = order.lines.select_for_update(no_key=True).first()
        if line is None:
            raise PermanentError(f"Order {order} has no line to deliver", kind="invalid")
        # Personal data: kept only where somebody needs it to deliver.
        buyer_fields = dict(request.buyer_fields) if request.kind == DeliveryKind.TOP_UP else {}
        external_id = remote.delivery_id or request.delivery_id
        if known := Delivery.objects.filter(line=line, external_id=external_id).first():
            if _is_open_again(known, order, remote):
                take_up_again(known, buyer_fields)
            return None
        delivery = Delivery.objects.create(
            line=line,
            external_id=external_id,
            account=account,
            kind=request.kind,
            requested=_units_to_deliver(line, asked, is_replacement=is_replacement),
            is_replacement=is_replacement,
            case_id=request.case_id or remote.case_id,
            buyer_fields=buyer_fields,
            requested_at=request.requested_at or timezone.now(),
            expires_at=remote.expires_at or request.expires_at,
            checked_at=timezone.now(),
            state=Delivery.State.DUE,
            next_try_at=timezone.now(),
        )
        _tell_of_request(delivery, asked)
        if is_late := time.monotonic() > until:
            outgoing.wake(delivery)
    return None if is_late else delivery


def _is_open_again(known: Delivery, order: Order, remote: RemoteDelivery) -> bool:
    """Whether a delivery that was stopped is wanted after all, as when a closed order is opened again."""
    is_open = remote.result in (DeliveryResult.OPEN, DeliveryResult.UNKNOWN)
    return known.status == Delivery.Status.STOPPED and is_open and order.state in TO_DELIVER


def take_up_again(delivery: Delivery, buyer_fields: Mapping[str, str] | None = None) -> bool:
    """Go on with a delivery that was stopped; False when it was not. Its next step reads everything first.

    `buyer_fields` replace what may have been erased since. Safe to repeat.
    """
    with transaction.atomic():
        row = (
            Delivery.objects.select_for_update(of=("self",), no_key=True)
            .select_related("line__order")
            .get(pk=delivery.pk)
        )
        if row.status != Delivery.Status.STOPPED:
            return False
        row.status, row.checked_at, row.erase_at = Delivery.Status.REQUESTED, None, None
        row.buyer_fields = buyer_fields or row.buyer_fields
        row.save(update_fields=["status", "checked_at", "erase_at", "buyer_fields"])
        text = f"Delivery {row} had been stopped; the order is {row.order.get_state_display()} again, so it goes on."
        timeline.write(row.order, "taken_up", text, data={"delivery": row.external_id})
        rows = Delivery.objects.filter(pk=row.pk)
        outgoing.mark_due(rows)
        outgoing.wake_all(rows)
    return True


def _units_to_deliver(line: OrderLine, asked: Sequence[int], *, is_replacement: bool) -> int:
    """The smallest of what is asked for; never more than the order still lacks, unless it replaces bad codes."""
    lacks = [] if is_replacement or not line.quantity else [line.quantity - line.refunded - line.delivered]
    if not asked:
        raise PermanentError(f"Order {line.order}: nobody says how many units are to be delivered", kind="invalid")
    if (units := min(*asked, *lacks, asked[0])) < 1:
        raise PermanentError(
            f"Order {line.order} has all its {line.quantity} units, yet {max(asked)} more are asked for. Look at it there",
            kind="conflict",
        )
    return units


def _tell_of_request(delivery: Delivery, asked: Sequence[int]) -> None:
    units = f"{delivery.requested} unit{'s' if delivery.requested != 1 else ''}"
    why = f" as a replacement (case {delivery.case_id or 'without a number'})" if delivery.is_replacement else ""
    facts = {"delivery": delivery.external_id, "case": delivery.case_id}
    timeline.write(delivery.order, "requested", f"The marketplace asks for {units}{why}.", data=facts)
    if len(set(asked)) > 1:
        timeline.warn(
            delivery.order,
            "quantity",
            f"The request says {max(asked)} units, the marketplace's own record {min(asked)}: the smaller number is sent.",
        )
