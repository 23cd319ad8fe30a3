import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_q.models import OrmQ

from marketplaces.models import Account, WebhookEvent
from tests.command import outcome

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]

WHOLE = ["g2g", "Main", "--credential", "api_key=key-1", "--credential", "secret=a=b", "--credential", "user_id=42"]


def add(*arguments):
    return outcome("add_account", *arguments)


def test_it_prints_where_the_marketplace_reaches_us(settings):
    settings.PUBLIC_BASE_URL = "https://shop.example.com"
    data, status, _ = add(
        *WHOLE, "--option", "requests_per_minute=90", "--webhook-secret", "old", "--webhook-secret", "new"
    )
    account = Account.objects.get()
    assert (data, status) == (
        {
            "id": str(account.pk),
            "name": "Main",
            "marketplace": "g2g",
            "hook_url": f"https://shop.example.com/hooks/{account.pk}/",
        },
        0,
    )
    assert account.credentials == {"api_key": "key-1", "secret": "a=b", "user_id": "42"}
    assert account.webhook_secrets == ["old", "new"]
    assert account.option("requests_per_minute") == 90
    assert not account.is_sandbox


def test_a_second_run_changes_only_what_is_given():
    add(*WHOLE, "--webhook-secret", "old", "--option", "version=v1")
    data, status, _ = add("g2g", "Main", "--credential", "secret=changed", "--webhook-secret", "new")
    account = Account.objects.get()
    assert (status, data["id"]) == (0, str(account.pk))
    assert account.credentials == {"api_key": "key-1", "secret": "changed", "user_id": "42"}
    assert account.webhook_secrets == ["new"]
    assert account.options == {"version": "v1"}


def test_secrets_are_read_from_standard_input_in_the_order_of_their_options(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("the key\nthe hook secret\nthe secret\n"))
    options = [
        "--credential",
        "api_key=-",
        "--webhook-secret",
        "-",
        "--credential",
        "secret=-",
        "--credential",
        "user_id=1",
    ]
    assert add("g2g", "Main", *options).status == 0
    account = Account.objects.get()
    assert account.credentials == {"api_key": "the key", "secret": "the secret", "user_id": "1"}
    assert account.webhook_secrets == ["the hook secret"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere", "Main"], "g2g"),
        (["g2g", "Main", "--credential", "api_key=1"], "secret, user_id"),
        ([*WHOLE, "--credential", "colour=red"], "api_key, secret, user_id"),
        ([*WHOLE, "--credential", "api_key="], "credential api_key"),
        ([*WHOLE, "--credential", "api_key"], "K=V"),
        ([*WHOLE, "--option", "colour=red"], "requests_per_minute"),
        ([*WHOLE, "--option", "version=v3"], "v2 or v1"),
        ([*WHOLE, "--option", "requests_per_minute=many"], "whole number from 1 up to 6000"),
        ([*WHOLE, "--option", "requests_per_minute=0"], "whole number from 1 up to 6000"),
        ([*WHOLE, "--option", "requests_per_minute=6001"], "whole number from 1 up to 6000"),
        ([*WHOLE, "--base-url", "ftp://example.com"], "base_url"),
        (["g2g", "x" * 101, *WHOLE[2:]], "100"),
    ],
)
def test_what_can_not_be_used_is_refused_with_what_is_allowed(arguments, named):
    data, status, words = add(*arguments)
    assert (data, status) == (None, 2)
    assert named in words
    assert not Account.objects.exists()


def test_a_refusal_does_not_repeat_a_secret():
    assert "key-1" not in add("g2g", "Main", "--credential", "api_kay=key-1").words
    assert "sesame" not in add("g2g", "Main", "--credential", "sesame").words


def test_standard_input_that_ends_early_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    _, status, words = add("g2g", "Main", "--credential", "api_key=-")
    assert status == 2
    assert "standard input" in words


def test_a_play_account_needs_nothing_else():
    assert add("g2g", "Play", "--sandbox").status == 0
    account = Account.objects.get()
    service = account.service_class
    assert account.is_sandbox
    assert account.base_url == "http://127.0.0.1:9000/g2g"
    assert account.credentials == service.sandbox_credentials
    assert account.webhook_secrets == list(service.sandbox_webhook_secrets)


def test_a_play_account_keeps_what_was_given():
    add("g2g", "Play", "--sandbox", "--base-url", "http://127.0.0.1:9100/g2g", "--credential", "user_id=7")
    account = Account.objects.get()
    assert account.base_url == "http://127.0.0.1:9100/g2g"
    assert account.credentials["user_id"] == "7"


def test_an_address_on_this_machine_is_refused_where_it_is_not_allowed(settings):
    settings.ALLOW_LOCAL_MARKETPLACES = False
    _, status, words = add("g2g", "Play", "--sandbox")
    assert status == 2
    assert "ALLOW_LOCAL_MARKETPLACES" in words


def test_the_marketplace_of_an_account_can_not_be_changed(monkeypatch):
    other = type("Other", (Account(marketplace="g2g").service_class,), {"slug": "other"})
    known = {"g2g": other.__base__, "other": other}
    monkeypatch.setattr("marketplaces.services.all_services", lambda: known)
    add(*WHOLE)
    _, status, words = add("other", "Main", *WHOLE[2:])
    assert (status, Account.objects.get().marketplace) == (2, "g2g")
    assert "another name" in words


def test_saving_ends_the_trouble_and_what_waited_for_it_is_tried_soon():
    add(*WHOLE)
    account = Account.objects.get()
    account.has_trouble("The secret is wrong")
    now = timezone.now()
    event = WebhookEvent.objects.create(
        account=account,
        event_id="1",
        kind="order.paid",
        body="{}",
        received_at=now,
        state="due",
        next_try_at=now + timedelta(minutes=5),
    )
    OrmQ.objects.all().delete()
    add("g2g", "Main", "--credential", "secret=right")
    account.refresh_from_db()
    event.refresh_from_db()
    assert (account.trouble, account.is_stopped) == ("", False)
    assert event.next_try_at <= timezone.now()
    assert OrmQ.objects.count() == 1


def test_nobody_is_sent_to_enter_an_address_where_nothing_calls(capsys):
    given = ["--credential", "email=vendor@example.com", "--credential", "api_key=key-1"]
    call_command("add_account", "gcommerce", "Goods", *given, "--option", 'statuses={"Q": "on_hold"}')
    said = capsys.readouterr().out
    assert "webhook address" not in said
    assert Account.objects.get().option("statuses") == '{"Q": "on_hold"}'
