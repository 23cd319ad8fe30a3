"""A signed-in page in a real browser, on the test's own server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from playwright.sync_api import Page, sync_playwright

from tests.browser import CHROMIUM_ARGUMENTS, chromium

WIDE, NARROW = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}


@contextmanager
def seated(monkeypatch: Any, live_server: Any, user: User, **context: Any) -> Iterator[Page]:
    """A page of `user`, which notes every error of its console in `page.errors`."""
    # Playwright's loop runs in this thread, which is no reason to refuse the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    # The server's threads must not keep connections to a database that is about to be dropped.
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", 0)
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS))
        made = browser.new_context(**{"viewport": WIDE, "base_url": f"{live_server.url}/admin/", **context})
        made.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        page = made.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda line: page.errors.append(line.text) if line.type == "error" else None)
        yield page
        browser.close()
        connections.close_all()
