"""The make-believe G2A by the contract's section 11: catalogue, simulations, bestsellers, purchases, reservations."""

import pytest

from marketplaces.services.g2a.sandbox import Sandbox
from tests.marketplaces.services.g2a.caller import HASH, IMPORT, OTHER, PRODUCT, call, code_of, control, ok, send

ORDER = {"product_id": OTHER, "currency": "EUR", "max_price": 45.0}
RESERVE = {"orderId": "80201000000192", "productId": PRODUCT, "quantity": 2}


@pytest.fixture
def alone():
    return Sandbox(requests_per_second=1000, seed=1)


def bought(sandbox, **changes):
    order_id = ok(sandbox, "POST", "/v1/order", {**ORDER, **changes})["order_id"]
    assert ok(sandbox, "PUT", f"/v1/order/pay/{order_id}")["status"] is True
    return order_id


@pytest.mark.smoke
@pytest.mark.parametrize("base", ["/v1", IMPORT])
def test_the_catalogue_has_three_pages_of_all_kinds(alone, base):
    pages = [ok(alone, "GET", f"{base}/products?page={page}", headers=None) for page in (1, 2, 3)]
    rows = [row for page in pages for row in page["docs"]]
    assert [len(page["docs"]) for page in pages][:2] == [20, 20]
    assert len(rows) == len({row["id"] for row in rows}) == pages[0]["total"] >= 45
    assert {type(row["categories"][0]["id"]) for row in rows} == {int, str}
    assert {row["priceLimit"]["min"] for row in rows} > {None}
    assert all(row["qty"] for row in rows)
    assert ok(alone, "GET", f"{base}/products/{OTHER}") == rows[0]


def test_every_filter_counts(alone):
    def found(query):
        return ok(alone, "GET", f"/v1/products?{query}")["docs"]

    assert [row["id"] for row in found(f"id={PRODUCT}")] == [PRODUCT]
    assert all(row["qty"] >= 40 for row in found("minQty=40"))
    assert all(10 <= row["minPrice"] <= 20 for row in found("minPriceFrom=10&minPriceTo=20"))
    assert any(not row["qty"] for row in found("includeOutOfStock=true"))
    since = found("updatedAtFrom=2025-06-01%2008:00:00&updatedAtTo=2025-06-01%2009:30:00")
    assert [row["updated_at"] for row in since] == ["2025-06-01 09:20:30", "2025-06-01 08:20:30"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("page=0", "PR02"),
        ("page=501", "PR02"),
        ("id=i1", "PR01"),
        ("minQty=-1", "PR03"),
        ("minPriceFrom=x", "PR04"),
        ("minPriceFrom=9&minPriceTo=8", "PR05"),
        ("updatedAtFrom=2025-06-01T08:00:00Z", "BR08"),
        ("includeOutOfStock=True", "BR08"),
        ("perPage=50", "BR08"),
    ],
)
def test_a_wrong_parameter_has_its_own_code(alone, query, code):
    assert code_of(alone, "GET", f"/v1/products?{query}") == (400, code)
    assert code_of(alone, "GET", "/v1/products/10000000000000")[0] == 404


def test_a_simulation_follows_one_fee_model(alone):
    path = f"?productId={PRODUCT}&price=5.98"
    answer = ok(alone, "GET", f"{IMPORT}/prices/simulations{path}")
    assert answer == {
        "income": {"ALL": "4.61"},
        "finalePrice": {"ALL": "5.98"},
        "businessFinalPrice": {"ALL": "5.98"},
        "businessIncome": {"ALL": "4.70"},
    }
    alone.options |= {"simulation_numbers": True, "final_price_name": "finalPrice"}
    answer = ok(alone, "GET", f"/v3/pricing/simulations{path}&currency=EUR&country=de")
    assert (answer["income"], answer["finalPrice"]["DE"]) == ({"DE": 4.61, "OTHER": 4.61}, 5.98)
    assert code_of(alone, "GET", f"{IMPORT}/prices/simulations?productId={PRODUCT}")[0] == 400


def test_bestsellers_come_with_and_without_meta(alone):
    answer = ok(alone, "GET", f"{IMPORT}/bestsellers?platform=steam&perPage=10")
    assert {row["platform"] for row in answer["data"]} == {"Steam"}
    assert answer["meta"]["perPage"] == 10
    alone.options["bestsellers_meta"] = False
    assert ok(alone, "GET", "/v3/sales/bestsellers?daysNumber=2&itemsPerPage=100").keys() == {"data"}
    rivals = ok(alone, "GET", f"/v3/products/{PRODUCT}/offers?visibility=all&countryCode=DE")["data"]
    assert rivals[0]["price"]["retail"]["base"]["currencyCode"] == "EUR"
    assert send(alone, "GET", f"/v3/sales/products/{PRODUCT}/offers").status == 404


