"""Keep our books in step with parcels: which order they belong to, how many units of a line left, and what stock lost.

All of it happens in the caller's transaction, which has locked the order. It states what should be and books the difference,
so it may be repeated at any time.
"""

from collections import Counter
from collections.abc import Sequence

from django.db.models import Q, QuerySet

from orders import booking, parcel_codes, timeline
from orders.models import Order, OrderLine, Shipment, ShipmentItem


def link_orders(order: Order, lines: Sequence[OrderLine]) -> None:
    """Join an order with the parcels that were here before it, and bring `lines` up to date with all of its parcels."""
    is_unlinked = Q(names(order), account=order.account_id, order=None)
    if not Shipment.objects.filter(Q(order=order) | is_unlinked).exists():
        return
    unlinked = Shipment.objects.filter(is_unlinked)
    for shipment in unlinked.select_for_update(no_key=True).defer("contact", "raw").order_by("pk"):
        join(shipment, order)
    shipped = account_for(order)
    for line in lines:
        line.shipped = shipped[line.pk]


def names(order: Order) -> Q:
    """Which parcels say that they are of this order: by its id, else by the number it has in its channel."""
    by_id = Q(external_order_id=order.external_id)
    if not order.number:
        return by_id
    return by_id | Q(external_order_id="", channel=order.channel, order_number=order.number) & ~Q(order_number="")


def join(shipment: Shipment, order: Order) -> None:
    """Note that a parcel is of this order."""
    shipment.order = order
    shipment.save(update_fields=["order"])
    tracking = f", tracking number {shipment.tracking_number}" if shipment.tracking_number else ""
    text = f"Parcel {shipment} is of this order{tracking}."
    timeline.write(order, "parcel", text, event_id=f"joined {shipment.pk}", data={"shipment": shipment.pk})


def account_for(order: Order) -> Counter[int]:
    """Bring stock and the lines' shipped units in step with the order's parcels; returns the units of each line.

    A line's units leave stock once, whatever is repeated. The caller has locked the order.
    """
    lines = {line.pk: line for line in OrderLine.objects.filter(order=order).select_related("product", "order")}
    shipped: Counter[int] = Counter()
    for item in _items(order):
        if item.line_id is None:
            _find_line(item, list(lines.values()))
        line = lines.get(item.line_id or 0)
        if line is None:
            continue
        left = item.units if item.shipment.is_announced else 0
        shipped[line.pk] += left
        _book(item, line, left)
    for line in lines.values():
        if line.shipped != shipped[line.pk]:
            _note_shipped(order, line, shipped[line.pk])
    return shipped


def _items(order: Order) -> QuerySet[ShipmentItem]:
    items = ShipmentItem.objects.filter(shipment__order=order).select_related("shipment")
    return items.defer("shipment__contact", "shipment__raw").order_by("line__product", "pk")


def _find_line(item: ShipmentItem, lines: Sequence[OrderLine]) -> None:
    """The line by its id there; where that is not said, the only one with the same SKU."""
    same_id = [line for line in lines if item.external_line_id and line.external_id == item.external_line_id]
    same_sku = [line for line in lines if item.sku and item.sku in (line.sku, line.product.sku if line.product else "")]
    found = same_id or same_sku
    if len(found) == 1:
        item.line = found[0]
        item.save(update_fields=["line"])


def _book(item: ShipmentItem, line: OrderLine, units: int) -> None:
    """Take the units of an item out of stock, or bring them back: of what is counted the number, codes one by one."""
    if line.product is None or line.product.is_counted:
        booking.book(item, line, units, where=f"in parcel {item.shipment}")
        return
    if units == item.booked:
        return
    if units > item.booked:
        item.taken += parcel_codes.hand_over(line, units - item.booked, reference=_delivery(item))
    else:
        item.taken -= parcel_codes.take_back(reference=_delivery(item), quantity=item.taken - min(units, item.taken))
    item.booked = units
    item.save(update_fields=["booked", "taken"])
    if item.taken < item.booked:
        text = (
            f"{units} × {line.product} left in parcel {item.shipment}, but there were only {item.taken} codes for it."
        )
        timeline.warn(line.order, "stock", text)


def _delivery(item: ShipmentItem) -> str:
    """The delivery that has the codes of this item, whatever becomes of its parcel."""
    return f"parcel item {item.pk}"


def unbook(shipment: Shipment) -> None:
    """Bring back all that a parcel took out of stock, before its row goes. Safe to repeat."""
    for item in shipment.items.exclude(booked=0).order_by("line__product", "pk"):
        parcel_codes.take_back(reference=_delivery(item))
        booking.unbook(item)


def _note_shipped(order: Order, line: OrderLine, shipped: int) -> None:
    OrderLine.objects.filter(pk=line.pk).update(shipped=shipped)
    bought = line.quantity - line.refunded
    if shipped > max(bought, line.shipped):
        timeline.warn(
            order, "too_many", f"{shipped} units of line {line.external_id} are in parcels, but {bought} were bought."
        )
