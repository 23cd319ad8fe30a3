"""Tell the marketplace about parcels: announce one exactly once, mark it as shipped, delete it; and read back.

step() can be taken at any time: it looks before it announces, so an answer that got lost makes no second parcel, and a
worker may die between any two statements. `sent_at` says that an announcement may have left, `external_id` that it arrived.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from marketplaces import outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import MarketplaceError, NotFound, PermanentError, UnknownOutcome
from marketplaces.outgoing import Again, Outcome
from marketplaces.types import (
    NewShipment,
    OrderState,
    RemoteOrder,
    RemoteShipment,
    ShipmentState,
    Urgency,
)
from orders import intake, mirroring, notes, parcels, results, shipping, timeline
from orders.models import Order, Shipment, ShipmentItem

Wish = Shipment.Wish
State = Shipment.State

ORDER_FRESH = timedelta(minutes=10)
BEHIND_ANOTHER = timedelta(seconds=5)
# No request of ours is under way for so long; then what can't be seen there was never taken.
UNANSWERED_FOR = timedelta(seconds=settings.PARCEL_UNANSWERED_SECONDS)
# The look before each finds a parcel that arrived after all, so a bad hour there need not wake anybody.
MOST_REPEATS = 3
SHIPPED = (OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED)


def step(pk: int) -> bool:
    """Take a parcel's next step; False when it is not due. Safe to repeat and to run at once."""
    return outgoing.run(Shipment, pk, lambda shipment: STEPS[shipment.wish](shipment))


# --- announce --------------------------------------------------------------------------------------------------------


def _announce(shipment: Shipment) -> Outcome:
    order = shipment.order
    if order is None:
        raise PermanentError("A parcel without an order can't be announced", kind="invalid")
    service = shipment.account.service()
    if shipment.external_id:
        service.plan(2, Urgency.DELIVERY)
        return _confirm(shipment, service)
    if again := _behind_another(shipment):
        return again
    is_old = order.seen_at is None or timezone.now() - order.seen_at > ORDER_FRESH
    service.plan(4 + is_old, Urgency.DELIVERY)
    if is_old:
        order = _read_order(order, service)
    if not _look(shipment, order, service):
        if again := _unanswered(shipment):
            return again
        _check(shipment, order)
        if not _send(shipment, order, service):
            return _nothing_left(shipment)
    return _confirm(shipment, service)


def _behind_another(shipment: Shipment) -> Again | None:
    """Parcels of one order are announced one by one, in the order in which they were packed: the last completes it."""
    earlier = Shipment.objects.filter(
        order=shipment.order, pk__lt=shipment.pk, wish=Wish.CREATE, external_id="", deleted_at=None,
        state__in=[State.DUE, State.IN_FLIGHT, State.UNKNOWN],
    )  # fmt: skip
    first = earlier.only("pk", "external_id").order_by("pk").first()
    return Again(timezone.now() + BEHIND_ANOTHER, f"Waits for {first} of the same order.") if first else None


def _read_order(order: Order, service: MarketplaceService) -> Order:
    return intake.refresh(order.account, RemoteOrder(external_id=order.external_id), service)


def _look(shipment: Shipment, order: Order, service: MarketplaceService) -> bool:
    """Read the order's parcels there, mirror them, and say whether ours is among them."""
    asked_at = timezone.now()
    rows = service.fetch_shipments(order_id=order.external_id)
    theirs = [mirroring.as_read(remote, asked_at) for remote in rows]
    found = _ours_among(shipment, theirs)
    if found is not None:
        _record(shipment, found.external_id)
    for remote in theirs:
        if remote is not found:
            mirroring.mirror(shipment.account, remote)
    if found is not None and not shipment.must_look:
        notes.note(shipment, "was_there", "The marketplace had it already.")
        shipment.save(update_fields=["notes"])
    return found is not None


def _ours_among(shipment: Shipment, theirs: Sequence[RemoteShipment]) -> RemoteShipment | None:
    ids = [remote.external_id for remote in theirs]
    others = Shipment.objects.filter(account=shipment.account, external_id__in=ids).exclude(pk=shipment.pk)
    # Another that was announced here is itself; one that was only seen may be what we are about to announce.
    taken = set(others.exclude(by="").values_list("external_id", flat=True))
    return next(
        (remote for remote in theirs if remote.external_id not in taken and mirroring.is_same(shipment, remote)), None
    )


def _unanswered(shipment: Shipment) -> Again | None:
    """After an announcement without an answer: look for a while, announce again some times, then ask a person."""
    if shipment.sent_at is None:
        return None
    again = results.unanswered(
        shipment, since=shipment.sent_at, patience=UNANSWERED_FOR, was_last=shipment.repeats >= MOST_REPEATS,
        because="It was announced and the answer never came; looking whether it arrived.",
        ask=f"{shipment} was announced {shipment.repeats + 1} times and the marketplace never showed it. Look at the order"
        " there; then press “Try again” if it is there, or “It never arrived”",
    )  # fmt: skip
    if again is None:
        shipment.repeats += 1
    return again


def _check(shipment: Shipment, order: Order) -> None:
    """Refuse what may not be shipped any more, by what the marketplace shows now."""
    if problem := shipping.cannot_ship(order):
        raise PermanentError(f"{problem}. Delete the parcel here if it has not left", kind="conflict")
    left = shipping.remaining(order, but=shipment)
    items = list(shipment.items.all())
    if not items:
        raise PermanentError("The parcel is empty, which would ship the whole order", kind="invalid")
    for item in items:
        remain = left.get(item.line_id or 0, 0)
        if item.units > remain:
            raise PermanentError(
                f"{item} can't be shipped: {remain} units of that line are in no other parcel. Look at the order's parcels,"
                " then delete this one and pack it again",
                kind="conflict",
            )


def _send(shipment: Shipment, order: Order, service: MarketplaceService) -> bool:
    """Announce it; False when the marketplace says that nothing is left to ship and does not show ours."""
    shipment.completes_order = shipping.completes(shipment, order)
    shipment.sent_at = shipment.sent_at or timezone.now()
    shipment.save(update_fields=["completes_order", "sent_at", "repeated_at", "repeats"])
    wanted = NewShipment(
        order_id=order.external_id,
        items={item.external_line_id: item.units for item in shipment.items.all()},
        shipping_method_id=shipment.shipping_method_id,
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        comment=shipment.comment,
        completes_order=shipment.completes_order,
    )
    try:
        external_id = service.create_shipment(wanted)
    except UnknownOutcome:
        raise
    except PermanentError as error:
        if error.kind == "already_done":
            return _look(shipment, order, service)
        _unsend(shipment)
        raise
    except MarketplaceError:
        _unsend(shipment)
        raise
    _record(shipment, external_id)
    return True


def _unsend(shipment: Shipment) -> None:
    """It certainly was not taken, so it is still to be announced; a first one without an answer stays in doubt."""
    if shipment.repeated_at is None:
        shipment.sent_at = None
    else:
        shipment.repeats -= 1
    shipment.repeated_at = None
    shipment.save(update_fields=["sent_at", "repeated_at", "repeats"])


def _record(shipment: Shipment, external_id: str) -> None:
    """Write down that it is there, and that its units left. One that the mirror made of it meanwhile is this one."""
    with transaction.atomic():
        order = _lock(shipment)
        twins = Shipment.objects.select_for_update(no_key=True).filter(
            account=shipment.account, external_id=external_id
        )
        for twin in twins.exclude(pk=shipment.pk):
            parcels.unbook(twin)
            twin.delete()
        shipment.external_id, shipment.announced_at = external_id, shipment.announced_at or timezone.now()
        shipment.save(update_fields=["external_id", "announced_at"])
        units = sum(item.units for item in shipment.items.all())
        text = f"Parcel {shipment} with {units} units is announced."
        data = {"shipment": shipment.pk}
        timeline.write(order, "announced", text, event_id=f"announced {shipment.pk} {external_id}", data=data)
        mirroring.settle(order)


def _lock(shipment: Shipment) -> Order:
    """Lock order and parcel, and bring the parcel up to date, since the mirror writes the same row."""
    order = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("account").defer("raw").get(
        pk=shipment.order_id or 0
    )  # fmt: skip
    shipment.refresh_from_db(from_queryset=Shipment.objects.select_for_update(no_key=True))
    shipment.order = order
    return order


def _confirm(shipment: Shipment, service: MarketplaceService) -> Outcome:
    """Read the parcel back, and its order where it should be complete by now."""
    remote = mirroring.as_read(service.get_shipment(shipment.external_id), timezone.now())
    with transaction.atomic():
        order = _lock(shipment)
        mirroring.take_in(shipment, remote)
        _clamp(shipment, remote)
        mirroring.settle(order)
    short = [item for item in shipment.items.all() if item.units < (item.wanted or 0)]
    if shipment.completes_order and not short:
        _check_completed(shipment, order, service)
    _tell_warnings(shipment, service)
    if short:
        text = ", ".join(f"{item.units} of {item.wanted} × {item.sku or item.external_line_id}" for item in short)
        notes.warn(shipment, "partial", f"The marketplace took fewer units: {text}.", event_id=f"clamped {shipment.pk}")
        shipment.save(update_fields=["notes"])
        raise PermanentError(
            f"The marketplace took fewer units than are in the parcel: {text}. Look at the order's parcels there; then press"
            " “The smaller number is right”, or delete the parcel and pack it again",
            kind="partial",
        )
    _fulfil(shipment)
    return None


