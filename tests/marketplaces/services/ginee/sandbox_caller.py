"""Calls the make-believe Ginee as the contract says, without the product's own service."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marketplaces.sandbox_words import Clock, Request, Response, Seller
from marketplaces.services.ginee.sandbox import Sandbox

KEYS = {"access_key": "test-access", "secret_key": "test-secret"}
HOOK = "https://shop.test/hooks/7/EXAMPLE-TOKEN-0123456789abcdefghijklmnopqrst/"
SKU = "SKU-RED-M"
WAREHOUSE = "WW5FF02DDA52FAFF0001000020"

LIST = "/openapi/order/v2/list-order"
DETAILS = "/openapi/order/v1/batch-get"
SHOPS = "/openapi/shop/v1/list"
STOCK = "/openapi/warehouse-inventory/v1/product/stock/update"
WAREHOUSES = "/openapi/warehouse/v1/search"
STOCK_READ = "/openapi/product/variation/v1/inventory-brief-list"


class StillClock(Clock):
    """Time that passes only when it is advanced."""

    def wire_time(self) -> float:
        return 1_790_000_000.0 + self.skew


class Receiver:
    """A seller's address for notifications: it keeps what it gets, and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Mapping[str, str], bytes]] = []
        self.status = 200
        self.body = b'{"status": true}'
        self.content_type = "application/json"
        self.seconds = 0.0
        self.clock: Clock | None = None

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        self.got.append((url, headers, body))
        if self.clock:
            self.clock.advanced += self.seconds
        return Response(self.status, self.body, {"Content-Type": self.content_type})

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]

    @property
    def kinds(self) -> list[str]:
        return [f"{document['entity']} {document['action']}" for document in self.documents]


def new_market(receiver: Receiver | None = None, *, secrets: tuple[str, ...] = (), seed: int = 1) -> Sandbox:
    """A make-believe Ginee on its own, with the built-in seller and one address for notifications."""
    receiver = receiver or Receiver()
    receiver.clock = StillClock()
    seller = Seller(KEYS, HOOK, HOOK, secrets)
    return Sandbox(
        send=receiver,
        callbacks=lambda: [seller],
        requests_per_second=1000,
        seed=seed,
        clock=receiver.clock,
        idle=lambda: None,
    )


def signed_headers(path: str, method: str = "POST", secret: str = "test-secret") -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"{method}${path}$".encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return {"authorization": f"test-access:{signature}", "x-advai-country": "ID"}


def answer(sandbox: Sandbox, path: str, body: Any, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """Make one signed call and return the answer as it came."""
    return sandbox.answer(
        Request(
            method=more.get("method", "POST"),
            path=path,
            wire_path=path,
            query=more.get("query", {}),
            headers={"content-type": "application/json", **(signed_headers(path) if headers is None else headers)},
            body=json.dumps(body).encode(),
            remote="127.0.0.1",
        )
    )


def call(sandbox: Sandbox, path: str, body: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
    response = answer(sandbox, path, body, headers)
    assert response.status == 200
    return json.loads(response.body)


def data(sandbox: Sandbox, path: str, body: Any) -> Any:
    """Make a call that succeeds, and return its data."""
    envelope = call(sandbox, path, body)
    assert envelope["code"] == "SUCCESS", envelope
    return envelope["data"]


def code(sandbox: Sandbox, path: str, body: Any, headers: dict[str, str] | None = None) -> str:
    return call(sandbox, path, body, headers)["code"]


def control(sandbox: Sandbox, method: str, name: str, body: Any = None) -> dict[str, Any]:
    response = sandbox.answer(
        Request(
            method=method,
            path=f"/_sim/{name}",
            wire_path="",
            query={},
            headers={},
            body=json.dumps(body or {}).encode(),
            remote="127.0.0.1",
        )
    )
    return {"http_status": response.status, **json.loads(response.body)}


def utc(sandbox: Sandbox, days_ago: float = 0.0) -> str:
    moment = datetime.fromtimestamp(sandbox.clock.time() - days_ago * 86_400, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def window(sandbox: Sandbox, days_ago: float = 1.0, **more: Any) -> dict[str, Any]:
    """A body of GIN-C01 over the last days."""
    return {"size": 100, "lastUpdateSince": utc(sandbox, days_ago), "lastUpdateTo": utc(sandbox, -0.1), **more}
