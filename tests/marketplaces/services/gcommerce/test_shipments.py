"""Parcels: announcing, moving on, removing (GCO-15 to GCO-19)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marketplaces.exceptions import NotFound, PermanentError, UnknownOutcome
from marketplaces.services.gcommerce.sandbox_records import Order
from marketplaces.types import NewShipment, ShipmentState
from tests.marketplaces.services.gcommerce.conftest import Market, open_line


def bought(market: Market, qty: int = 3) -> Order:
    market.products.all[123456].amount += 100
    return market.orders.buy(offer_id="123456", qty=qty, status="K")


def parcel(order: Order, count: int = 1, **changes: Any) -> NewShipment:
    given = {
        "order_id": str(order.id), "items": {str(item_id): count for item_id in order.items}, "shipping_method_id": "44",
        "carrier": "UPS", "tracking_number": "1Z0000000001",
    }  # fmt: skip
    return NewShipment(**{**given, **changes})


# --- announce --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["modern", "old"])
def test_a_parcel_is_announced_as_the_contract_says(market: Market, style: str) -> None:
    """GCO-T50: item keys above 2^31 pass."""
    market.switches.change(style=style)
    order = bought(market)
    (item_id,) = order.items
    assert item_id > 2**31
    line = open_line()
    shipment_id = line.create_shipment(parcel(order, 2, comment="Fragile"))
    assert market.bodies[-1] == {
        "order_id": order.id, "shipping_id": 44, "products": {str(item_id): 2}, "carrier": "ups",
        "tracking_number": "1Z0000000001", "comments": "Fragile", "status": "S",
    }  # fmt: skip
    seen = line.get_shipment(shipment_id)
    assert (seen.state, seen.order_id, seen.tracking_number) == (ShipmentState.SHIPPED, str(order.id), "1Z0000000001")
    assert [(item.line_id, item.quantity) for item in seen.items] == [(str(item_id), 2)]
    assert order.status == "K"
    assert len(market.calls) == 2


def test_only_the_parcel_that_completes_an_order_says_so(market: Market) -> None:
    """GCO-T51: its part here; who knows what remains sets the flag."""
    order = bought(market)
    line = open_line()
    line.create_shipment(parcel(order, 2))
    line.create_shipment(parcel(order, 1, tracking_number="1Z2", completes_order=True))
    assert ["order_status" in body for body in market.bodies] == [False, True]
    assert market.bodies[1]["order_status"] == "J"
    assert order.status == "J"


@pytest.mark.parametrize(
    "changes",
    [
        {"items": {}}, {"items": {"2905461962": 0}}, {"items": {"2905461962": -1}}, {"items": {"line": 1}},
        {"shipping_method_id": ""}, {"shipping_method_id": "post"}, {"carrier": "", "tracking_number": ""},
        {"order_id": ""},
    ],
)  # fmt: skip
def test_a_parcel_that_is_none_is_refused_before_the_call(market: Market, changes: dict[str, Any]) -> None:
    """GCO-T50: without products everything would be shipped."""
    with pytest.raises(PermanentError) as refusal:
        open_line().create_shipment(parcel(bought(market), **changes))
    assert refusal.value.kind == "invalid"
    assert not market.calls


def test_a_carrier_or_a_number_is_enough(market: Market) -> None:
    line = open_line()
    assert line.create_shipment(parcel(bought(market), tracking_number=""))
    assert line.create_shipment(parcel(bought(market), carrier=""))
    assert "tracking_number" not in market.bodies[0]
    assert "carrier" not in market.bodies[1]


def test_fewer_units_than_were_named_are_seen_by_reading_it(market: Market) -> None:
    """GCO-T48: its part here."""
    order = bought(market, qty=3)
    line = open_line()
    line.create_shipment(parcel(order, 2))
    second = line.get_shipment(line.create_shipment(parcel(order, 2, tracking_number="1Z2")))
    assert [item.quantity for item in second.items] == [1]


def test_a_refusal_while_nothing_is_left_is_already_done(market: Market) -> None:
    """GCO-T48"""
    order = bought(market, qty=2)
    line = open_line()
    line.create_shipment(parcel(order, 2))
    market.calls.clear()
    with pytest.raises(PermanentError) as refusal:
        line.create_shipment(parcel(order, 1, tracking_number="1Z2"))
    assert refusal.value.kind == "already_done"
    assert [call["op"] for call in market.calls] == ["GCO-16", "GCO-11", "GCO-15"]


def test_a_refusal_while_something_is_left_is_a_refusal(market: Market) -> None:
    market.fault("GCO-16", "http_error", status=400)
    with pytest.raises(PermanentError) as refusal:
        open_line().create_shipment(parcel(bought(market), 1))
    assert refusal.value.kind == "invalid"


def test_a_refusal_that_can_not_be_explained_now_is_looked_at_again(market: Market) -> None:
    market.fault("GCO-16", "http_error", status=400)
    market.fault("GCO-11", "http_error", status=503)
    with pytest.raises(UnknownOutcome):
        open_line().create_shipment(parcel(bought(market), 1))


@pytest.mark.parametrize("mode", ["drop_after_commit", "empty_body", "timeout"])
def test_a_parcel_without_an_answer_is_looked_for_by_its_number(market: Market, mode: str) -> None:
    """GCO-T52: its part here; no second POST comes by itself, and the list shows what there is."""
    order = bought(market)
    market.fault("GCO-16", mode)
    line = open_line()
    with pytest.raises(UnknownOutcome):
        line.create_shipment(parcel(order))
    found = [each.tracking_number for each in line.fetch_shipments(order_id=str(order.id))]
    assert found == ([] if mode == "timeout" else ["1Z0000000001"])
    assert [call["op"] for call in market.calls] == ["GCO-16", "GCO-15"]


# --- read --------------------------------------------------------------------------------------------------------------


def test_shipments_are_read_back_to_a_time(market: Market) -> None:
    line = open_line(options={"watch_days": 0})
    made = line.create_shipment(parcel(bought(market)))
    market.calls.clear()
    since = datetime.fromtimestamp(market.now(), UTC) - timedelta(minutes=10)
    assert [each.external_id for each in line.fetch_shipments(since=since)] == [made]
    assert len(market.calls) == 1
    assert len(list(open_line().fetch_shipments(since=since))) > 10  # changes of the last days are seen
    assert len(list(open_line().fetch_shipments())) == len(market.shipments.all)


def test_a_filter_that_is_ignored_brings_no_other_orders_parcels(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bought(market)
    open_line().create_shipment(parcel(order))
    monkeypatch.setitem(market.shipments.list_shipments.__globals__, "words_in", lambda request, name: set())
    (found,) = open_line().fetch_shipments(order_id=str(order.id))
    assert found.order_id == str(order.id)


@pytest.mark.parametrize("carrier", ["ups", "pigeon", ""])
def test_a_parcel_by_any_carrier_is_read(market: Market, carrier: str) -> None:
    """GCO-T53: its carrier_info is an object, [] or not there."""
    line = open_line()
    seen = line.get_shipment(line.create_shipment(parcel(bought(market), carrier=carrier)))
    assert (seen.carrier, bool(seen.carrier_name)) == (carrier, carrier == "ups")


def test_a_parcel_that_is_not_there(market: Market) -> None:
    with pytest.raises(NotFound):
        open_line().get_shipment("999999")


# --- move on and remove ------------------------------------------------------------------------------------------------


def packed(market: Market) -> str:
    shipment_id = open_line().create_shipment(parcel(bought(market)))
    market.shipments.all[int(shipment_id)].status = "A"
    market.calls.clear()
    return shipment_id


def test_a_parcel_moves_on_by_its_letter_alone(market: Market) -> None:
    """GCO-T54"""
    shipment_id = packed(market)
    seen = open_line().update_shipment(shipment_id, ShipmentState.SHIPPED)
    assert market.asked == [
        f"GET /shipments/{shipment_id}",
        f"PUT /shipments/{shipment_id}",
        f"GET /shipments/{shipment_id}",
    ]
    assert market.bodies[1] == {"status": "S"}
    assert (seen.state, seen.tracking_number) == (ShipmentState.SHIPPED, "1Z0000000001")


def test_a_parcel_that_is_there_already_is_left_alone(market: Market) -> None:
    shipment_id = packed(market)
    open_line().update_shipment(shipment_id, ShipmentState.PACKED)
    assert market.asked == [f"GET /shipments/{shipment_id}"]


def test_a_number_that_was_blanked_is_put_back_once(market: Market) -> None:
    """GCO-T54"""
    market.switches.change(shipment_update="blank")
    shipment_id = packed(market)
    seen = open_line().update_shipment(shipment_id, ShipmentState.SHIPPED)
    assert (seen.tracking_number, seen.carrier, seen.state) == ("1Z0000000001", "ups", ShipmentState.SHIPPED)
    assert [body for body in market.bodies if body] == [
        {"status": "S"}, {"status": "S", "tracking_number": "1Z0000000001", "carrier": "ups"},
    ]  # fmt: skip


def test_a_number_that_can_not_be_put_back_is_told(market: Market) -> None:
    """GCO-T54"""
    market.switches.change(shipment_update="blank")
    shipment_id = packed(market)
    line = open_line()
    put, count = line._line.call, 0

    def refuse_the_second(operation: str, method: str, path: str, **more: Any) -> Any:
        nonlocal count
        count += method == "PUT"
        if method == "PUT" and count == 2:
            market.fault("GCO-18", "http_error", status=400)
        return put(operation, method, path, **more)

    line._line.call = refuse_the_second  # type: ignore[method-assign]
    with pytest.raises(PermanentError, match="tracking number and the carrier") as refusal:
        line.update_shipment(shipment_id, ShipmentState.SHIPPED)
    assert refusal.value.kind == "conflict"
    assert line.warnings
    assert count == 2


@pytest.mark.parametrize("state", [ShipmentState.NEW, ShipmentState.UNKNOWN])
def test_a_state_without_a_letter_is_refused_here(market: Market, state: ShipmentState) -> None:
    with pytest.raises(PermanentError):
        open_line().update_shipment("70001", state)
    assert not market.calls


@pytest.mark.parametrize("style", ["modern", "old"])
def test_removing_a_parcel_touches_no_product(market: Market, style: str) -> None:
    """GCO-T49, GCO-T55: whose documentation's sample deletes a product; 204, 200, and 404 on a repeat."""
    market.switches.change(style=style)
    line = open_line()
    order = bought(market)
    shipment_id = line.create_shipment(parcel(order, completes_order=True))
    market.calls.clear()
    products = set(market.products.all)
    line.delete_shipment(shipment_id)
    line.delete_shipment(shipment_id)
    assert market.asked == [f"DELETE /shipments/{shipment_id}"] * 2
    assert set(market.products.all) == products
    assert int(shipment_id) not in market.shipments.all
    assert order.status == "J"
