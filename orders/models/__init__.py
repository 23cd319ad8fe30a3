"""What was bought, what was handed over for it, and its story."""

from orders.models.booked import Booked as Booked
from orders.models.orders import (
    Delivery as Delivery,
    DeliveryItem as DeliveryItem,
    Order as Order,
    OrderEvent as OrderEvent,
    OrderLine as OrderLine,
    Reservation as Reservation,
    ReservationLine as ReservationLine,
)
from orders.models.purchase_orders import PurchaseOrder as PurchaseOrder
from orders.models.readings import Acceptance as Acceptance, OrderReading as OrderReading, Poll as Poll
from orders.models.remedies import Remedy as Remedy
from orders.models.roles import Role as Role
from orders.models.shipments import Shipment as Shipment, ShipmentItem as ShipmentItem
