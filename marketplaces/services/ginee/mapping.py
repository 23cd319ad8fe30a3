"""Ginee's orders, delivery orders, stock and shops in our words: tables and pure functions (sections 4, 7 and 8).

Only ids are required. A word that no table lists maps to unknown, is kept as it came, and breaks nothing.
"""

from datetime import datetime

from marketplaces.services.ginee import reading
from marketplaces.services.ginee.reading import count, currency, first, ident, look_up, money, obj, rows, text, when
from marketplaces.types import (
    Address,
    Json,
    OfferStatus,
    OrderState,
    RemoteOffer,
    RemoteOrder,
    RemoteOrderLine,
    RemoteShipment,
    ShipmentItem,
    ShipmentState,
)

# The second half is not in Ginee's dictionary: words of other programs that read it (section 7).
ORDER_STATES: dict[str, OrderState] = {
    "PENDING_PAYMENT": OrderState.AWAITING_PAYMENT,
    "PARTIALLY_PAID": OrderState.AWAITING_PAYMENT,
    "PAID": OrderState.NEW,
    "READY_TO_SHIP": OrderState.READY_TO_SHIP,
    "SHIPPING": OrderState.SHIPPED,
    "DELIVERED": OrderState.DELIVERED,
    "CANCELLED": OrderState.CANCELLED,
    "RETURNED": OrderState.RETURNED,
    "FAIL": OrderState.FAILED,
    "FAILED": OrderState.FAILED,
    "UNPAID": OrderState.AWAITING_PAYMENT,
    "PROCESSING": OrderState.ACCEPTED,
    "SHIPPED": OrderState.SHIPPED,
    "COMPLETED": OrderState.COMPLETED,
}
SHIPMENT_STATES: dict[str, ShipmentState] = {"NEW": ShipmentState.NEW}
CONNECTED = "CONNECTED"

# Where the same thing has several names; the first that says something counts.
NUMBER = ("externalOrderSn", "externalOrderId")
LINE_ID = ("itemId", "orderItemId", "sourceOrderItemId", "id")
LINE_SKU = ("masterSku", "sku")
LINE_NAME = ("productName", "itemName", "name")
LINE_PRICE = ("actualPrice", "price", "unitPrice")
SOURCE_LINE = ("sourceOrderItemId", "orderItemId", "orderId")  # GIN-P15
CONSIGNEE = ("shippingAddress", "shippingAddressInfo")
# Under which name a details answer says that there is nothing (any more); absence says nothing (section 4.7).
CLEARED = {"externalOrderSn": "number", "totalAmount": "amount", "currency": "currency", "shippingAddress": "ship_to"}


# --- orders ------------------------------------------------------------------------------------------------------


def to_order(payload: Json, *, is_summary: bool = False, asked_at: datetime | None = None) -> RemoteOrder:
    """Read an order, from a notification, a list's row, or its details, which were `asked_at` some moment."""
    customer, payment = obj(payload.get("customerInfo")), obj(payload.get("paymentInfo"))
    amount = money(payload.get("totalAmount"))
    return RemoteOrder(
        external_id=ident(payload.get("orderId")),
        state=look_up(ORDER_STATES, payload.get("orderStatus"), OrderState.UNKNOWN),
        status_word=text(payload.get("orderStatus")),
        payment_word=text(payload.get("paymentMethod")),
        currency=currency(payload.get("currency")),
        amount=money(payment.get("totalAmount")) if amount is None else amount,
        buyer=first(customer, ("name", "buyerName", "customerName")),
        created_at=when(payload.get("createAt")),
        updated_at=when(payload.get("lastUpdateAt")),
        lines=tuple(line for row in _list(payload.get("items")) if (line := _line(row))),
        raw=reading.evidence(payload),
        number=ident(first(payload, NUMBER)),
        channel=ident(payload.get("channel")),
        email=first(customer, ("email", "buyerEmail")),
        phone=first(customer, ("phoneNumber", "phone", "mobile")),
        note=first(payload, ("buyerNote", "note", "remark")),
        ship_to=next(filter(None, (to_address(payload.get(name)) for name in CONSIGNEE)), None),
        needs_shipping=True,
        is_summary=is_summary,
        emptied=_emptied(payload) if asked_at else frozenset(),
        asked_at=asked_at,
    )


