"""What G2A's answers mean: one table, and what to tell people (section 6 of the contract)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

from django.utils import timezone

from marketplaces.exceptions import (
    ConfigurationError,
    MarketplaceError,
    NotFound,
    NotPaid,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.services.g2a import reading
from marketplaces.types import Answer

QUEUE_FULL = "limit of tasks in the queue"
LONGEST_WAIT = 3600.0  # seconds; who asks for more is asked again after this
CLOCK_MATTERS = 30  # seconds
SHOWN_CHARACTERS = 300
LOOK_FIRST = "; this may or may not have been done"


class Repeat(Enum):
    """May the same request be sent again? LOOK: a write only after its object was read, a read after a while."""

    NEVER = auto()
    DELAY = auto()
    LOOK = auto()


@dataclass(frozen=True)
class Meaning:
    """The contract's class of an error, whether to repeat, and what people are told."""

    kind: str
    repeat: Repeat
    text: str = ""
    never: type[MarketplaceError] = PermanentError  # raised where it is not to be repeated
    later: type[TemporaryError] = TemporaryError  # raised where it is

    @property
    def words(self) -> str:
        return self.text or TEXTS[self.kind]


AUTHENTICATION = Meaning("authentication", Repeat.NEVER, never=ConfigurationError)
PERMISSION = Meaning("permission", Repeat.NEVER, never=ConfigurationError)
ADDRESS = Meaning(
    "permission",
    Repeat.NEVER,
    'Account "{account}": G2A does not let this machine\'s address in. Enter the address that this machine calls from in'
    " G2A's panel, where the API's allowed addresses stand",
    ConfigurationError,
)
NO_CARD = Meaning(
    "permission",
    Repeat.NEVER,
    "G2A refused the order. Look whether the account has a payment card: without one it can't buy",
)
RATE_LIMITED = Meaning("rate_limited", Repeat.DELAY)
QUEUE = Meaning("rate_limited", Repeat.DELAY, "G2A still works on too many changes of this account")
NOT_FOUND = Meaning("not_found", Repeat.NEVER, never=NotFound)
GONE = Meaning("not_found", Repeat.LOOK, never=NotFound)
KEY_READ = Meaning(
    "key_read_before",
    Repeat.NEVER,
    "G2A gave the key of {about} away before, and it is given once only. If it is not stored here, ask G2A's support",
)
PAYMENT_OPEN = Meaning(
    "not_ready", Repeat.LOOK, "G2A says that {about} is not paid, or that its payment is in progress", later=NotPaid
)
NOT_READY = Meaning("not_ready", Repeat.DELAY, "G2A is not ready yet with {about}")
NO_FUNDS = Meaning("insufficient_funds", Repeat.NEVER)
PAY_LIMIT = Meaning(
    "insufficient_funds", Repeat.NEVER, "The limit of G2A PAY is reached. Wait until it is reset, or have it raised"
)
PAYMENT_FAILED = Meaning("insufficient_funds", Repeat.LOOK, "G2A says that the payment failed")
TOO_LATE = Meaning("conflict", Repeat.NEVER, "The time to pay for {about} has passed. Make a new order")
CONFLICT = Meaning("conflict", Repeat.LOOK)
INVALID = Meaning("invalid", Repeat.NEVER)
WRONG_ADDRESS = Meaning(
    "invalid",
    Repeat.NEVER,
    "G2A does not know that address. Perhaps the account's dialect ({dialect}) is the wrong one",
)
NO_TOKEN_HERE = Meaning(
    "configuration",
    Repeat.NEVER,
    'Account "{account}": there is no token at that address. Perhaps the dialect ({dialect}) or the base URL is the wrong'
    " one: change it in the account's options",
    ConfigurationError,
)
UNAVAILABLE = Meaning("unavailable", Repeat.LOOK)
UNREADABLE = Meaning("unknown", Repeat.LOOK, "G2A answered what can't be read")
UNKNOWN = Meaning("unknown", Repeat.NEVER)

