"""The make-believe G2A by the contract's section 11: who gets in, and how errors look."""

import time

import pytest

from marketplaces.sandbox_words import Seller
from marketplaces.services.g2a.sandbox import Sandbox
from tests.marketplaces.services.g2a.caller import (
    HASH,
    IMPORT,
    KEY,
    SECRET,
    SIMPLE,
    bearer,
    call,
    code_of,
    control,
    hash_headers,
    ok,
    send,
)

PRODUCTS = "/v1/products"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def alone():
    return Sandbox(requests_per_second=1000, seed=1)


@pytest.mark.smoke
def test_the_published_vectors_open_the_door(alone):
    vectors = {
        "V1": "b44aac77bde99f39c84c6466c5d71f4744e253ca53e26b2c77e3641ad466174d",
        "V3": "efcb2e7f8fcd17fa871c89c6b2d751905543cc2f64b6af71a40a6a8ac34810a6",
    }
    alone.clock.skew = 1_700_000_000 - time.time()
    headers = hash_headers(at=1_700_000_000)
    assert headers["x-g2a-hash"] == vectors["V1"]
    assert send(alone, "GET", PRODUCTS, headers=headers).status == 200
    assert code_of(alone, "GET", PRODUCTS, headers=headers | {"x-g2a-hash": vectors["V3"]}) == (401, "AUTH02")


@pytest.mark.smoke
def test_the_simple_header_takes_the_given_and_the_derived_key():
    account = {"api_hash": HASH, "api_key": "given", "api_secret": SECRET, "email": "sandboxapitest@g2a.com"}
    alone = Sandbox(callbacks=lambda: [Seller(account)], requests_per_second=1000)
    headers = [{"authorization": f"{HASH}, {key}"} for key in ("given", KEY)]
    assert [send(alone, "GET", PRODUCTS, headers=each).status for each in headers] == [200, 200]
    alone.options["environment"] = "production"
    assert code_of(alone, "GET", PRODUCTS, headers=headers[0]) == (401, "AUTH02")
    assert send(alone, "GET", PRODUCTS, headers=headers[1]).status == 200


@pytest.mark.parametrize("authorization", [f"{HASH},{KEY}", f"{KEY}, {HASH}", f"{HASH}, wrong", "Bearer x"])
def test_another_form_of_the_simple_header_is_refused(alone, authorization):
    assert code_of(alone, "GET", PRODUCTS, headers={"authorization": authorization}) == (401, "AUTH02")


def test_a_timestamp_in_milliseconds_or_from_long_ago_is_refused(alone):
    for at in (time.time() * 1000, time.time() - 301):
        assert code_of(alone, "GET", PRODUCTS, headers=hash_headers(at=at)) == (401, "AUTH02")
    control(alone, "POST", "clock", {"advance_seconds": 86_400})
    assert send(alone, "GET", PRODUCTS, headers=hash_headers()).status == 200


def test_each_kind_of_refusal_has_its_code(alone):
    assert code_of(alone, "GET", PRODUCTS, headers={}) == (400, "AUTH01")
    alone.options["auth01_status"] = 403
    assert code_of(alone, "GET", f"{IMPORT}/offers", headers={}) == (403, "AUTH01")
    alone.options["blocked_hashes"] = [HASH]
    assert code_of(alone, "GET", PRODUCTS) == (401, "AUTH03")
    alone.options |= {"blocked_hashes": [], "denied_hashes": [HASH]}
    assert code_of(alone, "GET", PRODUCTS) == (401, "AUTH04")


def test_only_one_kind_of_headers_fits_an_environment(alone):
    alone.options["environment"] = "sandbox"
    assert code_of(alone, "GET", PRODUCTS) == (401, "AUTH02")
    assert send(alone, "GET", PRODUCTS, headers=SIMPLE).status == 200


