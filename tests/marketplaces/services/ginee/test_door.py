"""Ginee at our door: what gets in, what is kept of it, and what the caller is told (sections 2.2 and 4)."""

import json
import logging
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from marketplaces.models import Account, Outgoing, WebhookEvent
from marketplaces.services.ginee.signing import signature
from marketplaces.types import OrderState
from orders.models import Order
from orders.readings import COALESCE
from tests.desk import Desk
from tests.drain import drain
from tests.marketplaces.services.ginee.conftest import TOKEN, RememberingShop, sample

State = Outgoing.State
THANKS, NO = b'{"status": true}', b'{"status": false}'
ORDER = json.dumps(sample("order.create")).encode()
V8_PATH = f"/webhooks/ginee/{TOKEN}"
V8 = "E8pYgFDp62mIii5pDCcjME7Vm2p1J8SY7+Vvv39YNvc="


def told_here(account: Account) -> RememberingShop:
    """What settings.MARKETPLACES_SHOP names; the fixture puts the test's own shop in its place."""
    return RememberingShop(account)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, settings: Any) -> RememberingShop:
    """Whom every account tells."""
    remembering = RememberingShop()
    monkeypatch.setattr(f"{__name__}.told_here", lambda account: remembering)
    settings.MARKETPLACES_SHOP = f"{__name__}.told_here"
    return remembering


@pytest.fixture
def account(ginee: Desk) -> Account:
    account = ginee.account
    account.credentials = {**account.credentials, "path_token": TOKEN}
    account.save()
    return account


def choose(account: Account, *, secrets: list[str] | None = None, **options: Any) -> None:
    account.options = account.options | options
    account.webhook_secrets = account.webhook_secrets if secrets is None else secrets
    account.save(update_fields=["options", "webhook_secrets"])


def path_of(account: Account, tail: str = f"{TOKEN}/") -> str:
    return f"/hooks/{account.pk}/{tail}"


def post(account: Account, body: bytes = ORDER, tail: str = f"{TOKEN}/", **headers: str) -> tuple[int, bytes]:
    named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    answer = Client().generic("POST", path_of(account, tail), body, content_type="application/json", **named)
    return answer.status_code, answer.content


def changed(**changes: Any) -> bytes:
    """The order's notification with members changed; None takes one out."""
    event = sample("order.create") | changes
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


# --- what is let in and kept -------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_a_notification_is_kept_whole_and_thanked_for_before_any_worker_runs(account: Account) -> None:
    """GIN-T01, GIN-T02, GIN-T42."""
    started = time.perf_counter()
    answer = Client().post(path_of(account), ORDER, content_type="application/json")
    assert time.perf_counter() - started < 1
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, THANKS, "application/json")

    event = WebhookEvent.objects.get()
    assert (event.event_id, event.kind, event.subject) == ("GENIE5FF31A7C5F15030001D30001", "order CREATE", "order_1")
    assert (event.state, event.body.encode("latin-1")) == (State.DUE, ORDER)
    assert event.path == "", "the token is a secret"


@pytest.mark.parametrize("tail", [TOKEN, f"{TOKEN}/", f"{TOKEN}/order", f"{TOKEN}/delivery-order/"])
def test_every_form_of_the_address_works_without_a_redirect(account: Account, tail: str) -> None:
    """GIN-T34. The module is a hint: the body's entity decides."""
    assert post(account, tail=tail) == (200, THANKS)
    event = WebhookEvent.objects.get()
    assert (event.kind, event.path) == ("order CREATE", tail.removeprefix(TOKEN).strip("/"))


def test_it_decodes_json_whatever_the_header_says(account: Account) -> None:
    answer = Client().generic("POST", path_of(account), b"\xef\xbb\xbf" + ORDER, content_type="text/plain")
    assert (answer.status_code, WebhookEvent.objects.get().subject) == (200, "order_1")


@pytest.mark.parametrize("tail", ["", "x" * 43, TOKEN[:-1], f"{TOKEN}/order/more", "order", f"order/{TOKEN}"])
def test_a_wrong_token_is_an_address_that_does_not_exist(account: Account, tail: str) -> None:
    """GIN-T33"""
    assert post(account, tail=tail) == (404, NO)
    account.refresh_from_db()
    assert (account.refused_calls, WebhookEvent.objects.count()) == (1, 0)
    assert TOKEN not in account.last_refused


