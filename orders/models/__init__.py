"""What was bought, what was handed over for it, and its story."""

from orders.models.orders import (
    Delivery as Delivery,
    DeliveryItem as DeliveryItem,
    Order as Order,
    OrderEvent as OrderEvent,
    OrderLine as OrderLine,
    Reservation as Reservation,
    ReservationLine as ReservationLine,
)
from orders.models.shipments import Shipment as Shipment, ShipmentItem as ShipmentItem
