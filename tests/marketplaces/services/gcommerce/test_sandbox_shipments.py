"""The make-believe G-Commerce by the contract's section 11: shipments."""

import pytest

from tests.marketplaces.services.gcommerce.caller import call, new_market, ok, send, status_of


@pytest.fixture
def market():
    return new_market()


@pytest.fixture
def order(market):
    """Two lines: five of one thing and two of another."""
    return market.orders.buy(items=[("123456", 5), ("200004", 2)], status="K", force=True)


def parcel(order, quantities=None, **fields):
    """The body of GCO-16; `quantities` go to the order's lines in their order."""
    body = {"order_id": order.id, "shipping_id": 44, "carrier": "ups", "tracking_number": "1Z1", "comments": ""}
    if quantities is not None:
        body["products"] = {str(item): count for item, count in zip(order.items, quantities, strict=False)}
    return body | fields


def ship(market, order, quantities=None, **fields):
    return ok(market, "POST", "/shipments", parcel(order, quantities, **fields))["shipment_id"]


def contents(market, id):
    return [int(count) for count in ok(market, "GET", f"/shipments/{id}")["products"].values()]


# --- making one ------------------------------------------------------------------------------------------------


def test_a_shipment_says_what_lies_in_it_and_how_it_travels(market, order):
    status, answer = call(market, "POST", "/shipments", parcel(order, [2], status="S"))
    assert (status, type(answer["shipment_id"])) == (201, int)
    shown = ok(market, "GET", f"/shipments/{answer['shipment_id']}")
    assert (shown["status"], shown["carrier"], shown["tracking_number"]) == ("S", "ups", "1Z1")
    assert shown["products"] == {str(next(iter(order.items))): "2"}
    assert shown["carrier_info"] == {"name": "UPS", "tracking_url": "https://track.example.com/?n=1Z1"}
    assert (shown["order_id"], shown["shipping"]) == (str(order.id), "Standard Shipping")
    assert ok(market, "GET", f"/orders/{order.id}")["shipment_ids"] == [shown["shipment_id"]]
    assert ok(market, "GET", "/shipments", order_id=order.id)["params"]["total_items"] == "1"


@pytest.mark.parametrize(
    "change",
    [
        {"order_id": None},
        {"order_id": 5001},
        {"shipping_id": None},
        {"carrier": "", "tracking_number": ""},
        {"status": "X"},
    ],
    ids=str,
)
def test_what_is_required_must_be_there(market, order, change):
    assert status_of(market, "POST", "/shipments", parcel(order, [1], **change)) == 400
    assert market.shipments.made() == []


def test_the_old_style_needs_no_carrier_and_starts_at_p(market, order):
    market.switches.style = "old"
    status, answer = call(market, "POST", "/shipments", parcel(order, [1], carrier="", tracking_number=""))
    assert status == 200
    shown = ok(market, "GET", f"/shipments/{answer['shipment_id']}")
    assert shown["status"] == "P"


def test_what_is_known_of_the_carrier_comes_as_object_list_or_not_at_all(market, order):
    ids = [ship(market, order, [1], carrier=carrier) for carrier in ("usps", "post", "")]
    shown = [ok(market, "GET", f"/shipments/{id}") for id in ids]
    assert (shown[0]["carrier_info"]["name"], shown[1]["carrier_info"]) == ("USPS", [])
    assert "carrier_info" not in shown[2]


@pytest.mark.parametrize("nothing", [{}, [], None], ids=str)
def test_no_products_ship_the_rest(market, order, nothing):
    """GCO-P24."""
    ship(market, order, [3])
    id = ship(market, order, products=nothing)
    assert contents(market, id) == [2, 2]


def test_absent_products_ship_all(market, order):
    assert contents(market, ship(market, order)) == [5, 2]


def test_quantities_are_reduced_in_silence_to_what_is_left(market, order):
    ship(market, order, [3])
    assert contents(market, ship(market, order, [5, 1])) == [2, 1]


def test_nothing_left_is_400_with_a_bare_phrase(market, order):
    ship(market, order)
    nothing_left = (400, {"message": "Bad Request: ", "status": 400})
    assert call(market, "POST", "/shipments", parcel(order)) == nothing_left
    assert call(market, "POST", "/shipments", parcel(order, [1])) == nothing_left


