"""What each status means, and how long to wait (section 5)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from marketplaces.exceptions import (
    ConfigurationError,
    MarketplaceError,
    NotFound,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.services.gcommerce import errors
from marketplaces.services.gcommerce.service import Service
from marketplaces.types import Answer, ShipmentState
from tests.marketplaces.services.gcommerce.conftest import Market, content, open_line

NOON = datetime(2026, 3, 1, 12, 20, tzinfo=UTC)


def read(line: Service) -> Any:
    return line.get_offer("123456")


def put(line: Service) -> Any:
    return line.update_offer("123456", content(), frozenset({"title"}))


def post(line: Service) -> Any:
    return line.create_offer(content())


def raised(line: Service, call: Callable[[Service], Any]) -> MarketplaceError:
    with pytest.raises(MarketplaceError) as caught:
        call(line)
    return caught.value


TEMPORARY, LOOK, NEVER = TemporaryError, UnknownOutcome, PermanentError


@pytest.mark.parametrize(
    ("status", "kind", "after_read", "after_put", "after_post"),
    [
        (400, "invalid", NEVER, NEVER, NEVER),
        (401, "authentication", ConfigurationError, ConfigurationError, ConfigurationError),
        (403, "permission", ConfigurationError, ConfigurationError, ConfigurationError),
        (404, "not_found", NotFound, NotFound, NotFound),
        (405, "invalid", NEVER, NEVER, NEVER),
        (406, "invalid", NEVER, NEVER, NEVER),
        (409, "conflict", NEVER, LOOK, LOOK),
        (413, "invalid", NEVER, NEVER, NEVER),
        (415, "invalid", NEVER, NEVER, NEVER),
        (418, "unknown", NEVER, NEVER, NEVER),
        (429, "rate_limited", TEMPORARY, TEMPORARY, TEMPORARY),
        (500, "unavailable", TEMPORARY, TEMPORARY, LOOK),
        (501, "invalid", NEVER, NEVER, NEVER),
        (502, "unavailable", TEMPORARY, TEMPORARY, LOOK),
        (503, "unavailable", TEMPORARY, TEMPORARY, TEMPORARY),
        (504, "unavailable", TEMPORARY, TEMPORARY, LOOK),
        (507, "unavailable", TEMPORARY, TEMPORARY, LOOK),
        (509, "rate_limited", TEMPORARY, TEMPORARY, TEMPORARY),
        (599, "unavailable", TEMPORARY, TEMPORARY, LOOK),
    ],
)
@pytest.mark.parametrize("mode", ["http_error", "html_error"])
def test_each_status_has_one_meaning_whatever_its_body_is(
    market: Market, mode: str, status: int, kind: str, after_read: type, after_put: type, after_post: type
) -> None:
    """GCO-T09"""
    line = open_line()
    for op, call, expected in (("GCO-05", read, after_read), ("GCO-06", put, after_put), ("GCO-04", post, after_post)):
        market.fault(op, mode, status=status)
        error = raised(line, call)
        assert (type(error), error.kind, error.status, error.operation) == (expected, kind, status, op)
    assert len(market.calls) == 3


@pytest.mark.parametrize(
    ("status", "header", "least", "most"),
    [
        (429, "", 60, 65), (429, "17", 17, 17), (429, "Sun, 01 Mar 2026 12:20:30 GMT", 30, 30), (429, "soon", 60, 65),
        (429, "-5", 60, 65), (429, "999999", 3600, 3600), (503, "", 300, 300), (503, "40", 40, 40), (507, "", 900, 900),
        (509, "", 2400, 2400), (509, "10", 10, 10),
    ],
)  # fmt: skip
def test_how_long_to_wait_is_told_or_known(status: int, header: str, least: float, most: float) -> None:
    """GCO-T08 and GCO-T07, the wait itself: 509 until the next full hour, 429 a minute and a little, or what it says."""
    with time_machine.travel(NOON, tick=False):
        wait = errors.retry_after(Answer(status, {"retry-after": header} if header else {}, b""))
    assert wait is not None
    assert least <= wait <= most


def test_a_status_without_a_wait_of_its_own_leaves_it_to_the_row() -> None:
    assert errors.retry_after(Answer(500, {}, b"")) is None


@pytest.mark.parametrize("is_html", [False, True])
@pytest.mark.parametrize("names_it", [False, True])
def test_the_limit_is_told_with_its_wait(market: Market, is_html: bool, names_it: bool) -> None:
    """GCO-T07, one call's part: JSON or HTML, with and without Retry-After."""
    market.switches.change(limit=1, window_seconds=20.0, limit_html=is_html, retry_after=names_it)
    line = open_line()
    line.get_offer("123456")
    error = raised(line, read)
    assert isinstance(error, TemporaryError)
    assert error.kind == "rate_limited"
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 20 if names_it else 60 <= error.retry_after <= 65


