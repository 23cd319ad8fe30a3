"""A buyer orders a top-up: a person does it, and the marketplace is told once, end to end on the wire."""

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from marketplaces.models import ApiCall
from marketplaces.services.g2g import sandbox_orders
from marketplaces.types import DeliveryIssue
from orders import fulfilment, topups
from orders.models import Delivery, Order, OrderEvent
from orders.verify import verify
from tests import make
from tests.orders import credit, story
from tests.test_secrets import everything_in_the_database, forms_of

State = Delivery.State
Status = Delivery.Status
LOGIN = "buyer-login-7Q2W"


@pytest.fixture
def shop(g2g, monkeypatch):
    monkeypatch.setattr(sandbox_orders, "DEADLINE_MS", 86_400_000)
    return credit.begin(g2g, make.product("CREDIT"))


def asked(shop, qty=2, **details):
    return credit.asked(shop, qty, login=LOGIN, **details)


def report(shop, order_id, delivered, **fields):
    topups.report(shop.delivery(order_id), delivered=delivered, by="ann", **fields)
    shop.desk.settle()


@pytest.mark.smoke
def test_it_waits_for_a_person_and_says_so_plainly(shop):
    order_id = asked(shop)

    delivery = shop.delivery(order_id)
    assert (delivery.kind, delivery.state, delivery.failure) == ("top_up", State.NEEDS_ATTENTION, "by_hand")
    assert "waits for a person; nothing is wrong" in delivery.last_error
    assert delivery.buyer_fields["User ID (delivery_info_1)"] == LOGIN
    assert "Aldebaran" in delivery.buyer_fields.values()
    fulfilment.deliver_now(shop.order(order_id))
    shop.desk.settle()
    assert OrderEvent.objects.filter(kind="by_hand").count() == 1
    assert shop.calls("G2G-12") == shop.calls("G2G-14") == 0
    assert verify().is_ok


def test_a_report_is_told_and_followed_to_its_result(shop):
    """G2G-T27, G2G-T28: no code is ever sent for it, and no issue is told when nothing is missing."""
    shop.desk.sandbox.options["empty_patch_answer"] = True
    order_id = asked(shop)
    report(shop, order_id, 2, issue=DeliveryIssue.SHORT_OF_STOCK, reference="receipt 4711")

    delivery = shop.delivery(order_id)
    assert (delivery.status, delivery.state) == (Status.SUBMITTED, State.DUE)
    shop.until_delivered()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.state, delivery.confirmed) == (Status.DELIVERED, State.DONE, 2)
    kinds = OrderEvent.objects.filter(order__external_id=order_id).exclude(kind__in=["created", "state"])
    assert list(kinds.values_list("kind", flat=True)) == ["requested", "by_hand", "reported", "submitted", "delivered"]
    sent = ApiCall.objects.get(operation="G2G-14").request
    assert '"delivered_qty":2' in sent.replace(" ", "")
    assert "delivered_at" in sent
    assert "receipt 4711" in sent
    assert "delivery_issue" not in sent
    assert shop.calls("G2G-12") == 0
    assert shop.order(order_id).state == "delivered"


def test_less_than_requested_tells_why_and_ends_as_it_was_reported(shop):
    """G2G-T27: delivery_issue only when short."""
    order_id = asked(shop, 3)
    report(shop, order_id, 1, issue=DeliveryIssue.WRONG_DETAILS)
    shop.until_delivered()

    delivery = shop.delivery(order_id)
    assert (delivery.status, delivery.state, delivery.confirmed) == (Status.PARTIAL, State.DONE, 1)
    assert "incorrect_delivery_detail" in ApiCall.objects.get(operation="G2G-14").request
    assert OrderEvent.objects.get(kind="partial").level == "info"


def test_nothing_handed_over_is_a_report_too(shop):
    order_id = asked(shop)
    report(shop, order_id, 0, issue=DeliveryIssue.SHORT_OF_STOCK)
    shop.until_delivered()

    delivery = shop.delivery(order_id)
    assert (delivery.status, delivery.state) == (Status.UNFULFILLED, State.DONE)


