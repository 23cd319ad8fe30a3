"""The admin in a real browser: what a person sees and presses, on a desk and on a phone."""

import pytest

from backoffice import runs
from backoffice.models import Run
from inventory.models import Code, CodeReveal, Pause
from orders.models import Delivery, Order
from tests.backoffice import world
from tests.browser.person import DESK, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = (
    "", "orders/order/", "orders/order/{order}/change/", "orders/delivery/{delivery}/change/", "inventory/offer/",
    "inventory/code/", "inventory/code/1002/change/", "marketplaces/account/", "marketplaces/account/{account}/change/",
    "marketplaces/account/add/", "marketplaces/webhookevent/", "django_q/schedule/", "auth/user/",
    "inventory/offer/import/", "inventory/offer/export/",
)  # fmt: skip


def addresses(shop):
    order = Order.objects.order_by("pk").first()
    delivery = Delivery.objects.order_by("pk").first()
    return [path.format(order=order.pk, delivery=delivery.pk, account=shop.pk) for path in PAGES]


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["wide", "narrow"])
def test_no_page_breaks_its_scripts_or_runs_off_the_screen(viewport, shop, open_page):
    page = open_page(viewport)
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
    policy = response.headers["content-security-policy"].split("; ")  # in any order
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert errors == []

    page.fill("#id_username", "admin")
    page.fill("#id_password", "wrong")
    page.press("#id_password", "Enter")
    page.get_by_text("failed to sign in too often").wait_for()

    assert [error for error in errors if "Content Security Policy" in error] == []


def test_a_script_inside_a_page_does_not_run(shop, open_page):
    page = open_page()
    page.goto("orders/order/")
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.planted = true";
        document.body.append(script);
    }""")

    assert page.evaluate("window.planted") is None
    assert any("Content Security Policy" in error for error in page.errors)


def test_an_action_is_chosen_for_rows_of_a_list(shop, open_page):
    page = open_page()
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


def test_a_code_is_searched_and_revealed_and_leaves_no_trace_in_an_address(shop, open_page):
    page = open_page()
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


def test_sales_are_paused_after_a_reason_was_given(shop, open_page):
    page = open_page(PHONE)
    page.goto(f"marketplaces/account/{shop.pk}/change/")
    page.get_by_role("button", name="Pause sales").click()
    page.get_by_text("3 offers will be shown as out of stock").wait_for()
    page.get_by_label("Reason").fill("Stolen keys")
    page.get_by_role("button", name="Pause sales").click()

    page.get_by_role("button", name="Resume sales").wait_for()
    assert Pause.objects.get(account=shop).reason == "Stolen keys"


def test_codes_are_taken_out_of_sale_from_the_list(shop, open_page):
    page = open_page()
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
