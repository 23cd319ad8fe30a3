"""What a person does with parcels: announce one, mark it as shipped, delete it. orders.announcing tells the marketplace.

Each verb writes a wish on the parcel's row, in one short transaction, and wakes a worker. A parcel that is being announced
counts already for what remains of its order, so that no unit is promised twice.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from marketplaces import outgoing
from marketplaces.types import OrderState
from orders import mirroring, notes, timeline
from orders.models import Order, OrderLine, Shipment, ShipmentItem

State = Shipment.State
Wish = Shipment.Wish

# A part may have been shipped already; what the buyer has not paid, and what is over, is not.
SHIPPABLE = frozenset({OrderState.NEW, OrderState.ACCEPTED, OrderState.READY_TO_SHIP, OrderState.SHIPPED})


class NotShippable(Exception):
    """The parcel can't be announced, changed or deleted; the text says why and what to do."""


def in_parcels(orders: Collection[int], *, but: Shipment | None = None, announced_only: bool = False) -> Counter[int]:
    """Count the units of each line that are in parcels which were not deleted, whether announced yet or not."""
    items = ShipmentItem.objects.filter(shipment__order__in=orders, shipment__deleted_at=None).exclude(line=None)
    if but is not None:
        items = items.exclude(shipment=but)
    if announced_only:
        items = items.exclude(shipment__announced_at=None)
    return _units(items.only("line", "wanted", "confirmed"))


def _units(items: Iterable[ShipmentItem]) -> Counter[int]:
    units: Counter[int] = Counter()
    for item in items:
        units[item.line_id or 0] += item.units
    return units


def remaining(order: Order, *, but: Shipment | None = None) -> dict[int, int]:
    """Say by line how many units are still to be put into parcels: bought, less refunded, less in parcels."""
    return remaining_of([order.pk], but=but)[order.pk]


def remaining_of(orders: Collection[int], *, but: Shipment | None = None) -> dict[int, dict[int, int]]:
    """The same for many orders, by their primary keys, in two statements; each is there."""
    packed = in_parcels(orders, but=but)
    found: dict[int, dict[int, int]] = {pk: {} for pk in orders}
    lines = OrderLine.objects.filter(order__in=orders).order_by("pk")
    for order_id, pk, quantity, refunded in lines.values_list("order_id", "pk", "quantity", "refunded"):
        found[order_id][pk] = max(quantity - refunded - packed[pk], 0)
    return found


def remaining_beside(lines: Iterable[OrderLine], parcels: Iterable[Shipment]) -> dict[int, int]:
    """The same of rows that were read already: all lines of an order, and all of its parcels with their items."""
    packed = _units(item for parcel in parcels if parcel.deleted_at is None for item in parcel.items.all())
    return {line.pk: max(line.quantity - line.refunded - packed[line.pk], 0) for line in lines}


def completes(shipment: Shipment, order: Order) -> bool:
    """Whether nothing of the order is left once this parcel is announced, counting only what the marketplace knows."""
    known = in_parcels([order.pk], but=shipment, announced_only=True)
    mine = Counter({item.line_id: item.units for item in shipment.items.all()})
    lines = OrderLine.objects.filter(order=order).values_list("pk", "quantity", "refunded")
    return all(quantity - refunded <= known[pk] + mine[pk] for pk, quantity, refunded in lines)


def cannot_ship(order: Order) -> str:
    """Say why nothing of the order can be put into a parcel from here; empty when it can."""
    service = order.account.service_class
    if not service.supports("create_shipment"):
        return f"{service.label} takes no parcels from here; they come in from there"
    if order.deleted_at is not None:
        return f"Order {order} was removed at the marketplace"
    if order.state not in SHIPPABLE:
        return f"Order {order} is {order.get_state_display()}: nothing of it is to be shipped"
    return ""


