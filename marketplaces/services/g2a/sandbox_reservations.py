"""Reservations that the make-believe G2A answers as the platform (G2A-16 to G2A-18), as the brief words them."""

import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json, Refusal, Request, Response, operation
from marketplaces.services.g2a import sandbox_checks as check
from marketplaces.services.g2a.sandbox_catalogue import Product
from marketplaces.services.g2a.sandbox_tokens import account_hash

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

HOLD_SECONDS = 1800
BASE = "/integration-api/v1"


@dataclass
class Reservation:
    id: str
    account: str
    order_id: str
    product: Product
    quantity: int
    created_at: float
    expires_at: float
    status: str = "reserved"  # confirmed, expired
    ready: bool = False
    keys: list[str] = field(default_factory=list, repr=False)
    reads: int = 0

    def shown(self) -> Json:
        return {
            "reservationId": self.id,
            "account": self.account,
            "orderId": self.order_id,
            "productId": self.product.id,
            "quantity": self.quantity,
            "status": self.status,
            "stockReady": self.ready,
            "keys": list(self.keys),
            "reads": self.reads,
        }


class Reservations:
    """Every account's reservations. The sandbox's lock is held around each operation."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[str, Reservation] = {}

    @operation("G2A-16", "POST", f"{BASE}/reservations")
    def reserve(self, request: Request) -> Json:
        body = check.read_json(request)
        check.only(body, {"orderId", "productId", "quantity"})
        order_id, quantity = check.text_of(body, "orderId"), check.whole_of(body, "quantity", 1, check.MOST_SIZE)
        product = self._sandbox.catalogue.need(check.text_of(body, "productId"))
        if self._of_order(request, order_id):
            raise Refusal(409, "", "There is a reservation for this order")
        if product.qty < quantity:
            raise Refusal(400, "", "There is not enough stock")
        product.qty -= quantity
        now = self._sandbox.clock.time()
        account = account_hash(request.seller)
        made = Reservation(self._sandbox.new_id(), account, order_id, product, quantity, now, now + HOLD_SECONDS)
        self.all[made.id] = made
        self._sandbox.after(HOLD_SECONDS, lambda: self._expire(made))
        return {
            "reservationId": made.id,
            "orderId": order_id,
            "productId": product.id,
            "quantity": quantity,
            "status": made.status,
            "expiresAt": self._moment(made.expires_at),
            "createdAt": self._moment(made.created_at),
        }

    @operation("G2A-17", "POST", f"{BASE}/reservations/{{reservation_id}}/confirm")
    def confirm(self, request: Request, reservation_id: str) -> Response:
        found = self.all.get(reservation_id)
        if found is None or found.account != account_hash(request.seller):
            raise Refusal(404, "", "There is no such reservation")
        if request.body:
            raise check.wrong("the body", "is empty")
        if found.status == "expired":
            raise Refusal(410, "", "The reservation has expired")
        if found.status == "reserved":
            found.status = "confirmed"
            self._sandbox.after(self._sandbox.options["stock_seconds"], lambda: self._fill(found))
            if not self._sandbox.options["stock_seconds"]:
                self._fill(found)
        document = {"reservationId": found.id, "status": found.status, "stockReady": found.ready}
        return Response.of(document, 200 if found.ready else 202)

    @operation("G2A-18", "GET", f"{BASE}/inventory/{{order_id}}")
    def inventory(self, request: Request, order_id: str) -> Json:
        found = self._of_order(request, order_id)
        if found is None:
            raise Refusal(404, "", "There is no such order")
        if not found.ready:
            return {"orderId": order_id, "stockReady": False}
        found.reads += 1
        return {"orderId": order_id, "stockReady": True, "keys": list(found.keys)}

    def _of_order(self, request: Request, order_id: str) -> Reservation | None:
        account = account_hash(request.seller)
        return next((made for made in self.all.values() if (made.account, made.order_id) == (account, order_id)), None)

    def _fill(self, reservation: Reservation) -> None:
        with self._sandbox.lock:
            if not reservation.ready:
                letters = string.ascii_uppercase
                made = ("".join(self._sandbox.random.choices(letters, k=15)) for _ in range(reservation.quantity))
                reservation.keys = [f"{text[:5]}-{text[5:10]}-{text[10:]}" for text in made]
                reservation.ready = True

    def _expire(self, reservation: Reservation) -> None:
        with self._sandbox.lock:
            if reservation.status == "reserved":
                reservation.status = "expired"
                reservation.product.qty += reservation.quantity

    def _moment(self, seconds: float) -> str | int:
        if self._sandbox.options["epoch_times"]:
            return int(seconds)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
