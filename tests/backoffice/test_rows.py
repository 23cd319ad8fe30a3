"""Rows are written in as little work as it takes, and as right as the ORM writes them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backoffice.rows import as_read, insert_if_new, save_changed
from inventory.models import Product, Supplier
from marketplaces.models import Account

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


def test_what_did_not_change_is_not_written():
    product = Product.objects.create(sku="GAME", name="A game")
    before = as_read(product)

    with CaptureQueriesContext(connection) as asked:
        assert not save_changed(product, before)
    assert not asked.captured_queries
    Product.objects.update(name="Of somebody else")
    product.sku = "GAME-2"
    assert save_changed(product, before)
    assert Product.objects.values_list("sku", "name").get() == ("GAME-2", "Of somebody else")


def test_a_sealed_value_that_nobody_touched_is_neither_opened_nor_written():
    Account.objects.create(name="Shop", marketplace="g2g", credentials={"secret": "s"})
    account = Account.objects.get()
    before = as_read(account)
    account.name = "Other shop"

    with CaptureQueriesContext(connection) as asked:
        assert save_changed(account, before)
    assert "credentials" not in asked[0]["sql"]
    assert Account.objects.get().credentials == {"secret": "s"}


def test_a_row_is_inserted_once_and_a_second_one_harms_nothing():
    first, second = Supplier(name="Acme"), Supplier(name="Acme")

    assert insert_if_new(first)
    assert not insert_if_new(second)
    assert second.pk is None
    first.refresh_from_db()
    first.name = "Acme Ltd"
    first.save()
    assert Supplier.objects.get().name == "Acme Ltd"
