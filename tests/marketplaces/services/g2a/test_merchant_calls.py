"""G2A at our door: tokens, addresses, forms, and what a refusal tells (G2A-IN-01 to G2A-IN-14)."""

import json
import random
from datetime import UTC, datetime

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory.models import Offer
from marketplaces.models import Account, WebhookEvent
from marketplaces.services.g2a import merchant_tokens, random_keys
from marketplaces.types import OfferStatus
from orders.models import Reservation
from tests.drain import drain
from tests.orders.merchant import G2A_ORDER, NOBODY, PRODUCT, begin

pytestmark = pytest.mark.django_db
NOTICE = {
    "notification_type": "auction_deactivated",
    "date": "2017-07-21T17:32:28Z",
    "data": {"message": "Reservation price is too low", "auction_id": 12345, "offer_id": "offer-of-GAME-1"},
}


@pytest.fixture
def merchant(db):
    return begin(codes=5).sign_in()


@pytest.fixture
def clock(time_machine):
    """The time stands still; shift() moves it."""
    time_machine.move_to(datetime.now(UTC), tick=False)
    return time_machine


# --- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.parametrize("by_post", [False, True])
def test_who_knows_the_secret_gets_a_token(by_post):
    """G2A-T46: right credentials get 200, by GET and by POST with a form."""
    merchant = begin()
    answer = merchant.ask_token(by_post=by_post)

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 3600)
    merchant.token = answer.json()["access_token"]
    assert merchant.call("GET", "healthcheck").status_code == 204


@pytest.mark.parametrize("by_post", [False, True])
@pytest.mark.parametrize(
    "wrong", [{"client_secret": "wrong"}, {"client_id": "nobody"}, {"client_secret": ""}, {"client_id": "ключ"}]
)
def test_who_does_not_gets_none(by_post, wrong):
    """G2A-T46: wrong credentials get 401, and staff are told what to compare."""
    answer = begin().ask_token(by_post=by_post, **wrong)

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    account = Account.objects.get()
    assert account.refused_calls == 1
    assert "client id or secret" in account.last_refused
    assert not WebhookEvent.objects.exists()


def test_an_account_without_merchant_credentials_lets_nobody_in():
    merchant = begin()
    account = Account.objects.get()
    account.credentials = {}
    account.save()

    assert merchant.ask_token(client_id="", client_secret="").status_code == 401
    assert merchant_tokens.is_good(account.connection(), "") is False


def test_another_grant_type_is_refused():
    assert begin().ask_token(grant_type="password").status_code == 400


def test_an_account_that_is_switched_off_is_forbidden(merchant):
    Account.objects.update(is_enabled=False)

    for answer in (merchant.ask_token(), merchant.reserve(), merchant.call("GET", "healthcheck")):
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert not Reservation.objects.exists()


def test_a_token_ends_when_its_time_is_up_and_a_newer_one_ends_none(merchant, clock):
    """G2A-T47"""
    second = merchant.ask_token().json()["access_token"]
    assert second != merchant.token
    assert merchant.call("GET", "healthcheck").status_code == 204

    clock.shift(3601)
    answer = merchant.call("GET", "healthcheck")
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")


def test_a_token_lives_as_long_as_the_account_says(clock):
    merchant = begin(token_seconds=9)
    assert merchant.ask_token().json()["expires_in"] == 9
    merchant.sign_in()
    clock.shift(10)
    assert merchant.call("GET", "healthcheck").status_code == 401


def test_another_accounts_token_opens_nothing(merchant):
    other = begin(name="Second shop", sku="OTHER")
    other.token = merchant.token
    assert other.call("GET", "healthcheck").status_code == 401


def test_a_new_secret_ends_the_tokens_of_the_old_one(merchant):
    account = Account.objects.get()
    account.credentials = {**account.credentials, "merchant_client_secret": "another"}
    account.save()
    assert merchant.call("GET", "healthcheck").status_code == 401


