"""What Ginee's answers mean: one table, and what to tell people (section 5 of the contract)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from django.utils import timezone

from marketplaces.exceptions import (
    ConfigurationError,
    MarketplaceError,
    NotFound,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.services.ginee import reading
from marketplaces.types import Answer

SUCCESS = "SUCCESS"
LONGEST_WAIT = 3600.0  # seconds; who asks for more is asked again after this
SHOWN_CHARACTERS = 300
LOOK_FIRST = "; this may or may not have been done"


@dataclass(frozen=True)
class Meaning:
    """The contract's class of an error, and what to do next after a read and after a write."""

    kind: str
    after_read: type[MarketplaceError]
    after_write: type[MarketplaceError]


INVALID = Meaning("invalid", PermanentError, PermanentError)
AUTHENTICATION = Meaning("authentication", ConfigurationError, ConfigurationError)
PERMISSION = Meaning("permission", ConfigurationError, ConfigurationError)
NOT_FOUND = Meaning("not_found", NotFound, NotFound)
CONFLICT = Meaning("conflict", PermanentError, UnknownOutcome)
RATE_LIMITED = Meaning("rate_limited", TemporaryError, TemporaryError)
BUSY = Meaning("unavailable", TemporaryError, TemporaryError)  # they said so, and so did nothing
UNAVAILABLE = Meaning("unavailable", TemporaryError, UnknownOutcome)
# A look is what is to follow; at a read that is the same request, after a while.
UNKNOWN = Meaning("unknown", TemporaryError, UnknownOutcome)
ELSEWHERE = Meaning("unknown", PermanentError, PermanentError)

CODES: dict[str, Meaning] = {
    "PARAMETER_ERROR": INVALID,
    "CHANNEL_NOT_SUPPORT": INVALID,
    "IAM_FAILED": AUTHENTICATION,
    "SERVICE_BUSY": BUSY,
    "BUSINESS_ERROR": CONFLICT,
    "ERROR": UNKNOWN,
}
# The HTTP status, else its first digit.
STATUSES: dict[int, Meaning] = {
    400: INVALID,
    401: AUTHENTICATION,
    403: PERMISSION,
    404: NOT_FOUND,
    405: INVALID,
    408: UNAVAILABLE,
    409: CONFLICT,
    413: INVALID,
    415: INVALID,
    429: RATE_LIMITED,
    3: ELSEWHERE,
    5: UNAVAILABLE,
}
TEXTS: dict[str, str] = {
    "invalid": "Ginee refused the request as invalid",
    "authentication": (
        'Account "{account}": Ginee refused the key or the signature. Check the access key, the secret key and the country'
    ),
    "permission": (
        'Account "{account}": Ginee does not let this key do that, or a firewall of theirs stopped the request. Ask Ginee'
        " staff which calls the key may make, and from which addresses"
    ),
    "not_found": "Ginee does not know {about}",
    "conflict": "Ginee says that a rule of its own forbids that",
    "rate_limited": "Ginee asks to slow down",
    "unavailable": "Ginee is busy, or has trouble of its own",
    "unknown": "Ginee answered that it failed, and not why",
}
ELSEWHERE_TEXT = "{base_url} is not Ginee's Open API. Set the account's base URL to https://api.ginee.com, or empty it"


@dataclass(frozen=True)
class Asked:
    """The request that an answer belongs to, as far as an error has to name it."""

    operation: str
    about: str
    is_write: bool
    account: str
    base_url: str


def data_of(answer: Answer, asked: Asked, scrub: Callable[[str], str]) -> Any:
    """Return the `data` of a success, whatever it is. Raises what `exceptions` names for the rest.

    HTTP 200 proves nothing: the envelope's `code` decides (GIN-P06).
    """
    envelope = reading.obj(answer.json)
    code = reading.text(envelope.get("code"))
    if answer.status // 100 == 2 and code.upper() == SUCCESS:
        return envelope.get("data")
    raise _error(answer, asked, scrub)


def meaning_of(status: int, code: str) -> Meaning:
    """Classify an answer that is no success by their code, and where it has none that we know by the HTTP status."""
    for table, key in ((CODES, code.upper()), (STATUSES, status), (STATUSES, status // 100)):
        if key in table:
            return table[key]  # type: ignore[index]
    return UNKNOWN


def _error(answer: Answer, asked: Asked, scrub: Callable[[str], str]) -> MarketplaceError:
    envelope = reading.obj(answer.json)
    code = reading.text(envelope.get("code"))
    meaning = meaning_of(answer.status, code)
    kind = meaning.after_write if asked.is_write else meaning.after_read
    text = ELSEWHERE_TEXT if meaning is ELSEWHERE else TEXTS[meaning.kind]
    message = text.format(
        account=asked.account,
        about=f"“{asked.about}”" if asked.about else "what was asked for",
        base_url=asked.base_url,
    )
    # The text may be Chinese, and only its name differs from call to call (GIN-P32): it is shown, and decides nothing.
    said = next(filter(None, (reading.text(envelope.get(name)) for name in ("message", "msg"))), "")
    if said:
        message += f": {scrub(said)[:SHOWN_CHARACTERS]}"
    if kind is UnknownOutcome:
        message += LOOK_FIRST
    facts: dict[str, object] = {
        "kind": meaning.kind,
        "operation": asked.operation,
        "code": scrub(code)[:100],
        "status": answer.status,
        "request_id": scrub(reading.text(envelope.get("transactionId")))[:100],
    }
    if issubclass(kind, TemporaryError):
        facts["retry_after"] = retry_after(answer.headers)
    return kind(message, **facts)  # type: ignore[arg-type]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks us to wait; None when it does not say."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(min(int(value), LONGEST_WAIT))
    try:
        at = parsedate_to_datetime(value)
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - timezone.now().timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)
