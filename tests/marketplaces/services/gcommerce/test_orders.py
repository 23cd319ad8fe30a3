"""Reading orders, accepting them, and reading purchase orders (GCO-10 to GCO-14)."""

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from marketplaces.base import MarketplaceService
from marketplaces.exceptions import BudgetSpent, NotFound, PermanentError, TemporaryError, UnknownOutcome
from marketplaces.services.gcommerce import service as gcommerce_service
from marketplaces.services.gcommerce.service import Service
from marketplaces.types import OrderState
from tests.marketplaces.services.gcommerce.conftest import Market, open_line


def ago(market: Market, **parts: float) -> datetime:
    return datetime.fromtimestamp(market.now(), UTC) - timedelta(**parts)


# --- lists ---------------------------------------------------------------------------------------------------------


def test_news_is_one_page_back_to_the_watched_days(market: Market) -> None:
    newest = market.orders.buy(offer_id="123456")
    found = list(open_line().fetch_orders(ago(market, minutes=10)))
    assert len(market.calls) == 1
    assert found[0].external_id == str(newest.id)
    created = [order.created_at for order in found if order.created_at]
    assert created == sorted(created, reverse=True)
    assert min(created) >= ago(market, days=7)
    assert len(found) > 50
    assert all(order.is_summary and order.asked_at is not None for order in found)


def test_without_watched_days_it_ends_where_it_was_asked_to(market: Market) -> None:
    orders = [market.orders.buy(offer_id="123456") for _ in range(3)]
    line = open_line(options={"watch_days": 0})
    assert [order.external_id for order in line.fetch_orders(ago(market, minutes=10))] == [
        str(order.id) for order in reversed(orders)
    ]
    assert len(list(line.fetch_orders(ago(market, days=365)))) > 290


