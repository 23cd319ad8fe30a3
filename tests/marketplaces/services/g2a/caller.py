"""Calls the make-believe G2A as the contract says, without the product's own service."""

import hashlib
import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from marketplaces.sandbox_words import Request, Response
from marketplaces.services.g2a.sandbox import Sandbox

HASH = "qdaiciDiyMaTjxMt"
KEY = "74026b3dc2c6db6a30a73e71cdb138b1e1b5eb7a97ced46689e2d28db1050875"
SECRET = "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207"
SIMPLE = {"authorization": f"{HASH}, {KEY}"}
IMPORT, LIVE = "/integration-api/v1", "/v3/sales"
PRODUCT, OTHER = "10000068865001", "10000027819004"
FLAT = {
    "offerType": "dropshipping",
    "productId": PRODUCT,
    "price": 5.98,
    "visibility": "all",
    "inventory": {"size": 25},
}
VARIANT = {
    "productId": PRODUCT,
    "price": {"retail": "5.98", "business": "5.80"},
    "active": True,
    "inventory": {"size": 25},
    "visibility": "all",
}


def hash_headers(*, at: float | None = None, account: str = HASH, key: str = KEY) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    digest = hashlib.sha256(f"{account}{key}{timestamp}".encode()).hexdigest()
    return {"x-api-hash": account, "x-api-key": key, "x-g2a-timestamp": timestamp, "x-g2a-hash": digest}


def bearer(sandbox: Sandbox) -> dict[str, str]:
    token = ok(sandbox, "GET", f"{IMPORT}/token", headers=hash_headers())["access_token"]
    return {"authorization": f"Bearer {token}"}


def send(
    sandbox: Sandbox, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
) -> Response:
    """Make one call; where no headers are given, with a fresh token or the hash headers, as the address asks."""
    if headers is None:
        is_export = path.startswith(("/v1/", f"{IMPORT}/products", f"{IMPORT}/order"))
        headers = hash_headers() if is_export else bearer(sandbox)
    sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    parts = urlsplit(path)
    request = Request(
        method=method,
        path=parts.path,
        wire_path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers={"content-type": "application/json", "content-length": str(len(sent)), **headers},
        body=sent,
        remote="127.0.0.1",
    )
    return sandbox.answer(request)


def call(sandbox: Sandbox, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
    answer = send(sandbox, method, path, body, **more)
    return answer.status, json.loads(answer.body) if answer.body else None


def ok(sandbox: Sandbox, method: str, path: str, body: Any = None, **more: Any) -> Any:
    """Make a call that succeeds, and return what it answers."""
    status, document = call(sandbox, method, path, body, **more)
    assert status < 300, document
    return document


def code_of(sandbox: Sandbox, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
    """Make a call that fails, and return its status and G2A's code."""
    status, document = call(sandbox, method, path, body, **more)
    assert document["status"] == "ERROR"
    assert document["message"]
    return status, document["code"]


def control(sandbox: Sandbox, method: str, name: str, body: Any = None) -> Any:
    return call(sandbox, method, f"/_sim/{name}", body or {}, headers={})[1]


def finished(sandbox: Sandbox, job_id: str) -> Any:
    """Follow a job to its end."""
    for _ in range(5):
        job = ok(sandbox, "GET", f"{IMPORT}/jobs/{job_id}")
        if job["status"] not in ("pending", "processing"):
            return job
    raise AssertionError("the job does not end")


def offer(sandbox: Sandbox, **changes: Any) -> str:
    """Create an offer, and return its id."""
    return finished(sandbox, ok(sandbox, "POST", f"{IMPORT}/offers", {**FLAT, **changes})["jobId"])["resourceId"]
