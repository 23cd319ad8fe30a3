"""Buying: order, pay, read the key. Money and keys move once."""

import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from marketplaces.exceptions import (
    ConfigurationError,
    NotFound,
    NotPaid,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.services.g2a.service import Service
from marketplaces.types import PurchasedKey, PurchaseState
from tests.marketplaces.services.g2a.peer import Answer, line_to, sample, timed_out

ORDER = "80201019921771"
PRODUCT = "10000027819004"
CREATE, DETAILS, KEY, PAY = (
    "/v1/order",
    f"/v1/order/details/{ORDER}",
    f"/v1/order/key/{ORDER}",
    f"/v1/order/pay/{ORDER}",
)


@pytest.mark.smoke
def test_an_order_names_its_product_currency_and_ceiling(peer, either):
    """G2A-T15: the id as text, EUR unless told, max_price always."""
    peer.on("POST", CREATE, Answer(200, sample("create_order")))
    made = either.create_purchase(PRODUCT, max_price=Decimal("45"))

    assert peer.asked()[0].json == sample("create_order.request")
    assert (made.external_id, made.state) == (ORDER, PurchaseState.CREATED)
    assert (made.price, made.currency) == (Decimal("12.55"), "EUR")


@pytest.mark.parametrize("broken", [timed_out(), Answer(500, b""), Answer(200, b"<html>"), Answer(200, {"price": 1})])
def test_an_order_without_an_answer_is_unknown_and_not_made_again(peer, either, broken):
    """G2A-T16."""
    peer.on("POST", CREATE, broken)
    with pytest.raises(UnknownOutcome):
        either.create_purchase(PRODUCT, max_price=Decimal("45"))
    assert len(peer.asked()) == 1


def test_an_order_without_a_payment_card_says_so_and_does_not_stop_the_account(peer, service):
    peer.on("POST", CREATE, Answer(403, {"message": "Forbidden"}))
    with pytest.raises(PermanentError, match="payment card") as error:
        service.create_purchase(PRODUCT, max_price=Decimal("45"))
    assert error.value.kind == "permission"


def test_a_price_above_the_ceiling_is_final(peer, service):
    peer.on("POST", CREATE, Answer(400, {"code": "BR02", "message": "Price is higher than max_price"}))
    with pytest.raises(PermanentError, match="higher than max_price") as error:
        service.create_purchase(PRODUCT, max_price=Decimal("1"))
    assert error.value.kind == "invalid"


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("complete", PurchaseState.COMPLETE),
        ("pending", PurchaseState.PENDING),
        ("new", PurchaseState.CREATED),
        ("New", PurchaseState.CREATED),
        ("teleporting", PurchaseState.UNKNOWN),
    ],
)
def test_the_words_of_an_order(peer, either, word, state):
    """G2A-T17: an invented one is not final, kept, and told."""
    peer.on("GET", DETAILS, Answer(200, {**sample("get_order_details"), "status": word}))
    purchase = either.fetch_purchase(ORDER)
    assert (purchase.external_id, purchase.state, purchase.status_word) == (ORDER, state, word)
    assert [word in warning for warning in either.warnings] == ([True] if state is PurchaseState.UNKNOWN else [])


def test_an_order_that_does_not_exist_is_not_found(peer, service):
    """G2A-T18."""
    peer.on("GET", DETAILS, Answer(404, sample("error")))
    with pytest.raises(NotFound, match=ORDER) as error:
        service.fetch_purchase(ORDER)
    assert (error.value.kind, error.value.code) == ("not_found", "ORD02")


def test_the_keys_answer_comes_as_it_is_and_is_read_afterwards(peer, service):
    """G2A-T19: nothing between the wire and the store looks into it."""
    for body in (b'{"key": "AAAAA-BBBBB-CCCCC", "isFile": false}', b'{"key": "AAAAA-BB', b"AAAAA-BBBBB"):
        peer.on("GET", KEY, Answer(200, body))
        assert service.fetch_purchased_key(ORDER) == body
    assert peer.timeouts[-1] == 45


@pytest.mark.parametrize("code", ["ORD004", "ORD04", "ord004"])
def test_a_key_that_was_read_before_is_told_apart(peer, either, code):
    """G2A-T20: in both spellings."""
    peer.on("GET", KEY, Answer(400, {"status": "ERROR", "code": code, "message": "Key already downloaded"}))
    with pytest.raises(PermanentError, match="once only") as error:
        either.fetch_purchased_key(ORDER)
    assert error.value.kind == "key_read_before"


