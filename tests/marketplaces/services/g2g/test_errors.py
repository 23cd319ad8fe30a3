"""What G2G's refusals mean (section 6 of the contract)."""

from typing import Any

import pytest
import requests
import time_machine

from marketplaces.exceptions import (
    ConfigurationError,
    MarketplaceError,
    NotFound,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.services.g2g.sandbox import Sandbox
from tests.marketplaces.services.g2g.conftest import Opened, Peer, open_line
from tests.marketplaces.services.g2g.test_offers import CARD


def after_read(line: Opened) -> MarketplaceError:
    with pytest.raises(MarketplaceError) as caught:
        line.get_offer("G1")
    return caught.value


def after_write(line: Opened) -> MarketplaceError:
    with pytest.raises(MarketplaceError) as caught:
        line.create_offer(CARD)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind", "read", "write"),
    [
        (400, 40000001, "invalid", PermanentError, PermanentError),
        (401, 40100001, "authentication", ConfigurationError, ConfigurationError),
        (403, 40300001, "permission", ConfigurationError, ConfigurationError),
        (404, 40400001, "not_found", NotFound, NotFound),
        (409, 40900001, "already_done", PermanentError, UnknownOutcome),
        (409, 40900002, "conflict", PermanentError, UnknownOutcome),
        (422, 42200001, "invalid", PermanentError, PermanentError),
        (429, 42900001, "rate_limited", TemporaryError, TemporaryError),
        (500, 50000001, "unavailable", TemporaryError, UnknownOutcome),
        (402, 40200007, "not_ready", TemporaryError, TemporaryError),
        (409, 40900099, "conflict", PermanentError, UnknownOutcome),
        (413, 41300001, "invalid", PermanentError, PermanentError),
        (503, 50300001, "unavailable", TemporaryError, UnknownOutcome),
        (200, 40400001, "not_found", NotFound, NotFound),
        (200, "40400001", "not_found", NotFound, NotFound),
        (200, 50300001, "unavailable", TemporaryError, UnknownOutcome),
        (200, 99900001, "unknown", PermanentError, UnknownOutcome),
        (200, None, "unknown", PermanentError, UnknownOutcome),
        (200, 2000, "unknown", PermanentError, PermanentError),
        (404, 41899999, "not_found", NotFound, NotFound),
        (418, 41800001, "unknown", PermanentError, UnknownOutcome),
        (500, 20000001, "unavailable", TemporaryError, UnknownOutcome),
        (302, 0, "unknown", PermanentError, PermanentError),
        (200, [20000001], "unknown", PermanentError, UnknownOutcome),
    ],
)
def test_each_code_has_one_meaning(
    peer: Peer, status: int, code: Any, kind: str, read: type[MarketplaceError], write: type[MarketplaceError]
) -> None:
    """Their code first, then its first three digits, then the HTTP status."""
    for work, expected in ((after_read, read), (after_write, write)):
        peer.says(status=status, code=code, message="Their words", warning="and more")
        error = work(open_line())
        assert type(error) is expected
        assert (error.kind, error.status, error.request_id) == (kind, status, "r-1")
        assert "Their words; and more" in error.message
        assert error.code == (str(code) if isinstance(code, int | str) else "")
        assert error.operation in str(error)


@pytest.mark.parametrize(
    ("status", "kind", "read", "write"),
    [
        (200, "unknown", TemporaryError, UnknownOutcome),
        (404, "not_found", NotFound, NotFound),
        (502, "unavailable", TemporaryError, UnknownOutcome),
        (429, "rate_limited", TemporaryError, TemporaryError),
    ],
)
@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'"text"', b'{"code": NaN}', b"\xff\x00"])
def test_what_is_no_envelope_goes_by_its_status(
    peer: Peer, status: int, kind: str, read: type[MarketplaceError], write: type[MarketplaceError], body: bytes
) -> None:
    for work, expected in ((after_read, read), (after_write, write)):
        peer.says_raw(body, status)
        error = work(open_line())
        assert type(error) is expected
        assert error.kind == kind


