import pytest
from django.core.management import CommandError, call_command

from marketplaces.models import Account
from tests import make
from tests.command import outcome
from tests.desk import open_desk

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


@pytest.fixture
def account():
    with open_desk("g2g", "Main shop") as desk:
        yield desk.account


def check(*names):
    return outcome("check_accounts", *names)


def set_secret(secret):
    """Change our side alone: what the marketplace knows of the seller stays."""
    ours = Account.objects.get()
    ours.credentials = {**ours.credentials, "secret": secret}
    ours.save(update_fields=["credentials"])


def test_it_says_of_each_account_what_works(account):
    data, status, _ = check()
    (found,) = data["accounts"]
    assert (data["ok"], status) == (True, 0)
    assert set(found) == {
        "name", "marketplace", "reachable", "authenticated", "clock_off_seconds", "webhook_address", "details", "problem",
    }  # fmt: skip
    assert (found["name"], found["marketplace"]) == ("Main shop", "g2g")
    assert (found["reachable"], found["authenticated"], found["problem"]) == (True, True, "")
    assert found["webhook_address"] == account.hook_url
    account.refresh_from_db()
    assert account.last_success_at is not None


def test_refused_credentials_are_a_trouble_until_a_check_succeeds(account):
    set_secret("wrong")
    data, status, words = check()
    assert (data["ok"], status, data["accounts"][0]["authenticated"]) == (False, 1, False)
    assert "Main shop" in words
    assert Account.objects.get().trouble == data["accounts"][0]["problem"] != ""
    set_secret(account.credentials["secret"])
    assert check().status == 0
    assert Account.objects.get().trouble == ""


def test_one_account_out_of_reach_does_not_hide_another(account, settings):
    broken = make.account("Broken", base_url="http://127.0.0.1:9", credentials=account.credentials)
    data, status, _ = check()
    assert status == 1
    found = {entry["name"]: entry for entry in data["accounts"]}
    assert found["Main shop"]["problem"] == ""
    assert (found["Broken"]["reachable"], found["Broken"]["authenticated"]) == (False, False)
    assert found["Broken"]["problem"]
    broken.refresh_from_db()
    assert broken.trouble == ""


def test_accounts_that_are_switched_off_are_checked_by_name_alone(account):
    account.is_enabled = False
    account.save()
    assert check().data == {"ok": True, "accounts": []}
    assert len(check("Main shop").data["accounts"]) == 1


def test_an_unknown_name_is_refused_with_those_there_are(account):
    data, status, words = check("Main shpo")
    assert (data, status) == (None, 2)
    assert "Main shop" in words


def test_credentials_that_do_not_open_are_told_in_words(account, settings):
    settings.CODE_KEYS = {"other": b"1" * 32}
    data, status, _ = check()
    assert status == 1
    assert "CODE_KEYS" in data["accounts"][0]["problem"]


def test_people_read_which_account_fails_and_why(account, capsys):
    set_secret("wrong")
    with pytest.raises(CommandError, match="Main shop"):
        call_command("check_accounts")
    said = capsys.readouterr().out
    assert 'Account "Main shop (play)" (g2g):' in said
    assert account.hook_url in said
    assert account.credentials["api_key"] not in said


def test_a_marketplace_that_sends_nothing_has_no_webhook_address(capsys):
    with open_desk("gcommerce", "Goods") as desk:
        data, status, _ = check()
        call_command("check_accounts")
    assert (status, data["accounts"][0]["webhook_address"]) == (0, "")
    said = capsys.readouterr().out
    assert "webhook address: none" in said
    assert desk.account.hook_url not in said
