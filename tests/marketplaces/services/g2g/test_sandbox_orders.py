"""The make-believe G2G by the contract's section 11: orders and deliveries."""

import pytest

from marketplaces.sandbox_words import Refusal
from tests.marketplaces.services.g2g.caller import CARD, TOP_UP, code_of, codes, new_market, payload


@pytest.fixture
def market():
    return new_market()


@pytest.fixture
def offer_id(market):
    """A live offer of ten gift cards."""
    return payload(market, "POST", "/v2/offers", CARD)["offer_id"]


def ask(market, offer_id, qty, **details):
    """Buy, and wait until the seller is asked to deliver."""
    order = market.orders.buy(offer_id=offer_id, qty=qty, **details)
    market.advance(2.5)
    return order, next(iter(order.deliveries.values()))


def hand_over(market, order, delivery, *contents):
    payload(market, "POST", f"/v2/orders/{order.id}/delivery", codes(delivery.id, *contents))
    market.advance(3)


def events(market):
    return [message.kind for message in market.messages]


@pytest.mark.smoke
def test_an_order_goes_from_the_buyer_to_the_buyers_consent(market, offer_id):
    order, delivery = ask(market, offer_id, 2)
    path = f"/v2/orders/{order.id}"
    assert payload(market, "GET", path)["order_status"] == "start_delivering"
    payload(market, "POST", f"{path}/delivery", codes(delivery.id, "A", "B"))
    assert payload(market, "GET", path)["order_status"] == "delivering"
    assert payload(market, "GET", f"{path}/delivery/{delivery.id}")["delivery_status"] == "in progress"
    market.advance(3)
    assert payload(market, "GET", path)["order_status"] == "awaiting_buyer_confirmation"
    assert payload(market, "GET", f"{path}/delivery/{delivery.id}")["delivery_status"] == "fully delivered"
    market.advance(3 * 86400)
    assert payload(market, "GET", path)["order_status"] == "delivered"
    assert events(market) == [
        "order.created",
        "order.confirmed",
        "order.api_delivery",
        "order.delivery_status",
        "order.completed",
    ]
    assert [code["content"] for code in market.state()["orders"][0]["deliveries"][0]["codes"]] == ["A", "B"]


def test_it_asks_for_what_its_own_inventory_cannot_give(market, offer_id):
    item = {"content": "OWN-1", "content_type": "text/plain", "reference_id": "r1"}
    payload(market, "POST", f"/v2/offers/{offer_id}/inventory_items", item)
    order, delivery = ask(market, offer_id, 3)
    assert (order.delivered_qty, delivery.requested_qty) == (1, 2)


def test_a_code_or_a_reference_is_taken_once(market, offer_id):
    order, delivery = ask(market, offer_id, 3)
    path = f"/v2/orders/{order.id}/delivery"
    payload(market, "POST", path, codes(delivery.id, "A"))
    assert code_of(market, "POST", path, codes(delivery.id, "A")) == 40900002
    same_reference = codes(delivery.id, "B")
    same_reference["codes"][0]["reference_id"] = "ref-A"
    assert code_of(market, "POST", path, same_reference) == 40900002
    assert code_of(market, "POST", path, codes(delivery.id, "C", "C")) == 40900002
    assert market.state()["doubles"] == {"contents": 2, "references": 3, "sold_twice": 0, "offers": 0}


def test_it_shows_the_danger_of_a_code_that_is_sold_twice(market, offer_id):
    market.options["accept_doubles"] = True
    for _ in range(2):
        order, delivery = ask(market, offer_id, 1)
        hand_over(market, order, delivery, "A")
        assert order.status == "awaiting_buyer_confirmation"
    assert market.state()["doubles"]["sold_twice"] == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"codes": []}, 40000001),
        ({"codes": codes("", *map(str, range(101)))["codes"]}, 40000001),
        ({"codes": codes("", "A", "B", "C")["codes"]}, 42200001),
        ({"codes": [{"content": "A", "reference_id": "r"}]}, 40000001),
        ({"codes": [{"content": "A", "content_type": "text/html", "reference_id": "r"}]}, 40000001),
        ({"delivery_id": "D1"}, 40400001),
        ({"delivery_id": ""}, 40000001),
    ],
)
def test_it_refuses_codes_that_are_wrong(market, offer_id, change, code):
    order, delivery = ask(market, offer_id, 2)
    body = codes(delivery.id, "A", "B") | change
    assert code_of(market, "POST", f"/v2/orders/{order.id}/delivery", body) == code
    assert delivery.codes == []


def test_several_lots_have_one_result(market):
    many = CARD | {"api_qty": 250, "unit_price": 1}
    order, delivery = ask(market, payload(market, "POST", "/v2/offers", many)["offer_id"], 250)
    names = [f"C{number}" for number in range(250)]
    for begin in (0, 100, 200):
        payload(market, "POST", f"/v2/orders/{order.id}/delivery", codes(delivery.id, *names[begin : begin + 100]))
        market.advance(1)
    market.advance(3)
    assert order.status == "awaiting_buyer_confirmation"
    assert events(market).count("order.delivery_status") == 1


def test_a_partial_delivery_stays_open_until_its_deadline(market, offer_id):
    order, delivery = ask(market, offer_id, 2)
    hand_over(market, order, delivery, "A")
    assert (delivery.status, delivery.is_open) == ("partial delivered", True)
    market.advance(900)
    assert (delivery.status, delivery.is_open) == ("partial delivered", False)
    body = codes(delivery.id, "B")
    assert code_of(market, "POST", f"/v2/orders/{order.id}/delivery", body) == 40900001


