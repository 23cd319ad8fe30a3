"""The make-believe Ginee by the contract's section 11: shops, warehouses, stock (GIN-C03 to GIN-C06), and the demo."""

import json
from pathlib import Path

import pytest

from marketplaces.services.ginee import demo, sandbox
from marketplaces.services.ginee.sandbox_goods import SHOPS as ALL_SHOPS, WAREHOUSES as ALL_WAREHOUSES
from tests.marketplaces.services.ginee.sandbox_caller import (
    DETAILS,
    LIST,
    SHOPS,
    SKU,
    STOCK,
    STOCK_READ,
    WAREHOUSE,
    WAREHOUSES,
    code,
    control,
    data,
    new_market,
    window,
)

SAMPLES = Path(sandbox.__file__).parent / "samples"


def sample(name):
    return json.loads((SAMPLES / f"{name}.json").read_text())


@pytest.fixture
def market():
    return new_market()


def set_stock(quantity, sku=SKU, **more):
    return {"warehouseId": WAREHOUSE, "stockList": [{"masterSku": sku, "quantity": quantity, "remark": "t"}], **more}


def stock_of(market, sku=SKU):
    [row] = data(market, STOCK_READ, {"masterSkus": [sku]})
    return row["availableStock"], row["warehouseStock"]


def test_shops_come_in_pages_from_zero(market):
    first = data(market, SHOPS, {"page": 0, "size": 4})
    second = data(market, SHOPS, {"page": 1, "size": 4})
    assert [len(first["content"]), len(second["content"])] == [4, 2]
    assert data(market, SHOPS, {"page": 2, "size": 4})["content"] == []
    ids = [row["shopId"] for row in first["content"] + second["content"]]
    assert ids == [shop.id for shop in ALL_SHOPS]
    words = {row["authorizationStatus"] for row in first["content"] + second["content"]}
    assert words == {"CONNECTED", "EXPIRED", "DISCONNECTED"}
    assert [name for name, value in first["content"][0].items() if value is None]
    assert len(data(market, SHOPS, {})["content"]) == len(ALL_SHOPS)


def test_shops_may_come_without_a_wrapper(market):
    wrapped = data(market, SHOPS, {})["content"]
    market.switches.shops_shape = "list"
    assert data(market, SHOPS, {}) == wrapped


def test_a_shop_can_lose_its_authorisation(market):
    control(market, "POST", "shop", {"shop_id": ALL_SHOPS[0].id, "state": "EXPIRED"})
    assert data(market, SHOPS, {})["content"][0]["authorizationStatus"] == "EXPIRED"
    assert control(market, "POST", "shop", {"shop_id": "SH404", "state": "EXPIRED"})["http_status"] == 404


@pytest.mark.parametrize("body", [{"page": -1}, {"size": 0}, {"size": 200}, {"page": "0"}, []])
def test_shops_refuse_what_is_wrong(market, body):
    assert code(market, SHOPS, body) == "PARAMETER_ERROR"


def test_warehouses_have_one_enabled_default(market):
    rows = data(market, WAREHOUSES, {"page": 0, "size": 50})["content"]
    assert rows == list(ALL_WAREHOUSES)
    assert [row["id"] for row in rows if row["isDefault"] and row["status"] == "ENABLE"] == [WAREHOUSE]


def test_stock_is_set_and_read_back_as_text(market):
    [row] = data(market, STOCK, set_stock(45))["stockList"]
    assert row == {
        "masterSku": SKU,
        "quantity": None,
        "warehouseStock": 45,
        "availableStock": 43,
        "lockedStock": 2,
        "spareStock": 0,
        "promotionStock": 0,
        "safetyStock": 0,
        "transportStock": 0,
        "outStock": 0,
    }
    assert stock_of(market) == ("43", "45")


def test_stock_may_be_a_difference(market):
    """GIN-P20."""
    market.switches.stock_is_difference = True
    data(market, STOCK, set_stock(5))
    assert stock_of(market) == ("33", "35")


def test_zero_is_taken_unless_a_switch_refuses_it(market):
    rows = [{"masterSku": SKU, "quantity": 0}, {"masterSku": "800151", "quantity": 9}]
    market.switches.refuse_zero = True
    assert code(market, STOCK, {"warehouseId": WAREHOUSE, "stockList": rows}) == "PARAMETER_ERROR"
    assert stock_of(market, "800151") == ("28", "30")
    market.switches.refuse_zero = False
    data(market, STOCK, {"warehouseId": WAREHOUSE, "stockList": rows})
    assert (stock_of(market), stock_of(market, "800151")) == (("0", "0"), ("7", "9"))


