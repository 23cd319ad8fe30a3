"""What a search finds, and codes that come into stock from a file, in a real browser."""

import os
from pathlib import Path

import pytest

from inventory import import_admin
from inventory.models import Code, CodeImport, Product
from tests.browser.person import DESK, PHONE
from tests.drain import drain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def picture(tmp_path):
    folder = Path(os.environ.get("PAPER_IMAGES") or tmp_path)
    return lambda page, name: page.screenshot(path=folder / f"{name}.png", full_page=True)


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_hits_are_listed_and_help_is_shown_on_a_desk_and_on_a_phone(open_page, picture, shop):
    for viewport, size in ((DESK, "1440"), (PHONE, "390")):
        for scheme in ("light", "dark"):
            page = open_page(viewport, color_scheme=scheme)
            page.goto("search/")
            page.wait_for_function("window.Alpine !== undefined")
            page.get_by_text("What can be found").wait_for()
            picture(page, f"search-help-{size}-{scheme}")
            page.get_by_label("What to search for").fill("17000000")
            page.get_by_role("button", name="Search", exact=True).click()
            page.get_by_role("link", name="1700000001ORDER").first.wait_for()
            picture(page, f"search-hits-{size}-{scheme}")
            assert (page.errors, fits(page)) == ([], True)


DROP = """text => {
    const data = new DataTransfer();
    data.items.add(new File([text], "codes.txt", {type: "text/plain"}));
    document.querySelector("label[for=id_file]").dispatchEvent(
        new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


def test_a_file_of_a_thousand_codes_is_dropped_on_a_phone(open_page, picture):
    Product.objects.create(sku="GAME-1", name="Nightfall")
    page = open_page(PHONE, color_scheme="dark")
    page.goto("inventory/codeimport/add/")
    page.wait_for_function("window.Alpine !== undefined")
    page.locator(".select2-selection").first.click()
    page.locator(".select2-search__field").fill("GAME")
    page.locator(".select2-results__option", has_text="GAME-1").click(timeout=10_000)
    page.evaluate(DROP, "".join(f"PLANTED-{number:06}-CODE\n" for number in range(1000)))
    page.get_by_text("codes.txt").wait_for()
    page.get_by_label("Cost of one").fill("4.20")
    page.get_by_label("Currency").fill("eur")
    picture(page, "import-form-390-dark")
    page.get_by_role("button", name="Preview").click()

    page.get_by_text("1,000 new").wait_for()
    picture(page, "import-preview-390-dark")
    page.get_by_role("button", name="Import 1,000 codes").click()
    page.locator("#run-progress").wait_for()
    drain()
    page.get_by_text("the import has ended").wait_for()
    picture(page, "import-ended-390-dark")
    assert (page.errors, fits(page)) == ([], True)
    assert (CodeImport.objects.get().imported, Code.objects.filter(state="available").count()) == (1000, 1000)
    assert "Batch" in page.locator("[data-stage=ended]").inner_text()


def test_a_paste_that_is_too_long_is_not_sent(open_page, monkeypatch):
    monkeypatch.setattr(import_admin, "LONGEST_PASTE", 10)
    page = open_page()
    page.goto("inventory/codeimport/add/")
    page.wait_for_function("window.Alpine !== undefined")
    page.get_by_label("Or paste them").fill("AAAA-BBBB-CCCC")
    page.get_by_text("That is too long to be pasted").wait_for()
    page.get_by_role("button", name="Preview").click()

    assert page.url.endswith("/inventory/codeimport/add/")
    assert [url for url in page.asked if url.endswith("/add/")] == [page.url]
