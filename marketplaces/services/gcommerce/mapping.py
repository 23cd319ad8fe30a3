"""G-Commerce's products, orders and shipments in our words: pure functions (sections 3, 7 and 8 of the contract).

Only ids are required. A letter that no table lists maps to unknown, is kept as it came, and breaks nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from marketplaces.services.gcommerce import decoding, statuses
from marketplaces.services.gcommerce.decoding import ident, is_empty, letter, money, obj, rows, text, units, when
from marketplaces.services.gcommerce.fields import CURRENCY
from marketplaces.types import (
    Address,
    Category,
    Json,
    OfferStatus,
    OrderState,
    RemoteOffer,
    RemoteOrder,
    RemoteOrderLine,
    RemotePurchaseOrder,
    RemoteShipment,
    ShipmentItem,
    ShipmentState,
    ShippingMethod,
)

# Theirs -> ours, of what an offer's attributes say; the first three are in rows of the list, too.
TEXT_ATTRIBUTES: Mapping[str, str] = {
    "product_upc_code": "upc",
    "weight": "weight",
    "main_category": "main_category",
    "free_shipping": "free_shipping",
    "list_price": "list_price",
    "lang_code": "lang_code",
    "page_title": "page_title",
    "meta_description": "meta_description",
    "avail_since": "avail_since",
    "premoderation_reason": "premoderation_reason",
}
# Fields of a complete order that may be cleared by it, as theirs -> ours.
ORDER_MAY_EMPTY = {"notes": "note", "email": "email", "phone": "phone"}
SHIPMENT_MAY_EMPTY = {"tracking_number": "tracking_number", "carrier": "carrier", "comments": "comment"}


# --- catalogue and products --------------------------------------------------------------------------------------


def to_category(payload: Json) -> Category:
    parent_id = ident(payload.get("parent_id"))
    return Category(
        external_id=ident(payload.get("category_id")),
        name=text(payload.get("category")),
        parent_id="" if parent_id == "0" else parent_id,
        status_word=letter(payload.get("status")),
        raw=decoding.evidence(payload),
    )


def to_offer(payload: Json) -> RemoteOffer:
    """Read a product, from the list (a short form) or by itself. `quantity` is what can be sold, from 0."""
    quantity = units(payload.get("amount"))
    status = statuses.PRODUCTS.get(letter(payload.get("status")), OfferStatus.UNKNOWN)
    if status is OfferStatus.LIVE and quantity == 0:
        status = OfferStatus.OUT_OF_STOCK
    return RemoteOffer(
        external_id=ident(payload.get("product_id")),
        external_product_id=ident(payload.get("product_code")),
        title=text(payload.get("product")),
        status=status,
        status_word=letter(payload.get("status")),
        price=money(payload.get("price")),
        currency=CURRENCY if money(payload.get("price")) is not None else "",
        quantity=quantity,
        available=quantity,
        min_quantity=units(payload.get("min_qty")),
        attributes=_attributes(payload),
        raw=decoding.evidence(payload),
    )


def _attributes(payload: Json) -> Json:
    found: Json = {ours: _plain(payload.get(theirs)) for theirs, ours in TEXT_ATTRIBUTES.items()}
    found["category_ids"] = decoding.idents(payload.get("category_ids"))
    found["images"] = decoding.images(payload)
    return {name: value for name, value in found.items() if value}


def _plain(value: object) -> str:
    number = None if isinstance(value, str) else decoding.number(value)
    return text(value) if number is None else f"{number:f}"


# --- orders ------------------------------------------------------------------------------------------------------


def to_order(
    payload: Json, table: Mapping[str, OrderState], *, asked_at: datetime | None = None, is_summary: bool = False
) -> RemoteOrder:
    """Read an order, or with `is_summary` a row of the list. Amounts are stored as told: their sums need not add up."""
    word = letter(payload.get("status"))
    return RemoteOrder(
        external_id=ident(payload.get("order_id")),
        state=table.get(word, OrderState.UNKNOWN),
        status_word=word,
        currency=CURRENCY,
        amount=money(payload.get("total")),
        buyer=ident(payload.get("user_id")),
        created_at=when(payload.get("timestamp")),
        updated_at=when(payload.get("updated_at")),
        lines=[_order_line(row) for row in rows(payload.get("products"), "item_id")],
        raw=decoding.evidence(payload),
        email=text(payload.get("email")),
        phone=text(payload.get("phone")),
        note=text(payload.get("notes")),
        ship_to=None if is_summary else _address(payload, "s_"),
        bill_to=None if is_summary else _address(payload, "b_"),
        shipping_methods=_shipping_methods(payload),
        needs_shipping=decoding.flag(payload.get("need_shipping")) is not False,
        is_summary=is_summary,
        emptied=frozenset() if is_summary else _emptied(payload, ORDER_MAY_EMPTY),
        asked_at=asked_at,
    )


def _order_line(row: Json) -> RemoteOrderLine:
    return RemoteOrderLine(
        external_id=ident(row.get("item_id")),
        external_offer_id=ident(row.get("product_id")),
        external_product_id=ident(row.get("product_code")),
        name=text(row.get("product")),
        sku=ident(row.get("product_code")),
        quantity=units(row.get("amount")),
        unit_price=money(row.get("price")),
    )


def _shipping_methods(payload: Json) -> Sequence[ShippingMethod]:
    """The ways that the order itself describes, else those whose ids it names."""
    told = [
        ShippingMethod(
            ident(row.get("shipping_id")), name=text(row.get("shipping")), delivery_time=text(row.get("delivery_time"))
        )
        for row in rows(payload.get("shipping"), "shipping_id")
    ]
    told = [method for method in told if method.external_id]
    return told or [ShippingMethod(name) for name in decoding.idents(payload.get("shipping_ids"))]


def _address(payload: Json, whose: str) -> Address | None:
    """The address of `s_` or `b_`; a name that is empty falls back to the bill's, then to the customer's (GCO-P32)."""

    def said(name: str) -> str:
        return text(payload.get(whose + name))

    address = Address(
        name=_name(payload, whose),
        company=said("company"),
        phone=said("phone"),
        email=said("email"),
        street="\n".join(filter(None, (said("address"), said("address_2")))),
        district=said("county"),
        city=said("city"),
        region=said("state"),
        postal_code=said("zipcode"),
        country=said("country"),
    )
    return None if address == Address() else address


def _name(payload: Json, whose: str) -> str:
    for prefix in (whose, "b_", ""):
        parts = (text(payload.get(f"{prefix}firstname")), text(payload.get(f"{prefix}lastname")))
        if name := " ".join(filter(None, parts)):
            return name
    return ""


def _emptied(payload: Json, may: Mapping[str, str]) -> frozenset[str]:
    """Our fields that a complete answer carries as empty; what it does not carry is not among them."""
    return frozenset(ours for theirs, ours in may.items() if theirs in payload and is_empty(payload[theirs]))


def is_ours(payload: Json) -> bool:
    """Say whether a row of the list is an order for us, not the basket that it is part of."""
    return (
        letter(payload.get("status")) != statuses.PARENT and decoding.flag(payload.get("is_parent_order")) is not True
    )


def to_purchase_order(
    payload: Json, table: Mapping[str, OrderState], *, is_summary: bool = False
) -> RemotePurchaseOrder:
    """Read a buyer's request to buy, or with `is_summary` a row of the list."""
    word = letter(payload.get("status"))
    return RemotePurchaseOrder(
        external_id=ident(payload.get("purchase_order_id")),
        state=table.get(word, OrderState.UNKNOWN),
        status_word=word,
        buyer=ident(payload.get("user_id")),
        email=text(payload.get("email")),
        phone=text(payload.get("phone")),
        note=text(payload.get("notes")),
        currency=CURRENCY,
        subtotal=money(payload.get("subtotal")),
        amount=money(payload.get("total")),
        ship_to=None if is_summary else _address(payload, "s_"),
        bill_to=None if is_summary else _address(payload, "b_"),
        shipping_methods=_shipping_methods(payload),
        lines=[_order_line(row) for row in rows(payload.get("products"), "item_id")],
        created_at=when(payload.get("timestamp")),
        is_summary=is_summary,
        raw=decoding.evidence(payload),
    )


