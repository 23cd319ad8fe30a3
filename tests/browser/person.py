"""A member of staff at a browser, whose clicks and page loads are counted."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.browser import CHROMIUM_ARGUMENTS, chromium

DESK, PHONE = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}
WORK = "work of a person"  # the name under which a test reports what it took


@contextmanager
def open_browser(monkeypatch: Any) -> Iterator[Browser]:
    """A headless browser beside the live server of the tests."""
    # Playwright's loop runs in this thread, which is no reason to refuse the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    # The server's threads must not keep connections to a database that is about to be dropped.
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", 0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()
        connections.close_all()


def watch(page: Page) -> Page:
    """Note every error of the page's console in `page.errors`, and every address it asks for in `page.asked`."""
    page.errors, page.asked = [], []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.errors.append(str(error)))  # type: ignore[attr-defined]
    page.on("console", lambda line: page.errors.append(line.text) if line.type == "error" else None)  # type: ignore[attr-defined]
    page.on("request", lambda request: page.asked.append(request.url))  # type: ignore[attr-defined]
    return page


class Person:
    """What someone does at the desk; everything else is asked of `page` and costs nothing.

    A chosen option, a ticked box and a pressed key count as a click; typed text doesn't. Pages count when they are loaded,
    redirects along the way don't.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.clicks = self.loads = 0
        page.on("domcontentloaded", lambda _: self._loaded())

    def _loaded(self) -> None:
        self.loads += 1

    def sign_in(self, name: str, password: str) -> None:
        """From a clean browser to the front page, which is where counting begins."""
        self.page.goto(f"{self.url}/admin/login/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", password)
        self.page.press("#id_password", "Enter")
        self.page.wait_for_url(f"{self.url}/admin/")
        self.page.wait_for_load_state()
        self.clicks = self.loads = 0

    def click(self, name: str, role: Any = "button") -> None:
        """Click what is called `name`; the first of several."""
        found = self.page.get_by_role(role, name=name, exact=True)
        self.click_on(found.first)

    def click_on(self, target: Any) -> None:
        self.clicks += 1
        target.click()

    def follow(self, name: str) -> None:
        self.click(name, role="link")

    def menu(self, name: str) -> None:
        """Go to a list by the sidebar."""
        self.click_on(self.page.locator("#nav-sidebar").get_by_role("link", name=name).first)

    def fill(self, label: str, text: str) -> None:
        self._field(label).fill(text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.clicks += 1
            self.page.keyboard.press(key)

    def choose(self, label: str, option: str) -> None:
        self.clicks += 1
        self._field(label).select_option(option)

    def _field(self, label: str) -> Locator:
        # What must be filled in has a star behind its name.
        return self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}\s*\*?\s*$")).first

    def act(self, action: str) -> None:
        """Choose an action for the rows that are ticked, and run it."""
        self.clicks += 1
        self.page.locator("select[name=action]").select_option(label=action)
        self.click("Run")

    def tick_all(self) -> None:
        self.click_on(self.page.locator("#action-toggle"))

    def sees(self, text: str) -> None:
        """Wait until the page says it."""
        self.page.get_by_text(text).first.wait_for()

    def took(self) -> str:
        return f"{self.clicks} clicks, {self.loads} page loads"
