"""How the make-believe G2A calls its merchants: with a token that they issued, for at most nine seconds, and again when
no answer came. Every call is kept, without tokens, secrets and codes.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from marketplaces.sandbox_words import Json, Response, Seller
from marketplaces.services.g2a import sandbox_shapes as shapes

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

KEPT_CALLS = 10_000
PAUSE_SECONDS = 1.0
# What may be ordered to happen to a call on its way: it is made twice, it never arrives, its answer never arrives.
CALL_MODES = frozenset({"duplicate", "drop", "lost_answer"})
NO_ANSWER = 0


@dataclass(frozen=True)
class Answer:
    """A merchant's answer; status 0 when none came in time."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    seconds: float = 0.0
    error: str = ""

    @property
    def document(self) -> Any:
        return shapes.parsed(self.body)


@dataclass(frozen=True)
class MerchantToken:
    text: str = field(repr=False)
    ends_at: float


class Caller:
    """Makes calls to merchants. It never holds the sandbox's lock while it waits for an answer."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._tokens: dict[str, MerchantToken] = {}
        self.calls: deque[Json] = deque(maxlen=KEPT_CALLS)

    # --- tokens ----------------------------------------------------------------------------------------------

    def fetch_token(self, seller: Seller, *, by_post: bool = False, **changes: str) -> Answer:
        """Ask for a token (G2A-IN-01) and remember it for its life. `changes` replaces parts of what is sent."""
        form = {
            "grant_type": "client_credentials",
            "client_id": seller.credentials.get("merchant_client_id", ""),
            "client_secret": seller.credentials.get("merchant_client_secret", ""),
            **changes,
        }
        if by_post:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._send(seller, "G2A-IN-01", "POST", "/oauth/token", headers, urlencode(form).encode())
        else:
            answer = self._send(seller, "G2A-IN-01", "GET", f"/oauth/token?{urlencode(form)}", {}, b"")
        if answer.status == 200 and not changes and not shapes.token(answer.document):
            ends_at = self._sandbox.clock.time() + answer.document["expires_in"]
            self._tokens[seller.url] = MerchantToken(answer.document["access_token"], ends_at)
        return answer

    def token(self, seller: Seller) -> str:
        """A token that is still alive, or an empty text when the merchant gives none."""
        known = self._tokens.get(seller.url)
        if known is None or known.ends_at <= self._sandbox.clock.time():
            self.fetch_token(seller)
            known = self._tokens.get(seller.url)
        return known.text if known else ""

    # --- calls -----------------------------------------------------------------------------------------------

    def call(
        self, seller: Seller, op: str, method: str, path: str, body: Any = None, *, bearer: str | None = None
    ) -> Answer:
        """Make one call, with retries after silence and one new token after a 401.

        `bearer` replaces the token, and then nothing is renewed; an empty one sends none.
        """
        answer = self._persist(seller, op, method, path, body, self.token(seller) if bearer is None else bearer)
        if answer.status == 401 and bearer is None:
            self._tokens.pop(seller.url, None)
            answer = self._persist(seller, op, method, path, body, self.token(seller))
        return answer

    def _persist(self, seller: Seller, op: str, method: str, path: str, body: Any, token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent = b""
        if body is not None:
            headers["Content-Type"] = "application/json"
            sent = json.dumps(body).encode()
        tries = 1 + self._sandbox.options["merchant_retries"]
        for attempt in range(tries):
            answer = self._send(seller, op, method, path, headers, sent)
            if answer.status != NO_ANSWER and answer.status < 500:
                break
            if attempt + 1 < tries:
                self._sandbox.pause(PAUSE_SECONDS)
        return answer

    def _send(self, seller: Seller, op: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        with self._sandbox.lock:
            modes = {fault.mode for fault in self._sandbox.faults.take_all(op, CALL_MODES)}
        if "drop" in modes:
            return self._kept(op, method, path, Answer(NO_ANSWER, error="lost on the way"))
        answer = self._kept(op, method, path, self._exchange(seller, method, path, headers, body))
        if "duplicate" in modes:
            self._kept(op, method, path, self._exchange(seller, method, path, headers, body))
        return Answer(NO_ANSWER, error="the answer was lost") if "lost_answer" in modes else answer

    def _exchange(self, seller: Seller, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request and its answer. One that comes after the deadline is none: G2A has hung up."""
        begun = self._sandbox.clock.time()
        url = f"{seller.url.rstrip('/')}{path}"
        try:
            got: Response = self._sandbox.send(method, url, {"User-Agent": "G2A-Sandbox", **headers}, body)
        except OSError as error:
            return Answer(NO_ANSWER, seconds=self._sandbox.clock.time() - begun, error=type(error).__name__)
        seconds = self._sandbox.clock.time() - begun
        if seconds > self._sandbox.options["deadline_seconds"]:
            return Answer(NO_ANSWER, seconds=seconds, error=f"answered {got.status} after {seconds:.1f} s")
        return Answer(got.status, got.headers, got.body, seconds)

    def _kept(self, op: str, method: str, path: str, answer: Answer) -> Answer:
        entry = {
            "op": op,
            "method": method,
            "path": path.split("?")[0],
            "status": answer.status,
            "seconds": round(answer.seconds, 3),
            "error": answer.error,
            "at": self._sandbox.clock.ms(),
        }
        with self._sandbox.lock:
            self.calls.append(entry)
        return answer
