"""G2A's answers in our words: tables and pure functions (section 8 of the contract). Both dialects are read alike.

Only ids are required. A word that no table lists maps to unknown, is kept as it came, and breaks nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketplaces.exceptions import PermanentError
from marketplaces.services.g2a import reading
from marketplaces.services.g2a.bodies import CURRENCY
from marketplaces.services.g2a.reading import amount, count, flag, ident, look_up, obj, rows, text, word
from marketplaces.types import (
    CompetingOffer,
    Earnings,
    JobState,
    Json,
    OfferStatus,
    PurchasedKey,
    PurchaseState,
    RemoteJob,
    RemoteOffer,
    RemoteProduct,
    RemotePurchase,
    UploadedCode,
    UploadedState,
)

OFFER_STATUSES: dict[str, OfferStatus] = {
    "active": OfferStatus.LIVE,
    "inactive": OfferStatus.PAUSED,
    "deactivated": OfferStatus.PAUSED,
    "sold_out": OfferStatus.OUT_OF_STOCK,
    "out_of_stock": OfferStatus.OUT_OF_STOCK,
    "archived": OfferStatus.REMOVED,
    "deleted": OfferStatus.REMOVED,
    "rejected": OfferStatus.SUSPENDED,
    # Being published: we have no word of our own for it, and it is no surprise.
    "pending": OfferStatus.UNKNOWN,
    "draft": OfferStatus.UNKNOWN,
    "processing": OfferStatus.UNKNOWN,
}

JOB_STATES: dict[str, JobState] = {
    "pending": JobState.OPEN,
    "processing": JobState.OPEN,
    "completed": JobState.DONE,
    "complete": JobState.DONE,
    "done": JobState.DONE,
    "failed": JobState.FAILED,
    "error": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    "canceled": JobState.CANCELLED,
}
FAILURE_WORDS = frozenset({"failed", "error", "cancelled", "canceled"})

PURCHASE_STATES: dict[str, PurchaseState] = {
    "new": PurchaseState.CREATED,
    "pending": PurchaseState.PENDING,
    "complete": PurchaseState.COMPLETE,
}

# The words of G2A-L02 are not documented; what no row says is not taken for gone.
UPLOADED_STATES: dict[str, UploadedState] = {
    "available": UploadedState.AVAILABLE,
    "active": UploadedState.AVAILABLE,
    "reserved": UploadedState.RESERVED,
    "sold": UploadedState.SOLD,
    "deleted": UploadedState.DELETED,
    "removed": UploadedState.DELETED,
}

# What an offer says beyond our own fields, in their words: RemoteOffer.attributes, and OfferContent.attributes again.
OFFER_ATTRIBUTES = ("regions", "regionRestrictions")


@dataclass(frozen=True)
class ProductPage:
    """One page of the catalogue; `total` counts what the filters let through, None when it was not told."""

    total: int | None
    products: list[RemoteProduct]


@dataclass(frozen=True)
class Reservation:
    """Stock that is held for an order (G2A-16); `is_ready` is known once it was confirmed (G2A-17)."""

    external_id: str
    order_id: str = ""
    product_id: str = ""
    quantity: int | None = None
    status_word: str = ""
    expires_at: datetime | None = None
    created_at: datetime | None = None
    is_ready: bool | None = None


@dataclass(frozen=True)
class ReservedStock:
    """What an order has got (G2A-18); keys are there only when it is ready."""

    order_id: str
    is_ready: bool
    keys: tuple[str, ...] = field(default=(), repr=False)


# --- catalogue ---------------------------------------------------------------------------------------------------


def to_product(row: Json) -> RemoteProduct:
    """Read a product of G2A-02 or G2A-03. Its price is the lowest at which it is offered, in EUR and gross."""
    categories = rows(row.get("categories"))
    available = 0 if flag(row.get("availableToBuy")) is False else count(row.get("qty"))
    return RemoteProduct(
        external_id=ident(row.get("id")),
        name=text(row.get("name")),
        category=text(categories[0].get("name")) if categories else "",
        brand=text(row.get("platform")) or text(row.get("publisher")),
        region=text(row.get("region")),
        price=amount(row.get("minPrice")),
        currency=CURRENCY,
        available=available,
        raw=obj(reading.evidence(row)),
    )


def to_product_page(body: Json) -> ProductPage:
    products = [to_product(row) for row in rows(body.get("docs"))]
    return ProductPage(count(body.get("total")), [product for product in products if product.external_id])


def to_bestseller(row: Json) -> RemoteProduct:
    """Read a row of G2A-15. What it holds is not documented beyond an id somewhere."""
    inner = obj(row.get("product"))
    return RemoteProduct(
        external_id=ident(row.get("productId")) or ident(row.get("id")) or ident(inner.get("id")),
        name=text(row.get("name")) or text(inner.get("name")),
        category=text(row.get("category")),
        brand=text(row.get("platform")),
        price=amount(row.get("minPrice")),
        currency=CURRENCY,
        raw=obj(reading.evidence(row)),
    )


# --- offers ------------------------------------------------------------------------------------------------------


def to_offer(row: Json, offer_id: str = "") -> RemoteOffer:
    """Read an offer, flat or wrapped or with a variant; `offer_id` stands in where the answer does not repeat it."""
    found = _flattened(reading.unwrapped(row, "id"))
    inventory, product = obj(found.get("inventory")), obj(found.get("product"))
    size = count(inventory.get("size"))
    retail, business = _prices(found)
    attributes: Json = {name: found[name] for name in OFFER_ATTRIBUTES if found.get(name) not in (None, [], {})}
    if business is not None:
        attributes["business_price"] = f"{business:f}"
    return RemoteOffer(
        external_id=ident(found.get("id")) or offer_id,
        external_product_id=ident(found.get("productId")) or ident(product.get("id")),
        title=text(product.get("name")),
        status=offer_status(found, size),
        status_word=text(found.get("status")),
        price=retail,
        currency=CURRENCY,
        quantity=size,
        available=size,
        offer_type=text(found.get("type")) or text(found.get("offerType")),
        visibility=text(found.get("visibility")),
        attributes=obj(reading.evidence(attributes)),
        raw=obj(reading.evidence(found)),
    )


def offer_status(found: Json, size: int | None) -> OfferStatus:
    said, is_active = found.get("status"), flag(found.get("active"))
    status = look_up(OFFER_STATUSES, said, OfferStatus.UNKNOWN)
    if flag(found.get("archive")) or status is OfferStatus.REMOVED:
        return OfferStatus.REMOVED
    if is_active is False:
        return OfferStatus.PAUSED
    if is_active and not text(said):
        status = OfferStatus.LIVE
    return OfferStatus.OUT_OF_STOCK if status is OfferStatus.LIVE and size == 0 else status


def is_known_status(status_word: str) -> bool:
    return not status_word or word(status_word) in OFFER_STATUSES


def _flattened(row: Json) -> Json:
    variants = rows(row.get("variants"))
    return obj(row.get("variant")) | (variants[0] if variants else {}) | row


def _prices(found: Json) -> tuple[Decimal | None, Decimal | None]:
    """Retail and business price, whether plain, by who sees it, or nested with its currency."""
    said = found.get("price")
    by_group = obj(said)
    retail = _plain_price(by_group.get("retail")) if by_group else amount(said)
    business = _plain_price(by_group.get("business")) if by_group else None
    return retail if retail is not None else business, amount(found.get("businessPrice")) or business


def _plain_price(value: Any) -> Decimal | None:
    nested = obj(value)
    return amount(obj(nested.get("base")).get("value", nested.get("value"))) if nested else amount(value)


def to_uploaded(row: Json, offer_id: str) -> UploadedCode:
    """Read a row of G2A-L02, of which no shape is documented; its code is left where it is."""
    external_id = ident(row.get("id")) or ident(row.get("itemId")) or ident(row.get("uuid"))
    return UploadedCode(
        external_id=external_id,
        offer_id=offer_id,
        state=look_up(UPLOADED_STATES, row.get("status"), UploadedState.UNKNOWN),
        state_word=text(row.get("status")),
        created_at=reading.when(row.get("createdAt")),
    )


def to_competing(row: Json) -> CompetingOffer:
    """Read another seller's offer (G2A-L05). Its price is what the seller asks, before what G2A adds (G2A-P57)."""
    by_group, seller = obj(row.get("price")), obj(row.get("seller"))
    group = obj(by_group.get("retail")) or obj(by_group.get("business"))
    base = obj(group.get("base"))
    return CompetingOffer(
        external_id=ident(row.get("id")),
        price=amount(base.get("value")),
        currency=text(base.get("currencyCode")).upper() or CURRENCY,
        seller=text(seller.get("name")),
        rating=count(seller.get("rating")),
    )


