"""The vectors of the contract, and what stands in the headers of a request."""

import pytest
import requests
import time_machine

from marketplaces.exceptions import ConfigurationError
from marketplaces.services.g2g.sandbox import Sandbox
from marketplaces.services.g2g.service import Service
from marketplaces.services.g2g.signing import request_signature, sign, webhook_signature
from tests.marketplaces.services.g2g.conftest import BASE_URL, HOOK_URL, Peer, open_line

pytestmark = pytest.mark.smoke

VECTOR = Service.sandbox_credentials
MOMENT = 1653278884
TIMESTAMP = f"{MOMENT}000"
ITEM = "/offers/G1650445167989US/inventory_items/ba8551d9-47e3-424a-a809-4f043059eefb"
SERVICE, BRAND = "44b3148a-0dc8-4262-81d8-c762559f0d74", "8c42b2d4-6d2c-4188-931a-240d2f94183f"
A1 = "6a57b70849781d906be3adab8ff5a63bdb5c56bc73c9631fc6663421823590df"
A2 = "28e2d3f2929af39570fa7602ed98942ce515037dabcc3a6ea33d1b28f81a3bc7"
A3 = "11f2092667de78937c323252cb599861d17f017c0c62044ddae068e7c5cb91ba"
A4 = "97f668999d3e5aec3ff44a0018b0afa25f699e1a61bb70c5afc20eb5b6e12997"
A5 = "0884a10b8d07d9fb69cccd3ae0d00fdfbedc6b74fff22ed86b14cd235e73268c"
W1 = "645343db00f974f5dab1f9e9ed8d4846a265e150291009fe40bfbdf437cfa16a"
W2 = "9a64de0f2a3587f454864a0e361cd213c423bc63330df8b93a34c3cf80ebc2d6"
W3 = "b1a172dbbff780bfd42c7d3795c0399eda02bf56ad3e8c4c23dee2950578c9c1"


def signed(path: str) -> str:
    return request_signature(path=path, timestamp=TIMESTAMP, **VECTOR)


def sent_signature(peer: Peer) -> str:
    return str(peer.requests[-1].headers["g2g-signature"])


def test_the_vectors_of_requests_hold() -> None:
    """G2G-T01: A1 to A3; A4 and A5 are what a wrong formula makes of the same."""
    assert signed(f"/v1{ITEM}") == A1
    assert signed(f"/v2{ITEM}") == A2
    assert signed("/v2/products") == A3
    assert signed(f"/v2/products?service_id={SERVICE}&brand_id={BRAND}") == A4
    assert sign(VECTOR["secret"], f"/v1{ITEM}") == A5


def test_the_vectors_of_webhooks_hold() -> None:
    token = Service.sandbox_webhook_secrets[0]
    assert webhook_signature(secret=token, url=HOOK_URL, user_id="100000", timestamp=TIMESTAMP) == W1
    assert sign(token, f"{HOOK_URL}{VECTOR['api_key']}100000{TIMESTAMP}") == W2
    assert webhook_signature(secret=token, url=f"{HOOK_URL}/", user_id="100000", timestamp=TIMESTAMP) == W3


@pytest.mark.parametrize(("version", "signature"), [("v1", A1), ("v2", A2)])
def test_a_sent_request_carries_the_vector_of_its_version(peer: Peer, version: str, signature: str) -> None:
    """G2G-T01"""
    with time_machine.travel(MOMENT, tick=False):
        peer.says({"item_id": "ba8551d9-47e3-424a-a809-4f043059eefb"})
        open_line(options={"version": version}).get_uploaded("G1650445167989US", "ba8551d9-47e3-424a-a809-4f043059eefb")
    assert peer.asked == [f"GET /{version}{ITEM}"]
    assert sent_signature(peer) == signature


def test_the_query_is_sent_and_not_signed(peer: Peer) -> None:
    """G2G-T02: the signature is A3, never A4."""
    with time_machine.travel(MOMENT, tick=False):
        peer.says({"product_list": []})
        open_line().catalogue.fetch_products(service_id=SERVICE, brand_id=BRAND)
    assert peer.asked == [f"GET /v2/products?service_id={SERVICE}&brand_id={BRAND}"]
    assert sent_signature(peer) == A3


