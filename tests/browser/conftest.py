"""Someone with a browser, and what their work took in the closing lines."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.person import DESK, WORK, Person, open_browser


@pytest.fixture
def person(
    monkeypatch: pytest.MonkeyPatch, live_server: Any, admin_user: Any, record_property: Any
) -> Iterator[Person]:
    """The administrator, signed in by name and password and on the front page."""
    with open_browser(monkeypatch) as browser:
        page = browser.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        someone = Person(page, live_server.url)
        someone.sign_in("admin", "password")
        yield someone
        record_property(WORK, someone.took())
