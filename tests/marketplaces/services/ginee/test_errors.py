"""What Ginee's refusals mean (section 5 of the contract)."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from marketplaces.exceptions import (
    ConfigurationError,
    MarketplaceError,
    NotFound,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.models import Account, ApiCall, Outgoing
from marketplaces.types import OfferChange, OfferContent
from orders.models import OrderReading
from orders.readings import COALESCE
from tests.desk import Desk
from tests.marketplaces.services.ginee.conftest import Opened, Peer, open_line

STOCK = OfferContent("SKU-RED-M", Decimal(1), "IDR", quantity=5)
CHANGE = OfferChange("SKU-RED-M", STOCK, frozenset({"quantity"}))


def after_read(line: Opened) -> MarketplaceError:
    with pytest.raises(MarketplaceError) as caught:
        line.get_orders(["SO1"])
    return caught.value


def after_write(line: Opened) -> MarketplaceError:
    """What comes of a write of which nothing can be read back either."""
    with pytest.raises(MarketplaceError) as caught:
        line.update_offers([CHANGE])
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind", "read", "write"),
    [
        (200, "PARAMETER_ERROR", "invalid", PermanentError, PermanentError),
        (200, "CHANNEL_NOT_SUPPORT", "invalid", PermanentError, PermanentError),
        (200, "IAM_FAILED", "authentication", ConfigurationError, ConfigurationError),
        (401, "IAM_FAILED", "authentication", ConfigurationError, ConfigurationError),
        (200, "SERVICE_BUSY", "unavailable", TemporaryError, TemporaryError),
        (503, "SERVICE_BUSY", "unavailable", TemporaryError, TemporaryError),
        (200, "BUSINESS_ERROR", "conflict", PermanentError, UnknownOutcome),
        (200, "ERROR", "unknown", TemporaryError, UnknownOutcome),
        (200, "WORD_OF_TOMORROW", "unknown", TemporaryError, UnknownOutcome),
        (200, None, "unknown", TemporaryError, UnknownOutcome),
        (200, ["SUCCESS"], "unknown", TemporaryError, UnknownOutcome),
        (500, "SUCCESS", "unavailable", TemporaryError, UnknownOutcome),
        (400, "", "invalid", PermanentError, PermanentError),
        (405, "", "invalid", PermanentError, PermanentError),
        (415, "", "invalid", PermanentError, PermanentError),
        (401, "", "authentication", ConfigurationError, ConfigurationError),
        (403, "", "permission", ConfigurationError, ConfigurationError),
        (404, "", "not_found", NotFound, NotFound),
        (409, "", "conflict", PermanentError, UnknownOutcome),
        (429, "", "rate_limited", TemporaryError, TemporaryError),
        (500, "", "unavailable", TemporaryError, UnknownOutcome),
        (504, "", "unavailable", TemporaryError, UnknownOutcome),
        (302, "", "unknown", PermanentError, PermanentError),
    ],
)
def test_each_code_has_one_meaning(
    peer: Peer, status: int, code: Any, kind: str, read: type[MarketplaceError], write: type[MarketplaceError]
) -> None:
    """Their code first, then the HTTP status. GIN-T47: HTTP 200 with PARAMETER_ERROR is invalid, and asked once."""
    for work, expected in ((after_read, read), (after_write, write)):
        peer.requests.clear()
        peer.says(status=status, code=code, message="参数错误")
        if expected is UnknownOutcome:
            peer.says(status=503)
        error = work(open_line(options={"warehouse_id": "WW1"}))
        assert type(error) is expected
        assert (error.kind, error.status, error.request_id) == (kind, status, "t-1")
        assert "参数错误" in error.message
        assert len(peer.requests) == (2 if expected is UnknownOutcome else 1)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'"SUCCESS"', b"\xff\xfe", b'{"code": NaN}'])
def test_a_success_that_is_no_envelope_is_no_success(peer: Peer, body: bytes) -> None:
    peer.says_raw(body)
    assert type(after_read(open_line())) is TemporaryError
    peer.says_raw(body).says_raw(body)
    assert type(after_write(open_line(options={"warehouse_id": "WW1"}))) is UnknownOutcome


def test_the_words_are_shown_whatever_their_member_is_called(peer: Peer) -> None:
    """GIN-P32"""
    peer.says(code="PARAMETER_ERROR", message="", msg="size is wrong")
    assert "size is wrong" in after_read(open_line()).message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("", None), ("99999", 3600.0), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)
def test_it_waits_as_long_as_it_is_told(peer: Peer, value: str, seconds: float | None) -> None:
    peer.says(status=429, code="", headers={"Retry-After": value})
    error = after_read(open_line())
    assert isinstance(error, TemporaryError)
    assert error.retry_after == seconds


@pytest.mark.parametrize(("trouble", "shortest"), [("service_busy", 1), ("too_many", 2)])
def test_a_busy_ginee_is_asked_again_after_the_delay(ginee: Desk, trouble: str, shortest: float) -> None:
    """GIN-T48: SERVICE_BUSY with HTTP 200, and 429 with Retry-After."""
    ginee.advance(1)
    ginee.fault("GIN-C02", trouble)
    ginee.buy("SKU-RED-M", stays=True)
    ginee.advance(COALESCE.total_seconds())

    wish = OrderReading.objects.get()
    assert wish.state == Outgoing.State.DUE
    assert wish.next_try_at is not None
    assert (wish.next_try_at - timezone.now()).total_seconds() >= shortest
    ginee.advance(5)
    assert ApiCall.objects.filter(operation="GIN-C02").count() == 2
    assert OrderReading.objects.get().state == Outgoing.State.DONE


def test_refused_keys_stop_the_account_and_are_told(ginee: Desk) -> None:
    """GIN-T55"""
    ginee.advance(1)
    ginee.fault("GIN-C02", "iam_failed")
    ginee.buy("SKU-RED-M", stays=True)
    ginee.advance(COALESCE.total_seconds())

    account = Account.objects.get()
    assert account.is_stopped
    assert "Check the access key, the secret key" in account.trouble
    assert OrderReading.objects.get().state == Outgoing.State.DUE, "it goes on when the keys are right"
