"""G2G's offers, orders and deliveries in our words: tables and pure functions (section 8 of the contract).

Only ids are required. A word that no table lists maps to unknown, is kept as it came, and breaks nothing.
"""

from collections.abc import Mapping
from dataclasses import replace

from marketplaces.services.g2g import reading
from marketplaces.services.g2g.reading import count, currency, ident, look_up, money, obj, rows, text, when, word
from marketplaces.types import (
    DeliveryIssue,
    DeliveryKind,
    DeliveryRequest,
    DeliveryResult,
    Health,
    Json,
    OfferContent,
    OfferStatus,
    OrderState,
    RemoteDelivery,
    RemoteOffer,
    RemoteOrder,
    RemoteOrderLine,
    UploadedCode,
    UploadedState,
)

# Their words, of the API and of webhooks, to the state of the contract. `delivered` means that the buyer confirmed
# (G2G-P26); our own work is done at `awaiting_buyer_confirmation`.
ORDER_STATES: dict[str, str] = {
    "unpaid": "awaiting_payment",
    "payment_review": "payment_review",
    "pending_clearing": "payment_review",
    "verifying_payment": "payment_review",
    "payment_not_received": "cancelled",
    "payment_failed": "cancelled",
    "cancelled": "cancelled",
    "paid": "paid",
    "start_delivering": "to_deliver",
    "start_deliver": "to_deliver",
    "to_deliver": "to_deliver",
    "delivering": "delivering",
    "delivering_in_progress": "delivering",
    "awaiting_buyer_confirmation": "awaiting_buyer",
    "delivered": "completed",
    "partial_delivered": "partly_completed",
    "refunded": "refunded",
    "refund_txn_in_progress": "refund_pending",
}

COMMON_STATES: dict[str, OrderState] = {
    "awaiting_payment": OrderState.AWAITING_PAYMENT,
    "payment_review": OrderState.ON_HOLD,
    "refund_pending": OrderState.ON_HOLD,
    "paid": OrderState.NEW,
    "to_deliver": OrderState.READY_TO_SHIP,
    "delivering": OrderState.READY_TO_SHIP,
    "awaiting_buyer": OrderState.DELIVERED,
    "completed": OrderState.COMPLETED,
    "partly_completed": OrderState.COMPLETED,
    "cancelled": OrderState.CANCELLED,
    "refunded": OrderState.RETURNED,
    "partly_refunded": OrderState.RETURNED,
}

# "In progress" is said of a delivery that waits for codes and of one being worked on (G2G-P60).
DELIVERY_RESULTS: dict[str, DeliveryResult] = {
    "in_progress": DeliveryResult.OPEN,
    "pending": DeliveryResult.OPEN,
    "processing": DeliveryResult.OPEN,
    "fully_delivered": DeliveryResult.DELIVERED,
    "delivered": DeliveryResult.DELIVERED,
    "completed": DeliveryResult.DELIVERED,
    "partial_delivered": DeliveryResult.PARTIAL,
    "partially_delivered": DeliveryResult.PARTIAL,
    "unfulfilled": DeliveryResult.UNFULFILLED,
    "failed": DeliveryResult.UNFULFILLED,
    "cancelled": DeliveryResult.EXPIRED,
    "expired": DeliveryResult.EXPIRED,
}

DELIVERY_KINDS: dict[str, DeliveryKind] = {
    "instant_inventory": DeliveryKind.CODES,
    "direct_top_up": DeliveryKind.TOP_UP,
}

DELIVERY_ISSUES: dict[DeliveryIssue, str] = {
    DeliveryIssue.SHORT_OF_STOCK: "insufficient_stock",
    DeliveryIssue.WRONG_DETAILS: "incorrect_delivery_detail",
    DeliveryIssue.OTHER: "others",
}

OFFER_STATUSES: dict[str, OfferStatus] = {
    "live": OfferStatus.LIVE,
    "delisted": OfferStatus.PAUSED,
    "delisted_by_g2g": OfferStatus.SUSPENDED,
    "deleted": OfferStatus.REMOVED,
}

UPLOADED_STATES: dict[str, UploadedState] = {
    state.value: state for state in UploadedState if state is not UploadedState.UNKNOWN
}

# What an offer says beyond our own fields, in their words: OfferContent.attributes and RemoteOffer.attributes.
OFFER_ATTRIBUTES = (
    "offer_attributes",
    "wholesale_details",
    "other_pricing",
    "other_wholesale_details",
    "sales_territory_settings",
    "delivery_method_ids",
)


# Where a buyer's answer stands: free text in `value`, a choice in the two others.
FILLED_IN = ("value", "attribute_value", "attribute_id")


# --- offers ------------------------------------------------------------------------------------------------------


