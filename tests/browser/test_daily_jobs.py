"""What staff do every day, by mouse and keyboard from the front page; the closing lines say how much work each job is.

That an offer is made on each marketplace stands in test_daily_offers.py.
"""

import re

import pytest

from inventory.models import Code, CodeImport, CodeReveal, Offer, Pause, PriceChange, Product, Recall
from marketplaces.models import Account
from orders.models import Order, Shipment
from tests import make
from tests.backoffice import world
from tests.desk import open_desk
from tests.drain import drain
from tests.orders import parcel_story, story

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OFFERS = 500
CODES = 1000


def test_1000_codes_are_imported(person):
    Product.objects.create(sku="GAME-1", name="Nightfall")

    person.menu("Imports of codes")
    person.follow("Add import of codes")
    person.click_on(person.page.locator(".select2-selection").first)
    person.page.locator(".select2-search__field").fill("GAME")
    person.click_on(person.page.locator(".select2-results__option", has_text="GAME-1"))
    person.fill("Or paste them", "".join(f"PLANTED-{number:06}-CODE\n" for number in range(CODES)))
    person.fill("Cost of one", "4.20")
    person.fill("Currency", "eur")
    person.click("Preview")
    person.sees("1,000 new")
    person.click("Import 1,000 codes")
    person.page.locator("#run-progress").wait_for()
    drain()
    person.sees("the import has ended")

    assert person.page.errors == []
    assert (CodeImport.objects.get().imported, Code.objects.filter(state="available").count()) == (CODES, CODES)


def test_500_prices_are_raised_by_5_percent(person):
    account = make.account()
    rows = [Product(sku=f"GAME-{number:03}", name=f"Game {number}") for number in range(OFFERS)]
    for number, product in enumerate(Product.objects.bulk_create(rows)):
        make.offer(product, account, external_id=f"G{number:06}", price="10.00")

    person.menu("Offers")
    person.tick_all()
    person.follow(f"Select all {OFFERS} offers")
    person.act("Change prices")
    person.choose("Change", "percent")
    person.fill("Value", "5")
    person.click("Change prices")
    person.sees(f"{OFFERS} of {OFFERS} chosen rows change")
    person.click("Start")
    person.page.wait_for_url(re.compile("/run/"))

    drain()
    assert Offer.objects.filter(price="10.50").count() == PriceChange.objects.count() == OFFERS


def test_an_order_is_found_by_its_code(person):
    world.fill(3)
    order = Order.objects.get(number="N-1")

    person.press("Control+k")
    person.page.keyboard.type(f"{world.CODE}-1-1".lower())
    person.press("Enter")
    person.page.get_by_role("heading", name="code 2001").first.wait_for()
    person.follow(order.external_id)
    person.page.wait_for_url(f"**/orders/order/{order.pk}/change/")

    assert [url for url in person.page.asked if world.CODE.lower() in url.lower()] == []
    assert "planted" not in person.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])").lower()
    assert person.page.errors == []
    assert not CodeReveal.objects.filter(user="admin").exists()


def test_a_stuck_order_is_delivered(person):
    with open_desk("g2g", "Main G2G", requests_per_minute=600_000) as desk:
        shop = story.begin(desk, codes=0)
        order_id = shop.buy(force=True)
        shop.until_asked()
        make.add_codes(shop.product, 1)

        person.page.reload()
        person.loads = 0
        person.menu("Orders")
        person.follow(order_id)
        person.click("Deliver now")
        person.sees("A worker goes on with 1 delivery now")

        shop.until_delivered()
        assert len(shop.received(order_id)) == 1


def test_an_order_of_goods_is_accepted_and_shipped(person):
    with parcel_story.open_market() as desk:
        theirs = desk.sandbox.orders.buy(items=[(parcel_story.FIVE, 1)], status="O", force=True)
        order = parcel_story.intake.refresh(desk.account, parcel_story.RemoteOrder(external_id=str(theirs.id)))

        person.menu("Orders")
        person.follow(order.external_id)
        person.click("Accept")
        desk.settle()
        person.page.reload()
        person.fill("Tracking number", "1Z999AA10123456784")
        person.choose("Carrier", "ups")
        person.click("Ship")
        person.sees("is packed, and the marketplace is being told")

        desk.settle()
        assert Shipment.objects.get().state == "done"
        assert [each.order for each in desk.sandbox.shipments.made()] == [theirs]


def test_a_batch_is_called_back(person):
    product = make.product(codes=20)

    person.menu("Batches")
    person.page.locator("input.action-select").first.check()
    person.clicks += 1
    person.act("Call back")
    person.fill("Reason", "The supplier sold them twice")
    person.click("Call back")
    person.sees("20 are frozen at once")
    person.click("Call back")
    person.page.wait_for_url(re.compile("/run/"))

    drain()
    assert Code.objects.filter(product=product, state="faulty").count() == 20
    assert Recall.objects.get().codes.count() == 20


def test_an_account_with_a_wrong_key_is_connected_says_why_it_fails_and_is_mended(g2g, person, settings):
    settings.ALLOW_LOCAL_MARKETPLACES = True
    right = g2g.account.credentials

    person.menu("Accounts")
    person.follow("Add account")
    person.follow("G2G")
    person.fill("Name", "Second shop")
    person.page.locator("#id_base_url").fill(g2g.account.base_url)
    for name, value in {**right, "secret": "a-wrong-secret"}.items():
        person.page.locator(f"#id_credential_{name}").fill(value)
    person.click("Save")
    person.sees("What is left to do stands below")
    account = Account.objects.get(name="Second shop")
    assert person.page.get_by_label("Text to copy").input_value() == account.hook_url
    person.click("Copy")
    person.page.get_by_role("button", name="Copied").wait_for()

    person.click("Test connection")
    person.sees("G2G refused the key or the signature. Check the API key, the API secret and the user id")
    assert not [value for value in (*right.values(), "a-wrong-secret") if value in person.page.content()]

    person.follow("Enter or change them")
    person.page.locator("#id_credential_secret").fill(right["secret"])
    person.click("Save and continue editing")
    person.click_on(person.page.get_by_role("link", name="Step by step"))
    person.click("Test connection")
    person.sees("the connection works")

    assert person.page.errors == []
    account.refresh_from_db()
    assert (account.trouble, account.last_success_at is not None) == ("", True)


def test_everything_is_paused(person):
    world.fill(3)

    person.menu("Pauses")
    person.follow("Pause a marketplace or everything")
    person.fill("Reason", "Prices are wrong everywhere")
    person.click("Pause sales")
    person.sees("Prices are wrong everywhere")

    assert Pause.objects.get(level="everything", ended_at=None).by == "admin"


def test_who_revealed_a_code_is_seen(person):
    world.fill(1)
    assert CodeReveal.objects.get().user == "auditor"

    person.menu("Codes")
    person.fill("Code or number", f"{world.CODE}-0-1")
    person.click("Find")
    person.sees("The buyer says it does not work")
    person.sees("auditor")

    assert world.CODE not in person.page.content()


def test_an_order_is_opened(person):
    """The smallest job, which shows that the counting is right."""
    world.fill(1)

    person.menu("Orders")
    person.follow(Order.objects.get().external_id)
    person.sees("timeline")

    assert person.took() == "2 clicks, 2 page loads"
