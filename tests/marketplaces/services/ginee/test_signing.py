"""Ginee's one signature (section 2.1 of the contract), and that it stays secret."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from marketplaces.exceptions import ConfigurationError, Unsupported
from marketplaces.http import Client
from marketplaces.services.ginee.signing import signature
from tests.marketplaces.services.ginee.conftest import TOKEN, Peer, open_line

VECTORS = [
    ("POST", "/openapi/order/v1/list", "HVgoPnvL73ayad+1pkmQOo3Ck+sLG2+umgV4G5eHS94="),
    ("POST", "/openapi/order/v2/list-order", "VK8oUxePNeRLzs7DxIqUtsOCJpYxGdsLWcdWQSKMv+U="),
    ("POST", "/openapi/order/v1/batch-get", "O8MfR8f2558yfPy7XPzzlemwUeYB3rHZ8QX9ADa1UNg="),
    ("POST", "/openapi/shop/v1/list", "O8ALQyVVH73iOgnh5tkWHxT475npPcsYNjx/B3VaGvI="),
    ("POST", "/openapi/warehouse-inventory/v1/product/stock/update", "oq710uz/gFy5gRRixOH3BIY3pK4p2hhRZZLYWlZF1So="),
    ("GET", "/openapi/warehouse-inventory/v1/sku/get", "t3EiQJfSWiM5mi9QnDwuC+LKgZsunGMWZxZIDYIZD8E="),
    ("POST", "/webhooks/ginee/order", "38SjWxdMf2eKZnzTrlAtPx8JGPl1umX83bZdHnEI4K0="),
    ("POST", f"/webhooks/ginee/{TOKEN}", "E8pYgFDp62mIii5pDCcjME7Vm2p1J8SY7+Vvv39YNvc="),
]
WRONG = {
    "the method in small letters": "F8OuXsOJyzvKlaO1JjHy/cVacGT02VPtf56aL5THDxM=",
    "without the last $": "nFRyfmrKS2y7TF8SguadTde7f5tS0nW/7BbYXCcTAKM=",
    "in hexadecimal": "54af2853178f35e44bcecec3c48a94b6c38226963119db0b59c75641228cbfe5",
}


@pytest.mark.parametrize(("method", "path", "expected"), VECTORS)
def test_it_signs_as_the_contract_computed(method: str, path: str, expected: str) -> None:
    """GIN-T44"""
    assert signature("test-secret", method, path) == expected
    assert signature("test-secret", method.lower(), path) == expected


def test_a_secret_of_any_letters_is_used_as_utf_8() -> None:
    assert signature("clé-secrète", "POST", "/webhooks/ginee/order") == "5Ft2Jf90Edk+vFdMoUD4yMJp7D2Ynw+lobsDqVG9qyw="


def test_a_request_carries_the_key_the_signature_and_the_country(peer: Peer) -> None:
    """GIN-T44: the value for V2 goes out on the wire, and none of the wrong ones does."""
    peer.says({"content": [], "more": False})
    line = open_line(options={"country": "VN"})
    list(line.fetch_orders(_yesterday()))

    (request,) = peer.requests
    assert request.headers["Authorization"] == "test-access:VK8oUxePNeRLzs7DxIqUtsOCJpYxGdsLWcdWQSKMv+U="
    assert request.headers["Authorization"].partition(":")[2] not in WRONG.values()
    assert request.headers["X-Advai-Country"] == "VN"
    assert request.headers["Content-Type"] == "application/json"
    assert peer.asked == ["/openapi/order/v2/list-order"]


def test_what_the_other_side_repeats_of_keys_and_signature_is_not_logged(peer: Peer) -> None:
    """GIN-T40, for what we send."""
    value = "O8MfR8f2558yfPy7XPzzlemwUeYB3rHZ8QX9ADa1UNg="
    peer.says(code="IAM_FAILED", message=f"test-access:{value} is wrong")
    line = open_line()
    with pytest.raises(ConfigurationError) as caught:
        line.get_orders(["SO1"])

    logged = str(caught.value) + "".join(record.response + record.error + record.request for record in line.log)
    assert value not in logged
    assert "test-access" not in logged


@pytest.mark.parametrize(
    "credentials", [{"secret_key": ""}, {"access_key": " "}, {"secret_key": "a\nb"}, {"access_key": "clé"}]
)
def test_half_a_key_is_named_and_nothing_is_sent(peer: Peer, credentials: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_line(credentials=credentials).get_orders(["SO1"])
    assert next(iter(credentials)) in str(caught.value)
    assert peer.requests == []


def test_without_keys_nothing_is_ever_sent(peer: Peer) -> None:
    line = open_line(credentials={"access_key": "", "secret_key": ""})
    for ask in (lambda: line.get_orders(["SO1"]), lambda: line.get_offers(["SKU"]), lambda: line.fetch_order("SO1")):
        with pytest.raises(Unsupported):
            ask()
    assert list(line.fetch_orders(_yesterday())) == []
    health = line.check()
    assert (health.authenticated, health.usable) == (True, True)
    assert "notifications only" in health.details[0]
    assert peer.requests == []


def test_a_signature_never_travels_over_plain_http() -> None:
    line = open_line()
    line.client._allow_local = False
    assert isinstance(line.client, Client)
    with pytest.raises(ConfigurationError):
        line.get_orders(["SO1"])


def _yesterday() -> datetime:
    return timezone.now() - timedelta(days=1)
