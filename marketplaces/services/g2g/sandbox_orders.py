"""Orders of the make-believe G2G: buyers buy, pay, wait, complain; the clock moves each order on."""

import string
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal
from marketplaces.services.g2g.sandbox_offers import Offer
from marketplaces.services.g2g.sandbox_records import Delivery, Order

if TYPE_CHECKING:
    from marketplaces.services.g2g.sandbox import Sandbox

DEADLINE_MS = 900_000
# A demonstration may run for weeks; the oldest orders are forgotten.
KEPT_ORDERS = 20_000
CLOSED = ("cancelled", "refunded", "delivered", "partial_delivered")
BUYERS_ANSWERS = {"e02308e5": "hello_world", "1759fb6c": "98f0250f"}


class Orders:
    """Every order. Public verbs take the lock themselves, since buyers and timers call them."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[str, Order] = {}
        self._last_ms = 0

    # --- the happy way, by the clock -------------------------------------------------------------------------

    def buy(
        self,
        *,
        offer_id: str,
        qty: int = 1,
        pay: bool = True,
        request_qty: int | None = None,
        buyer_fields: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> Order:
        """A buyer orders. `request_qty` asks for a part at first; `force` oversells. Raises Refusal."""
        with self._sandbox.lock:
            offer = self._sandbox.offers.all.get(offer_id)
            if offer is None or offer.status != "live":
                raise Refusal(404, "", "There is no such live offer")
            if type(qty) is not int or qty < 1:
                raise Refusal(400, "", "qty is a whole number from 1")
            if offer.available < qty and not force:
                raise Refusal(409, "", f"The offer has {offer.available} left")
            now = self._new_ms()
            letters = "".join(self._sandbox.random.choices(string.ascii_uppercase, k=4))
            order = Order(
                id=f"{now}{letters}-1",
                buyer_id=str(self._sandbox.random.randint(1_000_000_000, 1_999_999_999)),
                offer=offer,
                unit_price=_price(offer, qty),
                currency=offer.fields["currency"],
                purchased_qty=qty,
                created_at=now,
                updated_at=now,
                made_at=self._sandbox.stamp(),
                request_qty=request_qty,
                buyer_fields=buyer_fields or BUYERS_ANSWERS,
            )
            self.all[order.id] = order
            if len(self.all) > KEPT_ORDERS:
                del self.all[next(iter(self.all))]
            self._reserve(order)
            self._sandbox.events.order("G2G-WH-01", order)
            if pay:
                self._later(order, "pay_seconds", self.pay)
            return order

    def pay(self, order: Order) -> None:
        with self._sandbox.lock:
            if order.status != "unpaid":
                raise Refusal(409, "", f"The order is {order.status}")
            self._move(order, "paid")
            order.payment = "paid"
            self._sandbox.events.order("G2G-WH-02", order)
            self._later(order, "request_seconds", self.begin_delivery)

    def begin_delivery(self, order: Order) -> None:
        """Hand over what lies in the offer's inventory, and ask the seller for the rest."""
        with self._sandbox.lock:
            if order.status != "paid":
                return
            self._move(order, "start_delivering")
            items = order.offer.free_items[: order.missing] if order.offer.kind == "instant_inventory" else []
            for item in items:
                item.status = "sold"
            order.from_inventory += len(items)
            self._release(order, len(items))
            self.handed_over(order, len(items))
            if order.missing:
                self.request(order, order.request_qty)

    def request(self, order: Order, qty: int | None = None, mode: str = "normal", case_id: str = "") -> Delivery:
        """Ask the seller to deliver `qty` units now (order.api_delivery)."""
        with self._sandbox.lock:
            now = self._new_ms()
            delivery = Delivery(
                id=f"D{now}",
                requested_qty=min(qty or order.missing, order.missing),
                requested_at=now,
                expired_at=now + DEADLINE_MS,
                method=order.offer.kind,
                mode=mode,
                case_id=case_id,
                fields=_answers(order) if order.offer.kind == "direct_top_up" else [],
            )
            order.deliveries[delivery.id] = delivery
            order.updated_at = now
            self._sandbox.events.api_delivery(order, delivery)
            self._sandbox.after(DEADLINE_MS / 1000, lambda: self._sandbox.deliveries.expire(order, delivery))
            return delivery

    def handed_over(self, order: Order, units: int) -> None:
        """The buyer has `units` more; when nothing is missing, the buyer has three days to confirm."""
        order.delivered_qty += units
        if order.missing or order.status in CLOSED:
            return
        self._move(order, "awaiting_buyer_confirmation")
        self.await_buyer(order)

    def await_buyer(self, order: Order) -> None:
        """Count three days to the buyer's silent consent, when it is the buyer's turn."""
        if order.status == "awaiting_buyer_confirmation":
            order.life += 1
            self._later(order, "confirm_seconds", self.complete)

    def complete(self, order: Order) -> None:
        """The buyer confirms, or three days have passed."""
        with self._sandbox.lock:
            if order.status in CLOSED:
                raise Refusal(409, "", f"The order is {order.status}")
            whole = order.delivered_qty >= order.purchased_qty
            self._move(order, "delivered" if whole else "partial_delivered")
            self._close_deliveries(order, "cancelled")
            self._sandbox.events.order("G2G-WH-07", order)

    # --- on demand -------------------------------------------------------------------------------------------

    def act(self, order_id: str, action: str, **details: Any) -> Order:
        """Do one of ACTIONS to an order, as its buyer or G2G's staff would. Raises Refusal."""
        with self._sandbox.lock:
            order = self.all.get(order_id)
            if order is None or action not in ACTIONS:
                raise Refusal(404, "", f"There is no such order, or the action is not one of {', '.join(ACTIONS)}")
            ACTIONS[action](self, order, **details)
            return order

    def cancel(self, order: Order) -> None:
        if order.status in CLOSED:
            raise Refusal(409, "", f"The order is {order.status}")
        order.life += 1
        order.payment = "cancelled"
        self._move(order, "cancelled")
        self._close_deliveries(order, "cancelled")
        self._release(order, order.reserved)
        self._sandbox.events.order("G2G-WH-05", order)

    def give_up(self, order: Order) -> None:
        """Cancel an order that was never paid; one that was goes on."""
        with self._sandbox.lock:
            if order.status == "unpaid":
                self.cancel(order)

    def confirm(self, order: Order) -> None:
        """Confirm receipt, if there is something to confirm."""
        with self._sandbox.lock:
            if order.status == "awaiting_buyer_confirmation" and not order.missing:
                self.complete(order)

    def roll_back_cancelled(self, order: Order) -> None:
        if order.status != "cancelled":
            raise Refusal(409, "", "Only a cancelled order can be opened again")
        order.payment = "to_pay"
        self._move(order, "unpaid")
        self._reserve(order)
        self._sandbox.events.order("G2G-WH-08", order)

    def roll_back_completed(self, order: Order) -> None:
        if order.status not in ("delivered", "partial_delivered"):
            raise Refusal(409, "", "Only a completed order can be opened again")
        order.life += 1
        self._move(order, "delivering")
        self._sandbox.events.order("G2G-WH-09", order)

    def refund(self, order: Order, qty: int = 1) -> None:
        """Give the buyer's money for `qty` units back; what is not delivered yet goes first."""
        left = order.purchased_qty - order.refunded_qty
        if order.payment != "paid" or not 1 <= qty <= left:
            raise Refusal(409, "", f"{left} units of a {order.payment} order can be given back")
        undelivered = min(qty, order.missing)
        order.refunded_qty += qty
        order.refunded_undelivered += undelivered
        order.defected_qty += qty - undelivered
        self._release(order, undelivered)
        for delivery in order.deliveries.values():
            if delivery.is_open:
                delivery.requested_qty = min(delivery.requested_qty, order.missing)
        if not order.missing or order.refunded_qty == order.purchased_qty:
            order.life += 1
            self._move(order, "refunded")
            self._close_deliveries(order, "cancelled")
        self._sandbox.events.order("G2G-WH-06", order)

    def open_case(self, order: Order) -> str:
        case_id = f"C{self._new_ms()}"
        order.case_ids.append(case_id)
        self._sandbox.events.case_opened(order, case_id)
        return case_id

    def replace(self, order: Order, qty: int = 1) -> None:
        """The buyer complains about `qty` units and is promised others."""
        if not 1 <= qty <= order.delivered_qty:
            raise Refusal(409, "", f"{order.delivered_qty} units were delivered")
        case_id = order.case_ids[-1] if order.case_ids else self.open_case(order)
        order.replacement_qty += qty
        order.defected_qty += qty
        order.life += 1  # the three days begin anew
        self.request(order, qty, "replacement", case_id)

    # --- parts -----------------------------------------------------------------------------------------------

    def released_by_delivery(self, order: Order, units: int) -> None:
        """Handed-over units leave the promised stock, unless the seller has counted it again since the order."""
        self._release(order, units)
        offer = order.offer
        if offer.stock_set_at < order.made_at:
            offer.fields["api_qty"] = max(0, offer.fields["api_qty"] - units)
        self._sandbox.offers.stock_changed(offer)

    def _reserve(self, order: Order) -> None:
        order.reserved = order.missing
        order.offer.reserved += order.reserved
        self._sandbox.offers.stock_changed(order.offer)

    def _release(self, order: Order, units: int) -> None:
        units = min(units, order.reserved)
        order.reserved -= units
        order.offer.reserved -= units
        self._sandbox.offers.stock_changed(order.offer)

    def _close_deliveries(self, order: Order, word: str) -> None:
        for delivery in order.deliveries.values():
            if delivery.is_open:
                delivery.is_open, delivery.status = False, word

    def _move(self, order: Order, status: str) -> None:
        order.status, order.updated_at = status, self._new_ms()

    def _later(self, order: Order, option: str, step: Any) -> None:
        life = order.life

        def call() -> None:
            with self._sandbox.lock:
                if order.life == life and order.status not in CLOSED and (step != self.pay or order.status == "unpaid"):
                    step(order)

        self._sandbox.after(self._sandbox.options[option], call)

    def _new_ms(self) -> int:
        """Milliseconds that no other order or delivery has: ids are made of them."""
        self._last_ms = max(self._last_ms + 1, self._sandbox.clock.ms())
        return self._last_ms


