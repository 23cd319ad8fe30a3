"""Orders of the make-believe G-Commerce (GCO-10 to GCO-12): buyers buy, letters change, and stock follows them."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal, Request, operation
from marketplaces.services.gcommerce.sandbox_records import SHIPPINGS, Buyer, Item, Order, Product
from marketplaces.services.gcommerce.sandbox_seed import BUYERS, ORDERS, item_id, new_buyer, seeded_letter
from marketplaces.services.gcommerce.sandbox_shapes import Map, in_order, listing, number_in, page_of, words_in

if TYPE_CHECKING:
    from marketplaces.services.gcommerce.sandbox import Sandbox

FIRST_ORDER = 120_001
HIDDEN = "NT"
TAKES_STOCK, GIVES_STOCK_BACK = "OPCKJ", "BDFIN"
ACCEPTABLE = "OPB"
REFUSAL_STATUS = {"conflict": 409, "invalid": 400}
# A demonstration may run for weeks; of what buyers bought, the oldest are forgotten.
KEPT_BOUGHT = 20_000
SORTERS: Mapping[str, Callable[[Order], Any]] = {
    "date": lambda order: (order.timestamp, order.id),
    "order_id": lambda order: order.id,
    "status": lambda order: (order.status, order.id),
    "customer": lambda order: (order.buyer.lastname, order.buyer.firstname, order.id),
    "email": lambda order: (order.buyer.email, order.id),
    "total": lambda order: (order.total, order.id),
}


class Orders:
    """Every order. Public verbs take the lock themselves, since buyers and timers call them."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[int, Order] = {}
        self._items = 0
        self._first_bought = 0

    def seed(self) -> None:
        """Fill in the orders of the last weeks: every letter that is known, and one that is not."""
        products, now = list(self._sandbox.products.all.values()), self._sandbox.now()
        for number in range(ORDERS):
            chosen = [products[(number * 13 + step * 7) % len(products)] for step in range(1 + number % 3)]
            order = Order(
                FIRST_ORDER + number * 2,
                BUYERS[number % len(BUYERS)],
                {item.id: item for item in (self._item(product, 1 + number % 4) for product in chosen)},
                seeded_letter(number),
                now - (ORDERS - number) * 7_000,
                now - (ORDERS - number) * 7_000 + 1_800,
                [44],
                Decimal(number % 3 * 5),
            )
            order.holds_stock = order.status in TAKES_STOCK
            self.all[order.id] = order
        self._first_bought = max(self.all) + 1

    def bought(self) -> list[Order]:
        """The orders that were not there at the start."""
        return [order for order in self.all.values() if order.id >= self._first_bought]

    # --- buyers ----------------------------------------------------------------------------------------------

    def buy(
        self,
        *,
        offer_id: str = "",
        qty: int = 1,
        items: Iterable[tuple[str, int]] = (),
        status: str = "O",
        force: bool = False,
        notes: str | None = None,
        shipping_ids: Iterable[int] = (44,),
        shipping_cost: float | str = 5,
        **buyer: Any,
    ) -> Order:
        """A buyer orders a product by its id, or several as `items`. `force` buys what is off or sold out. Raises Refusal.

        What else is named says who buys: `firstname`, `lastname`, `email`, `phone`, `company`, `address`, …
        """
        with self._sandbox.lock:
            wanted = [
                (self._sandbox.products.get(str(id)), int(count)) for id, count in items or [(offer_id or "0", qty)]
            ]
            for product, count in wanted:
                self._check(product, count, force)
            lines = [self._item(product, count) for product, count in wanted]
            now = self._sandbox.now()
            order = Order(
                max(self.all, default=FIRST_ORDER) + 1,
                new_buyer(len(self.all), buyer),
                {line.id: line for line in lines},
                status.upper(),
                now,
                now,
                list(shipping_ids),
                Decimal(str(shipping_cost)),
                notes,
            )
            self.all[order.id] = order
            if order.status in TAKES_STOCK:
                self._take(order)
            self._forget_the_oldest()
            return order

    def become(self, order: Order, status: str) -> Order:
        """Give an order another letter; stock follows. Too little of it on the way back makes the letter B."""
        with self._sandbox.lock:
            status = status.upper()
            if not status:
                raise Refusal(400, "", "status is a letter")
            if status in TAKES_STOCK and not order.holds_stock:
                if self._is_short(order):
                    status = "B"
                else:
                    self._take(order)
            elif status in GIVES_STOCK_BACK and order.holds_stock:
                self._give_back(order)
            if status != order.status:
                order.status, order.updated_at = status, self._sandbox.now()
            if status == "J":
                self._sandbox.after(self._sandbox.switches.complete_seconds, lambda: self._complete(order))
            return order

    def call_off(self, order: Order) -> None:
        """Cancel an order that is not shipped yet."""
        with self._sandbox.lock:
            if order.status in "OPKBY":
                self.become(order, "I")

    def _complete(self, order: Order) -> None:
        with self._sandbox.lock:
            if order.status == "J":
                self.become(order, "C")

    def _check(self, product: Product, count: int, force: bool) -> None:
        if count < 1:
            raise Refusal(400, "", "qty is a whole number from 1")
        if not force and product.status != "A":
            raise Refusal(409, "", "The product is not for sale")
        if not force and not max(1, product.min_qty) <= count <= product.amount:
            raise Refusal(409, "", f"From {max(1, product.min_qty)} to {product.amount} can be bought")

    def _item(self, product: Product, quantity: int) -> Item:
        self._items += 1
        return Item(item_id(self._items), product.id, product.code, product.name, product.price, quantity)

    def _forget_the_oldest(self) -> None:
        bought = self.bought() if len(self.all) > KEPT_BOUGHT + ORDERS else []
        for order in bought[:1000]:
            del self.all[order.id]

    # --- stock -----------------------------------------------------------------------------------------------

    def _lines(self, order: Order) -> list[tuple[Product, int]]:
        products = self._sandbox.products.all
        return [
            (products[each.product_id], each.quantity) for each in order.items.values() if each.product_id in products
        ]

    def _is_short(self, order: Order) -> bool:
        return any(product.amount < quantity for product, quantity in self._lines(order))

    def _take(self, order: Order) -> None:
        for product, quantity in self._lines(order):
            product.amount -= quantity
        order.holds_stock = True

    def _give_back(self, order: Order) -> None:
        for product, quantity in self._lines(order):
            product.amount += quantity
        order.holds_stock = False

    # --- operations ------------------------------------------------------------------------------------------

    def get(self, id: str) -> Order:
        order = self.all.get(int(id)) if id.isascii() and id.isdecimal() else None
        if order is None:
            raise Refusal(404, "", "There is no such order")
        return order

    def products_of(self, order_ids: Iterable[str]) -> set[int]:
        orders = [self.all[int(id)] for id in order_ids if id.isdecimal() and int(id) in self.all]
        return {item.product_id for order in orders for item in order.items.values()}

    @operation("GCO-10", "GET", "/orders")
    def list_orders(self, request: Request) -> Any:
        switches = self._sandbox.switches
        found = [order for order in self.all.values() if order.status not in HIDDEN and self._matches(request, order)]
        rows, words = in_order(request, found, SORTERS, "date", "desc")
        page, params = page_of(request, rows, switches)
        return listing(request, "orders", [_row(order) for order in page], {**params, **words}, switches)

    def _matches(self, request: Request, order: Order) -> bool:
        query, letters = request.query, words_in(request, "status")
        if letters and order.status not in letters:
            return False
        if query.get("email", "").lower() not in order.buyer.email.lower():
            return False
        if query.get("user_id") and str(order.buyer.user_id) != query["user_id"]:
            return False
        if not self._sandbox.switches.live_filters:
            return True
        ids = words_in(request, "order_id")
        if ids and str(order.id) not in ids:
            return False
        return _is_between(request, "time", order.timestamp) and _is_between(request, "updated_at", order.updated_at)

    @operation("GCO-11", "GET", "/orders/{id:[0-9]+}")
    def get_order(self, request: Request, id: str) -> Json:
        return self.shown(self.get(id))

    @operation("GCO-12", "PUT", "/order_status/{id:[0-9]+}")
    def accept_order(self, request: Request, id: str) -> Json:
        order, document = self.get(id), self._sandbox.read_object(request)
        if document.get("status") != "K":
            raise Refusal(400, "", "The status field is K")
        if order.status in ACCEPTABLE:
            self.become(order, "K")
        elif order.status != "K" and self._sandbox.switches.accept_refusal in REFUSAL_STATUS:
            status = REFUSAL_STATUS[self._sandbox.switches.accept_refusal]
            raise Refusal(status, "", "The order can not be accepted any more")
        return {"order_id": order.id}

    def shown(self, order: Order) -> Json:
        """The form of GCO-11."""
        buyer = order.buyer
        return {
            **_row(order),
            "subtotal": _float(order.subtotal),
            "discount": 0,
            "subtotal_discount": 0,
            "payment_surcharge": 0,
            "shipping_ids": ",".join(map(str, order.shipping_ids)),
            "shipping_cost": f"{order.shipping_cost:.2f}",
            "notes": order.notes,
            "details": None,
            "promotions": Map(),
            "promotion_ids": "",
            **address("b", buyer),
            **address("s", buyer),
            "s_address_type": "",
            "fax": "",
            "url": "",
            "payment_id": "32",
            "lang_code": "en",
            "repaid": "0",
            "validation_code": "",
            "po_number": "",
            "payment_terms": "",
            "updated_at": str(order.updated_at),
            "payment_method": {"payment_id": "32", "payment": "PO", "description": "", "instructions": ""},
            "products": Map({str(item.id): self._line(order, item) for item in order.items.values()}),
            "taxes": Map(),
            "tax_subtotal": 0,
            "display_shipping_cost": f"{order.shipping_cost:.2f}",
            "b_country_descr": "United States",
            "s_country_descr": "United States",
            "b_state_descr": "Louisiana",
            "s_state_descr": "Louisiana",
            "need_shipping": True,
            "shipping": [shipping(id) for id in order.shipping_ids],
            "shipment_ids": [str(each.id) for each in self._sandbox.shipments.of(order)],
            "secondary_currency": "USD",
            "display_subtotal": _float(order.subtotal),
            "payment_info": Map(),
            "total_weight": 0,
        }

    def _line(self, order: Order, item: Item) -> Json:
        product = self._sandbox.products.all.get(item.product_id)
        return {
            "item_id": str(item.id),
            "order_id": str(order.id),
            "product_id": str(item.product_id),
            "product_code": item.code,
            "price": f"{item.price:.2f}",
            "amount": str(item.quantity),
            "product": item.name,
            "product_status": product.status if product else "D",
        }


