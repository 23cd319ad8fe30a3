"""What the make-believe G2G keeps of a sale: the order, its deliveries, and every code that came."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketplaces.sandbox_words import Json
from marketplaces.services.g2g.sandbox_offers import Offer


@dataclass
class Sent:
    """A code that a seller handed over."""

    content: str
    reference_id: str
    at: int


@dataclass
class Delivery:
    """A request to hand over a quantity of an order."""

    id: str
    requested_qty: int
    requested_at: int
    method: str
    expired_at: int
    mode: str = "normal"
    case_id: str = ""
    status: str = "in progress"
    is_open: bool = True
    delivered_qty: int = 0  # as the result said
    codes: list[Sent] = field(default_factory=list)
    topped_up: int = 0
    issue: str = ""
    round: int = 0  # which hand-over a planned result belongs to
    fields: list[Json] = field(default_factory=list, repr=False)

    @property
    def received(self) -> int:
        return len(self.codes) or self.topped_up

    def summary(self) -> Json:
        return {
            "delivery_id": self.id,
            "delivery_mode": self.mode,
            "case_id": self.case_id,
            "requested_qty": self.requested_qty,
            "requested_at": self.requested_at,
            "expired_at": self.expired_at,
            "delivery_method_code": self.method,
            "delivery_method_list": self.fields,
            "additional_info_list": [],
        }


@dataclass
class Order:
    id: str
    buyer_id: str
    offer: Offer
    unit_price: float
    currency: str
    purchased_qty: int
    created_at: int
    updated_at: int
    made_at: int
    request_qty: int | None = None
    status: str = "unpaid"
    payment: str = "to_pay"
    delivered_qty: int = 0
    from_inventory: int = 0
    refunded_qty: int = 0
    refunded_undelivered: int = 0
    defected_qty: int = 0
    replacement_qty: int = 0
    case_ids: list[str] = field(default_factory=list)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    reserved: int = 0
    buyer_fields: Mapping[str, str] = field(default_factory=dict)
    life: int = 0  # a cancelled and reopened order starts a new one; timers of an old life do nothing

    @property
    def wanted(self) -> int:
        """Units that may be handed over in all."""
        return self.purchased_qty + self.replacement_qty - self.refunded_undelivered

    @property
    def missing(self) -> int:
        return max(0, self.wanted - self.delivered_qty)

    def shown(self) -> Json:
        return {
            "order_id": self.id,
            "seller_store_name": "example",
            "seller_id": self.offer.seller_id,
            "buyer_id": self.buyer_id,
            "order_status": self.status,
            "amount": round(self.unit_price * self.purchased_qty, 2),
            "unit_price": self.unit_price,
            "currency": self.currency,
            "purchased_qty": self.purchased_qty,
            "delivered_qty": self.delivered_qty,
            "refunded_qty": self.refunded_qty,
            "defected_qty": self.defected_qty,
            "replacement_qty": self.replacement_qty,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }
