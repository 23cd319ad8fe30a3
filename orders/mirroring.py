"""Mirror the parcels that a marketplace shows or tells of, whatever comes twice, late, or in another order.

What is newer replaces, field by field; silence is no news; nothing that was shown is ever removed. A deletion sets a
tombstone and cancels nothing. A parcel that we announced ourselves is the same row, also when the marketplace's list shows
it before the answer to our own call was written down.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from backoffice import money
from marketplaces.models import Account
from marketplaces.types import Address, RemoteShipment, ShipmentItem as RemoteItem, ShipmentState, Urgency
from orders import intake, notes, parcels, said
from orders.models import Order, Shipment, ShipmentItem
from orders.said import Rank

# How much the other side's clock, and its seconds, may make a parcel look older than our call.
TOLERANCE = timedelta(minutes=5)
JOINED_AT_ONCE = 200
# Where a parcel went is personal, and of no use when it is long there.
KEEP_CONTACT = timedelta(days=30)
ERASED_AT_ONCE = 500
SCALARS = (
    "external_order_id", "order_number", "channel", "number", "carrier", "carrier_name", "tracking_number", "tracking_url",
    "label_url", "shipping_method_id", "comment", "remote_created_at",
)  # fmt: skip
LENGTHS = {name: getattr(Shipment._meta.get_field(name), "max_length", None) for name in (*SCALARS, "status_word")}


def mirror(account: Account, remote: RemoteShipment, event_id: str = "") -> Shipment:
    """Insert or update a parcel by its id there. `event_id` names the notification, for the record.

    One transaction. Safe to repeat, in any order and at once. The version of what is said is its time of change, else the
    moment when it was asked for.
    """
    with transaction.atomic():
        order = _lock_order(account, remote)
        shipment, is_new = _find(account, remote, order)
        take_in(shipment, remote, is_new=is_new, event_id=event_id)
        if order is None:
            order = _order_of(shipment)
        if order is not None and shipment.order_id is None:
            parcels.join(shipment, order)
        if order is not None and shipment.order_id == order.pk:
            settle(order)
        return shipment


def as_read(remote: RemoteShipment, asked_at: datetime) -> RemoteShipment:
    """What was read, with the moment when it was asked for at the latest, where its service says none."""
    return remote if remote.updated_at or remote.asked_at else replace(remote, asked_at=asked_at)


def read(account: Account, since: datetime) -> int:
    """Read the parcels that a marketplace has had since then and mirror them; returns how many. Safe to repeat."""
    service = account.service()
    service.plan(1, Urgency.ORDERS)
    asked_at = timezone.now()
    count = 0
    for remote in service.fetch_shipments(since=since):
        mirror(account, as_read(remote, asked_at))
        count += 1
    return count


def settle(order: Order) -> None:
    """Bring stock, the lines and what is held for them in step with an order's parcels. The order is locked."""
    parcels.account_for(order)
    for line in order.lines.select_related("product"):
        line.order = order
        intake.set_aside(line)


def join_strays() -> int:
    """Join parcels with their orders that came in at the same moment; returns how many. Safe to repeat."""
    count = 0
    strays = Shipment.objects.filter(order=None).exclude(external_order_id="", order_number="")
    for shipment in strays.defer("contact", "raw").order_by("-pk")[:JOINED_AT_ONCE]:
        with transaction.atomic():
            if (order := _order_of(shipment)) is None:
                continue
            row = Shipment.objects.select_for_update(no_key=True).defer("contact", "raw").get(pk=shipment.pk)
            if row.order_id is None:
                parcels.join(row, order)
                settle(order)
                count += 1
    return count


def erase(now: datetime) -> int:
    """Erase the addresses of parcels that are old enough; returns how many. Safe to repeat."""
    over = Shipment.objects.filter(contact__isnull=False, created_at__lte=now - KEEP_CONTACT).order_by("created_at")
    pks = list(over.values_list("pk", flat=True)[:ERASED_AT_ONCE])
    return Shipment.objects.filter(pk__in=pks).update(contact=None)


# --- whose it is -----------------------------------------------------------------------------------------------


def _lock_order(account: Account, remote: RemoteShipment) -> Order | None:
    """The order of a parcel, locked before the parcel is, as everybody does."""
    known = Shipment.objects.filter(account=account, external_id=remote.external_id).exclude(order=None)
    if order_id := known.values_list("order_id", flat=True).first():
        return _locked(order_id)
    return _matching_order(account, remote.order_id, remote.channel, remote.order_number)


def _order_of(shipment: Shipment) -> Order | None:
    """The same by what the row knows, which may be more than was said this time."""
    return _matching_order(
        shipment.account, shipment.external_order_id, shipment.channel, shipment.order_number
    )  # fmt: skip


