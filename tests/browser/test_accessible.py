"""No page of the admin has a serious fault for those who use a keyboard or a screen reader, as axe-core sees it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from marketplaces.models import Account
from marketplaces.services.g2g.sandbox_catalogue import CARDS_CATEGORY
from tests import make
from tests.backoffice import world
from tests.backoffice.pages import addresses
from tests.browser.person import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SERIOUS = {"serious", "critical"}
SHARES = 4  # the pages, dealt out so that several processes can look
OWN_PAGES = (  # those that are not of a model
    "search", "me:settings", "reports:profit", "reports:stock", "reports:times", "second_factor",
    "second_factor_set_up", "admin:inventory_offer_new", "admin:inventory_offer_import", "admin:inventory_offer_export",
    "admin:inventory_pause_wide", "admin:password_change",
)  # fmt: skip


def faults(page):
    found = Axe().run(page).response["violations"]
    return [
        (fault["id"], node["target"], node["failureSummary"])
        for fault in found if fault["impact"] in SERIOUS for node in fault["nodes"][:3]
    ]  # fmt: skip


def look(person, address):
    person.page.goto(f"{person.url}{address}")
    person.page.wait_for_function("window.Alpine !== undefined")
    return faults(person.page)


@pytest.mark.parametrize("share", range(SHARES))
def test_no_page_has_a_serious_fault(share, person, admin_user):
    world.fill(3)

    found = {address: look(person, address) for address in list(addresses(admin_user))[share::SHARES]}

    assert [f"{address}: {fault}" for address, what in found.items() for fault in what] == []


def own_addresses():
    account = Account.objects.get()
    lists = [f"{reverse('admin:orders_order_changelist')}?q=17", f"{reverse('admin:inventory_offer_changelist')}?q=zzz"]
    return [
        *map(reverse, OWN_PAGES), *lists, reverse("admin:marketplaces_account_connect", args=[account.pk]),
        f"{reverse('admin:marketplaces_account_add')}?marketplace={account.marketplace}",
    ]  # fmt: skip


@pytest.mark.parametrize("share", range(2))
def test_no_page_that_is_not_of_a_model_has_a_serious_fault(share, person, settings):
    settings.TWO_FACTOR = "optional"
    world.fill(3)

    found = {address: look(person, address) for address in own_addresses()[share::2]}

    assert [f"{address}: {fault}" for address, what in found.items() for fault in what] == []


def test_nor_have_the_pages_on_the_way_of_a_new_offer_a_search_or_a_run(g2g, person):
    make.product(codes=4)
    make.product("GAME-2")
    found = []

    def here():
        person.page.wait_for_load_state("load")
        found.extend(f"{person.page.url}: {fault}" for fault in faults(person.page))

    person.press("Control+k")
    person.page.keyboard.type("GAME")
    person.press("Enter")
    person.page.wait_for_url("**/search/")
    here()
    person.page.goto(f"{person.url}{reverse('admin:inventory_offer_new')}")
    person.click("Choose GAME-1")
    person.choose("Category", CARDS_CATEGORY)
    person.fill("A word of its name, or its id", "itunes")
    person.click("Search")
    person.sees("iTunes Gift Card")
    here()
    person.click("Choose iTunes Gift Card")
    person.sees("Denomination")
    here()
    person.page.get_by_label("Denomination").select_option(label="USD 25")
    person.click("Continue")
    person.page.locator("#id_price").fill("24")
    person.page.locator("#id_currency").fill("USD")
    person.sees("What we get is not known")
    here()
    person.click("Continue")
    person.sees("What is sent to")
    here()

    make.offer(None, g2g.account, external_id="G1", price="10.00")
    person.menu("Offers")
    person.tick_all()
    person.act("Change prices")
    here()
    person.choose("Change", "percent")
    person.fill("Value", "5")
    person.click("Change prices")
    person.sees("1 of 1 chosen rows change")
    here()
    person.click("Start")
    person.page.locator("#run-progress").wait_for()
    here()

    assert found == []


@pytest.mark.parametrize("page", ["admin:index", "admin:orders_order_changelist", "admin:inventory_offer_changelist"])
def test_nor_in_the_dark_on_a_phone(page, person):
    world.fill(3)
    person.page.set_viewport_size(PHONE)
    person.page.emulate_media(color_scheme="dark")

    found = look(person, reverse(page))

    assert "dark" in person.page.locator("html").get_attribute("class")
    assert found == []
