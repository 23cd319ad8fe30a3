"""What the answers of the merchant contract must look like (section 4). Each function returns what is wrong, in words
without any code of a buyer; an empty text when nothing is.
"""

import base64
import binascii
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from marketplaces.sandbox_words import Json

KINDS = ("text", "file", "account")
MOST_ID = 36
HOLD_SECONDS = 1800


def parsed(body: bytes) -> Any:
    """The body's JSON, or None."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def token(document: Any) -> str:
    return _fields(document, {"access_token": _filled, "token_type": _filled, "expires_in": _positive})


def error(document: Any) -> str:
    return _fields(document, {"code": _filled, "message": _filled})


def reservation(document: Any, product_ids: Collection[int]) -> str:
    """IN-03 and IN-04: an id, what is left of each product, and no code anywhere."""
    if wrong := _fields(document, {"reservation_id": _id, "stock": _list}):
        return wrong
    if has_code(document):
        return "a reservation's answer holds codes"
    return _stock(document["stock"], product_ids, with_items=False)


def order(document: Any, product_ids: Collection[int]) -> str:
    if wrong := _fields(document, {"order_id": _id, "stock": _list}):
        return wrong
    return _stock(document["stock"], product_ids, with_items=True)


def inventory(document: Any, product_ids: Collection[int]) -> str:
    if not isinstance(document, list):
        return "the answer is no bare array"
    return _stock(document, product_ids, with_items=True)


def file(document: Any) -> str:
    return _fields(document, {"data": _base64, "fileName": _filled, "mimeType": _filled})


def account(document: Any) -> str:
    wrong = _fields(document, {"username": _filled, "password": _filled, "email": _text, "emailPassword": _text})
    optional = document.get("optional", []) if isinstance(document, dict) else []
    if not isinstance(optional, list):
        return wrong or "optional is no array"
    return wrong or next(filter(None, (_fields(row, {"label": _text, "details": _text}) for row in optional)), "")


def brief_reservation(document: Any) -> str:
    """IN-12: the reservation as the brief names it, held for at least half an hour."""
    wanted = {
        "reservationId": _id,
        "orderId": _filled,
        "productId": _filled,
        "quantity": _positive,
        "status": _filled,
        "expiresAt": _moment,
        "createdAt": _moment,
    }
    if wrong := _fields(document, wanted):
        return wrong
    if has_code(document):
        return "a reservation's answer holds codes"
    held = (_seconds(document["expiresAt"]) or 0) - (_seconds(document["createdAt"]) or 0)
    return f"the hold lasts {held:.0f} s" if held < HOLD_SECONDS else ""


def brief_confirmation(document: Any, status: int) -> str:
    if wrong := _fields(document, {"reservationId": _id, "status": _filled, "stockReady": _flag}):
        return wrong
    return "" if document["stockReady"] == (status == 200) else f"stockReady does not go with {status}"


def brief_inventory(document: Any) -> str:
    if wrong := _fields(document, {"orderId": _filled, "stockReady": _flag}):
        return wrong
    if not document["stockReady"]:
        return "keys before the stock is ready" if document.get("keys") else ""
    return _fields(document, {"keys": _texts})


def has_code(document: Any) -> bool:
    """Whether anything that could be a code stands in an answer that must hold none."""
    return any(key in ("inventory", "value", "keys", "data", "password") and value for key, value in _pairs(document))


def is_never_stored(headers: Mapping[str, str]) -> bool:
    """Whether the answer forbids caches to keep it."""
    return any(name.lower() == "cache-control" and "no-store" in value for name, value in headers.items())


# --- parts -----------------------------------------------------------------------------------------------------


def _fields(document: Any, wanted: Mapping[str, Callable[[Any], bool]]) -> str:
    if not isinstance(document, dict):
        return "the answer is no JSON object"
    wrong = [key for key, fits in wanted.items() if key not in document or not fits(document[key])]
    return f"{', '.join(wrong)}: missing or of a wrong type" if wrong else ""


def _stock(stock: list[Any], product_ids: Collection[int], *, with_items: bool) -> str:
    for row in stock:
        if wrong := _fields(row, {"product_id": _whole, "inventory_size": _whole}):
            return wrong
        if with_items and (wrong := _items(row.get("inventory"))):
            return wrong
    if missing := set(product_ids) - {row["product_id"] for row in stock}:
        return f"the products {', '.join(map(str, sorted(missing)))} are not in stock[]"
    return ""


def _items(items: Any) -> str:
    if not isinstance(items, list):
        return "inventory is no array"
    for item in items:
        if wrong := _fields(item, {"id": _id, "value": _text}):
            return wrong
        kind = item.get("kind", "text")
        if kind not in KINDS:
            return "kind is not one of text, file, account"
        if kind == "text" and not item["value"]:
            return "a text item is empty"
    ids = [item["id"] for item in items]
    return "an item's id stands twice" if len(set(ids)) < len(ids) else ""


def _pairs(document: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(document, list):
        for entry in document:
            yield from _pairs(entry)
    if isinstance(document, dict):
        for key, value in document.items():
            yield key, value
            yield from _pairs(value)


def _seconds(value: Json | str | float) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _id(value: Any) -> bool:
    return _filled(value) and len(value) <= MOST_ID


def _whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _positive(value: Any) -> bool:
    return _whole(value) and value > 0


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_filled(entry) for entry in value)


def _moment(value: Any) -> bool:
    return _seconds(value) is not None


def _base64(value: Any) -> bool:
    try:
        return _filled(value) and bool(base64.b64decode(value, validate=True))
    except binascii.Error:
        return False
