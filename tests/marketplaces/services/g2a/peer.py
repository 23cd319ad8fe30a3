"""The other end of the wire: answers G2A's paths as it is told, and keeps what it was asked."""

import io
import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from marketplaces import http
from marketplaces.http import Client
from marketplaces.services import g2a
from marketplaces.services.g2a.service import Service
from marketplaces.types import Connection, OfferContent

ROOT = "http://g2a.test"
SAMPLES = Path(g2a.__file__).parent / "samples"
TOKEN = "3f1c0d52-7a43-4a7e-9c1e-1d7f1f0c9a11"
OFFERS = {"contract": "/integration-api/v1/offers", "live": "/v3/sales/offers"}
TOKEN_PATHS = {"contract": ("GET", "/integration-api/v1/token"), "live": ("POST", "/oauth/token")}


def sample(name):
    return json.loads((SAMPLES / f"{name}.json").read_text())


@dataclass
class Seen:
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict = field(default_factory=dict)


class Peer(BaseAdapter):
    """`on` says what a path answers: each answer once, the last one for ever. An exception breaks the line."""

    def __init__(self):
        super().__init__()
        self.seen, self.records, self.timeouts = [], [], []
        self._answers = defaultdict(list)
        for method, path in TOKEN_PATHS.values():
            self.on(method, path, Answer(200, sample("get_token")))

    def on(self, method, path, *answers):
        self._answers[method, path] = list(answers)
        return self

    def asked(self, path=""):
        """What was asked but for tokens, or of one path."""
        tokens = {token_path for _, token_path in TOKEN_PATHS.values()}
        return [seen for seen in self.seen if (seen.path == path if path else seen.path not in tokens)]

    def send(self, request, timeout=None, **unused):
        parts = urlsplit(request.url)
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        self.seen.append(Seen(request.method, parts.path, parse_qs(parts.query), dict(request.headers), body))
        self.timeouts.append(timeout[1])
        answers = self._answers[request.method, parts.path]
        answer = (answers.pop(0) if len(answers) > 1 else answers[0]) if answers else Answer(404, {"code": "NOWHERE"})
        if isinstance(answer, Exception):
            raise answer
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        raw = HTTPResponse(io.BytesIO(content), headers=answer.headers, status=answer.status, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self):
        pass


@contextmanager
def mounted(prefix=ROOT):
    made = Peer()
    http.mount(prefix, made)
    try:
        yield made
    finally:
        http.unmount(prefix)


def line_to(peer, *, base_url=ROOT, credentials=None, **options):
    """A service whose requests end at the peer."""
    connection = Connection(
        account_id="8b0f2f7e-0000-4000-8000-000000000001",
        name="Main G2A",
        base_url=base_url,
        hook_url="http://127.0.0.1:8000/hooks/x/",
        credentials=dict(Service.sandbox_credentials) if credentials is None else credentials,
        options={field.name: field.default for field in Service.options} | options,
        webhook_secrets=(),
    )
    client = Client(
        base_url=base_url,
        budget=lambda requests, urgency: 0.0,
        record=peer.records.append,
        secret_keys=Service.secret_keys,
        secrets=list(connection.credentials.values()),
        allow_local=True,
    )
    return Service(connection, client)


def offer_content(**fields):
    values = {
        "external_product_id": "10000068865001",
        "price": "5.98",
        "currency": "EUR",
        "quantity": 25,
        "offer_type": "dropshipping",
        "visibility": "all",
        **fields,
    }
    return OfferContent(**{**values, "price": Decimal(values["price"])})


def timed_out():
    return requests.exceptions.ReadTimeout("no answer")


def path_of(service):
    """Where this service's offers are."""
    return OFFERS[service.connection.options["dialect"]]
