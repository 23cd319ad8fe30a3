"""How codes leave when the marketplace fetches them, and how it gives them back.

A code that leaves is marked before the answer does, in the same commit; every later answer shows the same codes.
"""

import uuid
from collections.abc import Collection, Sequence

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from backoffice import queue
from backoffice.crypto import CannotOpen
from inventory import codes, kinds, stock
from marketplaces import outgoing
from marketplaces.exceptions import Declined, Reason
from marketplaces.models import Account
from marketplaces.shop import CodeKind, SoldItem, SoldLine, SoldOrder
from marketplaces.types import OrderState
from orders import reservations, timeline
from orders.models import Delivery, DeliveryItem, Order, OrderLine, Reservation

# How far such an order is, kept as the order's status word; the marketplace has no words for it.
AWAITING_STOCK, FULFILLED, PARTLY_RETURNED, RETURNED = "awaiting_stock", "fulfilled", "partly_returned", "returned"


# --- what the marketplace asks ---------------------------------------------------------------------------------------


def sold(account: Account, order_id: str) -> SoldOrder:
    """Hand over an order's codes, if all are there: the same ones every time. Raises Declined: NOT_FOUND."""
    with transaction.atomic():
        reservation = _reservation_of(account, order_id)
        return hand_over(reservation, _order_of(reservation))


def sold_for(account: Account, external_order_id: str) -> SoldOrder:
    """The same by the marketplace's id. While it is only reserved nothing is ready. Raises Declined: NOT_FOUND."""
    mine = Reservation.objects.filter(account=account).select_related("order")
    with transaction.atomic():
        found = mine.filter(external_id=external_order_id).first()
        found = found or mine.filter(order__external_id=external_order_id).first()
        if found is None or found.state == Reservation.State.RELEASED or reservations.is_over(found):
            raise Declined(Reason.NOT_FOUND, "There is no such order")
        if found.order is None:
            return SoldOrder(id="", external_id=external_order_id, is_ready=False, lines=())
        return hand_over(found, found.order)


def sold_item(account: Account, order_id: str, item_id: str) -> SoldItem:
    """Show one unit that was handed over. Raises Declined: NOT_FOUND."""
    reservation = _reservation_of(account, order_id)
    for item in _items(_order_of(reservation)).exclude(sent_at=None):
        if item_id_of(reservation, item) == item_id.lower():
            return _sold_items(reservation, [item])[0]
    raise Declined(Reason.NOT_FOUND, "The order has no such item")


def take_back(account: Account, order_id: str, item_ids: Collection[str]) -> None:
    """Take units out of an order; their codes wait for a person to decide.

    Raises Declined: NOT_FOUND, and CONFLICT when one of them was never in the order; then none is taken. Safe to repeat.
    """
    with transaction.atomic():
        reservation = _reservation_of(account, order_id)
        locked = lock(_order_of(reservation))
        handed_over = DeliveryItem.objects.filter(delivery__line__order=locked).exclude(sent_at=None)
        ours = {item_id_of(reservation, item): item for item in handed_over.select_related("delivery__line")}
        wanted = {item_id.lower() for item_id in item_ids}
        if wanted - ours.keys():
            raise Declined(Reason.CONFLICT, "An item with one of these ids is not in the order; nothing was returned")
        fresh = [ours[item_id] for item_id in sorted(wanted) if ours[item_id].returned_at is None]
        if fresh:
            _take_out(locked, fresh)


# --- what orders.pickup needs ------------------------------------------------------------------------------------------


def hand_over(reservation: Reservation, placed: Order) -> SoldOrder:
    """Show an order with its items, if all are there; what leaves now for the first time is marked before it does."""
    if not is_ready(placed):
        return shown(reservation, placed, is_ready=False)
    if _items(placed).filter(sent_at=None).exists():
        _mark_handed_over(lock(placed))
    return shown(reservation, placed, is_ready=True, items=list(_items(placed)))


def hand_over_new(reservation: Reservation, placed: Order) -> SoldOrder:
    """Hand over an order that this transaction has made and filled: nobody else can see it yet."""
    _mark_handed_over(placed)
    return shown(reservation, placed, is_ready=True, items=list(_items(placed)))


def shown(reservation: Reservation, placed: Order, *, is_ready: bool, items: Sequence[DeliveryItem] = ()) -> SoldOrder:
    """Show an order with these items and no other."""
    by_line: dict[int, list[SoldItem]] = {}
    for item, sold_item in zip(items, _sold_items(reservation, items), strict=True):
        by_line.setdefault(item.delivery.line_id, []).append(sold_item)
    lines = list(placed.lines.order_by("pk"))
    left = {pk: stock.sellable(pk) for pk in {line.product_id for line in lines} if pk is not None}
    return SoldOrder(
        id=str(reservation.order_number),
        external_id=placed.external_id,
        is_ready=is_ready,
        lines=[
            SoldLine(line.external_product_id, left.get(line.product_id or 0, 0), by_line.get(line.pk, []))
            for line in lines
        ],
    )


