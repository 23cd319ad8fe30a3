"""Codes of products that a marketplace of parcels sells: they leave stock with the parcel, and are nobody else's."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inventory import stock
from marketplaces.types import OrderState
from orders import mirroring, sales
from orders.models import DeliveryItem, OrderEvent
from orders.verify import verify
from tests import make
from tests.orders.test_mirroring import account, order_of, parcel, removal  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


@pytest.fixture
def product():
    return make.product("800151", codes=10)


def units(product):
    found = stock.count(product.pk)
    return {state: found[state] for state in ("available", "held", "delivered", "returned")}


def test_what_is_shipped_is_not_sold_again_before_its_parcel_is_known(product, account):  # noqa: F811
    order_of(account)
    order_of(account, state=OrderState.SHIPPED)
    assert units(product) == {"available": 6, "held": 4, "delivered": 0, "returned": 0}


def test_codes_leave_with_the_parcel_once_and_stand_in_the_order(product, account):  # noqa: F811
    order = order_of(account)
    for _ in range(3):
        mirroring.mirror(account, parcel(1))
    order_of(account, state=OrderState.COMPLETED)

    assert units(product) == {"available": 6, "held": 0, "delivered": 4, "returned": 0}
    delivery = order.lines.get().deliveries.get()
    assert (delivery.status, delivery.state, delivery.requested, delivery.items.count()) == ("delivered", "done", 4, 4)
    assert OrderEvent.objects.filter(order=order, kind="handed_over").count() == 1
    assert sales.sold_since(timezone.now() - timedelta(days=3650)) == {product.pk: 4}, "not as codes and as units"
    assert verify().is_ok


def test_a_parcel_that_was_removed_gives_codes_back_to_a_person_and_not_to_the_shelf(product, account):  # noqa: F811
    order = order_of(account)
    mirroring.mirror(account, parcel(1))
    mirroring.mirror(account, removal(2))
    assert units(product) == {"available": 2, "held": 4, "delivered": 0, "returned": 4}

    mirroring.mirror(account, parcel(3))
    assert units(product) == {"available": 2, "held": 0, "delivered": 4, "returned": 4}
    assert order.lines.get().shipped == 4
    assert verify().is_ok


def test_no_more_codes_leave_than_were_bought_or_are_there(product, account):  # noqa: F811
    order_of(account, quantity=3)
    mirroring.mirror(account, parcel(1))
    assert units(product)["delivered"] == 3

    other = order_of(account, external_id="SO-2", quantity=9)
    mirroring.mirror(account, parcel(1, external_id="WDO-2", order_id="SO-2"))
    mirroring.mirror(account, parcel(1, external_id="WDO-3", order_id="SO-2"))
    assert units(product) == {"available": 0, "held": 0, "delivered": 10, "returned": 0}
    assert DeliveryItem.objects.filter(delivery__line__order=other).count() == 7
    assert OrderEvent.objects.filter(order=other, kind="stock", level="warning").exists()