@pytest.mark.smoke
def test_a_key_is_there_once_after_payment_and_completion(alone):
    order_id = ok(alone, "POST", "/v1/order", ORDER)["order_id"]
    path = f"/v1/order/key/{order_id}"
    assert order_id.isdigit()
    assert code_of(alone, "GET", path) == (402, "ORD05")
    ok(alone, "PUT", f"/v1/order/pay/{order_id}")
    assert code_of(alone, "GET", path)[1] == "ORD06"
    assert ok(alone, "GET", f"/v1/order/details/{order_id}")["status"] == "pending"
    alone.advance(3)
    assert ok(alone, "GET", f"/v1/order/details/{order_id}")["status"] == "complete"
    key = ok(alone, "GET", path)
    assert code_of(alone, "GET", path) == (400, "ORD004")
    alone.options["dialect"] = "live"
    assert code_of(alone, "GET", path) == (400, "ORD04")
    sold = alone.state()["purchases"][0]
    assert (sold["key"], sold["reads"], sold["status"]) == (key["key"], 1, "complete")


def test_a_file_key_says_so_and_others_may_be_silent(alone):
    files = [product.id for product in alone.catalogue.products.values() if product.is_file and product.qty]
    orders = [bought(alone), bought(alone, product_id=files[0])]
    alone.advance(3)
    assert [ok(alone, "GET", f"/v1/order/key/{order}").get("isFile") for order in orders] == [None, True]


def test_an_unpaid_order_gives_its_stock_back(alone):
    before = alone.catalogue.products[OTHER].qty
    order_id = ok(alone, "POST", "/v1/order", ORDER)["order_id"]
    assert alone.catalogue.products[OTHER].qty == before - 1
    alone.advance(1800)
    assert alone.catalogue.products[OTHER].qty == before
    assert code_of(alone, "PUT", f"/v1/order/pay/{order_id}") == (403, "ORD114")


def test_money_is_limited(alone):
    order_id = ok(alone, "POST", "/v1/order", ORDER)["order_id"]
    control(alone, "POST", "wallet", {"balance": "1.00"})
    assert code_of(alone, "PUT", f"/v1/order/pay/{order_id}") == (403, "ORD112")
    alone.options["day_limit"] = 1
    assert code_of(alone, "PUT", f"/v1/order/pay/{order_id}") == (403, "ORD121")
    control(alone, "POST", "wallet", {"balance": "100.00"})
    alone.options["day_limit"] = 1000
    ok(alone, "PUT", f"/v1/order/pay/{order_id}")
    assert call(alone, "PUT", f"/v1/order/pay/{order_id}")[0] == 409
    state = alone.state()
    assert state["accounts"][HASH]["wallet"] == "97.51"
    assert state["doubles"]["payments"] == 1


def test_orders_are_refused_for_what_is_wrong_with_them(alone):
    for changes in ({"product_id": int(OTHER)}, {"max_price": 1}, {"max_price": "45"}, {"currency": "euro"}, {"x": 1}):
        assert code_of(alone, "POST", "/v1/order", {**ORDER, **changes}) == (400, "BR02")
    assert code_of(alone, "POST", "/v1/order", {**ORDER, "product_id": "1"}) == (400, "BR04")
    assert code_of(alone, "POST", "/v1/order", b"{") == (400, "BR01")
    alone.options["hashes_without_card"] = [HASH]
    assert code_of(alone, "POST", "/v1/order", ORDER) == (403, "")
    assert code_of(alone, "GET", "/v1/order/details/80201019921999") == (404, "ORD02")
    assert code_of(alone, "GET", "/v1/order/details/x") == (400, "ORD01")


def test_an_order_is_paid_with_an_empty_put(alone):
    order_id = ok(alone, "POST", "/v1/order", ORDER)["order_id"]
    assert send(alone, "POST", f"/v1/order/pay/{order_id}").status == 405
    assert send(alone, "PUT", f"/v1/order/pay/{order_id}", {}).status == 400


def test_a_reservation_becomes_ready_after_a_while(alone):
    made = ok(alone, "POST", f"{IMPORT}/reservations", RESERVE)
    assert (made["status"], made["quantity"]) == ("reserved", 2)
    confirm, inventory = (
        f"{IMPORT}/reservations/{made['reservationId']}/confirm",
        f"{IMPORT}/inventory/{RESERVE['orderId']}",
    )
    assert call(alone, "POST", confirm)[0] == 202
    assert ok(alone, "GET", inventory) == {"orderId": RESERVE["orderId"], "stockReady": False}
    alone.advance(5)
    assert call(alone, "POST", confirm)[0] == 200
    keys = ok(alone, "GET", inventory)["keys"]
    assert (len(keys), ok(alone, "GET", inventory)["keys"]) == (2, keys)


def test_a_reservation_is_refused_or_runs_out(alone):
    made = ok(alone, "POST", f"{IMPORT}/reservations", RESERVE)["reservationId"]
    assert call(alone, "POST", f"{IMPORT}/reservations", RESERVE)[0] == 409
    many = {**RESERVE, "orderId": "2", "quantity": 9999}
    assert call(alone, "POST", f"{IMPORT}/reservations", many)[0] == 400
    assert call(alone, "POST", f"{IMPORT}/reservations", {**RESERVE, "orderId": "3", "productId": "1"})[0] == 404
    alone.advance(1801)
    assert call(alone, "POST", f"{IMPORT}/reservations/{made}/confirm")[0] == 410
