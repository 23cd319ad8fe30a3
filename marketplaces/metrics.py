"""Figures for /metrics: what waits, what failed and how, and how near to their limits answers and budgets are."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.apps import apps
from django.db.models import Count
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from marketplaces import vitals
from marketplaces.models import Account, ApiCall, Outgoing, WebhookEvent

LATELY = timedelta(hours=1)
# So many of the last hour's times are looked at, the newest first.
MOST_TIMES = 5000
QUANTILES = (0.5, 0.95, 1.0)


def rows_by_state(name: str, model: type[Outgoing]) -> Metric:
    """One gauge a state for rows that have work to do; finished rows are not counted, since they grow for ever."""
    family = GaugeMetricFamily(f"backoffice_{name}", f"{model._meta.verbose_name_plural} by state", labels=["state"])
    open_rows = model._default_manager.exclude(state=Outgoing.State.DONE).values_list("state")
    found = dict(open_rows.annotate(rows=Count("pk")))
    for state in Outgoing.State.values:
        if state != Outgoing.State.DONE:
            family.add_metric([state], found.get(state, 0))
    return family


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed. `values` are sorted and not empty."""
    return values[min(int(len(values) * share), len(values) - 1)]


def families() -> Iterator[Metric]:
    since = timezone.now() - LATELY
    accounts = list(Account.objects.filter(is_enabled=True).select_related("budget").order_by("name"))
    yield rows_by_state("events", WebhookEvent)
    trouble = GaugeMetricFamily(
        "backoffice_account_trouble", "1 for an account that is set up wrong", labels=["account"]
    )
    used = GaugeMetricFamily("backoffice_budget_used", "Share of an account's budget in use", labels=["account"])
    for account in accounts:
        trouble.add_metric([account.name], bool(account.trouble))
        used.add_metric([account.name], vitals.budget_used(account))
    yield trouble
    yield used
    yield from _answers(accounts, since)
    yield _calls(accounts, since)
    yield _failures()


def _answers(accounts: Sequence[Account], since: datetime) -> Iterator[Metric]:
    """How long marketplaces waited for what they asked us, beside how long they wait."""
    seconds = GaugeMetricFamily(
        "backoffice_answer_seconds", "Time to answer a marketplace, last hour", labels=["account", "quantile"]
    )
    deadline = GaugeMetricFamily(
        "backoffice_answer_deadline_seconds", "How long the marketplace waits for an answer", labels=["account"]
    )
    answered = WebhookEvent.objects.filter(received_at__gt=since, answered_ms__isnull=False)
    times: dict[object, list[float]] = defaultdict(list)
    for account_id, ms in answered.order_by("-received_at").values_list("account", "answered_ms")[:MOST_TIMES]:
        times[account_id].append((ms or 0) / 1000)
    for account in accounts:
        if limit := account.all_options().get("deadline_seconds"):
            deadline.add_metric([account.name], float(limit))
        if found := sorted(times[account.pk]):
            for share in QUANTILES:
                seconds.add_metric([account.name, f"{share:g}"], quantile(found, share))
    yield seconds
    yield deadline


def _calls(accounts: Sequence[Account], since: datetime) -> Metric:
    """Calls of the last hour by what came of them: ok, the class of the refusal, or the kind of silence."""
    family = GaugeMetricFamily(
        "backoffice_calls_last_hour", "Calls to marketplaces by outcome", labels=["account", "outcome"]
    )
    names = {account.pk: account.name for account in accounts}
    rows = ApiCall.objects.filter(started_at__gt=since).order_by().values_list("account", "status", "error")
    counts: Counter[tuple[str, str]] = Counter()
    for account_id, status, error, calls in rows.annotate(calls=Count("pk")):
        if account_id in names:
            counts[names[account_id], _outcome(status, error)] += calls
    for labels, calls in sorted(counts.items()):
        family.add_metric(labels, calls)
    return family


def _outcome(status: int | None, error: str) -> str:
    if error or status is None:
        return error or "no answer"
    if status == 429:
        return "429"
    return "ok" if status < 400 else f"{status // 100}xx"


def _failures() -> Metric:
    """Rows that are not done, by why their last try failed."""
    family = GaugeMetricFamily("backoffice_failures", "Rows not done by kind of failure", labels=["rows", "kind"])
    for model in (model for model in apps.get_models() if issubclass(model, Outgoing)):
        failed = model._default_manager.exclude(state=Outgoing.State.DONE).exclude(failure="").order_by()
        for kind, rows in failed.values_list("failure").annotate(rows=Count("pk")):
            family.add_metric([model._meta.model_name or "", kind], rows)
    return family
