"""Codes go bad: what is unsold is frozen everywhere, what was sold has a list of buyers, and nothing comes back."""

import pytest
from django.urls import reverse

from inventory import recalls, stock, uploads
from inventory.models import Batch, Code, Offer, Recall, RecalledCode
from orders import recall
from orders.models import DeliveryItem, Remedy
from orders.verify import verify
from tests.drain import drain
from tests.inventory.test_admin import act, says, signed_in
from tests.orders import story

State = Code.State
BATCHES = reverse("admin:inventory_batch_changelist")


@pytest.fixture
def shop(g2g):
    return story.begin(g2g, codes=5)


def call_back(codes, reason="stolen keys"):
    opened = recalls.begin(reason=reason, by="ann")
    recalls.add(opened, list(codes.values_list("pk", flat=True)))
    return opened


@pytest.mark.smoke
def test_what_is_unsold_is_frozen_and_its_offers_show_less_at_once(shop):
    call_back(Code.objects.all())
    shop.desk.settle()

    assert stock.sellable(shop.product.pk) == 0
    assert Offer.objects.get().pushed_quantity == 0
    assert stock.count(shop.product.pk)[State.FAULTY] == 5
    assert verify().problems == []


@pytest.mark.smoke
def test_what_is_set_aside_for_an_order_is_exchanged_for_good_codes(shop):
    held = stock.hold(product_id=shop.product.pk, quantity=2, reference="somebody").hold
    call_back(Code.objects.filter(hold=held))

    assert stock.count(shop.product.pk)[State.FAULTY] == 2
    assert len(stock.take(product_id=shop.product.pk, quantity=3, hold_id=held.pk)) == 3


def test_a_code_that_is_called_back_finds_no_way_into_the_pool(shop):
    (picked,) = stock.take(product_id=shop.product.pk, quantity=1)
    (given,) = stock.give_away(product_id=shop.product.pk, quantity=1)
    returned = Code.objects.filter(state=State.AVAILABLE).first()
    Code.objects.filter(pk=returned.pk).update(state=State.RETURNED)
    call_back(Code.objects.filter(pk__in=[given, returned.pk]))
    RecalledCode.objects.create(recall=Recall.objects.get(), code_id=picked, was=State.HELD)

    stock.put_back([picked])
    stock.get_back([given])
    stock.sell_again([returned.pk])

    assert set(Code.objects.filter(recalled__isnull=False).values_list("state", flat=True)) == {State.FAULTY}
    assert stock.sellable(shop.product.pk) == 2


def test_uploaded_codes_are_fetched_back_and_stay_out(shop):
    offer = Offer.objects.get()
    uploads.upload(offer, quantity=2, by="ann")
    shop.desk.settle()
    assert Code.objects.filter(state=State.UPLOADED).count() == 2

    call_back(Code.objects.filter(state=State.UPLOADED))
    shop.desk.advance(120)

    assert Code.objects.filter(state=State.UPLOADED).count() == 0
    assert set(Code.objects.filter(recalled__isnull=False).values_list("state", flat=True)) == {State.FAULTY}
    assert verify().problems == []


def sold(shop, units=2):
    order_id = shop.buy(units)
    shop.until_asked()
    shop.desk.advance(60)
    return shop.order(order_id)


def test_every_buyer_of_a_bad_code_is_listed_with_order_and_money(shop):
    order = sold(shop)
    opened = call_back(Code.objects.all())

    remedies = Remedy.objects.filter(recall=opened)
    assert {remedy.item.delivery.order for remedy in remedies} == {order}
    assert remedies.count() == 2
    price = order.lines.get().unit_price
    assert recall.worth(remedies) == {order.currency: price * 2}
    assert order.timeline.filter(kind="recall").exists()


@pytest.mark.smoke
def test_a_bad_code_is_replaced_once_by_a_good_one(shop):
    order = sold(shop, 1)
    call_back(Code.objects.filter(state__in=[State.SENT, State.DELIVERED]))
    remedy = Remedy.objects.get()

    assert recall.replace(remedy, by="bob")
    assert not recall.replace(remedy, by="bob")

    remedy.refresh_from_db()
    assert (remedy.kind, remedy.by, remedy.replacement.state) == (Remedy.Kind.REPLACED, "bob", State.DELIVERED)
    assert DeliveryItem.objects.filter(delivery__line__order=order, delivery__is_replacement=True).count() == 1
    assert stock.sellable(shop.product.pk) == 3
    assert verify().problems == []


def test_without_stock_nothing_is_promised(shop):
    sold(shop, 1)
    call_back(Code.objects.all())

    with pytest.raises(stock.ShortStock, match="No code of"):
        recall.replace(Remedy.objects.get(), by="bob")
    assert Remedy.objects.get().kind == Remedy.Kind.OPEN

    assert recall.settle(Remedy.objects.get(), Remedy.Kind.REFUNDED, by="bob", note="case 7")
    assert not recall.settle(Remedy.objects.get(), Remedy.Kind.NONE, by="ann")
    assert (Remedy.objects.get().kind, Remedy.objects.get().note) == (Remedy.Kind.REFUNDED, "case 7")


def test_calling_back_twice_is_once(shop):
    first = call_back(Code.objects.all())
    second = call_back(Code.objects.all())

    assert (first.codes.count(), second.codes.count()) == (5, 0)


def test_a_batch_is_called_back_from_its_page_after_a_look_at_the_numbers(shop, admin_client):
    sold(shop, 1)
    batch = Batch.objects.get()

    preview = act(admin_client, BATCHES, "run_recallbatches", batch, answered=1, reason="stolen keys")
    assert "4 are frozen at once" in says(preview)
    assert "1 have left for 1 orders" in says(preview)
    assert not Recall.objects.exists()

    for _ in range(2):
        act(admin_client, BATCHES, "run_recallbatches", batch, answered=1, reason="stolen keys", confirmed=1, token="t")
    drain()

    opened = Recall.objects.get()
    assert opened.codes.count() == 5
    page = says(admin_client.get(reverse("admin:inventory_recall_change", args=[opened.pk])))
    assert "1 codes are with buyers" in page
    assert "bob" not in page
    listed = says(admin_client.get(reverse("admin:orders_remedy_changelist")))
    assert "to be decided" in listed


def test_only_who_may_calls_back(shop):
    client = signed_in("inventory.view_batch")

    act(client, BATCHES, "run_recallbatches", Batch.objects.get(), answered=1, reason="x", confirmed=1, token="t")

    assert not Recall.objects.exists()
