"""The make-believe Ginee by the contract's section 11: order lists and details (GIN-C01, GIN-C02)."""

import pytest

from tests.marketplaces.services.ginee.sandbox_caller import (
    DETAILS,
    LIST,
    SKU,
    code,
    control,
    data,
    new_market,
    utc,
    window,
)


@pytest.fixture
def market():
    return new_market()


def sell(market, count, **details):
    """Let buyers buy, a second apart, and return the orders' ids, oldest first."""
    ids = []
    for _ in range(count):
        ids.append(market.orders.buy(offer_id=SKU, stays=True, force=True, **details).id)
        market.advance(1)
    return ids


def read_all(market, body, most=20):
    """Follow the cursor as a careful client does, and return ids and pages."""
    ids, pages, cursor = [], [], None
    while len(pages) < most:
        page = data(market, LIST, body if cursor is None else {**body, "nextCursor": cursor})
        pages.append(page)
        ids += [row["orderId"] for row in page["content"]]
        following = page.get("nextCursor")
        if not page["more"] or not following or not page["content"] or following == cursor:
            return ids, pages
        cursor = following
    raise AssertionError("The list does not end")


def test_a_list_is_read_by_its_cursor_to_its_end(market):
    ids = sell(market, 25)
    seen, pages = read_all(market, window(market, size=10))
    assert seen == ids
    assert [(len(page["content"]), page["more"]) for page in pages] == [(10, True), (10, True), (5, False)]
    cursor = pages[0]["nextCursor"]
    assert [type(part) for part in cursor] == [str, str]
    assert cursor[1] == ids[9]


@pytest.mark.parametrize("end", ["more", "no_cursor", "empty_page", "same_cursor"])
def test_the_last_page_says_so_in_one_of_four_ways(market, end):
    ids = sell(market, 20)
    market.switches.list_end = end
    seen, pages = read_all(market, window(market, size=10))
    assert list(dict.fromkeys(seen)) == ids
    last = pages[-1]
    assert {
        "more": not last["more"],
        "no_cursor": last["more"] and "nextCursor" not in last,
        "empty_page": last["more"] and not last["content"],
        "same_cursor": last["more"] and last.get("nextCursor") == pages[-2]["nextCursor"],
    }[end]


def test_orders_of_the_same_moment_are_all_there(market):
    made = [market.orders.make({SKU: 1}, at=1_789_999_000_000_000).id for _ in range(7)]
    seen, _ = read_all(market, window(market, size=3))
    assert seen == made


def test_a_row_has_what_the_contract_shows(market):
    [order_id] = sell(market, 1, channel="LAZADA_ID")
    [row] = data(market, LIST, window(market))["content"]
    assert row.keys() == {
        "orderId",
        "orderStatus",
        "externalOrderId",
        "externalOrderSn",
        "externalOrderStatus",
        "channel",
        "shopId",
    }
    assert (row["orderId"], row["orderStatus"], row["channel"]) == (order_id, "PAID", "LAZADA_ID")


def test_changed_and_created_are_two_windows(market):
    old = market.orders.make({SKU: 1}, at=1_789_000_000_000_000)
    market.orders.act(old.id, "ready")
    since = {"createSince": utc(market, 1), "createTo": utc(market, -1)}
    assert [row["orderId"] for row in data(market, LIST, window(market))["content"]] == [old.id]
    assert data(market, LIST, since)["content"] == []
    since = {"createSince": utc(market, 12), "createTo": utc(market, 11)}
    assert [row["orderId"] for row in data(market, LIST, since)["content"]] == [old.id]


def test_lists_are_filtered(market):
    [shopee] = sell(market, 1, channel="SHOPEE_ID")
    [lazada] = sell(market, 1, channel="LAZADA_ID", status="PENDING_PAYMENT")
    number = market.orders.all[lazada].external_number

    def found(**wanted):
        return [row["orderId"] for row in data(market, LIST, window(market, **wanted))["content"]]

    assert (
        found(channel="LAZADA_ID") == found(orderStatus="PENDING_PAYMENT") == found(orderNumbers=[number]) == [lazada]
    )
    assert found(shopIdList=[market.orders.all[shopee].shop.id], orderType="NORMAL") == [shopee]
    assert found(orderType="PRE_SALE") == found(shopIdList=["SH1"]) == []


def test_the_usual_page_has_ten_rows(market):
    sell(market, 11)
    body = window(market)
    del body["size"]
    assert len(data(market, LIST, body)["content"]) == 10


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0},
        {"size": 101},
        {"size": "10"},
        {"orderStatus": "SHIPPED"},
        {"orderStatus": "COMPLETED"},
        {"channel": "MOON_ID"},
        {"orderType": "GIFT"},
        {"historicalData": "true"},
        {"lastUpdateSince": "2026-09-20"},
        {"lastUpdateSince": "2026-09-31T00:00:00Z"},
        {"lastUpdateSince": "2026-09-20T00:00:00+07:00"},
        {"lastUpdateTo": "2026-09-01T00:00:00Z"},
        {"shopIdList": [f"SH{number}" for number in range(51)]},
        {"orderNumbers": [str(number) for number in range(101)]},
        {"orderNumbers": "1"},
        {"nextCursor": "next"},
    ],
)
def test_a_list_refuses_what_is_wrong(market, change):
    assert code(market, LIST, {**window(market), **change}) == "PARAMETER_ERROR"


def test_a_window_is_needed(market):
    assert code(market, LIST, {"size": 10}) == "PARAMETER_ERROR"


