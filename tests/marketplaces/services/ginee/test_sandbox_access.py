"""The make-believe Ginee by the contract's section 11: who may call, and how every answer looks."""

import json

import pytest

from marketplaces.sandbox_faults import Dropped, Fault
from marketplaces.services.ginee.sandbox_sender import signature
from tests.marketplaces.services.ginee.sandbox_caller import (
    DETAILS,
    HOOK,
    LIST,
    SHOPS,
    SKU,
    STOCK,
    STOCK_READ,
    WAREHOUSE,
    WAREHOUSES,
    answer,
    call,
    code,
    control,
    data,
    new_market,
    signed_headers,
    window,
)

PAGE = {"page": 0, "size": 100}


@pytest.fixture
def market():
    return new_market()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/openapi/order/v1/list", "HVgoPnvL73ayad+1pkmQOo3Ck+sLG2+umgV4G5eHS94="),
        ("POST", LIST, "VK8oUxePNeRLzs7DxIqUtsOCJpYxGdsLWcdWQSKMv+U="),
        ("POST", DETAILS, "O8MfR8f2558yfPy7XPzzlemwUeYB3rHZ8QX9ADa1UNg="),
        ("POST", SHOPS, "O8ALQyVVH73iOgnh5tkWHxT475npPcsYNjx/B3VaGvI="),
        ("POST", STOCK, "oq710uz/gFy5gRRixOH3BIY3pK4p2hhRZZLYWlZF1So="),
        ("GET", "/openapi/warehouse-inventory/v1/sku/get", "t3EiQJfSWiM5mi9QnDwuC+LKgZsunGMWZxZIDYIZD8E="),
        ("post", "/webhooks/ginee/order", "38SjWxdMf2eKZnzTrlAtPx8JGPl1umX83bZdHnEI4K0="),
    ],
)
def test_signatures_are_those_of_the_published_vectors(method, path, expected):
    """V1 to V7 of the contract."""
    assert signature("test-secret", method, path) == expected


def test_a_secret_is_text_in_utf8():
    assert signature("clé-secrète", "POST", "/webhooks/ginee/order") == "5Ft2Jf90Edk+vFdMoUD4yMJp7D2Ynw+lobsDqVG9qyw="


def test_the_published_header_opens_the_door(market):
    headers = {
        "authorization": "test-access:VK8oUxePNeRLzs7DxIqUtsOCJpYxGdsLWcdWQSKMv+U=",
        "x-advai-country": "MY",
    }
    assert code(market, LIST, window(market), headers) == "SUCCESS"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "test-access",
        "VK8oUxePNeRLzs7DxIqUtsOCJpYxGdsLWcdWQSKMv+U=",
        "other:VK8oUxePNeRLzs7DxIqUtsOCJpYxGdsLWcdWQSKMv+U=",
        "test-access:F8OuXsOJyzvKlaO1JjHy/cVacGT02VPtf56aL5THDxM=",
        "test-access:nFRyfmrKS2y7TF8SguadTde7f5tS0nW/7BbYXCcTAKM=",
        "test-access:54af2853178f35e44bcecec3c48a94b6c38226963119db0b59c75641228cbfe5",
    ],
)
def test_a_wrong_signature_is_refused_with_200_or_by_a_switch_with_401(market, authorization):
    """The last three are the wrong variants of 2.1."""
    headers = {"authorization": authorization, "x-advai-country": "ID"}
    assert code(market, LIST, window(market), headers) == "IAM_FAILED"
    market.switches.refuse_with_401 = True
    refused = answer(market, LIST, window(market), headers)
    assert (refused.status, json.loads(refused.body)["code"]) == (401, "IAM_FAILED")


@pytest.mark.parametrize("country", [None, "", "DE", "id"])
def test_the_country_is_needed_and_one_of_six(market, country):
    headers = signed_headers(SHOPS)
    del headers["x-advai-country"]
    if country is not None:
        headers["x-advai-country"] = country
    assert code(market, SHOPS, PAGE, headers) == "IAM_FAILED"


def test_a_body_is_json_and_says_so(market):
    headers = signed_headers(SHOPS) | {"content-type": "text/plain"}
    assert answer(market, SHOPS, PAGE, headers).status == 415
    assert code(market, SHOPS, "no object") == "PARAMETER_ERROR"


def test_the_query_is_not_signed(market):
    asked = answer(market, SHOPS, PAGE, query={"trace": "1"})
    assert json.loads(asked.body)["code"] == "SUCCESS"


def test_another_address_or_method_is_unknown(market):
    assert answer(market, "/openapi/shop/v9/list", PAGE).status == 404
    assert answer(market, SHOPS, PAGE, signed_headers(SHOPS, "GET"), method="GET").status == 404


def test_messages_come_in_two_languages_and_members_are_absent_at_times(market):
    envelopes = [call(market, SHOPS, PAGE) for _ in range(60)]
    assert {envelope["message"] for envelope in envelopes} == {"OK", "成功"}
    assert all(envelope["extra"] is None for envelope in envelopes)
    for name in ("transactionId", "pricingStrategy"):
        assert 5 < sum(name not in envelope for envelope in envelopes) < 40
    assert {envelope["pricingStrategy"] for envelope in envelopes if "pricingStrategy" in envelope} == {"PAY", "FREE"}
    assert {call(market, SHOPS, {"page": -1})["message"] for _ in range(20)} == {
        "page is a whole number from 0 to 100000",
        "参数错误",
    }


def test_the_same_seed_gives_the_same_answers():
    def seen(seed):
        market = new_market(seed=seed)
        return [answer(market, SHOPS, PAGE).body for _ in range(20)]

    assert seen(3) == seen(3)
    assert seen(3) != seen(4)


