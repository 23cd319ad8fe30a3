"""The life of a row that has work to do outside."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connections
from django.utils import timezone
from django_q.models import OrmQ

from backoffice import queue
from inventory.models import Offer
from marketplaces import outgoing
from marketplaces.exceptions import (
    BudgetSpent,
    ConfigurationError,
    NotFound,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.models import Account
from marketplaces.outgoing import Again
from tests import make

State = Offer.State


@pytest.fixture
def row(db):
    return make.offer(None, make.account(), state=State.DUE)


def fail_with(error):
    def work(row):
        raise error

    return work


def later(row, seconds):
    """Make a row that waits for its next try due."""
    Offer.objects.filter(pk=row.pk).update(next_try_at=timezone.now() - timedelta(seconds=seconds))


@pytest.mark.smoke
def test_work_that_succeeds_is_done_and_is_not_done_again(row):
    seen = []

    assert outgoing.run(Offer, row.pk, seen.append)
    assert not outgoing.run(Offer, row.pk, seen.append)

    row.refresh_from_db()
    assert (len(seen), row.state, row.attempts, row.last_error) == (1, State.DONE, 0, "")
    assert row.account.last_success_at is not None


@pytest.mark.smoke
@pytest.mark.parametrize("is_unknown", [False, True])
def test_a_row_of_a_stopped_account_waits_and_no_attempt_is_counted(row, is_unknown):
    state = State.UNKNOWN if is_unknown else State.DUE
    Offer.objects.filter(pk=row.pk).update(state=state, outcome_unknown=is_unknown, attempts=3)
    type(row.account).objects.update(is_enabled=False)

    assert not outgoing.run(Offer, row.pk, fail_with(AssertionError("nothing is sent")))

    row.refresh_from_db()
    assert (row.state, row.outcome_unknown, row.attempts, row.in_flight_since) == (state, is_unknown, 3, None)
    assert row.next_try_at > timezone.now() + timedelta(minutes=4)


@pytest.mark.smoke
@pytest.mark.django_db
def test_a_claimed_row_is_as_the_orm_reads_it():
    row = make.offer(make.product(), make.account(), state=State.DUE)

    claimed = outgoing.claim(Offer, row.pk)

    read = Offer.objects.get(pk=row.pk)
    fields = [field.attname for field in Offer._meta.concrete_fields]
    assert [(name, getattr(claimed, name)) for name in fields] == [(name, getattr(read, name)) for name in fields]
    assert claimed.account == read.account


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_of_two_who_claim_at_once_one_gets_the_row():
    row = make.offer(None, make.account(), state=State.DUE)

    def claim(_):
        try:
            return outgoing.claim(Offer, row.pk) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(16))) == 1


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("error", "state", "attempts"),
    [
        (TemporaryError("busy", kind="unavailable"), State.DUE, 1),
        (BudgetSpent("spent", retry_after=3), State.DUE, 0),
        (UnknownOutcome("silence"), State.UNKNOWN, 1),
        (NotFound("gone", kind="not_found"), State.NEEDS_ATTENTION, 1),
        (ConfigurationError("bad key"), State.DUE, 0),
        (RuntimeError("secret in a message"), State.UNKNOWN, 1),
        (ConfigurationError("not yours", kind="permission"), State.NEEDS_ATTENTION, 1),
    ],
)
def test_each_error_says_what_happens_next(row, error, state, attempts):
    outgoing.run(Offer, row.pk, fail_with(error))

    row.refresh_from_db()
    assert (row.state, row.attempts) == (state, attempts)
    assert (row.next_try_at is None) == (state == State.NEEDS_ATTENTION)
    assert row.last_error
    assert "secret" not in row.last_error


def test_a_waiting_time_that_the_marketplace_names_is_kept(row):
    outgoing.run(Offer, row.pk, fail_with(TemporaryError("throttled", retry_after=90)))

    row.refresh_from_db()
    assert timedelta(seconds=85) < row.next_try_at - timezone.now() < timedelta(seconds=91)


def test_a_row_that_fails_again_and_again_ends_with_a_person(row):
    for _ in range(outgoing.MAX_ATTEMPTS):
        later(row, 1)
        assert outgoing.run(Offer, row.pk, fail_with(TemporaryError("busy")))

    row.refresh_from_db()
    assert (row.state, row.next_try_at) == (State.NEEDS_ATTENTION, None)
    assert not outgoing.run(Offer, row.pk, fail_with(TemporaryError("busy")))
    assert outgoing.try_again(row)
    row.refresh_from_db()
    assert (row.state, row.attempts) == (State.DUE, 0)


def test_an_account_that_is_set_up_wrong_stops_all_its_rows_and_is_shown(row):
    other = make.offer(None, row.account, state=State.DUE)

    outgoing.run(Offer, row.pk, fail_with(ConfigurationError("The key is refused. Check it")))

    row.account.refresh_from_db()
    assert row.account.trouble == "The key is refused. Check it"
    assert not outgoing.run(Offer, other.pk, lambda row: None)
    other.refresh_from_db()
    assert (other.state, other.attempts) == (State.DUE, 0)
    assert other.next_try_at > timezone.now()


def test_after_a_success_the_account_is_out_of_trouble(row):
    row.account.has_trouble("bad key")
    type(row.account).objects.update(trouble_since=timezone.now() - timedelta(minutes=6))

    assert outgoing.run(Offer, row.pk, lambda row: None)

    row.account.refresh_from_db()
    assert (row.account.trouble, row.account.is_stopped) == ("", False)


@pytest.mark.smoke
def test_what_is_asked_for_in_flight_is_done_once_more(row):
    def work(claimed):
        outgoing.mark_due(Offer.objects.filter(pk=row.pk))
        outgoing.mark_due(Offer.objects.filter(pk=row.pk))

    outgoing.run(Offer, row.pk, work)

    row.refresh_from_db()
    assert row.state == State.DUE
    assert outgoing.run(Offer, row.pk, lambda row: None)
    row.refresh_from_db()
    assert row.state == State.DONE


def test_a_killed_worker_leaves_the_outcome_unknown_and_the_next_one_looks_first(row):
    assert outgoing.claim(Offer, row.pk)  # and dies
    Offer.objects.update(in_flight_since=timezone.now() - outgoing.LOST_AFTER - timedelta(seconds=1))

    outgoing.sweep(Offer)
    row.refresh_from_db()
    assert row.state == State.UNKNOWN
    assert OrmQ.objects.filter(lock__lte=timezone.now()).exists(), "it is woken in the same sweep"

    looked = []
    outgoing.run(Offer, row.pk, lambda claimed: looked.append(claimed.must_look))
    assert looked == [True]


def test_a_worker_believed_dead_does_not_overwrite_who_took_its_place(row):
    slow = outgoing.claim(Offer, row.pk)
    Offer.objects.update(in_flight_since=timezone.now() - outgoing.LOST_AFTER - timedelta(seconds=1))
    outgoing.sweep(Offer)
    second = outgoing.claim(Offer, row.pk)

    outgoing.failed(slow, NotFound("too late"))

    row.refresh_from_db()
    assert (row.state, row.in_flight_since) == (State.IN_FLIGHT, second.in_flight_since)


def test_being_asked_for_does_not_make_an_unknown_outcome_repeat_blindly(row):
    outgoing.run(Offer, row.pk, fail_with(UnknownOutcome("silence")))
    outgoing.mark_due(Offer.objects.all())

    row.refresh_from_db()
    assert row.state == State.UNKNOWN


def test_the_sweep_wakes_what_lost_its_wake_up(row):
    later(row, 60)
    assert not OrmQ.objects.exists()

    assert outgoing.sweep(Offer) == 1
    assert OrmQ.objects.count() == 1


@pytest.mark.smoke
def test_work_that_goes_on_says_when_and_why(row):
    at = timezone.now() + timedelta(minutes=5)

    outgoing.run(Offer, row.pk, lambda row: Again(at, "waiting for stock"))

    row.refresh_from_db()
    assert (row.state, row.next_try_at, row.last_error) == (State.DUE, at, "waiting for stock")
    assert not outgoing.run(Offer, row.pk, lambda row: None)


def test_the_pause_doubles_and_is_bounded():
    error = TemporaryError("busy")
    pauses = [outgoing.pause(attempt, error).total_seconds() for attempt in range(1, 12)]

    assert 1.6 <= pauses[0] <= 2.4
    assert all(later > earlier for earlier, later in pairwise(pauses[:6]))
    assert max(pauses) <= outgoing.LONGEST_PAUSE * 1.2


def test_what_nobody_foresaw_ends_with_a_person_soon(row):
    for _ in range(outgoing.MAX_SURPRISES):
        later(row, 1)
        outgoing.run(Offer, row.pk, fail_with(RuntimeError("a bug")))

    row.refresh_from_db()
    assert row.state == State.NEEDS_ATTENTION


def test_what_ends_its_worker_each_time_ends_with_a_person_and_is_looked_at_first(row):
    """Nobody is left to record such a failure, so the claims are counted."""
    died = 0
    while died < 20:
        later(row, 1)
        if outgoing.claim(Offer, row.pk) is None:
            break
        died += 1
        Offer.objects.update(in_flight_since=timezone.now() - outgoing.LOST_AFTER - timedelta(seconds=1))
        outgoing.sweep(Offer)

    row.refresh_from_db()
    assert (died, row.state, row.failure) == (outgoing.MAX_SURPRISES, State.NEEDS_ATTENTION, outgoing.LOST)
    assert outgoing.try_again(row)
    row.refresh_from_db()
    assert row.state == State.UNKNOWN, "it may have been done each time"


def test_a_worker_that_dies_after_a_long_outage_is_no_reason_to_give_up(row):
    Offer.objects.update(attempts=100, failure="unavailable")
    assert outgoing.claim(Offer, row.pk)
    Offer.objects.update(in_flight_since=timezone.now() - outgoing.LOST_AFTER - timedelta(seconds=1))

    outgoing.sweep(Offer)

    row.refresh_from_db()
    assert (row.state, row.failure) == (State.UNKNOWN, outgoing.LOST)


@pytest.mark.parametrize("wish", [lambda row: outgoing.mark_due(Offer.objects.all()), outgoing.try_again])
def test_no_wish_makes_an_unknown_outcome_forgotten(row, wish):
    """Not even after a person had it: what may have been done is looked for before it is repeated."""
    outgoing.run(Offer, row.pk, fail_with(UnknownOutcome("silence")))
    later(row, 1)
    outgoing.run(Offer, row.pk, fail_with(NotFound("the look failed")))
    row.refresh_from_db()
    assert row.state == State.NEEDS_ATTENTION

    wish(row)
    looked = []
    outgoing.run(Offer, row.pk, lambda claimed: looked.append(claimed.must_look))

    assert looked == [True]
    row.refresh_from_db()
    assert not row.outcome_unknown


def test_a_marketplace_that_comes_back_has_what_waited_for_it_at_once(row):
    other = make.offer(None, row.account, state=State.DUE)
    down = TemporaryError("busy", kind="unavailable")
    for _ in range(12):
        Offer.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))
        outgoing.run(Offer, row.pk, fail_with(down))
        outgoing.run(Offer, other.pk, fail_with(down))
    row.refresh_from_db()
    row.account.refresh_from_db()
    assert row.state == State.DUE
    assert row.next_try_at > timezone.now() + timedelta(minutes=5)
    assert row.account.failing_since

    later(other, 1)
    assert outgoing.run(Offer, other.pk, lambda claimed: None)

    row.refresh_from_db()
    row.account.refresh_from_db()
    assert row.next_try_at <= timezone.now()
    assert row.account.failing_since is None
    assert OrmQ.objects.filter(lock__lte=timezone.now()).exists()


def test_what_waits_for_a_time_of_its_own_is_not_asked_anew_when_another_row_gets_its_answer(row):
    at = timezone.now() + timedelta(hours=1)
    outgoing.run(Offer, row.pk, lambda claimed: Again(at, "Looking whether it arrived.", is_unknown=True))
    other = make.offer(None, row.account, external_id="other", state=State.DUE)
    outgoing.run(Offer, other.pk, fail_with(TemporaryError("busy", kind="unavailable")))
    later(other, 30)
    assert outgoing.run(Offer, other.pk, lambda claimed: None)

    row.refresh_from_db()
    assert (row.state, row.next_try_at) == (State.UNKNOWN, at)
    assert Account.objects.get(pk=row.account_id).failing_since is None


def test_a_sweep_makes_a_queue_that_is_behind_no_longer(row):
    since = timezone.now() - timedelta(seconds=30)
    Offer.objects.update(state=State.DUE, next_try_at=since)
    queue.enqueue_at(timezone.now(), "backoffice.tasks.heartbeat")
    OrmQ.objects.update(lock=since)
    assert outgoing.sweep(Offer) == 0, "its wake-up waits like all others"

    OrmQ.objects.update(lock=timezone.now() - timedelta(seconds=10))
    assert outgoing.sweep(Offer) == 1

    OrmQ.objects.update(lock=timezone.now() - timedelta(hours=1))
    Offer.objects.update(next_try_at=timezone.now() - timedelta(seconds=70))
    assert outgoing.sweep(Offer) == 1, "however far behind the queue is"


def test_what_was_refused_in_an_outage_is_tried_again_when_it_ends(row):
    outgoing.run(Offer, row.pk, fail_with(ConfigurationError("not now", kind="permission")))
    other = make.offer(None, row.account, external_id="other", state=State.DUE)
    outgoing.run(Offer, other.pk, fail_with(TemporaryError("busy", kind="unavailable")))
    later(other, 30)
    assert outgoing.run(Offer, other.pk, lambda claimed: None)

    row.refresh_from_db()
    assert (row.state, row.next_try_at <= timezone.now()) == (State.DUE, True)


def test_a_success_that_ends_a_trouble_brings_back_what_it_put_off(row):
    later_on = timezone.now() + timedelta(minutes=5)
    Offer.objects.filter(pk=row.pk).update(state=State.DUE, next_try_at=later_on)
    row.account.has_trouble("refused")

    assert outgoing.worked(Account.objects.get(pk=row.account_id)) == 1
    row.refresh_from_db()
    assert row.next_try_at <= timezone.now()
    assert Account.objects.get(pk=row.account_id).trouble == ""


def test_what_was_refused_to_the_account_is_tried_again_when_the_account_is_mended(row):
    outgoing.run(Offer, row.pk, fail_with(ConfigurationError("not yours", kind="permission")))

    assert outgoing.resume(row.account) == 1
    row.refresh_from_db()
    assert row.state == State.DUE
