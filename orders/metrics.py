"""Figures for /metrics: deliveries, shipments, readings and acceptances that wait or need a person."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from marketplaces.metrics import rows_by_state
from orders.models import Acceptance, Delivery, OrderReading, Shipment


def families() -> Iterator[Metric]:
    yield rows_by_state("deliveries", Delivery)
    yield rows_by_state("shipments", Shipment)
    yield rows_by_state("order_readings", OrderReading)
    yield rows_by_state("acceptances", Acceptance)