# --- jobs and prices ---------------------------------------------------------------------------------------------


def to_job(body: Json, job_id: str) -> RemoteJob:
    """Read a job, flat or with elements (G2A-13). A final one may hold a failure in any of its parts (G2A-P18)."""
    found = reading.unwrapped(body, "status")
    elements = rows(found.get("elements"))
    resource_id = next(filter(None, (ident(part.get("resourceId")) for part in (found, *elements))), "")
    state = look_up(JOB_STATES, found.get("status"), JobState.UNKNOWN)
    reasons = [*_failures(found, resource_id)]
    for element in elements:
        reasons += _failures(element, ident(element.get("resourceId")))
    if state is JobState.DONE and reasons:
        state = JobState.FAILED
    said = "; ".join(dict.fromkeys(filter(None, map(_message, (found, *elements)))))
    is_bad = state in (JobState.FAILED, JobState.CANCELLED)
    return RemoteJob(
        external_id=ident(found.get("jobId")) or job_id,
        state=state,
        status_word=text(found.get("status")),
        resource_id=resource_id,
        reason="; ".join(dict.fromkeys(reasons)) or said if is_bad else "",
        warning=said if state is JobState.DONE else "",
        raw=obj(reading.evidence(found)),
    )


def _failures(part: Json, resource_id: str) -> list[str]:
    """Why this part of a final job has failed; empty when it has not. A message beside a resource is a warning only."""
    has_bad_word = word(part.get("status")) in FAILURE_WORDS
    code, message = text(part.get("code")), text(part.get("message"))
    if has_bad_word or code or (message and not resource_id):
        return [_message(part) or f"G2A says “{text(part.get('status'))}” and no reason"]
    return []


