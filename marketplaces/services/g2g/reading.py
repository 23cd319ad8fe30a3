"""Read single values out of what G2G sent. Nothing here raises: a value of the wrong type is None or an empty text.

Whatever comes out can be stored: no character that PostgreSQL refuses, no number that overflows its column.
"""

import json
import re
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
    ident as ident,  # opaque (G2G-P29)
    money as money,
    obj as obj,
    plain,
    text as text,  # absent, null and empty are alike (G2G-P18)
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_402_300_799_000  # the end of the year 9999
DEEPEST = 30

# Keys whose values are a code, or what a buyer filled in, a password maybe (G2G-P58). `http_request` in the webhook log is
# a whole event, and may come as one text, in which no key can be found.
SECRET_KEYS = frozenset({"content", "value", "attribute_value", "password", "http_request"})

Word = TypeVar("Word")


def parse(body: bytes) -> Json | None:
    """Read a JSON object with amounts as Decimal; None for everything else."""
    try:
        value = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, ArithmeticError, RecursionError):  # Decimal has limits of its own
        return None
    return value if isinstance(value, dict) else None


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def rows(value: object) -> list[Json]:
    """The objects of a list; other things in it, or in its place, are left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    return [word for item in value if (word := text(item))] if isinstance(value, list) else []


def filled_in(value: object) -> str:
    """What a buyer typed, with its blanks: they may be part of a password."""
    return clean(value) if isinstance(value, str) and value.strip() else text(value)


def when(value: object) -> datetime | None:
    """Milliseconds since 1970 as an aware time in UTC."""
    number = amount(value)
    if number is None or not 0 < number <= LATEST_MS:
        return None
    return EPOCH + timedelta(milliseconds=int(number))


def ms(at: datetime) -> int:
    """A time in whole milliseconds since 1970."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def word(value: object) -> str:
    """A word of a closed list in one spelling: letter case does not count, and blank, - and _ are alike."""
    return re.sub(r"[\s_-]+", "_", text(value).casefold())


def look_up(table: dict[str, Word], value: object, default: Word) -> Word:
    return table.get(word(value), default)


def evidence(value: Any, depth: int = 0) -> Any:
    """What they sent, fit to be kept as JSON: personal and secret values masked, numbers plain, texts storable."""
    if depth > DEEPEST:
        return MASK
    if isinstance(value, dict):
        return {
            clean(str(key)): MASK
            if str(key).lower() in SECRET_KEYS and item not in ("", None)
            else evidence(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [evidence(item, depth + 1) for item in value]
    if isinstance(value, Decimal):
        return plain(value)
    return clean(value) if isinstance(value, str) else value


def as_sent(value: Any) -> Any:
    """The same JSON with numbers that can be written again; nothing is masked."""
    if isinstance(value, dict):
        return {key: as_sent(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_sent(item) for item in value]
    return plain(value) if isinstance(value, Decimal) else value
