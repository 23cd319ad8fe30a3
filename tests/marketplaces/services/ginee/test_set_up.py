"""How an account is connected: its secret address, and the letter to Ginee's staff (GIN-07)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from marketplaces.exceptions import ConfigurationError
from marketplaces.models import Account
from marketplaces.services.ginee import address
from tests.command import outcome
from tests.marketplaces.services.ginee.conftest import TOKEN, connection, open_line

pytestmark = pytest.mark.django_db
OTHER = "another-token-0123456789abcdefghijklmnopqrst"


def add(*arguments: str) -> tuple[dict[str, str], int]:
    data, status, _ = outcome("add_account", "ginee", "Main", *arguments)
    return data, status


@pytest.mark.smoke
def test_an_address_that_nobody_guesses_is_made_and_stays() -> None:
    data, status = add()
    account = Account.objects.get()
    token = account.credentials["path_token"]
    assert (status, data["hook_url"]) == (0, account.hook_url)
    assert account.hook_url.endswith(f"/hooks/{account.pk}/{token}/")
    assert len(token) == 43
    assert add("--option", "country=VN")[0]["hook_url"] == data["hook_url"]
    assert token != address.completed({}, {})["path_token"]


def test_a_play_account_has_one_too() -> None:
    data, _ = add("--sandbox")
    assert len(data["hook_url"].rstrip("/").rpartition("/")[2]) == 43


def test_the_token_may_be_chosen_and_the_one_before_it_stays_valid_for_two_weeks() -> None:
    add("--credential", f"path_token={TOKEN}")
    data, _ = add("--credential", f"path_token={OTHER}")
    credentials = Account.objects.get().credentials
    assert data["hook_url"].endswith(f"/{OTHER}/")
    assert credentials["previous_path_token"] == TOKEN
    until = datetime.fromisoformat(credentials["previous_path_token_until"])
    assert abs(until - timezone.now() - timedelta(days=14)) < timedelta(minutes=1)
    assert address.fits(TOKEN, credentials)
    assert address.fits(OTHER, credentials)
    add("--credential", "previous_path_token_until=2020-01-01T00:00:00Z")
    assert not address.fits(TOKEN, Account.objects.get().credentials)


def test_the_end_of_one_token_is_not_that_of_another() -> None:
    old = {"path_token": TOKEN, "previous_path_token": "p" * 43, "previous_path_token_until": "2020-01-01T00:00:00Z"}
    for change in ({"path_token": OTHER}, {"previous_path_token": OTHER}):
        now = address.completed(old, old | change)
        assert address.fits(now["previous_path_token"], now)
    assert address.completed(old, old) == old, "saving again changes nothing"
    back = address.completed(address.completed(old, old | {"path_token": OTHER}), old | {"path_token": TOKEN})
    assert address.fits(TOKEN, back)


@pytest.mark.parametrize("token", ["x" * 31, "x" * 40 + "/", "x" * 40 + " y", "ä" * 40])
def test_a_token_that_can_be_guessed_or_is_no_path_is_refused(token: str) -> None:
    _, status = add("--credential", f"path_token={token}")
    assert (status, Account.objects.count()) == (2, 0)


def test_an_end_that_is_no_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is no time"):
        address.completed({}, {"previous_path_token": TOKEN, "previous_path_token_until": "soon"})


def test_the_form_makes_the_token_and_refuses_a_short_one(admin_client: Client) -> None:
    url = f"{reverse('admin:marketplaces_account_add')}?marketplace=ginee"
    admin_client.post(url, form_answers(credential_path_token="short"))
    assert not Account.objects.exists()
    admin_client.post(url, form_answers())
    assert len(Account.objects.get().credentials["path_token"]) == 43


def form_answers(**fields: str) -> dict[str, str]:
    """What a browser posts for a new account, with its defaults."""
    options = {name: value for name, value in connection().options.items() if not isinstance(value, bool)}
    return (
        {"name": "Main", "is_enabled": "on"}
        | {f"option_{name}": str(value) for name, value in options.items()}
        | fields
    )


# --- the letter ----------------------------------------------------------------------------------------------------


def test_the_set_up_screen_shows_what_to_send_to_ginees_staff(admin_client: Client) -> None:
    """GIN-T56, and GIN-07: date and wording of what was asked are kept."""
    add("--credential", f"path_token={TOKEN}")
    account = Account.objects.get()
    page = reverse("admin:marketplaces_account_change", args=[account.pk])
    shown = admin_client.get(page).content.decode()
    for word in (account.hook_url, f"{TOKEN}/delivery-order", "entity order: CREATE, UPDATE", "CREATE, UPDATE, DELETE"):
        assert word in shown
    assert "Not yet" in shown

    posted = {"action": "note_letter", "index": 0, "_selected_action": [account.pk]}
    admin_client.post(reverse("admin:marketplaces_account_changelist"), posted)
    account.refresh_from_db()
    assert account.hook_url in account.letter_sent["text"]
    assert datetime.now(UTC) - datetime.fromisoformat(account.letter_sent["at"]) < timedelta(minutes=1)
    assert f"{timezone.now():%Y-%m-%d}" in admin_client.get(page).content.decode()

    add("--credential", f"path_token={OTHER}")
    assert "The text has changed since" in admin_client.get(page).content.decode()


@pytest.mark.parametrize(
    ("mode", "wish"), [("signature", "sign each call"), ("shared_secret", "in the header X-Mine"), ("path_token", "")]
)
def test_the_letter_holds_the_wishes_and_no_key(mode: str, wish: str) -> None:
    line = open_line(options={"verification": mode, "secret_header": "X-Mine"}, webhook_secrets=["hook-secret"])
    letter = line.letter()
    assert wish in letter
    assert ("sign each" in letter) == (mode == "signature")
    for secret in ("test-access", "test-secret", "hook-secret"):
        assert secret not in letter