def test_the_limit_of_an_hour_ends_with_the_hour(market: Market) -> None:
    """GCO-T08"""
    market.switches.change(hourly_limit=1)
    line = open_line()
    line.get_offer("123456")
    error = raised(line, read)
    assert isinstance(error, TemporaryError)
    assert (error.status, error.kind) == (509, "rate_limited")
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 3600


@pytest.mark.parametrize("mode", ["empty_body", "malformed_json"])
def test_an_empty_answer_is_never_no_data(market: Market, mode: str) -> None:
    """GCO-T10"""
    line = open_line()
    for op, call, expected in (
        ("GCO-05", read, TemporaryError),
        ("GCO-03", lambda line: list(line.fetch_offers()), TemporaryError),
        ("GCO-10", lambda line: list(line.search_orders({})), TemporaryError),
        ("GCO-04", post, UnknownOutcome),
        ("GCO-06", put, UnknownOutcome),
        ("GCO-09", lambda line: line.feed_offers([content()]), UnknownOutcome),
    ):
        market.fault(op, mode)
        error = raised(line, call)
        assert (type(error), error.kind) == (expected, "unknown")


def test_a_page_in_place_of_json_is_a_marketplace_out_of_reach(market: Market) -> None:
    line = open_line()
    for op, call, expected in (("GCO-05", read, TEMPORARY), ("GCO-06", put, TEMPORARY), ("GCO-04", post, LOOK)):
        market.fault(op, "html_body")
        error = raised(line, call)
        assert (type(error), error.kind) == (expected, "unavailable")
        assert "<" not in str(error)
        assert "try again later" in str(error)
    market.fault("GCO-07", "html_body")
    with pytest.raises(TemporaryError):
        line.delete_offer("123456")


@pytest.mark.parametrize("mode", ["drop_after_commit", "drop_before_commit", "timeout"])
def test_a_lost_answer_of_a_write_is_looked_up(market: Market, mode: str) -> None:
    """GCO-T09: time-outs and cut connections."""
    line = open_line()
    shipment = next(str(each.id) for each in market.shipments.all.values() if each.status == "P")
    market.fault("GCO-05", mode)
    assert type(raised(line, read)) is TemporaryError
    for op, call in (
        ("GCO-04", post),
        ("GCO-06", put),
        ("GCO-07", lambda line: line.delete_offer("123456")),
        ("GCO-18", lambda line: line.update_shipment(shipment, ShipmentState.SHIPPED)),
    ):
        market.fault(op, mode)
        assert type(raised(line, call)) is UnknownOutcome


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"message": "Bad Request: The price field is required", "messages": ["The price field is required"]},
            "price field",
        ),
        ({"message": "Bad Request: ", "status": 400}, ": Bad Request (GCO-04"),
        ({"errors": {"a": "Wrong a", "b": ["deeper"]}}, ": Wrong a (GCO-04"),
        ({"message": ["not", "a", "text"]}, "as invalid (GCO-04"),
        ([], "as invalid (GCO-04"),
        (7, "as invalid (GCO-04"),
    ],
)
def test_what_they_say_is_shown_whatever_its_form(body: Any, said: str) -> None:
    answer = Answer(400, {}, json.dumps(body).encode(), body)
    with pytest.raises(PermanentError) as error:
        errors.payload_of(answer, errors.Asked("GCO-04", "POST", "OUR-1", "Main"), lambda text: text)
    assert said in str(error.value)
    assert str(error.value).count("The price field is required") <= 1
