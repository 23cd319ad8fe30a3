"""One request as a server hands it on, and what became of it."""

import io
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote_to_bytes

from django.core.handlers.wsgi import WSGIHandler


@dataclass(frozen=True)
class Knock:
    """A request: `path` as it stands on the wire, header names in any spelling, `length` what it says of its body."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    query: str = ""
    address: str = "203.0.113.1"
    length: str | None = None  # None: the right one; "": none at all
    what: str = ""  # which mutation made it, for the report

    def but(self, what: str, **changes: Any) -> "Knock":
        return replace(self, what=what, **changes)

    def environ(self) -> dict[str, Any]:
        made: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(self.path).decode("latin-1"),
            "QUERY_STRING": self.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.address,
            "HTTP_HOST": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        length = str(len(self.body)) if self.length is None else self.length
        if length:
            made["CONTENT_LENGTH"] = length
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            made[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        return made


@dataclass(frozen=True)
class Outcome:
    status: int
    body: bytes
    seconds: float  # of this process's own work


def knock_fairly(handler: WSGIHandler, at: Knock, limit: float) -> Outcome:
    """As knock(), but what took longer than `limit` is sent again: only what its content makes dear is dear each time."""
    outcome = knock(handler, at)
    for _ in range(2):
        if outcome.seconds <= limit:
            break
        again = knock(handler, at)
        outcome = replace(outcome, seconds=min(outcome.seconds, again.seconds))
    return outcome


def knock(handler: WSGIHandler, at: Knock) -> Outcome:
    """Hand one request to the product, as a WSGI server does, and measure the processor time that it takes."""
    said: list[str] = []
    environ = at.environ()
    began = time.process_time()
    answer = handler(environ, lambda status, headers, error=None: said.append(status))
    body = b"".join(answer)
    seconds = time.process_time() - began
    if hasattr(answer, "close"):
        answer.close()
    return Outcome(int(said[0].split()[0]), body, seconds)
