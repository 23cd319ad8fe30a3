"""How orders are found and read in the make-believe Ginee (GIN-C01, GIN-C02)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Request, operation
from marketplaces.services.ginee.sandbox_checks import (
    MICROS,
    flag,
    micros,
    parameter_error,
    read_json,
    texts,
    whole,
    word,
)
from marketplaces.services.ginee.sandbox_records import ORDER_WORDS, Order

if TYPE_CHECKING:
    from marketplaces.services.ginee.sandbox import Sandbox

LONGEST_WINDOW = 15 * 86_400 * MICROS
HISTORY = 92 * 86_400 * MICROS
# What a request may take on its way, when it asks for the whole of the history.
HISTORY_GRACE = 60 * MICROS
MOST_SHOPS, MOST_NUMBERS, MOST_ORDERS = 50, 100, 100
CHANNELS = (
    "SHOPEE_ID",
    "LAZADA_ID",
    "TOKOPEDIA_ID",
    "BUKALAPAK_ID",
    "BLIBLI_ID",
    "TIKI_ID",
    "TIKTOK_ID",
    "SHOPIFY_ID",
    "WOO_COMMERCE_ID",
    "ZALORA_ID",
    "AKULAKU_ID",
    "GENIE_MASTER",
    "MANUAL_ID",
)


class Reading:
    """Lists by a window and a cursor, and details by ids."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox

    @operation("GIN-C01", "POST", "/openapi/order/v2/list-order")
    def list_orders(self, request: Request) -> Json:
        body = read_json(request)
        size = whole(body, "size", 1, 100, default=10)
        historical = flag(body, "historicalData")
        windows = [window for name in ("create", "lastUpdate") if (window := self._window(body, name, historical))]
        if not windows:
            raise parameter_error("createSince or lastUpdateSince is needed")
        wanted = {
            "channel": word(body, "channel", CHANNELS),
            "orderStatus": word(body, "orderStatus", ORDER_WORDS),
        }
        order_type = word(body, "orderType", ("PRE_SALE", "NORMAL"))
        shops = texts(body, "shopIdList", MOST_SHOPS)
        numbers = texts(body, "orderNumbers", MOST_NUMBERS)
        is_visible = self._is_visible(request, historical=historical)
        found = [
            order
            for order in self._sandbox.orders.all.values()
            if is_visible(order)
            and all(since <= self._at(order, name) <= to for name, since, to in windows)
            and all(order.row()[key] == value for key, value in wanted.items() if value)
            and order_type in ("", order.order_type)
            and (not shops or order.shop.id in shops)
            and (not numbers or order.external_number in numbers)
        ]
        return self._page(found, windows[-1][0], body.get("nextCursor"), size)

    def _window(self, body: Json, name: str, historical: bool) -> tuple[str, int, int] | None:
        since, to = micros(body, f"{name}Since"), micros(body, f"{name}To")
        if since is None:
            return None
        now = int(self._sandbox.clock.time() * MICROS)
        to = max(now, since) if to is None else to
        if to < since:
            raise parameter_error(f"{name}To is before {name}Since")
        if to - since > LONGEST_WINDOW:
            raise parameter_error("The time range is longer than 15 days")
        if not historical and since < now - HISTORY - HISTORY_GRACE:
            raise parameter_error("Orders older than 3 months need historicalData")
        return name, since, to

    def _at(self, order: Order, name: str) -> int:
        """When it was made or changed, by the channel's clock."""
        at = order.created_at if name == "create" else order.updated_at
        return at - self._channel_behind()

    def _channel_behind(self) -> int:
        return int(self._sandbox.switches.channel_clock_seconds * MICROS)

    def _is_visible(self, request: Request, *, historical: bool) -> Callable[[Order], bool]:
        """Return what tells the caller's orders of the last three months, or the older ones, from all others."""
        key = self._sandbox.access_key(request)
        oldest = int(self._sandbox.clock.time() * MICROS) - HISTORY - HISTORY_GRACE
        return lambda order: order.access_key == key and (order.updated_at < oldest) == historical

    def _page(self, found: list[Order], name: str, cursor: Any, size: int) -> Json:
        rows = sorted((self._at(order, name), order.id) for order in found)
        if cursor is not None:
            seen = _read_cursor(cursor)
            rows = [row for row in rows if row > seen]
        chosen, has_more = rows[:size], len(rows) > size
        page: Json = {
            "content": [self._sandbox.orders.all[order_id].row() for _, order_id in chosen],
            "more": has_more,
            "nextCursor": [str(chosen[-1][0]), chosen[-1][1]] if chosen else cursor,
        }
        if not has_more:
            self._end(page, cursor)
        return page

    def _end(self, page: Json, cursor: Any) -> None:
        """Say that it was the last page in one of the four ways."""
        style = self._sandbox.switches.list_end
        if style == "more":
            return
        page["more"] = True
        if style == "no_cursor":
            del page["nextCursor"]
        elif style == "same_cursor" and cursor is not None:
            page["nextCursor"] = cursor

    @operation("GIN-C02", "POST", "/openapi/order/v1/batch-get")
    def get_orders(self, request: Request) -> Any:
        body = read_json(request)
        ids = texts(body, "orderIds", MOST_ORDERS)
        channel_ids = texts(body, "channelOrderIds", MOST_ORDERS)
        is_visible = self._is_visible(request, historical=flag(body, "historicalData"))
        known = self._sandbox.orders.all
        if not ids and channel_ids and isinstance(body.get("shopId"), str):
            ids = channel_ids
            known = {order.external_id: order for order in known.values() if order.shop.id == body["shopId"]}
        if not ids:
            raise parameter_error("orderIds is needed, or shopId and channelOrderIds")
        details = [
            known[one].details(self._channel_behind(), self._sandbox.switches.tracking_key)
            for one in dict.fromkeys(ids)
            if one in known and is_visible(known[one])
        ]
        shape = self._sandbox.switches.details_shape
        if shape == "object" and len(details) == 1:
            return details[0]
        return {"content": details} if shape == "content" else details


def _read_cursor(cursor: Any) -> tuple[int, str]:
    match cursor:
        case [str(at), str(order_id)] if at.lstrip("-").isdigit():
            return int(at), order_id
    raise parameter_error("nextCursor is not one that was given out")
