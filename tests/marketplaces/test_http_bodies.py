"""Bodies other than JSON, and answers of which nothing may be kept, against a server on loopback."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from marketplaces.http import Client
from marketplaces.types import FileToSend

TOKEN = "t0ken-that-was-made-up"


class Peer(BaseHTTPRequestHandler):
    def respond(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, dict(self.headers), body))
        answer = b'{"broken": "' + TOKEN.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = respond  # noqa: N815

    def log_message(self, *args):
        pass


@pytest.fixture
def peer():
    server = HTTPServer(("127.0.0.1", 0), Peer)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def records():
    return []


@pytest.fixture
def client(peer, records):
    return Client(
        base_url=f"http://127.0.0.1:{peer.server_port}",
        budget=lambda requests, urgency: 0.0,
        record=records.append,
        secret_keys={"client_secret"},
        allow_local=True,
    )


def test_a_form_goes_out_as_a_form_and_is_logged_without_its_secret(client, peer, records):
    client.send("X-01", "POST", "/", form={"grant_type": "client_credentials", "client_secret": "s3cret & more"})

    _, headers, body = peer.seen[0]
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert body == b"grant_type=client_credentials&client_secret=s3cret+%26+more"
    assert "client_credentials" in records[0].request
    assert "s3cret" not in records[0].request
    assert client.scrub("s3cret & more was refused") == "••• was refused"


def test_files_go_out_as_parts_and_are_logged_by_name_and_size(client, peer, records):
    files = [
        FileToSend("1.png", b"\x89PNG-1", "image/png", "files[]"),
        FileToSend("2.png", b"\x89PNG-22", part="files[]"),
    ]
    client.send("X-01", "POST", "/", files=files)

    _, headers, body = peer.seen[0]
    assert headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert body.count(b'name="files[]"') == 2
    assert b"Content-Type: image/png\r\n\r\n\x89PNG-1\r\n" in body
    assert records[0].request == "1.png (6 bytes), 2.png (7 bytes)"


def test_a_request_without_a_body_says_so(client, peer):
    client.send("X-01", "PUT", "/")

    _, headers, body = peer.seen[0]
    assert headers["Content-Length"] == "0"
    assert "Content-Type" not in headers
    assert body == b""


def test_of_a_secret_answer_nothing_is_kept_even_when_it_is_no_json(client, records):
    client.send("X-01", "POST", "/", payload={}, is_answer_secret=True)
    assert records[0].response == "••• (34 bytes)"

    client.hide(TOKEN)
    client.send("X-02", "POST", "/", payload={})
    assert TOKEN not in records[1].response
