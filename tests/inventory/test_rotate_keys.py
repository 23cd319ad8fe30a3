"""A new key takes the place of an old one, and nothing is lost on the way."""

import os
from itertools import islice

import pytest

from backoffice import crypto, rotation
from backoffice.models import AlertRule, Authenticator
from inventory import codes
from inventory.models import Code, CodeImportPart, Purchase
from marketplaces.models import Account, WebhookEvent
from orders.models import Delivery, Order, PurchaseOrder, Shipment
from tests import make
from tests.backoffice import world
from tests.command import outcome

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]

OLD, NEW = os.urandom(32), os.urandom(32)
CODES = codes.SEALED


@pytest.fixture
def full(settings):
    """Sealed values of every kind, all by the old key; the new one stands in front."""
    settings.CODE_KEYS = {"old": OLD}
    world.fill(3)
    make.product("MANY", codes=20)
    settings.CODE_KEYS = {"a-new-one": NEW, "old": OLD}


def secrets():
    return [
        codes.plaintexts(Code.objects.order_by("pk").values_list("pk", flat=True)),
        [(account.credentials, account.webhook_secrets) for account in Account.objects.order_by("pk")],
        [event.body for event in WebhookEvent.objects.order_by("pk")],
        [delivery.buyer_fields for delivery in Delivery.objects.order_by("pk")],
    ]


def count():
    return sum(rotation.left(column).count() for column in rotation.columns())


def test_everything_opens_when_the_old_key_is_gone_although_the_first_run_was_stopped(full, settings):
    before, values = secrets(), count()
    contacts = Order.objects.count() + PurchaseOrder.objects.count() + Shipment.objects.count()
    assert values == (
        Code.objects.count() + 2 * Account.objects.count() + 3 + 3 + Purchase.objects.count() + contacts
        + 3 * AlertRule.objects.count() + Authenticator.objects.count() + CodeImportPart.objects.count()
    )  # fmt: skip
    list(islice(rotation.rotate(CODES, rotation.Tally()), 7))
    assert count() == values - 7

    assert outcome("rotate_keys") == ({"rotated": values - 7, "left": 0}, 0, "")
    settings.CODE_KEYS = {"a-new-one": NEW}

    assert secrets() == before


def test_running_it_again_does_nothing(full):
    outcome("rotate_keys")
    before = list(Code.objects.order_by("pk").values_list("sealed", flat=True))

    assert outcome("rotate_keys").data == {"rotated": 0, "left": 0}
    assert list(Code.objects.order_by("pk").values_list("sealed", flat=True)) == before


def test_codes_can_be_sold_meanwhile_and_keep_their_state(full):
    walk = rotation.rotate(CODES, rotation.Tally())
    next(walk)
    Code.objects.filter(product__sku="MANY").update(state="sent")

    list(walk)

    assert set(Code.objects.filter(product__sku="MANY").values_list("state", flat=True)) == {"sent"}


def test_what_was_written_since_it_was_read_is_not_undone(full):
    column = next(column for column in rotation.encrypted_columns() if column.name == "credentials")
    tally = rotation.Tally()
    (read,) = rotation.left(column)
    fresh = Account.objects.get(pk=read.pk)
    fresh.credentials = {"api_key": "a newer one"}
    fresh.save(update_fields=["credentials"])

    rotation._rotate_one(column, read, tally)

    assert tally.rotated == 0
    assert Account.objects.get(pk=fresh.pk).credentials == {"api_key": "a newer one"}


def test_a_value_that_does_not_open_is_named_and_stops_no_other(full, settings):
    values = count()
    lost = Code.objects.order_by("pk").first()
    settings.CODE_KEYS = {"lost": os.urandom(32)}
    Code.objects.filter(pk=lost.pk).update(sealed=crypto.encrypt(b"X", lost.binding))
    settings.CODE_KEYS = {"a-new-one": NEW, "old": OLD}

    data, status, words = outcome("rotate_keys")

    assert (data, status) == ({"rotated": values - 1, "left": 1}, 1)
    assert "put the key that sealed them back" in words