def test_twenty_rows_are_taken_and_twenty_one_are_not(market):
    skus = list(market.goods.all)[:21]
    rows = [{"masterSku": sku, "quantity": 3} for sku in skus]
    assert len(data(market, STOCK, {"warehouseId": WAREHOUSE, "stockList": rows[:20]})["stockList"]) == 20
    assert code(market, STOCK, {"warehouseId": WAREHOUSE, "stockList": rows}) == "PARAMETER_ERROR"
    assert len(data(market, STOCK_READ, {"masterSkus": skus[:20]})) == 20
    assert code(market, STOCK_READ, {"masterSkus": skus}) == "PARAMETER_ERROR"


@pytest.mark.parametrize(
    "body",
    [
        set_stock(999_999),
        set_stock(-1),
        set_stock("5"),
        set_stock(True),
        set_stock(5, sku="NOBODY-KNOWS"),
        set_stock(5, warehouseId="WW404"),
        set_stock(5, warehouseId="WW5FF02DDA52FAFF0001000021"),
        set_stock(5, warehouseId=20),
        {"warehouseId": WAREHOUSE, "stockList": []},
        {"warehouseId": WAREHOUSE},
    ],
)
def test_stock_refuses_what_is_wrong_and_changes_nothing(market, body):
    assert code(market, STOCK, body) == "PARAMETER_ERROR"
    assert stock_of(market) == ("28", "30")


def test_another_warehouse_serves_no_buyer(market):
    data(market, STOCK, set_stock(500, warehouseId="WW5FF02DDA52FAFF0001000022"))
    assert stock_of(market) == ("28", "30")


def test_unknown_skus_are_missing_from_the_reading(market):
    assert data(market, STOCK_READ, {"masterSkus": ["NOBODY-KNOWS"]}) == []
    assert code(market, STOCK_READ, {}) == "PARAMETER_ERROR"


def test_the_contracts_own_requests_are_understood(market):
    for path, name in [(DETAILS, "get_orders"), (SHOPS, "list_shops"), (STOCK, "update_stock")]:
        data(market, path, sample(f"{name}.request"))
    for path, name in [(WAREHOUSES, "search_warehouses"), (STOCK_READ, "read_stock")]:
        assert data(market, path, sample(f"{name}.request"))
    assert data(market, LIST, sample("list_orders.request") | window(market, 13) | {"shopIdList": ["SH1"]})


def test_the_stock_sample_is_what_the_sandbox_begins_with(market):
    assert data(market, STOCK, sample("update_stock.request")) == sample("update_stock")["data"]
    assert data(market, STOCK_READ, sample("read_stock.request")) == sample("read_stock")["data"]


def test_answers_have_the_members_of_the_samples(market):
    order = market.orders.buy(offer_id=SKU, qty=2, channel="SHOPEE_ID", stays=True)
    for path, body, name in [
        (LIST, window(market), "list_orders"),
        (SHOPS, {}, "list_shops"),
        (WAREHOUSES, {}, "search_warehouses"),
    ]:
        expected, found = sample(name)["data"], data(market, path, body)
        assert expected.keys() <= found.keys()
        assert expected["content"][0].keys() <= found["content"][0].keys()
    [found] = data(market, DETAILS, {"orderIds": [order.id]})
    assert found.keys() == sample("get_orders")["data"][0].keys()


@pytest.mark.parametrize("count", [1, 12, 24])
def test_the_demo_sells_goods_that_are_there(market, count):
    offers = demo.offers(count)
    assert len({offer.external_product_id for offer in offers}) == count
    for offer in offers:
        data(market, STOCK, set_stock(7, sku=offer.external_product_id))
        assert (offer.currency, offer.price > 0, bool(offer.title)) == ("IDR", True, True)
    assert len({offer.title.split()[0] + offer.title.split()[1] + offer.title.split()[-1] for offer in offers}) == count


def test_random_buyers_take_what_a_seller_has_put_there(market):
    market.shop_at_random()
    assert market.orders.all == {}
    data(market, STOCK, set_stock(40))
    for _ in range(5):
        market.shop_at_random()
    assert {line.good.sku for order in market.orders.all.values() for line in order.lines} == {SKU}
    assert len(market.orders.all) == 5
