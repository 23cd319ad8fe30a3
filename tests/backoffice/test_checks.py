"""Each relation between settings that our promises rest on is checked, and the shipped settings keep them all."""

from typing import Any

import pytest

from backoffice.checks import check_queue


def test_the_shipped_settings_are_right() -> None:
    assert check_queue() == []


pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")


def change(settings: Any, *, queue: dict[str, Any] | None = None, database: dict[str, Any] | None = None) -> None:
    settings.Q_CLUSTER = settings.Q_CLUSTER | (queue or {})
    settings.DATABASES = {"default": settings.DATABASES["default"] | (database or {})}


@pytest.mark.parametrize(
    ("check_id", "changes"),
    [
        ("backoffice.E001", {"queue": {"retry": 60}}),
        ("backoffice.E001", {"queue": {"queue_limit": 40}}),
        ("backoffice.E001", {"queue": {"workers": 1}}),
        ("backoffice.E002", {"queue": {"orm": "other"}}),
        ("backoffice.E003", {"queue": {"save_limit": 250}}),
        ("backoffice.E004", {"queue": {"ack_failures": False}}),
        ("backoffice.E004", {"queue": {"max_attempts": 3}}),
        ("backoffice.E005", {"queue": {"catch_up": True}}),
        ("backoffice.E006", {"database": {"CONN_MAX_AGE": 0}}),
        ("backoffice.E007", {"database": {"OPTIONS": {"pool": True}}}),
    ],
)
def test_it_refuses_each_trap(settings: Any, check_id: str, changes: dict[str, Any]) -> None:
    change(settings, **changes)
    assert [problem.id for problem in check_queue()] == [check_id]


@pytest.mark.parametrize("workers", [1, 2, 4, 16, 64])
def test_any_number_of_workers_keeps_the_relation(settings: Any, workers: int) -> None:
    change(settings, queue={"workers": workers, "queue_limit": workers})
    assert check_queue() == []
