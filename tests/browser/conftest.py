"""A browser, pages of it, someone who sits there, and what their work took in the closing lines."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page

from marketplaces.models import Account
from tests.backoffice import world
from tests.browser.person import DESK, WORK, Person, open_browser, watch


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    with open_browser(monkeypatch) as browser:
        yield browser


@pytest.fixture
def shop(db: None) -> Account:
    """An account with three rows of everything."""
    return world.fill(3)


@pytest.fixture
def open_page(browser: Browser, live_server: Any, admin_user: Any) -> Callable[..., Page]:
    """Open pages as the signed-in administrator; addresses are relative to the admin's, and errors are noted."""

    def opened(viewport: Any = DESK, **context: Any) -> Page:
        client = Client()
        client.force_login(admin_user)
        made = browser.new_context(viewport=viewport, base_url=f"{live_server.url}/admin/", **context)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        made.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        return watch(made.new_page())

    return opened


@pytest.fixture
def person(browser: Browser, live_server: Any, admin_user: Any, record_property: Any) -> Iterator[Person]:
    """The administrator, signed in by name and password and on the front page."""
    page = watch(browser.new_page(viewport=DESK))
    page.set_default_timeout(20_000)
    someone = Person(page, live_server.url)
    someone.sign_in("admin", "password")
    yield someone
    if someone.clicks:  # who only looks at pages does no work
        record_property(WORK, someone.took())
