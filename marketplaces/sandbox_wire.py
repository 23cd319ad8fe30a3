"""How bytes reach a sandbox: in this process, or through a socket; and how its own calls leave."""

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.util import shift_path_info

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from marketplaces import http
from marketplaces.sandbox_faults import Dropped, Silence
from marketplaces.sandbox_words import Response

if TYPE_CHECKING:
    from marketplaces.sandbox import Sandbox

WEBHOOK_SECONDS = 10
# Longer than any client of ours waits for an answer.
HELD_SECONDS = 40

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def send(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
    """Make a sandbox's own call over the network; raises OSError (as of requests) when no answer comes."""
    answer = requests.request(
        method, url, headers=dict(headers), data=body, timeout=WEBHOOK_SECONDS, allow_redirects=False
    )
    return Response(answer.status_code, answer.content, dict(answer.headers))


def mount(sandbox: "Sandbox", base_url: str) -> None:
    """Answer all requests below `base_url` by `sandbox`, in the calling thread. End it with http.unmount()."""
    http.mount(base_url, InProcess(sandbox, base_url))


class InProcess(BaseAdapter):
    """Carries a prepared request to the sandbox and its answer back, without a network."""

    def __init__(self, sandbox: "Sandbox", base_url: str) -> None:
        super().__init__()
        self._sandbox, self._root = sandbox, urlsplit(base_url).path.rstrip("/")

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, timeout: Any = None, **unused: Any
    ) -> requests.Response:
        begun, written = self._sandbox.clock.time(), []
        try:
            chunks = self._sandbox(self._environ(request), lambda *line: written.append(line))
        except Silence as silence:
            raise requests.exceptions.ReadTimeout("No answer came in time", request=request) from silence
        except Dropped as dropped:
            raise requests.exceptions.ConnectionError(dropped, request=request) from dropped
        read_seconds = timeout[1] if isinstance(timeout, tuple) else timeout
        if read_seconds and self._sandbox.clock.time() - begun > read_seconds:
            raise requests.exceptions.ReadTimeout("No answer came in time", request=request)
        status, headers = written[0]
        raw = HTTPResponse(
            body=io.BytesIO(b"".join(chunks)), headers=headers, status=int(status[:3]), preload_content=False
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is held open."""

    def _environ(self, request: requests.PreparedRequest) -> dict[str, Any]:
        parts = urlsplit(request.url or "")
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
        return {
            **headers,
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": self._root,
            "PATH_INFO": unquote(parts.path).removeprefix(self._root),
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": request.headers.get("Content-Length", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(body),
        }


class Street:
    """Sandboxes side by side on one socket, each below its slug."""

    def __init__(self, sandboxes: "Mapping[str, Sandbox]") -> None:
        self.sandboxes = sandboxes
        self.is_closing = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        sandbox = self.sandboxes.get(shift_path_info(environ) or "")
        if sandbox is None:
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"Here are: {', '.join(f'/{slug}' for slug in self.sandboxes)}\n".encode()]
        try:
            return sandbox(environ, start_response)
        except Silence:
            self.is_closing.wait(HELD_SECONDS)
            raise


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the sandbox keeps its own journal."""


class Server(ThreadingMixIn, WSGIServer):
    """A thread a request; what is still running does not keep the process alive."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, app: Application) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        # HTTPServer's own asks a name server for this host's name, which can take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]
        self.setup_environ()
