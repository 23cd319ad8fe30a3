"""Shipments of the make-believe G-Commerce (GCO-15 to GCO-19): clamped, never checked for a second one, freely deleted."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal, Request, Response, operation
from marketplaces.services.gcommerce.sandbox_records import SHIPPINGS, Order, Shipment
from marketplaces.services.gcommerce.sandbox_shapes import Map, in_order, listing, page_of, words_in

if TYPE_CHECKING:
    from marketplaces.services.gcommerce.sandbox import Sandbox

FIRST = 70_001
LETTERS = "PAS"
UPDATABLE = ("status", "tracking_number", "comments", "timestamp")
CARRIERS = {"ups": "UPS", "usps": "USPS", "fedex": "FedEx", "dhl": "DHL"}
SORTERS: Mapping[str, Callable[[Shipment], Any]] = {
    "id": lambda shipment: shipment.id,
    "status": lambda shipment: (shipment.status, shipment.id),
    "order_id": lambda shipment: (shipment.order.id, shipment.id),
    "shipment_date": lambda shipment: (shipment.timestamp, shipment.id),
    "order_date": lambda shipment: (shipment.order.timestamp, shipment.id),
    "customer": lambda shipment: (shipment.order.buyer.lastname, shipment.id),
}


class Shipments:
    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[int, Shipment] = {}
        self._by_order: defaultdict[int, dict[int, Shipment]] = defaultdict(dict)
        self._last_id = FIRST - 1
        self._last_seeded = 0

    def seed(self) -> None:
        """Ship what the letters say is shipped; one of them holds no items, as happens on the real one."""
        for order in self._sandbox.orders.all.values():
            if order.status in "JC" and order.items:
                number = self._last_id + 1
                made = self._add(order, {item.id: item.quantity for item in order.items.values()}, 44)
                made.timestamp, made.status = order.timestamp + 3_600, LETTERS[number % 3]
                made.carrier, made.tracking_number = list(CARRIERS)[number % 4], f"1Z{number:012d}"
        self.all[FIRST].products.clear()
        self._last_seeded = self._last_id

    def made(self) -> list[Shipment]:
        """The shipments that were not there at the start."""
        return [shipment for shipment in self.all.values() if shipment.id > self._last_seeded]

    def of(self, order: Order) -> list[Shipment]:
        return list(self._by_order[order.id].values())

    def remaining(self, order: Order) -> dict[int, int]:
        """What of an order no shipment holds, by item."""
        left = {item.id: item.quantity for item in order.items.values()}
        for shipment in self.of(order):
            for item_id, quantity in shipment.products.items():
                left[item_id] -= quantity
        return {item_id: quantity for item_id, quantity in left.items() if quantity > 0}

    # --- operations ------------------------------------------------------------------------------------------

    @operation("GCO-15", "GET", "/shipments")
    def list_shipments(self, request: Request) -> Any:
        switches = self._sandbox.switches
        order_ids, letters = words_in(request, "order_id"), words_in(request, "status")
        found = [
            shipment
            for shipment in self.all.values()
            if (not order_ids or str(shipment.order.id) in order_ids) and (not letters or shipment.status in letters)
        ]
        rows, words = in_order(request, found, SORTERS, "id", "desc")
        page, params = page_of(request, rows, switches)
        shown = [self._row(shipment) for shipment in page]
        return listing(request, "shipments", shown, {**params, **words}, switches)

    @operation("GCO-16", "POST", "/shipments")
    def create_shipment(self, request: Request) -> Response:
        document = self._sandbox.read_object(request)
        for key in ("order_id", "shipping_id"):
            if not str(document.get(key) or "").isdecimal():
                raise Refusal(400, "", f"The {key} field is required")
        order = self._sandbox.orders.all.get(int(document["order_id"]))
        if order is None:
            raise Refusal(400, "", "There is no such order")
        status = str(document.get("status") or "P").upper()
        if not self._sandbox.is_old:
            if not document.get("carrier") and not document.get("tracking_number"):
                raise Refusal(400, "", "The carrier or the tracking_number field is required")
            _check_letter(status)
        products = self._clamped(order, document.get("products"))
        if not products:
            raise Refusal(400, "", "")  # a bare phrase, whatever the reason is
        made = self._add(order, products, int(document["shipping_id"]))
        made.status = status
        made.carrier, made.comments = str(document.get("carrier") or ""), str(document.get("comments") or "")
        made.tracking_number = str(document.get("tracking_number") or "")
        if document.get("order_status") and not self._sandbox.switches.order_status_ignored:
            self._sandbox.orders.become(order, str(document["order_status"]))
        return self._sandbox.created({"shipment_id": made.id})

    def _clamped(self, order: Order, asked: Any) -> dict[int, int]:
        """Reduce what is asked for to what is left, in silence; asking for nothing is asking for all."""
        left = self.remaining(order)
        if not asked:
            return left
        wanted = {int(key): _count(value) for key, value in asked.items() if key.isdecimal()} if _is_map(asked) else {}
        clamped = {item_id: min(count, left.get(item_id, 0)) for item_id, count in wanted.items()}
        return {item_id: count for item_id, count in clamped.items() if count > 0}

    @operation("GCO-17", "GET", "/shipments/{id:[0-9]+}")
    def get_shipment(self, request: Request, id: str) -> Json:
        return self.shown(self._get(id))

    @operation("GCO-18", "PUT", "/shipments/{id:[0-9]+}")
    def update_shipment(self, request: Request, id: str) -> Json:
        shipment, document = self._get(id), self._sandbox.read_object(request)
        if self._sandbox.switches.shipment_update == "blank":
            # An old version wrote all of it anew, with what it was given.
            shipment.carrier = str(document.get("carrier") or "")
            shipment.tracking_number = str(document.get("tracking_number") or "")
            shipment.status = str(document.get("status") or shipment.status).upper()
            return {"shipment_id": shipment.id}
        unknown = sorted(document.keys() - set(UPDATABLE))
        if unknown:
            raise Refusal(400, "", f"The {unknown[0]} field can not be changed")
        if "status" in document:
            _check_letter(str(document["status"]))
        moment = document.get("timestamp", shipment.timestamp)
        if not str(moment).isdecimal():
            raise Refusal(400, "", "The timestamp field is in Unix seconds")
        shipment.timestamp = int(moment)
        shipment.status = document.get("status", shipment.status)
        shipment.tracking_number = str(document.get("tracking_number", shipment.tracking_number) or "")
        shipment.comments = str(document.get("comments", shipment.comments) or "")
        return {"shipment_id": shipment.id}

    @operation("GCO-19", "DELETE", "/shipments/{id:[0-9]+}")
    def delete_shipment(self, request: Request, id: str) -> Response:
        """Forget a shipment; the order keeps its letter. An old version says Ok to one that is not there."""
        if int(id) in self.all or not self._sandbox.is_old:
            shipment = self._get(id)
            del self.all[shipment.id], self._by_order[shipment.order.id][shipment.id]
        return self._sandbox.deleted()

    # --- parts -----------------------------------------------------------------------------------------------

    def _get(self, id: str) -> Shipment:
        shipment = self.all.get(int(id))
        if shipment is None:
            raise Refusal(404, "", "There is no such shipment")
        return shipment

    def _add(self, order: Order, products: dict[int, int], shipping_id: int) -> Shipment:
        self._last_id += 1
        made = Shipment(self._last_id, order, products, self._sandbox.now(), shipping_id)
        self.all[made.id] = self._by_order[order.id][made.id] = made
        return made

    def shown(self, shipment: Shipment) -> Json:
        """The form of GCO-17."""
        return {**self._row(shipment), "user_id": str(shipment.order.buyer.user_id)}

    def _row(self, shipment: Shipment) -> Json:
        buyer, order = shipment.order.buyer, shipment.order
        return {
            "shipment_id": str(shipment.id),
            "shipment_timestamp": str(shipment.timestamp),
            "comments": shipment.comments or None,
            "status": shipment.status,
            "order_id": str(order.id),
            "order_timestamp": str(order.timestamp),
            "s_firstname": buyer.firstname if buyer.is_recipient_named else "",
            "s_lastname": buyer.lastname if buyer.is_recipient_named else "",
            "firstname": buyer.firstname,
            "lastname": buyer.lastname,
            "company": buyer.company,
            "shipping_id": str(shipment.shipping_id),
            "shipping": SHIPPINGS.get(shipment.shipping_id, ""),
            "tracking_number": shipment.tracking_number,
            "carrier": shipment.carrier,
            **self._contents(shipment),
            **_carrier_info(shipment),
            "one_full": not self.remaining(order),
        }

    def _contents(self, shipment: Shipment) -> Json:
        """What lies in it, by item. One that holds nothing lacks the keys."""
        if not shipment.products:
            return {}
        products = Map({str(item_id): str(quantity) for item_id, quantity in shipment.products.items()})
        return {"products": products, "group_key": 0}


def _carrier_info(shipment: Shipment) -> Json:
    """What is known of the carrier: of one that the marketplace does not know nothing, and without one no such key."""
    if not shipment.carrier:
        return {}
    name, link = CARRIERS.get(shipment.carrier), f"https://track.example.com/?n={shipment.tracking_number}"
    return {"carrier_info": Map({"name": name, "tracking_url": link} if name else {})}


def _check_letter(status: str) -> None:
    if status not in LETTERS or len(status) != 1:
        raise Refusal(400, "", "The status field is one of P, A, S")


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _count(value: Any) -> int:
    return int(str(value)) if str(value).isdecimal() else 0
