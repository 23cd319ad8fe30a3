"""Buyers of the make-believe G2A: what they buy comes from the merchant (G2A-IN-03 to G2A-IN-10), or from keys that
were uploaded. Here the buyer's side is kept: every code that arrived, and how often the same one came twice.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from marketplaces.sandbox_words import Json, Refusal, Seller
from marketplaces.services.g2a import sandbox_shapes as shapes
from marketplaces.services.g2a.sandbox_caller import NO_ANSWER, Answer
from marketplaces.services.g2a.sandbox_offers import Offer

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

FIRST_ID = 80_201_000_000_192
# How often a merchant is asked for what it owes: often at first, then for a day.
POLL_SECONDS, FAST_POLLS, SLOW_POLL_SECONDS, MOST_SECONDS = 5.0, 12, 30.0, 86_400.0


@dataclass
class Item:
    """A code that a buyer has; a file's or an account's content is read by a call of its own."""

    id: str
    kind: str
    value: str = field(repr=False)
    is_returned: bool = False


@dataclass
class Order:
    """A purchase of one product from a merchant."""

    id: int
    seller: Seller
    product_id: int
    quantity: int
    offer: Offer | None
    unit_price: str
    at: float
    since: int  # in the order of events
    order_id: str = ""  # the merchant's own
    reservation_id: str = ""
    status: str = "new"  # reserved, released, waiting, delivered, refused, unknown
    items: dict[str, Item] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    polls: list[int] = field(default_factory=list)
    changed: int = 0  # items that had another value when they were read again
    surplus: int = 0  # codes beyond the quantity
    is_counted: bool = False

    @property
    def kept(self) -> list[Item]:
        return [item for item in self.items.values() if not item.is_returned]

    @property
    def lines(self) -> list[Json]:
        line: Json = {"product_id": self.product_id, "quantity": self.quantity}
        if self.unit_price:
            line["additional_data"] = {"unit_price": self.unit_price, "auction_base_price": self.unit_price}
        return [line]

    def shown(self) -> Json:
        return {
            "g2a_order_id": self.id,
            "order_id": self.order_id,
            "reservation_id": self.reservation_id,
            "offer_id": self.offer.id if self.offer else "",
            "product_id": str(self.product_id),
            "quantity": self.quantity,
            "status": self.status,
            "codes": [item.value for item in self.items.values()],
            "items": [vars(item) for item in self.items.values()],
            "answers": list(self.answers),
            "polls": list(self.polls),
            "changed": self.changed,
            "surplus": self.surplus,
        }


class Orders:
    """Every buyer's order. Verbs call the merchant without the lock and write the books with it."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[int, Order] = {}
        self.sales: list[Json] = []  # of uploaded keys
        self.doubles: list[Json] = []  # codes that two orders have
        self._holders: dict[str, tuple[int, str]] = {}  # code -> who has it
        self._ids = itertools.count(FIRST_ID)

    # --- buying ----------------------------------------------------------------------------------------------

    def buy(self, *, offer_id: str, qty: int = 1, release: bool = False, force: bool = False) -> Any:
        """A buyer orders: reserve, order, and ask for what is owed until it is there. Raises Refusal.

        `release` gives the reservation back instead of ordering; `force` orders more than the offer shows.
        """
        with self._sandbox.lock:
            offer = self._sandbox.offers.all.get(offer_id)
            if offer is None or not offer.is_live:
                raise Refusal(404, "", "There is no such live offer")
            if offer.size < qty and not force:
                raise Refusal(409, "", f"The offer has {offer.size} left")
            if offer.kind != "dropshipping":
                return self._sell_uploaded(offer, qty)
            seller = self._sandbox.merchant(offer.account)
            order = self.new(seller, int(offer.product.id), qty, offer=offer)
        if self.reserve(order).status != 200:
            return order
        if release:
            self.release(order)
        else:
            self.place(order)
            self._ask_later(order)
        return order

    def new(self, seller: Seller, product_id: int, quantity: int, *, offer: Offer | None = None) -> Order:
        with self._sandbox.lock:
            order = Order(
                id=next(self._ids),
                seller=seller,
                product_id=product_id,
                quantity=quantity,
                offer=offer,
                unit_price=str(offer.price) if offer else "",
                at=self._sandbox.clock.time(),
                since=self._sandbox.stamp(),
            )
            self.all[order.id] = order
            return order

    def _sell_uploaded(self, offer: Offer, quantity: int) -> Json:
        keys = self._sandbox.inventory.sell(offer, quantity)
        sale: Json = {"g2a_order_id": next(self._ids), "offer_id": offer.id, "codes": [key.value for key in keys]}
        self.sales.append(sale)
        for key in keys:
            self._hold(sale["g2a_order_id"], key.id, key.value)
        return sale

    # --- calls of the merchant contract ----------------------------------------------------------------------

    def reserve(self, order: Order) -> Answer:
        answer = self.call(order, "G2A-IN-03", "POST", "/reservation", order.lines)
        with self._sandbox.lock:
            is_held = answer.status == 200 and not shapes.reservation(answer.document, [order.product_id])
            order.reservation_id = answer.document["reservation_id"] if is_held else ""
            order.status = "reserved" if is_held else "refused"
        return answer

    def renew(self, order: Order, body: Any = None) -> Answer:
        return self.call(order, "G2A-IN-04", "PUT", f"/reservation/{order.reservation_id}", body)

    def release(self, order: Order) -> Answer:
        answer = self.call(order, "G2A-IN-05", "DELETE", f"/reservation/{order.reservation_id}")
        with self._sandbox.lock:
            if answer.status == 204:
                order.status = "released"
        return answer

    def place(self, order: Order, g2a_order_id: int | None = None) -> Answer:
        """Order what is reserved; a refusal of a repeat leaves the books as they are."""
        body = {"reservation_id": order.reservation_id, "g2a_order_id": g2a_order_id or order.id}
        answer = self.call(order, "G2A-IN-06", "POST", "/order", body)
        with self._sandbox.lock:
            if answer.status in (200, 202) and not shapes.order(answer.document, [order.product_id]):
                order.order_id = answer.document["order_id"]
                order.status = "waiting"
                self._take(order, answer.document["stock"])
                self._count(order)
            elif order.status == "reserved":
                # A repeat after silence is refused with 409: there is an order, and nobody here knows its codes.
                is_unknown = answer.status in (NO_ANSWER, 409) or answer.status >= 500
                order.status = "unknown" if is_unknown else "refused"
        return answer

    def collect(self, order: Order) -> Answer:
        """Read the order's codes (G2A-IN-07)."""
        order.polls.append(self._sandbox.clock.ms())
        answer = self.call(order, "G2A-IN-07", "GET", f"/order/{order.order_id}/inventory")
        with self._sandbox.lock:
            if answer.status == 200 and not shapes.inventory(answer.document, [order.product_id]):
                self._take(order, answer.document)
        return answer

    def give_back(self, order: Order, item_ids: Sequence[str]) -> Answer:
        query = urlencode([("id[]", item_id) for item_id in item_ids])
        answer = self.call(order, "G2A-IN-08", "DELETE", f"/order/{order.order_id}/inventory?{query}")
        with self._sandbox.lock:
            if answer.status == 204:
                for item_id in item_ids:
                    order.items[item_id].is_returned = True
        return answer

    def read_file(self, order: Order, item_id: str) -> Answer:
        answer = self.call(order, "G2A-IN-09", "GET", f"/order/{order.order_id}/inventory/{item_id}")
        if answer.status == 200 and not shapes.file(answer.document):
            self._fill(order, item_id, answer.document["data"])
        return answer

    def read_account(self, order: Order, item_id: str) -> Answer:
        answer = self.call(order, "G2A-IN-10", "GET", f"/order/{order.order_id}/inventory/{item_id}/account")
        if answer.status == 200 and not shapes.account(answer.document):
            self._fill(order, item_id, f"{answer.document['username']}:{answer.document['password']}")
        return answer

    def call(self, order: Order, op: str, method: str, path: str, body: Any = None) -> Answer:
        answer = self._sandbox.caller.call(order.seller, op, method, path, body)
        order.answers.append(f"{op} {answer.status}")
        return answer

    # --- the books -------------------------------------------------------------------------------------------

    def _take(self, order: Order, stock: Sequence[Json]) -> None:
        for item in itertools.chain.from_iterable(row["inventory"] for row in stock):
            known = order.items.get(item["id"])
            if known is None:
                order.items[item["id"]] = Item(item["id"], item.get("kind", "text"), item["value"])
                self._hold(order.id, item["id"], item["value"])
            elif item["value"] and known.value != item["value"]:
                order.changed += 1
        order.surplus = max(0, len(order.items) - order.quantity)
        if len(order.items) >= order.quantity:
            order.status = "delivered"

    def receive(self, order: Order, keys: Sequence[str]) -> None:
        """Keep what came without ids, in the brief's own shapes (G2A-IN-14)."""
        items = [{"id": f"{order.id}-{place}", "value": key} for place, key in enumerate(keys)]
        with self._sandbox.lock:
            self._take(order, [{"inventory": items}])

    def _fill(self, order: Order, item_id: str, content: str) -> None:
        with self._sandbox.lock:
            item = order.items[item_id]
            order.changed += bool(item.value) and item.value != content
            if not item.value:
                item.value = content
                self._hold(order.id, item_id, content)

    def _hold(self, order_id: int, item_id: str, value: str) -> None:
        """Note who has a code; the same one in two hands is a double, unless the first has given it back."""
        if not value:
            return
        holder = self._holders.get(value)
        if holder and holder != (order_id, item_id):
            first = self.all.get(holder[0])
            if first is None or not first.items[holder[1]].is_returned:
                self.doubles.append({"orders": [holder[0], order_id], "value": value})
        self._holders[value] = (order_id, item_id)

    def _count(self, order: Order) -> None:
        if order.offer and not order.is_counted:
            order.is_counted = True
            self._sandbox.offers.sold(order.offer, order.quantity, order.since)

    # --- what is owed ----------------------------------------------------------------------------------------

    def _ask_later(self, order: Order) -> None:
        """Read files and accounts now, and what is still missing by and by."""
        for item in order.kept:
            if not item.value and item.kind != "text":
                (self.read_file if item.kind == "file" else self.read_account)(order, item.id)
        if order.status != "waiting" or self._sandbox.clock.time() - order.at > MOST_SECONDS:
            return
        wait = POLL_SECONDS if len(order.polls) < FAST_POLLS else SLOW_POLL_SECONDS
        self._sandbox.after(wait, lambda: self._ask(order))

    def _ask(self, order: Order) -> None:
        if order.status == "waiting":
            self.collect(order)
            self._ask_later(order)