def test_an_end_that_differs_from_the_report_goes_to_a_person(shop):
    shop.desk.sandbox.options |= {"result": "partial", "partial_closes": True}
    order_id = asked(shop)
    report(shop, order_id, 2)
    shop.until_delivered()

    delivery = shop.delivery(order_id)
    assert (delivery.status, delivery.state) == (Status.PARTIAL, State.NEEDS_ATTENTION)
    assert "From here 2 units were reported" in delivery.last_error


def test_a_second_delivery_counts_the_units_of_the_first(shop):
    """G2G-P32: the number reported is the order's total."""
    order_id = asked(shop, 3, request_qty=1)
    report(shop, order_id, 1)
    shop.until_delivered()
    shop.desk.sandbox.orders.request(shop.desk.sandbox.orders.all[order_id])
    shop.desk.settle()
    second = Delivery.objects.get(requested=2)
    topups.report(second, delivered=2, by="ann")
    shop.desk.settle()
    shop.until_delivered()

    second.refresh_from_db()
    assert (second.status, second.confirmed) == (Status.DELIVERED, 2)
    assert '"delivered_qty":3' in ApiCall.objects.filter(operation="G2G-14").latest("pk").request.replace(" ", "")
    assert "several deliveries" in OrderEvent.objects.get(kind="warning").text
    assert shop.desk.sandbox.orders.all[order_id].delivered_qty == 3


# --- when an answer gets lost ------------------------------------------------------------------------------------


def test_a_report_whose_answer_was_lost_is_looked_at_and_not_repeated(shop):
    order_id = asked(shop)
    shop.fault("G2G-14", "drop_after_commit")
    report(shop, order_id, 2)
    assert shop.delivery(order_id).state == State.UNKNOWN

    shop.desk.advance(60)
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert shop.calls("G2G-14") == 1


def test_a_report_that_never_arrived_is_said_once_more_after_long_looking(shop):
    order_id = asked(shop)
    shop.fault("G2G-14", "timeout")
    report(shop, order_id, 2)
    shop.desk.advance(9 * 60)
    assert shop.calls("G2G-14") == 1
    assert "answer never came" in shop.delivery(order_id).last_error

    shop.desk.advance(3 * 60)
    assert shop.delivery(order_id).status == Status.DELIVERED
    assert shop.calls("G2G-14") == 2


def test_a_report_that_stays_unanswered_goes_to_a_person(shop):
    order_id = asked(shop)
    shop.fault("G2G-14", "timeout", times=2)
    report(shop, order_id, 2)
    shop.desk.advance(25 * 60)

    delivery = shop.delivery(order_id)
    assert (delivery.state, delivery.failure) == (State.NEEDS_ATTENTION, "unanswered")
    assert shop.calls("G2G-14") == 2


def test_a_refused_report_can_be_corrected(shop):
    order_id = asked(shop)
    shop.fault("G2G-14", "http_error", status=422, code="42200001")
    report(shop, order_id, 2)
    assert shop.delivery(order_id).failure == "invalid"

    report(shop, order_id, 1, issue=DeliveryIssue.OTHER)
    shop.until_delivered()
    assert (shop.delivery(order_id).status, shop.delivery(order_id).confirmed) == (Status.PARTIAL, 1)


def test_being_throttled_waits_and_the_report_is_told(shop):
    order_id = asked(shop)
    shop.fault("G2G-14", "http_error", status=429, code="42900001")
    report(shop, order_id, 2)
    shop.desk.advance(60)

    assert shop.delivery(order_id).status == Status.DELIVERED


# --- what can't be reported --------------------------------------------------------------------------------------


def test_what_was_told_is_not_told_again(shop):
    order_id = asked(shop)
    report(shop, order_id, 2)

    with pytest.raises(topups.NotReportable, match="nothing to report any more"):
        report(shop, order_id, 1)


@pytest.mark.parametrize("delivered", [-1, 3])
def test_more_than_was_asked_for_is_refused(shop, delivered):
    order_id = asked(shop)

    with pytest.raises(topups.NotReportable, match="2 were asked for"):
        report(shop, order_id, delivered)
    assert shop.delivery(order_id).reported is None


def test_a_delivery_of_codes_is_never_reported_by_hand(g2g):
    """G2G-T28"""
    shop = story.begin(g2g, codes=1)
    order_id = shop.buy(2, force=True)
    shop.until_asked()

    with pytest.raises(topups.NotReportable):
        report(shop, order_id, 1)
    assert shop.calls("G2G-14") == 0


