"""What G2A asks of a merchant (G2A-IN-03 to G2A-IN-10, G2A-IN-12 to G2A-IN-14): the shop's answer in G2A's words.

Everything here runs inside G2A's request and inside one transaction: the shop calls nobody.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from urllib.parse import parse_qs

from marketplaces.exceptions import Declined, Reason
from marketplaces.services.g2a import merchant_words as words
from marketplaces.services.g2a.merchant_words import BadCall
from marketplaces.shop import CodeKind, Shop, SoldOrder, Terms
from marketplaces.types import Call, Connection, Reply

SHORTEST_HOLD = 1800  # seconds: G2A's floor, whatever an option says (G2A-P44)
MOST_RETURNED = 10_000

Ids = Sequence[str]
Answer = Callable[[Shop, Connection, Call, Ids], Reply]

# What is answered when the shop declines: status and code word.
DECLINED: dict[Reason, tuple[int, str]] = {
    Reason.NOT_FOUND: (404, "NOT_FOUND"),
    Reason.OUT_OF_STOCK: (400, "OUT_OF_STOCK"),
    Reason.PRICE_TOO_LOW: (400, "PRICE_TOO_LOW"),
    Reason.EXPIRED: (410, "RESERVATION_EXPIRED"),
    Reason.RELEASED: (404, "NOT_FOUND"),
    Reason.ALREADY_ORDERED: (409, "ORDER_EXISTS"),
    Reason.CONFLICT: (400, "BAD_REQUEST"),
}
# A renewal or a release of what became an order is not an attempt to order it again.
NOT_AN_ORDER = {Reason.ALREADY_ORDERED: (400, "BAD_REQUEST")}


def answer(ask: Answer, shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """Ask the shop; its no, and what can't be read, become G2A's error body."""
    about = ids[0] if ids else ""
    if not all(words.ID.fullmatch(external_id) for external_id in ids):
        return words.refused(404, "NOT_FOUND", "There is nothing with such an id", about=about)
    try:
        return ask(shop, connection, call, ids)
    except BadCall as bad:
        return words.refused(400, "BAD_REQUEST", str(bad), about=about)
    except Declined as declined:
        table = NOT_AN_ORDER if ask in (renew, release) and declined.reason in NOT_AN_ORDER else DECLINED
        status, code = table[declined.reason]
        return words.refused(status, code, declined.message, about=about)


def _terms(connection: Connection) -> Terms:
    options = connection.options
    return Terms(
        hold_for=timedelta(seconds=max(int(options.get("hold_seconds", SHORTEST_HOLD)), SHORTEST_HOLD)),
        may_be_short=options.get("orders_without_stock") == "yes",
        lowest_price_percent=int(options.get("lowest_price_percent", 0)),
    )


# --- reservations ----------------------------------------------------------------------------------------------------


def reserve(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-03."""
    found = shop.reserve(words.wanted_lines(words.document(call.body)), _terms(connection))
    return words.reply(200, words.reservation(found), about=found.id)


def renew(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-04."""
    lines = words.renewed_lines(words.document(call.body))
    found = shop.renew(ids[0], lines, _terms(connection))
    return words.reply(200, words.reservation(found), about=found.id)


def release(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-05."""
    shop.release(ids[0])
    return words.reply(204, about=ids[0])


# --- orders ------------------------------------------------------------------------------------------------------------


def order(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-06: 200 with the codes, or 202 when they are not all there yet."""
    body = words.document(call.body)
    reservation_id, external_id = words.needed_id(body, "reservation_id"), words.needed_id(body, "g2a_order_id")
    found = shop.order(reservation_id, external_id)
    return words.reply(200 if found.is_ready else 202, words.order(found), about=external_id)


def inventory(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-07."""
    found = shop.sold(ids[0])
    return words.reply(200, words.inventory(found.lines), about=found.external_id)


def give_back(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-08."""
    try:
        query = parse_qs(call.query, max_num_fields=MOST_RETURNED)
    except ValueError as error:
        raise BadCall("The query can't be read") from error
    item_ids = [*query.get("id[]", []), *query.get("id", [])]
    if not item_ids:
        raise BadCall("The query has no id[]")
    shop.take_back(ids[0], item_ids)
    return words.reply(204, about=ids[0])


def file(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-09."""
    item = shop.sold_item(ids[0], ids[1])
    if item.kind != CodeKind.FILE:
        raise Declined(Reason.NOT_FOUND, "The item is no file")
    return words.reply(200, words.file(item), about=ids[0])


def login(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-10."""
    item = shop.sold_item(ids[0], ids[1])
    if item.kind != CodeKind.ACCOUNT:
        raise Declined(Reason.NOT_FOUND, "The item is no account")
    return words.reply(200, words.login(item), about=ids[0])


# --- the same as the brief words it ------------------------------------------------------------------------------------


def brief_reserve(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-12."""
    order_id, line = words.brief_line(words.document(call.body))
    found = shop.reserve([line], _terms(connection), external_order_id=order_id)
    return words.reply(200, words.brief_reservation(found), about=found.id)


def brief_confirm(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-13: 200, or 202 when not all codes are there yet; they are handed over by G2A-IN-14."""
    found: SoldOrder = shop.confirm(ids[0])
    body = {"reservationId": ids[0], "status": "confirmed", "stockReady": found.is_ready}
    return words.reply(200 if found.is_ready else 202, body, about=ids[0])


def brief_inventory(shop: Shop, connection: Connection, call: Call, ids: Ids) -> Reply:
    """G2A-IN-14."""
    return words.reply(200, words.brief_inventory(ids[0], shop.sold_for(ids[0])), about=ids[0])
