"""One id in the log, from a marketplace's call at the door to the last answer, and no secret beside it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from pythonjsonlogger.json import JsonFormatter

from backoffice import correlation
from backoffice.correlation import Correlated
from tests.desk import Desk
from tests.orders import merchant, story

Line = dict[str, Any]


class Log:
    """What is logged, as LOG_FORMAT=json writes it."""

    def __init__(self) -> None:
        described = settings.LOGGING["formatters"]["json"]
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.addFilter(Correlated())
        self.handler.setFormatter(JsonFormatter(described["format"], rename_fields=described["rename_fields"]))

    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    def said_of(self, name: str) -> list[str]:
        return [line["message"] for line in self.lines() if line["correlation"] == name]


@pytest.fixture
def log() -> Iterator[Log]:
    found, root = Log(), logging.getLogger()
    level = root.level
    root.addHandler(found.handler)
    root.setLevel(logging.INFO)
    try:
        yield found
    finally:
        root.removeHandler(found.handler)
        root.setLevel(level)


def test_an_id_holds_for_its_block_and_can_be_narrowed() -> None:
    with correlation.about("delivery/1"):
        correlation.narrow("account/order")
        with correlation.about("inner"):
            assert correlation.current() == "inner"
        assert correlation.current() == "account/order"
    assert correlation.current() == ""


def test_a_sale_is_found_whole_by_one_id_from_the_door_to_the_confirmation(g2g: Desk, log: Log) -> None:
    shop = story.begin(g2g, codes=3)
    order_id = shop.buy(2)
    shop.until_asked()
    shop.until_delivered()

    said = log.said_of(correlation.of(g2g.account.pk, order_id))
    assert said[0] == "Event order.created came"
    steps = ["Event order.api_delivery came", "marketplaces.WebhookEvent", "Call G2G-12 of", "orders.Delivery"]
    steps += [f"Order {order_id}: {kind}" for kind in ("created", "requested", "submitted", "delivered")]
    assert [step for step in steps if not any(line.startswith(step) for line in said)] == []

    secrets = [*shop.received(order_id), *(value for value in g2g.account.credentials.values() if len(value) > 8)]
    assert len(secrets) >= 3
    assert [line for line in log.lines() if any(secret in json.dumps(line) for secret in secrets)] == []


def test_an_order_that_is_fetched_from_us_is_found_by_the_marketplaces_number(db: None, log: Log) -> None:
    shop = merchant.begin(codes=3).sign_in()
    shop.ordered(2)

    said = log.said_of(correlation.of(shop.account.pk, str(merchant.G2A_ORDER)))
    assert any(line.startswith("Question") and line.endswith("answered 200") for line in said)
    assert f"Order {merchant.G2A_ORDER}: created" in said