@pytest.mark.smoke
@pytest.mark.parametrize("path", [f"{IMPORT}/token", "/v1/token", "/token"])
def test_a_token_opens_the_import_side_for_its_life(alone, path):
    answer = ok(alone, "GET", path, headers=SIMPLE)
    assert (answer["expires_in"], answer["token_type"]) == (3600, "bearer")
    headers = {"authorization": f"Bearer {answer['access_token']}"}
    assert send(alone, "GET", f"{IMPORT}/offers", headers=headers).status == 200
    assert code_of(alone, "GET", f"{IMPORT}/offers", headers=SIMPLE) == (401, "AUTH02")
    assert code_of(alone, "GET", PRODUCTS, headers=headers) == (401, "AUTH02")
    control(alone, "POST", "clock", {"advance_seconds": 3600})
    assert code_of(alone, "GET", f"{IMPORT}/offers", headers=headers) == (401, "AUTH02")


def test_the_live_token_wants_a_form_with_id_and_secret(alone):
    form = f"grant_type=client_credentials&client_id={HASH}&client_secret="
    answer = ok(alone, "POST", "/oauth/token", (form + SECRET).encode(), headers=FORM)
    headers = {"authorization": f"Bearer {answer['access_token']}"}
    assert send(alone, "GET", "/v3/sales/offers", headers=headers).status == 200
    assert code_of(alone, "POST", "/oauth/token", (form + "wrong").encode(), headers=FORM) == (401, "AUTH02")
    assert code_of(alone, "POST", "/oauth/token", b"grant_type=password", headers=FORM) == (400, "BR02")
    assert code_of(alone, "POST", "/oauth/token", form.encode(), headers={"content-type": "text/plain"})[1] == "CTTYPE"


def test_a_new_token_may_end_the_older_one(alone):
    older = bearer(alone)
    bearer(alone)
    assert send(alone, "GET", f"{IMPORT}/offers", headers=older).status == 200
    alone.options["single_token"] = True
    bearer(alone)
    assert code_of(alone, "GET", f"{IMPORT}/offers", headers=older) == (401, "AUTH02")


def test_too_many_requests_are_told_to_wait(alone):
    alone.options["requests_per_minute"] = 60
    answers = [send(alone, "GET", PRODUCTS) for _ in range(12)]
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.headers["Retry-After"] == "1"
    assert b"BR03" in refused.body
    alone.options["retry_after"] = False
    assert "Retry-After" not in send(alone, "GET", PRODUCTS).headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/products/10000027819004/stock"), ("POST", "/v1/products/prices"), ("GET", "/v2/x")],
)
def test_what_does_not_exist_is_not_found(alone, method, path):
    assert code_of(alone, method, path, headers=hash_headers()) == (404, "WRONGURL")


def test_faults_come_by_operation_and_go_by_count(alone):
    orders = [
        {"op": "G2A-02", "mode": "http_error", "status": 502, "code": "empty"},
        {"op": "G2A-02", "mode": "http_error", "status": 502, "code": "html"},
        {"op": "G2A-02", "mode": "http_error", "status": 503},
        {"op": "G2A-02", "mode": "wrapped_data"},
        {"op": "G2A-02", "mode": "malformed_json"},
    ]
    for order in orders:
        control(alone, "POST", "faults", order)
    assert send(alone, "GET", "/v1/products/10000027819004").status == 200  # another operation
    answers = [send(alone, "GET", PRODUCTS) for _ in range(4)]
    assert [answer.status for answer in answers] == [502, 502, 503, 200]
    assert (answers[0].body, answers[1].body[:6]) == (b"", b"<html>")
    assert b'"API00"' in answers[2].body
    assert answers[3].body.startswith(b'{"data": {"total"')
    with pytest.raises(ValueError):
        call(alone, "GET", PRODUCTS)
    assert call(alone, "GET", PRODUCTS)[0] == 200
    assert [entry["op"] for entry in control(alone, "GET", "calls")["calls"]][:2] == ["G2A-03", "G2A-02"]
