"""What the make-believe Ginee tells a seller: envelopes of both generations, about orders and delivery orders."""

import itertools
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json
from marketplaces.services.ginee.sandbox_checks import MICROS, utc_text
from marketplaces.services.ginee.sandbox_records import DeliveryOrder, Order, delivery_payload

if TYPE_CHECKING:
    from marketplaces.services.ginee.sandbox import Sandbox

USER = "U5DDCC5369BD11600010001"
OPS = {
    ("order", "CREATE"): "GIN-01",
    ("delivery-order", "CREATE"): "GIN-02",
    ("delivery-order", "UPDATE"): "GIN-03",
    ("delivery-order", "DELETE"): "GIN-04",
}
OTHER = "GIN-05"
ABSENT_WHEN_DELETED = (
    "deliveryOrderStatus",
    "shop",
    "shippingAddress",
    "senderAddress",
    "logisticsProvider",
    "orderItems",
)
EMPTY_SHOP = {"shopId": "", "shopName": "", "shopUrl": "", "externalShopId": ""}


class Events:
    """Makes notifications, and hands them to the sender."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._numbers = itertools.count(1)

    def order(self, order: Order, action: str) -> None:
        if action == "CREATE" or self._sandbox.switches.order_updates:
            self.send("order", action, order.payload(self.decimals()), about=order.id, access_key=order.access_key)

    def delivery(self, delivery: DeliveryOrder, action: str) -> None:
        payload = delivery_payload(delivery, self.decimals())
        self.send("delivery-order", action, payload, about=delivery.id, access_key=delivery.order.access_key)

    def send(self, entity: str, action: str, payload: Json, *, about: str = "", access_key: str = "") -> None:
        """Tell every receiver of an account something, such as an entity that nobody knows (GIN-05)."""
        key = access_key or self._sandbox.main_key()
        receivers = [
            seller for seller in self._sandbox.sellers() if seller.url and seller.credentials.get("access_key") == key
        ]
        op = OPS.get((entity, action), OTHER)
        self._sandbox.emit(op, f"{entity} {action}", receivers, self.envelope(entity, action, payload), about)

    def envelope(self, entity: str, action: str, payload: Json, created_at: int | None = None) -> Json:
        now = max(int(self._sandbox.clock.time() * MICROS), self._sandbox.orders.latest)
        document: Json = {
            "id": f"GENIE5FF31A7C5F1503{next(self._numbers):010d}",
            "entity": entity,
            "action": action,
            "createAt": utc_text(created_at or now, self.decimals()),
            "payload": payload,
        }
        generation = self._sandbox.switches.generation
        if generation == "old" or (generation == "mixed" and self._sandbox.random.random() < 0.5):
            document |= {"userId": USER, "user": {"id": USER, "email": ""}}
        return document

    def decimals(self) -> int:
        wanted = self._sandbox.switches.decimals
        return self._sandbox.random.choice((0, 3, 6)) if isinstance(wanted, str) else wanted


# --- what can be wrong with a body, by mode; each gets a copy of what is meant -----------------------------------


def _empty_payload(document: Json) -> None:
    document["payload"] = {}


def _partial_delete(document: Json) -> None:
    if document["entity"] == "delivery-order" and document["action"] == "DELETE":
        for name in ABSENT_WHEN_DELETED:
            document["payload"].pop(name, None)


def _foreign_owner(document: Json) -> None:
    if "ownerId" in document["payload"]:
        document["payload"]["ownerId"] = document["payload"].get("deliveryOrderId", "WDO606D24DD46E0FB0001D80001")


def _empty_shop(document: Json) -> None:
    payload = document["payload"]
    if "shop" in payload:
        payload["shop"] = dict(EMPTY_SHOP)
    if "externalShopId" in payload:
        payload["externalShopId"] = ""


def _underscore_id(document: Json) -> None:
    if "user" in document:
        document["user"] = {"_id": document["user"].get("id", USER), "email": ""}


def _early_envelope(document: Json) -> None:
    document["createAt"] = "2020-10-27T15:50:19Z"


def _unknown_entity(document: Json) -> None:
    document["entity"] = "master_product_create"


def _unknown_action(document: Json) -> None:
    document["action"] = "ARCHIVE"


def _unknown_status(document: Json) -> None:
    for name in ("orderStatus", "deliveryOrderStatus"):
        if name in document["payload"]:
            document["payload"][name] = "WORD_OF_TOMORROW"


def _missing_last_update(document: Json) -> None:
    document["payload"].pop("lastUpdateAt", None)


def _number_id(document: Json) -> None:
    document["id"] = int("".join(re.findall(r"\d+", document["id"])))


def _quantity_text(document: Json) -> None:
    for row in document["payload"].get("orderItems", ()):
        row["quantity"] = str(row["quantity"])


DISGUISES: Mapping[str, Callable[[Json], None]] = {
    "empty_payload": _empty_payload,
    "partial_delete": _partial_delete,
    "foreign_owner": _foreign_owner,
    "empty_shop": _empty_shop,
    "underscore_id": _underscore_id,
    "early_envelope": _early_envelope,
    "unknown_entity": _unknown_entity,
    "unknown_action": _unknown_action,
    "unknown_status": _unknown_status,
    "missing_last_update": _missing_last_update,
    "number_id": _number_id,
    "quantity_text": _quantity_text,
}


def other_body(document: Json) -> Json:
    """Return a notification that says something else under the same id."""
    payload = document["payload"]
    if "trackingNumber" in payload:
        changed = {"trackingNumber": f"{payload['trackingNumber']}9"}
    else:
        changed = {"externalShopId": "channel_shop_2"}
    return {**document, "payload": {**payload, **changed}}
