"""An account's rows are worked off a few at a time, and turns do not multiply."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from inventory import publishing
from inventory.models import Offer
from marketplaces import jobs, outgoing, pump
from marketplaces.exceptions import BudgetSpent, PermanentError, TemporaryError
from marketplaces.models import Account, ApiCall, Pump
from marketplaces.outgoing import Again
from tests import make
from tests.drain import drain
from tests.orders import story

State = Offer.State
KIND = Offer._meta.label_lower


def due_offers(on, count):
    for number in range(count):
        make.offer(None, on, external_id=f"offer-{number}", state=State.DUE, next_try_at=timezone.now())


@pytest.mark.smoke
def test_a_thousand_wishes_of_an_account_are_one_wake_up(db):
    account = make.account()
    due_offers(account, 50)

    publishing.request(Offer.objects.all())

    assert OrmQ.objects.count() == 1


def test_a_turn_ends_when_the_budget_is_spent_and_the_next_is_planned_for_then(g2g):
    story.begin(g2g, codes=1)
    Account.objects.update(options={"requests_per_minute": 6})
    due_offers(Account.objects.get(), 30)
    ApiCall.objects.all().delete()

    pump.turn(KIND, str(g2g.account.pk))

    spent = Offer.objects.filter(failure="budget")
    assert spent.count() == 1
    assert ApiCall.objects.count() < 6
    planned = Pump.objects.get().planned_at
    assert planned == spent.get().next_try_at + pump.MOMENT > timezone.now() + timedelta(seconds=3)
    assert OrmQ.objects.get().lock == planned


def test_turns_do_not_multiply(g2g):
    account = g2g.account
    make.offer(None, account, state=State.DUE, next_try_at=timezone.now() + timedelta(minutes=5))

    for _ in range(10):
        pump.turn(KIND, str(account.pk))

    assert OrmQ.objects.count() == 1


def test_an_earlier_row_brings_the_next_turn_forward(g2g):
    late = make.offer(None, g2g.account, state=State.DUE, next_try_at=timezone.now() + timedelta(minutes=5))
    pump.turn(KIND, str(g2g.account.pk))
    make.offer(None, g2g.account, state=State.DUE, next_try_at=timezone.now() + timedelta(minutes=1))
    pump.turn(KIND, str(g2g.account.pk))

    locks = sorted(OrmQ.objects.values_list("lock", flat=True))
    assert len(locks) == 2
    assert locks[0] < late.next_try_at + pump.MOMENT == locks[1]


def test_two_turns_at_once_are_one(g2g):
    due_offers(g2g.account, 3)
    Pump.objects.create(account=g2g.account, kind=KIND, leased_until=timezone.now() + timedelta(seconds=30))

    assert pump.turn(KIND, str(g2g.account.pk)) == 0
    Pump.objects.update(leased_until=timezone.now())
    assert pump.turn(KIND, str(g2g.account.pk)) == 3


def test_a_stopped_account_costs_nothing_and_goes_on_later(g2g):
    due_offers(g2g.account, 3)
    g2g.account.has_trouble("bad key")

    assert pump.turn(KIND, str(g2g.account.pk)) == 0
    assert ApiCall.objects.count() == 0
    assert OrmQ.objects.get().lock > timezone.now() + timedelta(minutes=4)


def test_the_sweep_wakes_an_account_once(g2g):
    due_offers(g2g.account, 5)
    Offer.objects.update(next_try_at=timezone.now() - timedelta(minutes=1))

    assert outgoing.sweep(Offer) == 5
    assert OrmQ.objects.count() == 1
    drain()
    assert not Offer.objects.filter(state=State.DUE, next_try_at__lte=timezone.now()).exists()


def test_an_offer_that_has_to_be_looked_for_is_not_starved_by_its_own_budget(g2g):
    """Looking takes more requests than its share of a small burst: they are granted as a whole, or not at all."""
    Account.objects.update(options={"requests_per_minute": 60})
    make.offer(make.product(), Account.objects.get(), state=State.UNKNOWN, next_try_at=timezone.now(),
               external_product_id=story.ITUNES_CARD, attributes=story.CHOICES)  # fmt: skip

    pump.turn(KIND, str(g2g.account.pk))
    g2g.advance(30)

    assert Offer.objects.get().state == State.DONE
    assert len(g2g.sandbox.offers.all) == 1


def test_a_thousand_jobs_that_begin_are_one_wake_up(g2a):
    """What waits behind their wake-ups in the queue, such as a delivery, would wait for a thousand turns."""
    for number in range(50):
        jobs.start(g2a.account, f"job-{number}", purpose="a change")
    assert OrmQ.objects.count() == 1


def test_of_many_wake_ups_the_planned_one_takes_the_turn(g2g):
    due_offers(g2g.account, 3)
    outgoing.plan_turn(g2g.account, KIND, timezone.now())
    for _ in range(5):
        assert pump.turn(KIND, str(g2g.account.pk)) == 0
    assert pump.turn(KIND, str(g2g.account.pk), is_planned=True) == 3


def test_a_planned_turn_that_lost_its_wake_up_holds_nobody_up(g2g):
    due_offers(g2g.account, 3)
    Pump.objects.create(
        account=g2g.account, kind=KIND, planned_at=timezone.now() - outgoing.PLAN_LOST_AFTER - timedelta(seconds=1)
    )
    assert pump.turn(KIND, str(g2g.account.pk)) == 3


def test_what_is_due_before_the_planned_turn_does_not_wait_for_it(g2g):
    due_offers(g2g.account, 3)
    outgoing.plan_turn(g2g.account, KIND, timezone.now() + timedelta(minutes=5))
    assert pump.turn(KIND, str(g2g.account.pk)) == 3


def test_a_planned_wake_up_that_comes_early_by_another_clock_still_plans_the_next(g2g):
    due_offers(g2g.account, 1)
    make.offer(None, g2g.account, state=State.DUE, next_try_at=timezone.now() + timedelta(minutes=5))
    outgoing.plan_turn(g2g.account, KIND, timezone.now() + timedelta(seconds=0.5))
    OrmQ.objects.all().delete()

    assert pump.turn(KIND, str(g2g.account.pk), is_planned=True) == 1
    assert OrmQ.objects.get().lock > timezone.now() + timedelta(minutes=4)


def test_what_got_no_budget_goes_before_what_began_to_wait_after_it(g2g, monkeypatch):
    first, second = (make.offer(None, g2g.account, external_id=name, state=State.DONE) for name in ("first", "second"))
    outgoing.mark_due(Offer.objects.filter(pk=first.pk))
    error = BudgetSpent("spent", kind=outgoing.BUDGET, retry_after=2)
    outgoing.failed(outgoing.claim(Offer, first.pk), error)
    outgoing.mark_due(Offer.objects.filter(pk=second.pk))
    later = timezone.now() + timedelta(seconds=3)
    monkeypatch.setattr(timezone, "now", lambda: later)

    outgoing.mark_due(Offer.objects.filter(pk=first.pk))  # sold once more: it waits since the first time
    assert list(outgoing.waiting_of(Offer, g2g.account)) == [first, second]

    outgoing.succeeded(outgoing.claim(Offer, first.pk))
    outgoing.mark_due(Offer.objects.filter(pk=first.pk))
    assert list(outgoing.waiting_of(Offer, g2g.account)) == [second, first]


def test_what_nobody_answered_keeps_its_place_however_often_it_is_sold(g2g):
    first, second = (make.offer(None, g2g.account, external_id=name, state=State.DONE) for name in ("first", "second"))
    outgoing.mark_due(Offer.objects.filter(pk=first.pk))
    at = timezone.now() - timedelta(seconds=1)
    outgoing.succeeded(outgoing.claim(Offer, first.pk), Again(at, "Looking.", is_unknown=True))
    outgoing.mark_due(Offer.objects.filter(pk=second.pk))
    outgoing.mark_due(Offer.objects.filter(pk=first.pk))

    assert list(outgoing.waiting_of(Offer, g2g.account)) == [first, second]


def test_what_fails_again_and_again_lets_others_go_first(g2g):
    bad, fresh = (make.offer(None, g2g.account, external_id=name, state=State.DONE) for name in ("bad", "fresh"))
    outgoing.mark_due(Offer.objects.filter(pk=bad.pk))
    outgoing.failed(outgoing.claim(Offer, bad.pk), TemporaryError("busy", kind="unavailable", retry_after=60))
    outgoing.mark_due(Offer.objects.filter(pk=fresh.pk))
    outgoing.came_back(g2g.account)

    assert list(outgoing.waiting_of(Offer, g2g.account)) == [fresh, bad]


def test_a_person_who_tries_again_puts_it_at_the_end_of_the_line(g2g):
    stuck, waits = (make.offer(None, g2g.account, external_id=name, state=State.DONE) for name in ("stuck", "waits"))
    outgoing.mark_due(Offer.objects.filter(pk=stuck.pk))
    outgoing.failed(outgoing.claim(Offer, stuck.pk), PermanentError("no", kind="invalid"))
    outgoing.mark_due(Offer.objects.filter(pk=waits.pk))
    stuck.refresh_from_db()
    assert (stuck.state, stuck.waits_since) == (State.NEEDS_ATTENTION, None)

    assert outgoing.try_again(stuck)
    assert list(outgoing.waiting_of(Offer, g2g.account)) == [waits, stuck]
