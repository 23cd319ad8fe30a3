"""`make screenshots`: photograph the running demo for the documentation.

It wants `make demo` to have been running for a minute, so that there are orders to see.
"""

import argparse
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import CHROMIUM_ARGUMENTS, chromium

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1440, "height": 900}
LISTS = {"orders": "/admin/orders/order/", "offers": "/admin/inventory/offer/"}
# A delivered order shows the whole story: its own list, filtered, and the first row of it.
DELIVERED = "/admin/orders/order/?state__exact=delivered"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the demo is (default: %(default)s)")
    parser.add_argument("--password", default="", help="of the user admin (default: what var/demo_password says)")
    asked = parser.parse_args()
    password = asked.password or (ROOT / "var" / "demo_password").read_text().strip()
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport=SIZE, base_url=asked.url)
        log_in(page, password)
        for name, path in LISTS.items():
            page.goto(path)
            shoot(page, name)
        page.goto(DELIVERED)
        page.locator("#result_list tbody tr th a, #result_list tbody tr td a").first.click()
        shoot(page, "order")
        browser.close()
    return 0


def log_in(page: Page, password: str) -> None:
    page.goto("/admin/login/?next=/admin/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")


def shoot(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
