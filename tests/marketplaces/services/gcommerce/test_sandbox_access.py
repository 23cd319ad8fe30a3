"""The make-believe G-Commerce by the contract's section 11: who may call, how often, and how it says no."""

import json

import pytest

from marketplaces.sandbox_faults import Dropped, Fault, Silence
from marketplaces.sandbox_words import Seller
from marketplaces.services.gcommerce.sandbox import Sandbox
from tests.marketplaces.services.gcommerce.caller import (
    KEY,
    PRODUCT,
    basic,
    call,
    control,
    new_market,
    ok,
    send,
    status_of,
)

VECTOR = "Basic dmVuZG9yQGV4YW1wbGUuY29tOjAxMjM0NTY3ODlhYmNkZWZBQkNERUYwMTIzNDU2Nzg5"
SHOP_VECTOR = "Basic dmVuZG9yK3Nob3BAZXhhbXBsZS5jb206azN5"
ORDERED = (400, 401, 403, 404, 409, 413, 415, 429, 500, 501, 502, 503, 504, 507, 509)


@pytest.fixture
def market():
    return new_market()


# --- who may call ----------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_both_published_headers_open_the_door(market):
    market.registered.append(Seller({"email": "vendor+shop@example.com", "api_key": "k3y"}))
    for vector in (VECTOR, SHOP_VECTOR):
        assert status_of(market, "GET", "/categories", headers={"authorization": vector}) == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        f"Bearer {KEY}",
        "Basic ???",
        basic(key="wrong")["authorization"],
        basic(email="x@example.com")["authorization"],
    ],
    ids=["none", "bearer", "no Base64", "wrong key", "wrong e-mail"],
)
def test_a_stranger_is_told_how_to_come_in(market, authorization):
    response = send(market, "GET", "/orders", headers={"authorization": authorization})
    assert (response.status, json.loads(response.body)["status"]) == (401, 401)
    assert response.headers["WWW-Authenticate"] == 'Basic realm="User email/API key"'


def test_a_user_can_be_disabled_or_read_only_and_http_can_be_refused(market):
    market.switches.read_only = True
    assert status_of(market, "GET", "/products") == 200
    assert status_of(market, "POST", "/products", PRODUCT) == 403
    market.switches.https_only = True
    assert status_of(market, "GET", "/products") == 403
    assert status_of(market, "GET", "/products", headers={"x-forwarded-proto": "https"}) == 200
    market.switches.change(https_only=False, user_disabled=True)
    assert status_of(market, "GET", "/products") == 401


# --- how often -------------------------------------------------------------------------------------------------


def test_ten_calls_fit_into_any_sixty_seconds():
    """GCO-P34: a call at second 50 still counts at second 109."""
    market = Sandbox()
    market.clock.advanced += 50
    assert [status_of(market, "GET", "/categories/8200") for _ in range(11)] == [200] * 10 + [429]
    market.clock.advanced += 59
    status, document = call(market, "GET", "/categories/8200")
    assert (status, document) == (429, {"message": "Too Many Requests", "status": 429})
    market.clock.advanced += 1.1
    assert [status_of(market, "GET", "/categories/8200") for _ in range(11)] == [200] * 10 + [429]


def test_each_key_has_its_own_limit_unless_the_address_counts():
    other = basic("other@example.com", "other-key")
    for per_ip, expected in ((False, [200, 200, 429]), (True, [200, 429, 429])):
        market = new_market(limit=1)
        market.registered.append(Seller({"email": "other@example.com", "api_key": "other-key"}))
        market.switches.limit_per_ip = per_ip
        answers = [send(market, "GET", "/categories", headers=headers) for headers in (basic(), other, other)]
        assert [answer.status for answer in answers] == expected
        assert status_of(market, "GET", "/categories", remote="127.0.0.9") == (200 if per_ip else 429)


def test_a_fixed_window_begins_anew_on_the_minute():
    market = new_market(limit=2)
    market.switches.fixed_window = True
    market.clock.advanced += 60 - market.clock.time() % 60 + 58
    assert [status_of(market, "GET", "/categories") for _ in range(3)] == [200, 200, 429]
    market.clock.advanced += 3
    assert status_of(market, "GET", "/categories") == 200


def test_429_comes_as_html_and_with_the_time_to_wait():
    market = new_market(limit=1)
    assert "Retry-After" not in send(market, "GET", "/categories").headers
    market.switches.change(retry_after=True, limit_html=True)
    market.clock.advanced += 20
    response = send(market, "GET", "/categories")
    assert response.status == 429
    assert 38 <= int(response.headers["Retry-After"]) <= 40
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.body.startswith(b"<html>")


def test_the_hourly_limit_is_509_until_the_full_hour():
    market = new_market()
    market.switches.hourly_limit = 3
    market.clock.advanced += 3600 - market.clock.time() % 3600 + 100
    assert [status_of(market, "GET", "/categories") for _ in range(4)] == [200, 200, 200, 509]
    market.clock.advanced += 3400
    assert status_of(market, "GET", "/categories") == 509
    market.clock.advanced += 101
    assert status_of(market, "GET", "/categories") == 200


