"""Rows of one account that one request does together."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.utils import timezone

from inventory.models import Offer
from marketplaces import outgoing
from marketplaces.exceptions import BudgetSpent, PermanentError
from marketplaces.outgoing import Again
from tests import make

State = Offer.State


def rows(count):
    account = make.account()
    return [make.offer(None, account, external_id=f"o-{n}", state=State.DUE) for n in range(count)]


@pytest.mark.smoke
def test_each_row_of_a_batch_has_its_own_outcome(db):
    fine, later, refused, silent = rows(4)

    def work(batch):
        return {
            fine.pk: None,
            later.pk: Again(timezone.now(), "not yet"),
            refused.pk: PermanentError("no such thing", kind="invalid"),
        }

    assert outgoing.run_many(Offer, [row.pk for row in (fine, later, refused, silent)], work) == 4

    states = {row.pk: Offer.objects.get(pk=row.pk) for row in (fine, later, refused, silent)}
    assert [states[row.pk].state for row in (fine, later, refused, silent)] == [
        State.DONE, State.DUE, State.NEEDS_ATTENTION, State.UNKNOWN,
    ]  # fmt: skip
    assert (states[fine.pk].attempts, states[fine.pk].in_flight_since) == (0, None)
    assert states[silent.pk].outcome_unknown


def test_an_error_of_the_whole_request_is_every_rows(db):
    mine = rows(3)

    def work(batch):
        raise BudgetSpent("spent", kind=outgoing.BUDGET, retry_after=7)

    outgoing.run_many(Offer, [row.pk for row in mine], work)

    assert set(Offer.objects.values_list("state", "failure", "attempts")) == {(State.DUE, outgoing.BUDGET, 0)}


def test_a_row_that_is_asked_for_meanwhile_is_done_once_more(db):
    (row,) = rows(1)

    def work(batch):
        outgoing.mark_due(Offer.objects.all())
        return {row.pk: None}

    outgoing.run_many(Offer, [row.pk], work)

    assert Offer.objects.get().state == State.DUE
    assert outgoing.run_many(Offer, [row.pk], lambda batch: {row.pk: None}) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_two_who_claim_the_same_batch_share_it_and_nobody_has_a_row_twice():
    pks = [row.pk for row in rows(40)]

    def claim(_):
        try:
            return [row.pk for row in outgoing.claim_many(Offer, pks)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        claimed = [pk for batch in pool.map(claim, range(8)) for pk in batch]
    assert sorted(claimed) == sorted(pks)
