"""The API that we host for G2A (section 4 of the contract): who may call, which call it is, and what is a notification."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs
from uuid import uuid4

from django.utils import timezone

from marketplaces.exceptions import PermanentError, Refused, Unsupported
from marketplaces.services.g2a import merchant, merchant_tokens, merchant_words as words, reading
from marketplaces.services.g2a.merchant import Answer
from marketplaces.services.g2a.merchant_words import BadCall
from marketplaces.shop import Shop
from marketplaces.types import Call, Connection, Json, Notice, Reply

METHODS = ("GET", "POST", "PUT", "DELETE")
TOKEN, HEALTH, NOTIFICATIONS = "G2A-IN-01 token", "G2A-IN-02 health check", "G2A-IN-11 notifications"
TOKEN_SECONDS = 3600
MOST_FIELDS = 20
MOST_NOTIFICATIONS = 1000

# What a caller is told about a refusal. The reason for staff says more.
REFUSALS = {
    400: ("BAD_REQUEST", "The call can't be read"),
    401: ("UNAUTHORIZED", "The credentials or the token are wrong, or the token has expired"),
    403: ("FORBIDDEN", "This merchant does not take calls now"),
    404: ("NOT_FOUND", "There is no such address"),
    413: ("BAD_REQUEST", "The body is too large"),
}
BROKEN = ("INTERNAL", "Something went wrong here; nothing was changed")


@dataclass(frozen=True)
class Route:
    """Which call it is, what asks the shop, and the ids in its path."""

    name: str
    ask: Answer | None = None
    ids: tuple[str, ...] = ()


def route_of(connection: Connection, call: Call) -> Route | None:
    """Find the call by its method and path; None for one that we do not serve."""
    path = call.path.strip("/").split("/")
    return _merchant_route(call.method, path) or _brief_route(connection, call.method, path)


def _merchant_route(method: str, path: list[str]) -> Route | None:
    match method, path:
        case "GET" | "POST", ["oauth", "token"]:
            return Route(TOKEN)
        case "GET", ["healthcheck"]:
            return Route(HEALTH)
        case "POST", ["notifications"]:
            return Route(NOTIFICATIONS)
        case "POST", ["reservation"]:
            return Route("G2A-IN-03 reserve", merchant.reserve)
        case "PUT", ["reservation", reservation_id]:
            return Route("G2A-IN-04 renew", merchant.renew, (reservation_id,))
        case "DELETE", ["reservation", reservation_id]:
            return Route("G2A-IN-05 release", merchant.release, (reservation_id,))
        case "POST", ["order"]:
            return Route("G2A-IN-06 order", merchant.order)
        case "GET", ["order", order_id, "inventory"]:
            return Route("G2A-IN-07 inventory", merchant.inventory, (order_id,))
        case "DELETE", ["order", order_id, "inventory"]:
            return Route("G2A-IN-08 return", merchant.give_back, (order_id,))
        case "GET", ["order", order_id, "inventory", item_id]:
            return Route("G2A-IN-09 file", merchant.file, (order_id, item_id))
        case "GET", ["order", order_id, "inventory", item_id, "account"]:
            return Route("G2A-IN-10 account", merchant.login, (order_id, item_id))
    return None


def _brief_route(connection: Connection, method: str, path: list[str]) -> Route | None:
    if connection.options.get("dialect") == "live":
        return None
    if path[:2] == ["integration-api", "v1"]:
        path = path[2:]
    match method, path:
        case "POST", ["reservations"]:
            return Route("G2A-IN-12 reserve", merchant.brief_reserve)
        case "POST", ["reservations", reservation_id, "confirm"]:
            return Route("G2A-IN-13 confirm", merchant.brief_confirm, (reservation_id,))
        case "GET", ["inventory", order_id]:
            return Route("G2A-IN-14 inventory", merchant.brief_inventory, (order_id,))
    return None


# --- who may call ----------------------------------------------------------------------------------------------------


def verify(connection: Connection, call: Call) -> None:
    """Raise Refused unless G2A proves itself, by our client's secret or by a token of ours, and the call is one we serve."""
    route = route_of(connection, call)
    if route and route.name == TOKEN:
        _verify_client(connection, call)
        return
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not merchant_tokens.is_good(connection, token.strip()):
        raise Refused(
            401,
            "The call has no token of ours, or one that has expired; G2A fetches a new one by itself. If this goes on, "
            "compare the merchant client id and secret with those in G2A's panel",
        )
    if route is None:
        reason = f"G2A made a call that is not served here: {call.method} {call.path[:100]}"
        raise Refused(404, reason, by_stranger=False)
    if route.name == NOTIFICATIONS and _notifications(call.body) is None:
        raise Refused(400, "G2A sent notifications that are no array of objects", by_stranger=False)