@pytest.mark.parametrize(("ends_in", "status"), [(timedelta(days=1), 200), (timedelta(seconds=-1), 404), (None, 404)])
def test_a_token_that_was_replaced_works_until_its_end(
    account: Account, ends_in: timedelta | None, status: int
) -> None:
    """GIN-T33"""
    until = (timezone.now() + ends_in).isoformat() if ends_in else ""
    previous = "previous-token-0123456789abcdefghijklmnopq"
    account.credentials |= {"previous_path_token": previous, "previous_path_token_until": until}
    account.save()

    assert post(account, tail=previous)[0] == status
    assert post(account, changed(id="another"))[0] == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"text", b'"text"', b"[]", b"1", b"null", b'{"id": ', b"\xff\xfe{}", b'{"id": NaN}', b'{"id": Infinity}'],
)
def test_what_is_no_json_object_is_no_notification(account: Account, body: bytes) -> None:
    """GIN-T31"""
    assert post(account, body) == (400, NO)
    assert not WebhookEvent.objects.exists()


def test_only_post_is_for_notifications(account: Account) -> None:
    """GIN-T32"""
    for method in ("get", "put", "head"):
        answer = getattr(Client(), method)(path_of(account))
        assert (answer.status_code, answer["Allow"], answer.content) == (405, "POST", b"")


def test_a_body_above_the_cap_is_refused(account: Account) -> None:
    """GIN-T32: 1 MiB."""
    assert post(account, changed(padding="x" * 1024 * 1024)) == (413, NO)
    assert not WebhookEvent.objects.exists()
    account.refresh_from_db()
    assert "1,048,576 bytes" in account.last_refused
    assert post(account, changed(padding="x" * 1024 * 1000)) == (200, THANKS)


@pytest.mark.smoke
def test_what_cannot_be_stored_is_not_counted_as_received(account: Account, shop: RememberingShop) -> None:
    """GIN-T41"""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE marketplaces_webhookevent RENAME TO gone")
    assert post(account) == (503, NO)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE gone RENAME TO marketplaces_webhookevent")
    drain()
    assert (WebhookEvent.objects.count(), shop.told) == (0, [])
    assert post(account) == (200, THANKS)


def test_a_paused_account_stores_and_waits(account: Account, shop: RememberingShop) -> None:
    Account.objects.update(is_enabled=False)
    assert post(account) == (200, THANKS)
    drain()
    assert (WebhookEvent.objects.get().state, shop.told) == (State.DUE, [])


# --- repeats -------------------------------------------------------------------------------------------------------


def test_a_repeat_is_counted_and_not_processed(account: Account, shop: RememberingShop) -> None:
    """GIN-T25"""
    assert [post(account), post(account)] == [(200, THANKS)] * 2
    drain()
    assert (WebhookEvent.objects.get().repeats, len(shop.told)) == (1, 1)


def test_the_same_id_with_another_body_is_kept_beside_it_flagged_and_read_again(
    account: Account, shop: RememberingShop
) -> None:
    """GIN-T26"""
    other = changed(payload=sample("order.update")["payload"])
    assert [post(account, body) for body in (ORDER, other, other, ORDER)] == [(200, THANKS)] * 4
    drain()

    first, second = WebhookEvent.objects.order_by("pk")
    assert (first.body.encode(), second.body.encode()) == (ORDER, other)
    assert (first.repeats, second.repeats, first.remark) == (3, 1, "Signature: absent.")
    assert second.remark.startswith("Its id came before, with another body.")
    assert [verb for verb, _, _ in shop.told] == ["order_changed", "order_changed"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_parallel_copies_make_one_row(account: Account) -> None:
    """GIN-T27"""
    ready, answers = threading.Barrier(2), []

    def send() -> None:
        ready.wait()
        answers.append(post(account))
        connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, THANKS)] * 2
    assert WebhookEvent.objects.get().repeats == 1


# --- what is quarantined, unknown or empty -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"id": None}, {"id": ""}, {"id": "x" * 129}, {"payload": None}, {"payload": []}, {"payload": "{}"}, {"entity": 1.5},
        {"action": None},
    ],
)  # fmt: skip
def test_a_broken_envelope_is_kept_for_a_person(
    account: Account, shop: RememberingShop, change: dict[str, Any]
) -> None:
    """GIN-T28"""
    assert [post(account, changed(**change)), post(account, changed(**change))] == [(200, THANKS)] * 2
    drain()

    event = WebhookEvent.objects.get()
    assert (event.state, event.failure, event.repeats) == (State.NEEDS_ATTENTION, "quarantined", 1)
    assert next(iter(change)) in event.last_error
    assert shop.told == []