def test_a_partial_delivery_can_be_completed_or_closed(market, offer_id):
    order, delivery = ask(market, offer_id, 2)
    hand_over(market, order, delivery, "A")
    hand_over(market, order, delivery, "B")
    assert delivery.status == "fully delivered"
    market.options["partial_closes"] = True
    order, delivery = ask(market, offer_id, 2)
    hand_over(market, order, delivery, "C")
    assert (delivery.status, delivery.is_open) == ("partial delivered", False)


def test_nothing_that_arrived_means_unfulfilled(market, offer_id):
    _, unanswered = ask(market, offer_id, 1)
    market.advance(900)
    assert (unanswered.status, unanswered.is_open) == ("unfulfilled", False)
    market.options["result"] = "unfulfilled"
    order, refused = ask(market, offer_id, 1)
    hand_over(market, order, refused, "A")
    assert (refused.status, order.delivered_qty) == ("unfulfilled", 0)


def test_deliveries_come_in_pages(market, offer_id):
    order = market.orders.buy(offer_id=offer_id, qty=1, pay=False)
    for _ in range(250):
        market.orders.request(order, 1)
    path, after, seen = f"/v2/orders/{order.id}/delivery", "", []
    for size in (100, 100, 50):
        page = payload(market, "GET", path, query={"after": after} if after else {})
        after = page["after"]
        assert len(page["delivery_list"]) == size
        seen += [row["delivery_summary"]["delivery_id"] for row in page["delivery_list"]]
    assert len(set(seen)) == 250
    assert after == ""


def test_a_top_up_is_reported_not_sent(market):
    order, delivery = ask(market, payload(market, "POST", "/v2/offers", TOP_UP)["offer_id"], 2)
    path = f"/v2/orders/{order.id}/delivery"
    assert [field["attribute_key"] for field in delivery.fields] == ["delivery_info_1", "delivery_info_2"]
    assert code_of(market, "POST", path, codes(delivery.id, "A")) == 42200001
    done = {"delivered_qty": 2, "delivered_at": 1671693315000}
    for wrong in ({"delivered_at": 1}, done | {"delivery_issue": "bored"}, done | {"delivered_qty": -1}):
        assert code_of(market, "PATCH", f"{path}/{delivery.id}", wrong) == 40000001
    assert code_of(market, "PATCH", f"{path}/{delivery.id}", done | {"delivered_qty": 3}) == 42200001
    assert payload(market, "PATCH", f"{path}/{delivery.id}", done)["delivery_id"] == delivery.id
    market.advance(3)
    assert order.status == "awaiting_buyer_confirmation"


def test_a_short_top_up_with_its_reason_closes_the_delivery(market):
    order, delivery = ask(market, payload(market, "POST", "/v2/offers", TOP_UP)["offer_id"], 2)
    short = {"delivered_qty": 1, "delivered_at": 1, "delivery_issue": "insufficient_stock"}
    payload(market, "PATCH", f"/v2/orders/{order.id}/delivery/{delivery.id}", short)
    market.advance(3)
    assert (delivery.status, delivery.is_open, order.delivered_qty) == ("partial delivered", False, 1)


def test_a_cancelled_order_can_come_back(market, offer_id):
    order, delivery = ask(market, offer_id, 1)
    market.orders.act(order.id, "cancel")
    assert code_of(market, "POST", f"/v2/orders/{order.id}/delivery", codes(delivery.id, "A")) == 40900001
    market.orders.act(order.id, "rollback_cancelled")
    assert (order.status, order.payment) == ("unpaid", "to_pay")
    market.orders.act(order.id, "pay")
    market.advance(2)
    assert len(order.deliveries) == 2


def test_refunds_add_up_and_take_what_is_not_delivered_first(market, offer_id):
    order, delivery = ask(market, offer_id, 3)
    market.orders.act(order.id, "refund", qty=1)
    assert (delivery.requested_qty, order.status) == (2, "start_delivering")
    hand_over(market, order, delivery, "A", "B")
    market.orders.act(order.id, "refund", qty=2)
    shown = payload(market, "GET", f"/v2/orders/{order.id}")
    assert (shown["order_status"], shown["refunded_qty"], shown["defected_qty"]) == ("refunded", 3, 2)
    with pytest.raises(Refusal):
        market.orders.act(order.id, "refund", qty=1)


def test_a_replacement_is_asked_for_beside_what_was_bought(market, offer_id):
    order, delivery = ask(market, offer_id, 1)
    hand_over(market, order, delivery, "A")
    market.orders.act(order.id, "replace", qty=1)
    other = list(order.deliveries.values())[1]
    assert (other.mode, other.case_id, other.requested_qty) == ("replacement", order.case_ids[0], 1)
    hand_over(market, order, other, "B")
    assert order.delivered_qty == 2


def test_a_completed_order_can_be_opened_again(market, offer_id):
    order, delivery = ask(market, offer_id, 1)
    hand_over(market, order, delivery, "A")
    market.orders.act(order.id, "complete")
    market.orders.act(order.id, "rollback_completed")
    assert order.status == "delivering"
    assert events(market)[-2:] == ["order.completed", "order.rollback_completed"]


def test_anothers_order_is_not_found(market, offer_id):
    order = market.orders.buy(offer_id=offer_id)
    order.offer.seller_id = "200000"
    assert code_of(market, "GET", f"/v2/orders/{order.id}") == 40400001


def test_v1_has_no_list_of_deliveries(market, offer_id):
    order, delivery = ask(market, offer_id, 1)
    assert code_of(market, "GET", f"/v1/orders/{order.id}/delivery") == 40400001
    assert code_of(market, "PATCH", f"/v1/orders/{order.id}/delivery/{delivery.id}", {}) == 40400001
    payload(market, "POST", f"/v1/orders/{order.id}/delivery", codes(delivery.id, "A"))
