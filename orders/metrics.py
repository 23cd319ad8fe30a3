"""Figures for /metrics: what is to be delivered, shipped, read or accepted, what was, how quickly, and what is late."""

from collections.abc import Iterator

from django.db.models import Count
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from marketplaces.metrics import LATELY, MOST_TIMES, QUANTILES, quantile, rows_by_state
from orders.models import Acceptance, Delivery, DeliveryItem, OrderReading, Shipment


def families() -> Iterator[Metric]:
    yield rows_by_state("deliveries", Delivery)
    yield rows_by_state("shipments", Shipment)
    yield rows_by_state("order_readings", OrderReading)
    yield rows_by_state("acceptances", Acceptance)
    yield _asked_for()
    yield _units()
    yield _times()
    yield _late()


def _asked_for() -> Metric:
    family = GaugeMetricFamily(
        "backoffice_deliveries_last_hour", "Deliveries asked for in the last hour by status", labels=["status"]
    )
    lately = Delivery.objects.filter(requested_at__gt=timezone.now() - LATELY).order_by()
    found = dict(lately.values_list("status").annotate(rows=Count("pk")))
    for status in Delivery.Status.values:
        family.add_metric([status], found.get(status, 0))
    return family


def _units() -> Metric:
    left = DeliveryItem.objects.filter(sent_at__gt=timezone.now() - LATELY, withdrawn_at=None)
    return GaugeMetricFamily("backoffice_units_sent_last_hour", "Codes that left in the last hour", value=left.count())


def _times() -> Metric:
    """From being asked for until all was handed over, or lay ready to be fetched."""
    family = GaugeMetricFamily(
        "backoffice_delivery_seconds", "Time from request to hand-over, last hour", labels=["quantile"]
    )
    lately = Delivery.objects.filter(requested_at__gt=timezone.now() - LATELY, submitted_at__isnull=False)
    rows = lately.order_by("-requested_at").values_list("requested_at", "submitted_at")[:MOST_TIMES]
    times = sorted(max((submitted - asked).total_seconds(), 0.0) for asked, submitted in rows if submitted)
    for share in QUANTILES if times else ():
        family.add_metric([f"{share:g}"], quantile(times, share))
    return family


def _late() -> Metric:
    """Open deliveries against the time at which their marketplace gives them up."""
    now = timezone.now()
    family = GaugeMetricFamily(
        "backoffice_deliveries_deadline", "Open deliveries by how their deadline stands", labels=["deadline"]
    )
    waiting = Delivery.objects.filter(status__in=Delivery.OPEN, expires_at__isnull=False)
    times = list(waiting.order_by("expires_at").values_list("requested_at", "expires_at")[:MOST_TIMES])
    passed = sum(expires <= now for _, expires in times if expires)
    half_used = sum(expires - now < now - asked for asked, expires in times if expires) - passed
    family.add_metric(["passed"], passed)
    family.add_metric(["half_used"], half_used)
    return family
