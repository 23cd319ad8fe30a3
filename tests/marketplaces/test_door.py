"""The one door: what gets in, what does not, and what the caller is told."""

import json
import uuid

import pytest
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from backoffice import broker
from backoffice.wsgi import application
from marketplaces import door, events, recovery
from marketplaces.models import Account, Outgoing, WebhookEvent
from marketplaces.strangers import PER_MINUTE, Strangers
from marketplaces.types import Call, Notice
from orders.models import Order
from tests.drain import drain
from tests.orders import story

State = Outgoing.State


@pytest.fixture
def shop(g2g):
    return story.begin(g2g, codes=5)


def nothing_changed():
    return not Order.objects.exists()


@pytest.mark.smoke
def test_a_signed_event_is_stored_and_answered_while_no_worker_runs(shop):
    """G2G-T42: 200 with the worker stopped; the raw event is stored."""
    status = shop.forge("order.created", {"order_id": "1654240349966TEKP-1"}, id="event-1")

    event = WebhookEvent.objects.get()
    assert (status, event.event_id, event.kind, event.state) == (200, "event-1", "order.created", State.DUE)
    assert json.loads(event.body)["payload"] == {"order_id": "1654240349966TEKP-1"}
    assert "g2g-signature" not in event.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"g2g-signature": "0" * 64},
        {"g2g-signature": ""},
        {"g2g-timestamp": ""},
        {"g2g-timestamp": "1653278884000"},
        {"g2g-timestamp": "yesterday"},
    ],
)
def test_what_is_not_signed_now_is_refused_and_leaves_no_row(shop, headers):
    """G2G-T39, G2G-T41 at the door."""
    status = shop.forge("order.created", {"order_id": "1"}) if not headers else shop.post(b"{}", **headers)

    account = Account.objects.get()
    assert (status, WebhookEvent.objects.count()) == (401, 0)
    assert account.refused_calls == 1
    assert account.last_refused
    assert account.webhook_secrets[0] not in account.last_refused


@pytest.mark.postgres
def test_an_event_is_one_statement_once_the_account_is_known(shop):
    shop.forge("order.created", {"order_id": "1"}, id="event-1")

    with CaptureQueriesContext(connection) as asked:
        assert shop.forge("order.created", {"order_id": "2"}, id="event-2") == 200
    statements = [query["sql"] for query in asked if "SAVEPOINT" not in query["sql"]]
    assert len(statements) == 1
    assert WebhookEvent.objects.count() == 2


def test_what_the_door_remembers_of_an_account_ends_with_a_change_of_its_row(shop):
    account = shop.desk.account
    assert shop.forge("order.created", {"order_id": "1"}, id="event-1") == 200

    account.webhook_secrets = ["another-secret"]
    account.save()
    assert shop.forge("order.created", {"order_id": "2"}, id="event-2") == 200  # signed with the new one
    account.webhook_secrets = ["a-third-secret"]
    old_headers = Account.objects.get()
    account.save()
    shop.desk.account = old_headers
    assert shop.forge("order.created", {"order_id": "3"}, id="event-3") == 401
    assert set(WebhookEvent.objects.values_list("event_id", flat=True)) == {"event-1", "event-2"}


@pytest.mark.postgres
def test_an_event_is_not_stored_for_an_account_that_changed_since_it_was_verified(shop):
    account = shop.desk.account
    call = Call("POST", "", "", {}, b"{}", timezone.now())
    version = door.look_up(account.pk, fresh=True).version
    Account.objects.update(name="Changed")

    with pytest.raises(events.AnotherAccount), transaction.atomic():
        events.receive(account, call, Notice(event_id="1", kind="order.created"), version=version)
    assert not WebhookEvent.objects.exists()
    assert events.receive(
        account, call, Notice(event_id="1", kind="order.created"), version=door.look_up(account.pk, fresh=True).version
    )


def test_what_a_buyer_waits_for_passes_other_news(shop):
    shop.forge("order.created", {"order_id": "1"}, id="event-1")
    shop.forge("order.api_delivery", {"order_id": "1"}, id="event-2")

    assert list(OrmQ.objects.order_by("pk").values_list("key", flat=True)) == [broker.EVENT, broker.DELIVERY]


