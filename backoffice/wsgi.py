"""The WSGI application that granian serves: pages, and beside them the door."""

from collections.abc import Callable, Iterable
from typing import Any

from backoffice.startup import load_settings, settle

load_settings()

from django.core.handlers.exception import convert_exception_to_response  # noqa: E402  (needs the settings)
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponseBase  # noqa: E402

DOOR = "/hooks/"


class Door(WSGIHandler):
    """What marketplaces call goes by no middleware: nobody is signed in there, and nobody sees a page."""

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = convert_exception_to_response(self._answer)  # type: ignore[arg-type]

    def _answer(self, request: WSGIRequest) -> HttpResponseBase:
        response: HttpResponseBase = self._get_response(request)  # type: ignore[attr-defined]
        # Without a length the caller would wait for the end of a connection that is kept.
        response.headers.setdefault("Content-Length", str(len(getattr(response, "content", b""))))
        return response


_pages, _door = get_wsgi_application(), Door()
settle()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return (_door if environ.get("PATH_INFO", "").startswith(DOOR) else _pages)(environ, start_response)
