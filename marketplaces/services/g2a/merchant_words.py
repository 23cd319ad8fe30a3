"""What G2A writes when it calls us, and what we write back (section 4 of the contract): pure functions.

Ids are text with us and whole numbers on the wire. What they send is read with patience; what can't be read is BadCall.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marketplaces.services.g2a import reading
from marketplaces.shop import CodeKind, ReservationState, Reserved, SoldItem, SoldLine, SoldOrder, StockLine
from marketplaces.types import Json, Reply

MOST_LINES = 100
MOST_UNITS = 10_000  # of one product in a call: no offer shows more
ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)

# In the brief's own words (G2A-IN-12).
STATE_WORDS = {
    ReservationState.HELD: "reserved",
    ReservationState.ORDERED: "confirmed",
    ReservationState.RELEASED: "released",
    ReservationState.EXPIRED: "expired",
}
NEVER_STORED = {"Cache-Control": "no-store"}


class BadCall(Exception):
    """What came in can't be read; the text says what is missing, and is told to the caller."""


# --- reading ---------------------------------------------------------------------------------------------------------


def document(body: bytes) -> Any:
    """The body's JSON; None for an empty one. Raises BadCall."""
    if not body.strip():
        return None
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise BadCall("The body is no JSON") from error


def wanted_lines(found: Any) -> list[StockLine]:
    """The lines of IN-03. Raises BadCall."""
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_LINES:
        raise BadCall(f"The body has to be an array of 1 to {MOST_LINES} products")
    return [_line(entry) for entry in found]


def renewed_lines(found: Any) -> list[StockLine]:
    """The lines of IN-04, which may be left out. Raises BadCall."""
    return [] if found in (None, [], {}) else wanted_lines(found)


def brief_line(found: Any) -> tuple[str, StockLine]:
    """The order's id and the line of IN-12. Raises BadCall."""
    entry = _object(found)
    line = StockLine(_product(entry.get("productId")), _quantity(entry.get("quantity")))
    return needed_id(entry, "orderId"), line


def needed_id(found: Any, name: str) -> str:
    """An id as text, whether it came as a number or as a text. Raises BadCall."""
    value = reading.ident(_object(found).get(name))
    if not ID.fullmatch(value):
        raise BadCall(f"{name} is missing or no id")
    return value


def _object(found: Any) -> Json:
    if not isinstance(found, dict):
        raise BadCall("The body has to be an object")
    return found


def _line(entry: Any) -> StockLine:
    if not isinstance(entry, dict):
        raise BadCall("Every entry has to be an object")
    additional = reading.obj(entry.get("additional_data"))
    return StockLine(
        _product(entry.get("product_id")),
        _quantity(entry.get("quantity")),
        reading.amount(additional.get("unit_price")),
    )


def _product(value: Any) -> str:
    found = reading.ident(value)
    if not ID.fullmatch(found):
        raise BadCall("A product id is missing or no id")
    return found


def _quantity(value: Any) -> int:
    found = reading.count(value)
    if found is None or not 1 <= found <= MOST_UNITS:
        raise BadCall(f"A quantity is missing or not from 1 to {MOST_UNITS:,}")
    return found


# --- writing ---------------------------------------------------------------------------------------------------------


def reply(status: int, body: Any = None, *, about: str = "", problem: str = "") -> Reply:
    """An answer that no cache may keep; without a body when there is none."""
    if body is None:
        return Reply(status, b"", NEVER_STORED, about=about, problem=problem)
    headers = {"Content-Type": "application/json", **NEVER_STORED}
    return Reply(status, json.dumps(body).encode(), headers, about=about, problem=problem)


def refused(status: int, code: str, message: str, *, about: str = "") -> Reply:
    return reply(status, {"code": code, "message": message}, about=about, problem=f"{code}: {message}")


def number(external_id: str) -> int | str:
    """An id as G2A writes it: a whole number, unless it can't be one (G2A-P09)."""
    return int(external_id) if external_id.isascii() and external_id.isdigit() else external_id


def reservation(found: Reserved) -> Json:
    return {
        "reservation_id": found.id,
        "stock": [
            {
                "product_id": number(line.external_product_id),
                "inventory_size": found.left.get(line.external_product_id, 0),
            }
            for line in found.lines
        ],
    }


def order(found: SoldOrder) -> Json:
    return {"order_id": found.id, "stock": inventory(found.lines)}


def inventory(lines: Sequence[SoldLine]) -> list[Json]:
    return [
        {
            "product_id": number(line.external_product_id),
            "inventory_size": line.left,
            "inventory": [{"id": item.id, "value": item.value, "kind": item.kind.value} for item in line.items],
        }
        for line in lines
    ]


def file(item: SoldItem) -> Json:
    """IN-09."""
    parts = item.parts
    return {
        "data": parts["data"],
        "fileName": parts["name"],
        "mimeType": parts.get("mime_type") or "application/octet-stream",
    }


def login(item: SoldItem) -> Json:
    """IN-10."""
    parts = item.parts
    return {
        "username": parts["username"],
        "password": parts["password"],
        "email": parts.get("email", ""),
        "emailPassword": parts.get("email_password", ""),
        "optional": [
            {"label": str(entry.get("label", "")), "details": str(entry.get("details", ""))}
            for entry in parts.get("optional", [])
        ],
    }


def brief_reservation(found: Reserved) -> Json:
    line = found.lines[0]
    return {
        "reservationId": found.id,
        "orderId": found.external_order_id,
        "productId": line.external_product_id,
        "quantity": line.quantity,
        "status": STATE_WORDS[found.state],
        "expiresAt": _moment(found.until),
        "createdAt": _moment(found.created_at),
    }


def brief_inventory(order_id: str, found: SoldOrder) -> Json:
    if not found.is_ready:
        return {"orderId": order_id, "stockReady": False}
    keys = [_key(item) for line in found.lines for item in line.items]
    return {"orderId": order_id, "stockReady": True, "keys": keys}


def _key(item: SoldItem) -> str:
    """A key as one text: the brief's shape has no other place for the parts of a file or of a login."""
    if item.kind == CodeKind.TEXT:
        return item.value
    return json.dumps(file(item) if item.kind == CodeKind.FILE else login(item))


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