@pytest.mark.django_db(transaction=True)
def test_the_door_is_served_without_the_middleware_of_pages(shop):
    """As granian serves it: no cookie, no policy, and the same answers."""
    answers = {}
    for path in (f"/hooks/{shop.desk.account.pk}/", "/healthz"):
        environ = RequestFactory().post(path, b"{}", "application/json").environ
        list(application(environ, lambda status, headers, path=path: answers.update({path: (status, dict(headers))})))

    (hook_status, hook_headers), (_, page_headers) = answers.values()
    assert hook_status.startswith("401")
    assert "X-Frame-Options" not in hook_headers
    assert "X-Frame-Options" in page_headers
    assert "Content-Length" in hook_headers


def test_a_second_secret_of_the_list_verifies(shop):
    """G2G-T40"""
    account = Account.objects.get()
    account.webhook_secrets = ["another-secret", *account.webhook_secrets]
    account.save()

    assert shop.forge("order.created", {"order_id": "1"}) == 200


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe", b"[]", b'"text"', b"1", b"null", b'{"id": '])
def test_a_signed_body_that_is_no_event_is_kept_for_a_person(shop, body):
    """G2G-T58: unreadable JSON with a valid signature is answered 200 and stored."""
    assert shop.post(body) == 200
    shop.desk.settle()

    event = WebhookEvent.objects.get()
    assert (event.kind, event.state) == ("unreadable", State.NEEDS_ATTENTION)
    assert event.body.encode("latin-1") == body
    assert nothing_changed()


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("order.of_the_future", {"order_id": "1"}), ("order.created", {}), ("offer.low_stock", {})],
)
def test_an_event_nobody_knows_and_a_test_message_need_nobody(shop, kind, payload):
    """G2G-T58: unknown event types are answered 200 and stored."""
    assert shop.forge(kind, payload) == 200
    shop.desk.settle()

    assert WebhookEvent.objects.get().state == State.DONE
    assert nothing_changed()


def test_a_body_without_an_id_is_known_by_its_content(shop):
    """G2G-T58: a body without `id` is stored, once."""
    body = b'{"event_type": "order.created", "payload": {"order_id": "1"}}'

    assert [shop.post(body), shop.post(body)] == [200, 200]
    assert WebhookEvent.objects.get().repeats == 1


def test_an_event_of_another_seller_changes_nothing_and_is_shown(shop):
    assert shop.forge("order.created", {"order_id": "1", "seller_id": "777"}) == 200
    shop.desk.settle()

    event = WebhookEvent.objects.get()
    assert event.state == State.NEEDS_ATTENTION
    assert "another seller" in event.last_error
    assert nothing_changed()


def test_an_invented_order_makes_none_here(shop):
    """G2G-T46: a forged body with valid headers."""
    shop.forge("order.api_delivery", {"order_id": "1", "delivery_summary": {"delivery_id": "D1", "requested_qty": 5}})
    shop.desk.settle()
    assert WebhookEvent.objects.get().state == State.DUE, "it may be new: the marketplace's reads may lag"
    shop.desk.advance(400)

    event = WebhookEvent.objects.get()
    assert (event.state, event.failure) == (State.NEEDS_ATTENTION, "not_found")
    assert nothing_changed()


def test_a_body_of_five_megabytes_is_refused_unread(shop):
    assert shop.post(b"x" * 5_000_000) == 413
    assert not WebhookEvent.objects.exists()
    assert "larger than" in Account.objects.get().last_refused


def test_other_methods_and_unknown_accounts_are_turned_away(shop):
    address = f"/hooks/{shop.desk.account.pk}/"
    answer = Client().get(address)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert Client().post("/hooks/00000000-0000-4000-8000-000000000000/").status_code == 404
    assert Client().post("/hooks/not-an-account/").status_code == 404


def test_the_answer_is_an_empty_object_and_no_redirect(shop):
    for address in (shop.desk.account.hook_url, shop.desk.account.hook_url.rstrip("/")):
        Account.objects.update(registered_url=shop.desk.account.hook_url)
        answer = shop.send(b'{"event_type": "x"}', to=address)
        assert (answer.status, answer.body) == (200, b"{}")


def rename_table(before, after):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {before} RENAME TO {after}")


def test_what_cannot_be_stored_is_sent_again_and_processed_then(shop):
    """G2G-T59: storage down is 503; the resend after 30 simulated minutes is processed."""
    rename_table("marketplaces_webhookevent", "gone")
    order_id = shop.buy(1)
    shop.desk.settle()
    assert shop.forge("order.created", {"order_id": order_id}) == 503
    rename_table("gone", "marketplaces_webhookevent")
    assert not WebhookEvent.objects.exists()

    shop.desk.advance(31 * 60)
    assert WebhookEvent.objects.filter(subject=order_id, kind="order.created", state=State.DONE).exists()
    assert len(shop.received(order_id)) == 1


