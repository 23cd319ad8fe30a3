"""Keys, saved filters and reports in a real browser: what a person presses, on a desk and on a phone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backoffice.models import Preference, SavedFilter
from inventory.models import Batch, Product
from orders.models import Delivery, DeliveryItem
from tests import make
from tests.browser.person import DESK, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_keys_lead_to_lists_move_in_them_and_say_what_they_are(shop, open_page):
    page = open_page()
    page.goto("inventory/product/")
    page.wait_for_function("sessionStorage.getItem('backoffice-shortcuts')")

    page.keyboard.press("?")
    page.wait_for_selector("#shortcuts-help[open]")
    assert "Orders" in page.inner_text("#shortcuts-help")
    page.keyboard.press("Escape")
    page.wait_for_selector("#shortcuts-help[open]", state="detached")

    page.keyboard.press("/")
    page.keyboard.type("gojk")  # in the search box these are letters
    assert page.input_value("#searchbar") == "gojk"
    assert "/inventory/product/" in page.url
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator("#result_list tr.data-row").first
    assert first.get_attribute("aria-current") == "true"
    page.keyboard.press("Enter")
    page.wait_for_url("**/inventory/product/*/change/")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/orders/order/")
    assert page.errors == []


def test_who_turned_keys_off_has_none(shop, open_page, admin_user):
    Preference.objects.create(user=admin_user, has_shortcuts=False)
    page = open_page()
    page.goto("inventory/product/")
    page.wait_for_function("sessionStorage.getItem('backoffice-shortcuts')")

    for key in ("j", "/", "?"):
        page.keyboard.press(key)

    assert page.locator("#result_list tr[aria-current]").count() == 0
    assert page.locator("#shortcuts-help").count() == 0
    assert page.evaluate("document.activeElement.id") != "searchbar"


def test_a_filter_is_saved_and_chosen(shop, open_page):
    page = open_page()
    page.goto("inventory/product/?q=GAME")
    page.click("text=Save this filter")
    page.fill("#saved-filters input[name=name]", "Games")
    page.click("#saved-filters button[type=submit]")
    page.wait_for_load_state()

    assert SavedFilter.objects.get().query == "q=GAME"
    page.goto("inventory/product/")
    page.click("#saved-filters >> text=Games")
    page.wait_for_url("**/?q=GAME")
    assert page.errors == []


def sales(account):
    """Some days of sales, so that there is something to draw."""
    now = timezone.now()
    Batch.objects.update(cost="4.20", currency="USD")
    line = Delivery.objects.order_by("pk").first().line
    for number in range(40):
        (code,) = make.add_codes(Product.objects.order_by("pk")[number % 3], 1, prefix=f"w{number}")
        Batch.objects.filter(pk=code.batch_id).update(cost="5.10", currency="USD")
        at = now - timedelta(days=number % 12, seconds=number)
        delivery = Delivery.objects.create(
            account=account, line=line, external_id=f"W{number}", requested=1, status="delivered", requested_at=at
        )
        DeliveryItem.objects.create(delivery=delivery, code=code, sent_at=at + timedelta(seconds=3 * number % 80))


ADDRESSES = (
    "reports/profit/", "reports/profit/?by=product", "reports/stock/", "reports/times/", "me/", "backoffice/change/",
    "inventory/product/?q=GAME", "inventory/competitorwatch/?q=zzz",
)  # fmt: skip


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["wide", "narrow"])
def test_the_pages_hold_together(viewport, shop, open_page, request):
    sales(shop)
    page = open_page(viewport)
    for address in ADDRESSES:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, address
    assert page.locator("canvas.chart").count() == 0
    page.goto("reports/profit/")
    assert page.locator("canvas.chart").count() == 1
    assert page.errors == []