def _row(order: Order) -> Json:
    return {
        "order_id": str(order.id),
        "timestamp": str(order.timestamp),
        "user_id": str(order.buyer.user_id),
        "firstname": order.buyer.firstname,
        "lastname": order.buyer.lastname,
        "email": order.buyer.email,
        "phone": order.buyer.phone,
        "status": order.status,
        "total": f"{order.total:.2f}",
    }


def address(prefix: str, buyer: Buyer) -> Json:
    """The fields of a billing (`b`) or shipping (`s`) address."""
    is_named = prefix == "b" or buyer.is_recipient_named
    fields = {
        "firstname": buyer.firstname if is_named else "",
        "lastname": buyer.lastname if is_named else "",
        "address": buyer.address,
        "address_2": "",
        "city": buyer.city,
        "county": "",
        "state": buyer.state,
        "country": "US",
        "zipcode": buyer.zipcode,
        "phone": buyer.phone,
    }
    return {f"{prefix}_{name}": value for name, value in fields.items()}


def shipping(id: int) -> Json:
    return {
        "shipping_id": str(id),
        "shipping": SHIPPINGS.get(id, "Other shipping"),
        "delivery_time": "1-3 business days",
        "description": "",
    }


def _float(amount: Decimal) -> float:
    return float(amount)


def _is_between(request: Request, name: str, moment: int) -> bool:
    since, until = number_in(request, f"{name}_from"), number_in(request, f"{name}_to")
    return (since is None or moment >= since) and (until is None or moment <= until)