def ship(
    order: Order,
    items: Mapping[int, int],
    *,
    carrier: str = "",
    tracking_number: str = "",
    shipping_method_id: str = "",
    comment: str = "",
    by: str,
    token: UUID | None = None,
) -> Shipment:
    """Put units into a parcel and have it announced; `items` maps a line's primary key to units, 0 meaning none.

    Raises NotShippable for an empty parcel, for more than remains, and for a tracking number that the order has already. With
    a `token` a repeat returns the same parcel and makes no second one.
    """
    units = {pk: count for pk, count in items.items() if count}
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("account").get(pk=order.pk)
        if token and (known := Shipment.objects.filter(token=token, order=order).first()):
            return known
        if problem := cannot_ship(order) or _wrong_units(order, units) or _used_before(order, tracking_number):
            raise NotShippable(problem)
        shipment = Shipment(
            account=order.account, order=order, external_order_id=order.external_id, order_number=order.number,
            channel=order.channel, carrier=carrier, tracking_number=tracking_number.strip(), comment=comment,
            shipping_method_id=shipping_method_id, by=by, wish=Wish.CREATE, state=State.DUE, next_try_at=timezone.now(),
        )  # fmt: skip
        if token:
            shipment.token = token
        shipment.save()
        lines = {line.pk: line for line in order.lines.filter(pk__in=units).select_related("product")}
        ShipmentItem.objects.bulk_create(_item(shipment, lines[pk], count) for pk, count in units.items())
        text = f"{by} packed a parcel with {sum(units.values())} units; the marketplace is being told."
        timeline.write(order, "packed", text, data={"shipment": shipment.pk})
        outgoing.wake(shipment)
    return shipment


def _item(shipment: Shipment, line: OrderLine, units: int) -> ShipmentItem:
    sku = line.sku or (line.product.sku if line.product else "")
    return ShipmentItem(
        shipment=shipment, line=line, external_line_id=line.external_id, sku=sku, name=line.name, wanted=units
    )


def _wrong_units(order: Order, units: Mapping[int, int]) -> str:
    if not units:
        return "The parcel is empty: say how many units of which line are in it"
    left = remaining(order)
    for pk, count in units.items():
        if pk not in left:
            return f"There is no such line in order {order}"
        if not 0 < count <= left[pk]:
            return f"{count} units can't be shipped: {left[pk]} of the line remain"
    return ""


def _used_before(order: Order, tracking_number: str) -> str:
    is_used = (order.pk, mirroring.plain(tracking_number)) in numbers_of([order.pk])
    return f"Tracking number {tracking_number} is on another parcel of order {order}" if is_used else ""


def numbers_of(orders: Collection[int]) -> set[tuple[int, str]]:
    """The tracking numbers on parcels of these orders that were not deleted, each with its order, as they are compared."""
    there = Shipment.objects.filter(order__in=orders, deleted_at=None).exclude(tracking_number="")
    return {(pk or 0, mirroring.plain(number)) for pk, number in there.values_list("order_id", "tracking_number")}


# --- parcels that are there ----------------------------------------------------------------------------------------


def can_mark_shipped(shipment: Shipment) -> bool:
    return _is_settled(shipment) and shipment.status != "shipped" and _supports(shipment, "update_shipment")


def can_delete(shipment: Shipment) -> bool:
    """Whether it can be deleted there, or was certainly never announced and can be dropped."""
    return _supports(shipment, "delete_shipment") and (_is_settled(shipment) or can_drop(shipment))


def can_drop(shipment: Shipment) -> bool:
    is_ours = shipment.wish == Wish.CREATE and not shipment.external_id and shipment.sent_at is None
    return is_ours and shipment.deleted_at is None and shipment.state != State.IN_FLIGHT


def _is_settled(shipment: Shipment) -> bool:
    """Whether the marketplace knows it, and no other wish is on its way."""
    is_there = bool(shipment.external_id) and shipment.deleted_at is None
    return is_there and shipment.state in (State.DONE, State.NEEDS_ATTENTION)


