"""Read single values out of what G2A sent. Nothing here raises: a value of the wrong type is None or an empty text.

Whatever comes out can be stored: no character that PostgreSQL refuses, no number that overflows its column.
"""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from marketplaces.masking import MASK
from marketplaces.types import Json
from marketplaces.values import clean as clean, obj as obj

LARGEST_COUNT = 2**31 - 1
LARGEST_AMOUNT = Decimal(10) ** 10
MOST_DIGITS = 20  # before or behind the point
LONGEST_ID = 100
LONGEST_NUMBER = 40
LATEST_SECOND = 253_402_300_799  # the end of the year 9999
DEEPEST = 30

# Keys whose values are a code or open the account. `data` is not among them: in the dialect `live` it wraps every answer.
SECRET_KEYS = frozenset(
    {
        "key", "keys", "value", "access_token", "client_secret", "client_id", "api_key", "api_hash", "api_secret",
        "password", "emailpassword", "email", "username", "details",
    }
)  # fmt: skip

Word = TypeVar("Word")


def parse(body: bytes) -> Json | None:
    """Read a JSON object, with amounts as Decimal; None for everything else."""
    try:
        value = json.loads(body, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def rows(value: object) -> list[Json]:
    """The objects of a list; other things in it, or in its place, are left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """A text, or a whole number as its digits: ids come as both (G2A-P09, G2A-P33). Null and absent are empty."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**LONGEST_NUMBER:
        return str(value)
    return clean(value).strip() if isinstance(value, str) else ""


def ident(value: object) -> str:
    """An id, as text. What is too long to be one is none."""
    found = text(value)
    return found if len(found) <= LONGEST_ID else ""


def flag(value: object) -> bool | None:
    """True or false, also as a word; None when it is not said."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(text(value).lower())


def amount(value: object) -> Decimal | None:
    """An amount of money, from a number or a text (G2A-P10, G2A-P36); exact, never through a binary float."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal) or len(str(value)) > LONGEST_NUMBER:
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) >= MOST_DIGITS:
        return None
    return number if abs(number) < LARGEST_AMOUNT else None


def count(value: object) -> int | None:
    """A whole number from 0, also as text."""
    number = amount(value)
    if number is None or number < 0 or number > LARGEST_COUNT or number != number.to_integral_value():
        return None
    return int(number)


def when(value: object) -> datetime | None:
    """An aware time, from ISO text or seconds since 1970; a text without a zone is UTC."""
    seconds = amount(value)
    if seconds is not None:
        return datetime.fromtimestamp(float(seconds), UTC) if 0 < seconds <= LATEST_SECOND else None
    try:
        at = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def word(value: object) -> str:
    """A word of a closed list in one spelling: letter case does not count, and blank, - and _ are alike."""
    return re.sub(r"[\s_-]+", "_", text(value).casefold())


def look_up(table: dict[str, Word], value: object, default: Word) -> Word:
    return table.get(word(value), default)


def unwrapped(value: object, key: str) -> Json:
    """The object that holds `key`: the whole, or what lies in its `data`, whichever dialect it speaks."""
    found = obj(value)
    inner = found.get("data")
    return inner if key not in found and isinstance(inner, dict) else found


def evidence(value: Any, depth: int = 0) -> Any:
    """What they sent, fit to be kept as JSON: codes masked, amounts as text, texts storable."""
    if depth > DEEPEST:
        return MASK
    if isinstance(value, dict):
        return {clean(str(key)): _kept(str(key), item, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [evidence(item, depth + 1) for item in value]
    if isinstance(value, Decimal) or (isinstance(value, int) and abs(value) > 2**53):
        return str(value)
    return clean(value) if isinstance(value, str) else value


def _kept(key: str, item: Any, depth: int) -> Any:
    # The price of an offer may stand under `value`; a code is never a number.
    is_secret = key.lower() in SECRET_KEYS and item not in ("", None) and amount(item) is None
    return MASK if is_secret else evidence(item, depth + 1)
