"""Refunds, disputes, reopened orders, completed ones; and what a forged request can't do."""

import pytest
from django.urls import reverse

from inventory.models import Code
from marketplaces.models import ApiCall, Outgoing, WebhookEvent
from orders import intake
from orders.models import Delivery, DeliveryItem, Order, OrderEvent
from tests import make
from tests.orders import story

State = Code.State


@pytest.fixture
def shop(g2g):
    return story.begin(g2g, codes=10)


def sell(shop, qty=2):
    order_id = shop.buy(qty)
    shop.until_asked()
    shop.until_delivered()
    return order_id


def test_two_refunds_of_one_order_are_two_records(shop):
    """G2G-T53: totals come from reading the order."""
    order_id = sell(shop)
    for _ in range(2):
        shop.desk.sandbox.orders.act(order_id, "refund", qty=1)
        shop.desk.advance(5)
    for event in WebhookEvent.objects.filter(kind="order.refunded"):
        shop.send_again(event)
    shop.desk.settle()

    refunds = OrderEvent.objects.filter(kind="refund")
    assert [entry.data["refunded_units"] for entry in refunds] == [1, 2]
    codes = sorted(DeliveryItem.objects.values_list("code_id", flat=True))
    assert all(entry.data["codes"] == codes for entry in refunds)
    assert f"2 codes had left for this order: code {codes[0]}, code {codes[1]}." in refunds[0].text
    assert shop.order(order_id).lines.get().refunded == 2
    assert shop.count(State.DELIVERED) == 2, "what the buyer has is not sold again"


def test_completed_is_completed_and_a_roll_back_reopens_and_warns(shop):
    """G2G-T54"""
    order_id = sell(shop)
    shop.desk.advance(3 * 86400 + 60)
    assert (shop.order(order_id).state, shop.order(order_id).state_detail) == ("completed", "completed")

    shop.desk.sandbox.orders.act(order_id, "rollback_completed")
    shop.desk.settle()
    assert shop.order(order_id).state == "ready_to_ship"
    assert OrderEvent.objects.filter(kind="reopened", level="warning").count() == 1


def test_a_cancelled_order_can_wait_for_payment_again(shop):
    """G2G-T55"""
    order_id = shop.buy(1, pay=False)
    shop.desk.settle()
    shop.desk.sandbox.orders.act(order_id, "cancel")
    shop.desk.advance(1)
    assert shop.order(order_id).state == "cancelled"

    shop.desk.sandbox.orders.act(order_id, "rollback_cancelled")
    shop.desk.advance(1)
    assert shop.order(order_id).state == "awaiting_payment"


def test_a_case_is_flagged_until_a_person_settles_it_and_nothing_is_called(shop):
    """G2G-T56: opens a case and a warning; no automatic call but reading."""
    order_id = sell(shop)
    writes = ApiCall.objects.exclude(method="GET").count()
    shop.desk.sandbox.orders.act(order_id, "case")
    shop.desk.settle()

    assert shop.order(order_id).is_disputed
    entry = OrderEvent.objects.get(kind="case")
    assert entry.level == "warning"
    assert entry.data["codes"] == sorted(DeliveryItem.objects.values_list("code_id", flat=True))
    assert ApiCall.objects.exclude(method="GET").count() == writes

    Order.objects.update(is_disputed=False)
    shop.send_again(WebhookEvent.objects.get(kind="order.case_opened"))
    shop.desk.settle()
    assert not shop.order(order_id).is_disputed


def test_the_codes_of_a_case_are_links_on_the_orders_page(shop, admin_client):
    order_id = sell(shop)
    shop.desk.sandbox.orders.act(order_id, "case")
    shop.desk.settle()

    order = shop.order(order_id)
    text = admin_client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    timeline = text[text.index("The buyer reported a problem") :]
    for code_id in DeliveryItem.objects.values_list("code_id", flat=True):
        assert f'href="{reverse("admin:inventory_code_change", args=[code_id])}"' in timeline
    assert not any(code in text for code in shop.received(order_id))


