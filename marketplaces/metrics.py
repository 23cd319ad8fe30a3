"""Figures for /metrics: what waits, what failed, and since when."""

from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.core import GaugeMetricFamily, Metric

from marketplaces.models import Account, Outgoing, WebhookEvent


def rows_by_state(name: str, model: type[Outgoing]) -> Metric:
    """One gauge a state for rows that have work to do; finished rows are not counted, since they grow for ever."""
    family = GaugeMetricFamily(f"backoffice_{name}", f"{model._meta.verbose_name_plural} by state", labels=["state"])
    open_rows = model._default_manager.exclude(state=Outgoing.State.DONE).values_list("state")
    found = dict(open_rows.annotate(rows=Count("pk")))
    for state in Outgoing.State.values:
        if state != Outgoing.State.DONE:
            family.add_metric([state], found.get(state, 0))
    return family


def families() -> Iterator[Metric]:
    yield rows_by_state("events", WebhookEvent)
    trouble = GaugeMetricFamily(
        "backoffice_account_trouble", "1 for an account that is set up wrong", labels=["account"]
    )
    for account in Account.objects.filter(is_enabled=True).only("name", "trouble"):
        trouble.add_metric([account.name], bool(account.trouble))
    yield trouble
