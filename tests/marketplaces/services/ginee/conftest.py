"""A line to Ginee without a database: to a peer that answers what a test wrote down. And a shop that remembers."""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from marketplaces import http
from marketplaces.services.ginee import service as ginee_service
from marketplaces.services.ginee.service import Service
from marketplaces.types import CallRecord, Connection, RemoteOrder, RemoteShipment

BASE_URL = "http://ginee-line.test"
TOKEN = "EXAMPLE-TOKEN-0123456789abcdefghijklmnopqrst"
HOOK_URL = f"https://shop.test/hooks/7/{TOKEN}/"
SAMPLES = Path(ginee_service.__file__).parent / "samples"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def connection(**changes: Any) -> Connection:
    """The account of the contract's vectors. `options` and `credentials` are added to its own."""
    options = {field.name: field.default for field in Service.options} | changes.pop("options", {})
    credentials = {**Service.sandbox_credentials, "path_token": TOKEN} | changes.pop("credentials", {})
    given: dict[str, Any] = {
        "account_id": "7",
        "name": "Main Ginee",
        "base_url": BASE_URL,
        "hook_url": HOOK_URL,
        "webhook_secrets": [],
    }
    return Connection(**(given | changes), options=options, credentials=credentials)


class Opened(Service):
    """A service that keeps its own call log."""

    log: list[CallRecord]


def open_line(**changes: Any) -> Opened:
    account = connection(**changes)
    log: list[CallRecord] = []
    client = http.Client(
        base_url=account.base_url,
        budget=lambda count, urgency: 0.0,
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

    def says(self, data: Any = None, **more: Any) -> "Peer":
        """Queue a success, or with `status` and `code` a refusal."""
        status, headers = more.pop("status", 200), more.pop("headers", {})
        envelope = {"code": "SUCCESS", "message": "OK", "extra": None, "transactionId": "t-1", "data": data}
        return self.says_raw(json.dumps(envelope | more).encode(), status, headers)

    def says_raw(self, body: bytes, status: int = 200, headers: Any = None) -> "Peer":
        self.answers.append((status, body, headers or {}))
        return self

    def breaks(self) -> "Peer":
        """Queue a connection that ends without an answer."""
        self.answers.append(requests.exceptions.ReadTimeout())
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
        return [json.loads(request.body or b"null") for request in self.requests]

    @property
    def asked(self) -> list[str]:
        return [(request.url or "").removeprefix(BASE_URL) for request in self.requests]


@pytest.fixture
def peer() -> Iterator[Peer]:
    other = Peer()
    http.mount(BASE_URL, other)
    yield other
    http.unmount(BASE_URL)


@dataclass
class RememberingShop:
    """Keeps what it is told, in order: the verb, what was said, and the event's id where there is one."""

    account: Any = None
    told: list[tuple[str, Any, str]] = field(default_factory=list)

    def order_changed(self, hint: RemoteOrder) -> None:
        self.told.append(("order_changed", hint, ""))

    def order_told(self, remote: RemoteOrder) -> None:
        self.told.append(("order_told", remote, ""))

    def order_deleted(self, hint: RemoteOrder, event_id: str) -> None:
        self.told.append(("order_deleted", hint, event_id))

    def shipment_changed(self, remote: RemoteShipment, event_id: str) -> None:
        self.told.append(("shipment_changed", remote, event_id))