def _message(part: Json) -> str:
    return " ".join(filter(None, (text(part.get("code")), text(part.get("message")))))[:300]


def to_earnings(body: Json, country: str) -> Earnings:
    """Read a simulation (G2A-14). `finalePrice` is how they spell it (G2A-P35)."""

    def value(*names: str) -> Decimal | None:
        return next((found for name in names if (found := _by_country(body.get(name), country)) is not None), None)

    return Earnings(
        currency=CURRENCY,
        buyer_pays=value("finalePrice", "finalPrice"),
        we_get=value("income"),
        business_buyer_pays=value("businessFinalPrice", "businessFinalePrice"),
        business_we_get=value("businessIncome"),
    )


def _by_country(value: Any, country: str) -> Decimal | None:
    by_name = {name.upper(): item for name, item in obj(value).items()}
    if not by_name:
        return amount(value)
    names = (country.upper(), "OTHER", "ALL")
    return next((found for name in names if (found := amount(by_name.get(name))) is not None), None)


# --- buying ------------------------------------------------------------------------------------------------------


def to_purchase(body: Json, purchase_id: str) -> RemotePurchase:
    """Read an order of ours (G2A-05). A word that no table lists is not final."""
    found = reading.unwrapped(body, "status")
    return RemotePurchase(
        external_id=purchase_id,
        state=look_up(PURCHASE_STATES, found.get("status"), PurchaseState.UNKNOWN),
        status_word=text(found.get("status")),
        price=amount(found.get("price")),
        currency=text(found.get("currency")).upper(),
        raw=obj(reading.evidence(found)),
    )


def to_new_purchase(found: Json) -> RemotePurchase:
    return RemotePurchase(
        external_id=ident(found.get("order_id")),
        state=PurchaseState.CREATED,
        price=amount(found.get("price")),
        currency=text(found.get("currency")).upper(),
        raw=obj(reading.evidence(found)),
    )


def to_purchased_key(body: bytes) -> PurchasedKey:
    """Find the key in a stored answer of G2A-06; its text is kept as it is. Raises PermanentError (unknown)."""
    found = reading.unwrapped(reading.parse(body), "key")
    key = found.get("key")
    if not isinstance(key, str) or not key.strip():
        raise PermanentError(
            "G2A's answer holds no key. It is stored as it came: look into it, and ask G2A's support",
            kind="unknown",
            operation="G2A-06",
        )
    return PurchasedKey(content=key, is_file=flag(found.get("isFile")) is True)


# --- reservations ------------------------------------------------------------------------------------------------


def to_reservation(found: Json) -> Reservation:
    return Reservation(
        external_id=ident(found.get("reservationId")),
        order_id=ident(found.get("orderId")),
        product_id=ident(found.get("productId")),
        quantity=count(found.get("quantity")),
        status_word=text(found.get("status")),
        expires_at=reading.when(found.get("expiresAt")),
        created_at=reading.when(found.get("createdAt")),
        is_ready=flag(found.get("stockReady")),
    )


def to_reserved_stock(found: Json, order_id: str) -> ReservedStock:
    is_ready = flag(found.get("stockReady")) is True
    listed = found.get("keys")
    keys = [key for key in listed if isinstance(key, str)] if is_ready and isinstance(listed, list) else []
    return ReservedStock(ident(found.get("orderId")) or order_id, is_ready, tuple(dict.fromkeys(keys)))
