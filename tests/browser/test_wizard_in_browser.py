"""What the wizard of new offers says and keeps on the way, in a real browser; that it makes them: test_daily_offers.py."""

import os
from pathlib import Path

import pytest

from inventory.models import Fee, Offer
from marketplaces.services.g2g.sandbox_catalogue import CARDS_CATEGORY
from tests import make
from tests.browser.person import DESK, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def look(tmp_path):
    """Take a picture of a page, kept where WIZARD_IMAGES says."""

    def take(page, name):
        if folder := os.environ.get("WIZARD_IMAGES"):
            for width in (1440, 390):
                for scheme in ("light", "dark"):
                    page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
                    page.set_viewport_size({"width": width, "height": 900})
                    page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
            page.set_viewport_size(DESK)
            page.evaluate("document.documentElement.classList.remove('dark')")

    return take


@pytest.fixture
def product(db):
    return make.product(codes=4)


def choose(page, name):
    page.get_by_role("button", name=f"Choose {name}", exact=True).click()


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_nothing_is_made_before_the_preview_and_what_was_typed_is_kept(g2g, product, open_page, look):
    Fee.objects.create(account=g2g.account, percent=10)
    page = open_page()
    page.goto("inventory/offer/")
    page.get_by_role("link", name="Add offer").first.click()
    look(page, "1-product")
    choose(page, "GAME-1")
    page.get_by_label("Category").select_option(CARDS_CATEGORY)
    page.get_by_label("A word of its name, or its id").fill("itunes")
    press(page, "Search")
    look(page, "3-goods")
    choose(page, "iTunes Gift Card")
    page.get_by_label("Denomination").select_option(label="USD 25")
    look(page, "4-choices")
    press(page, "Continue")

    page.locator("#id_price").fill("24")
    page.locator("#id_currency").fill("USD")
    page.get_by_text("We get 21.60 USD, by the account's fees.").wait_for()
    page.get_by_label("Floor").fill("25")
    page.get_by_text("is below the floor of 25.00 USD").wait_for()
    look(page, "5-price")
    page.get_by_label("Floor").fill("20")
    press(page, "Continue")

    page.get_by_text("What is sent to G2G").wait_for()
    page.get_by_text("The request, letter by letter").click()
    assert '"unit_price": 24' in page.locator("pre").inner_text()
    look(page, "6-preview")
    page.go_back()
    assert page.locator("#id_price").input_value() == "24"
    page.go_forward()
    assert page.errors == []
    assert (len(g2g.sandbox.offers.all), Offer.objects.count()) == (0, 0)


def test_a_price_is_shown_with_what_the_marketplace_says_of_it(g2a, product, open_page, look):
    goods = next(iter(g2a.sandbox.catalogue.products))
    page = open_page()
    page.goto("inventory/offer/new/")
    choose(page, "GAME-1")
    page.get_by_label("Product’s id there").fill(goods)
    press(page, "Continue")
    look(page, "choices-static")
    press(page, "Continue")
    page.locator("#id_price").fill("20")
    page.get_by_text("as the marketplace says").wait_for()
    look(page, "price-simulated")
    assert page.errors == []


def test_a_product_is_made_without_a_script_on_a_phone(gcommerce, product, open_page):
    page = open_page(PHONE, java_script_enabled=False)
    page.goto("inventory/offer/new/")
    choose(page, "GAME-1")
    assert page.get_by_label("Product code").input_value() == "GAME-1"
    press(page, "Continue")
    page.locator("#id_title").fill("Nightfall key")
    page.get_by_label("Category").select_option("8201")
    press(page, "Continue")
    page.locator("#id_price").fill("20")
    press(page, "What do we get?")
    page.get_by_text("What we get is not known: no fee is entered for the account.").wait_for()
    press(page, "Back")
    assert page.locator("#id_title").input_value() == "Nightfall key"
    press(page, "Continue")
    assert page.locator("#id_price").input_value() == "20"
    press(page, "Continue")
    press(page, "Create the offer")
    page.get_by_text("on its way to Main G-Commerce").wait_for(state="attached")
    gcommerce.advance(61)

    offer = Offer.objects.get()
    assert gcommerce.sandbox.products.all[int(offer.external_id)].code == "GAME-1"
