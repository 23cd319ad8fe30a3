"""The one place that speaks HTTP: timeouts, what a broken connection means, the call log, masking.

One method call is one request: nothing is repeated here, for only the caller knows whether it may be.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import requests
from django.utils import timezone
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.filepost import encode_multipart_formdata as encode_multipart

from backoffice.addresses import PublicAdapter, unsafe_address as unsafe_address
from marketplaces.exceptions import BudgetSpent, ConfigurationError, TemporaryError, UnknownOutcome
from marketplaces.masking import MASK, mask_json, scrub, secret_values
from marketplaces.types import Answer, CallRecord, FileToSend, Urgency

CONNECT_SECONDS = 5
READ_SECONDS = 30
LOGGED_CHARACTERS = 4000
LARGEST_ANSWER = 50 * 1024 * 1024  # bytes, unpacked
LONGEST_NUMBER = 30  # digits before or after the point
# Longest that a command which may wait (never a worker) waits for the budget in one go.
PATIENCE_SECONDS = 120
# Too many requests in a minute, and in an hour: the seconds to wait when the answer does not say.
SLOW_DOWN: Mapping[int, Callable[[float], float]] = {429: lambda now: 60.0, 509: lambda now: 3600 - now % 3600}
LONGEST_WAIT = 3600.0

# How the client calls a connection that was never made: nobody listens, or the host has no address.
NO_CONNECTION = ("NewConnectionError", "NameResolutionError")

_local = threading.local()
_mounted: dict[str, BaseAdapter] = {}


def mount(prefix: str, adapter: BaseAdapter) -> None:
    """Send requests below `prefix` through `adapter`: how a sandbox stands in for the network in tests."""
    _mounted[prefix] = adapter
    _local.__dict__.clear()


def unmount(prefix: str) -> None:
    _mounted.pop(prefix, None)
    _local.__dict__.clear()


def session(*, allow_local: bool) -> requests.Session:
    """Return this thread's session, which keeps connections open between calls.

    Without `allow_local` it reaches public addresses alone, whatever a name resolves to at that moment. It keeps no cookies
    and reads no .netrc: accounts share it, and nothing of one may reach another.
    """
    if getattr(_local, "pid", None) != os.getpid():  # a forked worker must not share its parent's sockets
        _local.pid, _local.sessions = os.getpid(), {}
    sessions: dict[bool, requests.Session] = _local.sessions
    if allow_local not in sessions:
        sessions[allow_local] = _new_session(HTTPAdapter if allow_local else PublicAdapter)
    return sessions[allow_local]


def _new_session(adapter_class: type[HTTPAdapter]) -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    made.mount("https://", adapter_class(pool_maxsize=4))
    for prefix, adapter in _mounted.items():
        made.mount(prefix, adapter)
    return made


class Budget(Protocol):
    def __call__(self, requests: int, urgency: Urgency) -> float:
        """Grant the requests and return 0, or grant nothing and return the seconds to wait."""


class Meter(Protocol):
    """Follows calls from their beginning to their end, where the marketplace counts those of the last minute."""

    def begin(self, lasts: float) -> bool:
        """Use one of the granted requests, for a call of at most `lasts` seconds; False when none is granted any more."""

    def end(self) -> None:
        """Note that the call is over, whatever came of it."""


class Client:
    """Makes an account's requests within its budget and keeps a masked record of each."""

    def __init__(
        self,
        *,
        base_url: str,
        budget: Budget,
        record: Callable[[CallRecord], None],
        secret_keys: Collection[str] = (),
        secrets: Collection[str] = (),
        allow_local: bool = False,
        is_patient: bool = False,
        meter: Meter | None = None,
        hold_off: Callable[[float], None] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._budget = budget
        self._record = record
        self._secret_keys = frozenset(key.lower() for key in secret_keys)
        self._secrets = set(secrets)
        self._allow_local = allow_local
        self._is_patient = is_patient
        self._meter = meter
        self._hold_off = hold_off
        self._granted = 0
        self.urgency = Urgency.CATALOGUE
        self.met_a_page = False  # the last answer was a web page, which no API of a marketplace gives

    def plan(self, count: int, urgency: Urgency) -> None:
        """Set aside `count` requests for the calls that follow. Raises BudgetSpent, with the wait in `retry_after`.

        A patient client, as a command uses it, waits instead; a worker never does.
        """
        self.urgency = urgency
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (missing := count - self._granted) > 0:
            wait = self._budget(missing, urgency)
            if not wait:
                self._granted = count
            elif self._is_patient and time.monotonic() + wait < deadline:
                time.sleep(wait)
            else:
                raise BudgetSpent("The account's budget of requests is spent for now", retry_after=wait, kind="budget")

    def hide(self, *secrets: str) -> None:
        """Keep these out of every record and text from now on, such as a token that was made up on the way."""
        self._secrets.update(secrets)

    def scrub(self, text: str) -> str:
        """Take everything secret that went out through this client out of `text`."""
        return scrub(text, self._secrets)

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        payload: Any = None,
        form: Mapping[str, str] | None = None,
        files: Sequence[FileToSend] = (),
        about: str = "",
        is_write: bool = False,
        is_answer_secret: bool = False,
        read_seconds: float = READ_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> Answer:
        """Make one request and return its answer, whatever its status.

        The body is one of: `payload` as JSON, `form` as a form, `files` as multipart parts, or empty. Of an answer that
        `is_answer_secret` a record keeps nothing but its length, whatever it turns out to hold.

        Raises TemporaryError when it certainly did not arrive, or is a read; UnknownOutcome when a write may have
        arrived; BudgetSpent; ConfigurationError when the address is not one we talk to.
        """
        url = f"{self.base_url}{path}" + (f"?{urlencode(params)}" if params else "")
        if reason := unsafe_address(url, allow_local=self._allow_local):
            raise ConfigurationError(f"The base URL is refused: {reason}", kind="configuration", operation=operation)
        self._use_granted(connect_seconds + read_seconds)
        self._secrets.update(secret_values(payload, self._secret_keys))
        self._secrets.update(secret_values(dict(form or {}), self._secret_keys))

        started_at, started, error, answer = timezone.now(), time.perf_counter(), "", None
        body, content_type = _body(payload, form, files)
        sent_headers = {"Accept": "application/json", **content_type, **(headers or {})}
        try:
            answer = _to_answer(
                session(allow_local=self._allow_local).request(
                    method,
                    url,
                    data=body,
                    headers=sent_headers,
                    timeout=(connect_seconds, read_seconds),
                    allow_redirects=False,
                    stream=True,
                )
            )
        except requests.RequestException as caught:
            error = type(caught).__name__
            raise self._broken(caught, operation, is_write) from caught
        finally:
            self.met_a_page = answer is not None and answer.json is None and _is_page(answer)
            self._ended(answer)
            self._record(
                CallRecord(
                    operation=operation,
                    about=about,
                    method=method,
                    url=self.scrub(url),
                    status=answer.status if answer else None,
                    request=self._shown(payload if form is None else dict(form)) or _shown_files(files),
                    response=_shown_length(answer) if is_answer_secret else self._shown_answer(answer),
                    error=error,
                    milliseconds=round((time.perf_counter() - started) * 1000),
                    started_at=started_at,
                )
            )
        return answer

    def hold_off(self, seconds: float) -> None:
        """Let all calls of the account wait so long, as the marketplace asked for by other means than the status 429."""
        if self._hold_off:
            self._hold_off(seconds)

    def _use_granted(self, lasts: float) -> None:
        if not self._granted:
            self.plan(1, self.urgency)
        # What was granted long ago is no longer ours, and the marketplace may have asked everybody to wait since.
        while self._meter and not self._meter.begin(lasts):
            self._granted = 0
            self.plan(1, self.urgency)
        self._granted -= 1

    def _ended(self, answer: Answer | None) -> None:
        if self._meter:
            self._meter.end()
        if answer is None or answer.status not in SLOW_DOWN:
            return
        wait = seconds_to_wait(answer.headers)
        if wait is None and self._meter:
            wait = SLOW_DOWN[answer.status](time.time())
        if wait is not None:
            self.hold_off(wait)

    def _broken(
        self, error: requests.RequestException, operation: str, is_write: bool
    ) -> TemporaryError | UnknownOutcome | ConfigurationError:
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
            return ConfigurationError("The base URL is not an address", kind="configuration", operation=operation)
        host = urlsplit(self.base_url).hostname
        if not is_write or _never_arrived(error):
            return TemporaryError(
                f"{host} could not be reached ({type(error).__name__})", kind="unavailable", operation=operation
            )
        return UnknownOutcome(
            f"{host} did not answer ({type(error).__name__}), so this may or may not have been done",
            kind="unavailable",
            operation=operation,
        )

    def _shown(self, payload: Any) -> str:
        if payload is None:
            return ""
        try:
            shown = _dumps(mask_json(payload, self._secret_keys))
        except RecursionError:
            return "(nested too deep to be shown)"
        return _storable(self.scrub(shown))[:LOGGED_CHARACTERS]

    def _shown_answer(self, answer: Answer | None) -> str:
        if answer is None:
            return ""
        if answer.json is not None:
            return self._shown(answer.json)
        # What is not JSON can't be masked by its keys, so only as much is kept as names the sender.
        return _storable(self.scrub(answer.body[:500].decode(errors="replace"))) if answer.body else ""


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer's Retry-After asks us to wait, at most an hour; None when it does not say."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return min(float(value), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at.timestamp() - time.time(), 0.0), LONGEST_WAIT)


def _body(
    payload: Any, form: Mapping[str, str] | None, files: Sequence[FileToSend]
) -> tuple[bytes | None, dict[str, str]]:
    """The body and the header that names its kind; nothing at all for a request without a body."""
    if files:
        parts = [(file.part, (file.name, file.content, file.mime_type)) for file in files]
        body, content_type = encode_multipart(parts)
        return body, {"Content-Type": content_type}
    if form is not None:
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if payload is not None:
        return _dumps(payload).encode(), {"Content-Type": "application/json"}
    return None, {}


def _is_page(answer: Answer) -> bool:
    begins = answer.body[:200].lstrip().lower()
    return "html" in answer.headers.get("content-type", "") or begins.startswith((b"<!doctype html", b"<html"))


def _shown_files(files: Sequence[FileToSend]) -> str:
    return ", ".join(f"{file.name} ({len(file.content):,} bytes)" for file in files)[:LOGGED_CHARACTERS]


def _shown_length(answer: Answer | None) -> str:
    return f"{MASK} ({len(answer.body):,} bytes)" if answer and answer.body else ""


def _dumps(payload: Any) -> str:
    return json.dumps(payload, ensure_ascii=False, default=as_number)


def as_number(value: Any) -> Any:
    """How an amount goes into a JSON body. Raises TypeError for what does not go into one."""
    # The json module writes floats by repr(), which for two to fifteen digits is the Decimal's own text.
    if isinstance(value, Decimal):
        if abs(value.adjusted()) > LONGEST_NUMBER:  # an amount by no means, and maybe gigabytes of digits
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} does not go into JSON")


