"""Orders as CSV: a row for each line, and no secret."""

import csv
import io

import pytest
from django.core.management import CommandError, call_command

from orders.models import Order, OrderLine
from tests.backoffice import world

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


def exported(*arguments):
    out = io.StringIO()
    call_command("export_orders", *arguments, stdout=out)
    return out.getvalue(), list(csv.DictReader(io.StringIO(out.getvalue())))


def test_each_line_is_a_row(db):
    world.fill(3)
    OrderLine.objects.create(order=Order.objects.first(), external_id="2", quantity=1)

    text, rows = exported()

    assert len(rows) == 4
    first = {
        name: rows[0][name] for name in ("account", "order_id", "state", "sku", "quantity", "unit_price", "currency")
    }
    assert first == {
        "account": "Main shop", "order_id": "1700000000ORDER", "state": "ready_to_ship", "sku": "GAME-000",
        "quantity": "2", "unit_price": "9.9900", "currency": "USD",
    }  # fmt: skip
    assert rows[-1]["sku"] == ""
    assert not [secret for secret in world.SECRETS if secret in text]
    assert "buyer-17" not in text


def test_they_can_be_chosen(db, django_assert_max_num_queries):
    world.fill(3)

    with django_assert_max_num_queries(3):
        _, rows = exported("--account", "Main shop", "--sku", "GAME-002")

    assert [row["order_id"] for row in rows] == ["1700000002ORDER"]


def test_an_unknown_account_is_refused(db):
    world.fill(1)

    with pytest.raises(CommandError, match="Main shop") as error:
        exported("--account", "Main shp")

    assert error.value.returncode == 2
