"""The make-believe G2G by the contract's section 11: who may call, how answers look, the catalogue."""

import time

import pytest

from marketplaces.services.g2g.sandbox_catalogue import (
    GIFT_CARDS,
    ITUNES,
    ITUNES_CARD,
    LEGACY_BRAND,
    RAGNAROK_CREDIT,
    TOP_UP_CATEGORY,
    products,
)
from tests.marketplaces.services.g2g.caller import call, code_of, new_market, payload, signed_headers


@pytest.fixture
def market():
    return new_market()


# --- who may call ----------------------------------------------------------------------------------------------


def test_it_knows_the_published_signature(market):
    path = "/v1/offers/G1650445167989US/inventory_items/ba8551d9-47e3-424a-a809-4f043059eefb"
    headers = signed_headers(path, at=1653278884)
    assert headers["g2g-signature"] == "6a57b70849781d906be3adab8ff5a63bdb5c56bc73c9631fc6663421823590df"
    market.clock.skew = 1653278884 - time.time()
    assert code_of(market, "GET", path, headers=headers) == 40400001


@pytest.mark.parametrize(
    "change",
    [
        {"seconds_off": -301},
        {"seconds_off": 330},
        {"user": "100001"},
        {"key": "0" * 32},
    ],
    ids=["stale", "ahead", "another user", "another key"],
)
def test_it_lets_no_stranger_in(market, change):
    if "seconds_off" in change:  # counted from now, not from when the tests were collected
        change = {"at": time.time() + change["seconds_off"]}
    assert code_of(market, "GET", "/v2/store", headers=signed_headers("/v2/store", **change)) == 40100001


def test_it_refuses_a_signature_with_the_query_or_of_another_path(market):
    for signed in ("/v2/products?category_id=x", "/v2/store"):
        assert code_of(market, "GET", "/v2/products", headers=signed_headers(signed)) == 40100001
    assert code_of(market, "GET", "/v2/store", headers={"content-type": ""}) == 40100001


def test_seconds_instead_of_milliseconds_are_refused(market):
    headers = signed_headers("/v2/store", at=time.time() / 1000)
    assert code_of(market, "GET", "/v2/store", headers=headers) == 40100001


def test_an_advanced_clock_does_not_shut_real_time_out(market):
    market.advance(86400)
    payload(market, "GET", "/v2/store")
    market.clock.skew = 600
    assert code_of(market, "GET", "/v2/store") == 40100001


def test_keys_can_be_denied(market):
    market.options["keys_without_access"] = ["b5769724c1cb1d52c58717d3d12ae2fe"]
    assert code_of(market, "GET", "/v2/store") == 40300001
    market.options["denied_keys"] = ["b5769724c1cb1d52c58717d3d12ae2fe"]
    assert code_of(market, "GET", "/v2/store") == 40100001


def test_too_many_calls_are_answered_429_until_time_has_passed(market):
    market.bucket.per_second = 2
    answers = [call(market, "GET", "/v2/store")[0] for _ in range(1010)]
    assert answers[-1] == 429
    market.clock.advanced += 1
    assert call(market, "GET", "/v2/store")[0] == 200


def test_the_envelope_has_five_fields_and_its_own_request_id(market):
    market.options |= {"code_as_text": True, "warning": "v3 comes soon"}
    envelopes = [call(market, "GET", "/v2/store")[1] for _ in range(2)]
    assert envelopes[0].keys() == {"request_id", "code", "message", "warning", "payload"}
    assert (envelopes[0]["code"], envelopes[0]["warning"]) == ("20000001", "v3 comes soon")
    assert envelopes[0]["request_id"] != envelopes[1]["request_id"]
    assert code_of(market, "GET", "/v2/nowhere") == "40400001"


# --- catalogue -------------------------------------------------------------------------------------------------


def test_services_have_trees_with_gaps(market):
    services = {row["service_name"]: row for row in payload(market, "GET", "/v2/services")["service_list"]}
    parents = services["Gift Cards"]["categories"]
    assert any("category_id" not in parent and parent["sub_categories"] for parent in parents)
    assert "categories" not in services["Game Accounts"]
    old = payload(market, "GET", "/v1/services")["service_list"]
    assert all("delivery_method" in row and "categories" not in row for row in old)
    assert code_of(market, "GET", "/v2/services", query={"language": "fr"}) == 40000001


def test_2500_brands_come_in_three_pages(market):
    path, after, seen = f"/v2/services/{GIFT_CARDS}/brands", "", []
    for size in (1000, 1000, 500):
        page = payload(market, "GET", path, query={"after": after} if after else {})
        after = page.get("after")
        assert len(page["brand_list"]) == size
        seen += [brand["brand_id"] for brand in page["brand_list"]]
    assert after is None
    assert len(set(seen)) == 2500
    assert LEGACY_BRAND in seen
    assert [row["brand_name"] for row in payload(market, "GET", path, query={"q": "itun"})["brand_list"]] == ["iTunes"]


@pytest.mark.parametrize(
    ("version", "query", "code"),
    [
        ("v2", {"service_id": GIFT_CARDS}, 40000001),
        ("v2", {}, 40000001),
        ("v2", {"service_id": "x", "brand_id": "y"}, 42200001),
        ("v1", {"category_id": TOP_UP_CATEGORY}, 40000001),
        ("v1", {"service_id": GIFT_CARDS}, 40000001),
    ],
)
def test_products_need_a_category_or_service_and_brand(market, version, query, code):
    assert code_of(market, "GET", f"/{version}/products", query=query) == code


def test_products_are_found_by_category_or_by_brand(market):
    one = payload(market, "GET", "/v2/products", query={"service_id": GIFT_CARDS, "brand_id": ITUNES})
    assert [row["product_id"] for row in one["product_list"]] == [ITUNES_CARD]
    several = payload(market, "GET", "/v2/products", query={"category_id": TOP_UP_CATEGORY})
    assert len({row["brand_id"] for row in several["product_list"]}) == 2


def test_attributes_use_every_input_word_and_nest(market):
    form = payload(market, "GET", f"/v2/products/{RAGNAROK_CREDIT}/attributes")["delivery_method_list"][0]
    words = {group["input_field"] for group in form["attribute_group_list"]}
    assert words == {"text", "dropdown", "number", "textarea", "paragraph", "password", "number_string"}
    legacy = next(product for product in products().values() if product.brand_id == LEGACY_BRAND)
    groups = payload(market, "GET", f"/v1/products/{legacy.id}/attributes")
    assert "delivery_method_list" not in groups
    edition = groups["attribute_group_list"][1]["attribute_list"][0]
    assert edition["sub_attribute_list"][0]["sub_attribute_list"]
    assert code_of(market, "GET", "/v2/products/unknown/attributes") == 40400001
