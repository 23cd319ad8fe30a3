"""A line to G-Commerce without a database: its service and the sandbox that answers it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketplaces import http, sandbox_wire
from marketplaces.sandbox_faults import Fault
from marketplaces.services.gcommerce import service as gcommerce_service
from marketplaces.services.gcommerce.sandbox import Sandbox
from marketplaces.services.gcommerce.service import Service
from marketplaces.types import CallRecord, Connection, OfferContent, Urgency

BASE_URL = "http://gcommerce-line.test/api"
SAMPLES = Path(gcommerce_service.__file__).parent / "samples"

CONTENT = OfferContent(
    external_product_id="OUR-1",
    price=Decimal("125.55"),
    currency="USD",
    quantity=40,
    title="Desk lamp",
    description="<p>A lamp</p>",
    attributes={"category_ids": ["8200"], "upc": "012345678905", "weight": "1.250"},
)


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text(), parse_float=Decimal)


def content(**changes: Any) -> OfferContent:
    return replace(CONTENT, **changes)


def connection(**changes: Any) -> Connection:
    """The published example account. `options` and `credentials` are added to its own."""
    options = {field.name: field.default for field in Service.options} | changes.pop("options", {})
    credentials = Service.sandbox_credentials | changes.pop("credentials", {})
    given: dict[str, Any] = {
        "account_id": "1", "name": "Main G-Commerce", "base_url": BASE_URL, "hook_url": "", "webhook_secrets": [],
    }  # fmt: skip
    return Connection(**(given | changes), options=options, credentials=credentials)


class Opened(Service):
    """A service that keeps its own call log."""

    log: list[CallRecord]


def open_line(
    budget: Callable[[int, Urgency], float] = lambda count, urgency: 0.0, *, allow_local: bool = True, **changes: Any
) -> Opened:
    account = connection(**changes)
    log: list[CallRecord] = []
    client = http.Client(
        base_url=account.base_url,
        budget=budget,
        record=log.append,
        secret_keys=Service.secret_keys,
        secrets=list(account.credentials.values()),
        allow_local=allow_local,
    )
    opened = Opened(account, client)
    opened.log = log
    return opened


class Market(Sandbox):
    """The sandbox, with what tests ask of it."""

    def fault(self, op: str, mode: str, **details: Any) -> None:
        """Order a trouble, once unless `times` says otherwise."""
        self.faults.add(Fault(op, mode, **details))

    @property
    def asked(self) -> list[str]:
        """What came in, as METHOD /path."""
        return [f"{call['method']} {call['path']}" for call in self.calls]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(call["body"]) if call["body"] else None for call in self.calls]

    @property
    def queries(self) -> list[dict[str, str]]:
        return [call["query"] for call in self.calls]


@pytest.fixture
def market() -> Iterator[Market]:
    made = Market(seed=1, requests_per_second=10_000.0)
    made.pause = lambda seconds: setattr(made.clock, "advanced", made.clock.advanced + seconds)
    sandbox_wire.mount(made, BASE_URL)
    yield made
    http.unmount(BASE_URL)
