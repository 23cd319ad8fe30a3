"""Figures for /metrics: deliveries and shipments that wait or need a person."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from marketplaces.metrics import rows_by_state
from orders.models import Delivery, Shipment


def families() -> Iterator[Metric]:
    yield rows_by_state("deliveries", Delivery)
    yield rows_by_state("shipments", Shipment)
