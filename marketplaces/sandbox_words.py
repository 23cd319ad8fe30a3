"""The words that sandboxes share: clock, request, answer, refusal, seller, and a webhook on its way."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

Json = dict[str, Any]


class Clock:
    """Simulated time: real time plus what was advanced. It follows a test that moves time itself."""

    def __init__(self) -> None:
        self.advanced = 0.0
        self.skew = 0.0

    def time(self) -> float:
        """Seconds since 1970 by which timers run and objects are dated."""
        return self.wire_time() + self.advanced

    def wire_time(self) -> float:
        """Seconds since 1970 as others see our clock: advancing must not make what we sign look forged."""
        return time.time() + self.skew

    def ms(self) -> int:
        return int(self.time() * 1000)

    def wire_ms(self) -> int:
        return int(self.wire_time() * 1000)


@dataclass(frozen=True)
class Seller:
    """An account that the sandbox knows: its keys, and where its webhooks go (nowhere when `url` is empty)."""

    credentials: Mapping[str, str] = field(repr=False)
    url: str = ""
    signed_url: str = ""  # the registered text, over which signatures are made
    secrets: Sequence[str] = field(default=(), repr=False)


@dataclass
class Request:
    """A call to the sandbox."""

    method: str
    path: str  # below the sandbox's root
    wire_path: str  # as the client wrote it, from the host's root on
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in small letters
    body: bytes = field(repr=False)
    remote: str
    seller: Seller | None = None


@dataclass(frozen=True)
class Response:
    """An answer, ours or a receiver's."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
        body = json.dumps(document, ensure_ascii=False).encode()
        return cls(status, body, {"Content-Type": "application/json", **(headers or {})})


class Refusal(Exception):
    """The marketplace says no; `code` is its own word."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


# Makes one HTTP request and returns the answer; OSError (as of requests) when none came.
Sender = Callable[[str, str, Mapping[str, str], bytes], Response]


@dataclass
class Message:
    """A webhook on its way to one receiver."""

    id: str
    op: str
    kind: str
    about: str
    seller: Seller
    document: Json  # what is meant
    body: bytes  # what is sent
    modes: frozenset[str]
    happened_at: float
    attempts: list[Json] = field(default_factory=list)
    is_over: bool = False

    def shown(self) -> Json:
        return {
            "id": self.id,
            "op": self.op,
            "event_type": self.kind,
            "about": self.about,
            "url": self.seller.url,
            "modes": sorted(self.modes),
            "attempts": self.attempts,
            "is_over": self.is_over,
            "answered": any(attempt["status"] == HTTPStatus.OK for attempt in self.attempts),
        }


def operation(op: str, method: str, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a method as the answer to an operation.

    `{name}` in `path` becomes the argument `name`; `{name:a|b}` allows just these words.
    """

    def group(found: re.Match[str]) -> str:
        return f"(?P<{found[1]}>{found[2] or '[^/]+'})"

    def mark(handler: Callable[..., Any]) -> Callable[..., Any]:
        handler.route = (op, method, re.compile(re.sub(r"{(\w+)(?::([^}]+))?}", group, path)))  # type: ignore[attr-defined]
        return handler

    return mark


class Bucket:
    """A token bucket per key, by the simulated clock."""

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock, self.per_second, self._left = clock, per_second, dict[str, tuple[float, float]]()

    def take(self, key: str) -> float:
        """Take a token and return 0.0, or return the seconds until the next one."""
        now, most = self._clock.time(), max(5.0, self.per_second)
        left, since = self._left.get(key, (most, now))
        left = min(most, left + max(0.0, now - since) * self.per_second)
        self._left[key] = (left - 1 if left >= 1 else left, now)
        return 0.0 if left >= 1 else (1 - left) / self.per_second


def to_request(environ: Json) -> Request:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    path = environ.get("PATH_INFO", "")
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    if environ.get("CONTENT_LENGTH"):
        headers["content-length"] = environ["CONTENT_LENGTH"]
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path,
        wire_path=quote(environ.get("SCRIPT_NAME", "") + path),
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
        headers=headers,
        body=environ["wsgi.input"].read(length) if length else b"",
        remote=environ.get("REMOTE_ADDR", ""),
    )
