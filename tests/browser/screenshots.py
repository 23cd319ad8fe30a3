"""`make screenshots`: photograph the running demo for the documentation.

It wants `make demo` to have been running for a few minutes, so that there are orders to see. It changes nothing there but
for a draft of an offer.
"""

import argparse
import re
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser import CHROMIUM_ARGUMENTS, chromium
from tests.browser.person import Person

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1440, "height": 900}
COLOURS = 128  # of a picture's own; a page of the admin has few


def front(person: Person) -> None:
    person.page.goto(f"{person.url}/admin/")


def order(person: Person) -> None:
    """A delivered order shows the whole story: its own list, filtered, and the first row of it."""
    person.page.goto(f"{person.url}/admin/orders/order/?state__exact=delivered")
    person.page.locator("#result_list tbody tr th a, #result_list tbody tr td a").first.click()


def offers(person: Person) -> None:
    person.menu("Offers")


def wizard(person: Person) -> None:
    """One more denomination of a gift card, as far as its price."""
    person.page.goto(f"{person.url}/admin/inventory/offer/new/")
    person.click("Choose AMBER-VOYAGE-50")
    person.click("Choose Demo G2G (play)")
    person.page.get_by_label("Category").select_option(label="Gift Cards / PC Platform")
    person.fill("A word of its name, or its id", "Amber Voyage")
    person.click("Search")
    person.click("Choose Amber Voyage Gift Card")
    person.page.get_by_label("Denomination").select_option(label="USD 50")
    person.click("Continue")
    person.page.locator("#id_price").fill("48.90")
    person.page.locator("#id_currency").fill("USD")
    person.page.get_by_text(re.compile(r"^We get [\d.]+ USD")).wait_for()


def run(person: Person) -> None:
    """What raising the prices of all offers would do, before it is done."""
    person.menu("Offers")
    person.tick_all()
    person.act("Change prices")
    person.choose("Change", "percent")
    person.fill("Value", "5")
    person.click("Change prices")
    person.sees("chosen rows change")


def report(person: Person) -> None:
    person.page.goto(f"{person.url}/admin/reports/stock/")


# Each leads to what its picture shows, which is named like it.
SIGHTS: tuple[Callable[[Person], None], ...] = (front, order, offers, wizard, run, report)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the demo is (default: %(default)s)")
    parser.add_argument("--password", default="", help="of the user admin (default: what var/demo_password says)")
    asked = parser.parse_args()
    password = asked.password or (ROOT / "var" / "demo_password").read_text().strip()
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        person = Person(browser.new_page(viewport=SIZE), asked.url)
        person.sign_in("admin", password)
        for sight in SIGHTS:
            sight(person)
            shoot(person.page, sight.__name__)
        browser.close()
    return 0


def shoot(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    path = IMAGES / f"{name}.png"
    with Image.open(BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
