"""The make-believe G2G by the contract's section 11: offers, uploaded codes, the store."""

import pytest

from marketplaces.services.g2g.sandbox_catalogue import (
    ACCOUNTS,
    GIFT_CARDS,
    ITUNES,
    ITUNES_CARD,
    products,
)
from tests.marketplaces.services.g2g.caller import (
    CARD,
    TOP_UP,
    call,
    code_of,
    codes,
    control,
    new_market,
    payload,
)

MANUAL = next(product.id for product in products().values() if product.kind == "manual")


@pytest.fixture
def market():
    return new_market()


@pytest.fixture
def offer_id(market):
    """A live offer of ten gift cards."""
    return payload(market, "POST", "/v2/offers", CARD)["offer_id"]


# --- offers ----------------------------------------------------------------------------------------------------

TIERS = [{"min": 10, "max": 20, "unit_price": 9}, {"min": 21, "max": 30, "unit_price": 8}]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"min_qty": 0}, 40000001),
        ({"api_qty": -1}, 40000001),
        ({"api_qty": True}, 40000001),
        ({"low_stock_alert_qty": "2"}, 40000001),
        ({"unit_price": 0}, 40000001),
        ({"unit_price": "9.99"}, 40000001),
        ({"available_qty": 3}, 40000001),
        ({"product_id": "unknown"}, 40400001),
        ({"product_id": MANUAL, "offer_attributes": []}, 42200001),
        ({"currency": "XXX"}, 42200001),
        ({"offer_attributes": []}, 42200001),
        ({"offer_attributes": [{"attribute_group_id": "1f00aa01", "attribute_id": "nope"}]}, 42200001),
        ({"title": "Mine"}, 42200001),
        ({"delivery_method_ids": ["0b5e0f6e-8a37-4c0e-9f37-0d6a1c1f0001"]}, 42200001),
        ({"wholesale_details": []}, 42200001),
        ({"wholesale_details": [{"min": n, "max": n, "unit_price": 9} for n in (1, 2, 3, 4)]}, 42200001),
        ({"wholesale_details": [TIERS[1], TIERS[0]]}, 42200001),
        ({"wholesale_details": [{"min": 1}]}, 40000001),
        ({"sales_territory_settings": {"settings_type": "moon"}}, 40000001),
    ],
)
def test_it_refuses_an_offer_that_is_wrong(market, change, code):
    assert code_of(market, "POST", "/v2/offers", CARD | change) == code
    assert market.offers.all == {}


@pytest.mark.parametrize("key", sorted(CARD))
def test_an_offer_needs_its_seven_fields(market, key):
    assert code_of(market, "POST", "/v2/offers", {name: CARD[name] for name in CARD if name != key}) == 40000001


def test_a_manual_product_is_refused_by_the_name_of_the_field(market):
    _, envelope = call(market, "POST", "/v2/offers", CARD | {"product_id": MANUAL, "offer_attributes": []})
    assert "delivery_speed" in envelope["message"]


@pytest.mark.parametrize("methods", [[], ["0b5e0f6e-8a37-4c0e-9f37-0d6a1c1f0001"] * 2, ["unknown"]])
def test_a_top_up_offer_names_one_delivery_method(market, methods):
    assert code_of(market, "POST", "/v2/offers", TOP_UP | {"delivery_method_ids": methods}) == 42200001
    assert code_of(market, "POST", "/v1/offers", TOP_UP) == 40000001


def test_an_offer_can_be_read_changed_found_and_deleted(market, offer_id):
    path = f"/v2/offers/{offer_id}"
    changed = payload(market, "PATCH", path, {"api_qty": 0, "unit_price": 12.5, "wholesale_details": TIERS})
    assert (changed["api_qty"], changed["available_qty"], changed["unit_price"]) == (0, 0, 12.5)
    assert "delivery_speed" not in payload(market, "GET", f"/v1/offers/{offer_id}")
    for empty_or_foreign in ({}, {"available_qty": 5}, {"product_id": ITUNES_CARD}, {"title": "Mine"}):
        assert code_of(market, "PATCH", path, empty_or_foreign) == 40000001
    found = payload(market, "POST", "/v2/offers/search", {"filter": {"query": "itunes", "brand_id": ITUNES}})
    assert [row["offer_id"] for row in found["results"]] == [offer_id]
    assert payload(market, "POST", "/v2/offers/search", {"filter": {"status": "delisted"}})["results"] == []
    assert payload(market, "DELETE", path) == {"success": True}
    assert {code_of(market, method, path) for method in ("GET", "DELETE")} == {40400001}


