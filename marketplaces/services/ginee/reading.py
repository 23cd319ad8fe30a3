"""Read single values out of what Ginee sent (section 8 of the contract). Nothing here raises: a value of the wrong type
is None or an empty text.

Whatever comes out can be stored: no character that PostgreSQL refuses, no number that overflows its column.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from marketplaces.masking import MASK
from marketplaces.types import Json
from marketplaces.values import (
    amount as amount,
    clean as clean,
    count as count,
    currency as currency,
    ident as ident,  # opaque (GIN-P10)
    money as money,
    obj as obj,
    plain,
    text as text,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
LONGEST_ID = 128  # of an event; of what is stored under its id 100
MS_DIGITS = 13
DEEPEST = 30
TRUE, FALSE = ("true", "1"), ("false", "0")

# Keys of their JSON whose values are personal data (GIN-P28), in small letters.
PERSONAL_KEYS = frozenset(
    {
        "shippingaddress", "senderaddress", "shippingaddressinfo", "senderaddressinfo", "customerinfo", "billingaddress",
        "fulladdress", "phonenumber", "mobile", "email", "recipientname", "buyername", "buyeremail", "buyerphone",
    }
)  # fmt: skip

Word = TypeVar("Word")


def parse(body: bytes) -> Json | None:
    """Read a JSON object with amounts as Decimal; None for everything else. A byte-order mark is passed over."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, ArithmeticError, RecursionError):  # Decimal has limits of its own
        return None
    return value if isinstance(value, dict) else None


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def rows(value: object) -> list[Json]:
    """The objects of a list, of an object that holds it under `content`, or the one object itself."""
    if isinstance(value, dict):
        listed = next((value[key] for key in ("content", "stockList") if isinstance(value.get(key), list)), None)
        value = [value] if listed is None and value else listed
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def first(payload: Json, names: Iterable[str]) -> str:
    """The first text that is not empty under one of these names."""
    return next(filter(None, (text(payload.get(name)) for name in names)), "")


def flag(value: object) -> bool | None:
    """A boolean: true, "true", 1 and their opposites; None for all else."""
    word = str(value).lower() if isinstance(value, bool | int | str) else ""
    return True if word in TRUE else False if word in FALSE else None


def when(value: object) -> datetime | None:
    """A moment as an aware time in UTC: ISO 8601 with any number of decimals and any offset, or Unix time in seconds or
    milliseconds. A time that names no zone is in UTC.
    """
    written = text(value)
    try:
        if written.isascii() and written.isdigit():
            unit = "milliseconds" if len(written) >= MS_DIGITS else "seconds"
            found = EPOCH + timedelta(**{unit: int(written)})
        else:
            at = datetime.fromisoformat(written)
            found = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if EARLIEST <= found <= LATEST else None


def iso(at: datetime) -> str:
    """A moment as Ginee takes it: UTC, in seconds, with Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def word(value: object) -> str:
    """A word of one of their lists in one spelling: letter case does not count."""
    return text(value).upper()


def look_up(table: dict[str, Word], value: object, default: Word) -> Word:
    return table.get(word(value), default)


def evidence(value: Any, depth: int = 0) -> Any:
    """What they sent, fit to be kept as JSON: personal values masked, numbers plain, texts storable."""
    if depth > DEEPEST:
        return MASK
    if isinstance(value, dict):
        return {
            clean(str(key)): MASK
            if str(key).lower() in PERSONAL_KEYS and item not in ("", None, {}, [])
            else evidence(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [evidence(item, depth + 1) for item in value]
    if isinstance(value, Decimal):
        return plain(value)
    return clean(value) if isinstance(value, str) else value
