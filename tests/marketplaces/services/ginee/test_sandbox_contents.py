"""The make-believe Ginee by the contract's section 11: what notifications say, and how that can be bent."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from marketplaces.sandbox_faults import Fault
from marketplaces.services.ginee import sandbox
from tests.marketplaces.services.ginee.sandbox_caller import SKU, Receiver, new_market

SAMPLES = Path(sandbox.__file__).parent / "samples"
ABSENT_WHEN_DELETED = {
    "deliveryOrderStatus",
    "shop",
    "shippingAddress",
    "senderAddress",
    "logisticsProvider",
    "orderItems",
}


def sample(name):
    return json.loads((SAMPLES / f"{name}.json").read_text())


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def market(receiver):
    return new_market(receiver)


@pytest.fixture
def tell(market, receiver):
    """Send one notification of each operation with these switches, and return them by operation."""

    def send(**switches):
        market.switches.set(**switches)
        receiver.got.clear()
        order = market.orders.buy(offer_id=SKU, stays=True, force=True)
        for action in ("ready", "label", "delete_delivery"):
            market.orders.act(order.id, action)
        market.advance(5)
        names = ("GIN-01", "GIN-05", "GIN-02", "GIN-03", "GIN-04")
        return dict(zip(names, receiver.documents, strict=True))

    return send


def test_notifications_have_the_members_of_the_samples(tell):
    told = tell()
    for op, name in [
        ("GIN-01", "order.create"),
        ("GIN-03", "delivery-order.update"),
        ("GIN-04", "delivery-order.delete"),
    ]:
        expected = sample(name)
        assert told[op].keys() == expected.keys()
        assert told[op]["payload"].keys() == expected["payload"].keys()
        assert (told[op]["entity"], told[op]["action"]) == (expected["entity"], expected["action"])
    nested = sample("delivery-order.update")["payload"]
    for name in ("shop", "shippingAddress", "senderAddress"):
        assert told["GIN-02"]["payload"][name].keys() == nested[name].keys()
    assert told["GIN-02"]["payload"]["orderItems"][0].keys() == nested["orderItems"][0].keys()
    assert (told["GIN-02"]["action"], told["GIN-05"]["action"]) == ("CREATE", "UPDATE")


def test_both_generations_are_spoken(tell):
    old, new = tell(generation="old")["GIN-01"], tell(generation="new")["GIN-01"]
    assert old.keys() - new.keys() == {"userId", "user"}
    assert new.keys() == {"id", "entity", "action", "createAt", "payload"}


def test_generations_can_be_mixed(market, receiver):
    market.switches.generation = "mixed"
    for _ in range(40):
        market.orders.buy(offer_id=SKU, stays=True, force=True)
    market.advance(0)
    assert 8 < sum("user" in document for document in receiver.documents) < 32


def test_a_delivery_order_belongs_to_its_order(tell):
    told = tell()
    order, delivery = told["GIN-01"]["payload"], told["GIN-03"]["payload"]
    assert delivery["sourceOrderId"] == order["orderId"]
    [row] = delivery["orderItems"]
    assert (row["deliveryOrderId"], row["inventorySku"], row["quantity"]) == (delivery["deliveryOrderId"], SKU, 1)
    assert delivery["trackingNumber"] in delivery["waybillUrl"]
    assert told["GIN-02"]["payload"]["trackingNumber"] == ""


def test_a_payload_can_be_empty(tell):
    assert {document["payload"] == {} for document in tell(empty_payload=1).values()} == {True}


def test_a_deletion_is_partial_unless_switched(tell):
    assert tell()["GIN-04"]["payload"].keys() & ABSENT_WHEN_DELETED == set()
    assert tell(partial_delete=0)["GIN-04"]["payload"].keys() >= ABSENT_WHEN_DELETED


def test_what_is_wrong_with_a_notification_stands_beside_it(tell, market):
    tell(empty_shop=1)
    assert [sorted(message.modes) for message in market.messages] == [["empty_shop"]] * 4 + [
        ["empty_shop", "partial_delete"]
    ]


def test_an_owner_can_be_somebody_elses_id(tell):
    told = tell(foreign_owner=1)
    payload = told["GIN-04"]["payload"]
    assert payload["ownerId"] == payload["deliveryOrderId"]
    assert payload["ownerId"].startswith("WDO")
    assert "ownerId" not in told["GIN-01"]["payload"]


def test_a_shop_can_be_full_of_empty_texts(tell):
    told = tell(empty_shop=1)
    assert set(told["GIN-03"]["payload"]["shop"].values()) == {""}
    assert told["GIN-01"]["payload"]["externalShopId"] == ""


def test_a_user_can_have_an_underscore(tell):
    user = tell(underscore_id=1)["GIN-01"]["user"]
    assert user.keys() == {"_id", "email"}
    assert tell(generation="new")["GIN-01"].keys() == {"id", "entity", "action", "createAt", "payload"}


@pytest.mark.parametrize(("decimals", "form"), [(0, r":\d\dZ"), (3, r":\d\d\.\d{3}Z"), (6, r":\d\d\.\d{6}Z")])
def test_times_have_as_many_decimals_as_wanted(tell, decimals, form):
    payload = tell(decimals=decimals)["GIN-03"]["payload"]
    for name in ("createAt", "lastUpdateAt"):
        assert re.search(f"{form}$", payload[name])


def test_mixed_decimals_tell_the_same_moment(market, receiver):
    market.switches.decimals = "mixed"
    order = market.orders.buy(offer_id=SKU, stays=True)
    for _ in range(12):
        market.events.order(order, "UPDATE")
    market.advance(0)
    texts = [document["payload"]["lastUpdateAt"] for document in receiver.documents]
    assert {len(text) for text in texts} == {20, 24, 27}
    assert len({datetime.fromisoformat(text.replace("Z", "+00:00")) for text in texts}) == 1


def test_an_envelope_can_be_older_than_what_it_holds(tell):
    usual, early = tell()["GIN-03"], tell(early_envelope=1)["GIN-03"]
    assert usual["createAt"] >= usual["payload"]["createAt"]
    assert early["createAt"] < early["payload"]["createAt"]


def test_entities_actions_and_words_can_be_unknown(tell):
    told = tell(unknown_entity=1, unknown_action=1, unknown_status=1)
    assert {document["entity"] for document in told.values()} == {"master_product_create"}
    assert {document["action"] for document in told.values()} == {"ARCHIVE"}
    assert told["GIN-01"]["payload"]["orderStatus"] == "WORD_OF_TOMORROW"
    assert told["GIN-02"]["payload"]["deliveryOrderStatus"] == "WORD_OF_TOMORROW"


def test_anything_else_can_be_told(market, receiver):
    market.events.send("sell-outbound-order", "CREATE", {"status": "PENDING"}, about="1")
    market.advance(0)
    [message] = market.messages
    assert (message.op, receiver.documents[0]["payload"]) == ("GIN-05", {"status": "PENDING"})


def test_the_last_update_can_be_missing(tell):
    assert all("lastUpdateAt" not in document["payload"] for document in tell(missing_last_update=1).values())


def test_an_id_can_be_a_number(tell, market):
    ids = [document["id"] for document in tell(number_id=1).values()]
    assert [type(one) for one in ids] == [int] * 5
    assert len(set(ids)) == 5
    assert [message.id for message in market.messages] == [str(one) for one in ids]


def test_quantities_can_be_text(tell):
    assert tell(quantity_text=1)["GIN-03"]["payload"]["orderItems"][0]["quantity"] == "1"


def test_one_id_can_come_with_two_bodies(market, receiver):
    market.faults.add(Fault("GIN-01", "same_id"))
    market.faults.add(Fault("GIN-03", "same_id"))
    order = market.orders.buy(offer_id=SKU, stays=True)
    market.advance(5)
    market.orders.act(order.id, "ready")
    market.orders.act(order.id, "label")
    market.advance(5)
    documents = receiver.documents
    first, second = documents[:2]
    assert first["id"] == second["id"]
    assert first["payload"]["externalShopId"] != second["payload"]["externalShopId"]
    first, second = documents[-2:]
    assert first["id"] == second["id"]
    assert first["payload"]["trackingNumber"] != second["payload"]["trackingNumber"]


def test_a_bent_body_is_also_an_ordered_trouble(market, receiver):
    market.faults.add(Fault("GIN-01", "missing_last_update"))
    market.orders.buy(offer_id=SKU, stays=True)
    market.orders.buy(offer_id=SKU, stays=True)
    market.advance(0)
    assert ["lastUpdateAt" in document["payload"] for document in receiver.documents] == [False, True]


def test_as_the_old_page_has_it_orders_tell_of_their_creation_alone(market, receiver):
    market.switches.order_updates = False
    market.orders.buy(offer_id=SKU)
    market.advance(200)
    assert receiver.kinds == ["order CREATE", "delivery-order CREATE", "delivery-order UPDATE"]


def test_the_fixtures_are_the_contracts(market):
    assert sample("answer") == {"status": True}
    assert sample("delivery-order.create.empty")["payload"] == {}
    deleted = sample("delivery-order.delete")
    assert deleted["payload"]["ownerId"] == deleted["payload"]["deliveryOrderId"]
    updated = sample("delivery-order.update")
    assert updated["createAt"] < updated["payload"]["createAt"]
    assert sample("order.update")["payload"]["payAt"] == ""
