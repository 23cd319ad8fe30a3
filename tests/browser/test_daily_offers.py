"""An offer is made on each marketplace, from the front page; the closing lines say how much work that is."""

import pytest

from inventory.models import Offer
from marketplaces.services.g2g.sandbox_catalogue import CARDS_CATEGORY
from tests import make
from tests.drain import drain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def begin(person, sku="GAME-1"):
    make.product(sku, codes=4)
    person.menu("Offers")
    person.follow("Add offer")
    person.click(f"Choose {sku}")


def price(person, amount):
    person.page.locator("#id_price").fill(amount)
    person.click("Continue")
    person.click("Create the offer")


def test_an_offer_is_made_on_g2g(g2g, person):
    begin(person)
    person.choose("Category", CARDS_CATEGORY)
    person.fill("A word of its name, or its id", "itunes")
    person.click("Search")
    person.click("Choose iTunes Gift Card")
    person.clicks += 1
    person.page.get_by_label("Denomination").select_option(label="USD 25")
    person.click("Continue")
    person.page.locator("#id_currency").fill("USD")
    price(person, "24")
    person.sees("The offer is on its way to Main G2G")
    drain()

    offer = Offer.objects.get()
    assert (offer.state, g2g.sandbox.offers.all[offer.external_id].fields["api_qty"]) == ("done", 4)
    assert person.page.errors == []


def test_an_offer_is_made_on_g2a(g2a, person):
    begin(person)
    person.fill("Product’s id there", next(iter(g2a.sandbox.catalogue.products)))
    person.click("Continue")
    person.click("Continue")
    price(person, "20")
    person.sees("on its way to Main G2A")
    g2a.advance(10)

    offer = Offer.objects.get()
    assert (offer.state, offer.external_id in g2a.sandbox.offers.all) == ("done", True)
    assert person.page.errors == []


def test_an_offer_is_made_on_gcommerce(gcommerce, person):
    begin(person)
    person.click("Continue")
    person.page.locator("#id_title").fill("Nightfall key")
    person.choose("Category", "8201")
    person.click("Continue")
    price(person, "20")
    person.sees("on its way to Main G-Commerce")
    gcommerce.advance(61)

    offer = Offer.objects.get()
    assert gcommerce.sandbox.products.all[int(offer.external_id)].code == "GAME-1"
    assert person.page.errors == []


def test_an_offer_on_ginee_is_taken_over(ginee, person):
    begin(person, "MUG-RED")
    person.click("Continue")
    person.click("Continue")
    person.click("Take it over")
    person.sees("on its way to Main Ginee")
    drain()

    assert Offer.objects.get().pushed_quantity == 4
    assert person.page.errors == []
