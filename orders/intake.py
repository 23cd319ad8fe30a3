"""Take in what the marketplace shows and asks: orders, whose units are set aside for them, and requests to deliver."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

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
        order, is_new = Order.objects.select_for_update(no_key=True).get_or_create(
            account=account,
            external_id=remote.external_id,
            defaults={"ordered_at": remote.created_at or timezone.now(), "is_summary": remote.is_summary},
        )
        order.account = account  # else it would be read once more
        before = order.state
        if is_new:
            timeline.write(order, "created", "The order came in.")
        if event_status_word:
            order.event_status_word = event_status_word[:60]
        replaced = merging.merge(order, remote, is_hearsay=is_hearsay)
        order.seen_at = timezone.now()
        order.save()
        lines = merging.merge_lines(order, remote, replaced=replaced)
        parcels.link_orders(order, lines)
        # Stock is locked in the order of products, as by whoever ships: no two wait for each other.
        for line in sorted(lines, key=lambda line: (line.product_id or 0, line.pk)):
            if line.hold_id or line.booked:  # what ended before we held anything for it is no matter of ours
                topup_stock.account_for(line)
            set_aside(line)
            inventories.follow(line)
        if order.state in OVER:
            stop_unsent(order)
            _wake_persons_work(order)
        if order.state in GIVEN_BACK and before not in GIVEN_BACK:
            publishing.show_again(Offer.objects.filter(pk__in=[line.offer_id for line in lines if line.offer_id]))
        return order


def set_aside(line: OrderLine) -> None:
    """Hold what the line may still take: unpaid for a limited time, paid until delivered or cancelled. Safe to repeat."""
    if line.product is None:
        return
    order = line.order
    open_units = units_to_come(line)
    if order.state in LEFT and order.needs_shipping and open_units:
        return  # what is held for it is on its way; the parcel takes it out of stock when it is known here
    if order.state not in UNPAID | TO_DELIVER or open_units == 0:
        let_go(line)
        return
    is_unpaid = order.state in UNPAID
    if is_unpaid and order.ordered_at + UNPAID_HOLD < timezone.now():
        let_go(line)
        return
    held = stock.hold(
        product_id=line.product.pk,
        quantity=open_units,
        reference=f"order line {line.pk}",
        account_id=order.account_id,
        until=order.ordered_at + UNPAID_HOLD if is_unpaid else None,
        may_be_short=True,
    ).hold
    if not is_unpaid and held.until is not None:
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
    given = topup_stock.handed_over(line).bought if topup_stock.is_counted(line) else _picked(line)
    return max(line.quantity - line.refunded - max(given, line.delivered, line.shipped), 0)


def _picked(line: OrderLine) -> int:
    there = DeliveryItem.objects.filter(delivery__line=line, withdrawn_at=None, returned_at=None)
    return there.filter(delivery__is_replacement=False).count()


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


def request_delivery(account: Account, request: DeliveryRequest, hint: RemoteOrder) -> Delivery:
    """Take in a request to deliver, after reading order and delivery back; the smaller quantity counts.

    Raises NotFound when there is no such order or delivery there (the request was made up); then nothing is made here.
    Safe to repeat, in any order: one delivery per order line and delivery id.
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
            return known
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
        outgoing.wake(delivery)
    return delivery


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
