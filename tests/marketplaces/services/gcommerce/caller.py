"""Calls the make-believe G-Commerce as the contract says, without the product's own service."""

import base64
import json
from typing import Any

from marketplaces.sandbox_words import Request, Response
from marketplaces.services.gcommerce.sandbox import Sandbox

EMAIL, KEY = "vendor@example.com", "0123456789abcdefABCDEF0123456789"
JSON = "application/json"
PRODUCT = {
    "product": "Demo product",
    "product_code": "PRD_0001",
    "price": 125.55,
    "category_ids": [8219],
    "amount": 1000,
}


def new_market(limit: int = 100_000) -> Sandbox:
    """A make-believe G-Commerce on its own, where tests may call as often as they like."""
    market = Sandbox(seed=1)
    market.pause = lambda seconds: setattr(market.clock, "advanced", market.clock.advanced + seconds)
    market.switches.limit = limit
    return market


def basic(email: str = EMAIL, key: str = KEY) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{email}:{key}".encode()).decode()}


def send(
    market: Sandbox,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    remote: str = "127.0.0.1",
    **query: Any,
) -> Response:
    """Make one call; a body that is bytes goes as it is. A header that is "" is left out."""
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    usual = basic() | {"accept": JSON} | ({"content-type": JSON} if sent else {})
    return market.answer(
        Request(
            method=method,
            path=path,
            wire_path=path,
            query={name: str(value) for name, value in query.items()},
            headers={name: value for name, value in (usual | (headers or {})).items() if value},
            body=sent,
            remote=remote,
        )
    )


def call(market: Sandbox, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
    """Make one call and return the status and what the JSON says; None for an empty body."""
    response = send(market, method, path, body, **more)
    return response.status, json.loads(response.body) if response.body else None


def ok(market: Sandbox, method: str, path: str, body: Any = None, **more: Any) -> Any:
    """Make a call that succeeds, and return what it answers."""
    status, document = call(market, method, path, body, **more)
    assert status in (200, 201, 204), (status, document)
    return document


def status_of(market: Sandbox, method: str, path: str, body: Any = None, **more: Any) -> int:
    return send(market, method, path, body, **more).status


def control(market: Sandbox, method: str, name: str, body: Any = None, remote: str = "127.0.0.1") -> tuple[int, Any]:
    sent = json.dumps(body or {}).encode()
    response = market.answer(Request(method, f"/_sim/{name}", "", {}, {}, sent, remote))
    return response.status, json.loads(response.body)
