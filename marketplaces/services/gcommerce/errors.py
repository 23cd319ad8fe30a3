"""What G-Commerce's answers mean: one table, and what to tell people (section 5 of the contract).

Their texts are translated and editable, so the status alone decides.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from marketplaces.exceptions import (
    ConfigurationError,
    MarketplaceError,
    NotFound,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.services.gcommerce import decoding
from marketplaces.types import Answer

MINUTE, HOUR = 60.0, 3600.0
JITTER_SECONDS = 5.0
LONGEST_WAIT = HOUR  # who asks for more is asked again after this
SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Meaning:
    """The contract's class of an error, and what to do next: after a read or a write that sets values, and after a POST,
    which would make a thing twice.
    """

    kind: str
    after_read: type[MarketplaceError]
    after_post: type[MarketplaceError]


INVALID = Meaning("invalid", PermanentError, PermanentError)
AUTHENTICATION = Meaning("authentication", ConfigurationError, ConfigurationError)
PERMISSION = Meaning("permission", ConfigurationError, ConfigurationError)
NOT_FOUND = Meaning("not_found", NotFound, NotFound)
CONFLICT = Meaning("conflict", PermanentError, UnknownOutcome)
RATE_LIMITED = Meaning("rate_limited", TemporaryError, TemporaryError)
UNAVAILABLE = Meaning("unavailable", TemporaryError, UnknownOutcome)
CLOSED = Meaning("unavailable", TemporaryError, TemporaryError)
UNLISTED = Meaning("unknown", PermanentError, PermanentError)
ELSEWHERE = Meaning("unknown", PermanentError, PermanentError)

# The status; else its first digit.
MEANINGS: Mapping[int, Meaning] = {
    400: INVALID,
    401: AUTHENTICATION,
    403: PERMISSION,
    404: NOT_FOUND,
    405: INVALID,
    406: INVALID,
    409: CONFLICT,
    413: INVALID,
    415: INVALID,
    429: RATE_LIMITED,
    500: UNAVAILABLE,
    501: INVALID,
    502: UNAVAILABLE,
    503: CLOSED,
    504: UNAVAILABLE,
    507: UNAVAILABLE,
    509: RATE_LIMITED,
    3: ELSEWHERE,
    4: UNLISTED,
    5: UNAVAILABLE,
}

# Seconds to wait where the answer names none; None leaves it to whoever tries again.
WAITS: Mapping[int, Callable[[], float]] = {
    429: lambda: MINUTE + random.uniform(0, JITTER_SECONDS),  # noqa: S311  (no secret)
    503: lambda: 5 * MINUTE,
    507: lambda: 15 * MINUTE,
    509: lambda: to_the_full_hour(),
}

TEXTS: Mapping[str, str] = {
    "invalid": "G-Commerce refused the request as invalid",
    "authentication": (
        'Account "{account}": G-Commerce refused the e-mail or the API key. Check both: the e-mail is that of the'
        " administrator whose key it is, API access must be ticked there, and making a new key probably ended the old one,"
        " which can't be shown again. Or something between here and G-Commerce, such as a proxy, took the Authorization"
        " header away"
    ),
    "permission": (
        'Account "{account}": G-Commerce does not let this key do that. Look at the administrator\'s rights in the vendor'
        " panel, and whether {about} is yours"
    ),
    "not_found": "G-Commerce does not know {about}",
    "conflict": "G-Commerce says that it conflicts with what is there",
    "rate_limited": "G-Commerce asks to slow down",
    "unavailable": "G-Commerce has trouble of its own",
    "unknown": "G-Commerce answered what its documentation does not name",
}
ELSEWHERE_TEXT = (
    "G-Commerce sends us on to {host}, where the key is not taken. Check the account's base URL; the usual one is"
    " https://gcommerce.glass/api"
)
LOOK_FIRST = "; this may or may not have been done"


@dataclass(frozen=True)
class Asked:
    """The request that an answer belongs to, as far as an error has to name it."""

    operation: str
    method: str
    about: str
    account: str

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


def payload_of(answer: Answer, asked: Asked, scrub: Callable[[str], str]) -> Any:
    """Return the JSON of a success; None for a deletion, whose answer may be empty. Raises what `exceptions` names."""
    if answer.status // 100 != 2:
        raise _refusal(answer, asked, scrub)
    if isinstance(answer.json, dict | list):
        return answer.json
    if decoding.is_page(answer.body, answer.headers.get("content-type", "")):
        raise _no_answer(answer, asked, "unavailable", f"a page: {_said(answer, scrub)}")
    if asked.method == "DELETE":
        return None
    raise _no_answer(answer, asked, "unknown", "nothing that can be read" if answer.body else "nothing")


def meaning_of(status: int) -> Meaning:
    """Classify a status that is no success."""
    return MEANINGS.get(status) or MEANINGS.get(status // 100, UNLISTED)


def _refusal(answer: Answer, asked: Asked, scrub: Callable[[str], str]) -> MarketplaceError:
    meaning = meaning_of(answer.status)
    kind = meaning.after_post if asked.method == "POST" else meaning.after_read
    if meaning is CONFLICT and asked.is_write:
        kind = UnknownOutcome
    text = ELSEWHERE_TEXT if meaning is ELSEWHERE else TEXTS[meaning.kind]
    message = text.format(
        account=asked.account,
        about=f"“{asked.about}”" if asked.about else "what was asked for",
        host=urlsplit(answer.headers.get("location", "")).hostname or "another address",
    )
    if words := _said(answer, scrub):
        message += f": {words}"
    if kind is UnknownOutcome:
        message += LOOK_FIRST
    facts: dict[str, Any] = {"kind": meaning.kind, "operation": asked.operation, "status": answer.status}
    if issubclass(kind, TemporaryError):
        facts["retry_after"] = retry_after(answer)
    return kind(message, **facts)


def _no_answer(answer: Answer, asked: Asked, kind: str, what: str) -> MarketplaceError:
    message = f"G-Commerce answered {what}"
    facts: dict[str, Any] = {"kind": kind, "operation": asked.operation, "status": answer.status}
    # A page came from what stands before the shop, so a write that sets values may simply be sent again.
    if asked.method == "POST" or (asked.is_write and kind == "unknown"):
        return UnknownOutcome(message + LOOK_FIRST, **facts)
    return TemporaryError(message, **facts)


def _said(answer: Answer, scrub: Callable[[str], str]) -> str:
    """What the answer says to people; it decides nothing."""
    if not isinstance(answer.json, dict):
        return scrub(decoding.words_of(answer.body))[:SHOWN_CHARACTERS] if answer.json is None else ""
    message = decoding.text(answer.json.get("message")).rstrip(": ")
    more = [decoding.text(word) for key in ("messages", "errors") for word in _listed(answer.json.get(key))]
    fresh = [word for word in more if word and word not in message]
    return scrub("; ".join(filter(None, [message, *fresh])))[:SHOWN_CHARACTERS]


def _listed(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]


def retry_after(answer: Answer) -> float | None:
    """Seconds to wait: those that the answer names, else those of its status, else None."""
    named = _named_wait(answer.headers.get("retry-after", "").strip())
    if named is not None:
        return min(max(named, 0.0), LONGEST_WAIT)
    wait = WAITS.get(answer.status)
    return None if wait is None else wait()


def _named_wait(value: str) -> float | None:
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - timezone.now().timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def to_the_full_hour() -> float:
    """Seconds until the next full hour, when their count of requests an hour starts anew."""
    return HOUR - timezone.now().timestamp() % HOUR
