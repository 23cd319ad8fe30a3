"""The words we share with marketplaces: closed lists of states and kinds, ours, that theirs are mapped to."""

from enum import IntEnum, StrEnum


class Urgency(IntEnum):
    """Who goes first when a marketplace's requests are few; the lower number wins."""

    DELIVERY = 0  # also what a person waits for: accepting, shipping
    STOCK = 1
    ORDERS = 2
    PRICE = 3
    CATALOGUE = 4


class OrderState(StrEnum):
    """Where an order stands, in the words common to all marketplaces."""

    AWAITING_PAYMENT = "awaiting_payment"
    ON_HOLD = "on_hold"
    NEW = "new"
    ACCEPTED = "accepted"
    READY_TO_SHIP = "ready_to_ship"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    FAILED = "failed"
    UNKNOWN = "unknown"


class ShipmentState(StrEnum):
    """Where a parcel stands. The steps need not come in this order."""

    NEW = "new"
    PICKED = "picked"
    PACKED = "packed"
    SHIPPED = "shipped"
    UNKNOWN = "unknown"


class DeliveryResult(StrEnum):
    """What the marketplace says has become of a delivery."""

    OPEN = "open"
    DELIVERED = "delivered"
    PARTIAL = "partial"
    UNFULFILLED = "unfulfilled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class DeliveryKind(StrEnum):
    CODES = "codes"
    TOP_UP = "top_up"


class DeliveryIssue(StrEnum):
    """Why fewer units were handed over than were asked for."""

    SHORT_OF_STOCK = "short_of_stock"
    WRONG_DETAILS = "wrong_details"  # what the buyer filled in does not work
    OTHER = "other"


class UploadedState(StrEnum):
    """Where a code stands that lies in a marketplace's own inventory."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    SOLD = "sold"
    DELETED = "deleted"
    UNKNOWN = "unknown"


class OfferStatus(StrEnum):
    LIVE = "live"
    OUT_OF_STOCK = "out_of_stock"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    REMOVED = "removed"
    UNKNOWN = "unknown"


class JobState(StrEnum):
    """Where a marketplace's own long work stands."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class PurchaseState(StrEnum):
    """Where something that we buy stands at the marketplace."""

    CREATED = "created"
    PENDING = "pending"
    COMPLETE = "complete"
    UNKNOWN = "unknown"
