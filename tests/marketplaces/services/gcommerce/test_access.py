"""Who we say we are, to whom, and what is kept of it."""

import json
from typing import Any

import pytest
import requests
from django.core.exceptions import ValidationError
from requests.adapters import BaseAdapter

from inventory import publishing
from marketplaces import accounts, http
from marketplaces.exceptions import ConfigurationError, MarketplaceError, PermanentError, UnknownOutcome
from marketplaces.models import Account, ApiCall
from marketplaces.services.gcommerce.line import authorization
from marketplaces.types import ShipmentState
from tests import make
from tests.desk import Desk
from tests.marketplaces.services.gcommerce.conftest import BASE_URL, Market, connection, content, open_line

KEY = "0123456789abcdefABCDEF0123456789"


@pytest.mark.parametrize(
    ("email", "key", "header"),
    [
        (
            "vendor@example.com", KEY,
            "Basic dmVuZG9yQGV4YW1wbGUuY29tOjAxMjM0NTY3ODlhYmNkZWZBQkNERUYwMTIzNDU2Nzg5",
        ),
        ("vendor+shop@example.com", "k3y", "Basic dmVuZG9yK3Nob3BAZXhhbXBsZS5jb206azN5"),
        (" vendor+shop@example.com\n", " k3y ", "Basic dmVuZG9yK3Nob3BAZXhhbXBsZS5jb206azN5"),
    ],
)  # fmt: skip
def test_the_authorization_is_that_of_the_contract(email: str, key: str, header: str) -> None:
    """GCO-T01"""
    assert authorization(connection(credentials={"email": email, "api_key": key})) == header


@pytest.mark.parametrize("email", ["", "a:b@example.com"])
def test_an_email_that_can_not_be_sent_is_refused_here(market: Market, email: str) -> None:
    line = open_line(credentials={"email": email})
    with pytest.raises(ConfigurationError) as refusal:
        line.get_offer("123456")
    assert refusal.value.kind == "authentication"
    assert not market.calls
    assert not line.check().authenticated


def test_every_call_is_json_and_says_so(market: Market) -> None:
    """GCO-T05"""
    line = open_line()
    order = market.orders.buy(offer_id="123456")
    line.get_offer("123456")
    line.create_offer(content())
    line.accept_order(str(order.id))
    for call in market.calls:
        assert {"authorization", "accept"} <= set(call["headers"])
        assert ("content-type" in call["headers"]) == (call["method"] in ("POST", "PUT"))
    assert [call["method"] for call in market.calls] == ["GET", "POST", "GET", "PUT", "GET"]
    assert all(isinstance(body, dict) for body in market.bodies if body is not None)


def test_no_credentials_leave_the_header(market: Market) -> None:
    """GCO-T02: not in an address, the call log, an error, or what is kept; not even where the other side repeats them."""
    line = open_line()
    token = authorization(line.connection).removeprefix("Basic ")
    market.fault("GCO-04", "http_error", status=400)
    told = []
    try:
        line.create_offer(content(title=f"{KEY} vendor@example.com {token}"))
    except MarketplaceError as error:
        told.append(str(error))
    made = line.create_offer(content(title=f"{KEY} {token}"))
    told += [f"{record.url} {record.request} {record.response}" for record in line.log]
    assert made.title  # it came back, as people read it
    assert len(told) == 4
    for secret in (KEY, "vendor@example.com", token):
        assert not [text for text in told if secret in text]


def test_what_is_logged_of_an_order_names_nobody(market: Market) -> None:
    order = market.orders.buy(
        offer_id="123456", firstname="Zoe", lastname="Quint", email="zoe@example.com", notes="Bell 7"
    )
    line = open_line()
    line.fetch_order(str(order.id))
    list(line.search_orders({"email": "zoe@example.com"}))
    kept = " ".join(f"{record.url} {record.response}" for record in line.log)
    assert str(order.id) in kept
    assert not [word for word in ("Zoe", "Quint", "zoe", "Bell 7", "Test Ave") if word in kept]


@pytest.mark.parametrize("url", ["http://gcommerce.glass/api", "https://vendor:key@gcommerce.glass/api"])
def test_an_address_that_is_not_safe_is_refused(settings: Any, url: str) -> None:
    """GCO-T03"""
    settings.ALLOW_LOCAL_MARKETPLACES = False
    with pytest.raises(ConfigurationError):
        open_line(base_url=url, allow_local=False).get_offer("1")
    with pytest.raises(ValidationError):
        Account(name="A", marketplace="gcommerce", base_url=url).clean()


