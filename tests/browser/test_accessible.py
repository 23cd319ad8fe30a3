"""No page of the admin has a serious fault for those who use a keyboard or a screen reader, as axe-core sees it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from tests.backoffice import world
from tests.backoffice.pages import addresses

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SERIOUS = {"serious", "critical"}
SHARES = 4  # the pages, dealt out so that several processes can look
PHONE = {"width": 390, "height": 844}


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


@pytest.mark.parametrize("page", ["admin:index", "admin:orders_order_changelist", "admin:inventory_offer_changelist"])
def test_nor_in_the_dark_on_a_phone(page, person):
    world.fill(3)
    person.page.set_viewport_size(PHONE)
    person.page.emulate_media(color_scheme="dark")

    found = look(person, reverse(page))

    assert "dark" in person.page.locator("html").get_attribute("class")
    assert found == []
