"""The one place that speaks HTTP, against a server on loopback."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from requests.adapters import BaseAdapter

from marketplaces import http
from marketplaces.exceptions import BudgetSpent, ConfigurationError, TemporaryError, UnknownOutcome
from marketplaces.http import Client, unsafe_address
from marketplaces.types import Urgency

SECRET = "s3cret-key-value"


class Peer(BaseHTTPRequestHandler):
    """Answers by path: /cut reads the request and closes the line, /html is no JSON, the rest echoes."""

    def respond(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/cut":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        answers = {
            "/html": b"<html>" + SECRET.encode() + b"</html>",
            "/prices": b'{"price": 0.1, "big": 12345678901234567890.12}',
            "/large": b" " * 300_000,
            "/nan": b'{"price": NaN}',
            "/echo": b'{"code": "' + SECRET.encode() + b'", "message": "bad ' + SECRET.encode() + b'"}',
        }
        answer = answers.get(self.path, b"{}")
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Set-Cookie", "session=1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PATCH = respond  # noqa: N815

    def log_message(self, *args):
        pass


@pytest.fixture
def peer():
    server = HTTPServer(("127.0.0.1", 0), Peer)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def records():
    return []


@pytest.fixture
def client(peer, records):
    return make_client(f"http://127.0.0.1:{peer.server_port}", records)


def make_client(base_url, records, *, budget=lambda requests, urgency: 0.0, **options):
    options = {"secret_keys": {"code"}, "secrets": [SECRET], "allow_local": True, **options}
    return Client(base_url=base_url, budget=budget, record=records.append, **options)


def test_a_connection_that_breaks_is_unknown_for_a_write_and_temporary_for_a_read(client, records):
    with pytest.raises(UnknownOutcome):
        client.send("X-01", "POST", "/cut", payload={}, is_write=True)
    with pytest.raises(TemporaryError):
        client.send("X-02", "GET", "/cut")
    assert [record.error for record in records] == ["ConnectionError", "ConnectionError"]


def test_a_write_that_never_arrived_is_temporary(records):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    client = make_client(f"http://127.0.0.1:{port}", records)

    with pytest.raises(TemporaryError, match="could not be reached"):
        client.send("X-01", "POST", "/", payload={}, is_write=True)


def test_a_host_that_has_no_address_was_never_asked(records):
    client = make_client("http://no-such-host.invalid", records)
    with pytest.raises(TemporaryError, match="could not be reached"):
        client.send("X-01", "POST", "/", payload={}, is_write=True)


@pytest.mark.parametrize(
    ("error", "arrived"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", False),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", True),
        ("[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] bad record", True),
    ],
)
def test_of_errors_in_tls_only_a_refused_certificate_means_that_nothing_was_sent(records, error, arrived):
    """Others come in the middle of an answer, too: the work may be done."""

    class Torn(BaseAdapter):
        def send(self, request, **options):
            raise requests.exceptions.SSLError(error)

        def close(self):
            pass

    http.mount("http://torn.test", Torn())
    try:
        with pytest.raises(UnknownOutcome if arrived else TemporaryError):
            make_client("http://torn.test", records).send("X-01", "POST", "/", payload={}, is_write=True)
    finally:
        http.unmount("http://torn.test")


def test_amounts_never_become_binary_floats(client):
    answer = client.send("X-01", "GET", "/prices")
    assert str(answer.json["price"]) == "0.1"
    assert str(answer.json["big"]) == "12345678901234567890.12"


def test_an_answer_without_an_end_is_not_read_to_its_end(client, records, monkeypatch):
    monkeypatch.setattr(http, "LARGEST_ANSWER", 299_999)
    with pytest.raises(TemporaryError):
        client.send("X-01", "GET", "/large")
    with pytest.raises(UnknownOutcome):
        client.send("X-02", "POST", "/large", payload={}, is_write=True)
    assert [record.response for record in records] == ["", ""]
    monkeypatch.setattr(http, "LARGEST_ANSWER", 300_000)
    assert len(client.send("X-03", "GET", "/large").body) == 300_000


@pytest.mark.parametrize("path", ["/html", "/nan"])
def test_what_is_no_json_is_kept_as_bytes(client, path):
    assert client.send("X-01", "GET", path).json is None


def test_the_call_log_holds_no_secret(client, records):
    client.send("X-01", "POST", "/echo", payload={"code": "AAAA-BBBB", "note": f"uses {SECRET}"}, params=None)
    client.send("X-02", "GET", "/html", params={"token": SECRET})

    kept = repr(records)
    assert SECRET not in kept
    assert "AAAA-BBBB" not in kept
    assert client.scrub("AAAA-BBBB was refused") == "••• was refused"


def test_it_follows_no_redirect_and_keeps_no_cookie(client, peer):
    assert client.send("X-01", "GET", "/away").status == 302
    client.send("X-02", "GET", "/")

    assert [path for _, path, _, _ in peer.seen] == ["/away", "/"]
    assert "Cookie" not in peer.seen[1][2]


def test_nothing_is_sent_without_budget(peer, records):
    client = make_client(f"http://127.0.0.1:{peer.server_port}", records, budget=lambda requests, urgency: 7.5)

    with pytest.raises(BudgetSpent) as spent:
        client.send("X-01", "GET", "/")
    assert spent.value.retry_after == 7.5
    assert peer.seen == []


def test_a_plan_is_granted_once_for_all_its_calls(peer, records):
    asked = []

    def budget(requests, urgency):
        asked.append((requests, urgency))
        return 0.0

    client = make_client(f"http://127.0.0.1:{peer.server_port}", records, budget=budget)
    client.plan(2, Urgency.DELIVERY)
    for _ in range(3):
        client.send("X-01", "GET", "/")

    assert asked == [(2, Urgency.DELIVERY), (1, Urgency.DELIVERY)]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://shop.example.com",
        "http://shop.example.com",
        "https://user:password@shop.example.com",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://printer.local/",
    ],
)
def test_an_address_of_our_own_network_is_refused(url, records):
    assert unsafe_address(url, allow_local=False)
    with pytest.raises(ConfigurationError, match="refused"):
        make_client(url, records, allow_local=False).send("X-01", "GET", "/")


def test_a_public_address_and_a_local_one_where_allowed_are_fine():
    assert not unsafe_address("https://api.example.com", allow_local=False)
    assert not unsafe_address("http://127.0.0.1:9000/shop", allow_local=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0"])
def test_a_name_that_leads_into_our_own_network_is_told_nothing(peer, records, monkeypatch, address):
    """Looked at when the connection stands, so that a name can't change its mind after it was checked."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real(address, *rest, **more))
    client = make_client(f"https://api.example.com:{peer.server_port}", records, allow_local=False)

    with pytest.raises(TemporaryError):
        client.send("X-01", "POST", "/", payload={"secret": SECRET}, is_write=True)

    assert peer.seen == []


def test_an_address_in_other_spellings_is_told_nothing_either(peer, records):
    for host in ("2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"):
        client = make_client(f"https://{host}:{peer.server_port}", records, allow_local=False)
        with pytest.raises((TemporaryError, ConfigurationError)):
            client.send("X-01", "GET", "/")

    assert peer.seen == []


def test_a_redirect_is_not_followed_wherever_it_leads(peer, records):
    answer = make_client(f"http://127.0.0.1:{peer.server_port}", records).send("X-01", "GET", "/away")

    assert answer.status == 302
    assert [path for _, path, _, _ in peer.seen] == ["/away"]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "//example.com", "data:,x"]
)
def test_only_http_is_spoken(url, records):
    for allow_local in (True, False):
        assert unsafe_address(url, allow_local=allow_local)
