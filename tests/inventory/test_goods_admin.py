"""Staff receive and correct counted stock, and see how it came to be."""

import re

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from inventory import codes, goods, products
from inventory.models import Level, Movement, Product
from tests import make
from tests.inventory.test_admin import act, says, signed_in

PRODUCTS = reverse("admin:inventory_product_changelist")
MAY = ("inventory.view_product", "inventory.move_stock")


@pytest.fixture
def pads(db):
    return make.product("PAD-1", kind=Product.Kind.COUNTED)


def token_of(response):
    return re.search(r'name="token"[^>]*value="([0-9a-f]+)"', response.content.decode()).group(1)


def test_units_are_received_once_though_the_button_is_pressed_twice(pads):
    client = signed_in(*MAY)
    token = token_of(act(client, PRODUCTS, "receive", pads, _from_page=pads.pk))
    said = {"answered": 1, "token": token, "quantity": 7, "cost": "3.20", "currency": "EUR", "_from_page": pads.pk}

    act(client, PRODUCTS, "receive", pads, **said)
    again = act(client, PRODUCTS, "receive", pads, **said)

    assert "were received already" in says(again)
    assert Level.objects.get().on_hand == 7
    assert Movement.objects.get().by == "worker"


def test_a_cost_without_a_currency_is_asked_about(pads):
    client = signed_in(*MAY)
    token = token_of(act(client, PRODUCTS, "receive", pads, _from_page=pads.pk))

    response = act(
        client, PRODUCTS, "receive", pads, answered=1, token=token, quantity=7, cost="3.20", _from_page=pads.pk
    )

    assert "A cost has a currency" in says(response)
    assert not Movement.objects.exists()


def test_a_correction_says_what_it_changed_and_why_it_can_not(pads):
    client = signed_in(*MAY)
    goods.receive(product_id=pads.pk, quantity=5, by="keeper")

    done = act(client, PRODUCTS, "correct", pads, answered=1, counted=3, note="two broke", _from_page=pads.pk)

    assert "corrected by -2 units" in says(done)
    page = says(client.get(reverse("admin:inventory_product_change", args=[pads.pk])))
    assert "3 can be sold now. In all: 3 available." in page
    assert "Movements of this product" in page


def test_only_who_may_move_stock_has_the_buttons(pads):
    client = signed_in("inventory.view_product")

    assert "Receive units" not in says(client.get(reverse("admin:inventory_product_change", args=[pads.pk])))
    response = act(client, PRODUCTS, "receive", pads, answered=1, quantity=1)
    assert not Movement.objects.exists(), says(response)


def test_a_pool_of_codes_has_no_shelf_and_a_shelf_takes_no_codes(pads):
    pool = make.product("KEY-1", codes=1)

    assert "Receive units" not in says(signed_in(*MAY).get(reverse("admin:inventory_product_change", args=[pool.pk])))
    with pytest.raises(ValueError, match="are counted"):
        codes.import_codes(product=pads, lines=iter([b"CODE-1"]), file_name="codes.txt")
    with pytest.raises(products.UnknownSku, match="are counted"):
        products.for_codes("PAD-1")


def test_the_kind_of_stock_is_settled_by_the_first_unit(pads):
    pads.kind = Product.Kind.CODES
    pads.full_clean()

    goods.receive(product_id=pads.pk, quantity=1, by="keeper")

    with pytest.raises(ValidationError, match="There is stock of it already"):
        pads.full_clean()


def test_lists_show_the_units_of_both_kinds(pads, admin_client):
    goods.receive(product_id=pads.pk, quantity=5, by="keeper")
    make.product("KEY-1", codes=3)

    listed = says(admin_client.get(PRODUCTS))
    assert ">5<" in listed.replace(" ", "")
    assert ">3<" in listed.replace(" ", "")
    assert "received" in says(admin_client.get(reverse("admin:inventory_movement_changelist")))