def _verify_client(connection: Connection, call: Call) -> None:
    sent = call.query if call.method == "GET" else call.body.decode("latin-1")
    try:
        form = parse_qs(sent, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Refused(400, "G2A asked for a token with a form that can't be read") from error
    client_id, client_secret, grant_type = (
        form.get(name, [""])[0] for name in ("client_id", "client_secret", "grant_type")
    )
    if not merchant_tokens.knows(connection, client_id, client_secret):
        raise Refused(
            401,
            "G2A asked for a token with a client id or secret that are not this account's. Enter the same in G2A's panel "
            "and here",
        )
    if grant_type not in ("", "client_credentials"):
        raise Refused(400, "G2A asked for a token with another grant type than client_credentials", by_stranger=False)


def refusal(status: int) -> Reply:
    """What a call that is not accepted is told."""
    code, message = REFUSALS.get(status, BROKEN)
    return words.refused(status, code, message)


# --- answering -------------------------------------------------------------------------------------------------------


class TooLate(Exception):
    """G2A has hung up by now: what it does not learn of must not have happened."""


def is_question(connection: Connection, call: Call) -> bool:
    route = route_of(connection, call)
    return route is not None and route.name != NOTIFICATIONS


def answer(connection: Connection, call: Call, shop: Shop) -> Reply:
    """Answer a verified question. Raises TooLate, so that its transaction is undone, when nobody waits any more."""
    route = route_of(connection, call) or Route("")
    reply = _answer(connection, call, shop, route)
    waited = (timezone.now() - call.received_at).total_seconds()
    if waited > int(connection.options.get("deadline_seconds", 9)):
        raise TooLate(f"{route.name} took {waited:.1f} s")
    return reply


def _answer(connection: Connection, call: Call, shop: Shop, route: Route) -> Reply:
    if route.name == TOKEN:
        seconds = int(connection.options.get("token_seconds", TOKEN_SECONDS))
        token = merchant_tokens.issue(connection, seconds)
        return words.reply(200, {"access_token": token, "token_type": "bearer", "expires_in": seconds})
    if route.ask is None:
        return words.reply(204)
    return merchant.answer(route.ask, shop, connection, call, route.ids)


# --- notifications ---------------------------------------------------------------------------------------------------


def notice(connection: Connection, call: Call) -> Notice:
    """Say what a call is about. Never raises. A question is kept by the answer, under an id of its own."""
    route = route_of(connection, call) or Route("unknown")
    if route.name == NOTIFICATIONS:
        found = _notifications(call.body) or [{}]
        return _notice_of(connection, found[0])
    return Notice(
        event_id=uuid4().hex,
        kind=route.name,
        subject=route.ids[0] if route.ids else "",
        is_kept=route.name != HEALTH,
        has_secrets=route.name == TOKEN,
    )


def notices(connection: Connection, call: Call) -> Iterable[tuple[Call, Notice]]:
    """Take an array of notifications apart: each is kept once, however they are put together in a repeat."""
    for found in _notifications(call.body) or []:
        part = Call(
            call.method, call.path, "", call.headers, json.dumps([found], default=str).encode(), call.received_at
        )
        yield part, _notice_of(connection, found)


def process(call: Call, shop: Shop) -> None:
    """Tell the shop about one notification (G2A-IN-11). Safe to repeat.

    Raises Unsupported for a type that nobody knows, and for a question, which was answered when it came.
    """
    found = (_notifications(call.body) or [{}])[0] if call.path.strip("/") == "notifications" else {}
    kind = reading.text(found.get("notification_type"))
    if reading.word(kind) != "auction_deactivated":
        raise Unsupported(f"Nothing is to be done about “{kind or 'a question that was answered'}”", kind="unsupported")
    data = reading.obj(found.get("data"))
    ids = [reading.ident(data.get(name)) for name in ("offer_id", "auction_id")]
    if not any(ids):
        raise PermanentError("The notification names neither an offer nor an auction", kind="invalid")
    shop.offer_stopped([external_id for external_id in ids if external_id], reading.text(data.get("message")))


def _notifications(body: bytes) -> list[Json] | None:
    try:
        found = words.document(body)
    except BadCall:
        return None
    if not isinstance(found, list) or len(found) > MOST_NOTIFICATIONS:
        return None
    return found if all(isinstance(entry, dict) for entry in found) else None


def _notice_of(connection: Connection, found: Json) -> Notice:
    """A notification has no id: it is known by type, date, offer and auction (section 4.4)."""
    data = reading.obj(found.get("data"))
    kind, date = reading.text(found.get("notification_type")), reading.text(found.get("date"))
    offer_id, auction_id = (reading.ident(data.get(name)) for name in ("offer_id", "auction_id"))
    known_by = "\n".join((connection.account_id, kind, date, offer_id, auction_id))
    return Notice(
        event_id=hashlib.sha256(known_by.encode()).hexdigest(),
        kind=kind or "unnamed",
        subject=offer_id or auction_id,
        happened_at=reading.when(found.get("date")),
    )
