"""Single values out of what a marketplace sent. Nothing here raises: a value of the wrong type is None or an empty text.

Whatever comes out can be stored: no character that PostgreSQL refuses, no number that overflows its column.
"""

from decimal import Decimal, InvalidOperation

from marketplaces.types import Json

LARGEST_COUNT = 2**31 - 1
LARGEST_AMOUNT = Decimal(10) ** 10
MOST_DIGITS = 20
LONGEST_ID = 100


def obj(value: object) -> Json:
    """An object; an empty one where something else came."""
    return value if isinstance(value, dict) else {}


def clean(value: str) -> str:
    """Take out what no database stores: NUL, and halves of surrogate pairs."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def text(value: object) -> str:
    """A text, or a whole number as its digits; absent, null and empty are alike."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
        return str(value)
    return clean(value).strip() if isinstance(value, str) else ""


def ident(value: object, longest: int = LONGEST_ID) -> str:
    """An id: opaque text, whose form is never looked at. What is too long to be one is none."""
    found = text(value)
    return found if len(found) <= longest else ""


def currency(value: object) -> str:
    """A code of three letters, in capitals (ISO 4217); empty for all else."""
    found = text(value).upper()
    return found if len(found) == 3 else ""


def amount(value: object) -> Decimal | None:
    """An amount of money or another number, also as text; exact, never through a binary float."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    if isinstance(value, str) and len(value) > 40:
        return None
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < MOST_DIGITS else None


def count(value: object) -> int | None:
    """A quantity: a whole number from 0, also as text."""
    number = amount(value)
    if number is None or number < 0 or number > LARGEST_COUNT or number != number.to_integral_value():
        return None
    return int(number)


def money(value: object) -> Decimal | None:
    """An amount of money that its column holds."""
    number = amount(value)
    return number if number is not None and abs(number) < LARGEST_AMOUNT else None


def plain(number: Decimal) -> int | float | str:
    """A number as JSON can keep it."""
    if abs(number.adjusted()) >= MOST_DIGITS:
        return str(number)
    return int(number) if number == number.to_integral_value() else float(number)