def _supports(shipment: Shipment, operation: str) -> bool:
    return bool(shipment.account.service_class.supports(operation))


def mark_shipped(shipment: Shipment, *, by: str) -> None:
    """Have the marketplace told that a parcel has left. Raises NotShippable. Safe to repeat."""
    with transaction.atomic():
        row = _locked(shipment)
        if not can_mark_shipped(row):
            raise NotShippable(f"Parcel {row} can't be marked as shipped now; look at its state")
        _wish(row, Wish.MARK_SHIPPED, f"{by} marks it as shipped.")


def delete(shipment: Shipment, *, by: str) -> None:
    """Have a parcel removed at the marketplace; one that was never announced is dropped here. Its order stays as it is.

    Raises NotShippable. Safe to repeat.
    """
    with transaction.atomic():
        row = _locked(shipment)
        if not can_delete(row):
            raise NotShippable(f"Parcel {row} can't be deleted now; look at its state")
        if row.external_id:
            _wish(row, Wish.DELETE, f"{by} deletes it.")
            return
        row.deleted_at, row.wish, row.state, row.failure, row.last_error = (
            timezone.now(),
            Wish.NOTHING,
            State.DONE,
            "",
            "",
        )
        notes.note(row, "dropped", f"{by} dropped it before the marketplace was told.")
        row.save()
        if row.order:
            mirroring.settle(row.order)


def is_unanswered(shipment: Shipment) -> bool:
    """Whether it was announced again and again without an answer, so that only a person can find out whether it is there."""
    return shipment.state == State.NEEDS_ATTENTION and shipment.failure == "unanswered" and not shipment.external_id


def never_arrived(shipment: Shipment, *, by: str) -> bool:
    """A person found out that an announcement never arrived: look once more and announce it; False when nobody asks."""
    with transaction.atomic():
        row = _locked(shipment)
        if not is_unanswered(row):
            return False
        row.sent_at, row.repeated_at, row.repeats = None, None, 0
        notes.warn(row, "never_arrived", f"{by} found out that it never arrived; it is announced again.")
        row.outcome_unknown = False
        row.save(update_fields=["sent_at", "repeated_at", "repeats", "notes", "outcome_unknown"])
        return outgoing.try_again(row)


def is_partial(shipment: Shipment) -> bool:
    return shipment.state == State.NEEDS_ATTENTION and shipment.failure == "partial"


def accept_partial(shipment: Shipment, *, by: str) -> bool:
    """A person takes the marketplace's smaller number of units as what is in the parcel; False when nobody asks."""
    with transaction.atomic():
        row = _locked(shipment)
        if not is_partial(row):
            return False
        for item in row.items.exclude(confirmed=None):
            item.wanted = item.confirmed
            item.save(update_fields=["wanted"])
        row.state, row.failure, row.last_error, row.wish = State.DONE, "", "", Wish.NOTHING
        notes.note(row, "accepted", f"{by} takes the marketplace's number of units as right.")
        row.save(update_fields=["state", "failure", "last_error", "wish", "notes"])
    return True


def try_again(shipment: Shipment) -> bool:
    """A person asks to go on with what is wished; True when a worker was woken. Safe to repeat."""
    return bool(shipment.wish) and outgoing.try_again(shipment)


def _locked(shipment: Shipment) -> Shipment:
    """The parcel, locked after its order as everybody does."""
    if shipment.order_id is not None:
        Order.objects.select_for_update(no_key=True).only("pk").get(pk=shipment.order_id)
    return Shipment.objects.select_for_update(no_key=True, of=("self",)).select_related("account", "order").get(
        pk=shipment.pk
    )  # fmt: skip


def _wish(row: Shipment, wish: str, text: str) -> None:
    row.wish = wish
    notes.note(row, wish, text)
    row.save(update_fields=["wish", "notes"])
    rows = Shipment.objects.filter(pk=row.pk)
    outgoing.mark_due(rows)
    outgoing.wake_all(rows)