def test_only_lines_of_the_order_are_shipped(market, order):
    body = parcel(order, products={"1": 1, "x": 2})
    assert status_of(market, "POST", "/shipments", body) == 400
    body["products"][str(next(iter(order.items)))] = "2"
    assert contents(market, ok(market, "POST", "/shipments", body)["shipment_id"]) == [2]


def test_the_same_post_makes_a_second_shipment(market, order):
    """GCO-P26: while there is something left."""
    ids = [ship(market, order, [1]) for _ in range(2)]
    assert len(set(ids)) == len(market.shipments.made()) == 2
    rows = ok(market, "GET", "/shipments", order_id=order.id)["shipments"]
    assert [row["tracking_number"] for row in rows] == ["1Z1", "1Z1"]


def test_the_order_gets_the_letter_that_was_sent_even_with_a_part(market, order):
    """GCO-P27."""
    ship(market, order, [1])
    assert order.status == "K"
    ship(market, order, [1], order_status="J")
    assert order.status == "J"


def test_the_letter_can_be_passed_over(market, order):
    market.switches.order_status_ignored = True
    ship(market, order, order_status="J")
    assert order.status == "K"


# --- changing and deleting -------------------------------------------------------------------------------------


def change(market, id, **fields):
    return call(market, "PUT", f"/shipments/{id}", fields)


def test_the_whitelist_takes_four_fields_and_keeps_the_others(market, order):
    id = ship(market, order)
    assert change(market, id, status="S") == (200, {"shipment_id": id})
    shown = ok(market, "GET", f"/shipments/{id}")
    assert (shown["status"], shown["tracking_number"], shown["carrier"]) == ("S", "1Z1", "ups")
    assert change(market, id, tracking_number="1Z2", comments="Left", timestamp=1700000000)[0] == 200
    shown = ok(market, "GET", f"/shipments/{id}")
    assert (shown["tracking_number"], shown["comments"]) == ("1Z2", "Left")
    assert shown["shipment_timestamp"] == "1700000000"


@pytest.mark.parametrize("fields", [{"carrier": "dhl"}, {"status": "X"}, {"status": ""}, {"timestamp": "x"}], ids=str)
def test_the_whitelist_refuses_the_rest(market, order, fields):
    id = ship(market, order)
    assert change(market, id, tracking_number="1Z2", **fields)[0] == 400
    assert ok(market, "GET", f"/shipments/{id}")["tracking_number"] == "1Z1"


def test_an_old_version_blanks_what_is_left_out(market, order):
    id = ship(market, order)
    market.switches.shipment_update = "blank"
    assert change(market, id, status="S")[0] == 200
    shown = ok(market, "GET", f"/shipments/{id}")
    assert (shown["status"], shown["tracking_number"], shown["carrier"]) == ("S", "", "")
    assert change(market, id, status="S", tracking_number="1Z1", carrier="ups")[0] == 200
    assert ok(market, "GET", f"/shipments/{id}")["tracking_number"] == "1Z1"


def test_deleting_frees_the_lines_and_leaves_the_letter(market, order):
    id = ship(market, order, order_status="J")
    response = send(market, "DELETE", f"/shipments/{id}")
    assert (response.status, response.body) == (204, b"")
    assert order.status == "J"
    assert ok(market, "GET", f"/orders/{order.id}")["shipment_ids"] == []
    assert [status_of(market, method, f"/shipments/{id}") for method in ("GET", "DELETE")] == [404, 404]
    assert contents(market, ship(market, order)) == [5, 2]


def test_an_old_version_deletes_what_is_not_there(market):
    """GCO-P29."""
    market.switches.style = "old"
    assert call(market, "DELETE", "/shipments/5") == (200, {"message": "Ok"})


def test_a_shipment_may_hold_nothing(market):
    """Keys that would be empty are absent."""
    shown = ok(market, "GET", "/shipments/70001")
    assert not shown.keys() & {"products", "group_key"}
    assert "user_id" in shown
