"""The account as a whole: what it declares, what a check finds, and that no secret stays anywhere."""

import pytest
import requests

from marketplaces import services
from marketplaces.exceptions import MarketplaceError
from marketplaces.services.g2a import reading
from marketplaces.services.g2a.service import Service
from marketplaces.types import CodeToSend
from tests.marketplaces.services.g2a.peer import TOKEN, Answer, offer_content, sample

OFFERS, PRODUCTS = "/integration-api/v1/offers", "/v1/products"
ID = "5b0f1a34-6a43-4e0c-8f4e-08f4b7d4f3a2"


def test_it_is_a_marketplace_with_the_promised_names():
    assert services.get_service("g2a") is Service
    assert [field.name for field in Service.credentials] == [
        "api_hash", "api_key", "api_secret", "email", "merchant_client_id", "merchant_client_secret",
    ]  # fmt: skip
    assert {field.name: field.default for field in Service.options} == {
        "dialect": "contract",
        "environment": "production",
        "requests_per_minute": 600,
        "hold_seconds": 1800,
        "deadline_seconds": 9,
        "token_seconds": 3600,
        "orders_without_stock": "no",
        "lowest_price_percent": 0,
    }
    assert next(field.minimum for field in Service.options if field.name == "hold_seconds") == 1800


def test_a_check_that_finds_all_well(peer, either):
    path = OFFERS if either.connection.options["dialect"] == "contract" else "/v3/sales/offers"
    peer.on("GET", path, Answer(200, sample("list_offers"), {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}))
    peer.on("GET", PRODUCTS, Answer(200, sample("list_products"), {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}))
    health = either.check()
    assert (health.reachable, health.authenticated, health.usable) == (True, True, True)
    assert health.details == ["Selling: works, 1 offers", "Buying: works, 105 products in stock"]
    assert health.clock_off_seconds > 3600
    assert len(peer.asked()) == 2


def test_a_check_says_which_side_does_not_work(peer, service):
    peer.on("GET", OFFERS, Answer(200, sample("list_offers")))
    peer.on("GET", PRODUCTS, Answer(401, {"code": "AUTH04", "message": "no right"}))
    health = service.check()
    assert (health.reachable, health.authenticated, health.usable) == (True, True, True)
    assert "Buying: Account" in health.details[1]

    peer.on("GET", OFFERS, Answer(401, {"code": "AUTH02"})).on("GET", PRODUCTS, Answer(401, {"code": "AUTH02"}))
    health = service.check()
    assert (health.reachable, health.authenticated, health.usable) == (True, False, False)


@pytest.mark.parametrize("error", [requests.exceptions.ConnectTimeout(), requests.exceptions.ConnectionError("reset")])
def test_a_check_of_a_host_out_of_reach(peer, service, error):
    peer.on("GET", "/integration-api/v1/token", error).on("GET", PRODUCTS, error)
    health = service.check()
    assert (health.reachable, health.authenticated, health.usable) == (False, False, False)


def secrets():
    return {TOKEN, *Service.sandbox_credentials.values()}


def secret_calls(service):
    """What sends or brings codes, each ready to be made."""
    return (
        lambda: service.upload_keys(ID, [CodeToSend("DDDDD-EEEEE-FFFFF", "code:1")]),
        lambda: list(service.fetch_uploaded(ID)),
        lambda: service.fetch_purchased_key("7"),
        lambda: service.check_inventory("7"),
    )


BROKEN = b'{"key": "AAAAA-BBBBB-CCCCC", "token": "' + TOKEN.encode() + b'"'
QUOTING = {"code": "BR02", "message": f"DDDDD-EEEEE-FFFFF {TOKEN} {Service.sandbox_credentials['api_hash']}"}
STOCK = {"orderId": "7", "stockReady": True, "keys": ["AAAAA-BBBBB-CCCCC"]}


@pytest.mark.parametrize("answer", [Answer(200, BROKEN), Answer(400, QUOTING), Answer(200, STOCK)])
def test_no_key_token_or_secret_stays_in_records_or_messages(peer, either, answer):
    """G2A-T60: also when the answers are broken, or quote what they got."""
    for path in (f"{OFFERS}/{ID}/inventory", "/v3/sales/offers/inventory"):
        peer.on("POST", path, answer)
    for path in (f"/v3/sales/offers/{ID}/inventory", "/v1/order/key/7", "/integration-api/v1/inventory/7"):
        peer.on("GET", path, answer)
    texts = []
    for call in secret_calls(either):
        try:
            call()
        except MarketplaceError as error:
            texts.append(str(error))

    kept = repr(peer.records) + repr(texts) + repr(either.warnings)
    assert len(peer.records) >= 4
    assert "AAAAA-BBBBB" not in kept
    assert "DDDDD-EEEEE" not in kept
    assert not [secret for secret in secrets() if secret in kept]


def test_the_call_log_still_shows_what_is_no_secret(peer, service):
    peer.on("PATCH", f"{OFFERS}/{ID}", Answer(200, sample("get_offer")))
    service.update_offer(ID, offer_content(), frozenset({"price"}))
    record = peer.records[-1]
    assert (record.operation, record.about, record.status) == ("G2A-11", ID, 200)
    assert record.request == '{"price": 5.98}'
    assert '"status": "active"' in record.response
    assert peer.records[0].response.startswith("•••")


@pytest.mark.parametrize("value", [None, True, "x" * 200, "1e999999999", -1, [], {}, "nan", 10**50, "\ud800"])
def test_no_value_breaks_a_reader(value):
    for read in (reading.text, reading.ident, reading.amount, reading.count, reading.when, reading.flag, reading.word):
        read(value)
    assert reading.count(value) is None
    assert len(reading.ident(value)) <= 100
    assert reading.evidence({"a": value, "key": value}) is not None


def test_evidence_keeps_prices_and_hides_codes():
    kept = reading.evidence({"value": "5.98", "key": "AAAAA-BBBBB", "id": 2**60, "deep": [{"value": "CODE-1"}]})
    assert kept == {"value": "5.98", "key": "•••", "id": str(2**60), "deep": [{"value": "•••"}]}