def _matching_order(account: Account, external_id: str, channel: str, number: str) -> Order | None:
    orders = Order.objects.filter(account=account)
    if external_id:
        found = list(orders.filter(external_id=external_id).values_list("pk", flat=True))
    elif number:
        found = list(orders.filter(number=number, channel=channel).values_list("pk", flat=True)[:2])
    else:
        found = []
    return _locked(found[0]) if len(found) == 1 else None


def _locked(pk: int) -> Order:
    return Order.objects.select_for_update(no_key=True, of=("self",)).select_related("account").defer("raw").get(pk=pk)


def _find(account: Account, remote: RemoteShipment, order: Order | None) -> tuple[Shipment, bool]:
    rows = Shipment.objects.select_for_update(no_key=True)
    if found := rows.filter(account=account, external_id=remote.external_id).first():
        return found, False
    if order is not None and (ours := announced_here(order, remote)):
        ours.external_id, ours.announced_at = remote.external_id, timezone.now()
        return ours, False
    shipment, is_new = rows.get_or_create(
        account=account, external_id=remote.external_id, defaults={"announced_at": timezone.now()}
    )
    return shipment, is_new


def announced_here(order: Order, remote: RemoteShipment) -> Shipment | None:
    """The row of ours whose announcement has left and that `remote` may be the answer to."""
    on_their_way = Shipment.objects.select_for_update(no_key=True).filter(
        order=order, wish=Shipment.Wish.CREATE, external_id="", deleted_at=None, sent_at__isnull=False
    )
    return next((row for row in on_their_way.order_by("pk") if is_same(row, remote)), None)


def is_same(shipment: Shipment, remote: RemoteShipment) -> bool:
    """Whether a parcel there is the one that we announce: by its tracking number, without one by its items and its time."""
    if shipment.tracking_number or remote.tracking_number:
        return plain(shipment.tracking_number) == plain(remote.tracking_number)
    ours = {item.external_line_id: item.wanted or 0 for item in shipment.items.all()}
    theirs = {item.line_id: item.quantity for item in remote.items}
    since = (shipment.sent_at or timezone.now()) - TOLERANCE
    return ours == theirs and remote.created_at is not None and remote.created_at >= since


def plain(tracking_number: str) -> str:
    """A tracking number as carriers read it: blanks and letter case do not count."""
    return "".join(tracking_number.split()).upper()


# --- what is said of it ------------------------------------------------------------------------------------------


def take_in(shipment: Shipment, remote: RemoteShipment, *, is_new: bool = False, event_id: str = "") -> None:
    """Write down what is said of a locked parcel, and what is odd about it. In the caller's transaction."""
    version = remote.updated_at or remote.deleted_at or remote.asked_at
    is_deletion = remote.deleted_at is not None
    is_stale = shipment.version is not None and (version is None or version < shipment.version)
    # A deletion may carry old values: it fills what nobody has said, and anybody may say better.
    by = said.UNTIMED if is_deletion else said.stamp(version, Rank.MADE if remote.is_first else Rank.CHANGED)
    if is_stale and event_id:
        notes.note(shipment, "stale", "It came later than what is known, so it fills gaps at most.", event_id=event_id)
    elif not is_stale and not is_new and by != said.UNTIMED and by == shipment.said.get("", ""):
        _note_twins(shipment, remote, event_id)
    for name, value in said.news(
        _known(shipment),
        _values(remote) | _addresses(shipment, remote),
        stamps=shipment.said,
        by=by,
        emptied=_emptied(shipment, remote),
    ).items():
        _set(shipment, name, value)
    if not is_stale:
        shipment.said[""] = max(by, shipment.said.get("", said.UNTIMED))
        shipment.version = version or shipment.version
        shipment.raw = {**shipment.raw, **money.json_safe(remote.raw)}
    shipment.remote_updated_at = _newest(shipment.remote_updated_at, remote.updated_at)
    shipment.asked_at = _newest(shipment.asked_at, remote.asked_at)
    _bury_or_revive(shipment, remote, version, is_stale=is_stale, is_new=is_new, event_id=event_id)
    _take_in_items(shipment, remote, by=by, is_stale=is_stale, event_id=event_id)
    shipment.save()


def _values(remote: RemoteShipment) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(remote, name, None) for name in SCALARS}
    values |= {"external_order_id": remote.order_id, "remote_created_at": remote.created_at}
    is_said = bool(remote.status_word) or remote.state != ShipmentState.UNKNOWN
    # Their word and ours go together: an unknown word is news, too.
    values["status"] = [remote.state.value, remote.status_word[:60]] if is_said else None
    for name, length in LENGTHS.items():
        if length and isinstance(values.get(name), str):
            values[name] = values[name][:length]
    return values


def _addresses(shipment: Shipment, remote: RemoteShipment) -> dict[str, str]:
    """Both addresses; none for a parcel whose addresses were erased, or are about to be."""
    if shipment.created_at <= timezone.now() - KEEP_CONTACT:
        return {}
    return _address("ship_to", remote.ship_to) | _address("ship_from", remote.ship_from)


