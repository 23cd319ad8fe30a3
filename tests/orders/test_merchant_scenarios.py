"""The make-believe G2A calls us as the contract says, story by story, and checks every answer."""

import pytest

from inventory import kinds, stock
from inventory.models import Code
from marketplaces.models import Account
from marketplaces.shop import CodeKind
from orders.models import Order
from orders.verify import verify
from tests import make
from tests.desk import Desk
from tests.drain import drain
from tests.orders.merchant import PRODUCT

PLAIN = (
    "happy", "release", "renew_after_expiry", "duplicate_order", "order_after_expiry", "return_items", "notifications",
    "short_token", "bad_token", "brief_shapes",
)  # fmt: skip
SPECIAL = {
    "file_key": (CodeKind.FILE, lambda: kinds.file_code(name="key.jpg", data=b"hello", mime_type="image/jpeg")),
    "account_key": (CodeKind.ACCOUNT, lambda: kinds.account_code(username="user1", password="p1")),
}


@pytest.fixture
def seller(g2a: Desk) -> Desk:
    """A desk with ten codes on offer, which the other side knows too."""
    product = make.product(codes=10)
    offer = make.offer(product, g2a.account, external_product_id=str(PRODUCT), price="5.98", currency="EUR")
    there = g2a.sandbox.offers.by_hand(
        account=g2a.account.credentials["api_hash"], product_id=str(PRODUCT), size=10, price="5.98"
    )
    offer.external_id = there.id
    offer.save()
    return g2a


@pytest.fixture
def product(seller):
    return Code.objects.first().product


def tell(desk: Desk, scenario: str, **details: object) -> None:
    report = desk.sandbox.run_scenario(scenario, product_id=str(PRODUCT), **details)
    assert report["ok"], report["failed"]
    assert report["checks"]
    drain()
    assert desk.sandbox.state()["doubles"]["sold_twice"] == []
    assert verify().problems == []


@pytest.mark.smoke
@pytest.mark.parametrize("scenario", PLAIN)
def test_we_keep_the_contract(seller, scenario):
    tell(seller, scenario)


@pytest.mark.parametrize("scenario", SPECIAL)
def test_files_and_logins_are_fetched_one_by_one(seller, product, scenario):
    """G2A-T56"""
    Code.objects.all().delete()
    kind, text = SPECIAL[scenario]
    product.batches.all().delete()
    kinds.add(product=product, kind=kind, texts=[text()])
    tell(seller, scenario)


def test_late_stock_is_fetched_when_it_comes(seller, product):
    """G2A-T54"""
    Account.objects.update(options={"orders_without_stock": "yes"})
    Code.objects.all().delete()
    product.batches.all().delete()

    def restock():
        make.add_codes(product, 2)
        stock.changed(product.pk)

    tell(seller, "order_202_then_poll", quantity=2, meanwhile=restock)
    assert Order.objects.get().status_word == "fulfilled"


@pytest.mark.parametrize(("op", "status"), [("G2A-IN-03", "delivered"), ("G2A-IN-06", "unknown")])
def test_a_lost_answer_sells_nothing_twice(seller, op, status):
    """G2A-P39, G2A-P56: after silence G2A calls again; an order that is there yields 409 and no code."""
    from marketplaces.sandbox_faults import Fault

    seller.sandbox.faults.add(Fault(op, "lost_answer"))
    offer_id = next(iter(seller.sandbox.offers.all))
    order = seller.buy(offer_id, 2)
    seller.settle()

    assert order.status == status
    assert Order.objects.count() == 1
    assert seller.sandbox.state()["doubles"]["sold_twice"] == []
    assert verify().problems == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("scenario", "details"), [("parallel_order", {"times": 8}), ("crowd", {"times": 20, "stock": 10})]
)
def test_at_once(seller, scenario, details):
    """G2A-T49: 20 at once for a stock of 10 hold exactly 10. G2A-T52: of parallel orders one gets codes."""
    tell(seller, scenario, **details)
