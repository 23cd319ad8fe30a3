"""Purchase orders of the make-believe G-Commerce (GCO-13, GCO-14): buyers' requests, which nobody can change here."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal, Request, operation
from marketplaces.services.gcommerce.sandbox_orders import address, shipping
from marketplaces.services.gcommerce.sandbox_records import Item, PurchaseOrder
from marketplaces.services.gcommerce.sandbox_seed import BUYERS, PURCHASE_ORDERS, item_id
from marketplaces.services.gcommerce.sandbox_shapes import in_order, listing, page_of, words_in

if TYPE_CHECKING:
    from marketplaces.services.gcommerce.sandbox import Sandbox

# Below the first order, so that a number of one kind is none of the other.
FIRST = 5_001
FIRST_ITEM = 1_000_000
SORTERS: Mapping[str, Callable[[PurchaseOrder], Any]] = {
    "date": lambda order: (order.timestamp, order.id),
    "purchase_order_id": lambda order: order.id,
    "status": lambda order: (order.status, order.id),
    "email": lambda order: (order.buyer.email, order.id),
    "total": lambda order: (order.total, order.id),
}


class PurchaseOrders:
    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[int, PurchaseOrder] = {}

    def seed(self) -> None:
        products, now = list(self._sandbox.products.all.values()), self._sandbox.now()
        for number in range(PURCHASE_ORDERS):
            chosen = [products[(number * 29 + step) % len(products)] for step in range(number % 3)]
            items = [
                Item(
                    item_id(FIRST_ITEM + number * 3 + place), each.id, each.code, each.name, each.price, 1 + number % 3
                )
                for place, each in enumerate(chosen)
            ]
            buyer, made_at = BUYERS[number % len(BUYERS)], now - (PURCHASE_ORDERS - number) * 9_000
            self.all[FIRST + number] = PurchaseOrder(FIRST + number, buyer, items, "OOOCD"[number % 5], made_at)

    @operation("GCO-13", "GET", "/purchase_orders")
    def list_purchase_orders(self, request: Request) -> Any:
        switches = self._sandbox.switches
        found = [order for order in self.all.values() if _matches(request, order)]
        rows, words = in_order(request, found, SORTERS, "date", "desc")
        page, params = page_of(request, rows, switches)
        return listing(request, "purchase_orders", [_row(order) for order in page], {**params, **words}, switches)

    @operation("GCO-14", "GET", "/purchase_orders/{id:[0-9]+}")
    def get_purchase_order(self, request: Request, id: str) -> Json:
        order = self.all.get(int(id))
        if order is None:
            raise Refusal(404, "", "There is no such purchase order")
        return {
            **_row(order),
            "notes": "",
            "shipping": [shipping(44)],
            "products": [_line(item) for item in order.items],
            "b_company": order.buyer.company,
            **address("b", order.buyer),
            "b_email": f"ap.{order.buyer.email}",
            "s_company": "",
            **address("s", order.buyer),
        }


def _matches(request: Request, order: PurchaseOrder) -> bool:
    letters, user_id = words_in(request, "status"), request.query.get("user_id", "")
    return (
        (not letters or order.status in letters)
        and request.query.get("email", "").lower() in order.buyer.email.lower()
        and user_id in ("", str(order.buyer.user_id))
    )


def _row(order: PurchaseOrder) -> Json:
    return {
        "purchase_order_id": str(order.id),
        "timestamp": str(order.timestamp),
        "status": order.status,
        "subtotal": f"{order.total:.2f}",
        "total": f"{order.total:.2f}",
        "firstname": order.buyer.firstname,
        "lastname": order.buyer.lastname,
        "email": order.buyer.email,
        "phone": order.buyer.phone,
    }


def _line(item: Item) -> Json:
    return {
        "item_id": str(item.id),
        "product_code": item.code,
        "product_id": str(item.product_id),
        "product": item.name,
        "amount": str(item.quantity),
        "price": f"{item.price:.2f}",
        "subtotal": f"{item.price * item.quantity:.2f}",
        "image_url": f"https://img.example.com/{item.product_id}.jpg",
        "product_url": f"https://shop.example.com/{item.product_id}.html",
    }
