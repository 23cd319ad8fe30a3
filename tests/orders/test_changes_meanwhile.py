"""What changes at the marketplace or in stock while a delivery is under way."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inventory import stock
from inventory.models import Code, Hold
from marketplaces import events, outgoing
from marketplaces.models import Outgoing, WebhookEvent
from marketplaces.services.g2g import sandbox_orders
from marketplaces.types import OrderState, RemoteOrder
from orders import fulfilment, intake
from orders.models import Delivery, DeliveryItem, Order, OrderEvent
from orders.verify import verify
from tests import make
from tests.orders import story
from tests.orders.meanwhile import before

State = Code.State
Status = Delivery.Status


@pytest.fixture
def patient(monkeypatch):
    """A marketplace that gives a day for a delivery."""
    monkeypatch.setattr(sandbox_orders, "DEADLINE_MS", 86_400_000)


def cancel(desk, order_id):
    """Cancel the order there, and take that in here."""
    desk.sandbox.orders.act(order_id, "cancel")
    intake.refresh(desk.account, RemoteOrder(external_id=order_id))


def reopened(shop, order_id, *, closed_as="cancelled"):
    """Close the order there until we have seen it, and open it again."""
    order = shop.desk.sandbox.orders.all[order_id]
    before_that, order.status = order.status, closed_as
    order.updated_at += 10_000
    shop.desk.advance(20)  # what was just read is not read again
    fulfilment.deliver_now(shop.order(order_id))
    shop.desk.settle()
    assert shop.delivery(order_id).status == Status.STOPPED
    order.status = before_that
    order.updated_at += 20_000


def short_order(shop, units):
    order_id = shop.desk.buy(shop.offer.external_id, units, force=True).id
    shop.until_asked()
    shop.desk.advance(5)
    return order_id


def test_a_cancellation_just_before_picking_sends_nothing(g2g):
    shop = story.begin(g2g, codes=2)
    order_id = shop.buy(1)
    with before('INSERT INTO "orders_deliveryitem"', lambda: cancel(g2g, order_id)):
        shop.until_asked()

    assert shop.order(order_id).state == OrderState.CANCELLED
    assert not DeliveryItem.objects.exclude(sent_at=None).exists()
    assert shop.received(order_id) == []
    assert shop.delivery(order_id).status == Status.STOPPED
    assert shop.count(State.AVAILABLE) == 2


def test_units_refunded_while_stock_was_short_are_not_sent(g2g, patient):
    shop = story.begin(g2g, codes=0)
    order_id = short_order(shop, 3)
    g2g.sandbox.orders.act(order_id, "refund", qty=1)
    g2g.advance(5)
    make.add_codes(shop.product, 5, prefix="NEW")
    shop.stock_came()
    g2g.advance(60)

    delivery = shop.delivery(order_id)
    assert (delivery.requested, delivery.status) == (2, Status.DELIVERED)
    assert len(shop.received(order_id)) == 2
    assert "asks for 2 units now" in OrderEvent.objects.get(kind="quantity").text
    assert verify().is_ok


@pytest.mark.parametrize("how", ["event", "button"])
def test_a_stopped_delivery_goes_on_when_its_order_is_open_again(g2g, patient, how):
    shop = story.begin(g2g, codes=0)
    order_id = short_order(shop, 1)
    reopened(shop, order_id)
    make.add_codes(shop.product, 1, prefix="NEW")
    if how == "event":
        outgoing.try_again(WebhookEvent.objects.get(kind="order.api_delivery"))
    else:
        intake.refresh(g2g.account, RemoteOrder(external_id=order_id))
        assert fulfilment.deliver_now(shop.order(order_id)) == 1
    g2g.settle()
    g2g.advance(30)

    assert shop.delivery(order_id).status == Status.DELIVERED
    assert len(shop.received(order_id)) == 1
    assert OrderEvent.objects.filter(kind="taken_up").count() == 1


def test_a_paid_order_whose_deliveries_were_stopped_is_named(g2g, patient):
    shop = story.begin(g2g, codes=0)
    order_id = short_order(shop, 1)
    reopened(shop, order_id)
    intake.refresh(g2g.account, RemoteOrder(external_id=order_id))
    assert verify().is_ok

    Order.objects.update(seen_at=timezone.now() - timedelta(days=2))
    (problem,) = verify().problems
    assert problem["check"] == "forgotten"
    assert "Deliver now" in problem["text"]


def test_an_order_whose_event_failed_for_good_is_named(g2g):
    shop = story.begin(g2g, codes=1)
    shop.forge("order.created", {"order_id": "9999999999ORDER"})
    g2g.settle()
    WebhookEvent.objects.update(state=Outgoing.State.NEEDS_ATTENTION, failure="not_found")

    report = verify()
    assert report.checked["events_need_attention"] == 1
    assert [problem["check"] for problem in report.problems] == ["forgotten"]


def test_a_repeated_request_of_a_delivered_order_is_no_trouble(g2g):
    shop = story.begin(g2g, codes=5)
    shop.buy(1)
    shop.until_asked()
    shop.until_delivered()
    event = WebhookEvent.objects.get(kind="order.api_delivery")
    outgoing.try_again(event)
    g2g.settle()

    event.refresh_from_db()
    assert event.state == Outgoing.State.DONE
    assert Delivery.objects.count() == 1


def test_a_result_that_comes_before_its_request_is_quiet(g2g):
    shop = story.begin(g2g, codes=5)
    g2g.sandbox.options["request_seconds"] = 3600.0
    order_id = shop.buy(1)
    g2g.advance(1)
    Order.objects.all().delete()

    fulfilment.delivery_changed(g2g.account, order_id, "D-unknown")

    assert shop.order(order_id).lines.count() == 1
    assert not Delivery.objects.exists()


def test_a_result_that_comes_while_a_worker_looks_makes_it_look_once_more(g2g, patient):
    shop = story.begin(g2g, codes=0)
    order_id = short_order(shop, 1)
    outgoing.try_again(shop.delivery(order_id))
    assert outgoing.claim(Delivery, shop.delivery(order_id).pk)

    fulfilment.delivery_changed(g2g.account, order_id, shop.delivery(order_id).external_id)

    assert shop.delivery(order_id).asked_again


def test_stock_that_comes_while_a_worker_looks_is_not_missed(g2g, patient):
    shop = story.begin(g2g, codes=0)
    order_id = short_order(shop, 1)
    outgoing.try_again(shop.delivery(order_id))
    assert outgoing.claim(Delivery, shop.delivery(order_id).pk)
    make.add_codes(shop.product, 1, prefix="NEW")

    assert fulfilment.stock_came(shop.product.pk) == 1
    assert shop.delivery(order_id).asked_again


def test_all_who_wait_for_stock_are_woken(g2g, patient, monkeypatch):
    monkeypatch.setattr(fulfilment, "WOKEN_AT_ONCE", 2)
    shop = story.begin(g2g, codes=0)
    short_order(shop, 1)
    row = Delivery.objects.get()
    for number in range(120):
        row.pk, row.external_id = None, f"more-{number}"
        row.save(force_insert=True)

    assert fulfilment.stock_came(shop.product.pk) == 121


def test_an_older_read_changes_no_line(g2g):
    shop = story.begin(g2g, codes=5)
    order_id = shop.buy(2)
    shop.until_asked()
    shop.until_delivered()
    old = g2g.account.service().fetch_order(order_id)
    g2g.sandbox.orders.act(order_id, "refund", qty=1)
    g2g.advance(5)
    assert shop.order(order_id).lines.get().refunded == 1

    intake.import_order(account=g2g.account, remote=old)
    assert shop.order(order_id).lines.get().refunded == 1


def test_a_dispute_is_flagged_even_if_its_worker_died(g2g):
    shop = story.begin(g2g, codes=5)
    order_id = shop.buy(1)
    shop.until_asked()
    shop.until_delivered()
    g2g.sandbox.orders.act(order_id, "case")

    def dies():
        raise SystemExit

    with before('UPDATE "orders_order" SET "is_disputed" = ', dies), pytest.raises(SystemExit):
        g2g.settle()
    WebhookEvent.objects.filter(state="in_flight").update(in_flight_since=timezone.now() - timedelta(minutes=5))
    for _ in range(2):
        shop.sweep()
        g2g.advance(80)
    assert shop.order(order_id).is_disputed


def test_an_answer_lost_and_never_confirmed_is_not_polled_for_ever(g2g, monkeypatch):
    monkeypatch.setattr(sandbox_orders, "DEADLINE_MS", 8 * 86_400_000)
    shop = story.begin(g2g, codes=5)
    order_id = shop.buy(1)
    g2g.sandbox.options["result_seconds"] = 10.0**9
    shop.until_asked()
    Delivery.objects.update(submitted_at=None)  # as after a lost answer
    before_that = shop.calls("G2G-10")
    g2g.advance(1200)

    assert shop.calls("G2G-10") - before_that < 40
    assert shop.delivery(order_id).submitted_at is None


def test_a_hold_that_was_paid_for_meanwhile_is_not_ended(db):
    product = make.product(codes=1)
    past = timezone.now() - timedelta(seconds=1)
    held = stock.hold(product_id=product.pk, quantity=1, reference="order line 1", until=past).hold

    with before(
        "UPDATE inventory_hold SET released_at",
        lambda: Hold.objects.filter(reference="order line 1").update(until=None),
    ):
        assert stock.end_holds(timezone.now()) == 0
    assert Code.objects.get().hold_id == held.pk


def test_what_expired_while_it_was_held_is_not_sold(db):
    product = make.product()
    today = timezone.now().date()
    make.add_codes(product, 1, expires_at=today)
    held = stock.hold(product_id=product.pk, quantity=1, reference="r").hold
    Code.objects.update(expires_at=today - timedelta(days=1))

    assert stock.take(product_id=product.pk, quantity=1, hold_id=held.pk) == []
    assert Code.objects.get().state == State.EXPIRED


def test_a_hold_that_shrinks_keeps_off_what_a_delivery_took_from_it(db):
    product = make.product(codes=1)
    held = stock.hold(product_id=product.pk, quantity=1, reference="r").hold

    with before('UPDATE "inventory_code" SET', lambda: stock.take(product_id=product.pk, quantity=1, hold_id=held.pk)):
        stock.hold(product_id=product.pk, quantity=0, reference="r")
    assert Code.objects.get().state == State.HELD


def test_news_of_an_order_that_was_read_since_they_came_is_not_read_again(g2g):
    """Where many wait, the request to deliver goes first; what came before it tells nothing new."""
    shop = story.begin(g2g, codes=5)
    shop.buy()
    shop.until_asked()
    shop.until_delivered()
    before_that = shop.calls("G2G-10")
    late = WebhookEvent.objects.filter(kind="order.confirmed")
    hour_ago = timezone.now() - timedelta(hours=1)

    late.update(state="due", next_try_at=hour_ago, received_at=hour_ago)
    assert events.process(late.get().pk)
    assert shop.calls("G2G-10") == before_that
    late.update(state="due", next_try_at=hour_ago, received_at=timezone.now())
    assert events.process(late.get().pk)
    assert shop.calls("G2G-10") == before_that + 1


def test_a_request_that_took_long_to_read_leaves_the_delivery_to_a_task_of_its_own(g2g, monkeypatch):
    monkeypatch.setattr(fulfilment, "SOON_ENOUGH", -1.0)
    shop = story.begin(g2g, codes=5)
    order_id = shop.buy()
    shop.until_asked()
    shop.until_delivered()

    assert len(shop.received(order_id)) == 1
