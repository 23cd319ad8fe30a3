"""Shop: all that a marketplace may tell us or ask of us. One implementation, named by settings.MARKETPLACES_SHOP.

A service tells while it processes an event, outside any transaction. What it tells is a hint: the shop reads the object
again through the service before money or codes move. It asks while it answers a call, inside one transaction: then the
shop calls nobody, and says no by raising Declined. All of it is safe to repeat, in any order.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from marketplaces.types import DeliveryRequest, RemoteOrder, RemoteShipment


class ReservationState(StrEnum):
    HELD = "held"
    ORDERED = "ordered"
    RELEASED = "released"
    EXPIRED = "expired"


class CodeKind(StrEnum):
    """What a code is: a text, a file, or the login of an account."""

    TEXT = "text"
    FILE = "file"
    ACCOUNT = "account"


@dataclass(frozen=True)
class StockLine:
    """Units of one product that a marketplace wants. `unit_price` is what it says a unit brings, where it says so."""

    external_product_id: str
    quantity: int
    unit_price: Decimal | None = None


@dataclass(frozen=True)
class Terms:
    """On what terms an account's marketplace may reserve."""

    hold_for: timedelta
    may_be_short: bool = False  # more than there is may be reserved; what is missing is delivered when it comes
    lowest_price_percent: int = 0  # of the offer's price; a lower unit price is declined


@dataclass(frozen=True)
class Reserved:
    """A reservation as it stands. `left` counts, by product, the units that others can still buy."""

    id: str
    state: ReservationState
    lines: Sequence[StockLine]
    left: Mapping[str, int]
    until: datetime
    created_at: datetime
    external_order_id: str = ""


@dataclass(frozen=True)
class SoldItem:
    """One unit of an order. Its id never changes. A file's or an account's parts are in `parts`, and `value` is empty."""

    id: str
    kind: CodeKind = CodeKind.TEXT
    value: str = field(default="", repr=False)
    parts: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class SoldLine:
    external_product_id: str
    left: int
    items: Sequence[SoldItem] = ()


@dataclass(frozen=True)
class SoldOrder:
    """An order made from a reservation. Its lines have no items until all of them are there: `is_ready`."""

    id: str  # ours
    external_id: str
    is_ready: bool
    lines: Sequence[SoldLine]


class Shop(Protocol):
    # When the news that is told came in; None where nobody knows.
    heard_at: datetime | None

    # --- what we are told ------------------------------------------------------------------------------------

    def order_changed(self, hint: RemoteOrder) -> None:
        """An order is new or changed. `hint` carries what only the notification knows, such as the offer."""

    def order_deleted(self, hint: RemoteOrder, event_id: str) -> None:
        """The marketplace removed an order there: everything is kept here, and a person has to look."""

    def order_told(self, remote: RemoteOrder) -> None:
        """An order is new or changed, and nobody can be asked about it: what is said is all there is."""

    def shipment_changed(self, remote: RemoteShipment, event_id: str) -> None:
        """A shipment is new, changed or, with `deleted_at`, removed there. What is said is all there is."""

    def order_refunded(self, hint: RemoteOrder, event_id: str) -> None:
        """Money went back to the buyer; one record an event, totals by reading again."""

    def order_disputed(self, hint: RemoteOrder, event_id: str, case_id: str) -> None:
        """The buyer reported a problem; a person has to look."""

    def order_reopened(self, hint: RemoteOrder, event_id: str) -> None:
        """An order that was closed is open again."""

    def delivery_requested(self, request: DeliveryRequest, hint: RemoteOrder) -> None:
        """Hand over units of an order now."""

    def delivery_changed(self, order_id: str, delivery_id: str) -> None:
        """The result of a delivery may be known now."""

    def offer_changed(self, offer_id: str) -> None:
        """An offer's stock or state may have changed there."""

    def offer_stopped(self, offer_ids: Sequence[str], reason: str) -> None:
        """The marketplace took an offer off sale; it is the first of these ids that is known here."""

    # --- what we are asked -----------------------------------------------------------------------------------

    def reserve(self, lines: Sequence[StockLine], terms: Terms, *, external_order_id: str = "") -> Reserved:
        """Hold all of the lines, or decline. With an `external_order_id` a repeat gets the same reservation."""

    def renew(self, reservation_id: str, lines: Sequence[StockLine], terms: Terms) -> Reserved:
        """Hold a reservation's units for the whole time again; without lines those it has."""

    def release(self, reservation_id: str) -> None:
        """Let a reservation's units go; one that is gone already is let go."""

    def order(self, reservation_id: str, external_order_id: str) -> SoldOrder:
        """Make an order of a reservation, once, and hand over its codes if all are there."""

    def confirm(self, reservation_id: str) -> SoldOrder:
        """Make an order of a reservation and hand over nothing yet; a repeat says where it stands."""

    def sold(self, order_id: str) -> SoldOrder:
        """Hand over an order's codes if all are there; the same ones every time."""

    def sold_for(self, external_order_id: str) -> SoldOrder:
        """The same, by the marketplace's id of the order; not ready while it is only reserved."""

    def sold_item(self, order_id: str, item_id: str) -> SoldItem:
        """Show one unit that was handed over."""

    def take_back(self, order_id: str, item_ids: Collection[str]) -> None:
        """Take units out of an order; their codes are kept apart from what is for sale."""
