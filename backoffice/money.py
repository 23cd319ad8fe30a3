"""Money is a Decimal and an ISO currency code; never a binary float."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

CENT = Decimal("0.01")
# Currencies without a minor unit, as far as our marketplaces pay in them.
WHOLE_ONLY = frozenset({"IDR", "JPY", "KRW", "VND"})


def to_decimal(value: object) -> Decimal | None:
    """Read an amount from a number or a text; None for nothing, ValueError for what is no amount."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no amount")
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is no amount") from error
    if not amount.is_finite():
        raise ValueError(f"{value!r} is no amount")
    return amount


def rounded(amount: Decimal, currency: str) -> Decimal:
    """Round half up to the currency's smallest unit."""
    return amount.quantize(Decimal(1) if currency in WHOLE_ONLY else CENT, rounding=ROUND_HALF_UP)


def display(amount: Decimal | None, currency: str) -> str:
    """Write an amount for people, such as "1,204.50 EUR"; an empty text for none."""
    return "" if amount is None else f"{rounded(amount, currency):,} {currency}".strip()


def json_safe(value: Any) -> Any:
    """Return a copy for a JSON column, whatever is nested in it: each Decimal as its text, without trailing zeros."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dict):
        return {key: json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    return value