def _line(row: Json) -> RemoteOrderLine | None:
    sku = ident(first(row, LINE_SKU))
    external_id = ident(first(row, LINE_ID)) or sku
    if not external_id:
        return None
    return RemoteOrderLine(
        external_id=external_id,
        external_offer_id=sku,
        external_product_id=sku,
        name=first(row, LINE_NAME),
        sku=sku,
        quantity=count(row.get("quantity")),
        unit_price=next((price for name in LINE_PRICE if (price := money(row.get(name))) is not None), None),
    )


def _emptied(payload: Json) -> frozenset[str]:
    return frozenset(field for name, field in CLEARED.items() if name in payload and payload[name] is None)


def _list(value: object) -> list[Json]:
    return rows(value) if isinstance(value, list) else []


def to_address(value: object) -> Address | None:
    """Read an address; None when it says nothing."""
    payload = obj(value)
    read = Address(
        name=text(payload.get("name")),
        phone=first(payload, ("phoneNumber", "phone", "mobile")),
        email=text(payload.get("email")),
        street=text(payload.get("fullAddress")).lstrip(", "),
        district=text(payload.get("district")),
        city=text(payload.get("city")),
        region=text(payload.get("province")),
        postal_code=first(payload, ("zipCode", "zipcode")),
        country=text(payload.get("country")),
    )
    return read if read != Address() else None


# --- delivery orders ---------------------------------------------------------------------------------------------


def to_shipment(payload: Json, *, deleted_at: datetime | None = None) -> RemoteShipment:
    """Read a delivery order, as a notification tells it; of one that was removed it tells less (GIN-P08)."""
    return RemoteShipment(
        external_id=ident(payload.get("deliveryOrderId")),
        order_id=ident(payload.get("sourceOrderId")),
        order_number=ident(payload.get("sourceOrderSn")),
        channel=ident(payload.get("channel")),
        number=ident(payload.get("deliveryOrderSn")),
        state=look_up(SHIPMENT_STATES, payload.get("deliveryOrderStatus"), ShipmentState.UNKNOWN),
        status_word=text(payload.get("deliveryOrderStatus")),
        carrier_name=text(payload.get("logisticsProvider")),
        tracking_number=ident(payload.get("trackingNumber")),
        label_url=text(payload.get("waybillUrl")),
        ship_to=to_address(payload.get("shippingAddress")),
        ship_from=to_address(payload.get("senderAddress")),
        items=tuple(_item(row) for row in _list(payload.get("orderItems"))),
        created_at=when(payload.get("createAt")),
        updated_at=when(payload.get("lastUpdateAt")),
        deleted_at=deleted_at,
        raw=reading.evidence(payload),
    )


def _item(row: Json) -> ShipmentItem:
    return ShipmentItem(
        line_id=ident(first(row, SOURCE_LINE)),
        quantity=count(row.get("quantity")),
        external_id=ident(row.get("deliveryOrderItemId")),
        sku=ident(row.get("inventorySku")),
        name=text(row.get("inventoryName")),
    )


# --- stock -------------------------------------------------------------------------------------------------------


def to_offer(row: Json) -> RemoteOffer:
    """Read a master SKU's stock. `quantity` is what we set, `available` what is left of it to be sold (GIN-C04)."""
    sku, available = ident(row.get("masterSku")), count(row.get("availableStock"))
    status = OfferStatus.UNKNOWN if available is None else OfferStatus.LIVE if available else OfferStatus.OUT_OF_STOCK
    return RemoteOffer(
        external_id=sku,
        external_product_id=sku,
        status=status,
        quantity=count(row.get("warehouseStock")),
        available=available,
        raw=reading.evidence(row),
    )


# --- account -----------------------------------------------------------------------------------------------------


def shop_line(row: Json) -> str:
    """Say in a line for people how a shop stands with its marketplace; empty when all is well (GIN-C03)."""
    state = reading.word(row.get("authorizationStatus"))
    if state in ("", CONNECTED):
        return ""
    name = first(row, ("shopName", "externalShopId", "shopId"))
    return f"Shop “{name}” ({text(row.get('channel'))}) is {state} and needs attention: connect it again in Ginee."