def test_many_codes_of_a_case_are_counted_and_kept(shop):
    make.add_codes(shop.product, 20)
    shop.stock_came()
    order_id = sell(shop, 15)
    shop.desk.sandbox.orders.act(order_id, "case")
    shop.desk.settle()

    entry = OrderEvent.objects.get(kind="case")
    assert "15 codes had left" in entry.text
    assert entry.text.endswith("and 5 more.")
    assert len(entry.data["codes"]) == 15


def test_low_stock_reads_the_offer_and_pushes_the_true_number(shop):
    """G2G-T57"""
    shop.desk.sandbox.offers.all[shop.offer.external_id].fields["api_qty"] = 1
    shop.forge("offer.low_stock", {"offer_id": shop.offer.external_id, "api_qty": 1, "available_qty": 999})
    shop.desk.settle()

    assert shop.calls("G2G-06") == 1
    assert shop.desk.sandbox.offers.all[shop.offer.external_id].fields["api_qty"] == 10


def test_a_forged_request_gets_no_more_than_the_marketplace_confirms(shop):
    """G2G-T46: a larger quantity than G2G-11 says."""
    shop.desk.sandbox.options["request_seconds"] = 3600.0
    order_id = shop.buy(2)
    shop.desk.advance(5)
    delivery = shop.desk.sandbox.orders.request(shop.desk.sandbox.orders.all[order_id], 1)
    shop.desk.sandbox.orders.all[order_id].status = "start_delivering"
    shop.forge("order.api_delivery", {"order_id": order_id, "offer_id": shop.offer.external_id,
               "delivery_summary": {"delivery_id": delivery.id, "requested_qty": 9}})  # fmt: skip
    shop.desk.settle()
    shop.until_delivered()

    assert len(shop.received(order_id)) == 1
    assert Delivery.objects.get().requested == 1


def test_a_request_for_an_invented_delivery_sends_nothing(shop):
    """G2G-T46"""
    shop.desk.sandbox.options["request_seconds"] = 3600.0
    order_id = shop.buy(2)
    shop.desk.advance(5)
    shop.forge("order.api_delivery", {"order_id": order_id, "offer_id": shop.offer.external_id,
               "delivery_summary": {"delivery_id": "D999", "requested_qty": 2}})  # fmt: skip
    shop.desk.advance(400)

    event = WebhookEvent.objects.get(kind="order.api_delivery")
    assert (event.state, event.failure) == (Outgoing.State.NEEDS_ATTENTION, "not_found")
    assert not DeliveryItem.objects.exists()


@pytest.mark.parametrize("mode", ["flat_delivery_id", "no_expired_at", "empty_texts", "duplicate", "reorder"])
def test_every_form_of_the_request_is_understood(shop, mode):
    """G2G-T47: missing `expired_at`, flat `delivery_id`, empty texts."""
    shop.fault("G2G-WH-04", mode)
    order_id = sell(shop)

    assert len(shop.received(order_id)) == 2


def test_a_request_without_a_delivery_id_means_the_one_that_is_open(shop):
    """G2G-T47: the id is searched in G2G-11 last."""
    shop.fault("G2G-WH-04", "drop")
    order_id = shop.buy(2)
    shop.until_asked()
    shop.forge("order.api_delivery", {"order_id": order_id, "offer_id": shop.offer.external_id})
    shop.desk.settle()

    assert len(shop.received(order_id)) == 2


def test_more_than_was_bought_is_never_sent(shop):
    """Even when the marketplace itself says so: the order's own numbers are the limit."""
    order_id = sell(shop, 1)
    order = shop.desk.sandbox.orders.all[order_id]
    order.status = "delivering"
    order.purchased_qty, order.replacement_qty = 1, 5
    shop.desk.sandbox.orders.request(order, 5)
    shop.desk.settle()

    assert len(shop.received(order_id)) == 1
    assert "has all its 1 units" in WebhookEvent.objects.latest("received_at").last_error


def test_an_older_reading_never_overwrites_a_newer_one(shop):
    order_id = sell(shop)
    order = shop.order(order_id)
    newest = order.remote_updated_at
    service = shop.desk.account.service()
    remote = service.fetch_order(order_id)
    old = make.older(remote, seconds=3600, state="awaiting_payment", status_word="unpaid")

    intake.import_order(account=shop.desk.account, remote=old)

    order.refresh_from_db()
    assert (order.state, order.remote_updated_at) == ("delivered", newest)
