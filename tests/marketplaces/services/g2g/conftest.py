"""A line to G2G without a database: to its sandbox, or to a peer that answers what a test wrote down."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from marketplaces import http, sandbox_wire
from marketplaces.services.g2g import service as g2g_service
from marketplaces.services.g2g.sandbox import Sandbox
from marketplaces.services.g2g.service import Service
from marketplaces.types import CallRecord, Connection, Urgency

BASE_URL = "http://g2g-line.test"
HOOK_URL = "https://www.your_webhook_url.com"
SAMPLES = Path(g2g_service.__file__).parent / "samples"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def connection(**changes: Any) -> Connection:
    """The published example account. `options` and `credentials` are added to its own."""
    options = {field.name: field.default for field in Service.options} | changes.pop("options", {})
    credentials = Service.sandbox_credentials | changes.pop("credentials", {})
    given: dict[str, Any] = {
        "account_id": "1",
        "name": "Main G2G",
        "base_url": BASE_URL,
        "hook_url": HOOK_URL,
        "webhook_secrets": list(Service.sandbox_webhook_secrets),
    }
    return Connection(**(given | changes), options=options, credentials=credentials)


class Opened(Service):
    """A service that keeps its own call log."""

    log: list[CallRecord]


def open_line(budget: Callable[[int, Urgency], float] = lambda count, urgency: 0.0, **changes: Any) -> Opened:
    account = connection(**changes)
    log: list[CallRecord] = []
    client = http.Client(
        base_url=account.base_url,
        budget=budget,
        record=log.append,
        secret_keys=Service.secret_keys,
        secrets=[*account.credentials.values(), *account.webhook_secrets],
        allow_local=True,
    )
    opened = Opened(account, client)
    opened.log = log
    return opened


class Peer(BaseAdapter):
    """Answers requests with what was queued, in order, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[requests.PreparedRequest] = []
        self.answers: deque[Any] = deque()

    def says(self, payload: Any = None, **more: Any) -> "Peer":
        """Queue a success, or with `status` and `code` a refusal."""
        status, headers = more.pop("status", 200), more.pop("headers", {})
        envelope = {"request_id": "r-1", "code": 20000001, "message": "", "warning": "", "payload": payload or {}}
        return self.says_raw(json.dumps(envelope | more).encode(), status, headers)

    def says_raw(self, body: bytes, status: int = 200, headers: Any = None) -> "Peer":
        self.answers.append((status, body, headers or {}))
        return self

    def breaks(self, error: Exception | None = None) -> "Peer":
        """Queue a connection that ends without an answer."""
        self.answers.append(error or requests.exceptions.ReadTimeout())
        return self

    def send(self, request: requests.PreparedRequest, **unused: Any) -> requests.Response:  # type: ignore[override]
        self.requests.append(request)
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, response._content = answer[0], answer[1]
        response.headers.update(answer[2])
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body) if request.body else None for request in self.requests]

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {(request.url or '').removeprefix(BASE_URL)}" for request in self.requests]


@pytest.fixture
def peer() -> Iterator[Peer]:
    adapter = Peer()
    http.mount(BASE_URL, adapter)
    yield adapter
    http.unmount(BASE_URL)


@pytest.fixture
def shop_floor() -> Iterator[Sandbox]:
    """The sandbox, with nobody who hears its webhooks."""
    sandbox = Sandbox(requests_per_second=10_000.0, seed=1)
    sandbox_wire.mount(sandbox, BASE_URL)
    yield sandbox
    http.unmount(BASE_URL)