def test_a_window_has_fifteen_days_at_most(market):
    body = {"lastUpdateSince": utc(market, 15), "lastUpdateTo": utc(market, 0)}
    assert code(market, LIST, body) == "SUCCESS"
    assert code(market, LIST, body | {"lastUpdateSince": utc(market, 15.001)}) == "PARAMETER_ERROR"
    assert code(market, LIST, {"lastUpdateSince": utc(market, 16)}) == "PARAMETER_ERROR"
    wide = {"createSince": utc(market, 30), "createTo": utc(market, 0)}
    assert code(market, LIST, body | wide) == "PARAMETER_ERROR"


def test_history_ends_after_three_months_unless_it_is_asked_for(market):
    [ancient, *_] = market.orders.make_history(count=10, days=200)
    body = {"createSince": utc(market, 190), "createTo": utc(market, 176)}
    assert code(market, LIST, body) == "PARAMETER_ERROR"
    [row] = data(market, LIST, body | {"historicalData": True})["content"]
    assert row["orderId"] == ancient.id
    assert code(market, LIST, {"createSince": utc(market, 92), "createTo": utc(market, 78)}) == "SUCCESS"
    assert code(market, LIST, {"createSince": utc(market, 92.5), "createTo": utc(market, 80)}) == "PARAMETER_ERROR"
    assert data(market, DETAILS, {"orderIds": [ancient.id]}) == []
    assert len(data(market, DETAILS, {"orderIds": [ancient.id], "historicalData": True})) == 1


def test_a_history_can_be_made_over_the_wire(market):
    made = control(market, "POST", "history", {"count": 12, "days": 90})["orders"]
    seen = []
    for begin in (90, 76, 62, 48, 34, 20, 6):
        seen += read_all(market, window(market, begin) | {"lastUpdateTo": utc(market, max(begin - 14, 0))})[0]
    assert seen == made
    assert len(made) == 12
    assert not market.messages


def test_a_channel_clock_may_be_behind(market):
    """GIN-P18."""
    market.switches.channel_clock_seconds = 3600.0
    [order_id] = sell(market, 1)
    body = {"lastUpdateSince": utc(market, 0.02)}
    assert data(market, LIST, body)["content"] == []
    body = {"lastUpdateSince": utc(market, 0.06)}
    assert [row["orderId"] for row in data(market, LIST, body)["content"]] == [order_id]


# --- details ---------------------------------------------------------------------------------------------------


def test_details_have_what_the_contract_shows(market):
    order = market.orders.buy(offer_id=SKU, qty=2, more={"800151": 1}, status="READY_TO_SHIP")
    market.advance(6)
    [details] = data(market, DETAILS, {"orderIds": [order.id], "historicalData": False})
    assert details["items"] == [
        {"itemId": order.lines[0].id, "sku": SKU, "quantity": 2},
        {"itemId": order.lines[1].id, "sku": "800151", "quantity": 1},
    ]
    assert (details["totalAmount"], details["paymentInfo"]["totalAmount"]) == (165_000.0, "165000.00")
    assert (details["totalQuantity"], details["currency"], details["country"]) == (3, "IDR", "ID")
    assert details["lastUpdateAt"] == details["externalUpdateAt"] >= details["createAt"]
    assert details["logisticsInfos"][0]["trackingNumber"] == order.deliveries[0].tracking_number != ""


@pytest.mark.parametrize("key", ["logisticsTrackingNumber", "trackingNo", "waybillNumber"])
def test_the_tracking_number_has_several_names(market, key):
    market.switches.tracking_key = key
    order = market.orders.buy(offer_id=SKU, status="READY_TO_SHIP")
    market.advance(6)
    [details] = data(market, DETAILS, {"orderIds": [order.id]})
    assert details["logisticsInfos"][0][key] == order.deliveries[0].tracking_number


def test_an_unpaid_order_has_no_payment_time(market):
    [order_id] = sell(market, 1, status="PENDING_PAYMENT")
    [details] = data(market, DETAILS, {"orderIds": [order_id]})
    assert (details["payAt"], details["promisedToShipBefore"]) == (None, None)


def test_an_unknown_id_is_missing_from_the_answer(market):
    ids = sell(market, 2)
    found = data(market, DETAILS, {"orderIds": [ids[0], "SO404", ids[1]]})
    assert [row["orderId"] for row in found] == ids


def test_details_are_found_by_the_channels_ids(market):
    [order_id] = sell(market, 1)
    order = market.orders.all[order_id]
    body = {"shopId": order.shop.id, "channelOrderIds": [order.external_id]}
    assert [row["orderId"] for row in data(market, DETAILS, body)] == [order_id]
    assert data(market, DETAILS, body | {"shopId": "SH404"}) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"orderIds": []},
        {"orderIds": "SO1"},
        {"orderIds": [1]},
        {"orderIds": [f"SO{number}" for number in range(101)]},
        {"channelOrderIds": ["1"]},
        {"shopId": "SH1", "channelOrderIds": [str(number) for number in range(101)]},
    ],
)
def test_details_refuse_what_is_wrong(market, body):
    assert code(market, DETAILS, body) == "PARAMETER_ERROR"


def test_a_hundred_ids_are_taken(market):
    assert data(market, DETAILS, {"orderIds": [f"SO{number}" for number in range(100)]}) == []


def test_details_come_in_three_shapes(market):
    ids = sell(market, 2)
    plain = data(market, DETAILS, {"orderIds": ids})
    market.switches.details_shape = "content"
    assert data(market, DETAILS, {"orderIds": ids}) == {"content": plain}
    market.switches.details_shape = "object"
    assert data(market, DETAILS, {"orderIds": ids[:1]}) == plain[0]
    assert data(market, DETAILS, {"orderIds": ids}) == plain
