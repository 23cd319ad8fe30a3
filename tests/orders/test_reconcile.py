"""Our books against the marketplaces' over the wire: offers and orders, with the command and its repair."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from inventory.models import Difference, Offer
from marketplaces.models import ApiCall
from marketplaces.types import OfferStatus
from orders import comparing
from orders.models import Order, OrderLine
from tests import make
from tests.command import outcome
from tests.inventory.test_mirror import put_on_the_shelf
from tests.inventory.test_publishing_jobs import put_up
from tests.orders import story
from tests.orders.test_polling import buy, market, poll  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db


def reconcile(*arguments, hours=1):
    """Compare some time later, while time goes on: a command waits for its budget."""
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        return outcome("reconcile", *arguments)


def begin(desk, **fields):
    return story.begin(desk, codes=9, **fields)


def theirs(shop):
    return shop.desk.sandbox.offers.all[shop.offer.external_id]


def found(data):
    return [(one["kind"], one["field"], one["ours"], one["theirs"]) for one in data["differences"]]


@pytest.mark.smoke
def test_books_that_agree_end_with_status_0(g2g):
    begin(g2g)
    data, status, words = reconcile()
    assert (data["ok"], status, words, data["differences"]) == (True, 0, "", [])
    assert (data["accounts"][0]["offers"], data["accounts"][0]["problem"]) == (1, "")


def test_an_unknown_account_is_unusable(g2g):
    assert reconcile("--account", "Nobody").status == 2


def test_what_was_changed_there_by_hand_is_found_and_mended(g2g):
    shop = begin(g2g)
    g2g.sandbox.offers.change(theirs(shop), {"unit_price": 12.5, "api_qty": 2})
    data, status, words = reconcile("--account", g2g.account.name)
    assert (status, words) == (1, "2 differences left")
    assert found(data) == [
        ("by_hand", "price", "9.99 USD", "12.5 USD"),
        ("changed", "quantity", "9", "2"),
    ]
    data, status, _ = reconcile("--fix")
    assert (status, data["differences"], data["accounts"][0]["fixed"]) == (0, [], 2)
    assert theirs(shop).fields["unit_price"] == 9.99
    assert theirs(shop).fields["api_qty"] == 9
    assert reconcile(hours=2).status == 0


def test_a_repair_deletes_nothing_and_takes_nothing_over(g2g):
    shop = begin(g2g)
    (stranger,) = put_on_the_shelf(g2g)
    theirs(shop).status = "deleted"
    data, status, _ = reconcile("--fix")
    assert status == 1
    assert sorted(kind for kind, *_ in found(data)) == ["gone", "unknown"]
    assert stranger.status == "live"
    assert Offer.objects.get().seen_status == OfferStatus.REMOVED
    assert not ApiCall.objects.filter(operation="G2G-08").exists()


def test_a_sale_is_no_difference(g2g):
    shop = begin(g2g)
    shop.buy(2)
    shop.until_delivered()
    assert reconcile().status == 0


def test_an_order_whose_news_were_lost_is_found_and_read(g2g):
    shop = begin(g2g)
    order_id = shop.buy(2)
    shop.until_delivered()
    Order.objects.update(state="new", amount=Decimal(1), remote_updated_at=None)
    OrderLine.objects.update(delivered=0)
    data, status, _ = reconcile()
    assert status == 1
    assert {one["order"] for one in data["differences"]} == {order_id}
    assert {one["field"].split(" ")[0] for one in data["differences"]} == {"state", "amount", "delivered"}
    data, status, _ = reconcile("--fix")
    assert (status, data["accounts"][0]["fixed"]) == (0, 1)
    assert Order.objects.get().state != "new"
    assert not Difference.objects.filter(state=Difference.State.OPEN).exists()


def test_an_order_that_is_not_found_there_needs_a_person(g2g):
    begin(g2g)
    Order.objects.create(account=g2g.account, external_id="1", state="new")
    data, status, _ = reconcile("--fix")
    assert (status, found(data)) == (1, [("order", "order", "new", "not found there")])


def test_orders_that_have_ended_are_not_read_again(g2g):
    Order.objects.create(account=g2g.account, external_id="1", state="completed")
    assert list(comparing.open_orders(g2g.account)) == []
    assert reconcile().status == 0


def test_one_accounts_failure_stops_no_other(g2g):
    begin(g2g)
    make.account("A broken one", base_url="http://127.0.0.1:9", credentials=g2g.account.credentials)
    data, status, words = reconcile()
    assert (status, words) == (1, "look at: A broken one")
    assert [entry["offers"] for entry in data["accounts"] if entry["name"] == g2g.account.name] == [1]


def test_goods_are_compared_where_there_is_a_list_of_them(market):  # noqa: F811
    shelf = [product for product in market.sandbox.products.all.values() if product.amount > 50][:2]
    mine = [
        make.offer(
            make.product(f"GOODS-{theirs.id}", codes=5), market.account, external_id=str(theirs.id), state="done",
            external_product_id=theirs.code, price=Decimal(str(theirs.price)), currency="USD", seen_status="live",
        )
        for theirs in shelf
    ]  # fmt: skip
    data, _, _ = reconcile()
    ids = {offer.external_id for offer in mine}
    ours = [one for one in data["differences"] if one["offer"] in ids]
    assert {(one["offer"], one["field"], one["ours"]) for one in ours} == {(name, "quantity", "5") for name in ids}
    strangers = {one["offer"] for one in data["differences"] if one["kind"] == "unknown"}
    assert len(strangers) == data["accounts"][0]["offers"] - 2

    data, _, _ = reconcile("--fix")
    assert {one["kind"] for one in data["differences"]} <= {"unknown"}
    assert [product.amount for product in shelf] == [5, 5]


def test_an_open_order_of_goods_is_compared(market):  # noqa: F811
    bought = buy(market, 2)
    poll(market)
    Order.objects.update(state="accepted")
    data, _, _ = reconcile()
    orders = [one for one in data["differences"] if one["order"]]
    assert [(one["order"], one["field"], one["ours"], one["theirs"]) for one in orders] == [
        (str(bought.id), "state", "accepted", "new")
    ]


def test_where_changes_are_jobs_nothing_is_made_up_and_a_hand_set_price_is_found(g2a):
    offer = put_up(g2a, title="A title of our own", min_quantity=2)
    g2a.advance(120)
    data, status, _ = reconcile()
    assert (status, data["differences"]) == (0, [])

    Offer.objects.update(pushed={**Offer.objects.get().pushed, "price": "4.5"}, price=Decimal("4.5"))
    data, status, _ = reconcile()
    assert (status, found(data)) == (1, [("by_hand", "price", "4.5 EUR", "5.98 EUR")])
    assert data["differences"][0]["offer"] == Offer.objects.get(pk=offer.pk).external_id


def test_where_there_is_no_list_ours_are_read_by_their_ids(ginee):
    sku = "SKU-RED-M"
    shelf = ginee.sandbox.goods.shelf("test-access")[sku]
    product = make.product("RED", codes=shelf.warehouse)
    make.offer(
        product, ginee.account, external_id=sku, external_product_id=sku, price=None, state="done", seen_status="live"
    )
    data, status, _ = reconcile()
    assert (status, data["differences"], data["accounts"][0]["offers"]) == (0, [], 1)
    shelf.warehouse -= 2
    data, status, _ = reconcile()
    assert (status, [kind for kind, *_ in found(data)]) == (1, ["changed"])
    data, status, _ = reconcile("--fix")
    assert (status, ginee.sandbox.goods.shelf("test-access")[sku].warehouse) == (0, product.codes.count())