def test_an_account_that_is_switched_off_stores_and_waits(shop):
    Account.objects.update(is_enabled=False)
    assert shop.forge("order.created", {"order_id": "1"}) == 200
    drain()
    assert WebhookEvent.objects.get().state == State.DUE


def test_an_error_inside_shows_the_caller_nothing(shop, monkeypatch, settings):
    assert settings.DEBUG is False
    answer = Client().post(f"/hooks/{shop.desk.account.pk}/", data=b"{}", content_type="application/json")
    assert answer.status_code == 401
    assert answer.content == b""


def test_a_missed_event_is_found_in_the_marketplaces_log(shop):
    """G2G-T34: a webhook lost in the simulator is recovered within one sweep and delivered."""
    shop.fault("G2G-WH-04", "drop", times=None)
    order_id = shop.buy(2)
    shop.until_asked()
    assert shop.received(order_id) == []

    shop.desk.sandbox.faults.waiting.clear()
    recovery.recover_all()
    shop.desk.settle()
    shop.until_delivered()

    assert len(shop.received(order_id)) == 2
    assert WebhookEvent.objects.get(kind="order.api_delivery").source == WebhookEvent.Source.LOG
    before = WebhookEvent.objects.count()
    recovery.recover_all()
    assert WebhookEvent.objects.count() == before


# --- strangers -----------------------------------------------------------------------------------------------


def test_a_stranger_is_told_to_slow_down_and_leaves_no_more_trace(shop):
    statuses = [shop.post(b"{}", **{"g2g-signature": "0" * 64}) for _ in range(PER_MINUTE + 20)]

    assert statuses == [401] * PER_MINUTE + [429] * 20
    assert Account.objects.get().refused_calls == PER_MINUTE
    assert not WebhookEvent.objects.exists()


def test_however_many_strangers_knock_a_valid_event_from_the_same_address_is_let_in(shop):
    for _ in range(PER_MINUTE + 5):
        shop.post(b"{}", **{"g2g-signature": "0" * 64})

    assert [shop.forge("order.created", {"order_id": str(number)}) for number in range(100)] == [200] * 100
    assert WebhookEvent.objects.count() == 100


def test_who_tries_out_addresses_of_accounts_is_told_to_slow_down(shop):
    answers = [Client().post(f"/hooks/{uuid.uuid4()}/") for _ in range(PER_MINUTE + 1)]

    assert [answer.status_code for answer in answers] == [404] * PER_MINUTE + [429]
    assert answers[-1]["Retry-After"] == "60"


def test_a_stranger_elsewhere_has_a_count_of_their_own_and_a_minute_later_a_new_one():
    now = [0.0]
    strangers = Strangers(per_minute=2, now=lambda: now[0])

    assert [strangers.is_one_too_many("one") for _ in range(3)] == [False, False, True]
    assert not strangers.is_one_too_many("two")
    now[0] = 61
    assert not strangers.is_one_too_many("one")


def test_counting_strangers_takes_no_more_memory_than_it_is_given(monkeypatch):
    monkeypatch.setattr("marketplaces.strangers.MOST_ADDRESSES", 100)
    strangers = Strangers()
    for number in range(1000):
        strangers.is_one_too_many(str(number))

    assert len(strangers._counts) <= 100


def test_a_caller_whose_token_expired_learns_it_even_beside_strangers(g2a):
    address = f"/hooks/{g2a.account.pk}/healthcheck"
    statuses = [Client().get(address, HTTP_AUTHORIZATION="Bearer expired").status_code for _ in range(PER_MINUTE + 5)]

    assert statuses == [401] * (PER_MINUTE + 5)
    assert Account.objects.get().refused_calls == PER_MINUTE


@pytest.mark.parametrize("length", ["abc", "²", "-1", "5, 5", "9" * 30])
def test_a_length_that_is_no_number_is_refused(shop, length):
    answer = Client().post(f"/hooks/{shop.desk.account.pk}/", b"{}", "application/json", CONTENT_LENGTH=length)

    assert answer.status_code == 400
    assert not WebhookEvent.objects.exists()


def test_accounts_have_addresses_that_nobody_guesses(g2g, g2a):
    """122 random bits each; a marketplace that proves nothing else has a token in its address besides."""
    assert {account.pk.version for account in Account.objects.all()} == {4}
    assert len({account.hook_url for account in Account.objects.all()}) == 2
