"""What the make-believe G2A accepts: query parameters, JSON bodies and what is in them. It is strict on purpose, so that
a client that sends too much, or of the wrong type, is found out.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from marketplaces.sandbox_words import Json, Refusal, Request

OFFER_TYPES = ("dropshipping", "promo", "steamgift", "game", "preorder")
VISIBILITIES = ("all", "retail", "business")
PER_PAGE = (10, 20, 50, 100)
MOST_SIZE = 10_000
MONEY_TEXT = re.compile(r"\d+(\.\d{1,2})?")
CENT = Decimal("0.01")


# --- queries ---------------------------------------------------------------------------------------------------


def query(
    request: Request, allowed: Mapping[str, Callable[[str], Any]], codes: Mapping[str, str] | None = None
) -> Json:
    """Return the query's values; what is unknown or unreadable is refused with BR08, or the parameter's own code."""
    if unknown := request.query.keys() - allowed.keys():
        raise Refusal(400, "BR08", f"{', '.join(sorted(unknown))}: there is no such query parameter")
    found = {}
    for name, text in request.query.items():
        try:
            found[name] = allowed[name](text)
        except (ValueError, InvalidOperation):
            raise Refusal(400, (codes or {}).get(name, "BR08"), f"{name}: a wrong value") from None
    return found


def whole(least: int, most: int = 10**18) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdigit() or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return parse


def among(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return parse


def per_page(text: str) -> int:
    if text not in map(str, PER_PAGE):
        raise ValueError
    return int(text)


def money(text: str) -> Decimal:
    if not MONEY_TEXT.fullmatch(text):
        raise ValueError
    return Decimal(text)


def positive_money(text: str) -> Decimal:
    if money(text) <= 0:
        raise ValueError
    return money(text)


def flag(text: str) -> bool:
    return {"true": True, "false": False}[among("true", "false")(text)]


def moment(text: str) -> datetime:
    """`yyyy-mm-dd hh:mm:ss`, UTC."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def digits(text: str) -> str:
    if not text.isdigit():
        raise ValueError
    return text


def filled(text: str) -> str:
    if not text:
        raise ValueError
    return text


def country(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", text):
        raise ValueError
    return text.upper()


def page_of(rows: list[Any], page: int, size: int) -> list[Any]:
    return rows[(page - 1) * size : page * size]


# --- bodies ----------------------------------------------------------------------------------------------------


def read_json(request: Request) -> Json:
    """Return the body, which is a JSON object sent as JSON; its fractions are Decimal."""
    if "json" not in request.headers.get("content-type", ""):
        raise Refusal(400, "CTTYPE", "Content-Type is application/json")
    try:
        body = json.loads(request.body, parse_float=Decimal)
    except ValueError:
        raise Refusal(400, "BR01", "The body is no JSON") from None
    if not isinstance(body, dict):
        raise wrong("the body", "is an object")
    return body


def read_form(request: Request) -> dict[str, str]:
    """Return a form body; JSON is taken too, as is said of the real one."""
    if "json" in request.headers.get("content-type", ""):
        return {key: str(value) for key, value in read_json(request).items()}
    if "x-www-form-urlencoded" not in request.headers.get("content-type", ""):
        raise Refusal(400, "CTTYPE", "Content-Type is application/x-www-form-urlencoded")
    return dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))


def wrong(name: str, rule: str) -> Refusal:
    return Refusal(400, "BR02", f"{name} {rule}")


def only(body: Mapping[str, Any], allowed: set[str]) -> None:
    if unknown := body.keys() - allowed:
        raise wrong(", ".join(sorted(unknown)), "cannot be set here")


def text_of(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise wrong(key, "is a text and is needed")
    return value


def word_of(body: Mapping[str, Any], key: str, words: tuple[str, ...]) -> str:
    if (value := text_of(body, key)) not in words:
        raise wrong(key, f"is one of {', '.join(words)}")
    return value


def number_of(body: Mapping[str, Any], key: str) -> Decimal:
    """A price as a JSON number: over 0, at most two decimals."""
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise wrong(key, "is a number and is needed")
    return _price(key, Decimal(value))


def price_text_of(body: Mapping[str, Any], key: str) -> Decimal:
    """A price as text."""
    value = body.get(key)
    if not isinstance(value, str) or not MONEY_TEXT.fullmatch(value):
        raise wrong(key, "is a text with at most two decimals")
    return _price(key, Decimal(value))


def _price(key: str, value: Decimal) -> Decimal:
    if value <= 0 or value != value.quantize(CENT):
        raise wrong(key, "is over 0 and has at most two decimals")
    return value


def whole_of(body: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = body.get(key)
    if type(value) is not int or not least <= value <= most:
        raise wrong(key, f"is a whole number from {least} to {most}")
    return value


def flag_of(body: Mapping[str, Any], key: str) -> bool:
    value = body.get(key)
    if not isinstance(value, bool):
        raise wrong(key, "is true or false")
    return value


def object_of(body: Mapping[str, Any], key: str) -> Json:
    value = body.get(key)
    if not isinstance(value, dict):
        raise wrong(key, "is an object")
    return value
