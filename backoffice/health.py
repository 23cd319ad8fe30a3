"""/healthz, /readyz and /metrics: what machines ask about this installation."""

from collections.abc import Iterable
from ipaddress import ip_address

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from backoffice import crypto, queue, rotation
from backoffice.models import Heartbeat
from backoffice.tasks import WORKERS


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers; looks at nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when database, queue, workers and cache are usable; 503 with the list of what is not."""
    trouble = not_ready()
    return JsonResponse({"ready": not trouble, "not_ready": trouble}, status=503 if trouble else 200)


def not_ready() -> list[dict[str, str]]:
    """Name what is not usable, and why."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        beat = Heartbeat.objects.filter(name=WORKERS).first()
        queue.depth()
        missing = rotation.missing_keys()
    except DatabaseError as error:
        return [{"what": "database", "why": f"it does not answer ({type(error).__name__})"}]
    trouble = []
    if missing:
        why = f"CODE_KEYS lacks {', '.join(missing)}: what was sealed with it can't be opened. Put it back"
        trouble.append({"what": "keys", "why": why})
    if beat is None:
        trouble.append({"what": "workers", "why": "no worker has run yet; start `manage.py qcluster`"})
    elif not beat.is_fresh:
        trouble.append({"what": "workers", "why": f"no progress since {beat.at:%Y-%m-%d %H:%M:%S} UTC; restart them"})
    try:
        cache.get("readyz")
    except Exception as error:  # any cache client's own errors: the cache is optional for work, not for readiness
        trouble.append({"what": "cache", "why": f"it does not answer ({type(error).__name__})"})
    return trouble


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for addresses in METRICS_ALLOW or with METRICS_TOKEN."""
    if not _may_read_metrics(request):
        return HttpResponse(status=403)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector())
    return HttpResponse(generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")


def _may_read_metrics(request: HttpRequest) -> bool:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.METRICS_TOKEN and crypto.same(token, settings.METRICS_TOKEN):
        return True
    # Behind a proxy everybody comes from loopback; whoever was forwarded needs the token.
    if "X-Forwarded-For" in request.headers:
        return False
    address = ip_address(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104  (an address no list allows)
    return any(address in network for network in settings.METRICS_ALLOW)


class _Collector:
    """Read every figure from the database when asked, so any number of processes tells the same."""

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("backoffice_queue_depth", "Wake-ups that are due", value=queue.depth())
        yield GaugeMetricFamily(
            "backoffice_queue_oldest_seconds",
            "Wait of the oldest due wake-up",
            value=queue.oldest_wait().total_seconds(),
        )
        for source in settings.METRICS_SOURCES:
            yield from import_string(source)()
