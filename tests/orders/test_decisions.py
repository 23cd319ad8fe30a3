"""What a person decides about a delivery's codes, and what is never found out by a buyer."""

import pytest
from django.urls import reverse

from inventory import stock
from inventory.models import Code, Offer
from marketplaces.services.g2g import sandbox_orders
from orders import decisions, fulfilment
from orders.models import Delivery, DeliveryItem, OrderEvent
from orders.verify import verify
from tests import make
from tests.orders import story
from tests.orders.test_admin import act, page, says

State = Code.State
Status = Delivery.Status
DELIVERIES = reverse("admin:orders_delivery_changelist")
CODES = reverse("admin:inventory_code_changelist")


@pytest.fixture
def shop(g2g, monkeypatch):
    monkeypatch.setattr(sandbox_orders, "DEADLINE_MS", 86_400_000)
    return story.begin(g2g, codes=5)


def unanswered(shop):
    shop.fault("G2G-12", "timeout", times=2)
    order_id = shop.buy(1)
    shop.until_asked()
    shop.desk.advance(25 * 60)
    assert shop.delivery(order_id).failure == "unanswered"
    return order_id


def test_a_person_says_that_they_never_arrived_and_the_same_codes_go_again(shop, admin_client):
    order_id = unanswered(shop)
    delivery = shop.delivery(order_id)
    text = says(admin_client.get(page(delivery)))
    assert 'value="buyer_has_them"' in text
    assert 'value="never_arrived"' in text

    act(admin_client, DELIVERIES, "never_arrived", delivery, _from_page=delivery.pk)
    shop.desk.advance(60)

    assert len(shop.received(order_id)) == 1
    assert DeliveryItem.objects.count() == 1
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert OrderEvent.objects.get(kind="never_arrived").text.startswith("admin ")


def test_a_person_says_that_the_buyer_has_them_and_nothing_is_sent_again(shop, admin_client):
    order_id = unanswered(shop)
    delivery = shop.delivery(order_id)

    act(admin_client, DELIVERIES, "buyer_has_them", delivery, _from_page=delivery.pk)
    shop.desk.advance(60)

    delivery.refresh_from_db()
    assert (delivery.status, delivery.state) == (Status.SUBMITTED, Delivery.State.DUE)
    assert DeliveryItem.objects.get().accepted_at
    assert shop.calls("G2G-12") == 2
    assert OrderEvent.objects.get(kind="arrived").text.startswith("admin ")
    assert not decisions.buyer_has_them(delivery, by="admin")


def test_codes_that_cannot_be_opened_have_not_left_and_go_when_they_can(shop):
    sealed = dict(Code.objects.values_list("pk", "sealed"))
    Code.objects.update(sealed=b"\x00" * 60)
    order_id = shop.buy(1)
    shop.until_asked()
    delivery = shop.delivery(order_id)
    assert delivery.failure == "unreadable"
    assert not DeliveryItem.objects.exclude(sent_at=None).exists()
    assert shop.count(State.FAULTY) == 0

    for pk, content in sealed.items():
        Code.objects.filter(pk=pk).update(sealed=content)
    fulfilment.deliver_now(shop.order(order_id))
    shop.desk.advance(30)
    assert shop.delivery(order_id).status == Status.DELIVERED


def test_a_second_lost_lot_is_looked_for_as_long_as_the_first(shop):
    shop.fault("G2G-12", "timeout")
    order_id = shop.buy(1)
    shop.until_asked()
    shop.desk.advance(11 * 60)

    assert shop.delivery(order_id).status == Status.DELIVERED
    assert shop.delivery(order_id).repeated_at is None


def with_two_columns(shop):
    shop.desk.sandbox.offers.all[shop.offer.external_id].fields["code_label"] = "Card number,PIN"
    shop.offer.refresh_from_db()
    Offer.objects.update(seen={**shop.offer.seen, "code_form": "Card number,PIN"})


def test_a_code_without_the_form_of_its_offer_is_set_apart_and_another_goes(shop):
    (good,) = make.add_codes(shop.product, 1, prefix="CARD,PIN")
    with_two_columns(shop)
    order_id = shop.buy(1)
    shop.until_asked()
    shop.until_delivered()

    assert [item.code_id for item in shop.delivery(order_id).items.all()] == [good.pk]
    assert shop.count(State.FAULTY) == 5
    assert OrderEvent.objects.filter(kind="faulty").count() == 5
    assert verify().is_ok


def test_an_offer_that_fits_none_of_its_codes_does_not_spoil_the_stock(shop):
    make.add_codes(shop.product, 20, prefix="MORE")
    with_two_columns(shop)
    order_id = shop.buy(12, force=True)
    shop.until_asked()

    assert shop.delivery(order_id).failure == "code_form"
    assert shop.count(State.FAULTY) == 0
    assert not DeliveryItem.objects.exists()


def test_a_person_replaces_a_code_that_the_marketplace_refuses(shop, admin_client):
    shop.fault("G2G-12", "http_error", status=422, code="42200001")
    order_id = shop.buy(1)
    shop.until_asked()
    bad = shop.delivery(order_id).items.get().code
    url = reverse("admin:inventory_code_change", args=[bad.pk])
    assert 'value="replace"' in says(admin_client.get(url))

    act(admin_client, CODES, "replace", bad, _from_page=bad.pk)
    shop.desk.advance(30)

    bad.refresh_from_db()
    assert bad.state == State.FAULTY
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert len(shop.received(order_id)) == 1
    assert "admin set code" in OrderEvent.objects.get(kind="faulty").text
    assert 'value="replace"' not in says(admin_client.get(url))
    assert verify().is_ok


def test_a_code_that_has_left_is_not_replaced(shop):
    order_id = shop.buy(1)
    shop.until_asked()
    code = shop.delivery(order_id).items.get().code

    assert not decisions.replace(code, by="admin")
    assert stock.count(shop.product.pk)[State.FAULTY] == 0