def test_who_runs_it_can_set_the_limit_it_starts_with():
    assert Sandbox().switches.limit == 10
    market = Sandbox(requests_per_second=50)
    market.switches.limit = 1
    market.reset()
    assert market.switches.limit == 3000


# --- method rules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/products/123456", 405),
        ("POST", "/shipments/70001", 405),
        ("PUT", "/products", 405),
        ("DELETE", "/products", 405),
        ("PUT", "/order_status", 405),
        ("DELETE", "/shipments", 405),
        ("PUT", "/orders/120001", 405),
        ("POST", "/purchase_orders", 405),
        ("GET", "/products_bulk", 405),
        ("PATCH", "/products/123456", 501),
        ("GET", "/products/abc", 404),
        ("GET", "/products//123456", 404),
        ("GET", "//products", 404),
        ("GET", "/products/123456//", 404),
        ("GET", "/orders/1/2", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/2.0/products", 404),
        ("GET", "/products/999999999", 404),
        ("GET", "/products/123456/", 200),
        ("GET", "/categories/", 200),
        ("GET", "/api/products/123456", 200),
    ],
)
def test_a_method_must_fit_its_address(market, method, path, status):
    body = {"status": "K"} if method in ("POST", "PUT", "PATCH") else None
    assert status_of(market, method, path, body) == status


def test_a_body_must_be_there_and_be_json(market):
    assert status_of(market, "POST", "/products") == 405
    assert status_of(market, "PUT", "/products/123456") == 405
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert status_of(market, "POST", "/products", b"product=x&price=1", headers=form) == 415
    assert status_of(market, "POST", "/products", PRODUCT, headers={"content-type": ""}) == 415
    assert (
        status_of(market, "POST", "/products", PRODUCT, headers={"content-type": "application/json; charset=utf-8"})
        == 201
    )
    for malformed in (b'{"price": 1', b'{"price": NaN}', b"\xff", b"[1]"):
        assert status_of(market, "POST", "/products", malformed) == 400


def test_an_impossible_accept_is_406(market):
    accepted = ["text/html", "*/*", "text/html, application/json;q=0.9", ""]
    answers = [status_of(market, "GET", "/categories", headers={"accept": word}) for word in accepted]
    assert answers == [406, 200, 200, 200]


# --- trouble on order ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ORDERED)
@pytest.mark.parametrize("mode", ["http_error", "html_error"])
def test_each_error_comes_for_its_operation_as_often_as_was_ordered(market, status, mode):
    control(market, "POST", "faults", {"op": "GCO-04", "mode": mode, "status": status, "times": 2})
    assert status_of(market, "GET", "/categories") == 200
    responses = [send(market, "POST", "/products", PRODUCT) for _ in range(3)]
    assert [response.status for response in responses] == [status, status, 201]
    assert responses[0].body.startswith(b"<html>") == (mode == "html_error")
    assert len(market.products.made()) == 1


def test_an_ordered_429_says_when_to_come_back_by_the_switch(market):
    market.switches.retry_after = True
    market.faults.add(Fault("GCO-10", "http_error", status=429))
    assert send(market, "GET", "/orders").headers["Retry-After"] == "30"


def test_a_connection_is_cut_before_the_write_or_after_it(market):
    market.faults.add(Fault("GCO-04", "drop_before_commit"))
    with pytest.raises(Dropped):
        send(market, "POST", "/products", PRODUCT)
    market.faults.add(Fault("GCO-04", "timeout"))
    with pytest.raises(Silence):
        send(market, "POST", "/products", PRODUCT)
    assert market.products.made() == []
    market.faults.add(Fault("GCO-04", "drop_after_commit"))
    with pytest.raises(Dropped):
        send(market, "POST", "/products", PRODUCT)
    assert len(market.products.made()) == 1
    assert [(entry["fault"], entry["status"]) for entry in market.calls][:2] == [
        ("drop_before_commit", None),
        ("timeout", None),
    ]


def test_an_answer_is_empty_html_or_slow(market):
    market.faults.add(Fault("GCO-11", "empty_body"))
    assert send(market, "GET", "/orders/120001").body == b""
    market.faults.add(Fault("GCO-11", "html_body"))
    response = send(market, "GET", "/orders/120001")
    assert (response.status, response.body[:6]) == (200, b"<html>")
    before = market.clock.time()
    market.faults.add(Fault("GCO-11", "slow", seconds=70))
    assert ok(market, "GET", "/orders/120001")["order_id"] == "120001"
    assert market.clock.time() - before >= 70


def test_new_fields_come_into_objects_and_not_into_maps(market):
    market.faults.add(Fault("GCO-17", "extra_keys"))
    shipment = ok(market, "GET", "/shipments/70002")
    assert "added_later" in shipment
    assert all(key.isdigit() for key in shipment["products"])


def test_an_unknown_trouble_is_refused(market):
    assert control(market, "POST", "faults", {"op": "*", "mode": "duplicate"})[0] == 400