def _clamp(shipment: Shipment, remote: RemoteShipment) -> None:
    """What we put in and the list there does not name was not taken; without any list nothing is said of it."""
    if not remote.items:
        return
    named = {item.line_id for item in remote.items}
    for item in ShipmentItem.objects.filter(shipment=shipment, confirmed=None).exclude(wanted=None):
        if item.external_line_id not in named:
            item.confirmed = 0
            item.save(update_fields=["confirmed"])


def _check_completed(shipment: Shipment, order: Order, service: MarketplaceService) -> None:
    order = _read_order(order, service)
    if order.state not in SHIPPED:
        raise PermanentError(
            f"Parcel {shipment} is there and nothing of the order remains, yet the order is shown as"
            f" “{order.status_word or order.get_state_display()}”. Look at it there, then press “Try again”",
            kind="conflict",
        )


def _nothing_left(shipment: Shipment) -> Outcome:
    """All units are in parcels there that are not this one: it is not there and never will be."""
    because = "The marketplace has every unit of it in other parcels already."
    with transaction.atomic():
        order = _lock(shipment)
        shipment.deleted_at, shipment.wish = timezone.now(), Wish.NOTHING
        notes.warn(shipment, "already_done", because)
        shipment.save(update_fields=["deleted_at", "wish", "notes"])
        mirroring.settle(order)
    return outgoing.Done(because, failure="already_done")


def _tell_warnings(shipment: Shipment, service: MarketplaceService) -> None:
    for warning in service.warnings:
        notes.warn(shipment, "warning", warning)
    if service.warnings:
        shipment.save(update_fields=["notes"])


def _fulfil(shipment: Shipment) -> None:
    """What was wished is done."""
    shipment.wish = Wish.NOTHING
    shipment.save(update_fields=["wish"])


# --- change and delete -----------------------------------------------------------------------------------------------


def _mark_shipped(shipment: Shipment) -> Outcome:
    service = shipment.account.service()
    service.plan(5, Urgency.DELIVERY)  # look, say it, look, put back what that blanked, look
    had = shipment.tracking_number
    remote = mirroring.as_read(service.update_shipment(shipment.external_id, ShipmentState.SHIPPED), timezone.now())
    with transaction.atomic():
        order = _lock(shipment) if shipment.order_id else None
        mirroring.take_in(shipment, remote)
        if order:
            mirroring.settle(order)
    _tell_warnings(shipment, service)
    if had and not remote.tracking_number:
        _keep_tracking_number(shipment, had)
        raise PermanentError(
            f"The marketplace lost tracking number {had} of parcel {shipment} when it was marked as shipped. Enter it there"
            " again, then press “Try again”",
            kind="tracking_lost",
        )
    if remote.state != ShipmentState.SHIPPED:
        raise PermanentError(
            f"Parcel {shipment} is still shown as “{remote.status_word or remote.state}”. Look at it there, then press “Try"
            " again”",
            kind="conflict",
        )
    _fulfil(shipment)
    return None


def _keep_tracking_number(shipment: Shipment, number: str) -> None:
    shipment.tracking_number = number
    notes.warn(shipment, "tracking_lost", f"The marketplace lost its tracking number {number}.")
    shipment.save(update_fields=["tracking_number", "notes"])


def _delete(shipment: Shipment) -> Outcome:
    service = shipment.account.service()
    service.plan(2, Urgency.DELIVERY)
    service.delete_shipment(shipment.external_id)
    try:
        service.get_shipment(shipment.external_id)
    except NotFound:
        pass
    else:  # some answer with success whatever they did
        raise PermanentError(
            f"Parcel {shipment} is still there though its deletion was answered. Look at it there, then press “Try again”",
            kind="conflict",
        )
    with transaction.atomic():
        order = _lock(shipment) if shipment.order_id else None
        shipment.deleted_at, shipment.wish = timezone.now(), Wish.NOTHING
        notes.note(shipment, "parcel_deleted", "It is deleted at the marketplace; the order stays as it is.")
        shipment.save(update_fields=["deleted_at", "wish", "notes"])
        if order:
            mirroring.settle(order)
    return None


def _nothing(shipment: Shipment) -> Outcome:
    return None


STEPS: dict[str, Callable[[Shipment], Outcome]] = {
    Wish.CREATE: _announce,
    Wish.MARK_SHIPPED: _mark_shipped,
    Wish.DELETE: _delete,
    Wish.NOTHING: _nothing,
}