def _price(offer: Offer, qty: int) -> float:
    for tier in offer.fields.get("wholesale_details", ()):
        if tier["min"] <= qty <= tier["max"]:
            return float(tier["unit_price"])
    return float(offer.fields["unit_price"])


def _answers(order: Order) -> list[Json]:
    """What the buyer filled in, keyed by the form's group ids, in the form of order.api_delivery."""
    filled = []
    for group in order.offer.product.methods[0]["attribute_group_list"]:
        answer = order.buyer_fields.get(group["attribute_group_id"])
        if answer is None:
            continue
        entry = {key: group[key] for key in ("attribute_group_id", "attribute_group_name", "attribute_key")}
        names = {choice["attribute_id"]: choice["attribute_name"] for choice in group["attribute_list"]}
        filled.append(
            {**entry, "attribute_id": answer, "attribute_value": names[answer]}
            if answer in names
            else {**entry, "value": answer}
        )
    return filled


ACTIONS: Mapping[str, Callable[..., Any]] = {
    "pay": Orders.pay,
    "cancel": Orders.cancel,
    "rollback_cancelled": Orders.roll_back_cancelled,
    "rollback_completed": Orders.roll_back_completed,
    "complete": Orders.complete,
    "refund": Orders.refund,
    "case": Orders.open_case,
    "replace": Orders.replace,
    "request": Orders.request,
}
