"""One window of requests per account, for every process: the database's part. The rule itself is in test_window."""

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
import requests
import time_machine
from django.db import connections
from requests.adapters import BaseAdapter

from marketplaces import budget, http
from marketplaces.exceptions import BudgetSpent, TemporaryError
from marketplaces.services.g2g.service import Service
from marketplaces.types import Urgency
from tests import make

LIMIT, BASE = 10, "http://limit.test"
NOON = 1_800_000_000.0 - 1_800_000_000 % 3600
FORKS = multiprocessing.get_context("fork")


def meter(account, *, seconds=60.0, kept=2):
    return budget.Meter(account.pk, LIMIT, seconds, kept)


def call(meter, urgency=Urgency.STOCK):
    if wait := meter.take(1, urgency):
        return wait
    assert meter.begin(35)
    meter.end()
    return 0.0


@pytest.mark.smoke
@pytest.mark.django_db
def test_two_of_ten_stay_free_for_what_people_wait_for():
    account = make.account()
    with time_machine.travel(NOON, tick=False) as clock:
        assert [call(meter(account)) for _ in range(8)] == [0] * 8
        wait = call(meter(account))
        assert wait == pytest.approx(60, abs=1)
        assert [call(meter(account), Urgency.DELIVERY) for _ in range(2)] == [0, 0]
        assert call(meter(account), Urgency.DELIVERY) > 0
        clock.shift(wait)
        assert call(meter(account)) > 0, "the delivery that waits is the next one"
        assert call(meter(account), Urgency.DELIVERY) == 0


@pytest.mark.smoke
@pytest.mark.django_db
def test_accounts_do_not_share_a_window():
    one, other = make.account("one"), make.account("other")
    with time_machine.travel(NOON, tick=False):
        while not call(meter(one)):
            pass
        assert call(meter(other)) == 0


def _work(account_id, seconds, until, calls):
    connections.close_all()
    mine = budget.Meter(account_id, LIMIT, seconds, 2)
    for number in range(10_000):
        if time.time() > until:
            break
        urgency = (Urgency.STOCK, Urgency.PRICE, Urgency.DELIVERY)[number % 3]
        if wait := mine.take(1, urgency):
            time.sleep(min(wait, 0.1))
            continue
        assert mine.begin(5)
        calls.put(time.time())
        time.sleep(0.02)
        mine.end()
    connections.close_all()


@pytest.mark.postgres
@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_four_processes_never_send_more_than_ten_in_any_window():
    """GCO-T06: a window of two seconds instead of sixty, which is the same row and the same rule."""
    account, seconds = make.account(), 2.0
    calls, until = FORKS.Queue(), time.time() + 7
    connections.close_all()
    workers = [FORKS.Process(target=_work, args=(account.pk, seconds, until, calls)) for _ in range(4)]
    for worker in workers:
        worker.start()
    sent = []
    while any(worker.is_alive() for worker in workers) or not calls.empty():
        while not calls.empty():
            sent.append(calls.get())
        workers[0].join(0.05)
    assert [worker.exitcode for worker in workers] == [0] * 4

    sent.sort()
    assert max(sum(at <= other < at + seconds for other in sent) for at in sent) <= LIMIT
    assert len(sent) >= 2 * LIMIT


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_threads_at_once_share_the_slots():
    account = make.account()

    def work(_):
        try:
            return sum(not call(meter(account)) for _ in range(5))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 8


# --- asked to slow down, and out of reach ---------------------------------------------------------------------------


class Wire(BaseAdapter):
    """Answers every request as it was told to; None is no answer at all."""

    def __init__(self):
        super().__init__()
        self.answer, self.calls = (200, {}, b"{}"), 0

    def send(self, request, **options):
        self.calls += 1
        if self.answer is None:
            raise requests.ConnectionError("cut")
        response = requests.Response()
        response.status_code, response.headers, response._content = self.answer
        return response

    def close(self):
        pass


@pytest.fixture
def wire():
    wire = Wire()
    http.mount(BASE, wire)
    yield wire
    http.unmount(BASE)


@pytest.fixture
def windowed(db, monkeypatch):
    """An account of a marketplace that counts every request of the last minute."""
    monkeypatch.setattr(Service, "budget_window", 60.0)
    return make.account(base_url=BASE, options={"requests_per_minute": LIMIT})


def send(account, urgency=Urgency.STOCK):
    """Make a call as any worker would; returns the seconds that it was told to wait, 0 when it was made."""
    client = account.service().client
    try:
        client.plan(1, urgency)
        client.send("X-01", "GET", "/")
    except BudgetSpent as error:
        return error.retry_after
    except TemporaryError:
        pass
    return 0.0


