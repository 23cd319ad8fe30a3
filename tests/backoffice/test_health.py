"""What machines ask about this installation, and what it answers when something is broken."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from backoffice import queue, tasks
from backoffice.models import Heartbeat
from inventory.models import Product, Purchase
from marketplaces.models import ApiCall, WebhookEvent
from marketplaces.types import Urgency
from orders.models import Delivery, Order, OrderLine
from tests import make
from tests.backoffice import world

pytestmark = pytest.mark.django_db


def not_ready(client: Client) -> dict[str, str]:
    response = client.get("/readyz")
    body = response.json()
    assert body["ready"] == (not body["not_ready"])
    assert response.status_code == (200 if body["ready"] else 503)
    return {item["what"]: item["why"] for item in body["not_ready"]}


@pytest.mark.smoke
def test_it_lives_as_long_as_it_answers(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.smoke
def test_it_is_ready_once_a_worker_made_progress(client: Client) -> None:
    assert "no worker has run yet" in not_ready(client)["workers"]
    tasks.heartbeat()
    assert not_ready(client) == {}


def test_workers_that_stand_still_are_named(client: Client, settings: Any) -> None:
    Heartbeat.objects.create(
        name=tasks.WORKERS, at=timezone.now() - timedelta(seconds=settings.HEARTBEAT_STALE_SECONDS + 1)
    )
    assert "no progress since" in not_ready(client)["workers"]


@pytest.fixture
def broken_database() -> Iterator[None]:
    def refuse(execute: Any, sql: str, *args: Any) -> None:
        raise DatabaseError("password of 10.0.0.1 is wrong")

    with connection.execute_wrapper(refuse):
        yield


def test_a_database_that_does_not_answer_is_named_without_its_words(client: Client, broken_database: None) -> None:
    trouble = not_ready(client)
    assert set(trouble) == {"database"}
    assert "10.0.0.1" not in trouble["database"]


def test_a_cache_that_does_not_answer_is_named(client: Client, settings: Any) -> None:
    tasks.heartbeat()
    backend = "django.core.cache.backends.redis.RedisCache"
    try:
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1/0"}}
        trouble = not_ready(client)
    finally:
        cache.close()
    assert set(trouble) == {"cache"}


def test_writes_are_refused(client: Client) -> None:
    assert [client.post(path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [405, 405, 405]


# --- metrics --------------------------------------------------------------------------------------------------


def test_metrics_tell_of_the_queue(client: Client) -> None:
    queue.enqueue("backoffice.tasks.heartbeat")
    response = client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "backoffice_queue_depth 1.0" in response.text
    assert "backoffice_queue_oldest_seconds 0." in response.text


def test_metrics_are_for_this_machine(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.7").status_code == 403
    assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200
    # Behind a proxy everybody seems to come from this machine.
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 403


def test_metrics_are_for_who_has_the_token(client: Client, settings: Any) -> None:
    far = {"REMOTE_ADDR": "203.0.113.7"}
    assert client.get("/metrics", headers={"Authorization": "Bearer "}, **far).status_code == 403
    settings.METRICS_TOKEN = "a-token-for-prometheus"
    assert client.get("/metrics", headers={"Authorization": "Bearer a-token-for-prometheus"}, **far).status_code == 200
    assert client.get("/metrics", headers={"Authorization": "Bearer a-token-for-prometheu"}, **far).status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer ñ"}, **far).status_code == 403


@pytest.mark.smoke
def test_keys_that_are_missing_are_named(client: Client, settings: Any) -> None:
    tasks.heartbeat()
    world.fill(3)
    before = settings.CODE_KEYS
    settings.CODE_KEYS = {"k9": b"1" * 32}
    assert "CODE_KEYS lacks test1" in not_ready(client)["keys"]
    world.account("Another")
    settings.CODE_KEYS = before
    assert "CODE_KEYS lacks k9" in not_ready(client)["keys"]
    settings.CODE_KEYS = {"k9": b"1" * 32, **before}
    assert not_ready(client) == {}


def test_metrics_tell_of_what_is_bought(client: Client) -> None:
    facts = {
        "account": world.account(),
        "product": Product.objects.create(sku="GAME"),
        "external_product_id": "1",
        "max_price": 9,
        "currency": "EUR",
    }
    lost = {"stage": "key_lost", "state": "needs_attention", "paid_at": timezone.now(), "price": "4.50"}
    for fields in ({"stage": "paying", "state": "unknown"}, lost, {"stage": "stored", "state": "done"}):
        Purchase.objects.create(**facts, **fields)

    text = client.get("/metrics").content.decode()
    assert 'backoffice_purchases{state="needs_attention"} 1.0' in text
    assert 'backoffice_purchases{state="unknown"} 1.0' in text
    assert 'backoffice_purchases_stage{stage="key_lost"} 1.0' in text
    assert 'stage="stored"' not in text
    assert 'backoffice_purchases_paid_without_code{currency="EUR"} 4.5' in text
    assert text.count("# TYPE backoffice_offers gauge") == 1
    assert 'backoffice_uploads{state="due"} 0.0' in text


def test_metrics_tell_how_near_to_their_limits_deliveries_answers_and_budgets_are(client: Client) -> None:
    now = timezone.now()
    account = make.account("Shop", "g2a", options={"requests_per_minute": 60})
    order = Order.objects.create(account=account, external_id="1")
    line = OrderLine.objects.create(order=order, external_id="1", quantity=1)
    facts = {"account": account, "line": line, "requested": 1}
    Delivery.objects.create(
        external_id="a", status="delivered", requested_at=now - timedelta(seconds=30),
        submitted_at=now - timedelta(seconds=26), **facts,
    )  # fmt: skip
    for name, left in (("b", -10), ("c", 10), ("d", 500)):
        requested_at = now - timedelta(seconds=100)
        Delivery.objects.create(
            external_id=name, expires_at=now + timedelta(seconds=left), requested_at=requested_at, **facts
        )
    WebhookEvent.objects.create(
        account=account, event_id="q", kind="order", body="", received_at=now, answer_status=200, answered_ms=250
    )
    for status, error in ((200, ""), (200, ""), (429, ""), (503, ""), (404, ""), (None, "ReadTimeout")):
        ApiCall.objects.create(
            account=account, operation="X", method="GET", url="/", status=status, error=error, milliseconds=1,
            started_at=now,
        )  # fmt: skip
    WebhookEvent.objects.create(
        account=account, event_id="f", kind="order", body="", received_at=now, state="due", failure="unavailable"
    )
    assert account._take_at_pace(2, Urgency.DELIVERY) == 0

    found = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    for expected in (
        'backoffice_deliveries_last_hour{status="delivered"} 1.0',
        'backoffice_deliveries_last_hour{status="requested"} 3.0',
        'backoffice_delivery_seconds{quantile="0.95"} 4.0',
        'backoffice_deliveries_deadline{deadline="passed"} 1.0',
        'backoffice_deliveries_deadline{deadline="half_used"} 1.0',
        'backoffice_answer_seconds{account="Shop",quantile="1"} 0.25',
        'backoffice_answer_deadline_seconds{account="Shop"} 9.0',
        'backoffice_calls_last_hour{account="Shop",outcome="ok"} 2.0',
        'backoffice_calls_last_hour{account="Shop",outcome="429"} 1.0',
        'backoffice_calls_last_hour{account="Shop",outcome="4xx"} 1.0',
        'backoffice_calls_last_hour{account="Shop",outcome="5xx"} 1.0',
        'backoffice_calls_last_hour{account="Shop",outcome="ReadTimeout"} 1.0',
        'backoffice_failures{kind="unavailable",rows="webhookevent"} 1.0',
    ):
        assert expected in found
    (used,) = [float(line.split()[-1]) for line in found if line.startswith('backoffice_budget_used{account="Shop"}')]
    assert 0 < used <= 1
