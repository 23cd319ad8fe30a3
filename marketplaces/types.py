"""The words we share with marketplaces. Frozen, ours, and without a database.

Ids are their text. Money is Decimal in major units beside an ISO currency. Times are aware, in UTC. `raw` keeps what
they sent, so that a field nobody mapped is not lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

# They are read here together with what holds them.
from marketplaces.words import (
    DeliveryIssue as DeliveryIssue,
    DeliveryKind as DeliveryKind,
    DeliveryResult as DeliveryResult,
    JobState as JobState,
    OfferStatus as OfferStatus,
    OrderState as OrderState,
    PurchaseState as PurchaseState,
    ShipmentState as ShipmentState,
    UploadedState as UploadedState,
    Urgency as Urgency,
)

Json = dict[str, Any]


# --- what calls us -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A request that came through the door: evidence, frozen before anybody looks at it."""

    method: str
    path: str  # below the account's own address, without a leading slash
    query: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True)
class Notice:
    """What a verified call is about, read without trusting it. `event_id` recognises a repeat."""

    event_id: str
    kind: str
    subject: str = ""  # the order or offer it speaks of
    happened_at: datetime | None = None
    is_kept: bool = True  # False: it leaves no row, as a call that only asks whether we are there
    has_secrets: bool = False  # its body opens an account, so only the call without it is kept
    remark: str = ""  # what was noticed at the door, for people
    is_its_body: bool = False  # the same id with another body is not a repeat, but an event of its own
    is_urgent: bool = False  # a buyer waits for what it asks, so it passes other news