# First of all: what one operation means by a code or a status. Then their code; then the HTTP status or its first digit.
BY_OPERATION: dict[tuple[str, str], Meaning] = {
    ("G2A-01", "WRONGURL"): NO_TOKEN_HERE,
    ("G2A-01", "404"): NO_TOKEN_HERE,
    ("G2A-01", "405"): NO_TOKEN_HERE,
    ("G2A-04", "403"): NO_CARD,
}
BY_CODE: dict[str, Meaning] = {
    "AUTH01": AUTHENTICATION,
    "AUTH02": AUTHENTICATION,
    "AUTH03": ADDRESS,
    "AUTH04": PERMISSION,
    "BR01": INVALID,
    "BR02": INVALID,
    "BR03": RATE_LIMITED,
    "BR04": INVALID,
    "BR08": INVALID,
    "PR01": INVALID,
    "PR02": INVALID,
    "PR03": INVALID,
    "PR04": INVALID,
    "PR05": INVALID,
    "ORD01": INVALID,
    "ORD02": NOT_FOUND,
    "ORD03": NOT_READY,
    "ORD004": KEY_READ,
    "ORD04": KEY_READ,
    "ORD05": PAYMENT_OPEN,
    "ORD06": NOT_READY,
    "ORD110": PAYMENT_FAILED,
    "ORD111": GONE,
    "ORD112": NO_FUNDS,
    "ORD113": NOT_FOUND,
    "ORD114": TOO_LATE,
    "ORD120": UNAVAILABLE,
    "ORD121": PAY_LIMIT,
    "ORD122": UNAVAILABLE,
    "CTTYPE": INVALID,
    "API00": UNAVAILABLE,
    "ERR99": UNAVAILABLE,
    "WRONGURL": WRONG_ADDRESS,
}
BY_STATUS: dict[int, Meaning] = {
    400: INVALID,
    401: AUTHENTICATION,
    402: PAYMENT_OPEN,
    403: PERMISSION,
    404: NOT_FOUND,
    405: INVALID,
    408: UNAVAILABLE,
    409: CONFLICT,
    410: CONFLICT,
    413: INVALID,
    415: INVALID,
    422: INVALID,
    429: RATE_LIMITED,
    2: UNREADABLE,
    5: UNAVAILABLE,
}

TEXTS: dict[str, str] = {
    "authentication": 'Account "{account}": G2A refused the credentials. Check {inputs}, and that this machine\'s clock is'
    " right ({clock})",
    "permission": 'Account "{account}": G2A does not let these credentials do that. Ask G2A to open this part of the API',
    "rate_limited": "G2A asks to slow down",
    "not_found": "G2A does not know {about}",
    "insufficient_funds": "G2A says that the funds do not suffice. Top the G2A account up",
    "conflict": "G2A says that the state of {about} does not allow that",
    "invalid": "G2A refused the request as invalid",
    "unavailable": "G2A has trouble of its own",
    "unknown": "G2A answered what its documentation does not name",
}
INPUTS = {
    "contract": "the API hash and the API key, each in its own field",
    "live": "the API hash (Client ID), the client secret and the e-mail, which must be the one registered at G2A",
}


@dataclass(frozen=True)
class Asked:
    """The request that an answer belongs to. `is_write`: it must not be repeated blindly. `is_secret`: quote nothing."""

    operation: str
    about: str
    is_write: bool
    account: str
    dialect: str
    is_secret: bool = False


def code_of(body: Any) -> str:
    """Their code, wherever it stands, in capitals."""
    return _said(body, "code").upper()


