"""What is sealed opens for its own row and key alone, and never turns into ciphertext that looks like a value."""

import base64
import os
from typing import Any

import pytest
from django.core import serializers
from django.db import connection
from django.utils import timezone

from backoffice import crypto
from marketplaces.models import Account, WebhookEvent

OLD, NEW = os.urandom(32), os.urandom(32)


@pytest.fixture
def keys(settings: Any) -> None:
    settings.CODE_KEYS = {"old": OLD}


@pytest.mark.parametrize("plain", [b"", b"AAAA-BBBB", "Schlüssel ☃".encode(), os.urandom(5000)])
def test_it_opens_what_it_sealed(keys: None, plain: bytes) -> None:
    assert crypto.decrypt(crypto.encrypt(plain, "inventory.code:1"), "inventory.code:1") == plain


def test_the_same_text_never_seals_to_the_same_bytes(keys: None) -> None:
    assert crypto.encrypt(b"AAAA", "row:1") != crypto.encrypt(b"AAAA", "row:1")


def test_it_does_not_open_for_another_row(keys: None) -> None:
    with pytest.raises(crypto.CannotOpen, match="row:2"):
        crypto.decrypt(crypto.encrypt(b"AAAA", "row:1"), "row:2")


def test_it_opens_old_keys_and_seals_with_the_first(settings: Any) -> None:
    settings.CODE_KEYS = {"old": OLD}
    before = crypto.encrypt(b"AAAA", "row:1")
    settings.CODE_KEYS = {"new": NEW, "old": OLD}
    after = crypto.encrypt(b"AAAA", "row:1")
    assert [crypto.key_id_of(before), crypto.key_id_of(after)] == ["old", "new"]
    assert crypto.decrypt(before, "row:1") == crypto.decrypt(after, "row:1") == b"AAAA"


def test_it_says_which_row_lost_its_key(settings: Any) -> None:
    settings.CODE_KEYS = {"old": OLD}
    sealed = crypto.encrypt(b"AAAA", "row:1")
    settings.CODE_KEYS = {"new": NEW}
    with pytest.raises(crypto.CannotOpen, match="row:1: no key"):
        crypto.decrypt(sealed, "row:1")


def test_a_wrong_key_under_the_right_name_does_not_open(settings: Any) -> None:
    settings.CODE_KEYS = {"old": OLD}
    sealed = crypto.encrypt(b"AAAA", "row:1")
    settings.CODE_KEYS = {"old": NEW}
    with pytest.raises(crypto.CannotOpen):
        crypto.decrypt(sealed, "row:1")


def test_the_key_id_can_not_be_exchanged(settings: Any) -> None:
    settings.CODE_KEYS = {"old": OLD}
    sealed = crypto.encrypt(b"AAAA", "row:1")
    settings.CODE_KEYS = {"old": OLD, "odd": OLD}
    with pytest.raises(crypto.CannotOpen):
        crypto.decrypt(sealed.replace(b"old", b"odd", 1), "row:1")


@pytest.mark.parametrize("position", [0, 2, 8, 20, -1])
def test_one_changed_bit_and_it_does_not_open(keys: None, position: int) -> None:
    sealed = bytearray(crypto.encrypt(b"AAAA-BBBB-CCCC", "row:1"))
    sealed[position] ^= 1
    with pytest.raises(crypto.CannotOpen):
        crypto.decrypt(bytes(sealed), "row:1")


@pytest.mark.parametrize("sealed", [b"", b"\x00", b"\x03old", b"\x03old123456789012", b"AAAA-BBBB-CCCC"])
def test_what_was_never_sealed_does_not_open(keys: None, sealed: bytes) -> None:
    with pytest.raises(crypto.CannotOpen):
        crypto.decrypt(sealed, "row:1")


def test_the_blind_index_forgives_case_and_blanks_and_nothing_else(settings: Any) -> None:
    index = crypto.blind_index("AbCd-1234")
    assert len(index) == 32
    assert crypto.blind_index(" abcd-1234\n") == index
    assert crypto.blind_index("ABCD1234") != index
    settings.CODE_INDEX_KEY = NEW
    assert crypto.blind_index("AbCd-1234") != index


# --- EncryptedField -------------------------------------------------------------------------------------------


@pytest.fixture
def account(db: None) -> Account:
    return Account.objects.create(name="Main", marketplace="g2g", credentials={"api_key": "k-123", "n": 7})


def raw_credentials() -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM marketplaces_account")
        return bytes(cursor.fetchone()[0])


@pytest.mark.smoke
def test_a_field_is_sealed_in_the_database_and_plain_in_python(account: Account) -> None:
    assert b"k-123" not in raw_credentials()
    assert base64.b64encode(b"k-123")[:6] not in raw_credentials()
    assert Account.objects.get().credentials == {"api_key": "k-123", "n": 7}


def test_a_field_changes_only_when_it_is_written(account: Account) -> None:
    before = raw_credentials()
    read = Account.objects.get()
    read.save()
    assert raw_credentials() == before
    read.credentials["api_key"] = "k-456"
    read.save()
    assert raw_credentials() != before
    assert Account.objects.get().credentials["api_key"] == "k-456"


def test_a_field_does_not_open_in_another_row(account: Account) -> None:
    other = Account.objects.create(name="Other", marketplace="g2g", credentials={})
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE marketplaces_account SET credentials = (SELECT credentials FROM marketplaces_account WHERE name = %s)"
            " WHERE name = %s",
            ["Main", "Other"],
        )
    with pytest.raises(crypto.CannotOpen, match=str(other.pk)):
        _ = Account.objects.get(name="Other").credentials


def test_a_list_that_does_not_show_it_opens_nothing(account: Account, settings: Any) -> None:
    settings.CODE_KEYS = {"new": NEW}
    (listed,) = Account.objects.all()
    assert listed.name == "Main"
    with pytest.raises(crypto.CannotOpen):
        _ = listed.credentials


def test_a_deferred_field_is_fetched_and_opened(account: Account) -> None:
    assert Account.objects.defer("credentials").get().credentials["n"] == 7


def test_update_and_filter_refuse_a_sealed_field(account: Account) -> None:
    for attempt in (
        lambda: Account.objects.update(credentials={"api_key": "x"}),
        lambda: Account.objects.filter(credentials={"api_key": "x"}).exists(),
    ):
        with pytest.raises(TypeError, match="credentials is sealed by its row"):
            attempt()


def test_a_dump_refuses_to_carry_secrets(account: Account) -> None:
    with pytest.raises(TypeError, match="secret"):
        serializers.serialize("json", Account.objects.all())


def test_a_row_without_identity_can_not_be_sealed(account: Account) -> None:
    with pytest.raises(ValueError, match="can only be sealed once event_id is known"):
        WebhookEvent(account=account, event_id=None, body="{}", received_at=timezone.now()).save()
