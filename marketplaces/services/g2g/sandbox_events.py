"""Webhooks of the make-believe G2G: what they say, how they are signed, and the log of them (G2G-WH-…, G2G-19)."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Message, Refusal, Request, Seller, operation
from marketplaces.services.g2g.sandbox_checks import read_json
from marketplaces.services.g2g.sandbox_offers import Offer
from marketplaces.services.g2g.sandbox_records import Delivery, Order

if TYPE_CHECKING:
    from marketplaces.services.g2g.sandbox import Sandbox

ORDER_EVENTS = {
    "G2G-WH-01": "order.created",
    "G2G-WH-02": "order.confirmed",
    "G2G-WH-05": "order.cancelled",
    "G2G-WH-06": "order.refunded",
    "G2G-WH-07": "order.completed",
    "G2G-WH-08": "order.rollback_cancelled",
    "G2G-WH-09": "order.rollback_completed",
}
SERVICE_WORDS = {"gift_card": "gift_card", "top_up": "direct_top_up", "manual": "game_account"}
FEE_PERCENT = 5
# Their API and their webhooks use different words for the same state.
WEBHOOK_WORDS = {"start_delivering": "start_deliver"}
STALE_MS = 3_600_000
NO_ANSWER = 504  # how the log shows a webhook that nobody answered
MOST_LOGGED = 100
FILTERS: Mapping[str, Callable[[Json, Any], bool]] = {
    "event_sent_from": lambda entry, value: entry["event_sent_at"] >= value,
    "event_sent_to": lambda entry, value: entry["event_sent_at"] <= value,
    "event_id": lambda entry, value: entry["event_id"] == value,
    "event_type": lambda entry, value: entry["event_type"] == value,
    "http_status": lambda entry, value: entry["http_status"] == value,
    "order_id": lambda entry, value: entry["http_request"]["payload"].get("order_id") == value,
    "offer_id": lambda entry, value: entry["http_request"]["payload"].get("offer_id") == value,
    "product_id": lambda entry, value: entry["http_request"]["payload"].get("product_id") == value,
}


class Events:
    """Tells sellers what happened, and answers G2G-19."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox

    # --- what happened ---------------------------------------------------------------------------------------

    def order(self, op: str, order: Order) -> None:
        """Send one of ORDER_EVENTS with a snapshot of the order."""
        payload = self._snapshot(order)
        if op == "G2G-WH-01":
            payload["other_pricing"] = [{"currency": "EUR", "unit_price": round(order.unit_price * 0.9, 2)}]
        if op == "G2G-WH-02":
            payload["order_status"] = self._sandbox.options["confirmed_word"] or payload["order_status"]
        if op == "G2G-WH-06":
            payload["order_status"] = "refunded"
        self._emit(op, ORDER_EVENTS[op], order.offer, payload, order.id)

    def api_delivery(self, order: Order, delivery: Delivery) -> None:
        summary = delivery.summary()
        if delivery.method == "direct_top_up":
            del summary["expired_at"]  # as it was seen
        payload = {
            **self._ids(order),
            **self._quantities(order),
            "undelivered_qty": order.missing,
            "delivery_summary": summary,
        }
        self._emit("G2G-WH-04", "order.api_delivery", order.offer, payload, order.id)

    def delivery_status(self, order: Order, delivery: Delivery) -> None:
        payload = self._sandbox.deliveries.result(order, delivery)
        self._emit("G2G-WH-03", "order.delivery_status", order.offer, payload, order.id)

    def case_opened(self, order: Order, case_id: str) -> None:
        payload = {
            "order_id": order.id,
            "offer_id": order.offer.id,
            "case_id": case_id,
            "order_status": _webhook_word(order),
        }
        self._emit("G2G-WH-10", "order.case_opened", order.offer, payload, order.id)

    def low_stock(self, offer: Offer) -> None:
        payload = {
            "offer_id": offer.id,
            "seller_id": offer.seller_id,
            "available_qty": offer.available,
            "api_qty": offer.fields["api_qty"],
            "low_stock_alert_qty": offer.fields["low_stock_alert_qty"],
        }
        self._emit("G2G-WH-11", "offer.low_stock", offer, payload, offer.id)

    def _ids(self, order: Order) -> Json:
        return {
            "order_id": order.id,
            "seller_id": order.offer.seller_id,
            "buyer_id": order.buyer_id,
            "offer_id": order.offer.id,
        }

    def _quantities(self, order: Order) -> Json:
        keys = ("purchased_qty", "delivered_qty", "refunded_qty", "defected_qty", "replacement_qty")
        return {key: getattr(order, key) for key in keys}

    def _snapshot(self, order: Order) -> Json:
        amount = round(order.unit_price * order.purchased_qty, 2)
        return {
            **self._ids(order),
            **self._quantities(order),
            "order_status": _webhook_word(order),
            "order_payment_status": order.payment,
            "offer_currency": order.currency,
            "checkout_currency": order.currency,
            "unit_price": order.unit_price,
            "amount": amount,
            "refunded_amount": round(order.unit_price * order.refunded_qty, 2),
            "commission_fee": round(amount * FEE_PERCENT / 100, 2),
            "commission_fee_rate": FEE_PERCENT,
            "offer_service_type": SERVICE_WORDS[order.offer.product.kind],
            "product_id": order.offer.product.id,
            "order_created_at": order.created_at,
        }

    def _emit(self, op: str, kind: str, offer: Offer, payload: Json, about: str) -> None:
        document = {
            "id": f"{uuid.uuid4()}-1",
            "event_happened_at": self._sandbox.clock.ms(),
            "event_type": kind,
            "payload": payload,
        }
        self._sandbox.emit(op, kind, self._receivers(offer.seller_id), document, about)

    def _receivers(self, seller_id: str) -> list[Seller]:
        sellers = self._sandbox.sellers()
        return [seller for seller in sellers if seller.url and seller.credentials.get("user_id") == seller_id]

    # --- the log ---------------------------------------------------------------------------------------------

    @operation("G2G-19", "POST", "/{version:v1|v2}/logs/webhooks/search")
    def search_log(self, request: Request, version: str) -> Json:
        body = read_json(request)
        wanted, limit = body.get("filter"), body.get("limit", 20)
        if not isinstance(wanted, dict):
            raise Refusal(400, "", "filter is an object and is needed")
        if type(limit) is not int or not 1 <= limit <= MOST_LOGGED:
            raise Refusal(400, "", f"limit is a whole number from 1 to {MOST_LOGGED}")
        if body.get("sort_order", "asc") not in ("asc", "desc"):
            raise Refusal(400, "", "sort_order is asc or desc")
        rows = [
            entry
            for entry in self._log(self._sandbox.user_id(request))
            if all(fits(entry, wanted[key]) for key, fits in FILTERS.items() if key in wanted)
        ]
        if body.get("sort_order") == "desc":
            rows.reverse()
        begin = int(body["after"]) if str(body.get("after") or "").isdigit() else 0
        rest = rows[begin + limit :]
        return {"results": rows[begin : begin + limit], "after": str(begin + limit) if rest else ""}

    def _log(self, seller_id: str) -> list[Json]:
        entries = [
            {
                "event_id": message.id,
                "event_type": message.kind,
                "webhook_url": message.seller.url,
                "http_status": attempt["status"] or NO_ANSWER,
                "http_request": message.document,
                "response_time": int(attempt.get("seconds", 0)),
                "event_sent_at": attempt["sent_at"],  # by the clock that others share, or nobody finds it
            }
            for message in self._sandbox.messages
            if message.seller.credentials.get("user_id") == seller_id
            for attempt in message.attempts
        ]
        return sorted(entries, key=lambda entry: entry["event_sent_at"])