def _storable(text: str) -> str:
    """Take out what no database stores, for a record that can't be written would hide what became of a request."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _never_arrived(error: requests.RequestException) -> bool:
    """True when no byte of the request can have reached the other side.

    Of errors in TLS only a refused certificate is one: others come in the middle of an answer, too.
    """
    if isinstance(error, requests.exceptions.SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in repr(error)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    said = repr(error)
    return isinstance(error, requests.exceptions.ConnectionError) and any(name in said for name in NO_CONNECTION)


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


class AnswerTooLarge(requests.RequestException):
    """The answer is larger than any that is meant for us."""


def _content(response: requests.Response) -> bytes:
    """Read the answer's body, piece by piece, so that one without an end can't take all memory."""
    if response.raw is None:  # an adapter that has no connection gives the body as it is
        return response.content
    chunks, size = [], 0
    with response:
        for chunk in response.iter_content(65536):
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise AnswerTooLarge(f"The answer has more than {LARGEST_ANSWER:,} bytes", response=response)
            chunks.append(chunk)
    return b"".join(chunks)


def _to_answer(response: requests.Response) -> Answer:
    body = _content(response)
    try:
        # Amounts are JSON numbers: parsed as Decimal from their text, they never become a binary float.
        parsed = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError):  # such as 1e9999999999999999999
        parsed = None
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status=response.status_code, headers=headers, body=body, json=parsed)