def test_a_refused_key_names_its_causes_and_stops_the_account(gcommerce: Desk) -> None:
    """GCO-T04"""
    ours = Account.objects.get()
    ours.credentials = {**ours.credentials, "api_key": "another"}
    ours.save()
    offer = make.offer(make.product(), ours, external_id="123456", state="due")

    publishing.push(offer.pk)
    assert [call.status for call in ApiCall.objects.all()] == [401]
    ours.refresh_from_db()
    assert ours.is_stopped
    for cause in ("e-mail", "API access", "new key", "Authorization"):
        assert cause in ours.trouble
    assert "another" not in ours.trouble

    offer.refresh_from_db()
    offer.state, offer.next_try_at = "due", None
    offer.save()
    publishing.push(offer.pk)
    assert ApiCall.objects.count() == 1


def test_a_check_says_what_works(gcommerce: Desk) -> None:
    found = accounts.check(gcommerce.account)
    assert (found.problem, found.health is not None and found.health.currencies) == ("", ["USD"])
    assert [call["op"] for call in gcommerce.sandbox.calls] == ["GCO-10"]

    gcommerce.fault("GCO-10", "http_error", status=401)
    found = accounts.check(gcommerce.account)
    assert "API access" in found.problem
    assert "Authorization" in found.problem
    gcommerce.fault("GCO-10", "http_error", status=503)
    found = accounts.check(gcommerce.account)
    assert found.health is not None
    assert not found.health.reachable
    gcommerce.fault("GCO-10", "wrapped_data")
    assert "base URL" in accounts.check(gcommerce.account).problem


def test_a_check_tells_of_letters_that_can_not_be_read(market: Market) -> None:
    health = open_line(options={"statuses": "{"}).check()
    assert health.usable
    assert any("status letters" in detail for detail in health.details)


class Elsewhere(BaseAdapter):
    """Sends everybody on to another host."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def send(self, request: requests.PreparedRequest, **unused: Any) -> requests.Response:  # type: ignore[override]
        self.asked.append(request.url or "")
        response = requests.Response()
        response.status_code, response._content = 302, b""
        response.headers["Location"] = "https://elsewhere.example/api"
        response.request, response.url = request, request.url or ""
        return response

    def close(self) -> None:
        """Nothing is held open."""


def test_nobody_sends_us_on(market: Market) -> None:
    """GCO-T11: no redirect is followed, on reads or writes, so no other host gets the key."""
    adapter = Elsewhere()
    http.mount(BASE_URL, adapter)
    http.mount("https://elsewhere.example", adapter)
    line = open_line()
    try:
        for call in (
            lambda: line.get_offer("1"),
            lambda: line.create_offer(content()),
            lambda: line.delete_shipment("1"),
        ):
            with pytest.raises(PermanentError, match=r"elsewhere\.example") as error:
                call()
            assert error.value.kind == "unknown"
    finally:
        http.unmount("https://elsewhere.example")
    assert len(adapter.asked) == 3
    assert all(url.startswith(BASE_URL) for url in adapter.asked)


@pytest.mark.parametrize("external_id", ["", "12/../3", "1 2", "x", "-1", "0", "١٢"])
def test_an_id_that_is_no_number_never_becomes_a_path(market: Market, external_id: str) -> None:
    line = open_line()
    for call in (
        lambda: line.get_offer(external_id),
        lambda: line.delete_offer(external_id),
        lambda: line.delete_shipment(external_id),
        lambda: line.accept_order(external_id),
        lambda: line.update_shipment(external_id, ShipmentState.SHIPPED),
    ):
        with pytest.raises(PermanentError):
            call()
    assert not market.calls


def test_each_call_waits_as_long_as_the_contract_says(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    carry = requests.Session.request

    def note(self: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        seen[f"{method} {url.removeprefix(BASE_URL).split('?')[0]}"] = more["timeout"]
        return carry(self, method, url, **more)

    monkeypatch.setattr(requests.Session, "request", note)
    line = open_line()
    made = line.create_offer(content())
    images = {"images": ["https://img.example.com/1.jpg"]}
    line.replace_images(made.external_id, content(attributes=images))
    line.feed_offers([content(external_product_id="OUR-2")])
    assert seen["GET /products/" + made.external_id] == (10, 60)
    assert seen["POST /products"] == (10, 60)
    assert seen["PUT /products/" + made.external_id] == seen["POST /products_feed"] == (10, 120)


def test_an_answer_that_comes_too_late_is_no_answer(market: Market) -> None:
    market.fault("GCO-04", "slow", seconds=61)
    with pytest.raises(UnknownOutcome):
        open_line().create_offer(content())
    assert json.loads(market.calls[-1]["body"])["product_code"] == "OUR-1"