@pytest.mark.parametrize("code", ["1e9999", "1e99999999999999999999", '"\\ud800 \\u0000"', "[" * 400 + "]" * 400])
def test_an_odd_answer_leaves_a_record_that_can_be_stored(peer: Peer, code: str) -> None:
    peer.says_raw(b'{"code": %s}' % code.encode())
    line = open_line()
    assert after_write(line).kind == "unknown"
    (record,) = line.log
    assert "\x00" not in record.response
    assert record.response.encode()


def test_a_slowdown_says_how_long_or_leaves_it_to_us(peer: Peer) -> None:
    """G2G-T36, one line's part: the budget of a key is one row, tested in test_budget."""
    peer.says(status=429, code=42900001, headers={"Retry-After": "7"})
    peer.says(status=429, code=42900001)
    peer.says(status=429, code=42900001, headers={"Retry-After": "Fri, 05 Aug 2022 12:00:09 GMT"})
    peer.says(status=429, code=42900001, headers={"Retry-After": "99999999"})
    peer.says(status=429, code=42900001, headers={"Retry-After": "soon"})
    with time_machine.travel("2022-08-05T12:00:00Z", tick=False):
        waits = [getattr(after_read(open_line()), "retry_after", "no such") for _ in range(5)]
    assert waits == [7, None, 9, 3600, None]


def test_the_sandboxs_slowdown_is_understood(shop_floor: Sandbox) -> None:
    """G2G-T36"""
    shop_floor.bucket.take("the key")
    for is_said in (True, False):
        shop_floor.options["retry_after"] = is_said
        shop_floor.bucket.take = lambda key: 1.5  # type: ignore[method-assign]
        error = after_read(open_line())
        assert isinstance(error, TemporaryError)
        assert error.retry_after == (2 if is_said else None)


@pytest.mark.parametrize("failure", ["answer", "silence"])
def test_a_read_is_tried_again_and_a_write_looked_for(peer: Peer, failure: str) -> None:
    """G2G-T37"""
    for work, expected in ((after_read, TemporaryError), (after_write, UnknownOutcome)):
        if failure == "answer":
            peer.says(status=500, code=50000001)
        else:
            peer.breaks(requests.exceptions.ReadTimeout())
        error = work(open_line())
        assert type(error) is expected
        assert error.kind == "unavailable"
    assert len(peer.requests) == 2


def test_a_code_as_text_is_a_success(peer: Peer) -> None:
    """G2G-T38"""
    peer.says({"offer_id": "G1"}, code="20000001")
    assert open_line().get_offer("G1").external_id == "G1"


def test_a_missing_object_inside_a_200_is_missing(peer: Peer) -> None:
    """G2G-T38"""
    peer.says(code=40400001)
    assert isinstance(after_read(open_line()), NotFound)


def test_the_web_sites_private_api_is_named_as_the_wrong_host(peer: Peer) -> None:
    """G2G-P46"""
    peer.says(code=2000)
    assert "https://open-api.g2g.com" in str(after_read(open_line()))


def test_no_credential_stands_in_an_error(peer: Peer) -> None:
    line = open_line()
    secret = line.connection.credentials["secret"]
    peer.says(status=401, code=40100001, message=f"bad signature with {secret}", request_id=secret)
    error = after_read(line)
    assert secret not in str(error)
    assert "bad signature" in str(error)


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("Fri, 05 Aug 2022 11:53:00 GMT", "differs by 7 min"),
        ("Fri, 05 Aug 2022 12:00:45 GMT", "differs by 45 s"),
        ("Fri, 05 Aug 2022 18:00:00 GMT", "differs by 6 h"),
        ("Fri, 05 Aug 2022 12:00:05 GMT", "agrees with theirs"),
        ("yesterday", "does not tell the time"),
    ],
)
def test_a_refused_signature_tells_how_far_the_clocks_are_apart(peer: Peer, date: str, words: str) -> None:
    peer.says(status=401, code=40100001, headers={"Date": date})
    with time_machine.travel("2022-08-05T12:00:00Z", tick=False):
        assert words in str(after_read(open_line()))