def to_offer(payload: Json, offer_id: str = "") -> RemoteOffer:
    """Read an offer; `offer_id` stands in where the answer does not repeat it."""
    available = count(payload.get("available_qty"))
    status = look_up(OFFER_STATUSES, payload.get("status"), OfferStatus.UNKNOWN)
    if status is OfferStatus.LIVE and available == 0:
        status = OfferStatus.OUT_OF_STOCK
    attributes = {name: payload[name] for name in OFFER_ATTRIBUTES if payload.get(name) is not None}
    return RemoteOffer(
        external_id=ident(payload.get("offer_id")) or offer_id,
        external_product_id=ident(payload.get("product_id")),
        title=text(payload.get("title")),
        status=status,
        status_word=text(payload.get("status")),
        price=money(payload.get("unit_price")),
        currency=currency(payload.get("currency")),
        quantity=count(payload.get("api_qty")),
        available=available,
        min_quantity=count(payload.get("min_qty")),
        low_stock_at=count(payload.get("low_stock_alert_qty")),
        attributes=reading.evidence(attributes),
        code_form=text(payload.get("code_label")),
        raw=reading.evidence(payload),
    )


def choices_of(value: object) -> frozenset[tuple[str, str]]:
    """The choices of `offer_attributes`, in no order: what makes two offers of one product the same."""
    return frozenset((ident(row.get("attribute_group_id")), ident(row.get("attribute_id"))) for row in rows(value))


def fits(offer: RemoteOffer, filters: Mapping[str, str]) -> bool:
    """Say whether a row of a search passes its filters; what the row does not tell speaks for it."""
    told = {name: text(offer.raw.get(name)) for name in filters if name != "query"}
    query = filters.get("query", "")
    if query and offer.title and query.casefold() not in offer.title.casefold():
        return False
    return all(not value or word(value) == word(filters[name]) for name, value in told.items())


def may_be(offer: RemoteOffer, content: OfferContent) -> bool:
    """Say whether a row of a search, which tells little, may be an offer of this content."""
    if offer.external_product_id:
        return offer.external_product_id == content.external_product_id
    is_priced_so = offer.price is None or offer.price == content.price
    return is_priced_so and (not offer.currency or offer.currency == content.currency)


def is_same(offer: RemoteOffer, content: OfferContent) -> bool:
    """Say whether an offer, read in full, is of the same product and choices, and still there."""
    return (
        offer.external_product_id == content.external_product_id
        and choices_of(offer.attributes.get("offer_attributes"))
        == choices_of(content.attributes.get("offer_attributes"))
        and offer.status is not OfferStatus.REMOVED
    )


def to_uploaded(payload: Json, offer_id: str, item_id: str) -> UploadedCode:
    return UploadedCode(
        external_id=ident(payload.get("item_id")) or item_id,
        offer_id=ident(payload.get("offer_id")) or offer_id,
        reference=ident(payload.get("reference_id")),
        state=look_up(UPLOADED_STATES, payload.get("status"), UploadedState.UNKNOWN),
        state_word=text(payload.get("status")),
        created_at=when(payload.get("created_at")),
    )


# --- orders ------------------------------------------------------------------------------------------------------


def to_order(payload: Json, order_id: str = "") -> RemoteOrder:
    """Read an order, from the API or from an event; `order_id` stands in where the answer does not repeat it.

    Only an event tells offer, product, fee and payment (G2G-P28). Amounts are in the offer's currency.
    """
    external_id = ident(payload.get("order_id")) or order_id
    quantity, refunded = count(payload.get("purchased_qty")), count(payload.get("refunded_qty"))
    detail = look_up(ORDER_STATES, payload.get("order_status"), "unknown" if payload.get("order_status") else "")
    if detail == "refunded" and quantity is not None and refunded is not None and refunded < quantity:
        detail = "partly_refunded"
    return RemoteOrder(
        external_id=external_id,
        state=COMMON_STATES.get(detail, OrderState.UNKNOWN),
        state_detail=detail,
        status_word=text(payload.get("order_status")),
        payment_word=text(payload.get("order_payment_status")),
        currency=currency(payload.get("currency")) or currency(payload.get("offer_currency")),
        amount=money(payload.get("amount")),
        fee=money(payload.get("commission_fee")),
        refunded_amount=money(payload.get("refunded_amount")),
        buyer=ident(payload.get("buyer_id")),
        created_at=when(payload.get("created_at")) or when(payload.get("order_created_at")),
        updated_at=when(payload.get("updated_at")),
        lines=(
            RemoteOrderLine(
                external_id=external_id,
                external_offer_id=ident(payload.get("offer_id")),
                external_product_id=ident(payload.get("product_id")),
                quantity=quantity,
                delivered=count(payload.get("delivered_qty")),
                refunded=refunded,
                unit_price=money(payload.get("unit_price")),
            ),
        ),
        raw=reading.evidence(payload),
    )


# --- deliveries --------------------------------------------------------------------------------------------------


def delivery_id_of(payload: Json) -> str:
    """The delivery's id: nested, else flat, else an empty text (G2G-P17)."""
    return ident(obj(payload.get("delivery_summary")).get("delivery_id")) or ident(payload.get("delivery_id"))


