"""Somebody connects an account in a real browser, with a wrong key first."""

import os
from pathlib import Path

import pytest

from marketplaces.models import Account
from tests.browser.seat import WIDE, seated

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def look(page, name):
    if folder := os.environ.get("WIZARD_IMAGES"):
        for width in (1440, 390):
            for scheme in ("light", "dark"):
                page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
                page.set_viewport_size({"width": width, "height": 900})
                page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
        page.evaluate("document.documentElement.classList.remove('dark')")
        page.set_viewport_size(WIDE)


def test_an_account_with_a_wrong_key_says_why_and_is_mended(g2g, monkeypatch, live_server, admin_user, settings):
    settings.ALLOW_LOCAL_MARKETPLACES = True
    right = g2g.account.credentials
    with seated(monkeypatch, live_server, admin_user) as page:
        page.goto("marketplaces/account/add/?marketplace=g2g")
        page.locator("#id_name").fill("Second shop")
        for name, value in {**right, "secret": "a-wrong-secret"}.items():
            page.locator(f"#id_credential_{name}").fill(value)
        page.locator("#id_base_url").fill(g2g.account.base_url)
        page.get_by_role("button", name="Save", exact=True).click()

        page.get_by_text("What is left to do stands below").wait_for()
        account = Account.objects.get(name="Second shop")
        assert page.get_by_label("Text to copy").input_value() == account.hook_url
        page.get_by_role("button", name="Copy", exact=True).click()
        page.get_by_role("button", name="Copied").wait_for()
        page.get_by_role("button", name="Test connection").click()
        page.get_by_text(
            "G2G refused the key or the signature. Check the API key, the API secret and the user id"
        ).first.wait_for()
        look(page, "connect")
        assert "a-wrong-secret" not in page.content()

        page.get_by_role("link", name="Enter or change them").click()
        page.locator("#id_credential_secret").fill(right["secret"])
        look(page, "account")
        page.get_by_role("button", name="Save", exact=True).click()
        page.goto(f"marketplaces/account/{account.pk}/connect/")
        page.get_by_role("button", name="Test connection").click()
        page.get_by_text("the connection works").wait_for()
        assert page.errors == []

    account.refresh_from_db()
    assert (account.trouble, account.last_success_at is not None) == ("", True)