def _link(value: object) -> str:
    found = text(value)
    return found if found.startswith(("https://", "http://")) else ""


# --- shipments ---------------------------------------------------------------------------------------------------


def to_shipment(payload: Json, *, asked_at: datetime | None = None, is_summary: bool = False) -> RemoteShipment:
    """Read a shipment; a row of the list has what it has itself, but clears nothing."""
    word = letter(payload.get("status"))
    carrier = obj(payload.get("carrier_info"))
    recipient = Address(name=_name(payload, "s_"))
    return RemoteShipment(
        external_id=ident(payload.get("shipment_id")),
        order_id=ident(payload.get("order_id")),
        state=statuses.SHIPMENTS.get(word, ShipmentState.UNKNOWN),
        status_word=word,
        carrier=text(payload.get("carrier")),
        carrier_name=text(carrier.get("name")),
        tracking_number=text(payload.get("tracking_number")),
        tracking_url=_link(carrier.get("tracking_url")),
        shipping_method_id=ident(payload.get("shipping_id")),
        comment=text(payload.get("comments")),
        ship_to=recipient if recipient.name else None,
        items=[ShipmentItem(line_id, count) for line_id, count in decoding.quantities(payload.get("products")).items()],
        created_at=when(payload.get("shipment_timestamp")),
        emptied=frozenset() if is_summary else _emptied(payload, SHIPMENT_MAY_EMPTY),
        asked_at=asked_at,
        raw=decoding.evidence(payload),
    )
