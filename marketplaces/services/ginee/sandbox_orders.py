"""Orders of the make-believe Ginee: buyers buy on a channel, the clock moves each order on, warehouses pack and ship."""

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal
from marketplaces.services.ginee.sandbox_checks import MICROS
from marketplaces.services.ginee.sandbox_goods import Stock
from marketplaces.services.ginee.sandbox_records import (
    CARRIERS,
    ORDER_WORDS,
    UNPAID,
    DeliveryOrder,
    Line,
    Order,
)

if TYPE_CHECKING:
    from marketplaces.services.ginee.sandbox import Sandbox

# A demonstration may run for weeks; the oldest orders are forgotten.
KEPT_ORDERS = 20_000
CLOSED = ("DELIVERED", "CANCELLED", "RETURNED", "FAILED")
DAY = 86_400 * MICROS


class Orders:
    """Every order. Public verbs take the lock themselves, since buyers and timers call them."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[str, Order] = {}
        self._numbers = itertools.count(1)
        self.latest = 0  # the moment of the last change

    # --- the happy way, by the clock -------------------------------------------------------------------------

    def buy(
        self,
        *,
        offer_id: str,
        qty: int = 1,
        channel: str = "",
        shop_id: str = "",
        status: str = "PAID",
        more: Mapping[str, int] | None = None,
        stays: bool = False,
        force: bool = False,
        access_key: str = "",
    ) -> Order:
        """A buyer orders `qty` of the master SKU `offer_id`, and of `more` SKUs in the same order.

        The order begins as `status`; unless it `stays` so, it goes on by itself. `force` oversells. Raises Refusal.
        """
        with self._sandbox.lock:
            wanted = {offer_id: qty, **(more or {})}
            key = access_key or self._sandbox.main_key()
            if status not in ORDER_WORDS:
                raise Refusal(400, "", f"status is one of {', '.join(ORDER_WORDS)}")
            self._check_goods(key, wanted, force=force)
            order = self.make(wanted, channel=channel, shop_id=shop_id, status=status, access_key=key)
            self._lock_goods(order)
            if status in ("SHIPPING", "DELIVERED"):
                self._send_goods(order)
            elif status in CLOSED:
                self._release_goods(order)
            self._sandbox.events.order(order, "CREATE")
            if not stays:
                self._plan(order)
            return order

    def make(
        self,
        wanted: Mapping[str, int],
        *,
        channel: str = "",
        shop_id: str = "",
        status: str = "PAID",
        access_key: str = "",
        at: int | None = None,
    ) -> Order:
        """Keep a new order, and nothing else: no stock moves and nobody is told. Raises Refusal."""
        with self._sandbox.lock:
            shop = self._sandbox.goods.find_shop(channel, shop_id)
            number, now = next(self._numbers), at or self.moment()
            goods = self._sandbox.goods.all
            lines = [
                Line(f"OI5FF02DDA52FAFF01{number:06d}{position:02d}", goods[sku], quantity)
                for position, (sku, quantity) in enumerate(wanted.items(), 1)
            ]
            order = Order(
                id=f"SO5FF02DDA52FAFF01{number:08d}",
                access_key=access_key or self._sandbox.main_key(),
                shop=shop,
                external_id=str(90_020_000 + number),
                external_number=f"26{number:06d}{self._sandbox.random.randint(100_000, 999_999)}",
                lines=lines,
                status=status,
                created_at=now,
                updated_at=now,
                paid_at=None if status in UNPAID else now,
                closed_at=now if status in CLOSED else None,
            )
            self.all[order.id] = order
            if len(self.all) > KEPT_ORDERS:
                del self.all[next(iter(self.all))]
            return order

    def make_history(self, count: int = 30, days: int = 90) -> list[Order]:
        """Keep `count` orders that ended during the last `days`, the newest yesterday; nobody is told of them."""
        with self._sandbox.lock:
            dice, skus = self._sandbox.random, list(self._sandbox.goods.all)
            now = int(self._sandbox.clock.time()) * MICROS
            return [
                self.make(
                    {dice.choice(skus): dice.randint(1, 3)},
                    channel=dice.choice(("SHOPEE_ID", "LAZADA_ID", "TOKOPEDIA_ID")),
                    status=dice.choice(("DELIVERED", "DELIVERED", "CANCELLED", "RETURNED")),
                    at=now - DAY - (days - 1) * DAY * number // count,
                )
                for number in reversed(range(count))
            ]

    def pay(self, order: Order) -> None:
        self._need(order, *UNPAID)
        order.paid_at = self._move(order, "PAID")
        self._tell(order)

    def make_ready(self, order: Order) -> None:
        """The seller's staff accept it, and the warehouse gets its delivery order."""
        self._need(order, "PAID")
        self._move(order, "READY_TO_SHIP")
        self._tell(order)
        self.make_delivery(order)

    def label(self, order: Order) -> None:
        """The carrier gives a tracking number."""
        delivery = self._delivery(order)
        number = f"{self._sandbox.random.randint(10**13, 10**14 - 1)}"
        delivery.carrier = CARRIERS[order.shop.country]
        delivery.tracking_number = number
        delivery.waybill_url = f"https://labels.example.com/{number}"
        delivery.updated_at = self.moment()
        self._sandbox.events.delivery(delivery, "UPDATE")

    def ship(self, order: Order) -> None:
        self._need(order, "READY_TO_SHIP")
        if not self._delivery(order).tracking_number:
            self.label(order)
        self._send_goods(order)
        self._move(order, "SHIPPING")
        self._tell(order)

    def deliver(self, order: Order) -> None:
        self._need(order, "SHIPPING")
        self._move(order, "DELIVERED")
        self._tell(order)

    # --- on demand -------------------------------------------------------------------------------------------

    def act(self, order_id: str, action: str, **details: Any) -> Order:
        """Do one of ACTIONS to an order, after which it goes on by itself no more. Raises Refusal."""
        with self._sandbox.lock:
            order = self.all.get(order_id)
            if order is None or action not in ACTIONS:
                raise Refusal(404, "", f"There is no such order, or the action is not one of {', '.join(ACTIONS)}")
            order.life += 1
            ACTIONS[action](self, order, **details)
            return order

    def go_on(self, order: Order) -> None:
        """Let the clock move it on again."""
        self._plan(order)

    def cancel(self, order: Order) -> None:
        """What was not sent goes back on the shelf, and the warehouse's job with it."""
        self._need(order, *UNPAID, "PAID", "READY_TO_SHIP")
        self._release_goods(order)
        if order.open_delivery:
            self.delete_delivery(order)
        self._move(order, "CANCELLED")
        self._tell(order)

    def give_back(self, order: Order) -> None:
        self._need(order, "SHIPPING", "DELIVERED")
        self._move(order, "RETURNED")
        self._tell(order)

    def fail(self, order: Order) -> None:
        self._need(order, "SHIPPING")
        self._move(order, "FAILED")
        self._tell(order)

    def become(self, order: Order, status: str) -> None:
        """Take any status, also backwards or one that nobody knows; goods stay where they are."""
        self._move(order, status)
        self._tell(order)

    def delete(self, order: Order) -> None:
        """Tell that the order was removed; it can be read on."""
        order.updated_at = self.moment()
        self._sandbox.events.order(order, "DELETE")

    def make_delivery(self, order: Order) -> DeliveryOrder:
        if order.open_delivery:
            raise Refusal(409, "", "The order has a delivery order")
        number, now = next(self._numbers), self.moment()
        delivery = DeliveryOrder(
            id=f"WDO5FF02DDA52FAFF01{number:08d}",
            number=f"21000000{number:08d}",
            order=order,
            created_at=now,
            updated_at=now,
        )
        order.deliveries.append(delivery)
        self._sandbox.events.delivery(delivery, "CREATE")
        return delivery

    def delete_delivery(self, order: Order) -> None:
        delivery = self._delivery(order)
        delivery.is_deleted, delivery.updated_at = True, self.moment()
        self._sandbox.events.delivery(delivery, "DELETE")

    def reassign(self, order: Order) -> None:
        """The job is taken from the warehouse and given out anew."""
        self.delete_delivery(order)
        self.make_delivery(order)

    # --- parts -----------------------------------------------------------------------------------------------

    def moment(self) -> int:
        """Return now, or a little later: no two changes have the same moment as it will be written."""
        step = {0: MICROS, 3: 1000, 6: 1, "mixed": MICROS}[self._sandbox.switches.decimals]
        now = int(self._sandbox.clock.time() * MICROS) // step * step
        self.latest = max(now, self.latest // step * step + step)
        return self.latest

    def _plan(self, order: Order) -> None:
        """Have the next step happen when its time has come, unless somebody acted on the order meanwhile."""
        step = NEXT.get(order.status)
        if step is None:
            return
        option, verb = step
        life = order.life

        def call() -> None:
            with self._sandbox.lock:
                if order.life == life:
                    verb(self, order)
                    self._plan(order)

        if order.status == "READY_TO_SHIP" and order.open_delivery is None:
            self.make_delivery(order)
        if order.status == "READY_TO_SHIP":
            self._plan_label(order, life)
        self._sandbox.after(self._sandbox.options[option], call)

    def _plan_label(self, order: Order, life: int) -> None:
        def call() -> None:
            with self._sandbox.lock:
                if order.life == life and order.open_delivery and not order.open_delivery.tracking_number:
                    self.label(order)

        self._sandbox.after(self._sandbox.options["label_seconds"], call)

    def _move(self, order: Order, status: str) -> int:
        order.status, order.updated_at = status, self.moment()
        order.closed_at = order.updated_at if status in CLOSED else None
        return order.updated_at

    def _tell(self, order: Order) -> None:
        self._sandbox.events.order(order, "UPDATE")

    def _need(self, order: Order, *words: str) -> None:
        if order.status not in words:
            raise Refusal(409, "", f"The order is {order.status}, not {' or '.join(words)}")

    def _delivery(self, order: Order) -> DeliveryOrder:
        if order.open_delivery is None:
            raise Refusal(409, "", "The order has no delivery order")
        return order.open_delivery

    # --- goods -----------------------------------------------------------------------------------------------

    def _check_goods(self, access_key: str, wanted: Mapping[str, int], *, force: bool) -> None:
        shelf = self._sandbox.goods.shelf(access_key)
        for sku, quantity in wanted.items():
            if sku not in shelf:
                raise Refusal(404, "", "There is no such master SKU")
            if type(quantity) is not int or quantity < 1:
                raise Refusal(400, "", "quantity is a whole number from 1")
            if shelf[sku].available < quantity and not force:
                raise Refusal(409, "", f"There are {shelf[sku].available} left")

    def _stocks(self, order: Order) -> list[tuple[Stock, int]]:
        shelf = self._sandbox.goods.shelf(order.access_key)
        return [(shelf[line.good.sku], line.quantity) for line in order.lines]

    def _lock_goods(self, order: Order) -> None:
        order.locked = True
        for stock, quantity in self._stocks(order):
            stock.locked += quantity

    def _release_goods(self, order: Order) -> None:
        if order.locked:
            order.locked = False
            for stock, quantity in self._stocks(order):
                stock.locked -= quantity

    def _send_goods(self, order: Order) -> None:
        if order.locked:
            self._release_goods(order)
            for stock, quantity in self._stocks(order):
                stock.warehouse = max(0, stock.warehouse - quantity)
                stock.out += quantity

    def shown(self, order: Order) -> Json:
        return {
            **order.row(),
            "items": {line.good.sku: line.quantity for line in order.lines},
            "delivery_orders": [
                {
                    "deliveryOrderId": delivery.id,
                    "deliveryOrderStatus": delivery.status,
                    "trackingNumber": delivery.tracking_number,
                    "is_deleted": delivery.is_deleted,
                }
                for delivery in order.deliveries
            ],
        }


# What becomes of an order by itself: after which option's seconds, and what.
NEXT: Mapping[str, tuple[str, Callable[[Orders, Order], Any]]] = {
    "PENDING_PAYMENT": ("pay_seconds", Orders.pay),
    "PARTIALLY_PAID": ("pay_seconds", Orders.pay),
    "PAID": ("ready_seconds", Orders.make_ready),
    "READY_TO_SHIP": ("ship_seconds", Orders.ship),
    "SHIPPING": ("deliver_seconds", Orders.deliver),
}
ACTIONS: Mapping[str, Callable[..., Any]] = {
    "pay": Orders.pay,
    "ready": Orders.make_ready,
    "label": Orders.label,
    "ship": Orders.ship,
    "deliver": Orders.deliver,
    "cancel": Orders.cancel,
    "return": Orders.give_back,
    "fail": Orders.fail,
    "become": Orders.become,
    "delete": Orders.delete,
    "make_delivery": Orders.make_delivery,
    "delete_delivery": Orders.delete_delivery,
    "reassign": Orders.reassign,
    "go_on": Orders.go_on,
}