def meaning_of(answer: Answer, operation: str) -> Meaning:
    """Classify an answer that is no success: by code first, by HTTP status second (G2A-P50)."""
    code = code_of(answer.json)
    if answer.status == 400 and QUEUE_FULL in answer.body.decode(errors="replace").lower():
        return QUEUE
    if found := BY_OPERATION.get((operation, code)) or BY_CODE.get(code):
        return found
    if found := BY_OPERATION.get((operation, str(answer.status))):
        return found
    return BY_STATUS.get(answer.status) or BY_STATUS.get(answer.status // 100) or UNKNOWN


def wants_a_new_token(answer: Answer) -> bool:
    """True for a 401 that a new token may cure; a closed address or a missing right are not cured so (G2A-P06)."""
    return answer.status == 401 and BY_CODE.get(code_of(answer.json), AUTHENTICATION) is AUTHENTICATION


def to_error(answer: Answer, asked: Asked, scrub: Callable[[str], str]) -> MarketplaceError:
    """Make the exception that says what to do next. No secret that `scrub` knows is in its text."""
    meaning = meaning_of(answer, asked.operation)
    kind = _exception(meaning, is_write=asked.is_write)
    message = meaning.words.format(
        account=asked.account,
        about=f"“{asked.about}”" if asked.about else "what was asked for",
        dialect=asked.dialect,
        inputs=INPUTS[asked.dialect],
        clock=_clock_words(clock_off(answer.headers)),
    )
    if words := _quotable(answer, asked):
        message += f": {scrub(words)[:SHOWN_CHARACTERS]}"
    if kind is UnknownOutcome:
        message += LOOK_FIRST
    facts: dict[str, Any] = {
        "kind": meaning.kind,
        "operation": asked.operation,
        "code": scrub(code_of(answer.json))[:40],
        "status": answer.status,
        "request_id": scrub(answer.headers.get("x-request-id", "") or _said(answer.json, "traceId"))[:100],
    }
    if issubclass(kind, TemporaryError):
        facts["retry_after"] = retry_after(answer.headers)
    return kind(message, **facts)


def _exception(meaning: Meaning, *, is_write: bool) -> type[MarketplaceError]:
    if meaning.repeat is Repeat.DELAY:
        return meaning.later
    if meaning.repeat is Repeat.NEVER:
        return meaning.never
    if is_write:
        return UnknownOutcome
    # To read again is to look; but what is gone or closed stays so.
    return meaning.never if meaning.kind in ("not_found", "conflict", "insufficient_funds") else meaning.later


def _said(body: Any, name: str) -> str:
    """A text of an error's body: at the top, else in `error`, else in `data`."""
    whole = reading.obj(body)
    places = (whole, reading.obj(whole.get("error")), reading.obj(whole.get("data")))
    return next(filter(None, (reading.text(place.get(name)) for place in places)), "")


def _quotable(answer: Answer, asked: Asked) -> str:
    if asked.is_secret and answer.status < 400:
        return ""
    if isinstance(answer.json, dict | list):
        return _said(answer.json, "message")
    # A web page, from whoever answered in G2A's place, tells people nothing.
    words = reading.clean(answer.body[:500].decode(errors="replace")).strip()
    return "" if words.startswith("<") else words


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks us to wait; None when it does not say."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return min(float(value), LONGEST_WAIT)
    at = _http_date(value)
    return None if at is None else min(max(at - timezone.now().timestamp(), 0.0), LONGEST_WAIT)


def clock_off(headers: Mapping[str, str]) -> float | None:
    """Seconds by which our clock is ahead of theirs, by the answer's Date header; None when there is none."""
    at = _http_date(headers.get("date", ""))
    return None if at is None else timezone.now().timestamp() - at


def _http_date(value: str) -> float | None:
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _clock_words(seconds: float | None) -> str:
    if seconds is None:
        return "their answer does not tell the time"
    if abs(seconds) <= CLOCK_MATTERS:
        return "it agrees with theirs"
    return f"it differs by {abs(seconds) / 60:.0f} min" if abs(seconds) >= 90 else f"it differs by {abs(seconds):.0f} s"
