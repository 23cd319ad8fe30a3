"""What G2G's answers mean: one table, and what to tell people (section 6 of the contract)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from django.utils import timezone

from marketplaces.exceptions import (
    ConfigurationError,
    MarketplaceError,
    NotFound,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.services.g2g import reading
from marketplaces.types import Answer, Json

SUCCESS = 20000001
WRONG_HOST = 2000  # how the web site's private API answers (G2G-P46)
CLOCK_MATTERS = 30  # seconds
LONGEST_WAIT = 3600  # seconds; who asks for more is asked again after this
SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Meaning:
    """The contract's class of an error, and what to do next after a read and after a write."""

    kind: str
    after_read: type[MarketplaceError]
    after_write: type[MarketplaceError]


INVALID = Meaning("invalid", PermanentError, PermanentError)
AUTHENTICATION = Meaning("authentication", ConfigurationError, ConfigurationError)
PERMISSION = Meaning("permission", ConfigurationError, ConfigurationError)
NOT_READY = Meaning("not_ready", TemporaryError, TemporaryError)
NOT_FOUND = Meaning("not_found", NotFound, NotFound)
ALREADY_DONE = Meaning("already_done", PermanentError, UnknownOutcome)
CONFLICT = Meaning("conflict", PermanentError, UnknownOutcome)
RATE_LIMITED = Meaning("rate_limited", TemporaryError, TemporaryError)
UNAVAILABLE = Meaning("unavailable", TemporaryError, UnknownOutcome)
# A write whose answer nobody understands may have been done.
UNKNOWN = Meaning("unknown", PermanentError, UnknownOutcome)
UNREADABLE = Meaning("unknown", TemporaryError, UnknownOutcome)
ELSEWHERE = Meaning("unknown", PermanentError, PermanentError)

# Their code; else its first three digits; else the HTTP status; else the status' first digit.
MEANINGS: dict[int, Meaning] = {
    40000001: INVALID,
    40100001: AUTHENTICATION,
    40300001: PERMISSION,
    40400001: NOT_FOUND,
    40900001: ALREADY_DONE,
    40900002: CONFLICT,
    42200001: INVALID,
    42900001: RATE_LIMITED,
    50000001: UNAVAILABLE,
    WRONG_HOST: ELSEWHERE,
    400: INVALID,
    401: AUTHENTICATION,
    402: NOT_READY,
    403: PERMISSION,
    404: NOT_FOUND,
    405: INVALID,
    408: UNAVAILABLE,
    409: CONFLICT,
    413: INVALID,
    415: INVALID,
    422: INVALID,
    429: RATE_LIMITED,
    3: ELSEWHERE,
    5: UNAVAILABLE,
}

TEXTS: dict[str, str] = {
    "invalid": "G2G refused the request as invalid",
    "authentication": (
        'Account "{account}": G2G refused the key or the signature. Check the API key, the API secret and the user id,'
        " and that this machine's clock is right ({clock})"
    ),
    "permission": (
        'Account "{account}": G2G does not let this key do that. API access has to be requested and approved, for gift'
        " cards and top-ups; look at API Integration in G2G's account menu, or ask G2G"
    ),
    "not_ready": "G2G says that it is not paid yet",
    "not_found": "G2G does not know {about}",
    "already_done": "G2G says that it exists already",
    "conflict": "G2G says that it conflicts with what is there",
    "rate_limited": "G2G asks to slow down",
    "unavailable": "G2G has trouble of its own",
    "unknown": "G2G answered what its documentation does not name",
}
ELSEWHERE_TEXT = "{base_url} is not G2G's OpenAPI. Set the account's base URL to https://open-api.g2g.com, or empty it"
LOOK_FIRST = "; this may or may not have been done"


@dataclass(frozen=True)
class Asked:
    """The request that an answer belongs to, as far as an error has to name it."""

    operation: str
    about: str
    is_write: bool
    account: str
    base_url: str


def payload_of(answer: Answer, asked: Asked, scrub: Callable[[str], str]) -> tuple[Json, str]:
    """Return the payload of a success and its warning, scrubbed. Raises what `exceptions` names for the rest."""
    envelope = reading.obj(answer.json)
    code = reading.count(envelope.get("code"))
    warning = scrub(reading.text(envelope.get("warning")))[:SHOWN_CHARACTERS]
    if answer.status == 200 and code == SUCCESS:
        return reading.obj(envelope.get("payload")), warning
    raise _error(answer, asked, envelope, code, scrub)


def meaning_of(status: int, code: int | None, *, is_json: bool) -> Meaning:
    """Classify an answer that is no success; `code` is theirs, if they gave one."""
    keys = [status, status // 100]
    if code is not None and code > 999 and code != SUCCESS:  # a success with an error's status: the status decides
        three = code // 100_000 if len(str(code)) == 8 else 0
        keys = [code, three, three // 100, *keys]
    for key in keys:
        if key in MEANINGS:
            return MEANINGS[key]
    return UNKNOWN if is_json else UNREADABLE


def _error(
    answer: Answer, asked: Asked, envelope: Json, code: int | None, scrub: Callable[[str], str]
) -> MarketplaceError:
    meaning = meaning_of(answer.status, code, is_json=bool(envelope))
    kind = meaning.after_write if asked.is_write else meaning.after_read
    text = ELSEWHERE_TEXT if meaning is ELSEWHERE else TEXTS[meaning.kind]
    message = text.format(
        account=asked.account,
        about=f"“{asked.about}”" if asked.about else "what was asked for",
        base_url=asked.base_url,
        clock=_clock_words(clock_off(answer.headers)),
    )
    said = [reading.text(envelope.get(name)) for name in ("message", "warning")]
    if words := "; ".join(filter(None, said)):
        message += f": {scrub(words)[:SHOWN_CHARACTERS]}"
    if kind is UnknownOutcome:
        message += LOOK_FIRST
    facts: dict[str, object] = {
        "kind": meaning.kind,
        "operation": asked.operation,
        "code": "" if code is None else str(code),
        "status": answer.status,
        "request_id": scrub(reading.text(envelope.get("request_id")))[:100],
    }
    if issubclass(kind, TemporaryError):
        facts["retry_after"] = retry_after(answer.headers)
    return kind(message, **facts)  # type: ignore[arg-type]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks us to wait; None when it does not say."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(min(int(value), LONGEST_WAIT))
    at = _http_date(value)
    return None if at is None else min(max(at - timezone.now().timestamp(), 0.0), float(LONGEST_WAIT))


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
    seconds = abs(seconds)
    if seconds <= CLOCK_MATTERS:
        return "it agrees with theirs"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"it differs by {seconds / size:.0f} {unit}"
    return f"it differs by {seconds:.0f} s"