@pytest.mark.parametrize("wrong", [{"page_size": 0}, {"page_size": 101}, {"page": 0}, {"filter": "live"}])
def test_a_search_has_bounds(market, wrong):
    assert code_of(market, "POST", "/v2/offers/search", wrong) == 40000001
    assert code_of(market, "POST", "/v1/offers/search", {}) == 40400001


def test_the_stock_is_what_is_uploaded_and_promised_less_what_is_reserved(market, offer_id):
    item = {"content": "0012", "content_type": "text/plain", "reference_id": "r1"}
    payload(market, "POST", f"/v2/offers/{offer_id}/inventory_items", item)
    market.orders.buy(offer_id=offer_id, qty=3, pay=False)
    assert payload(market, "GET", f"/v2/offers/{offer_id}")["available_qty"] == 1 + 10 - 3


def test_promised_stock_is_not_counted_down_twice(market, offer_id):
    """A seller who counts the order himself and pushes the new stock must not lose the units once more."""
    order = market.orders.buy(offer_id=offer_id, qty=3)
    payload(market, "PATCH", f"/v2/offers/{offer_id}", {"api_qty": 7})
    market.advance(3)
    delivery = next(iter(order.deliveries.values()))
    payload(market, "POST", f"/v2/orders/{order.id}/delivery", codes(delivery.id, "A", "B", "C"))
    market.advance(3)
    assert payload(market, "GET", f"/v2/offers/{offer_id}")["available_qty"] == 7


def test_an_offer_that_runs_low_says_so_once_a_crossing(market, offer_id):
    def warnings():
        return [message.kind for message in market.messages].count("offer.low_stock")

    market.orders.buy(offer_id=offer_id, qty=7, pay=False)
    assert warnings() == 0
    market.orders.buy(offer_id=offer_id, qty=1, pay=False)
    market.orders.buy(offer_id=offer_id, qty=1, pay=False)
    assert warnings() == 1
    payload(market, "PATCH", f"/v2/offers/{offer_id}", {"api_qty": 20})
    payload(market, "PATCH", f"/v2/offers/{offer_id}", {"api_qty": 9})
    assert warnings() == 2


def test_an_offer_made_by_hand_takes_a_new_price_only(market):
    made = control(market, "POST", "offer", {"product_id": MANUAL})
    path = f"/v2/offers/{made['offer_id']}"
    assert payload(market, "GET", path)["delivery_speed"] is None
    assert payload(market, "PATCH", path, {"unit_price": 5})["unit_price"] == 5
    assert code_of(market, "PATCH", path, {"api_qty": 5}) == 42200001
    control(market, "POST", "offer", {"offer_id": made["offer_id"], "status": "delisted_by_g2g"})
    assert payload(market, "GET", path)["status"] == "delisted_by_g2g"


def test_a_second_offer_for_the_same_choice_is_counted(market, offer_id):
    payload(market, "POST", "/v2/offers", CARD)
    assert market.state()["doubles"]["offers"] == 1


# --- uploaded codes --------------------------------------------------------------------------------------------


def test_a_code_can_be_uploaded_seen_and_deleted(market, offer_id):
    path = f"/v2/offers/{offer_id}/inventory_items"
    item = {"content": "0012", "content_type": "text/plain", "reference_id": "r1"}
    item_id = payload(market, "POST", path, item)["item_id"]
    shown = payload(market, "GET", f"{path}/{item_id}")
    assert shown["status"] == "available"
    assert "content" not in shown
    assert code_of(market, "POST", path, item) == 40900001
    assert code_of(market, "POST", path, item | {"reference_id": "r2"}) == 40900002
    assert code_of(market, "POST", path, item | {"content_type": "text/html"}) == 40000001
    assert code_of(market, "POST", path, {"content": "0012"}) == 40000001
    payload(market, "DELETE", f"{path}/{item_id}")
    assert {code_of(market, method, f"{path}/{item_id}") for method in ("GET", "DELETE")} == {40400001}


def test_a_sold_code_is_seen_but_cannot_be_deleted(market, offer_id):
    path = f"/v2/offers/{offer_id}/inventory_items"
    item = {"content": "0012", "content_type": "text/plain", "reference_id": "r1"}
    item_id = payload(market, "POST", path, item)["item_id"]
    market.orders.buy(offer_id=offer_id, qty=1)
    market.advance(3)
    assert payload(market, "GET", f"{path}/{item_id}")["status"] == "sold"
    assert code_of(market, "DELETE", f"{path}/{item_id}") == 40400001


def test_the_store_is_the_callers(market):
    store = payload(market, "GET", "/v2/store")
    assert (store["user_id"], store["account_status"]) == ("100000", "active")
    assert "USD" in store["selling_currencies"]
    assert products()[ITUNES_CARD].service_id == GIFT_CARDS
    assert products()[MANUAL].service_id == ACCOUNTS