def to_delivery_request(payload: Json) -> DeliveryRequest:
    """Read `order.api_delivery`. The quantity is the one requested, never the one purchased (G2G-P15)."""
    summary = obj(payload.get("delivery_summary"))
    requested = count(summary.get("requested_qty"))
    return DeliveryRequest(
        order_id=ident(payload.get("order_id")),
        delivery_id=delivery_id_of(payload),
        quantity=count(payload.get("delivery_qty")) if requested is None else requested,
        kind=_kind(summary),
        is_replacement=word(summary.get("delivery_mode")) == "replacement",
        case_id=ident(summary.get("case_id")),
        requested_at=when(summary.get("requested_at")),
        expires_at=when(summary.get("expired_at")),
        buyer_fields=buyer_fields(summary),
    )


def to_delivery(payload: Json, order_id: str, *, with_units: bool = True) -> RemoteDelivery:
    """Read a delivery of G2G-11 or G2G-13, flat or nested. `with_units` says that quantities beside the summary are
    this delivery's own; those of a list's row may be the whole order's.
    """
    summary = obj(payload.get("delivery_summary"))
    flat = payload if with_units else {}
    status = text(summary.get("delivery_status")) or text(payload.get("delivery_status"))
    return RemoteDelivery(
        order_id=ident(payload.get("order_id")) or order_id,
        delivery_id=delivery_id_of(payload),
        result=look_up(DELIVERY_RESULTS, status, DeliveryResult.UNKNOWN),
        status_word=status,
        requested=_first(count(summary.get("requested_qty")), count(payload.get("requested_qty"))),
        delivered=_first(count(summary.get("delivered_qty")), count(flat.get("delivered_qty"))),
        kind=_kind(summary or payload),
        is_replacement=word(summary.get("delivery_mode")) == "replacement",
        case_id=ident(summary.get("case_id")),
        expires_at=when(summary.get("expired_at")) or when(payload.get("expired_at")),
        raw=reading.evidence(payload),
    )


def row_is_one_delivery(payload: Json) -> bool:
    """Say whether a row of G2G-11 can only speak of its delivery: the order asks for nothing beyond it."""
    summary = obj(payload.get("delivery_summary"))
    requested = count(summary.get("requested_qty"))
    is_normal = word(summary.get("delivery_mode")) in ("", "normal")
    return is_normal and requested is not None and requested == count(payload.get("purchased_qty"))


def is_complete(delivery: RemoteDelivery) -> bool:
    return bool(delivery.status_word) and delivery.requested is not None and delivery.delivered is not None


def completed(delivery: RemoteDelivery, status: RemoteDelivery) -> RemoteDelivery:
    """Fill what the list of deliveries did not tell from the delivery's own status."""
    return replace(
        delivery,
        result=delivery.result if delivery.status_word else status.result,
        status_word=delivery.status_word or status.status_word,
        requested=_first(delivery.requested, status.requested),
        delivered=_first(delivery.delivered, status.delivered),
        expires_at=delivery.expires_at or status.expires_at,
    )


def kind_said(payload: Json) -> DeliveryKind | None:
    """How a delivery is to be made, if the row says so in a word we know."""
    word_said = obj(payload.get("delivery_summary")).get("delivery_method_code")
    return DELIVERY_KINDS.get(word(word_said))


def buyer_fields(summary: Json) -> dict[str, str]:
    """What the buyer filled in, as people read it: "User ID (delivery_info_1)" -> value. Personal data.

    A name may change and its group's id too; the key in brackets stays (G2G-P20).
    """
    found: dict[str, str] = {}
    for row in rows(summary.get("delivery_method_list")) + rows(summary.get("additional_info_list")):
        value = next(filter(None, (reading.filled_in(row.get(key)) for key in FILLED_IN)), "")
        name, key = text(row.get("attribute_group_name")), text(row.get("attribute_key"))
        label = f"{name} ({key})" if name and key else name or key or ident(row.get("attribute_group_id"))
        if label and value:
            found[label] = value
    return found


def _kind(summary: Json) -> DeliveryKind:
    guess = DeliveryKind.TOP_UP if buyer_fields(summary) else DeliveryKind.CODES
    return look_up(DELIVERY_KINDS, summary.get("delivery_method_code"), guess)


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


# --- account -----------------------------------------------------------------------------------------------------


def to_health(payload: Json, user_id: str, clock_off: float | None) -> Health:
    """Read the store's settings. Any status but "active" stops writes; one that is not told stops nothing."""
    statuses = {name: text(payload.get(name)) for name in ("account_status", "seller_status")}
    currencies = reading.texts(payload.get("selling_currencies"))
    details = [f"{name.replace('_', ' ').capitalize()}: {status}" for name, status in statuses.items() if status]
    if currencies:
        details.append(f"Sells in {', '.join(currencies)}")
    owner = ident(payload.get("user_id"))
    if owner and owner != user_id:
        details.append(f"The key belongs to user {owner}, the account says {user_id}: correct the user id")
    return Health(
        reachable=True,
        authenticated=True,
        usable=all(word(status) in ("", "active") for status in statuses.values()),
        details=details,
        clock_off_seconds=clock_off,
        currencies=currencies,
    )