def _address(name: str, address: Address | None) -> dict[str, str]:
    return {f"{name}.{part}": text for part, text in asdict(address).items()} if address else {}


def _known(shipment: Shipment) -> dict[str, Any]:
    known: dict[str, Any] = {name: getattr(shipment, name) for name in SCALARS}
    is_known = bool(shipment.status_word) or shipment.status != ShipmentState.UNKNOWN
    known["status"] = [shipment.status, shipment.status_word] if is_known else None
    for name, parts in (shipment.contact or {}).items():
        known |= {f"{name}.{part}": text for part, text in parts.items()}
    return known


def _set(shipment: Shipment, name: str, value: Any) -> None:
    whole, _, part = name.partition(".")
    if part:
        contact = shipment.contact or {}
        shipment.contact = {**contact, whole: {**contact.get(whole, {}), part: value}}
    elif name == "status":
        shipment.status, shipment.status_word = value
    else:
        setattr(shipment, name, value)


def _emptied(shipment: Shipment, remote: RemoteShipment) -> frozenset[str]:
    """What is empty there now. A tracking number that somebody typed here is kept: losing it is no news but a fault."""
    kept = {"tracking_number", "carrier"} if shipment.by else set()
    return frozenset(remote.emptied - kept)


def _newest(known: datetime | None, told: datetime | None) -> datetime | None:
    return max((at for at in (known, told) if at is not None), default=None)


def _note_twins(shipment: Shipment, remote: RemoteShipment, event_id: str) -> None:
    values, known = _values(remote), _known(shipment)
    differs = sorted(name for name, value in values.items() if not said.is_silent(value) and value != known.get(name))
    if differs:
        text = f"Two things were said of the same moment ({', '.join(differs)}); the one that came last counts."
        notes.warn(shipment, "twins", text, event_id=event_id)


def _bury_or_revive(
    shipment: Shipment, remote: RemoteShipment, version: datetime | None, *, is_stale: bool, is_new: bool, event_id: str
) -> None:
    if is_stale:
        return
    if remote.deleted_at is not None:
        if shipment.deleted_at is None:
            where = "The marketplace removed the parcel; it is kept here, and the order stays as it is."
            text = "It was removed at the marketplace before anything else was known of it." if is_new else where
            notes.note(shipment, "parcel_deleted", text, event_id=event_id)
        shipment.deleted_at = _newest(shipment.deleted_at, version)
    elif shipment.deleted_at is not None and version is not None and version > shipment.deleted_at:
        shipment.deleted_at = None
        text = "The parcel was removed at the marketplace, and something newer was said of it: it counts again."
        notes.warn(shipment, "revived", text, event_id=event_id)


# --- its items -----------------------------------------------------------------------------------------------------


def _take_in_items(shipment: Shipment, remote: RemoteShipment, *, by: str, is_stale: bool, event_id: str) -> None:
    """Upsert what is in the parcel. A list that names fewer rows than before flags the others; it removes none."""
    if not remote.items:
        return
    rows = list(ShipmentItem.objects.select_for_update(no_key=True).filter(shipment=shipment).order_by("pk"))
    named = [_take_in_item(shipment, rows, item, by) for item in remote.items]
    if is_stale or by == said.UNTIMED:
        return
    gone = [row for row in rows if row.pk not in named and not row.is_missing]
    ShipmentItem.objects.filter(pk__in=named, is_missing=True).update(is_missing=False)
    ShipmentItem.objects.filter(pk__in=[row.pk for row in gone]).update(is_missing=True)
    if gone:
        text = f"{len(gone)} items are not in the marketplace's list any more; they are kept and flagged."
        notes.warn(shipment, "items_missing", text, event_id=event_id)


def _take_in_item(shipment: Shipment, rows: Iterable[ShipmentItem], remote: RemoteItem, by: str) -> int:
    row = _same_item(rows, remote) or ShipmentItem(shipment=shipment)
    values: Mapping[str, Any] = {
        "external_id": remote.external_id[:100],
        "external_line_id": remote.line_id[:100],
        "sku": remote.sku[:100],
        "name": remote.name[:300],
        "confirmed": remote.quantity,
    }
    known, stamps = {name: getattr(row, name) for name in values}, dict(row.said)
    for name, value in said.news(known, values, stamps=row.said, by=by).items():
        setattr(row, name, value)
    if row.said != stamps or row.pk is None:  # also when the same is said of a later moment
        row.save()
    return row.pk


def _same_item(rows: Iterable[ShipmentItem], remote: RemoteItem) -> ShipmentItem | None:
    """By the item's id there; a row without one is known by its order line, or by its SKU where no line is said."""
    if remote.external_id and (same := next((row for row in rows if row.external_id == remote.external_id), None)):
        return same
    unnamed = [row for row in rows if not row.external_id or not remote.external_id]
    if remote.line_id:
        return next((row for row in unnamed if row.external_line_id == remote.line_id), None)
    return next((row for row in unnamed if remote.sku and row.sku == remote.sku), None)
