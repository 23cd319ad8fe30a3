"""Read what G-Commerce sent: its platform writes numbers as text, empty maps as lists, and lists as maps by id.

Nothing here raises on any JSON: a value of the wrong type is None or empty (section 8 of the contract). Whatever comes out
can be stored: no character that PostgreSQL refuses, no number that overflows its column.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from html import unescape
from typing import Any

from marketplaces.masking import MASK
from marketplaces.types import Json
from marketplaces.values import (
    LARGEST_AMOUNT,
    LARGEST_COUNT,
    amount,
    clean as clean,
    count,
    ident as ident,
    obj as obj,
    text as text,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 253_402_300_799  # the end of the year 9999, in Unix seconds
MILLIONTH = Decimal("0.000001")
DEEPEST = 30

# Keys whose values are personal or of a payment: masked in the call log and in the copy that is kept.
PERSONAL = (
    "firstname", "lastname", "company", "address", "address_2", "city", "county", "state", "state_descr", "country",
    "country_descr", "zipcode", "phone", "email", "address_type",
)  # fmt: skip
SECRET_KEYS = frozenset(
    {f"{whose}_{name}" for whose in ("b", "s") for name in PERSONAL}
    | {"firstname", "lastname", "company", "email", "phone", "fax", "url", "notes", "details", "payment_info"}
)

FLAGS: Mapping[str, bool] = {
    "Y": True, "YES": True, "TRUE": True, "1": True, "N": False, "NO": False, "FALSE": False, "0": False,
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """A list as it came: its rows, and how many there are on all pages where that is told."""

    rows: Sequence[Json]
    total: int | None


# --- single values -----------------------------------------------------------------------------------------------


number, whole = amount, count  # a number and a count, each also as text, as most come here


def letter(value: object) -> str:
    """A status: one letter mostly, of any length, in capitals."""
    return text(value).upper()


def money(value: object) -> Decimal | None:
    """An amount of money to six places; None when it can't be read, never 0."""
    found = number(value)
    if found is None or abs(found) >= LARGEST_AMOUNT:
        return None
    exponent = found.as_tuple().exponent
    return found.quantize(MILLIONTH, ROUND_HALF_EVEN) if isinstance(exponent, int) and exponent < -6 else found


def units(value: object) -> int | None:
    """A quantity that can be sold or shipped: the whole part, and 0 for what is below it; stock may be "-3" or "1.50"."""
    found = number(value)
    return None if found is None else min(max(0, int(found)), LARGEST_COUNT)


def flag(value: object) -> bool | None:
    """Yes or no in any of its forms; None for everything else."""
    return value if isinstance(value, bool) else FLAGS.get(text(value).upper())


def when(value: object) -> datetime | None:
    """Unix seconds as an aware time in UTC; "0" and empty are no time."""
    found = number(value)
    return EPOCH + timedelta(seconds=int(found)) if found is not None and 0 < found <= LATEST else None


def is_empty(value: object) -> bool:
    """Say whether a value that was sent means none; maps that are empty come as lists."""
    return value is None or value in ("", [], {})


# --- maps and lists ----------------------------------------------------------------------------------------------


def rows(value: object, id_key: str = "") -> list[Json]:
    """The objects of a list, or of a map by id, in their order. A row that lacks its `id_key` gets the map's key."""
    if isinstance(value, dict):
        found = [(text(key), row) for key, row in value.items() if isinstance(row, dict)]
        return [row if not id_key or ident(row.get(id_key)) else {**row, id_key: key} for key, row in found]
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def quantities(value: object) -> dict[str, int]:
    """Item id -> units. A map of numbers, or of objects with an `amount`; `[]` where there are none."""
    if isinstance(value, list):
        value = {ident(row.get("item_id")): row for row in rows(value)}
    found = {}
    for key, item in obj(value).items():
        count = units(item.get("amount")) if isinstance(item, dict) else units(item)
        if (item_id := ident(key)) and count is not None:
            found[item_id] = count
    return found


def idents(value: object) -> list[str]:
    """Ids as a list, as one number, or as text with commas between; each once."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, str):
        value = value.split(",")
    found = [ident(item) for item in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(filter(None, found)))


def listed(payload: object, key: str, id_key: str) -> Rows | None:
    """A list as it is answered: wrapped below `key`, or bare; a map by id in place of a list. None when it is neither."""
    if isinstance(payload, list):
        return Rows(rows(payload), None)
    if not isinstance(payload, dict):
        return None
    if key in payload and (is_empty(payload[key]) or isinstance(payload[key], list | dict)):
        return Rows(rows(payload[key], id_key), whole(obj(payload.get("params")).get("total_items")))
    is_map = bool(payload) and all(isinstance(row, dict) and ident(row.get(id_key)) for row in payload.values())
    return Rows(rows(payload, id_key), None) if is_map else None


def images(payload: Json) -> list[str]:
    """The addresses of a product's images, the main one first, the others by position."""
    pairs = sorted(rows(payload.get("image_pairs"), "pair_id"), key=_position)
    found = [_address(pair) for pair in (obj(payload.get("main_pair")), *pairs)]
    return list(dict.fromkeys(filter(None, found)))


def _position(pair: Json) -> int:
    return whole(pair.get("position")) or 0


def _address(pair: Json) -> str:
    detailed = obj(pair.get("detailed"))
    return text(detailed.get("image_path")) or text(detailed.get("http_image_path"))


# --- texts -------------------------------------------------------------------------------------------------------


def words_of(body: bytes) -> str:
    """What a page says to people, without its tags, as far as it names the sender."""
    page = body[:20_000].decode(errors="replace")
    page = re.sub(r"<(script|style)\b.*?</\1\s*>", " ", page, flags=re.IGNORECASE | re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", clean(page))).split())[:500]


def is_page(body: bytes, content_type: str) -> bool:
    """Say whether a body is HTML: a login page, a notice of maintenance, a proxy's error."""
    return "html" in content_type.lower() or body.lstrip()[:1] == b"<"


# --- evidence ----------------------------------------------------------------------------------------------------


def evidence(value: Any, depth: int = 0) -> Any:
    """What they sent, fit to be kept as JSON: personal values masked, numbers plain, texts storable."""
    if depth > DEEPEST:
        return MASK
    if isinstance(value, dict):
        return {
            clean(str(key)): MASK
            if str(key).lower() in SECRET_KEYS and not is_empty(item)
            else evidence(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [evidence(item, depth + 1) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    return clean(value) if isinstance(value, str) else value
