"""What the make-believe Ginee keeps of a sale: the order, and the delivery orders that warehouses make of it.

Moments are microseconds since 1970.
"""

from dataclasses import dataclass, field

from marketplaces.sandbox_words import Json
from marketplaces.services.ginee.sandbox_checks import utc_text
from marketplaces.services.ginee.sandbox_goods import DEFAULT_WAREHOUSE, Good, Shop

ORDER_WORDS = (
    "PENDING_PAYMENT",
    "PARTIALLY_PAID",
    "PAID",
    "READY_TO_SHIP",
    "SHIPPING",
    "DELIVERED",
    "CANCELLED",
    "RETURNED",
    "FAILED",
)
UNPAID = ("PENDING_PAYMENT", "PARTIALLY_PAID")
EXTERNAL_WORDS = {
    "PAID": "PROCESSED",
    "READY_TO_SHIP": "READY",
    "SHIPPING": "SHIPPED",
    "DELIVERED": "TO_CONFIRM_RECEIVE",
}
PROMISE = 2 * 86_400 * 1_000_000
CARRIERS = {"ID": "JNE Reguler", "PH": "J&T Philippines", "VN": "Giao Hang Nhanh"}
CURRENCIES = {"ID": "IDR", "PH": "PHP", "VN": "VND"}


@dataclass
class Line:
    id: str
    good: Good
    quantity: int


@dataclass
class DeliveryOrder:
    """A warehouse's job: what to pack, from where, to whom."""

    id: str
    number: str
    order: "Order" = field(repr=False)
    created_at: int
    updated_at: int
    status: str = "NEW"
    waybill_url: str = ""
    tracking_number: str = ""
    carrier: str = ""
    is_deleted: bool = False

    def item_rows(self) -> list[Json]:
        return [
            {
                "deliveryOrderItemId": f"{self.id.replace('WDO', 'WDOI', 1)}{position:02d}",
                "inventoryId": line.good.inventory_id,
                "inventorySku": line.good.sku,
                "quantity": line.quantity,
                "deliveryOrderId": self.id,
                "inventoryName": line.good.name,
                "sourceOrderItemId": line.id,
            }
            for position, line in enumerate(self.order.lines, 1)
        ]


@dataclass
class Order:
    id: str
    access_key: str = field(repr=False)
    shop: Shop
    external_id: str
    external_number: str
    lines: list[Line]
    status: str
    created_at: int
    updated_at: int
    paid_at: int | None = None
    closed_at: int | None = None
    order_type: str = "NORMAL"
    locked: bool = False  # its goods are promised, and still in the warehouse
    life: int = 0  # what was planned for an order before somebody acted on it does not happen
    deliveries: list[DeliveryOrder] = field(default_factory=list)

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def amount(self) -> int:
        return sum(line.quantity * line.good.price for line in self.lines)

    @property
    def external_status(self) -> str:
        return EXTERNAL_WORDS.get(self.status, self.status)

    @property
    def open_delivery(self) -> DeliveryOrder | None:
        """The delivery order that is there now."""
        return next((delivery for delivery in self.deliveries if not delivery.is_deleted), None)

    def row(self) -> Json:
        """Return a row of GIN-C01."""
        return {
            "orderId": self.id,
            "orderStatus": self.status,
            "externalOrderId": self.external_id,
            "externalOrderSn": self.external_number,
            "externalOrderStatus": self.external_status,
            "channel": self.shop.channel,
            "shopId": self.shop.id,
        }

    def details(self, channel_behind: int, tracking_key: str) -> Json:
        """Return a row of GIN-C02; `channel_behind` is how many microseconds the channel's clock is."""
        delivery = self.open_delivery
        logistics = (
            [{"logisticsProviderName": delivery.carrier, tracking_key: delivery.tracking_number}]
            if delivery and delivery.tracking_number
            else []
        )
        return {
            **self.row(),
            "orderType": self.order_type,
            "country": self.shop.country,
            "currency": CURRENCIES[self.shop.country],
            "fakerOrder": False,
            "totalAmount": float(self.amount),
            "paymentMethod": "",
            "problemOrderTypes": [],
            "isCod": False,
            "payAt": utc_text(self.paid_at),
            "promisedToShipBefore": utc_text(self.paid_at + PROMISE) if self.paid_at else None,
            "createAt": utc_text(self.created_at),
            "closeAt": utc_text(self.closed_at),
            "lastUpdateAt": utc_text(self.updated_at),
            "externalShopId": self.shop.external_id,
            "externalCreateAt": utc_text(self.created_at - channel_behind),
            "externalUpdateAt": utc_text(self.updated_at - channel_behind),
            "totalQuantity": self.quantity,
            "items": [{"itemId": line.id, "sku": line.good.sku, "quantity": line.quantity} for line in self.lines],
            "customerInfo": {},
            "paymentInfo": {"subTotal": f"{self.amount}.00", "totalAmount": f"{self.amount}.00"},
            "printInfo": {},
            "logisticsInfos": logistics,
        }

    # --- what notifications say ------------------------------------------------------------------------------

    def payload(self, decimals: int) -> Json:
        """Return the payload of GIN-01."""
        return {
            "orderId": self.id,
            "channel": self.shop.channel,
            "shopId": self.shop.id,
            "externalShopId": self.shop.external_id,
            "orderStatus": self.status,
            "createAt": utc_text(self.created_at, decimals),
            "payAt": utc_text(self.paid_at, decimals) or "",
            "lastUpdateAt": utc_text(self.updated_at, decimals),
        }


def delivery_payload(delivery: DeliveryOrder, decimals: int) -> Json:
    """Return the payload of GIN-02 and GIN-03."""
    order = delivery.order
    return {
        "deliveryOrderId": delivery.id,
        "deliveryOrderSn": delivery.number,
        "sourceOrderId": order.id,
        "sourceOrderSn": order.external_number,
        "deliveryOrderType": "SALE_ORDER",
        "deliveryOrderStatus": delivery.status,
        "createAt": utc_text(delivery.created_at, decimals),
        "lastUpdateAt": utc_text(delivery.updated_at, decimals),
        "warehouseProviderId": "WWP5FF02DDA52FAFF0001000030",
        "warehouseId": DEFAULT_WAREHOUSE,
        "warehouseCode": "CS001",
        "ownerId": "WO5FF02DDA52FAFF0001000040",
        "ownerCode": "OWNER1",
        "channel": order.shop.channel,
        "waybillUrl": delivery.waybill_url,
        "trackingNumber": delivery.tracking_number,
        "logisticsProvider": delivery.carrier,
        "shop": {
            "shopId": order.shop.id,
            "shopName": order.shop.name,
            "shopUrl": "https://shop.example.com/1",
            "externalShopId": order.shop.external_id,
        },
        "shippingAddress": {
            "name": "Test Buyer",
            "phoneNumber": "+62 80000000001",
            "country": "Indonesia",
            "province": "DKI Jakarta",
            "city": "Jakarta Barat",
            "district": "Grogol",
            "zipCode": "11440",
            "fullAddress": ",Grogol,Jakarta Barat,DKI Jakarta,11440",
        },
        "senderAddress": {
            "name": "Test Seller",
            "phoneNumber": "+62 80000000002",
            "country": "Indonesia",
            "province": "DKI Jakarta",
            "city": "Jakarta Timur",
            "district": "Pulo Gadung",
            "zipCode": "13240",
            "fullAddress": "Test street 1, Jakarta Timur",
        },
        "orderItems": delivery.item_rows(),
    }