def test_rows_that_are_not_in_order_are_read_to_the_end(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word to sort by may be ignored in silence."""
    monkeypatch.setitem(market.orders.list_orders.__globals__["SORTERS"], "date", lambda order: order.total)
    for order in list(market.orders.all.values()):
        order.timestamp -= 10**7
    mine = market.orders.buy(offer_id="123456")
    line = open_line(options={"watch_days": 0, "page_size": 50})
    assert [order.external_id for order in line.fetch_orders(ago(market, minutes=10))] == [str(mine.id)]
    assert len(market.calls) > 3


def test_baskets_and_what_is_hidden_are_no_orders(market: Market) -> None:
    words = {order.status_word for order in open_line().search_orders({})}
    assert words == set("OPKJCFDIBYQ")


# --- one -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("numbers", ["sample", "text", "number"])
@pytest.mark.parametrize("lists_as_objects", [False, True])
def test_an_order_is_read_in_full_however_it_is_written(market: Market, numbers: str, lists_as_objects: bool) -> None:
    """GCO-T40"""
    market.switches.change(numbers=numbers, lists_as_objects=lists_as_objects)
    for seeded in list(market.orders.all.values())[:30]:
        order = open_line().fetch_order(str(seeded.id))
        assert {line.external_id: line.quantity for line in order.lines} == {
            str(item.id): item.quantity for item in seeded.items.values()
        }
        assert {line.external_offer_id for line in order.lines} == {
            str(item.product_id) for item in seeded.items.values()
        }
        assert order.ship_to is not None
        assert order.ship_to.name == f"{seeded.buyer.firstname} {seeded.buyer.lastname}"
        assert [method.external_id for method in order.shipping_methods] == ["44"]


def test_an_unknown_letter_is_shown(market: Market) -> None:
    """GCO-T41"""
    order = market.orders.buy(offer_id="123456", status="Q")
    seen = open_line().fetch_order(str(order.id))
    assert (seen.state, seen.status_word) == (OrderState.UNKNOWN, "Q")
    line = open_line(options={"statuses": '{"Q": "on_hold"}'})
    assert line.fetch_order(str(order.id)).state is OrderState.ON_HOLD


def test_an_order_that_is_not_there(market: Market) -> None:
    with pytest.raises(NotFound):
        open_line().fetch_order("999999")


def test_an_answer_about_another_order_is_none(market: Market) -> None:
    market.fault("GCO-11", "wrapped_data")
    order = market.orders.buy(offer_id="123456")
    with pytest.raises(TemporaryError) as error:
        open_line().fetch_order(str(order.id))
    assert error.value.kind == "unknown"


# --- accept ----------------------------------------------------------------------------------------------------------


def test_accepting_sends_k_alone_and_reads_it_again(market: Market) -> None:
    """GCO-T43"""
    order = market.orders.buy(offer_id="123456")
    seen = open_line().accept_order(str(order.id))
    assert market.asked == [f"PUT /order_status/{order.id}", f"GET /orders/{order.id}"]
    assert market.calls[0]["body"].replace(" ", "") == '{"status":"K"}'
    assert (seen.state, seen.status_word, order.status) == (OrderState.ACCEPTED, "K", "K")


@pytest.mark.parametrize("answer", ["silent", "conflict", "invalid"])
@pytest.mark.parametrize("letter", ["J", "C", "K"])
def test_what_is_accepted_or_further_is_success(market: Market, answer: str, letter: str) -> None:
    """GCO-T44: already J is already done."""
    market.switches.change(accept_refusal=answer)
    order = market.orders.buy(offer_id="123456", status=letter)
    assert open_line().accept_order(str(order.id)).status_word == letter


@pytest.mark.parametrize(("answer", "kind"), [("silent", "conflict"), ("conflict", "conflict"), ("invalid", "invalid")])
@pytest.mark.parametrize("letter", ["D", "I", "F"])
def test_an_answer_without_effect_is_a_conflict(market: Market, answer: str, kind: str, letter: str) -> None:
    """GCO-T44"""
    market.switches.change(accept_refusal=answer)
    order = market.orders.buy(offer_id="123456", status=letter)
    with pytest.raises(PermanentError) as refusal:
        open_line().accept_order(str(order.id))
    assert refusal.value.kind == kind
    assert order.status == letter


def test_a_lost_answer_is_settled_by_the_look(market: Market) -> None:
    order = market.orders.buy(offer_id="123456")
    market.fault("GCO-12", "drop_after_commit")
    assert open_line().accept_order(str(order.id)).state is OrderState.ACCEPTED
    other = market.orders.buy(offer_id="123456")
    market.fault("GCO-12", "drop_before_commit")
    with pytest.raises(UnknownOutcome):
        open_line().accept_order(str(other.id))
    assert other.status == "O"


def test_a_look_that_fails_leaves_it_open(market: Market) -> None:
    order = market.orders.buy(offer_id="123456")
    market.fault("GCO-11", "http_error", status=503)
    with pytest.raises(UnknownOutcome, match="may or may not"):
        open_line().accept_order(str(order.id))
    assert order.status == "K"


def test_the_look_is_paid_for_before_the_first_request(market: Market) -> None:
    order = market.orders.buy(offer_id="123456")
    asked: list[int] = []

    def no_room(count: int, urgency: int) -> float:
        asked.append(count)
        return 6.0

    with pytest.raises(BudgetSpent):
        open_line(no_room).accept_order(str(order.id))
    assert asked == [2]
    assert not market.calls


def test_no_order_is_ever_put() -> None:
    """GCO-T60: the one path that would recalculate an order stands in no PUT; nothing here cancels or rejects."""
    folder = Path(gcommerce_service.__file__).parent
    for source in folder.glob("*.py"):
        if source.name.startswith("sandbox"):
            continue
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and "PUT" in [ast.unparse(argument).strip("'\"") for argument in node.args]:
                near = source.read_text().splitlines()[max(0, node.lineno - 8) : node.end_lineno]
                paths = re.findall(r"f\"(/[a-z_]+)/", "\n".join(near))
                assert "/orders" not in paths, f"{source.name}:{node.lineno}"
    assert not any(Service.supports(name) for name in dir(MarketplaceService) if "cancel" in name or "reject" in name)
    assert set(Service.elsewhere) == {"cancel_order", "accept_purchase_order"}


# --- purchase orders -------------------------------------------------------------------------------------------------


def test_purchase_orders_are_listed_and_read(market: Market) -> None:
    """GCO-T45"""
    line = open_line()
    rows = list(line.fetch_purchase_orders(ago(market, days=365)))
    assert len(rows) == 30
    for row in rows:
        one = line.get_purchase_order(row.external_id)
        assert (one.external_id, one.amount, one.status_word) == (row.external_id, row.amount, row.status_word)
        assert one.bill_to is not None
        assert one.bill_to.email
        assert not one.is_summary
    assert len(list(line.fetch_purchase_orders(ago(market, hours=6)))) == 30  # all of them are a few days old
    assert len(list(open_line(options={"watch_days": 0}).fetch_purchase_orders(ago(market, hours=6)))) < 5
    assert {call["method"] for call in market.calls} == {"GET"}


def test_nothing_can_be_done_with_a_purchase_order(market: Market) -> None:
    """GCO-T45: it is no order, and a number of one is none of the other."""
    names = [name for name in dir(Service) if "purchase_order" in name]
    assert sorted(names) == ["fetch_purchase_orders", "get_purchase_order", "search_purchase_orders"]
    number = str(next(iter(market.purchase_orders.all)))
    with pytest.raises(NotFound):
        open_line().fetch_order(number)