@pytest.mark.parametrize("change", [{"entity": "master_product_create"}, {"action": "ARCHIVE"}, {"entity": "outbound"}])
def test_what_nobody_knows_is_kept_and_needs_nobody(
    account: Account, shop: RememberingShop, change: dict[str, Any]
) -> None:
    """GIN-T21, GIN-T23."""
    assert post(account, changed(**change)) == (200, THANKS)
    drain()
    event = WebhookEvent.objects.get()
    assert (event.state, event.failure, shop.told) == (State.DONE, "unsupported", [])


@pytest.mark.parametrize("name", ["delivery-order.create.empty", "order"])
def test_an_empty_payload_makes_no_object_and_says_so(account: Account, shop: RememberingShop, name: str) -> None:
    """GIN-T08"""
    body = changed(payload={}) if name == "order" else json.dumps(sample(name)).encode()
    assert post(account, body) == (200, THANKS)
    drain()
    event = WebhookEvent.objects.get()
    assert (event.state, event.failure, shop.told) == (State.DONE, "no_object", [])
    assert "names no" in event.last_error


@pytest.mark.parametrize(
    "change",
    [
        {"user": {"_id": "U1", "email": ""}}, {"user": {"id": "U1"}}, {"user": None, "userId": None}, {"user": "U1"},
        {"id": 17}, {"entity": " Order "}, {"action": "create"},
    ],
)  # fmt: skip
def test_both_generations_and_loose_spellings_are_read(
    account: Account, shop: RememberingShop, change: dict[str, Any]
) -> None:
    """GIN-T29"""
    assert post(account, changed(**change)) == (200, THANKS)
    drain()
    event = WebhookEvent.objects.get()
    assert event.event_id == str(change.get("id", sample("order.create")["id"]))
    assert (event.kind, event.state, len(shop.told)) == ("order CREATE", State.DONE, 1)


# --- other ways of verification ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [V8, f"test-access:{V8}"])
def test_a_signature_over_the_registered_path_is_let_in(account: Account, value: str) -> None:
    """GIN-T35, GIN-T36: the path that Django sees is another one."""
    choose(account, verification="signature", public_path=f"/other, {V8_PATH}")
    assert post(account, authorization=value) == (200, THANKS)


@pytest.mark.parametrize(
    "value", ["F" + V8[1:], V8[:-1], "", f"other-access:{V8}", f"Bearer {V8}", "test-access:", V8.lower()]
)
def test_one_changed_sign_is_refused(account: Account, value: str) -> None:
    """GIN-T35"""
    choose(account, verification="signature", public_path=V8_PATH)
    assert post(account, authorization=value) == (401, NO)
    assert not WebhookEvent.objects.exists()


def test_the_path_inside_is_not_what_is_signed_once_another_is_named(account: Account) -> None:
    """GIN-T36"""
    choose(account, verification="signature", public_path=V8_PATH)
    assert post(account, authorization=signature("test-secret", "POST", path_of(account)))[0] == 401
    choose(account, public_path="")
    assert post(account, authorization=signature("test-secret", "POST", path_of(account)))[0] == 200


def test_a_webhook_secret_signs_in_place_of_the_secret_key(account: Account) -> None:
    choose(account, verification="signature", public_path=V8_PATH, secrets=["hook-secret"])
    assert post(account, authorization=V8)[0] == 401
    assert post(account, authorization=signature("hook-secret", "POST", V8_PATH))[0] == 200


def test_the_token_is_asked_for_beside_a_signature(account: Account) -> None:
    choose(account, verification="signature", public_path=V8_PATH)
    assert post(account, tail="", authorization=V8) == (404, NO)


@pytest.mark.parametrize(
    ("value", "found"), [(V8, "match"), (f"test-access:{V8}", "match"), ("Z" + V8[1:], "mismatch"), ("", "absent")]
)
def test_beside_the_token_a_signature_is_noted_and_never_refused(account: Account, value: str, found: str) -> None:
    """GIN-T37"""
    choose(account, public_path=V8_PATH)
    assert post(account, authorization=value)[0] == 200
    assert WebhookEvent.objects.get().remark == f"Signature: {found}."

    choose(account, signature_check="require")
    assert post(account, changed(id="2"), authorization=value)[0] == (200 if found == "match" else 401)
    choose(account, signature_check="ignore")
    assert post(account, changed(id="3"), authorization=value)[0] == 200
    assert WebhookEvent.objects.get(event_id="3").remark == ""