def test_a_delivery_of_codes_that_an_event_calls_a_top_up_is_not_patched(g2g):
    """G2G-T28: the event's body is not signed, and the marketplace's own record says how the delivery is made."""
    shop = story.begin(g2g, codes=5)
    g2g.sandbox.options["request_seconds"] = 3600.0
    order_id = shop.buy(1)
    g2g.advance(5)
    shop.fault("G2G-WH-04", "drop")
    theirs = g2g.sandbox.orders.all[order_id]
    theirs.status = "start_delivering"
    delivery_id = g2g.sandbox.orders.request(theirs).id
    shop.forge("order.api_delivery", {"order_id": order_id, "offer_id": shop.offer.external_id, "delivery_summary": {
        "delivery_id": delivery_id, "requested_qty": 1, "delivery_method_code": "direct_top_up"}})  # fmt: skip
    g2g.settle()
    assert shop.delivery(order_id).failure == "by_hand"

    report(shop, order_id, 1)

    g2g.advance(1)
    assert shop.delivery(order_id).state == State.NEEDS_ATTENTION
    assert "not made with a top-up" in shop.delivery(order_id).last_error
    assert shop.calls("G2G-14") == 0


# --- orders that change meanwhile ----------------------------------------------------------------------------------


def test_a_cancelled_order_needs_no_person_any_more(shop):
    order_id = asked(shop)
    shop.desk.sandbox.orders.act(order_id, "cancel")
    shop.desk.settle()

    delivery = shop.delivery(order_id)
    assert (delivery.status, delivery.state) == (Status.STOPPED, State.DONE)
    with pytest.raises(topups.NotReportable):
        report(shop, order_id, 2)
    assert "told of no top-up" in OrderEvent.objects.get(kind="stopped").text


def test_a_deadline_that_passes_is_said(shop, monkeypatch):
    monkeypatch.setattr(sandbox_orders, "DEADLINE_MS", 60_000)
    order_id = asked(shop)
    shop.desk.advance(120)

    delivery = shop.delivery(order_id)
    assert (delivery.status, delivery.state) == (Status.UNFULFILLED, State.NEEDS_ATTENTION)
    assert "From here nothing was reported" in delivery.last_error


def test_nobody_is_asked_to_top_up_before_it_is_paid(shop):
    order_id = asked(shop)
    theirs = shop.desk.sandbox.orders.all[order_id]
    theirs.status, theirs.updated_at = "unpaid", theirs.updated_at + 1000
    Delivery.objects.update(state=State.DUE, next_try_at=timezone.now())
    shop.sweep()
    fulfilment.deliver_now(shop.order(order_id))
    shop.desk.settle()

    assert shop.delivery(order_id).state == State.DUE
    assert "Not delivered yet" in shop.delivery(order_id).last_error


# --- the buyer's data ------------------------------------------------------------------------------------------------


def test_what_the_buyer_filled_in_lies_open_nowhere(shop, caplog, admin_client):
    """G2G-T60, G2G-P58"""
    caplog.set_level(logging.DEBUG)
    order_id = asked(shop)
    report(shop, order_id, 2)
    shop.until_delivered()

    for table, row in everything_in_the_database():
        for form in forms_of(LOGIN):
            assert form not in row, table
    assert LOGIN not in caplog.text
    assert LOGIN not in admin_client.get(f"/admin/orders/order/{Order.objects.get().pk}/change/").content.decode()


def test_what_the_buyer_filled_in_is_erased_when_the_delivery_is_long_over(shop):
    order_id, other_id = asked(shop), asked(shop)
    report(shop, order_id, 2)
    shop.until_delivered()

    topups.erase(timezone.now() + timedelta(days=29))
    assert shop.delivery(order_id).buyer_fields
    topups.erase(timezone.now() + timedelta(days=31))

    assert shop.delivery(order_id).buyer_fields == {}
    assert shop.delivery(order_id).erase_at is None
    assert shop.delivery(other_id).buyer_fields, "it still waits to be done"
    assert topups.erase(timezone.now() + timedelta(days=31)) == 0
