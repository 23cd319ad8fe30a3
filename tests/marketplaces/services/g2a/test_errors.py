"""Section 6 of the contract, row by row: what each code and status means for a read and for a write."""

import pytest

from marketplaces.exceptions import (
    ConfigurationError,
    MarketplaceError,
    NotFound,
    NotPaid,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.services.g2a import errors
from marketplaces.types import Answer

DENIED, STOP, WAIT, LOOK, GONE = ConfigurationError, PermanentError, TemporaryError, UnknownOutcome, NotFound
UNPAID = NotPaid

# code, HTTP status, class, after a read, after a write
ROWS = [
    ("AUTH01", 400, "authentication", DENIED, DENIED),
    ("AUTH01", 403, "authentication", DENIED, DENIED),
    ("AUTH02", 401, "authentication", DENIED, DENIED),
    ("AUTH03", 401, "permission", DENIED, DENIED),
    ("AUTH04", 401, "permission", DENIED, DENIED),
    ("BR03", 429, "rate_limited", WAIT, WAIT),
    ("ORD02", 404, "not_found", GONE, GONE),
    ("ORD004", 400, "key_read_before", STOP, STOP),
    ("ORD04", 400, "key_read_before", STOP, STOP),
    ("ORD05", 402, "not_ready", UNPAID, LOOK),
    ("ORD03", 403, "not_ready", WAIT, WAIT),
    ("ORD112", 403, "insufficient_funds", STOP, STOP),
    ("ORD114", 403, "conflict", STOP, STOP),
    ("ORD121", 403, "insufficient_funds", STOP, STOP),
    ("ORD122", 502, "unavailable", WAIT, LOOK),
    ("ORD01", 400, "invalid", STOP, STOP),
    ("ORD06", 400, "not_ready", WAIT, WAIT),
    ("ORD110", 400, "insufficient_funds", STOP, LOOK),
    ("ORD111", 404, "not_found", GONE, LOOK),
    ("ORD113", 404, "not_found", GONE, GONE),
    ("ORD120", 500, "unavailable", WAIT, LOOK),
    ("CTTYPE", 415, "invalid", STOP, STOP),
    ("BR01", 400, "invalid", STOP, STOP),
    ("BR02", 400, "invalid", STOP, STOP),
    ("BR04", 400, "invalid", STOP, STOP),
    ("BR08", 400, "invalid", STOP, STOP),
    ("PR01", 400, "invalid", STOP, STOP),
    ("PR05", 400, "invalid", STOP, STOP),
    ("API00", 500, "unavailable", WAIT, LOOK),
    ("ERR99", 500, "unavailable", WAIT, LOOK),
    ("WRONGURL", 404, "invalid", STOP, STOP),
    ("", 400, "invalid", STOP, STOP),
    ("", 401, "authentication", DENIED, DENIED),
    ("", 402, "not_ready", UNPAID, LOOK),
    ("", 403, "permission", DENIED, DENIED),
    ("", 404, "not_found", GONE, GONE),
    ("", 405, "invalid", STOP, STOP),
    ("", 409, "conflict", STOP, LOOK),
    ("", 410, "conflict", STOP, LOOK),
    ("", 413, "invalid", STOP, STOP),
    ("", 415, "invalid", STOP, STOP),
    ("", 422, "invalid", STOP, STOP),
    ("", 429, "rate_limited", WAIT, WAIT),
    ("", 500, "unavailable", WAIT, LOOK),
    ("", 503, "unavailable", WAIT, LOOK),
    ("", 200, "unknown", WAIT, LOOK),
    ("", 302, "unknown", STOP, STOP),
    ("NEVER_SEEN", 418, "unknown", STOP, STOP),
]


def asked(**facts):
    values = {"operation": "G2A-99", "about": "", "is_write": False, "account": "Main G2A", "dialect": "contract"}
    return errors.Asked(**{**values, **facts})


def to_error(answer, **facts):
    return errors.to_error(answer, asked(**facts), lambda text: text.replace("s3cret", "•••"))


@pytest.mark.parametrize(("code", "status", "kind", "after_read", "after_write"), ROWS)
@pytest.mark.parametrize("place", [lambda error: error, lambda error: {"error": error}, lambda error: {"data": error}])
def test_each_row_of_the_table(code, status, kind, after_read, after_write, place):
    answer = Answer(status, {}, b"{}", place({"status": "ERROR", "code": code, "message": "Their words"}))
    for is_write, expected in ((False, after_read), (True, after_write)):
        error = to_error(answer, is_write=is_write)
        assert (type(error), error.kind, error.code, error.status) == (expected, kind, code, status)
        assert "Their words" in str(error)
        assert ("may or may not have been done" in str(error)) is (expected is UnknownOutcome)


def test_every_row_of_the_table_is_tested():
    assert {code for code, *_ in ROWS} >= errors.BY_CODE.keys() - {"PR02", "PR03", "PR04"}
    assert {status for _, status, *_ in ROWS} >= {status for status in errors.BY_STATUS if status > 99} - {408}


@pytest.mark.parametrize("body", [b"", b"Bad gateway", b"<html><body>nginx</body></html>", b"[1]", b"null"])
def test_a_server_error_needs_no_body(body):
    error = to_error(Answer(502, {}, body))
    assert isinstance(error, TemporaryError)
    assert "<" not in str(error)


def test_plain_text_is_quoted_without_its_secrets():
    error = to_error(Answer(400, {}, b"token s3cret is bad" + b"!" * 1000))
    assert "token ••• is bad" in str(error)
    assert len(str(error)) < 600


def test_of_a_secret_answer_nothing_is_quoted():
    error = to_error(Answer(200, {}, b"AAAAA-BBBBB"), is_secret=True)
    assert "AAAAA" not in str(error)


def test_a_refused_credential_says_what_to_check_and_how_wrong_the_clock_is():
    answer = Answer(401, {"date": "Sat, 01 Jan 2000 00:00:00 GMT"}, b"{}", {})
    contract, live = str(to_error(answer)), str(to_error(answer, dialect="live"))
    assert 'Account "Main G2A"' in contract
    assert "API hash and the API key" in contract
    assert "e-mail, which must be the one registered" in live
    assert "it differs by" in live
    assert "agrees" not in contract


@pytest.mark.parametrize("name", ["x-request-id", "traceId"])
def test_the_request_id_is_kept(name):
    answer = Answer(500, {name: "req-1"}, b"{}", {name: "req-1"})
    assert "request req-1" in str(to_error(answer))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("999999", 3600.0), ("", None), ("soon", None), ("-1", None), ("Sat, 01 Jan 2000 00:00:00 GMT", 0.0)],
)
def test_the_wait_is_what_g2a_says(value, seconds):
    assert errors.retry_after({"retry-after": value}) == seconds


def test_all_texts_can_be_written():
    for meaning in {*errors.BY_CODE.values(), *errors.BY_STATUS.values(), *errors.BY_OPERATION.values(), errors.QUEUE}:
        text = meaning.words.format(account="A", about="B", dialect="live", inputs="C", clock="D")
        assert text
        assert "{" not in text
        assert issubclass(meaning.never, MarketplaceError)