def test_a_path_below_the_host_is_not_signed(peer: Peer) -> None:
    """A sandbox that lives at /g2g is spoken to as the real host is."""
    with time_machine.travel(MOMENT, tick=False):
        peer.says({"product_list": []})
        open_line(base_url=f"{BASE_URL}/g2g").catalogue.fetch_products(service_id=SERVICE, brand_id=BRAND)
    assert peer.asked[0].startswith("GET /g2g/v2/products?")
    assert sent_signature(peer) == A3


def test_each_attempt_is_signed_anew_in_milliseconds(peer: Peer) -> None:
    """G2G-T03"""
    service = open_line()
    for second in (0, 2):
        peer.says({"selling_currencies": []})
        with time_machine.travel(MOMENT + second, tick=False):
            service.check()
    first, again = (request.headers for request in peer.requests)
    assert [first["g2g-timestamp"], again["g2g-timestamp"]] == [TIMESTAMP, f"{MOMENT + 2}000"]
    assert first["g2g-signature"] != again["g2g-signature"]
    assert again["g2g-signature"] == request_signature(path="/v2/store", timestamp=f"{MOMENT + 2}000", **VECTOR)


def test_only_the_four_headers_identify_us_and_bodies_are_json(peer: Peer) -> None:
    """G2G-T04"""
    peer.says({}).says({"results": []}).says({})
    service = open_line()
    service.check()
    service.search_offers({})
    service.delete_offer("G1")
    for request in peer.requests:
        ours = {name.lower() for name in request.headers if name.lower().startswith("g2g-")}
        assert ours == {"g2g-api-key", "g2g-userid", "g2g-timestamp", "g2g-signature"}
        assert "Authorization" not in request.headers
    assert peer.requests[1].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("credentials", "denied", "skew"),
    [({}, [], 301), ({"user_id": "100001"}, [], 0), ({}, [VECTOR["api_key"]], 0), ({"secret": "wrong"}, [], 0)],
    ids=["old timestamp", "wrong user", "denied key", "wrong secret"],
)
def test_a_refused_key_is_a_finding_that_names_the_causes(
    shop_floor: Sandbox, credentials: dict[str, str], denied: list[str], skew: int
) -> None:
    """G2G-T05"""
    shop_floor.options["denied_keys"] = denied
    shop_floor.clock.skew = skew
    service = open_line(credentials=credentials)
    health = service.check()
    assert (health.reachable, health.authenticated, health.usable) == (True, False, False)
    said = health.details[0]
    assert "Main G2G" in said
    assert "API key" in said
    assert "40100001" in said
    assert ("clock is right (it differs by 5 min)" if skew else "it agrees with theirs") in said
    assert VECTOR["api_key"] not in said


@pytest.mark.parametrize("credentials", [{"secret": ""}, {"api_key": "a\nb"}, {"user_id": "１２３"}])
def test_a_credential_that_cannot_be_one_is_refused_before_a_request(peer: Peer, credentials: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(credentials))):
        open_line(credentials=credentials).fetch_order("1")
    assert not peer.requests


def test_blanks_around_a_copied_credential_do_not_count(shop_floor: Sandbox) -> None:
    padded = {name: f" {value}\n" for name, value in VECTOR.items()}
    assert open_line(credentials=padded).check().authenticated


@pytest.mark.parametrize("order_id", ["", ".", ".."])
def test_an_id_that_would_change_the_path_is_refused(peer: Peer, order_id: str) -> None:
    with pytest.raises(Exception, match="no id"):
        open_line().fetch_order(order_id)
    assert not peer.requests


def test_an_id_stays_one_segment_of_the_path(peer: Peer) -> None:
    peer.breaks(requests.exceptions.ConnectTimeout())
    with pytest.raises(Exception, match="could not be reached"):
        open_line().fetch_order("../a b#c?d")
    assert peer.asked == ["GET /v2/orders/..%2Fa%20b%23c%3Fd"]