@pytest.mark.parametrize(
    ("headers", "status"), [({"x_mine": "s3cret-1"}, 200), ({"x_mine": "s3cret-2"}, 401), ({}, 401)]
)
def test_a_shared_secret_has_to_be_the_right_one(account: Account, headers: dict[str, str], status: int) -> None:
    """GIN-T38"""
    choose(account, verification="shared_secret", secret_header="X-Mine", secrets=["old", "s3cret-1"])
    assert post(account, **headers) == (status, THANKS if status == 200 else NO)


def test_without_a_stored_secret_nothing_is_the_right_one(account: Account) -> None:
    choose(account, verification="shared_secret", secrets=[])
    assert post(account, x_webhook_secret="") == (401, NO)


def test_no_verification_at_all_has_to_be_meant(account: Account, settings: Any) -> None:
    """GIN-T39"""
    choose(account, verification="off")
    assert settings.DEBUG is False
    assert account.hook_url.endswith(f"/hooks/{account.pk}/")
    assert post(account, tail="") == (401, NO)
    choose(account, allow_off=True)
    assert post(account, tail="") == (200, THANKS)
    choose(account, allow_off=False)
    settings.DEBUG = True
    assert post(account, changed(id="2"), tail="") == (200, THANKS)


def test_neither_signature_nor_token_is_written_anywhere(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    """GIN-T40"""
    caplog.set_level(logging.DEBUG)
    choose(account, public_path=V8_PATH)
    post(account, authorization=V8)
    choose(account, verification="signature", public_path=f"/elsewhere/{TOKEN}")
    post(account, authorization=V8)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE marketplaces_webhookevent RENAME TO gone")
    choose(account, public_path=V8_PATH)
    assert post(account, authorization=V8)[0] == 503
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE gone RENAME TO marketplaces_webhookevent")

    account.refresh_from_db()
    event = WebhookEvent.objects.get()
    kept = json.dumps([event.headers, event.remark, event.path, event.last_error, account.last_refused, event.body])
    assert account.refused_calls == 1
    for secret in (V8, TOKEN):
        assert secret not in kept
        assert secret not in caplog.text


# --- the way through to the shop -----------------------------------------------------------------------------------


def reads(ginee: Desk) -> int:
    return sum(call["op"] == "GIN-C02" for call in ginee.sandbox.calls)


def test_an_order_is_read_back_once_for_each_notification_and_moves_on(ginee: Desk) -> None:
    """GIN-T06, GIN-T22."""
    bought = ginee.buy("SKU-RED-M", 2, stays=True)
    ginee.advance(COALESCE.total_seconds())
    order = Order.objects.get(external_id=bought.id)
    assert (order.state, order.amount, reads(ginee)) == (OrderState.NEW, bought.amount, 1)

    ginee.sandbox.orders.act(bought.id, "become", status="SHIPPING")
    ginee.advance(COALESCE.total_seconds())
    order.refresh_from_db()
    assert (order.state, reads(ginee)) == (OrderState.SHIPPED, 2)
    assert ginee.sandbox.sent.complaints() == []


def test_without_keys_nothing_is_read(ginee: Desk, shop: RememberingShop) -> None:
    """GIN-T06"""
    ginee.account.credentials = {"path_token": TOKEN}
    ginee.account.save()
    assert post(ginee.account) == (200, THANKS)
    ginee.settle()
    assert ([verb for verb, _, _ in shop.told], list(ginee.sandbox.calls)) == (["order_told"], [])


def test_each_event_reaches_its_verb_with_its_id(account: Account, shop: RememberingShop) -> None:
    """GIN-T24, as far as the shop is told."""
    names = ("order.update", "delivery-order.update", "delivery-order.delete")
    for name in names:
        assert post(account, json.dumps(sample(name)).encode()) == (200, THANKS)
    assert post(account, changed(id="gone", action="DELETE")) == (200, THANKS)
    drain()

    told = {(verb, event_id): remote.external_id for verb, remote, event_id in shop.told}
    assert told == {
        ("order_changed", ""): "order_1",
        ("shipment_changed", sample("delivery-order.update")["id"]): "WDO600573D16B2F070001490001",
        ("shipment_changed", sample("delivery-order.delete")["id"]): "WDO606D24DD46E0FB0001D80001",
        ("order_deleted", "gone"): "order_1",
    }
    assert {event.state for event in WebhookEvent.objects.all()} == {State.DONE}
