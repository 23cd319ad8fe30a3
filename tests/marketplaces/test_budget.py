"""One budget of requests per account, for every process."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.db import connections

from marketplaces import budget
from marketplaces.types import Urgency
from tests import make


def take(account, **values):
    return budget.take(account.pk, **{"per_minute": 60, "burst": 5, **values})


@pytest.mark.smoke
@pytest.mark.django_db
def test_it_grants_the_burst_and_then_says_how_long_to_wait():
    account = make.account()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        assert [take(account) for _ in range(5)] == [0] * 5
        assert take(account) == pytest.approx(1, abs=0.01)
        clock.shift(1)
        assert take(account) == 0
        assert take(account) > 0


@pytest.mark.django_db
def test_accounts_do_not_share_a_budget():
    one, other = make.account("one"), make.account("other")
    with time_machine.travel(1_800_000_000, tick=False):
        for _ in range(5):
            take(one)
        assert take(one) > 0
        assert take(other) == 0


@pytest.mark.smoke
@pytest.mark.django_db
def test_a_delivery_still_gets_through_where_the_catalogue_has_to_wait():
    account = make.account()
    with time_machine.travel(1_800_000_000, tick=False):
        granted = sum(not take(account, urgency=Urgency.CATALOGUE) for _ in range(10))
        assert granted == 1
        assert take(account, urgency=Urgency.DELIVERY) == 0


@pytest.mark.django_db
def test_work_of_several_calls_is_granted_as_a_whole_or_not_at_all():
    account = make.account()
    with time_machine.travel(1_800_000_000, tick=False):
        assert take(account, requests=3) == 0
        assert take(account, requests=3) == pytest.approx(1, abs=0.01)
        assert take(account, requests=2) == 0


@pytest.mark.django_db
def test_work_larger_than_the_burst_is_possible_once_the_account_is_quiet():
    account = make.account()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        assert take(account, requests=8, urgency=Urgency.PRICE) == 0
        assert take(account) > 0
        clock.shift(9)
        assert take(account) == 0


@pytest.mark.django_db
def test_a_clock_that_is_put_back_delays_by_a_minute_at_the_most():
    account = make.account()
    with time_machine.travel(1_800_000_000, tick=False):
        for _ in range(5):
            assert take(account) == 0
    with time_machine.travel(1_800_000_000 - 30, tick=False):
        assert take(account) == pytest.approx(31, abs=0.1)
    with time_machine.travel(1_800_000_000 - 10_000, tick=False):
        assert take(account) == 0


@pytest.mark.smoke
@pytest.mark.django_db
def test_pushes_without_end_leave_room_for_a_delivery():
    """Two reads and one lot, granted at once however many pushes knock."""
    account = make.account()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        for _ in range(50):
            take(account, urgency=Urgency.STOCK)
            take(account, urgency=Urgency.PRICE)
            assert take(account, requests=3) == 0
            clock.shift(3)


@pytest.mark.django_db
def test_a_delivery_that_has_to_wait_is_the_next_one():
    account = make.account()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        for _ in range(3):
            take(account)
        wait = take(account, requests=5)
        assert wait == pytest.approx(3, abs=0.01)
        clock.shift(1)
        assert take(account, urgency=Urgency.STOCK) > 0, "it would put the delivery off"
        clock.shift(wait - 1)
        assert take(account, requests=5) == 0


@pytest.mark.django_db
def test_a_delivery_that_never_comes_back_keeps_nobody_out_for_long():
    account = make.account()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        take(account, requests=5)
        take(account, requests=5)
        clock.shift(budget.LONGEST_WANT + 1)
        assert take(account, urgency=Urgency.STOCK) == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_processes_at_once_never_get_more_than_the_budget():
    account = make.account()

    def worker(_):
        granted = 0
        try:
            deadline = time.monotonic() + 1.5
            while time.monotonic() < deadline:
                granted += not take(account, per_minute=600)
            return granted
        finally:
            connections.close_all()

    started = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        granted = sum(pool.map(worker, range(6)))
    elapsed = time.monotonic() - started

    assert 5 <= granted <= 5 + elapsed * 10 + 1
