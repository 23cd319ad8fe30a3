"""What the make-believe Ginee accepts in a body; what it does not is a PARAMETER_ERROR with HTTP status 200."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marketplaces.sandbox_words import Json, Refusal, Request

MICROS = 1_000_000
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def parameter_error(message: str) -> Refusal:
    return Refusal(200, "PARAMETER_ERROR", message)


def read_json(request: Request) -> Json:
    """Return the body, which is a JSON object sent as JSON."""
    if "json" not in request.headers.get("content-type", ""):
        raise Refusal(415, "", "Content-Type is application/json")
    try:
        body = json.loads(request.body)
    except ValueError:
        raise parameter_error("The body is no JSON") from None
    if not isinstance(body, dict):
        raise parameter_error("The body is no object")
    return body


def whole(body: Mapping[str, Any], key: str, least: int, most: int, default: int | None = None) -> int:
    """Return a whole number within bounds; one without a default is needed."""
    value = body.get(key, default)
    if type(value) is not int or not least <= value <= most:
        raise parameter_error(f"{key} is a whole number from {least} to {most}")
    return value


def texts(body: Mapping[str, Any], key: str, most: int) -> list[str]:
    """Return a list of texts; empty when it is absent."""
    value = body.get(key) or []
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise parameter_error(f"{key} is a list of texts")
    if len(value) > most:
        raise parameter_error(f"{key} has at most {most} entries")
    return value


def flag(body: Mapping[str, Any], key: str) -> bool:
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise parameter_error(f"{key} is true or false")
    return value


def word(body: Mapping[str, Any], key: str, among: tuple[str, ...]) -> str:
    """Return one of the words, or an empty text when the key is absent."""
    value = body.get(key)
    if value is not None and value not in among:
        raise parameter_error(f"{key} is one of {', '.join(among)}")
    return value or ""


def micros(body: Mapping[str, Any], key: str) -> int | None:
    """Return a UTC time as microseconds since 1970; None when it is absent."""
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not TIME.fullmatch(value):
        raise parameter_error(f"{key} is a UTC time such as 2026-03-01T00:00:00Z")
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        raise parameter_error(f"{key} is no time that exists") from None
    return to_micros(moment)


def to_micros(moment: datetime) -> int:
    since = moment - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * MICROS + since.microseconds


def utc_text(at: int | None, decimals: int = 3) -> str | None:
    """Write microseconds since 1970 as Ginee does, with 0, 3 or 6 decimals."""
    if at is None:
        return None
    seconds, rest = divmod(at, MICROS)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:06d}"[: 19 + bool(decimals) + decimals] + "Z"
