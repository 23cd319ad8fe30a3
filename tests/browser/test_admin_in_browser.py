"""The admin in a real browser: what a person sees and presses, on a desk and on a phone."""

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import sync_playwright

from backoffice import runs
from backoffice.models import Run
from inventory.models import Code, CodeReveal, Pause
from marketplaces.models import Account
from orders.models import Delivery, Order
from tests.backoffice import world
from tests.conftest import chromium

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PAGES = (
    "", "orders/order/", "orders/order/{order}/change/", "orders/delivery/{delivery}/change/", "inventory/offer/",
    "inventory/code/", "inventory/code/1002/change/", "marketplaces/account/", "marketplaces/account/{account}/change/",
    "marketplaces/account/add/", "marketplaces/webhookevent/", "django_q/schedule/", "auth/user/",
    "inventory/offer/import/", "inventory/offer/export/",
)  # fmt: skip


@pytest.fixture
def browser(monkeypatch):
    # Playwright's loop runs in this thread, which is no reason to refuse the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    # The server's threads must not keep connections to a database that is about to be dropped.
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", 0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser
        browser.close()
        connections.close_all()


@pytest.fixture
def shop(browser, live_server):
    return world.fill(3)


@pytest.fixture
def open_as(browser, shop, live_server, settings, admin_user):
    """Give a page of the signed-in administrator, which notes every error of its console."""

    def open_page(viewport=WIDE):
        client = Client()
        client.force_login(admin_user)
        context = browser.new_context(viewport=viewport, base_url=f"{live_server.url}/admin/")
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda line: page.errors.append(line.text) if line.type == "error" else None)
        return page

    return open_page


def addresses(shop):
    order = Order.objects.order_by("pk").first()
    delivery = Delivery.objects.order_by("pk").first()
    return [path.format(order=order.pk, delivery=delivery.pk, account=shop.pk) for path in PAGES]


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_page_breaks_its_scripts_or_runs_off_the_screen(viewport, shop, open_as):
    page = open_as(viewport)
    for address in addresses(shop):
        page.goto(address)
        page.wait_for_function("window.Alpine !== undefined")
        width = page.evaluate("document.documentElement.scrollWidth")

        assert (address, page.errors) == (address, [])
        assert (address, width <= viewport["width"]) == (address, True)


def test_the_login_and_its_closed_page_load_nothing_that_the_policy_forbids(browser, live_server, settings):
    settings.AXES_ENABLED, settings.AXES_FAILURE_LIMIT = True, 1
    page = browser.new_page()
    errors = []
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    response = page.goto(f"{live_server.url}/admin/login/")
    page.wait_for_function("window.Alpine !== undefined")
    assert "script-src 'self' 'unsafe-eval';" in response.headers["content-security-policy"]
    assert errors == []

    page.fill("#id_username", "admin")
    page.fill("#id_password", "wrong")
    page.press("#id_password", "Enter")
    page.get_by_text("failed to sign in too often").wait_for()

    assert [error for error in errors if "Content Security Policy" in error] == []


def test_a_script_inside_a_page_does_not_run(shop, open_as):
    page = open_as()
    page.goto("orders/order/")
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.planted = true";
        document.body.append(script);
    }""")

    assert page.evaluate("window.planted") is None
    assert any("Content Security Policy" in error for error in page.errors)


def test_somebody_signs_in_and_lands_on_the_front_page(browser, shop, live_server, admin_user):
    page = browser.new_page()
    page.goto(f"{live_server.url}/admin/login/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "password")
    page.press("#id_password", "Enter")

    page.wait_for_url(f"{live_server.url}/admin/")
    assert page.get_by_role("link", name="Orders").first.is_visible()


def test_deliver_now_is_pressed_on_the_orders_page(shop, open_as):
    order = Order.objects.order_by("pk").first()
    page = open_as()
    page.goto(f"orders/order/{order.pk}/change/")

    page.get_by_role("button", name="Deliver now").click()

    page.get_by_text("A worker goes on with 1 delivery now").wait_for()
    assert page.url.endswith(f"/orders/order/{order.pk}/change/")
    assert Delivery.objects.get(line__order=order).state == "due"


def test_an_action_is_chosen_for_rows_of_a_list(shop, open_as):
    page = open_as()
    page.goto("orders/order/")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("run_deliverorders")

    page.get_by_role("button", name="Run").click()
    page.get_by_text("1 of 1 chosen rows change").wait_for()
    assert page.get_by_text("Requests to send: 3 to Main shop").is_visible()
    assert Delivery.objects.filter(state="due").count() == 0
    page.get_by_role("button", name="Start").dblclick()

    page.get_by_role("progressbar").wait_for()
    run = Run.objects.get(kind="orders.delivery_runs.DeliverOrders")
    assert page.url.endswith(f"/backoffice/run/{run.pk}/change/")
    runs.step(run.pk)
    page.locator("[data-state=waiting]", has_text="1").wait_for()
    Delivery.objects.filter(state="due").update(state="done")
    runs.step(run.pk)
    page.locator("[data-state=done]", has_text="1").wait_for()
    assert not page.errors


def test_a_code_is_searched_and_revealed_and_leaves_no_trace_in_an_address(shop, open_as):
    page = open_as()
    visited = []
    page.on("request", lambda request: visited.append(request.url))
    page.goto("inventory/code/")
    page.get_by_label("Code or number").fill(f"{world.CODE}-0-2")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("button", name="Reveal").click()
    page.get_by_label("Reason").fill("The buyer cannot redeem it")
    page.get_by_role("button", name="Reveal").click()

    page.get_by_text(f"{world.CODE}-0-2").wait_for()
    assert CodeReveal.objects.filter(code_id=1002, user="admin").count() == 1
    assert [url for url in visited if world.CODE in url] == []


def test_sales_are_paused_after_a_reason_was_given(shop, open_as):
    page = open_as(NARROW)
    page.goto(f"marketplaces/account/{shop.pk}/change/")
    page.get_by_role("button", name="Pause sales").click()
    page.get_by_text("3 offers will be shown as out of stock").wait_for()
    page.get_by_label("Reason").fill("Stolen keys")
    page.get_by_role("button", name="Pause sales").click()

    page.get_by_role("button", name="Resume sales").wait_for()
    assert Pause.objects.get(account=shop).reason == "Stolen keys"


def test_an_account_is_added_by_choosing_its_marketplace_first(shop, open_as):
    page = open_as()
    page.goto("marketplaces/account/add/")
    page.get_by_role("link", name="G2G").click()
    page.get_by_label("Name").fill("Second shop")
    for label in ("API key", "API secret", "User id"):
        page.get_by_label(label, exact=True).fill("typed-1234")
    page.get_by_role("button", name="Save", exact=True).click()

    page.get_by_text("Second shop is set up.").wait_for()
    made = Account.objects.get(name="Second shop")
    assert page.get_by_label("Text to copy").input_value() == made.hook_url
    assert "typed-1234" not in page.content()


def test_codes_are_taken_out_of_sale_from_the_list(shop, open_as):
    page = open_as()
    page.goto("inventory/code/?state__exact=available")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("run_withdraw")
    page.get_by_role("button", name="Run").click()
    page.get_by_label("They are").select_option("void")
    page.get_by_role("button", name="Take out of sale").click()
    page.get_by_text("1 of 1 chosen rows change").wait_for()
    page.get_by_role("button", name="Take out of sale").click()

    page.get_by_role("progressbar").wait_for()
    runs.step(Run.objects.get(kind="inventory.stock_runs.Withdraw").pk)
    assert Code.objects.filter(state="void").count() == 1