def test_language_and_member_can_be_fixed(market):
    market.switches.set(language="chinese", message_member="msg", absent_members=0)
    envelope = call(market, SHOPS, PAGE)
    assert envelope["msg"] == "成功"
    assert envelope.keys() == {"code", "msg", "extra", "data", "transactionId", "pricingStrategy"}


OPERATIONS = {
    "GIN-C01": (LIST, {"createSince": "2026-09-20T00:00:00Z", "createTo": "2026-09-22T00:00:00Z"}),
    "GIN-C02": (DETAILS, {"orderIds": ["SO1"]}),
    "GIN-C03": (SHOPS, PAGE),
    "GIN-C04": (STOCK, {"warehouseId": WAREHOUSE, "stockList": [{"masterSku": SKU, "quantity": 44}]}),
    "GIN-C05": (WAREHOUSES, {"page": 0, "size": 50}),
    "GIN-C06": (STOCK_READ, {"masterSkus": [SKU]}),
}


@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize(
    ("mode", "status", "word", "has_wait"),
    [
        ("service_busy", 200, "SERVICE_BUSY", False),
        ("business_error", 200, "BUSINESS_ERROR", False),
        ("error", 200, "ERROR", False),
        ("too_many", 429, "ERROR", True),
        ("too_many_bare", 429, "ERROR", False),
        ("server_error", 500, "ERROR", False),
        ("unavailable", 503, "ERROR", False),
    ],
)
def test_each_operation_fails_once_when_told(market, op, mode, status, word, has_wait):
    path, body = OPERATIONS[op]
    assert control(market, "POST", "faults", {"op": op, "mode": mode})["http_status"] == 200
    failed = answer(market, path, body)
    assert (failed.status, json.loads(failed.body)["code"]) == (status, word)
    assert ("Retry-After" in failed.headers) == has_wait
    assert json.loads(answer(market, path, body).body)["code"] == "SUCCESS"


@pytest.mark.parametrize("op", OPERATIONS)
def test_bodies_can_be_a_page_or_nothing(market, op):
    path, body = OPERATIONS[op]
    market.faults.add(Fault(op, "html_body"))
    market.faults.add(Fault(op, "empty_body"))
    page, empty = answer(market, path, body), answer(market, path, body)
    assert (page.status, page.headers["Content-Type"], page.body[:6]) == (200, "text/html", b"<html>")
    assert (empty.status, empty.body) == (200, b"")


def test_an_answer_can_be_slow_or_cut_after_the_write_took_effect(market):
    waited = []
    market.pause = waited.append
    market.faults.add(Fault("GIN-C04", "slow", seconds=31))
    path, body = OPERATIONS["GIN-C04"]
    assert code(market, path, body) == "SUCCESS"
    assert waited == [31]
    market.faults.add(Fault("GIN-C04", "drop_after_commit"))
    with pytest.raises(Dropped):
        answer(market, path, body | {"stockList": [{"masterSku": SKU, "quantity": 50}]})
    assert data(market, STOCK_READ, {"masterSkus": [SKU]})[0]["warehouseStock"] == "50"


def test_a_mode_nobody_knows_is_refused(market):
    assert control(market, "POST", "faults", {"op": "GIN-C01", "mode": "earthquake"})["http_status"] == 400


def test_the_rate_limit_is_there_when_switched_on(market):
    assert [answer(market, SHOPS, PAGE).status for _ in range(20)] == [200] * 20
    market.bucket._left.clear()
    market.switches.set(preset="limited")
    refused = [answer(market, SHOPS, PAGE) for _ in range(6)][-1]
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    market.switches.retry_after = False
    assert "Retry-After" not in answer(market, SHOPS, PAGE).headers
    market.switches.rate_answer = "busy"
    assert code(market, SHOPS, PAGE) == "SERVICE_BUSY"
    market.advance(0.2)
    assert code(market, SHOPS, PAGE) == "SUCCESS"


def test_switches_are_set_over_the_wire_all_or_none(market):
    assert control(market, "POST", "switches", {"refuse_zero": True, "decimals": 6})["decimals"] == 6
    for wrong in ({"nonsense": 1}, {"decimals": 4}, {"refuse_zero": 1}, {"duplicate": "often"}, {"preset": "mad"}):
        assert control(market, "POST", "switches", {"auth": "signature", **wrong})["http_status"] == 400
    shown = control(market, "GET", "switches")
    assert (shown["refuse_zero"], shown["decimals"], shown["auth"]) == (True, 6, "none")
    contract = control(market, "POST", "switches", {"preset": "contract"})
    assert [contract[name] for name in ("duplicate", "reorder", "drop", "delay_seconds", "retries")] == [
        0.1,
        0.1,
        0.02,
        30.0,
        3,
    ]


def test_a_reset_forgets_switches_orders_and_stock(market):
    market.switches.refuse_zero = True
    market.orders.buy(offer_id=SKU)
    control(market, "POST", "reset")
    state = control(market, "GET", "state")
    assert (state["orders"], state["webhooks"], state["switches"]["refuse_zero"]) == ([], [], False)
    assert state["stock"]["test-access"][0]["availableStock"] == 28


def test_a_second_seller_has_shelves_and_orders_of_its_own(market):
    url = "https://second.test/"
    control(market, "POST", "callbacks", {"url": url, "access_key": "second", "secret_key": "two"})
    order = control(market, "POST", "order", {"sku": SKU, "access_key": "second"})
    market.advance(0)
    assert [message.seller.url for message in market.messages] == [url]
    assert HOOK not in [message.seller.url for message in market.messages]
    assert data(market, DETAILS, {"orderIds": [order["orderId"]]}) == []
    assert data(market, STOCK_READ, {"masterSkus": [SKU]})[0]["availableStock"] == "28"
