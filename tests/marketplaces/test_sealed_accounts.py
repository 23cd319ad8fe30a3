"""A key that is missing from CODE_KEYS: pages say so and what to do, nothing that is sealed is lost, and rows wait."""

import html

import pytest
from django.urls import reverse

from inventory.models import Code, CodeReveal, Offer
from marketplaces import accounts
from marketplaces.exceptions import ConfigurationError
from marketplaces.models import Account, WebhookEvent
from orders.models import Delivery
from tests.backoffice import world
from tests.inventory.test_admin import act, says
from tests.marketplaces.test_admin import answers, page

OTHER = {"k9": b"1" * 32}


@pytest.fixture
def keys(db, settings):
    """The keys as they were; from here on there is another one alone."""
    world.fill(1)
    before, settings.CODE_KEYS = settings.CODE_KEYS, OTHER
    return before


@pytest.fixture
def account(keys):
    return Account.objects.get()


def reread():
    return Account.objects.get()


@pytest.mark.smoke
def test_the_accounts_page_says_which_key_is_missing(account, admin_client):
    response = admin_client.get(page(account))
    text = html.unescape(says(response))
    assert response.status_code == 200
    assert "can't be opened. CODE_KEYS must hold the key “test1”, with which it was stored." in text
    assert "otherwise enter everything anew" in text
    assert admin_client.get(reverse("admin:marketplaces_account_changelist")).status_code == 200


def test_saving_it_leaves_what_cannot_be_opened_as_it_is(account, keys, admin_client, settings):
    response = admin_client.post(page(account), answers(account, name="Renamed"))
    assert response.status_code == 302
    settings.CODE_KEYS = keys
    saved = reread()
    assert (saved.name, saved.credentials["secret"]) == ("Renamed", world.CREDENTIAL)
    assert saved.webhook_secrets == [world.WEBHOOK_SECRET]


def test_credentials_can_be_entered_anew_but_only_as_a_whole(account, admin_client):
    response = admin_client.post(page(account), answers(account, credential_api_key="new"))
    assert "needs the API secret" in says(response)

    whole = {f"credential_{name}": "new" for name in ("api_key", "secret", "user_id")}
    assert admin_client.post(page(account), answers(account, webhook_secret="mine", **whole)).status_code == 302
    saved = reread()
    assert set(saved.credentials.values()) == {"new"}
    assert saved.webhook_secrets == ["mine"]


def test_a_play_account_is_simply_filled_in_again(account, admin_client):
    assert admin_client.post(page(account), answers(account, is_sandbox="on")).status_code == 302
    assert reread().credentials == dict(account.service_class.sandbox_credentials)


def test_checking_it_says_the_same_and_its_rows_wait_for_the_key(account, admin_client):
    assert "test1" in says(act(admin_client, reverse("admin:marketplaces_account_changelist"), "check_now", account))
    assert "test1" in reread().trouble
    with pytest.raises(ConfigurationError, match="must hold the key “test1”"):
        account.service()
    assert "test1" in accounts.check(account).problem


def test_other_pages_with_something_sealed_say_it_too(account, admin_client):
    event, code = WebhookEvent.objects.first(), Code.objects.first()
    delivery = next(row for row in Delivery.objects.defer("buyer_fields"))
    for row in (event, code, delivery, Offer.objects.first()):
        url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        assert admin_client.get(url).status_code == 200
    url = reverse("admin:marketplaces_webhookevent_change", args=[event.pk])
    assert "It can't be opened. CODE_KEYS must hold the key “test1”" in html.unescape(says(admin_client.get(url)))

    url = reverse("admin:inventory_code_changelist")
    response = act(admin_client, url, "reveal", code, answered=1, reason="looking", _from_page=code.pk)
    assert f"Code {code.pk} can't be opened. CODE_KEYS must hold the key “test1”" in html.unescape(says(response))
    assert not CodeReveal.objects.filter(code=code, reason="looking").exists()
