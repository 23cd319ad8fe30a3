"""Deliveries when answers get lost, calls are refused, workers die: never a second code, never a lost one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inventory.models import Code, Offer
from marketplaces import events, outgoing
from marketplaces.models import Account, WebhookEvent
from marketplaces.services.g2g import sandbox_orders
from orders import fulfilment, sending
from orders.models import Delivery, DeliveryItem, OrderEvent
from orders.verify import verify
from tests import make
from tests.orders import story

State = Code.State
Status = Delivery.Status


def doubles(desk):
    return sum(desk.sandbox.deliveries.doubles.values())


@pytest.mark.parametrize("mode", ["drop_after_commit", "malformed_json", "empty_body"])
def test_an_answer_lost_after_the_work_sends_no_second_code(g2g, mode):
    shop = story.begin(g2g, codes=10)
    shop.fault("G2G-12", mode)
    order_id = shop.buy(2)
    shop.until_asked()
    g2g.advance(60)

    assert len(shop.received(order_id)) == 2
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert shop.calls("G2G-12") == 1
    assert doubles(g2g) == 0
    assert verify().is_ok


def test_a_lost_answer_is_a_state_of_its_own_until_it_is_known(g2g):
    """G2G-T37: after a write without an answer a look-up comes first."""
    shop = story.begin(g2g, codes=10)
    g2g.sandbox.options["result_seconds"] = 300.0
    shop.fault("G2G-12", "drop_after_commit")
    order_id = shop.buy(1)
    shop.until_asked()

    delivery = shop.delivery(order_id)
    assert delivery.state == Delivery.State.UNKNOWN
    g2g.advance(60)
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.UNKNOWN
    assert "answer never came" in delivery.last_error
    assert shop.calls("G2G-12") == 1

    g2g.advance(300)
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert doubles(g2g) == 0


def test_a_call_that_never_arrived_is_repeated_with_the_same_codes_after_a_look(g2g):
    """G2G-T23: same contents and references, after a look, and only once."""
    shop = story.begin(g2g, codes=10)
    shop.fault("G2G-12", "timeout")
    order_id = shop.buy(2)
    shop.until_asked()
    items = list(DeliveryItem.objects.values_list("code_id", "sent_at"))
    assert all(sent_at for _, sent_at in items)
    assert shop.received(order_id) == []

    g2g.advance(11 * 60)

    received = shop.received(order_id)
    assert len(received) == 2
    assert [pk for pk, _ in items] == list(DeliveryItem.objects.values_list("code_id", flat=True))
    assert shop.calls("G2G-12") == 2
    assert shop.calls("G2G-11") >= 3
    assert OrderEvent.objects.filter(kind="repeated").count() == 1


def test_what_stays_unanswered_twice_goes_to_a_person(g2g, monkeypatch):
    monkeypatch.setattr(sandbox_orders, "DEADLINE_MS", 86_400_000)
    shop = story.begin(g2g, codes=10)
    shop.fault("G2G-12", "timeout", times=2)
    order_id = shop.buy(1)
    shop.until_asked()
    g2g.advance(25 * 60)

    delivery = shop.delivery(order_id)
    assert delivery.state == Delivery.State.NEEDS_ATTENTION
    assert "sent twice" in delivery.last_error
    assert shop.calls("G2G-12") == 2
    assert shop.count(State.SENT) == 1, "it may be out: nobody else gets it"


def test_a_409_leads_to_a_look_and_nothing_is_sent_when_it_was_delivered(g2g):
    """G2G-T24"""
    shop = story.begin(g2g, codes=10)
    shop.fault("G2G-12", "drop_after_commit")
    g2g.sandbox.options["result_seconds"] = 1.0
    order_id = shop.buy(1)
    shop.until_asked()
    g2g.advance(30)
    shop.fault("G2G-12", "http_error", status=409, code="40900001")

    order_2 = shop.buy(1)
    shop.until_asked()
    g2g.advance(60)
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert shop.delivery(order_2).state == Delivery.State.UNKNOWN
    assert shop.received(order_2) == []

    g2g.advance(11 * 60)
    assert len(shop.received(order_2)) == 1
    assert doubles(g2g) == 0


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_looked_up_before_it_is_repeated(g2g, status):
    shop = story.begin(g2g, codes=10)
    shop.fault("G2G-12", "http_error", status=status, code="50000001")
    order_id = shop.buy(1)
    shop.until_asked()
    assert shop.delivery(order_id).state == Delivery.State.UNKNOWN

    g2g.advance(12 * 60)
    assert len(shop.received(order_id)) == 1
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert doubles(g2g) == 0


def test_being_throttled_waits_and_nothing_counts_as_sent(g2g):
    """G2G-T36: 429 waits."""
    shop = story.begin(g2g, codes=10)
    shop.fault("G2G-12", "http_error", status=429, code="42900001")
    order_id = shop.buy(1)
    shop.until_asked()
    assert shop.count(State.SENT) in (0, 1)

    g2g.advance(60)
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert shop.calls("G2G-12") == 2


def test_a_refused_delivery_is_shown_and_its_codes_have_not_left(g2g):
    shop = story.begin(g2g, codes=10)
    shop.fault("G2G-12", "http_error", status=422, code="42200001")
    order_id = shop.buy(1)
    shop.until_asked()

    delivery = shop.delivery(order_id)
    assert (delivery.state, delivery.failure) == (Delivery.State.NEEDS_ATTENTION, "invalid")
    assert shop.count(State.SENT) == 0
    assert shop.count(State.HELD) == 1

    assert fulfilment.deliver_now(shop.order(order_id)) == 1
    g2g.advance(30)
    assert shop.delivery(order_id).status == Status.DELIVERED


def test_a_wrong_key_stops_the_account_and_every_row_goes_on_when_it_is_right(g2g):
    shop = story.begin(g2g, codes=10)
    g2g.sandbox.options["denied_keys"] = [g2g.account.credentials["api_key"]]
    order_id = shop.buy(1)
    shop.until_asked()

    account = Account.objects.get()
    assert "key" in account.trouble.lower()
    assert shop.received(order_id) == []

    g2g.sandbox.options["denied_keys"] = []
    g2g.advance(6 * 60)
    shop.sweep()
    g2g.advance(60)
    assert len(shop.received(order_id)) == 1
    assert Account.objects.get().trouble == ""


def asked_for(shop, qty):
    """An order whose delivery was asked for, and whose request is taken in but not worked on."""
    shop.desk.sandbox.options["request_seconds"] = 3600.0
    order_id = shop.buy(qty)
    shop.desk.advance(5)
    shop.desk.sandbox.orders.begin_delivery(shop.desk.sandbox.orders.all[order_id])
    shop.desk.sandbox.run_due()
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(fulfilment, "SOON_ENOUGH", -1.0)
        events.process(WebhookEvent.objects.get(kind="order.api_delivery").pk)
    return order_id


def worker_is_missed(shop):
    Delivery.objects.update(in_flight_since=timezone.now() - outgoing.LOST_AFTER - timedelta(seconds=1))
    shop.sweep()


def test_a_worker_that_dies_before_the_call_loses_nothing(g2g):
    shop = story.begin(g2g, codes=10)
    order_id = asked_for(shop, 2)
    assert outgoing.claim(Delivery, shop.delivery(order_id).pk)

    worker_is_missed(shop)
    g2g.advance(60)
    assert len(shop.received(order_id)) == 2
    assert doubles(g2g) == 0


def test_a_worker_that_dies_after_marking_the_codes_repeats_only_after_looking(g2g):
    shop = story.begin(g2g, codes=10)
    order_id = asked_for(shop, 1)
    delivery = outgoing.claim(Delivery, shop.delivery(order_id).pk)
    fulfilment._pick(delivery, delivery.account.service())
    sending.mark_sent(delivery, list(DeliveryItem.objects.all()))

    worker_is_missed(shop)
    g2g.advance(60)
    assert shop.received(order_id) == []
    g2g.advance(11 * 60)
    assert len(shop.received(order_id)) == 1
    assert shop.calls("G2G-12") == 1


def test_partial_and_unfulfilled_results_go_to_a_person_and_no_code_is_sold_again(g2g):
    """G2G-T26: fully, partial, unfulfilled."""
    shop = story.begin(g2g, codes=10)
    g2g.sandbox.options["partial_closes"] = True
    for result, status in (("partial", Status.PARTIAL), ("unfulfilled", Status.UNFULFILLED)):
        g2g.sandbox.options["result"] = result
        order_id = shop.buy(2)
        shop.until_asked()
        shop.until_delivered()

        delivery = shop.delivery(order_id)
        assert (delivery.status, delivery.state) == (status, Delivery.State.NEEDS_ATTENTION)
    assert shop.count(State.SENT) == 4
    assert verify().is_ok


def test_an_order_of_an_offer_nobody_linked_says_what_to_do(g2g):
    shop = story.begin(g2g, codes=10)
    Offer.objects.update(product=None)
    order_id = shop.buy(1)
    shop.until_asked()

    delivery = shop.delivery(order_id)
    assert delivery.failure == "not_linked"
    assert "Choose the product" in delivery.last_error

    Offer.objects.update(product=shop.product)
    fulfilment.deliver_now(shop.order(order_id))
    g2g.settle()
    assert len(shop.received(order_id)) == 1


def test_a_cancellation_frees_what_has_not_left(g2g):
    """G2G-T52"""
    shop = story.begin(g2g, codes=10)
    g2g.sandbox.options["request_seconds"] = 3600.0
    order_id = shop.buy(2)
    g2g.advance(5)
    assert shop.count(State.HELD) == 2

    g2g.sandbox.orders.act(order_id, "cancel")
    g2g.settle()
    assert shop.count(State.AVAILABLE) == 10

    shop.forge("order.api_delivery", {"order_id": order_id, "offer_id": shop.offer.external_id,
               "delivery_summary": {"delivery_id": "D1", "requested_qty": 2}})  # fmt: skip
    g2g.settle()
    assert not DeliveryItem.objects.exists()
    assert shop.received(order_id) == []


def test_a_cancellation_between_picking_and_sending_sends_nothing(g2g):
    shop = story.begin(g2g, codes=1)
    order_id = shop.buy(3, force=True)
    shop.until_asked()
    assert len(shop.received(order_id)) == 1

    g2g.sandbox.orders.act(order_id, "cancel")
    make.add_codes(shop.product, 5)
    shop.stock_came()
    g2g.advance(600)

    assert len(shop.received(order_id)) == 1
    assert shop.count(State.AVAILABLE) == 5
    assert shop.count(State.SENT) + shop.count(State.DELIVERED) == 1


def test_an_order_read_as_unpaid_waits_and_is_delivered_when_it_is_paid(g2g):
    """G2G-T49"""
    shop = story.begin(g2g, codes=10)
    g2g.sandbox.options["request_seconds"] = 3600.0
    order_id = shop.buy(1)
    g2g.advance(5)
    order = g2g.sandbox.orders.all[order_id]
    g2g.sandbox.orders.begin_delivery(order)
    order.status = "unpaid"
    g2g.settle()

    assert shop.received(order_id) == []
    assert "Not delivered yet" in shop.delivery(order_id).last_error

    order.status = "start_delivering"
    order.updated_at += 1000
    g2g.advance(70)
    assert len(shop.received(order_id)) == 1