@pytest.mark.parametrize("bearer", ["", "wrong", "x" * 5000])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "healthcheck"), ("POST", "reservation"), ("POST", "order"), ("POST", "notifications"),
     ("GET", f"order/{NOBODY}/inventory"), ("GET", "no/such/address"), ("POST", "reservations")],
)  # fmt: skip
def test_nothing_is_said_to_who_has_no_token(merchant, bearer, method, path):
    merchant.token = bearer
    answer = merchant.call(method, path, [])

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    assert not WebhookEvent.objects.filter(kind__startswith="G2A-IN-03").exists()


def test_the_cache_holds_no_token(merchant):
    assert cache.get(f"g2a:issued:{merchant.token}") is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM backoffice_cache")
        assert merchant.token not in str(cursor.fetchall())


# --- addresses -------------------------------------------------------------------------------------------------------


def test_the_health_check_writes_nothing(merchant):
    """G2A-T47: 204 without a body, without a row, in two queries."""
    before = WebhookEvent.objects.count()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = merchant.call("GET", "healthcheck")

    assert (answer.status_code, answer.content) == (204, b"")
    assert WebhookEvent.objects.count() == before
    assert len(queries) == 2
    assert all(query["sql"].startswith("SELECT") for query in queries)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "no/such/address"), ("PUT", "order"), ("GET", ""), ("DELETE", "reservation/"),
                         ("POST", "integration-api/v1/reservation"), ("GET", "order/a/b/c/d/e")]
)  # fmt: skip
def test_what_we_do_not_serve_is_not_found(merchant, method, path):
    answer = merchant.call(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert "not served here" in Account.objects.get().last_refused


def test_other_methods_are_turned_away(merchant):
    assert merchant.call("PATCH", "reservation").status_code == 405


@pytest.mark.parametrize("base", ["", "integration-api/v1/"])
def test_the_briefs_calls_exist_in_the_dialect_contract_only(base):
    """G2A-T58: on in `contract`, off in `live`."""
    body = {"orderId": "A-1", "productId": str(PRODUCT), "quantity": 2}
    assert begin(codes=3).sign_in().call("POST", f"{base}reservations", body).status_code == 200
    live = begin(name="Live", sku="LIVE", dialect="live").sign_in()
    assert live.call("POST", f"{base}reservations", body).status_code == 404
    assert live.call("GET", "healthcheck").status_code == 204


# --- forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"1", b'"text"', b"not json", b"\xff\xfe", b"[" * 50_000, b"[[]]", b'["text"]',
     b'[{"quantity": 1}]', b'[{"product_id": true, "quantity": 1}]', b'[{"product_id": "", "quantity": 1}]',
     b'[{"product_id": "\\ud800", "quantity": 1}]',
     b'[{"product_id": 10000068865001, "quantity": 0}]', b'[{"product_id": 10000068865001, "quantity": -1}]',
     b'[{"product_id": 10000068865001, "quantity": 1.5}]', b'[{"product_id": 10000068865001, "quantity": 1e400}]',
     b'[{"product_id": 10000068865001, "quantity": 10001}]', b'[{"product_id": 10000068865001}]',
     b'[{"product_id": 10000068865001, "quantity": NaN}]', b'[{"product_id": 10000068865001, "quantity": null}]',
     b'[{"product_id": ' + b"9" * 5000 + b', "quantity": 1}]',
     b"[" + b'{"product_id": 10000068865001, "quantity": 1},' * 100 + b'{"product_id": 1, "quantity": 1}]'],
)  # fmt: skip
def test_what_cannot_be_read_is_a_bad_request_and_holds_nothing(merchant, body):
    answer = merchant.call("POST", "reservation", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
    assert not Reservation.objects.exists()


@pytest.mark.parametrize("product", [PRODUCT, str(PRODUCT), f" {PRODUCT} "])
@pytest.mark.parametrize("quantity", [2, "2", 2.0])
def test_numbers_may_come_as_text_and_leave_as_numbers(merchant, product, quantity):
    """G2A-P09"""
    body = [{"product_id": product, "quantity": quantity, "additional_data": {"unit_price": "5.98", "new": 1}, "x": 1}]
    answer = merchant.call("POST", "reservation", body)

    assert answer.status_code == 200
    assert answer.json()["stock"] == [{"product_id": PRODUCT, "inventory_size": 3}]


@pytest.mark.parametrize("body", [{}, [], {"reservation_id": NOBODY}, {"reservation_id": {}, "g2a_order_id": 1}])
def test_an_order_needs_both_ids(merchant, body):
    assert merchant.call("POST", "order", body).status_code == 400


@pytest.mark.parametrize("wrong", ["x", "%00", "a%20b", "..", "0" * 36, "'", NOBODY, "x" * 300])
def test_an_id_of_nothing_is_not_found(merchant, wrong):
    for method, path in (
        ("PUT", f"reservation/{wrong}"), ("DELETE", f"reservation/{wrong}"), ("GET", f"order/{wrong}/inventory"),
        ("DELETE", f"order/{wrong}/inventory?id[]=1"), ("GET", f"order/{wrong}/inventory/{wrong}"),
        ("GET", f"order/{wrong}/inventory/{wrong}/account"), ("POST", f"reservations/{wrong}/confirm"),
        ("GET", f"inventory/{wrong}"),
    ):  # fmt: skip
        answer = merchant.call(method, path)
        assert (method, path, answer.status_code) == (method, path, 404)
        assert answer.json()["code"] == "NOT_FOUND"
    body = {"reservation_id": NOBODY, "g2a_order_id": G2A_ORDER}
    assert merchant.call("POST", "order", body).status_code == 404


def test_whatever_comes_in_the_door_answers_in_the_contracts_words(merchant):
    """Bodies torn and bent at random: never a 500, never a page of HTML."""
    dice = random.Random(7)
    whole = [
        {"product_id": PRODUCT, "quantity": 1, "additional_data": {"unit_price": "5.98"}},
        {"reservation_id": NOBODY, "g2a_order_id": G2A_ORDER}, NOTICE,
        {"orderId": "A-1", "productId": str(PRODUCT), "quantity": 1},
    ]  # fmt: skip
    odd = [None, True, -1, 2**70, 1e300, "", "\x00", "\ud800", [], {}, [[]], {"a": None}, "x" * 3000]
    for number in range(150):
        body = json.loads(json.dumps(dice.choice(whole)))
        body[dice.choice(list(body))] = dice.choice(odd)
        content = json.dumps([body] if number % 2 else body).encode()
        if number % 5 == 0:
            content = content[: dice.randrange(len(content))]
        for method, path in (("POST", "reservation"), ("POST", "order"), ("POST", "notifications"),
                             ("POST", "reservations"), ("PUT", f"reservation/{NOBODY}")):  # fmt: skip
            answer = merchant.call(method, path, content)
            assert answer.status_code in (200, 204, 400, 404)
            assert answer.status_code < 400 or set(answer.json()) == {"code", "message"}


# --- when something breaks -------------------------------------------------------------------------------------------


def test_what_breaks_inside_is_told_in_the_contracts_words_and_undone(merchant, monkeypatch, caplog):
    def broken(self, *args, **kwargs):
        self.reserve_for_real(*args, **kwargs)
        raise RuntimeError("planted-secret-in-an-error")

    from orders.shop import OurShop

    monkeypatch.setattr(OurShop, "reserve_for_real", OurShop.reserve, raising=False)
    monkeypatch.setattr(OurShop, "reserve", broken)
    answer = merchant.reserve(2)

    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert not Reservation.objects.exists()
    assert merchant.count("available") == 5
    event = WebhookEvent.objects.get(kind="G2A-IN-03 reserve")
    assert (event.state, event.answer_status, event.failure) == ("needs_attention", 500, "broken")
    assert "RuntimeError at" in event.last_error
    assert "RuntimeError at" in caplog.text
    assert "planted" not in caplog.text + event.last_error


def test_an_answer_that_comes_too_late_undoes_what_nobody_learns_of(merchant, monkeypatch, clock):
    """G2A-T59: past the deadline G2A has hung up, so there must be no hold, and no order, that it does not know."""
    from orders.shop import OurShop

    swift = OurShop.reserve

    def slow(self, *args, **kwargs):
        clock.shift(10)
        return swift(self, *args, **kwargs)

    monkeypatch.setattr(OurShop, "reserve", slow)
    assert merchant.reserve(2).status_code == 500
    assert "TooLate" in WebhookEvent.objects.get(kind="G2A-IN-03 reserve").last_error
    assert not Reservation.objects.exists()
    assert merchant.count("available") == 5


# --- notifications ---------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_a_deactivated_offer_is_paused_with_the_reason(merchant):
    """G2A-T57: found by `offer_id`; stored once."""
    for _ in range(2):
        answer = merchant.call("POST", "notifications", [NOTICE])
        assert (answer.status_code, answer.content) == (204, b"")
    drain()

    offer = Offer.objects.get()
    assert (offer.is_active, offer.seen_status) == (False, OfferStatus.PAUSED)
    assert offer.stopped_because == "Reservation price is too low"
    event = WebhookEvent.objects.get(kind="auction_deactivated")
    assert (event.state, event.repeats, event.subject) == ("done", 1, "offer-of-GAME-1")


def test_it_is_found_by_the_old_word_too(merchant):
    """G2A-T57, G2A-P48: `auction_id` where there is no `offer_id`."""
    Offer.objects.update(external_id="12345")
    merchant.call("POST", "notifications", [{**NOTICE, "data": {"auction_id": 12345, "message": "Items missing"}}])
    drain()
    assert Offer.objects.get().stopped_because == "Items missing"


def test_what_a_person_put_on_sale_again_is_not_paused_by_an_old_notification(merchant):
    merchant.call("POST", "notifications", [NOTICE])
    drain()
    Offer.objects.update(is_active=True)
    merchant.call("POST", "notifications", [{**NOTICE, "notification_type": "other"}, NOTICE])
    drain()
    assert Offer.objects.get().is_active is True


def test_unknown_types_and_unknown_offers_are_kept(merchant):
    """G2A-T57: both get 204."""
    foreign = {**NOTICE, "data": {**NOTICE["data"], "offer_id": NOBODY}}
    answer = merchant.call("POST", "notifications", [{**NOTICE, "notification_type": "tomorrow"}, foreign])
    drain()

    assert answer.status_code == 204
    kept = dict(WebhookEvent.objects.exclude(kind__startswith="G2A").values_list("kind", "state"))
    assert kept == {"tomorrow": "done", "auction_deactivated": "needs_attention"}
    assert Offer.objects.get().is_active is True


@pytest.mark.parametrize("body", [NOTICE, ["text"], b"", b"not json", [NOTICE, 1], None])
def test_what_is_no_array_of_objects_is_a_bad_request(merchant, body):
    answer = merchant.call("POST", "notifications", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
    assert not WebhookEvent.objects.filter(kind="auction_deactivated").exists()


# --- random keys -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ['"Game name": "XXXX-YYYY"; "Game": "ZZZZ"', '"Game" | "XXXX" / "Other" | "YY-Z"', "Game - XXXX, Other - YYYY"],
)
def test_a_random_key_names_its_games(text):
    """G2A-P46"""
    assert random_keys.problem(text) == ""


@pytest.mark.parametrize("text", ["AAAAA-BBBBB", '"Game": ""', ": ;", "AAAA, BBBB"])
def test_another_form_is_no_random_key(text):
    assert random_keys.problem(text)
    assert "AAAA" not in random_keys.problem(text)
