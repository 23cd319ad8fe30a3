"""What the make-believe G-Commerce keeps: categories, products, orders, purchase orders and shipments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from marketplaces.sandbox_words import Json


@dataclass(frozen=True)
class Category:
    id: int
    name: str
    parent_id: int = 0
    level: int = 1
    id_path: str = ""
    status: str = "A"
    description: str | None = None


@dataclass(slots=True)
class Product:
    """A seeded product, or one that a seller made. Stock may be negative, or have decimals, as on the real one."""

    id: int
    name: str
    code: str = ""
    price: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    status: str = "A"
    category_ids: list[int] = field(default_factory=list)
    main_category: int = 0
    min_qty: int = 0
    upc: str = ""
    weight: Decimal = Decimal(0)
    list_price: Decimal = Decimal(0)
    free_shipping: str = "N"
    lang_code: str = "en"
    timestamp: int = 0
    avail_since: str = ""
    full_description: str = ""
    page_title: str = ""
    meta_description: str = ""
    keywords: str = ""
    short_description: str = ""
    premoderation_reason: str = ""
    main_pair: Json = field(default_factory=dict)
    image_pairs: dict[str, Json] = field(default_factory=dict)
    details: Json = field(default_factory=dict)  # what bulk and feed say beyond price and stock


@dataclass(slots=True)
class Item:
    """A line of an order."""

    id: int
    product_id: int
    code: str
    name: str
    price: Decimal
    quantity: int


@dataclass(frozen=True)
class Buyer:
    user_id: int
    firstname: str
    lastname: str
    email: str
    phone: str = "(000)-000-0000"
    company: str = ""
    address: str = "1 Test Ave"
    city: str = "Testville"
    state: str = "LA"
    zipcode: str = "70000"
    is_recipient_named: bool = True  # else s_firstname and s_lastname come empty


@dataclass(slots=True)
class Order:
    id: int
    buyer: Buyer
    items: dict[int, Item]
    status: str
    timestamp: int
    updated_at: int
    shipping_ids: list[int]
    shipping_cost: Decimal = Decimal(0)
    notes: str | None = None
    holds_stock: bool = False

    @property
    def subtotal(self) -> Decimal:
        return sum((item.price * item.quantity for item in self.items.values()), Decimal(0))

    @property
    def total(self) -> Decimal:
        return self.subtotal + self.shipping_cost


@dataclass(slots=True)
class PurchaseOrder:
    id: int
    buyer: Buyer
    items: list[Item]
    status: str
    timestamp: int

    @property
    def total(self) -> Decimal:
        return sum((item.price * item.quantity for item in self.items), Decimal(0))


@dataclass(slots=True)
class Shipment:
    id: int
    order: Order
    products: dict[int, int]
    timestamp: int
    shipping_id: int
    status: str = "P"
    carrier: str = ""
    tracking_number: str = ""
    comments: str = ""


SHIPPINGS: Mapping[int, str] = {44: "Standard Shipping", 32: "Demo shipping", 4: "USPS", 1: "Express Shipping"}
