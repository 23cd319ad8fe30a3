"""What goes on paper with a parcel: a packing slip, without prices, and an address label. Personal data: for see_contact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orders import shipping
from orders.models import Order, OrderLine, Shipment

# Where paper is of the size Letter; everywhere else it is A4.
LETTER = frozenset({"US", "USA", "UNITED STATES", "CA", "CAN", "CANADA", "MX", "MEX", "MEXICO", "PH", "PHILIPPINES"})


@dataclass(frozen=True)
class Row:
    name: str
    sku: str
    units: int


@dataclass(frozen=True)
class Sheet:
    """One parcel on paper."""

    order_number: str
    ordered_at: datetime | None
    seller: str
    to: Sequence[str]
    sender: Sequence[str]
    phone: str
    country: str
    way: str
    tracking_number: str
    rows: Sequence[Row]

    @property
    def units(self) -> int:
        return sum(row.units for row in self.rows)


def sheets_of(row: Order | Shipment) -> list[Sheet]:
    """The sheets of a parcel; of an order one for what remains to be packed, else one for each of its parcels."""
    if isinstance(row, Shipment):
        return [_of_parcel(row)]
    left = shipping.remaining(row)
    if any(left.values()):
        lines = row.lines.select_related("product", "offer").order_by("pk")
        rows = [_row_of(line, left[line.pk]) for line in lines if left[line.pk]]
        return [_sheet(row, to=_ship_to(row), rows=rows, way=_way(row, ""))]
    parcels = Shipment.objects.filter(order=row, deleted_at=None).select_related("account", "order")
    return [_of_parcel(parcel) for parcel in parcels.order_by("pk")]


def paper_of(sheets: Sequence[Sheet]) -> str:
    """The size that the first known address suggests."""
    countries = [sheet.country.upper() for sheet in sheets if sheet.country]
    return "letter" if countries and countries[0] in LETTER else "a4"


def receiver_of(shipment: Shipment) -> Mapping[str, str]:
    """Where a parcel goes: as was said of it, else as its order says. Of a parcel often only a name is said."""
    said = (shipment.contact or {}).get("ship_to") or {}
    return said if said.get("street") or shipment.order is None else {**_ship_to(shipment.order), **said}


def address_lines(address: Mapping[str, str] | None, *, with_phone: bool = False) -> list[str]:
    """An address as it stands on an envelope."""
    if not address:
        return []
    get = address.get
    place = " ".join(part for part in (get("region", ""), get("postal_code", "")) if part)
    town = ", ".join(part for part in (get("district", ""), get("city", ""), place) if part)
    lines = [get("name", ""), get("company", ""), *get("street", "").splitlines(), town, get("country", "")]
    return [line.strip() for line in [*lines, get("phone", "") if with_phone else ""] if line.strip()]


def _of_parcel(shipment: Shipment) -> Sheet:
    items = shipment.items.select_related("line__product", "line__offer").order_by("pk")
    rows = [
        Row(
            item.name or (_name_of(item.line) if item.line else item.sku or item.external_line_id), item.sku, item.units
        )
        for item in items
    ]
    way = shipment.carrier_name or shipment.carrier.upper()
    return _sheet(
        shipment.order, to=receiver_of(shipment), rows=rows, shipment=shipment,
        way=way or (_way(shipment.order, shipment.shipping_method_id) if shipment.order else ""),
    )  # fmt: skip


def _sheet(
    order: Order | None, *, to: Mapping[str, str], rows: Sequence[Row], way: str, shipment: Shipment | None = None
) -> Sheet:
    contact = (shipment.contact if shipment else None) or {}
    account = shipment.account if shipment else order.account if order else None
    number = (order.number or order.external_id) if order else ""
    return Sheet(
        order_number=number or (shipment.order_number or shipment.external_order_id if shipment else ""),
        ordered_at=order.ordered_at if order else None,
        seller=account.name if account else "",
        to=address_lines(to),
        sender=address_lines(contact.get("ship_from")),
        phone=to.get("phone", ""),
        country=to.get("country", ""),
        way=way,
        tracking_number=shipment.tracking_number if shipment else "",
        rows=rows,
    )


def _ship_to(order: Order) -> Mapping[str, str]:
    contact: Mapping[str, Any] = order.contact or {}
    said: Mapping[str, str] = contact.get("ship_to") or {}
    phone = said.get("phone") or contact.get("phone", "")
    return {**said, "phone": phone} if said else {}


def _way(order: Order, method_id: str) -> str:
    methods = [method for method in order.shipping_methods if method_id in ("", str(method.get("external_id", "")))]
    return str(methods[0].get("name") or "") if methods else ""


def _row_of(line: OrderLine, units: int) -> Row:
    return Row(_name_of(line), line.sku or (line.product.sku if line.product else ""), units)


def _name_of(line: OrderLine) -> str:
    return line.name or (line.product.name if line.product else "") or line.sku or line.external_id