def in_seconds(seconds):
    return format_datetime(datetime.fromtimestamp(NOON + seconds, UTC))


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("status", "headers", "body", "wait"),
    [
        (429, {}, b'{"message": "Too Many Requests", "status": 429}', 60),
        (429, {"Retry-After": "17"}, b"<html>slow down</html>", 17),
        (429, {"Retry-After": in_seconds(620 + 90)}, b"{}", 90),
        (509, {}, b"{}", 3600 - 620),
        (509, {"Retry-After": "30"}, b"<html></html>", 30),
    ],
)
def test_all_calls_of_the_account_wait_when_one_is_asked_to(windowed, wire, status, headers, body, wait):
    """GCO-T07 and GCO-T08: a delivery waits, too, and another account does not."""
    other = make.account("other", base_url=BASE, options={"requests_per_minute": LIMIT})
    with time_machine.travel(NOON + 620, tick=False) as clock:
        wire.answer = status, headers, body
        assert send(windowed) == 0
        wire.answer = 200, {}, b"{}"
        for urgency in Urgency:
            assert send(windowed, urgency) == pytest.approx(wait, abs=0.01)
        assert send(other) == 0
        clock.shift(wait - 1)
        assert send(windowed, Urgency.DELIVERY) == pytest.approx(1, abs=0.01)
        clock.shift(1.1)
        assert send(windowed, Urgency.DELIVERY) == 0
    assert wire.calls == 3


def test_calls_that_were_granted_before_wait_as_well(windowed, wire):
    with time_machine.travel(NOON, tick=False):
        planned = windowed.service().client
        planned.plan(2, Urgency.DELIVERY)
        planned.send("X-01", "GET", "/")
        wire.answer = 429, {}, b"{}"
        send(windowed)
        with pytest.raises(BudgetSpent) as told:
            planned.send("X-02", "GET", "/")
    assert told.value.retry_after == pytest.approx(60, abs=0.01)
    assert wire.calls == 2


@pytest.mark.smoke
def test_where_there_is_no_window_a_wait_that_was_asked_for_is_kept_all_the_same(db, wire):
    account = make.account(base_url=BASE)
    with time_machine.travel(NOON, tick=False) as clock:
        wire.answer = 429, {"Retry-After": "17"}, b"{}"
        assert send(account) == 0
        assert send(account, Urgency.DELIVERY) == pytest.approx(17, abs=0.01)
        clock.shift(17.1)
        assert send(account) == 0


@pytest.mark.smoke
@pytest.mark.parametrize("answer", [None, (503, {}, b""), (502, {}, b"<html></html>")])
@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_after_some_failures_background_waits_for_a_probe_and_deliveries_still_try(
    db, wire, monkeypatch, answer, seconds
):
    monkeypatch.setattr(Service, "budget_window", seconds)
    account = make.account(base_url=BASE, options={"requests_per_minute": 600})
    with time_machine.travel(NOON, tick=False) as clock:
        wire.answer = answer
        for _ in range(budget.TRIPS):
            clock.shift(1)
            assert send(account) == 0
        pause = send(account)
        assert pause == pytest.approx(budget.FIRST_PROBE, abs=0.01)
        assert send(account, Urgency.CATALOGUE) == pytest.approx(pause, abs=0.01)
        calls = wire.calls

        clock.shift(pause + 0.01)
        assert send(account) == 0, "one probe goes"
        assert send(account) == pytest.approx(2 * pause, abs=0.01), "and it failed, so the next is further away"
        assert wire.calls == calls + 1

        assert send(account, Urgency.DELIVERY) == 0, "a delivery tries whenever it likes"
        wire.answer = 200, {}, b"{}"
        assert send(account) > 0
        assert send(account, Urgency.DELIVERY) == 0
        clock.shift(1)
        assert send(account) == 0, "its success ended the outage for all"


def test_only_one_probe_is_out_at_a_time(windowed):
    with time_machine.travel(NOON, tick=False) as clock:
        meter(windowed).take(1, Urgency.DELIVERY)
        for _ in range(budget.TRIPS):
            budget.unavailable(windowed.pk)
        clock.shift(budget.FIRST_PROBE + 0.01)
        assert meter(windowed).take(1, Urgency.PRICE) == 0
        assert meter(windowed).take(1, Urgency.STOCK) == pytest.approx(budget.PROBE_SECONDS, abs=0.01)
        clock.shift(budget.PROBE_SECONDS + 0.01)
        assert meter(windowed).take(1, Urgency.STOCK) == 0, "the first one never told"


def test_a_pause_grows_to_its_longest_and_no_further(windowed):
    with time_machine.travel(NOON, tick=False):
        meter(windowed).take(1, Urgency.DELIVERY)
        for _ in range(60):
            budget.unavailable(windowed.pk)
        assert meter(windowed).take(1, Urgency.STOCK) == pytest.approx(budget.LONGEST_PROBE, abs=0.01)
