"""Who bought, and where it goes: personal data, kept sealed, and no longer than it is of use."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from backoffice import crypto
from marketplaces.types import Address, OrderState, RemoteOrder, RemotePurchaseOrder
from orders.models import Order, PurchaseOrder

PARTS = ("buyer", "email", "phone", "note", "ship_to", "bill_to")
KEEP = timedelta(days=30)
ERASED_AT_ONCE = 500
# An order that came so far asks nothing more of us.
ENDED = frozenset(
    {
        OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED, OrderState.CANCELLED, OrderState.RETURNED,
        OrderState.FAILED,
    }
)  # fmt: skip


def said_in(remote: RemoteOrder | RemotePurchaseOrder) -> dict[str, Any]:
    """What an answer says of the buyer; empty for a sale that goes by no address, whose buyer is a name in a game."""
    parts: dict[str, Any] = {
        "email": remote.email,
        "phone": remote.phone,
        "note": remote.note,
        "ship_to": _lines(remote.ship_to),
        "bill_to": _lines(remote.bill_to),
    }
    said = {name: value for name, value in parts.items() if value}
    return said | ({"buyer": remote.buyer} if remote.buyer and is_person(remote) else {})


def is_person(remote: RemoteOrder | RemotePurchaseOrder) -> bool:
    """Whether the buyer's name is a person's, and so for the sealed column alone."""
    is_goods = isinstance(remote, RemotePurchaseOrder) or remote.needs_shipping
    return is_goods or bool(remote.email or remote.phone or remote.ship_to or remote.bill_to)


def _lines(address: Address | None) -> dict[str, str]:
    return {name: value for name, value in asdict(address).items() if value} if address else {}


def merged(
    known: Mapping[str, Any] | None, said: Mapping[str, Any], *, replaces: bool, emptied: Collection[str] = ()
) -> dict[str, Any] | None:
    """Join what is known and what was said; of an answer that does not replace only what was missing is taken."""
    kept = {name: value for name, value in (known or {}).items() if name not in emptied}
    return ({**kept, **said} if replaces else {**said, **kept}) or None


def put(row: Order | PurchaseOrder, contact: dict[str, Any] | None) -> None:
    """Set who bought, and by what an e-mail address finds it. Does not save."""
    row.contact, row.email_index = contact, index_of(contact)


def email_index(address: str) -> bytes:
    """What orders of a buyer with this e-mail address are found by; it says nothing of the address."""
    return crypto.keyed_index(address, "e-mail")


def index_of(contact: Mapping[str, Any] | None) -> bytes | None:
    said = contact or {}
    places = (said, said.get("bill_to") or {}, said.get("ship_to") or {})
    address = next((place["email"] for place in places if place.get("email")), "")
    return email_index(address) if address else None


def is_erased(row: Order | PurchaseOrder) -> bool:
    """Whether its time is up, so that a later reading must not bring back what was erased."""
    return row.erase_at is not None and row.erase_at <= timezone.now()


def keep_until(row: Order | PurchaseOrder, state: str) -> None:
    """Set when the contact is erased: some time after the end, never while it goes on. Does not save."""
    if state not in ENDED:
        row.erase_at = None
    elif row.erase_at is None:
        row.erase_at = timezone.now() + KEEP


def erase(now: datetime) -> int:
    """Erase the contacts of what ended long enough ago; returns how many. Safe to repeat."""
    return _erase(Order.objects.defer("raw"), now) + _erase(PurchaseOrder.objects.defer("raw"), now)


def _erase(rows: "QuerySet[Any]", now: datetime) -> int:
    over = rows.filter(erase_at__lte=now, contact__isnull=False).order_by("erase_at")
    pks = list(over.values_list("pk", flat=True)[:ERASED_AT_ONCE])
    return rows.filter(pk__in=pks, erase_at__lte=now).update(contact=None, email_index=None)
