"""Figures for /metrics: offers, uploads and purchases that wait or need a person, and what was spent without a code."""

from collections.abc import Iterator

from django.db.models import Count, Sum
from prometheus_client.core import GaugeMetricFamily, Metric

from inventory.models import Offer, Purchase, Upload
from marketplaces.metrics import rows_by_state


def families() -> Iterator[Metric]:
    yield rows_by_state("offers", Offer)
    yield rows_by_state("uploads", Upload)
    yield rows_by_state("purchases", Purchase)
    yield _stages()
    yield _spent_without_a_code()


def _stages() -> Metric:
    """Purchases under way by the stage that they stand at; what is over is not counted, since it grows for ever."""
    family = GaugeMetricFamily("backoffice_purchases_stage", "purchases under way by stage", labels=["stage"])
    under_way = Purchase.objects.exclude(stage__in=Purchase.OVER).order_by().values_list("stage")
    found = dict(under_way.annotate(rows=Count("pk")))
    for stage in Purchase.Stage.values:
        if stage not in Purchase.OVER:
            family.add_metric([stage], found.get(stage, 0))
    return family


def _spent_without_a_code() -> Metric:
    """Money that was paid for codes not in stock yet, or never."""
    name, text = "backoffice_purchases_paid_without_code", "paid for codes that are not in stock"
    family = GaugeMetricFamily(name, text, labels=["currency"])
    paid = Purchase.objects.filter(paid_at__isnull=False).exclude(stage__in=Purchase.OVER)
    for currency, amount in paid.order_by().values_list("currency").annotate(spent=Sum("price")):
        family.add_metric([currency], float(amount or 0))
    return family
