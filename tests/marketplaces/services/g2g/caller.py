"""Calls the make-believe G2G as the contract says, without the product's own service."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from marketplaces.sandbox_words import Request, Response, Seller
from marketplaces.services.g2g.sandbox import BUILT_IN, Sandbox
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD, RAGNAROK_CREDIT

KEY = "b5769724c1cb1d52c58717d3d12ae2fe"
SECRET = "dJirm8nG5AqQWoh7J5EHw3373Dk95zjRHaQ3gnv99kw"
USER = "100000"
METHOD = "0b5e0f6e-8a37-4c0e-9f37-0d6a1c1f0001"
CARD = {
    "product_id": ITUNES_CARD,
    "offer_attributes": [{"attribute_group_id": "1f00aa01", "attribute_id": "1f00aa02"}],
    "currency": "USD",
    "unit_price": 9.99,
    "min_qty": 1,
    "api_qty": 10,
    "low_stock_alert_qty": 2,
}
TOP_UP = CARD | {"product_id": RAGNAROK_CREDIT, "delivery_method_ids": [METHOD]}


class Receiver:
    """A seller's webhook address: it keeps what it gets and answers `status`."""

    def __init__(self) -> None:
        self.got: list[tuple[Mapping[str, str], bytes]] = []
        self.status = 200

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        self.got.append((headers, body))
        return Response(self.status, b"{}")


def new_market(receiver: Receiver | None = None) -> Sandbox:
    """A make-believe G2G on its own, with the built-in seller and one address for webhooks."""
    url = "https://www.your_webhook_url.com"
    seller = Seller(BUILT_IN.credentials, url, url, ["gBW1wXgBNnA"])
    return Sandbox(send=receiver or Receiver(), callbacks=lambda: [seller], requests_per_second=1000, seed=1)


def signed_headers(path: str, *, at: float | None = None, key: str = KEY, user: str = USER) -> dict[str, str]:
    timestamp = str(int((time.time() if at is None else at) * 1000))
    signature = hmac.new(SECRET.encode(), f"{path}{key}{user}{timestamp}".encode(), hashlib.sha256).hexdigest()
    return {"g2g-api-key": key, "g2g-userid": user, "g2g-timestamp": timestamp, "g2g-signature": signature}


def call(
    sandbox: Sandbox,
    method: str,
    path: str,
    body: Any = None,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Make one signed call and return the status and the envelope."""
    sent = b"" if body is None else json.dumps(body).encode()
    response = sandbox.answer(
        Request(
            method=method,
            path=path,
            wire_path=path,
            query=query or {},
            headers={"content-type": "application/json", **(headers or signed_headers(path))},
            body=sent,
            remote="127.0.0.1",
        )
    )
    return response.status, json.loads(response.body)


def payload(sandbox: Sandbox, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """Make a call that succeeds, and return what it answers."""
    status, envelope = call(sandbox, method, path, body, **more)
    assert (status, envelope["code"]) == (200, 20000001), envelope
    return envelope["payload"]


def code_of(sandbox: Sandbox, method: str, path: str, body: Any = None, **more: Any) -> int:
    """Make a call that fails, and return G2G's code."""
    status, envelope = call(sandbox, method, path, body, **more)
    assert envelope["payload"] == {}
    assert str(envelope["code"]).startswith(str(status))
    return envelope["code"]


def control(sandbox: Sandbox, method: str, name: str, body: Any = None, remote: str = "127.0.0.1") -> dict[str, Any]:
    response = sandbox.answer(
        Request(
            method=method,
            path=f"/_sim/{name}",
            wire_path="",
            query={},
            headers={},
            body=json.dumps(body or {}).encode(),
            remote=remote,
        )
    )
    return {"status": response.status, **json.loads(response.body)}


def codes(delivery_id: str, *contents: str) -> dict[str, Any]:
    """The body of G2G-12."""
    sent = [{"content": text, "content_type": "text/plain", "reference_id": f"ref-{text}"} for text in contents]
    return {"delivery_id": delivery_id, "codes": sent}
