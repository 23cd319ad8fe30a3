"""What G2G's webhooks tell us: are they G2G's, which event is it, and whom does it concern (sections 2.2 and 4).

The signature covers the address, the user and the time; not the body, and not the event's id (G2G-P08). So whatever
stands in a body is a hint, and the shop reads order and delivery back before anything moves.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from backoffice.crypto import same
from marketplaces.exceptions import PermanentError, Refused, Unsupported
from marketplaces.services.g2g import mapping, reading, signing
from marketplaces.services.g2g.reading import ident, obj, text
from marketplaces.shop import Shop
from marketplaces.types import Call, Connection, Json, Notice

LONGEST_KIND = 100


def verify(connection: Connection, call: Call, now: datetime) -> None:
    """Raise Refused (401) unless one of the account's webhook secrets signed the call, just now."""
    timestamp = call.headers.get("g2g-timestamp", "")
    signature = call.headers.get("g2g-signature", "")
    if not timestamp or not signature:
        raise Refused(401, "The call has no g2g-timestamp or no g2g-signature: it does not come from G2G")
    if not connection.webhook_secrets:
        raise Refused(401, "This account has no webhook secret. Enter the secret token of G2G's API Integration page")
    user_id = str(connection.credentials.get("user_id", "")).strip()
    fits = [
        same(
            signature,
            signing.webhook_signature(
                secret=secret.strip(), url=connection.hook_url, user_id=user_id, timestamp=timestamp
            ),
        )
        for secret in connection.webhook_secrets
    ]
    if not any(fits):
        raise Refused(
            401,
            f"The signature fits none of the account's {len(fits)} webhook secret(s). Compare, to the letter, the secret"
            f" token, the user id, and the address that is registered at G2G with this one: {connection.hook_url}",
        )
    _in_time(connection, timestamp, now)


def _in_time(connection: Connection, timestamp: str, now: datetime) -> None:
    window = int(connection.options.get("webhook_window_seconds", 300))
    sent_at = reading.when(timestamp)
    if sent_at is None:
        raise Refused(401, "The call's g2g-timestamp is no time in milliseconds")
    off = (now - sent_at).total_seconds()
    if abs(off) > window:
        side = "behind" if off > 0 else "ahead of"
        raise Refused(
            401,
            f"The call's time is {abs(off):.0f} s {side} ours, more than the {window} s allowed. Check this machine's"
            " clock; the window is an option of the account",
        )


def notice(call: Call) -> Notice:
    """Say what a call is about. Never raises. Without an id of its own it is known by its content (G2G-P12)."""
    event = reading.parse(call.body)
    if event is None:
        return Notice(event_id=_digest("", call.body), kind="unreadable")
    kind, payload = text(event.get("event_type"))[:LONGEST_KIND], obj(event.get("payload"))
    return Notice(
        event_id=ident(event.get("id")) or _digest(kind, call.body),
        kind=kind or "unnamed",
        subject=ident(payload.get("order_id")) or ident(payload.get("offer_id")),
        happened_at=reading.when(event.get("event_happened_at")),
        is_urgent=ROUTES.get(kind) is _delivery_requested,
    )


def _digest(kind: str, body: bytes) -> str:
    return hashlib.sha256(kind.encode() + b"\n" + body).hexdigest()


def process(call: Call, shop: Shop, connection: Connection) -> None:
    """Tell the shop what an event is about. Safe to repeat, in any order.

    Raises PermanentError when it can't be read or is another seller's, and Unsupported when there is nothing to do: for
    an event nobody knows (G2G-P57), or the portal's test message, which names no order.
    """
    event = reading.parse(call.body)
    if event is None:
        raise PermanentError("The event is no JSON object, so nobody can tell what it is about", kind="invalid")
    kind, payload = text(event.get("event_type"))[:LONGEST_KIND], obj(event.get("payload"))
    route = ROUTES.get(kind)
    if route is None:
        raise Unsupported(f"Nothing is done about an event “{kind}”", kind="unsupported")
    _is_ours(payload, connection)
    needed = "offer_id" if route is _offer_changed else "order_id"
    if not ident(payload.get(needed)):
        raise Unsupported(f"The {kind} names no {needed}, as a test message does: nothing to do", kind="unsupported")
    route(shop, payload, notice(call).event_id)


def _is_ours(payload: Json, connection: Connection) -> None:
    seller, user_id = text(payload.get("seller_id")), str(connection.credentials.get("user_id", "")).strip()
    if seller and seller != user_id:
        raise PermanentError(
            f"The event is addressed to another seller ({seller[:40]}), not to this account's user id. If that seller is"
            " you, correct the user id; if not, somebody replayed a call of G2G's with a body of their own",
            kind="invalid",
        )


# --- one function per thing that can have happened -----------------------------------------------------------------


def _order_changed(shop: Shop, payload: Json, event_id: str) -> None:
    shop.order_changed(mapping.to_order(payload))


def _delivery_changed(shop: Shop, payload: Json, event_id: str) -> None:
    delivery_id = mapping.delivery_id_of(payload)
    if delivery_id:
        shop.delivery_changed(ident(payload.get("order_id")), delivery_id)
    else:
        shop.order_changed(mapping.to_order(payload))


def _delivery_requested(shop: Shop, payload: Json, event_id: str) -> None:
    shop.delivery_requested(mapping.to_delivery_request(payload), mapping.to_order(payload))


def _order_refunded(shop: Shop, payload: Json, event_id: str) -> None:
    shop.order_refunded(mapping.to_order(payload), event_id)


def _order_reopened(shop: Shop, payload: Json, event_id: str) -> None:
    shop.order_reopened(mapping.to_order(payload), event_id)


def _order_disputed(shop: Shop, payload: Json, event_id: str) -> None:
    shop.order_disputed(mapping.to_order(payload), event_id, ident(payload.get("case_id")))


def _offer_changed(shop: Shop, payload: Json, event_id: str) -> None:
    shop.offer_changed(ident(payload.get("offer_id")))


Route = Callable[[Shop, Json, str], None]

ROUTES: dict[str, Route] = {
    "order.created": _order_changed,  # G2G-WH-01
    "order.confirmed": _order_changed,  # G2G-WH-02
    "order.delivery_status": _delivery_changed,  # G2G-WH-03
    "order.api_delivery": _delivery_requested,  # G2G-WH-04
    "order.cancelled": _order_changed,  # G2G-WH-05
    "order.refunded": _order_refunded,  # G2G-WH-06
    "order.completed": _order_changed,  # G2G-WH-07
    "order.rollback_cancelled": _order_reopened,  # G2G-WH-08
    "order.rollback_completed": _order_reopened,  # G2G-WH-09
    "order.case_opened": _order_disputed,  # G2G-WH-10
    "offer.low_stock": _offer_changed,  # G2G-WH-11
}