@dataclass(frozen=True)
class Reply:
    """What the door answers. `about` and `problem` stay here, as evidence for people."""

    status: int = 200
    body: bytes = field(default=b"{}", repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    about: str = ""  # the object it concerned, where only the answer knows
    problem: str = ""  # why the call was declined


# --- what we call ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileToSend:
    """A file on its way, as one part of a multipart body."""

    name: str
    content: bytes = field(repr=False)
    mime_type: str = "application/octet-stream"
    part: str = "file"  # the name of its place in the form, which is the marketplace's own


@dataclass(frozen=True)
class Answer:
    """A marketplace's answer to one request, as it came."""

    status: int
    headers: Mapping[str, str]  # names in small letters
    body: bytes = field(repr=False)
    json: Any = field(default=None, repr=False)  # None when the body is not JSON


@dataclass(frozen=True)
class CallRecord:
    """One finished request, with every secret masked: what the call log keeps."""

    operation: str
    about: str
    method: str
    url: str
    status: int | None
    request: str
    response: str
    error: str
    milliseconds: int
    started_at: datetime


# --- catalogue and offers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RemoteProduct:
    """An entry of a marketplace's catalogue."""

    external_id: str
    name: str
    category: str = ""
    brand: str = ""
    region: str = ""
    price: Decimal | None = None  # the lowest at which it can be bought there now
    currency: str = ""
    available: int | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class OfferContent:
    """What an offer says. `quantity` is what we promise to deliver; `attributes` are the marketplace's own choices."""

    external_product_id: str
    price: Decimal
    currency: str
    quantity: int
    min_quantity: int = 1
    low_stock_at: int = 0
    title: str = ""
    description: str = ""
    offer_type: str = ""
    visibility: str = ""
    attributes: Json = field(default_factory=dict)
    is_for_sale: bool = True  # False: its sale is stopped, which a quantity of 0 need not mean


@dataclass(frozen=True)
class RemoteOffer:
    """An offer as the marketplace shows it. Every field but the id may be missing."""

    external_id: str
    external_product_id: str = ""
    title: str = ""
    status: OfferStatus = OfferStatus.UNKNOWN
    status_word: str = ""
    price: Decimal | None = None
    currency: str = ""
    quantity: int | None = None
    available: int | None = None
    min_quantity: int | None = None
    low_stock_at: int | None = None
    offer_type: str = ""
    visibility: str = ""
    attributes: Json = field(default_factory=dict)
    code_form: str = ""  # the form that its codes need, in their words; see MarketplaceService.code_problem
    job_id: str = ""  # the change is done when this job is
    was_there: bool = False  # a create found that it exists already, as something that may say other things
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class OfferChange:
    """What one offer of a bulk update is to say: the named `fields` of `content`."""

    offer_id: str
    content: OfferContent
    fields: frozenset[str]


@dataclass(frozen=True)
class OfferResult:
    """What a bulk update says of one offer. Only `confirmed` fields have certainly arrived; `problem` is for people."""

    offer_id: str
    confirmed: frozenset[str] = frozenset()
    problem: str = ""


@dataclass(frozen=True)
class Category:
    """A node of a marketplace's taxonomy."""

    external_id: str
    name: str
    parent_id: str = ""
    status_word: str = ""
    raw: Json = field(default_factory=dict, repr=False)


# --- orders and deliveries -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Address:
    """Where somebody lives, or sends from: personal data. Empty means "not said"."""

    name: str = field(default="", repr=False)
    company: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    street: str = field(default="", repr=False)  # all of its lines, as on a label
    district: str = field(default="", repr=False)
    city: str = field(default="", repr=False)
    region: str = field(default="", repr=False)  # state, province or county
    postal_code: str = field(default="", repr=False)
    country: str = field(default="", repr=False)


@dataclass(frozen=True)
class ShippingMethod:
    """A way in which the buyer wants an order to be sent."""

    external_id: str
    name: str = ""
    delivery_time: str = ""


@dataclass(frozen=True)
class RemoteOrderLine:
    """One line of an order. Quantities are totals, in units. None means "not said", which never erases."""

    external_id: str
    external_offer_id: str = ""
    external_product_id: str = ""
    name: str = ""
    sku: str = ""  # ours, as the marketplace repeats it
    quantity: int | None = None
    delivered: int | None = None
    refunded: int | None = None
    unit_price: Decimal | None = None


@dataclass(frozen=True)
class RemoteOrder:
    """An order as the marketplace shows it. None and empty text mean "not said", which never erases what we know.

    `emptied` names fields that it says are empty now, which does erase. An answer that was `asked_at` an earlier moment
    never overwrites one that was asked for later.
    """

    external_id: str
    state: OrderState = OrderState.UNKNOWN
    state_detail: str = ""  # the marketplace's own state machine, finer than ours
    status_word: str = ""  # their word, as sent
    payment_word: str = ""
    currency: str = ""
    amount: Decimal | None = None
    fee: Decimal | None = None
    refunded_amount: Decimal | None = None
    buyer: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    lines: Sequence[RemoteOrderLine] = ()
    raw: Json = field(default_factory=dict, repr=False)
    number: str = ""  # by which people know it, where that is not the id
    channel: str = ""  # the shop behind the marketplace, where it joins several
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    note: str = field(default="", repr=False)  # the buyer's
    ship_to: Address | None = None
    bill_to: Address | None = None
    shipping_methods: Sequence[ShippingMethod] = ()
    needs_shipping: bool = False  # its goods go by parcel: nobody will ask for codes
    is_summary: bool = False  # a row of a list: short, so the order itself is to be read for the rest
    emptied: frozenset[str] = frozenset()
    asked_at: datetime | None = None


@dataclass(frozen=True)
class ShipmentItem:
    """Units of an order line in a parcel. `line_id` is the order line's id there, empty where it is not said."""

    line_id: str
    quantity: int | None = None
    external_id: str = ""
    sku: str = ""
    name: str = ""


@dataclass(frozen=True)
class RemoteShipment:
    """A parcel as the marketplace shows it. None and empty mean "not said", which never erases."""

    external_id: str
    order_id: str = ""  # the order's id there
    order_number: str = ""  # and by which people know it
    channel: str = ""
    number: str = ""
    state: ShipmentState = ShipmentState.UNKNOWN
    status_word: str = ""
    carrier: str = ""  # its code there
    carrier_name: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    label_url: str = ""
    shipping_method_id: str = ""
    comment: str = ""
    ship_to: Address | None = None
    ship_from: Address | None = None
    items: Sequence[ShipmentItem] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None  # it was removed there
    is_first: bool = False  # told when it was made: a change of the same moment is newer
    emptied: frozenset[str] = frozenset()
    asked_at: datetime | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class NewShipment:
    """A parcel that is to be announced. `items` maps an order line's id there to units, at least one."""

    order_id: str
    items: Mapping[str, int]
    shipping_method_id: str = ""
    carrier: str = ""
    tracking_number: str = ""
    comment: str = ""
    completes_order: bool = False  # nothing of the order is left to be shipped


@dataclass(frozen=True)
class RemotePurchaseOrder:
    """A buyer's request to buy, with a number of its own; never to be taken for an order."""

    external_id: str
    state: OrderState = OrderState.UNKNOWN
    status_word: str = ""
    buyer: str = ""
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    note: str = field(default="", repr=False)
    currency: str = ""
    subtotal: Decimal | None = None
    amount: Decimal | None = None
    ship_to: Address | None = None
    bill_to: Address | None = None
    shipping_methods: Sequence[ShippingMethod] = ()
    lines: Sequence[RemoteOrderLine] = ()
    created_at: datetime | None = None
    is_summary: bool = False
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class DeliveryRequest:
    """A marketplace asks us to hand over units of an order now. What it says is checked by reading it back."""

    order_id: str
    delivery_id: str
    quantity: int | None
    kind: DeliveryKind = DeliveryKind.CODES
    is_replacement: bool = False
    case_id: str = ""
    requested_at: datetime | None = None
    expires_at: datetime | None = None
    buyer_fields: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class RemoteDelivery:
    """A delivery as the marketplace shows it."""

    order_id: str
    delivery_id: str
    result: DeliveryResult = DeliveryResult.UNKNOWN
    status_word: str = ""
    requested: int | None = None
    delivered: int | None = None
    kind: DeliveryKind = DeliveryKind.CODES
    is_replacement: bool = False
    case_id: str = ""
    expires_at: datetime | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class CodeToSend:
    """A code on its way to a buyer. `reference` is ours and the same on every repeat."""

    content: str = field(repr=False)
    reference: str


@dataclass(frozen=True)
class Uploaded:
    """Where codes that were given away are now: each under an id of its own, in the order in which they were given; or
    together in a collection, which is in the offer once an update of the offer names it.
    """

    ids: Sequence[str] = ()
    collection_id: str = ""


@dataclass(frozen=True)
class UploadedCode:
    """A code in a marketplace's own inventory, as shown there. Its text is never read back."""

    external_id: str
    offer_id: str
    reference: str = ""  # ours
    state: UploadedState = UploadedState.UNKNOWN
    state_word: str = ""
    created_at: datetime | None = None


# --- jobs, prices, purchases -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class RemoteJob:
    """Work that the marketplace goes on with after its answer. `reason` says why it failed, `warning` what to know."""

    external_id: str
    state: JobState = JobState.UNKNOWN
    status_word: str = ""
    resource_id: str = ""
    reason: str = ""
    warning: str = ""
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Earnings:
    """What a price means: what the buyer pays and what is left for us, in `currency`. None means "not said"."""

    currency: str
    buyer_pays: Decimal | None = None
    we_get: Decimal | None = None
    business_buyer_pays: Decimal | None = None
    business_we_get: Decimal | None = None


@dataclass(frozen=True)
class CompetingOffer:
    """Somebody else's offer of a product."""

    external_id: str
    price: Decimal | None
    currency: str
    seller: str = ""
    rating: int | None = None


@dataclass(frozen=True)
class RemotePurchase:
    """Something that we buy there, as the marketplace shows it."""

    external_id: str
    state: PurchaseState = PurchaseState.UNKNOWN
    status_word: str = ""
    price: Decimal | None = None
    currency: str = ""
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class PurchasedKey:
    """A key that we bought. With `is_file` the content is a file's, or a link, as it was received."""

    content: str = field(repr=False)
    is_file: bool = False


# --- accounts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A credential or an option that a marketplace needs, as the account form and `add_account` show it."""

    name: str
    label: str
    help_text: str
    default: Any = ""
    choices: Sequence[str] = ()
    required: bool = True
    minimum: int | None = None
    maximum: int | None = None

    @property
    def is_number(self) -> bool:
        return isinstance(self.default, int) and not isinstance(self.default, bool)


@dataclass(frozen=True)
class Connection:
    """All that a service needs to know of an account."""

    account_id: str
    name: str
    base_url: str
    hook_url: str
    credentials: Mapping[str, str] = field(repr=False)
    options: Mapping[str, Any]
    webhook_secrets: Sequence[str] = field(repr=False)


@dataclass(frozen=True)
class Health:
    """What a connection test found; `details` are lines for people."""

    reachable: bool
    authenticated: bool
    details: Sequence[str] = ()
    usable: bool = True
    clock_off_seconds: float | None = None
    currencies: Sequence[str] = ()