def _sold_items(reservation: Reservation, items: Sequence[DeliveryItem]) -> list[SoldItem]:
    found = codes.contents([item.code_id for item in items])
    return [_sold_item(item_id_of(reservation, item), found[item.code_id], item.code_id) for item in items]


def _sold_item(item_id: str, content: codes.Content | None, code_id: int) -> SoldItem:
    if content is None:
        raise CannotOpen(f"Code {code_id} was handed over and does not open any more")
    if content.kind == CodeKind.TEXT:
        return SoldItem(item_id, content.kind, content.text)
    return SoldItem(item_id, content.kind, parts=kinds.parts(content.text))


def item_id_of(reservation: Reservation, item: DeliveryItem) -> str:
    """The item's id towards the marketplace: the same on every read."""
    return str(uuid.uuid5(reservation.order_number or reservation.pk, f"item {item.pk}"))


def live(delivery: Delivery) -> "QuerySet[DeliveryItem]":
    """A delivery's items that are still in it."""
    return DeliveryItem.objects.filter(delivery=delivery, withdrawn_at=None, returned_at=None)


def _items(placed: Order) -> "QuerySet[DeliveryItem]":
    mine = DeliveryItem.objects.filter(delivery__line__order=placed, withdrawn_at=None, returned_at=None)
    return mine.select_related("delivery").order_by("pk")


def is_ready(placed: Order) -> bool:
    """Say whether every unit of an order is there; what was returned was there."""
    there = DeliveryItem.objects.filter(delivery__line__order=placed, withdrawn_at=None).count()
    asked = Delivery.objects.filter(line__order=placed).aggregate(units=Sum("requested"))["units"] or 0
    return bool(there >= asked)


def _mark_handed_over(placed: Order) -> None:
    unsent = {item.pk: item.code_id for item in _items(placed).filter(sent_at=None)}
    if not unsent:  # somebody else's answer took them along
        return
    now = timezone.now()
    DeliveryItem.objects.filter(pk__in=unsent).update(sent_at=now)
    stock.mark_sent(list(unsent.values()))
    deliveries = Delivery.objects.filter(line__order=placed)
    deliveries.update(status=Delivery.Status.SUBMITTED, submitted_at=now)
    outgoing.mark_due(deliveries)
    OrderLine.objects.filter(order=placed).update(delivered=F("quantity"))
    _set_state(placed, OrderState.DELIVERED, FULFILLED)
    timeline.write(placed, "submitted", f"The marketplace fetched {len(unsent)} codes.")
    for pk in deliveries.values_list("pk", flat=True):
        queue.enqueue(Delivery.task, pk)


def _take_out(placed: Order, items: Sequence[DeliveryItem]) -> None:
    DeliveryItem.objects.filter(pk__in=[item.pk for item in items]).update(returned_at=timezone.now())
    stock.take_back([item.code_id for item in items])
    for item in items:
        line = item.delivery.line
        OrderLine.objects.filter(pk=line.pk).update(refunded=F("refunded") + 1)
    is_empty = not _items(placed).exists()
    _set_state(
        placed, OrderState.RETURNED if is_empty else OrderState.DELIVERED, RETURNED if is_empty else PARTLY_RETURNED
    )
    numbers = ", ".join(str(item.code_id) for item in items)
    timeline.warn(
        placed,
        "returned",
        f"{len(items)} units were returned; their codes ({numbers}) are not sold again by themselves.",
    )


def _set_state(placed: Order, state: OrderState, word: str) -> None:
    placed.state, placed.status_word, placed.seen_at = state, word, timezone.now()
    placed.save(update_fields=["state", "status_word", "seen_at"])


def lock(placed: Order) -> Order:
    """Lock an order for the caller's transaction: handing over, filling and returning go one after the other."""
    return Order.objects.select_for_update(no_key=True).get(pk=placed.pk)


def _reservation_of(account: Account, order_id: str) -> Reservation:
    number = reservations.as_uuid(order_id)
    mine = Reservation.objects.filter(account=account, order_number=number).select_related("order")
    found = mine.first() if number else None
    if found is None:
        raise Declined(Reason.NOT_FOUND, "There is no such order")
    return found


def _order_of(reservation: Reservation) -> Order:
    if reservation.order is None:
        raise Declined(Reason.NOT_FOUND, "There is no such order")
    return reservation.order
