"""The make-believe Ginee by the contract's section 11: what buyers do, and what becomes of orders and of stock."""

import pytest

from marketplaces.sandbox_words import Refusal
from tests.marketplaces.services.ginee.sandbox_caller import (
    SKU,
    STOCK_READ,
    Receiver,
    control,
    data,
    new_market,
)


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def market(receiver):
    return new_market(receiver)


def told(receiver):
    """What was told, each with the word of its state or the tracking number."""
    said = []
    for document in receiver.documents:
        payload = document["payload"]
        word = payload.get("orderStatus") or payload.get("trackingNumber", "")
        said.append(f"{document['entity']} {document['action']} {word}".strip())
    return said


def stock_of(market):
    [row] = data(market, STOCK_READ, {"masterSkus": [SKU]})
    return row["availableStock"], row["warehouseStock"]


def test_an_order_goes_its_way_by_itself_and_everyone_hears_of_it(market, receiver):
    order = market.orders.buy(offer_id=SKU, status="PENDING_PAYMENT")
    market.advance(200)
    tracking = order.deliveries[0].tracking_number
    assert told(receiver) == [
        "order CREATE PENDING_PAYMENT",
        "order UPDATE PAID",
        "order UPDATE READY_TO_SHIP",
        "delivery-order CREATE",
        f"delivery-order UPDATE {tracking}",
        "order UPDATE SHIPPING",
        "order UPDATE DELIVERED",
    ]
    assert (order.status, order.deliveries[0].is_deleted) == ("DELIVERED", False)
    assert order.created_at < order.paid_at < order.updated_at
    assert market.next_due() is None


def test_stock_falls_when_a_buyer_buys_and_leaves_the_warehouse_when_it_ships(market):
    market.orders.buy(offer_id=SKU, qty=3)
    assert stock_of(market) == ("25", "30")
    market.advance(200)
    assert stock_of(market) == ("25", "27")


def test_a_cancelled_order_gives_its_goods_back_and_its_delivery_order_is_deleted(market, receiver):
    order = market.orders.buy(offer_id=SKU, qty=3)
    market.advance(6)
    market.orders.act(order.id, "cancel")
    market.advance(200)
    assert told(receiver)[-2:] == ["delivery-order DELETE", "order UPDATE CANCELLED"]
    assert stock_of(market) == ("28", "30")
    assert order.closed_at == order.updated_at


@pytest.mark.parametrize(("action", "word"), [("return", "RETURNED"), ("fail", "FAILED")])
def test_what_was_sent_can_come_back_or_fail(market, receiver, action, word):
    order = market.orders.buy(offer_id=SKU, status="SHIPPING", stays=True)
    market.orders.act(order.id, action)
    market.advance(0)
    assert told(receiver) == ["order CREATE SHIPPING", f"order UPDATE {word}"]


def test_a_delivery_order_can_be_deleted_and_made_anew(market, receiver):
    order = market.orders.buy(offer_id=SKU)
    market.advance(6)
    market.orders.act(order.id, "reassign")
    market.orders.act(order.id, "go_on")
    market.advance(200)
    first, second = order.deliveries
    assert (first.is_deleted, second.is_deleted, order.status) == (True, False, "DELIVERED")
    assert told(receiver)[3:6] == [
        "delivery-order DELETE",
        "delivery-order CREATE",
        f"delivery-order UPDATE {second.tracking_number}",
    ]


def test_an_order_that_stays_waits_for_somebody_to_act(market):
    order = market.orders.buy(offer_id=SKU, stays=True)
    market.advance(10_000)
    assert order.status == "PAID"
    with pytest.raises(Refusal, match="The order is PAID, not READY_TO_SHIP"):
        market.orders.act(order.id, "ship")
    for action in ("ready", "label", "ship", "deliver"):
        market.orders.act(order.id, action)
    assert order.status == "DELIVERED"


def test_any_word_and_a_step_back_are_possible(market, receiver):
    order = market.orders.buy(offer_id=SKU, status="DELIVERED")
    for word in ("PAID", "WORD_OF_TOMORROW"):
        market.orders.act(order.id, "become", status=word)
    market.orders.act(order.id, "delete")
    market.advance(0)
    assert told(receiver)[1:] == ["order UPDATE PAID", "order UPDATE WORD_OF_TOMORROW", "order DELETE WORD_OF_TOMORROW"]


def test_no_two_changes_have_the_same_moment_however_it_is_written(market, receiver):
    for decimals in (0, 3, 6, "mixed"):
        receiver.got.clear()
        market.switches.decimals = decimals
        order = market.orders.buy(offer_id=SKU, status="DELIVERED", stays=True)
        for _ in range(5):
            market.orders.act(order.id, "become", status="PAID")
        market.advance(0)
        moments = [document["payload"]["lastUpdateAt"].rstrip("Z") for document in receiver.documents]
        assert moments == sorted(set(moments))
        assert len(moments) == 6


@pytest.mark.parametrize(
    ("details", "status"),
    [
        ({"sku": "NOBODY-KNOWS"}, 404),
        ({"sku": SKU, "quantity": 0}, 400),
        ({"sku": SKU, "quantity": 29}, 409),
        ({"sku": SKU, "channel": "ZALORA_ID"}, 404),
        ({"sku": SKU, "status": "SHIPPED"}, 400),
        ({"order_id": "SO404", "action": "ship"}, 404),
        ({"sku": SKU, "colour": "red"}, 400),
    ],
)
def test_what_cannot_be_bought_is_refused(market, details, status):
    assert control(market, "POST", "order", details)["http_status"] == status
    assert (stock_of(market), list(market.orders.all)) == (("28", "30"), [])


def test_a_buyer_can_be_sent_over_the_wire(market, receiver):
    wanted = {"sku": SKU, "quantity": 2, "channel": "TOKOPEDIA_ID", "status": "READY_TO_SHIP"}
    bought = control(market, "POST", "order", wanted)
    assert (bought["channel"], bought["orderStatus"], bought["items"]) == ("TOKOPEDIA_ID", "READY_TO_SHIP", {SKU: 2})
    cancelled = control(market, "POST", "order", {"order_id": bought["orderId"], "action": "cancel"})
    assert cancelled["orderStatus"] == "CANCELLED"
    assert cancelled["delivery_orders"][0]["is_deleted"] is True
    control(market, "POST", "clock", {"advance_seconds": 1})
    assert len(receiver.got) == 4


def test_more_than_there_is_can_be_sold_by_force(market):
    market.orders.buy(offer_id=SKU, qty=100, force=True)
    assert stock_of(market) == ("0", "30")
    market.advance(200)
    assert stock_of(market) == ("0", "0")


def test_random_buyers_have_all_kinds_of_fates():
    def lived(seed):
        market = new_market(seed=seed)
        market.goods.shelf("test-access")[SKU].warehouse = 5_000
        market.goods.shelf("test-access")[SKU].is_set = True
        for _ in range(150):
            market.shop_at_random()
        market.advance(600)
        orders = list(market.orders.all.values())
        return [(order.status, len(order.deliveries), order.quantity) for order in orders]

    seen = lived(1)
    assert {status for status, _, _ in seen} == {"DELIVERED", "CANCELLED", "RETURNED"}
    assert 2 in {count for _, count, _ in seen}
    assert seen == lived(1) != lived(2)