@pytest.mark.parametrize(("status", "code"), [(402, "ORD05"), (400, "ORD06"), (403, "ORD03"), (402, "")])
def test_a_key_that_is_not_ready_is_waited_for(peer, service, status, code):
    peer.on("GET", KEY, Answer(status, {"code": code}))
    with pytest.raises(TemporaryError) as error:
        service.fetch_purchased_key(ORDER)
    assert error.value.kind == "not_ready"
    assert isinstance(error.value, NotPaid) == (status == 402)


@pytest.mark.parametrize("broken", [timed_out(), Answer(502, b""), Answer(200, b"")])
def test_a_key_that_did_not_come_may_be_asked_for_again(peer, service, broken):
    peer.on("GET", KEY, broken)
    with pytest.raises(TemporaryError):
        service.fetch_purchased_key(ORDER)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"key": "AAAAA-BBBBB-CCCCC"}', PurchasedKey("AAAAA-BBBBB-CCCCC")),
        (b'{"key": " A B \\n", "isFile": false}', PurchasedKey(" A B \n")),
        (b'{"data": {"key": "aGVsbG8=", "isFile": true}}', PurchasedKey("aGVsbG8=", is_file=True)),
    ],
)
def test_a_stored_answer_is_read(body, expected):
    """G2A-T22: no isFile means no file; a file's content stays as it was received."""
    assert Service.read_purchased_key(body) == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"key": ""}', b'{"key": 5}', b"[]", b"null"])
def test_a_stored_answer_without_a_key_is_for_a_person(body):
    with pytest.raises(PermanentError, match="holds no key"):
        Service.read_purchased_key(body)


class Counter(BaseHTTPRequestHandler):
    def do_PUT(self):
        self.server.seen.append((self.path, dict(self.headers), self.rfile.read(0)))
        self.send_response(200)
        self.send_header("Content-Length", "16")
        self.end_headers()
        self.wfile.write(b'{"status": true}')

    def log_message(self, *args):
        pass


def test_a_payment_is_a_put_without_a_body_and_says_its_length(peer):
    """G2A-T23: seen on a real socket."""
    server = HTTPServer(("127.0.0.1", 0), Counter)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        line_to(peer, base_url=f"http://127.0.0.1:{server.server_port}").pay_purchase(ORDER)
    finally:
        server.shutdown()
        server.server_close()
    ((path, headers, _),) = server.seen
    assert (path, headers["Content-Length"]) == (PAY, "0")
    assert "Transfer-Encoding" not in headers
    assert "Content-Type" not in headers


@pytest.mark.parametrize(
    "broken",
    [
        Answer(502, {"code": "ORD122"}),
        Answer(502, b""),
        timed_out(),
        Answer(402, {"code": "ORD05"}),
        Answer(400, {"code": "ORD110"}),
        Answer(404, {"code": "ORD111"}),
        Answer(500, {"code": "ORD120"}),
        Answer(200, {"status": False}),
        Answer(200, b""),
    ],
)
def test_a_payment_without_a_clear_answer_is_looked_at_first(peer, service, broken):
    """G2A-T24, and ORD05 of G2A-T25: no second PUT; the order is read, whose state decides."""
    peer.on("PUT", PAY, broken).on("GET", DETAILS, Answer(200, {**sample("get_order_details"), "status": "complete"}))
    with pytest.raises(UnknownOutcome):
        service.pay_purchase(ORDER)
    assert service.fetch_purchase(ORDER).state is PurchaseState.COMPLETE
    assert [seen.method for seen in peer.asked()] == ["PUT", "GET"]


@pytest.mark.parametrize(
    ("status", "code", "exception", "kind"),
    [
        (403, "ORD112", PermanentError, "insufficient_funds"),
        (403, "ORD121", PermanentError, "insufficient_funds"),
        (403, "ORD114", PermanentError, "conflict"),
        (403, "ORD03", TemporaryError, "not_ready"),
        (404, "ORD02", NotFound, "not_found"),
        (401, "AUTH04", ConfigurationError, "permission"),
    ],
)
def test_a_refused_payment_says_why(peer, service, status, code, exception, kind):
    """G2A-T25."""
    peer.on("PUT", PAY, Answer(status, {"status": "ERROR", "code": code, "message": "no"}))
    with pytest.raises(exception) as error:
        service.pay_purchase(ORDER)
    assert (error.value.kind, error.value.code, error.value.status) == (kind, code, status)


def test_a_payment_is_taken_at_its_word(peer, either):
    peer.on("PUT", PAY, Answer(200, sample("pay_order")))
    either.pay_purchase(ORDER)
    assert peer.asked()[0].body == b""
