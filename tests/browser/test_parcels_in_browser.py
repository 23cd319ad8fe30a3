"""An order is shipped by a person in a real browser."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orders.models import Order, OrderLine, Shipment
from tests.backoffice import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_order_is_shipped_from_its_page_with_what_remains(open_page, tmp_path):
    account = world.account()
    type(account).objects.filter(pk=account.pk).update(marketplace="gcommerce")
    order = Order.objects.create(
        account=account, external_id="120001", state="accepted", needs_shipping=True, seen_at=datetime.now(UTC),
        shipping_methods=[{"external_id": "44", "name": "Ground"}],
    )  # fmt: skip
    OrderLine.objects.create(order=order, external_id="1", name="Demo mask", sku="LM1", quantity=5)
    page = open_page()
    page.goto(f"orders/order/{order.pk}/change/")
    page.get_by_text("To ship", exact=True).scroll_into_view_if_needed()
    page.screenshot(path=Path(os.environ.get("PAPER_IMAGES") or tmp_path) / "to-ship.png", full_page=True)

    assert page.get_by_label("Demo mask").input_value() == "5"
    page.get_by_label("Demo mask").fill("3")
    page.get_by_label("Tracking number").fill("1Z1")
    page.get_by_label("Carrier", exact=True).select_option("ups")
    page.get_by_role("button", name="Ship", exact=True).click()

    page.get_by_text("is packed, and the marketplace is being told").wait_for()
    page.screenshot(path=Path(os.environ.get("PAPER_IMAGES") or tmp_path) / "shipped.png", full_page=True)
    parcel = Shipment.objects.get()
    assert (parcel.tracking_number, parcel.items.get().wanted, parcel.shipping_method_id) == ("1Z1", 3, "44")
    assert page.get_by_label("Demo mask").input_value() == "2"
