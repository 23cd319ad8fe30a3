"""The times that must outlast each other do, and a start is refused where they do not."""

from datetime import timedelta

import pytest

from marketplaces import checks, outgoing, pump, recovery, services


def test_the_shipped_times_are_right():
    assert checks.check_times() == []
    assert checks.check_services() == []


def test_the_slowest_call_is_named_by_its_service():
    """G2A-06 gives a key once: nobody waits longer for any other answer."""
    from marketplaces.services.g2a import service

    assert services.get_service("g2a").longest_read_seconds == service.KEY_SECONDS
    assert services.get_service("g2g").longest_read_seconds < service.KEY_SECONDS


@pytest.mark.parametrize("seconds", [47, 60])
def test_a_key_that_comes_at_the_last_moment_outlives_its_worker(monkeypatch, seconds):
    monkeypatch.setattr(services.get_service("g2a"), "longest_read_seconds", seconds)
    (problem,) = checks.check_times()
    assert problem.id == "marketplaces.E005"
    assert "Marketplace g2a" in problem.msg


def test_a_shorter_task_is_refused(settings):
    settings.Q_CLUSTER = settings.Q_CLUSTER | {"timeout": 40}
    assert {problem.id for problem in checks.check_times()} == {"marketplaces.E005"}


def test_a_longer_task_needs_longer_leases(settings):
    settings.Q_CLUSTER = settings.Q_CLUSTER | {"timeout": 75}
    assert [problem.id for problem in checks.check_times()] == ["marketplaces.E006"] * 3


@pytest.mark.parametrize(("room", "name"), [(outgoing, "LOST_AFTER"), (pump, "LEASE"), (recovery, "LEASE")])
def test_nobody_takes_over_from_a_worker_that_may_still_run(monkeypatch, room, name):
    monkeypatch.setattr(room, name, timedelta(seconds=65))
    (problem,) = checks.check_times()
    assert problem.id == "marketplaces.E006"
    assert name in problem.msg