def sign(message: Message, now_ms: int) -> dict[str, str]:
    """Return the headers of a webhook sent at `now_ms`: HMAC over registered URL, user id and time (2.2)."""
    timestamp = str(now_ms - STALE_MS if "stale_timestamp" in message.modes else now_ms)
    token = message.seller.secrets[0] if message.seller.secrets else ""
    text = message.seller.signed_url + message.seller.credentials.get("user_id", "") + timestamp
    signature = hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()
    if "wrong_signature" in message.modes:
        signature = signature[::-1]
    return {
        "Content-Type": "application/json",
        "User-Agent": "G2G-Sandbox",
        "g2g-timestamp": timestamp,
        "g2g-signature": signature,
    }


# --- what can be wrong with a body, by mode; each gets a copy of what is meant ---------------------------------


def disguise(document: Json, modes: frozenset[str]) -> bytes:
    changed = json.loads(json.dumps(document))
    for mode, change in DISGUISES.items():
        if mode in modes:
            change(changed)
    body = json.dumps(changed, ensure_ascii=False).encode()
    return body[: len(body) // 2] if "unreadable" in modes else body


def _without_id(document: Json) -> None:
    document.pop("id", None)
    document.pop("event_happened_at", None)


def _unknown_type(document: Json) -> None:
    document["event_type"] = "order.of_tomorrow"


def _flat(document: Json) -> None:
    summary = document["payload"].pop("delivery_summary", None)
    if summary is not None:
        document["payload"] |= {"delivery_id": summary["delivery_id"], "delivery_qty": summary["requested_qty"]}


def _empty_texts(document: Json) -> None:
    for entry in document["payload"].get("delivery_summary", {}).get("delivery_method_list", ()):
        for key in ("attribute_id", "attribute_value", "value"):
            entry.setdefault(key, "")


def _without_deadline(document: Json) -> None:
    document["payload"].get("delivery_summary", {}).pop("expired_at", None)


def _forged_quantity(document: Json) -> None:
    payload = document["payload"]
    for holder, key in ((payload, "purchased_qty"), (payload.get("delivery_summary", {}), "requested_qty")):
        if key in holder:
            holder[key] *= 10


def _forged_order(document: Json) -> None:
    document["payload"]["order_id"] = "1600000000000FAKE-1"


DISGUISES: Mapping[str, Callable[[Json], None]] = {
    "portal_test": _without_id,
    "unknown_type": _unknown_type,
    "flat_delivery_id": _flat,
    "empty_texts": _empty_texts,
    "no_expired_at": _without_deadline,
    "forged_body": _forged_quantity,
    "forged_order": _forged_order,
}
MODES = frozenset(DISGUISES) | {"unreadable"}


def _webhook_word(order: Order) -> str:
    return WEBHOOK_WORDS.get(order.status, order.status)
