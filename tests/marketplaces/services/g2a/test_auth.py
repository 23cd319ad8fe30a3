"""How requests prove who we are, to the letter of the contract's vectors."""

import hashlib

import pytest
import time_machine

from marketplaces.exceptions import ConfigurationError
from marketplaces.services.g2a import auth, dialects
from marketplaces.services.g2a.service import Service
from tests.marketplaces.services.g2a.peer import TOKEN, Answer, line_to, mounted, sample

HASH = "qdaiciDiyMaTjxMt"
KEY = "74026b3dc2c6db6a30a73e71cdb138b1e1b5eb7a97ced46689e2d28db1050875"
SECRET = "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207"
EMAIL = "sandboxapitest@g2a.com"
SWAPPED = "efcb2e7f8fcd17fa871c89c6b2d751905543cc2f64b6af71a40a6a8ac34810a6"
SIGNED = "b44aac77bde99f39c84c6466c5d71f4744e253ca53e26b2c77e3641ad466174d"
OFFERS = "/integration-api/v1/offers"


@pytest.mark.parametrize(
    ("api_hash", "api_key", "expected"),
    [
        (HASH, KEY, SIGNED),
        ("test-hash", "test-key", "45615ec8ca8856a945e2a775aa41c90e89b202003d6d68b5ef8e93487e2c1de8"),
    ],
)
def test_the_hash_of_a_request_is_that_of_vectors_v1_and_v2(api_hash, api_key, expected):
    assert auth.request_hash(api_hash=api_hash, api_key=api_key, timestamp="1700000000") == expected


def test_the_key_of_live_is_computed_as_in_vector_v4_and_sent_as_in_v5():
    assert auth.derived_key(api_hash=HASH, email=EMAIL, api_secret=SECRET) == KEY
    assert auth.plain_headers(api_hash=HASH, api_key=KEY) == {"Authorization": f"{HASH}, {KEY}"}


@pytest.mark.smoke
@time_machine.travel(1_700_000_000.9, tick=False)
def test_production_signs_with_four_headers_in_the_right_order(peer, service):
    """G2A-T01, G2A-T02: whole seconds, hash first; the swapped order of V3 never leaves."""
    peer.on("GET", OFFERS, Answer(200, sample("list_offers")))
    list(service.fetch_offers())

    token, offers = peer.seen
    assert (token.method, token.path) == ("GET", "/integration-api/v1/token")
    sent = {name: value for name, value in token.headers.items() if name.lower().startswith("x-")}
    assert sent == {"X-API-HASH": HASH, "X-API-KEY": KEY, "X-G2A-Timestamp": "1700000000", "X-G2A-Hash": SIGNED}
    assert "Authorization" not in token.headers
    assert hashlib.sha256(f"{KEY}{HASH}1700000000".encode()).hexdigest() == SWAPPED
    assert SWAPPED not in repr(peer.seen)
    assert offers.headers["Authorization"] == f"Bearer {TOKEN}"


def test_each_attempt_has_a_timestamp_of_its_own(peer, service):
    peer.on("GET", "/v1/products", Answer(200, sample("list_products")))
    with time_machine.travel(1_700_000_000, tick=False) as clock:
        service.search_products()
        clock.shift(7)
        service.search_products()
    assert [seen.headers["X-G2A-Timestamp"] for seen in peer.asked()] == ["1700000000", "1700000007"]


def test_the_sandbox_takes_one_plain_header(peer):
    """G2A-T03: comma and one blank (V5), no X-headers, for the token and for Export."""
    peer.on("GET", "/v1/products", Answer(200, sample("list_products")))
    service = line_to(peer, environment="sandbox")
    service.check()

    for seen in (peer.asked("/integration-api/v1/token")[0], peer.asked("/v1/products")[0]):
        assert seen.headers["Authorization"] == f"{HASH}, {KEY}"
        assert not [name for name in seen.headers if name.lower().startswith("x-")]


def test_live_gets_its_token_by_a_form_and_computes_its_key(peer, live):
    """G2A-T04: id and secret in the body, and V4's key in the header of Export."""
    peer.on("GET", "/v1/products", Answer(200, sample("list_products")))
    live.check()

    token = peer.asked("/oauth/token")[0]
    assert token.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert token.body.decode() == f"grant_type=client_credentials&client_id={HASH}&client_secret={SECRET}"
    assert peer.asked("/v1/products")[0].headers["Authorization"] == f"{HASH}, {KEY}"


URLS = [
    "https://api.g2a.com",
    "https://api.g2a.com/",
    " https://api.g2a.com/v1",
    "https://api.g2a.com/integration-api",
    "https://api.g2a.com/integration-api/v1/",
]


@pytest.mark.parametrize("url", URLS)
def test_every_form_of_the_base_url_has_the_same_root(url):
    """G2A-T08: also when it is applied twice."""
    once = dialects.normalised(url)
    assert once == "https://api.g2a.com"
    assert dialects.normalised(once) == once


def test_a_root_below_a_path_is_kept(db):
    """G2A-T08: a play account's base URL ends with the sandbox's own path."""
    with mounted("http://127.0.0.1:9101/g2a") as peer:
        peer.on("GET", f"/g2a{OFFERS}", Answer(200, sample("list_offers")))
        peer.on("GET", "/g2a/integration-api/v1/token", Answer(200, sample("get_token")))
        peer.on("GET", "/g2a/v1/products", Answer(200, sample("list_products")))
        assert line_to(peer, base_url="http://127.0.0.1:9101/g2a/integration-api/v1").check().usable
        assert {seen.path.removeprefix("/g2a") for seen in peer.seen} == {
            "/integration-api/v1/token", "/integration-api/v1/offers", "/v1/products",
        }  # fmt: skip


def test_an_account_of_g2as_sandbox_talks_to_the_sandboxs_host(peer):
    usual, own = Service.default_base_url, "https://elsewhere.example/v1"
    roots = [
        dialects.root_of(line_to(peer, base_url=url, environment=environment).connection)
        for url, environment in [(usual, "production"), (usual, "sandbox"), (own, "sandbox")]
    ]
    assert roots == ["https://api.g2a.com", "https://sandboxapi.g2a.com", "https://elsewhere.example"]


def test_the_older_name_of_the_hash_is_used_only_when_the_hash_is_empty(peer):
    """G2A-T09."""

    def keys(**credentials):
        return auth.keys_of(line_to(peer, credentials={"api_key": KEY, **credentials}).connection)

    assert keys(api_hash=HASH, api_secret="older").api_hash == HASH
    assert keys(api_hash=" ", api_secret=f" {HASH}\n").api_hash == HASH
    assert not keys(api_hash=HASH, api_secret="older").client_secret


@pytest.mark.parametrize(
    ("dialect", "credentials", "missing"),
    [
        ("contract", {"api_key": KEY}, "API hash .* missing"),
        ("contract", {"api_hash": HASH}, "API key missing"),
        ("live", {"api_hash": HASH, "api_key": KEY}, "client secret .* and e-mail .* missing"),
        ("contract", {"api_hash": "häsh", "api_key": KEY}, "character no key has"),
    ],
)
def test_a_missing_credential_is_named_and_nothing_is_sent(peer, dialect, credentials, missing):
    service = line_to(peer, credentials=credentials, dialect=dialect)
    with pytest.raises(ConfigurationError, match=f'"Main G2A" .*{missing}'):
        service.get_product("10000027819004")
    assert peer.seen == []


def test_credentials_show_in_no_repr(peer):
    keys = auth.keys_of(line_to(peer, dialect="live").connection)
    assert not [secret for secret in (HASH, KEY, SECRET) if secret in repr(keys)]
