"""An order is found by its code, and codes come into stock, in a real browser."""

import os
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import sync_playwright

from inventory import import_admin
from inventory.models import Code, CodeImport, CodeReveal, Product
from orders.models import Order
from tests.backoffice import world
from tests.browser import CHROMIUM_ARGUMENTS, chromium
from tests.drain import drain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture
def pages(monkeypatch, live_server, admin_user, settings, tmp_path):
    """Open pages as the signed-in administrator; each notes its errors and every address that was asked for."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", 0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        client = Client()
        client.force_login(admin_user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value

        def open_page(viewport=WIDE, scheme="light"):
            context = browser.new_context(
                viewport=viewport, base_url=f"{live_server.url}/admin/", color_scheme=scheme
            )  # fmt: skip
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
            page = context.new_page()
            page.errors, page.asked = [], []
            page.on("pageerror", lambda error: page.errors.append(str(error)))
            page.on("console", lambda line: page.errors.append(line.text) if line.type == "error" else None)
            page.on("request", lambda request: page.asked.append(request.url))
            return page

        yield open_page
        browser.close()
        connections.close_all()


@pytest.fixture
def picture(tmp_path):
    folder = Path(os.environ.get("PAPER_IMAGES") or tmp_path)
    return lambda page, name: page.screenshot(path=folder / f"{name}.png", full_page=True)


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_an_order_is_found_by_its_code_from_any_page_without_a_trace(pages, picture):
    world.fill(3)
    page = pages()
    page.goto("orders/order/")
    page.wait_for_function("window.Alpine !== undefined")
    page.keyboard.press("Control+k")
    page.keyboard.type(f"{world.CODE}-1-1".lower())
    page.keyboard.press("Enter")

    page.get_by_role("heading", name="code 2001").first.wait_for()
    order = Order.objects.get(number="N-1")
    page.get_by_role("link", name=order.external_id).first.click()
    page.wait_for_url(f"**/orders/order/{order.pk}/change/")

    assert [url for url in page.asked if world.CODE.lower() in url.lower()] == []
    assert page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])").lower().count("planted") == 0
    assert page.errors == []
    assert not CodeReveal.objects.filter(user="admin").exists()


def test_hits_are_listed_and_help_is_shown_on_a_desk_and_on_a_phone(pages, picture):
    world.fill(3)
    for viewport, size in ((WIDE, "1440"), (NARROW, "390")):
        for scheme in ("light", "dark"):
            page = pages(viewport, scheme)
            page.goto("search/")
            page.wait_for_function("window.Alpine !== undefined")
            page.get_by_text("What can be found").wait_for()
            picture(page, f"search-help-{size}-{scheme}")
            page.get_by_label("What to search for").fill("17000000")
            page.get_by_role("button", name="Search", exact=True).click()
            page.get_by_role("link", name="1700000001ORDER").first.wait_for()
            picture(page, f"search-hits-{size}-{scheme}")
            assert (page.errors, fits(page)) == ([], True)


def import_thousand(page, picture, give):
    page.goto("inventory/codeimport/add/")
    page.wait_for_function("window.Alpine !== undefined")
    page.locator(".select2-selection").first.click()
    page.locator(".select2-search__field").fill("GAME")
    page.locator(".select2-results__option", has_text="GAME-1").click(timeout=10_000)
    give(page)
    page.get_by_label("Cost of one").fill("4.20")
    page.get_by_label("Currency").fill("eur")
    picture(page, "import-form")
    page.get_by_role("button", name="Preview").click()

    page.get_by_text("1,000 new").wait_for()
    picture(page, "import-preview")
    page.get_by_role("button", name="Import 1,000 codes").click()
    page.locator("#run-progress").wait_for()
    drain()
    page.get_by_text("the import has ended").wait_for()
    picture(page, "import-ended")
    assert (page.errors, fits(page)) == ([], True)
    assert (CodeImport.objects.get().imported, Code.objects.filter(state="available").count()) == (1000, 1000)
    assert "Batch" in page.locator("[data-stage=ended]").inner_text()


CODES = "".join(f"PLANTED-{number:06}-CODE\n" for number in range(1000))


def test_a_thousand_codes_are_pasted(pages, picture):
    Product.objects.create(sku="GAME-1", name="Nightfall")
    import_thousand(pages(), picture, lambda page: page.get_by_label("Or paste them").fill(CODES))


def test_a_file_of_a_thousand_codes_is_dropped_on_a_phone(pages, picture, tmp_path):
    Product.objects.create(sku="GAME-1", name="Nightfall")
    file = tmp_path / "codes.txt"
    file.write_text(CODES)

    def drop(page):
        page.evaluate(
            """text => {
                const data = new DataTransfer();
                data.items.add(new File([text], "codes.txt", {type: "text/plain"}));
                document.querySelector("label[for=id_file]").dispatchEvent(
                    new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
            }""",
            CODES,
        )
        page.get_by_text("codes.txt").wait_for()

    import_thousand(pages(NARROW, "dark"), lambda page, name: picture(page, f"{name}-390-dark"), drop)


def test_a_paste_that_is_too_long_is_not_sent(pages, monkeypatch):
    monkeypatch.setattr(import_admin, "LONGEST_PASTE", 10)
    page = pages()
    page.goto("inventory/codeimport/add/")
    page.wait_for_function("window.Alpine !== undefined")
    page.get_by_label("Or paste them").fill("AAAA-BBBB-CCCC")
    page.get_by_text("That is too long to be pasted").wait_for()
    page.get_by_role("button", name="Preview").click()

    assert page.url.endswith("/inventory/codeimport/add/")
    assert [url for url in page.asked if url.endswith("/add/")] == [page.url]
