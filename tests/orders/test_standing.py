"""The order's page: where it stands in one sentence, what it has earned, and every event and call about it one click away."""

from decimal import Decimal

import pytest
from django.utils import timezone

from inventory.models import Code, ExchangeRate
from inventory.rates import Rates
from marketplaces.models import Account, ApiCall
from orders import earnings, standing
from orders.models import Acceptance, Delivery, DeliveryItem, Order, OrderLine, Shipment
from tests.backoffice import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    """An order whose delivery is on its way, and nothing else is the matter."""
    world.fill(1)
    order = Order.objects.select_related("account").get()
    Delivery.objects.update(state="due", status="requested", kind="codes", last_error="", next_try_at=timezone.now())
    Shipment.objects.all().delete()
    return order


def said(order):
    order = Order.objects.select_related("account").get(pk=order.pk)
    deliveries = list(Delivery.objects.filter(line__order=order).select_related("line__product"))
    return standing.sentence(order, deliveries, list(Shipment.objects.filter(order=order)))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"state": "completed"}, "It is done: the marketplace shows it as completed."),
        ({"state": "cancelled"}, "It is over: the marketplace shows it as cancelled."),
        ({"state": "awaiting_payment"}, "The buyer has not paid yet."),
        ({"state": "on_hold"}, "The marketplace holds it back."),
        ({"state": "unknown"}, "a status for which there is no word here"),
        ({"is_summary": True}, "the order is being read"),
        ({"is_disputed": True, "state": "completed"}, "then press “Settled”."),
    ],
)
def test_the_orders_own_state_is_said(fields, sentence, order):
    Order.objects.update(**fields)

    assert sentence in said(order)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"status": "short"}, "There is not enough stock of GAME-000: 0 of 2 units have arrived. Import codes"),
        ({"state": "unknown"}, "It is not known whether the last request of delivery D0000000 arrived"),
        ({"state": "in_flight"}, "Delivery D0000000 is being worked on now."),
        ({"status": "submitted"}, "the marketplace has not confirmed it yet: 0 of 2 units"),
        ({"last_error": "The marketplace is out of reach."}, ": The marketplace is out of reach."),
        ({"state": "needs_attention", "last_error": "It was refused."}, "Delivery D0000000 needs you: It was refused."),
        ({"state": "done", "status": "delivered"}, "All that was asked for was handed over."),
    ],
)
def test_what_holds_up_a_delivery_is_said(fields, sentence, order):
    Delivery.objects.update(**fields)

    assert sentence in said(order)


def test_an_account_that_is_off_is_the_reason(order):
    Account.objects.update(is_enabled=False)

    assert said(order) == "Account “Main shop” is switched off, so nothing is sent for it."


def test_goods_wait_for_acceptance_and_then_for_a_parcel(order):
    Delivery.objects.all().update(state="done", status="delivered")
    Account.objects.update(marketplace="gcommerce")
    Order.objects.update(state="new", needs_shipping=True)
    assert said(order) == "It waits to be accepted: press “Accept”."

    Acceptance.objects.create(order=order, account=order.account, wished_by="x", state="due")
    assert said(order) == "It is being accepted."

    Order.objects.update(state="accepted")
    assert said(order) == "It waits to be packed: see “To ship” below."

    parcel = Shipment.objects.create(account=order.account, order=order, state="due")
    assert said(order) == "The marketplace is being told of a parcel."
    Shipment.objects.filter(pk=parcel.pk).update(state="done")
    assert said(order) == "A part of it is packed. Pack the rest below."


def test_the_page_shows_sentence_profit_events_and_every_call_about_it(
    order, admin_client, django_assert_max_num_queries
):
    Order.objects.update(fee="1.98")
    ExchangeRate.objects.all().delete()
    ExchangeRate.objects.create(base="EUR", quote="USD", rate="1.10", day=timezone.localdate())
    ApiCall.objects.create(
        account=order.account, operation="send_codes", about="D0000000", method="POST", url="https://example.test",
        status=201, milliseconds=5, started_at=timezone.now(),
    )  # fmt: skip
    url = f"/admin/orders/order/{order.pk}/change/"
    admin_client.get(url)

    with django_assert_max_num_queries(27):
        text = admin_client.get(url).content.decode()

    assert "Delivery D0000000 goes on by itself" in text
    # One of two units, at 9.99 USD less half the fee, for 4.20 EUR.
    assert "Profit 4.38 USD: 9.99 USD sold less 0.99 USD fees and 4.62 USD cost" in text
    assert ">order.paid</a>" in text
    assert ">send_codes</a>" in text
    assert ">fetch_order</a>" in text


def earned(order):
    return [str(each) for each in earnings.of(DeliveryItem.objects.filter(delivery__line__order=order), Rates())]


def test_what_is_not_known_of_an_earning_is_said_and_is_in_no_profit(order):
    ExchangeRate.objects.all().delete()
    assert earned(order) == ["not known; no exchange rate for the cost of 1 unit"]

    ExchangeRate.objects.create(base="EUR", quote="USD", rate="1.10", day=timezone.localdate())
    assert earned(order) == [
        "5.37 USD: 9.99 USD sold less 0.00 USD fees and 4.62 USD cost; fee unknown for 1 unit, taken as none"
    ]
    OrderLine.objects.update(unit_price=None)
    assert earned(order) == ["not known; price unknown for 1 unit"]


def test_a_replacement_brings_nothing_and_a_refund_takes_back(order):
    Code.objects.update(cost="1")
    ExchangeRate.objects.all().delete()
    ExchangeRate.objects.create(base="EUR", quote="USD", rate="1", day=timezone.localdate())
    Order.objects.update(fee="0")
    OrderLine.objects.update(refunded=1)
    (refunded,) = earnings.of(DeliveryItem.objects.all(), Rates())
    assert (refunded.sales, refunded.cost, refunded.profit) == (Decimal("4.995"), 1, Decimal("3.995"))

    Delivery.objects.update(is_replacement=True)
    (replaced,) = earnings.of(DeliveryItem.objects.all(), Rates())
    assert (replaced.sales, replaced.fees, replaced.profit) == (0, 0, -1)


def test_a_batchs_page_says_what_is_left_sold_and_returned_and_its_profit(order, admin_client):
    ExchangeRate.objects.all().delete()
    ExchangeRate.objects.create(base="EUR", quote="USD", rate="1.10", day=timezone.localdate())
    code = Code.objects.filter(state="sent").get()
    world.sealed_code(code.product, code.batch, "ANOTHER-1", 5001, state="returned")
    world.sealed_code(code.product, code.batch, "ANOTHER-2", 5002, state="faulty")

    text = admin_client.get(f"/admin/inventory/batch/{code.batch_id}/change/").content.decode()

    figures = text.split('id="batch-figures"')[1]
    for words in ("left to sell", "sold", "returned", "faulty or void"):
        assert f">{words}</a>" in figures
    assert "It has cost 16.80 EUR; 4.20 EUR of that is left to sell." in figures
    assert "Profit 5.37 USD" in figures
