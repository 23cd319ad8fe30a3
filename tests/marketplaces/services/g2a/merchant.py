"""A merchant in memory who keeps the contract's section 4, or breaks it in one of `flaws`: for tests of the caller."""

import json
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from marketplaces.sandbox_words import Response

URL = "https://shop.test/hooks/1/"
CREDENTIALS = {"merchant_client_id": "demo-merchant", "merchant_client_secret": "demo-merchant-secret"}
NO_STORE = {"Cache-Control": "no-store"}


class No(Exception):
    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


class Merchant:
    """Sells text codes; ids that begin with "file" or "account" have codes of that kind."""

    def __init__(self, stock: int = 10) -> None:
        self.clock: Callable[[], float] = lambda: 0.0
        self.flaws: set[str] = set()
        self.codes = [f"CODE-{number:04}" for number in range(stock)]
        self.kind = "text"
        self.life = 3600
        self.tokens: dict[str, float] = {}
        self.holds: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.notices: list[Any] = []
        self._lock = threading.Lock()

    def __call__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Response:
        if "silent" in self.flaws:
            raise TimeoutError
        parts = urlsplit(url)
        path = parts.path.removeprefix("/hooks/1").removeprefix("/integration-api/v1")
        with self._lock:
            try:
                if path == "/oauth/token":
                    return self._token(dict(parse_qsl(parts.query or body.decode())))
                self._admit(headers)
                return self._route(method, path, parse_qs(parts.query), json.loads(body) if body else None)
            except No as no:
                return Response.of({"code": no.code, "message": "No"}, no.status)

    def _token(self, form: dict[str, str]) -> Response:
        if form["grant_type"] != "client_credentials":
            raise No(400, "BAD_REQUEST")
        if {f"merchant_{key}": form[key] for key in ("client_id", "client_secret")} != CREDENTIALS:
            raise No(401, "UNAUTHORIZED")
        token = str(uuid.uuid4())
        self.tokens[token] = self.clock() + self.life
        return Response.of({"access_token": token, "token_type": "bearer", "expires_in": self.life}, headers=NO_STORE)

    def _admit(self, headers: dict[str, str]) -> None:
        ends_at = self.tokens.get(headers.get("Authorization", "").removeprefix("Bearer "), 0)
        if ends_at <= self.clock() and "open_door" not in self.flaws:
            raise No(401, "UNAUTHORIZED")

    def _route(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Response:
        match [method, *path.strip("/").split("/")]:
            case ["GET", "healthcheck"]:
                return Response(204)
            case ["POST", "reservation"]:
                return self._held(self._hold(body[0]["product_id"], body[0]["quantity"]))
            case ["PUT", "reservation", hold_id]:
                return self._held(self._renewed(hold_id))
            case ["DELETE", "reservation", hold_id]:
                return self._released(hold_id)
            case ["POST", "order"]:
                return self._ordered(body)
            case [method, "order", order_id, "inventory", *rest]:
                return self._inventory(method, order_id, rest, query)
            case ["POST", "notifications"]:
                return self._notified(body)
            case ["POST", "reservations"]:
                return self._brief(body)
            case ["POST", "reservations", hold_id, "confirm"]:
                order = self._order_of(hold_id)
                ready = len(order["items"]) == order["quantity"]
                document = {"reservationId": hold_id, "status": "confirmed", "stockReady": ready}
                return Response.of(document, 200 if ready else 202)
            case ["GET", "inventory", brief_id]:
                return self._brief_keys(brief_id)
        raise No(404, "NOT_FOUND")

    # --- holds -----------------------------------------------------------------------------------------------

    def free(self) -> int:
        held = [hold["quantity"] for hold in self.holds.values() if hold["state"] == "held" and self._lasts(hold)]
        return len(self.codes) - sum(held)

    def _lasts(self, hold: dict[str, Any]) -> bool:
        return bool(self.clock() < hold["until"]) or "never_expires" in self.flaws

    def _hold(self, product_id: int, quantity: int, *, brief_id: str = "") -> str:
        if self.free() < quantity and "promises" not in self.flaws:
            raise No(400, "OUT_OF_STOCK")
        hold_id = str(uuid.uuid4())
        hold = {"product_id": product_id, "quantity": quantity, "state": "held", "brief_id": brief_id}
        self.holds[hold_id] = hold | {"made": self.clock(), "until": self.clock() + 1800}
        return hold_id

    def _held(self, hold_id: str) -> Response:
        stock = {"product_id": self.holds[hold_id]["product_id"], "inventory_size": max(0, self.free())}
        if "codes_in_reservation" in self.flaws:
            stock["inventory"] = [{"id": "1", "value": self.codes[0]}]
        return Response.of({"reservation_id": hold_id, "stock": [stock]})

    def _renewed(self, hold_id: str) -> str:
        hold = self.holds.get(hold_id)
        if hold is None or hold["state"] == "released":
            raise No(404, "NOT_FOUND")
        if hold["state"] == "ordered":
            raise No(400, "ORDER_EXISTS")
        hold["until"] = self.clock() + 1800
        return hold_id

    def _released(self, hold_id: str) -> Response:
        if hold_id not in self.holds:
            raise No(404, "NOT_FOUND")
        if self.holds[hold_id]["state"] == "ordered":
            raise No(400, "ORDER_EXISTS")
        self.holds[hold_id]["state"] = "released"
        return Response(204)

    # --- orders ----------------------------------------------------------------------------------------------

    def _order_of(self, hold_id: str) -> dict[str, Any]:
        """The order that a hold has become, or becomes now."""
        hold = self.holds.get(hold_id)
        if hold is None or hold["state"] == "released":
            raise No(404, "NOT_FOUND")
        if hold["state"] != "ordered":
            if not self._lasts(hold):
                raise No(410, "RESERVATION_EXPIRED")
            hold["state"] = "ordered"
            self.orders[hold_id] = {"items": {}, "seen": {}, **hold}
            self.fill()
        return self.orders[hold_id]

    def _ordered(self, body: Any) -> Response:
        hold_id = body["reservation_id"]
        if self.holds.get(hold_id, {}).get("state") == "ordered":
            if "double_order" not in self.flaws:
                raise No(409, "ORDER_EXISTS")
            self.orders[hold_id]["quantity"] *= 2
            self.fill()
        order = self._order_of(hold_id)
        status = 200 if len(order["items"]) == order["quantity"] else 202
        return Response.of({"order_id": hold_id, "stock": self._stock(order)}, status, NO_STORE)

    def fill(self) -> None:
        """Give every order what it waits for, as far as there are codes."""
        for order in self.orders.values():
            while len(order["items"]) < order["quantity"] and self.codes:
                value = self.codes[0] if "same_code" in self.flaws else self.codes.pop(0)
                order["items"][str(uuid.uuid4())] = value

    def _stock(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        if "new_ids" in self.flaws:
            order["items"] = {str(uuid.uuid4()): value for value in order["items"].values()}
        whole = len(order["items"]) == order["quantity"] or order["seen"]
        items = order["items"] if whole else {}
        inventory = [
            {"id": item_id, "value": value if self.kind == "text" else "", "kind": self.kind}
            for item_id, value in items.items()
        ]
        return [{"product_id": order["product_id"], "inventory_size": max(0, self.free()), "inventory": inventory}]

    def _inventory(self, method: str, order_id: str, rest: list[str], query: dict[str, list[str]]) -> Response:
        order = self.orders.get(order_id)
        if order is None:
            raise No(404, "NOT_FOUND")
        if method == "DELETE":
            return self._returned(order, query["id[]"])
        if not rest:
            return Response.of(self._stock(order), headers=NO_STORE)
        if rest[0] not in order["items"] or self.kind != ("account" if rest[1:] else "file"):
            raise No(404, "NOT_FOUND")
        user = {"username": order["items"][rest[0]], "password": "p", "email": "", "emailPassword": "", "optional": []}
        file = {"data": "aGVsbG8=", "fileName": "key.jpg", "mimeType": "image/jpeg"}
        return Response.of(user if rest[1:] else file, headers=NO_STORE)

    def _returned(self, order: dict[str, Any], ids: list[str]) -> Response:
        if set(ids) - order["items"].keys() - order["seen"].keys():
            raise No(400, "BAD_REQUEST")
        for item_id in set(ids) & order["items"].keys():
            order["seen"][item_id] = order["items"].pop(item_id)
            if "resells" in self.flaws:
                self.codes.insert(0, order["seen"][item_id])
        order["quantity"] = len(order["items"])
        return Response(204)

    # --- the rest --------------------------------------------------------------------------------------------

    def _notified(self, body: Any) -> Response:
        if not isinstance(body, list) or not all(isinstance(entry, dict) for entry in body):
            raise No(400, "BAD_REQUEST")
        self.notices += [entry for entry in body if entry not in self.notices]
        return Response(204)

    def _brief(self, body: Any) -> Response:
        found = next((hold for hold in self.holds.items() if hold[1]["brief_id"] == body["orderId"]), None)
        if found and found[1]["quantity"] != body["quantity"]:
            raise No(400, "BAD_REQUEST")
        hold_id = found[0] if found else self._hold(int(body["productId"]), body["quantity"], brief_id=body["orderId"])
        moments = {name: self.holds[hold_id][key] for name, key in (("createdAt", "made"), ("expiresAt", "until"))}
        shown = {name: datetime.fromtimestamp(moment, UTC).isoformat() for name, moment in moments.items()}
        return Response.of({**body, "reservationId": hold_id, "status": "reserved", **shown})

    def _brief_keys(self, brief_id: str) -> Response:
        for order in self.orders.values():
            if order["brief_id"] == brief_id:
                keys = list(order["items"].values())
                ready = len(keys) == order["quantity"]
                document = {"orderId": brief_id, "stockReady": ready} | ({"keys": keys} if ready else {})
                return Response.of(document, headers=NO_STORE)
        raise No(404, "NOT_FOUND")
