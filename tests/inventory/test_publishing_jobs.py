"""Offers of a marketplace that answers with a job: done when the job is, and nobody waits for it."""

import pytest

from inventory import pauses, publishing
from inventory.models import Offer
from marketplaces.models import Job
from tests import make

State = Offer.State


def put_up(desk, *, codes=25, price="5.98", product_id=None, **fields):
    """Ask for an offer of a product of the sandbox's catalogue."""
    product = make.product(f"P-{product_id or 1}", codes=codes)
    offer = make.offer(
        product,
        desk.account,
        external_product_id=product_id or product_ids(desk)[0],
        price=price,
        currency="EUR",
        offer_type="dropshipping",
        visibility="all",
        **fields,
    )
    publishing.request(Offer.objects.filter(pk=offer.pk))
    return offer


def product_ids(desk):
    return [product.external_id for product in desk.account.service().search_products()]


def there(desk, offer):
    return next(shown for shown in desk.sandbox.state()["offers"] if shown["id"] == offer.external_id)


def fresh(offer):
    return Offer.objects.get(pk=offer.pk)


def test_an_offer_is_done_when_its_job_is(g2a):
    offer = put_up(g2a)
    g2a.settle()
    assert fresh(offer).state == State.DUE
    assert "works on it" in fresh(offer).last_error
    assert Job.objects.get().result == ""

    g2a.advance(120)
    offer = fresh(offer)
    assert (offer.state, offer.pushed_quantity, offer.job) == (State.DONE, 25, None)
    assert offer.external_id
    assert (offer.seen_status, offer.seen_quantity) == ("live", 25)
    assert (there(g2a, offer)["inventory"]["size"], there(g2a, offer)["active"]) == (25, True)
    job = Job.objects.get()
    assert (job.result, job.resource_id, job.state) == ("done", offer.external_id, Job.State.DONE)


@pytest.mark.parametrize(("mode", "result"), [("job_failed", "failed"), ("job_element_failed", "failed"),
                                             ("job_cancelled", "cancelled")])  # fmt: skip
def test_a_job_that_fails_is_a_failure_with_its_reason(g2a, mode, result):
    """A `complete` with a failed element is a failure too."""
    g2a.fault("G2A-08", mode)
    offer = put_up(g2a)
    g2a.advance(300)

    assert Job.objects.get().result == result
    assert (fresh(offer).state, fresh(offer).failure) == (State.NEEDS_ATTENTION, "job_failed")
    assert f"ended as {result}" in fresh(offer).last_error

    publishing.request(Offer.objects.all())
    g2a.advance(300)
    assert fresh(offer).state == State.DONE


def test_a_job_that_takes_too_long_is_stuck_and_not_failed(g2a):
    g2a.fault("G2A-08", "job_stuck")
    offer = put_up(g2a)
    g2a.advance(30 * 60)

    job = Job.objects.get()
    assert (job.is_stuck, job.result, job.state) == (True, "", Job.State.DUE)
    assert 55 <= job.polls <= 70
    assert fresh(offer).state == State.DUE


def test_an_offer_that_exists_is_adopted_and_brought_up_to_date(g2a):
    first = put_up(g2a, price="9.99")
    g2a.advance(120)
    external_id = fresh(first).external_id
    Offer.objects.filter(pk=first.pk).update(external_id="", product=None, is_active=False, state=State.DONE)

    second = put_up(g2a, codes=7, price="5.50", product_id=first.external_product_id)
    g2a.advance(120)

    assert fresh(second).external_id == external_id
    assert (there(g2a, fresh(second))["inventory"]["size"], str(there(g2a, fresh(second))["price"])) == (7, "5.5")
    assert fresh(second).state == State.DONE
    assert len(g2a.sandbox.state()["offers"]) == 1


def test_a_create_without_an_answer_is_looked_for_and_not_repeated(g2a):
    g2a.fault("G2A-08", "drop_after_commit")
    offer = put_up(g2a)
    g2a.advance(300)

    assert fresh(offer).state == State.DONE
    assert len(g2a.sandbox.state()["offers"]) == 1
    assert g2a.sandbox.state()["doubles"]["offers"] == 0


def test_what_changes_while_a_job_runs_is_sent_when_it_is_over(g2a):
    offer = put_up(g2a, codes=10)
    g2a.settle()
    Offer.objects.update(price="7.77")
    publishing.request(Offer.objects.all())
    g2a.advance(300)

    assert str(there(g2a, fresh(offer))["price"]) == "7.77"
    assert fresh(offer).state == State.DONE


def test_holding_sales_stops_the_offer_and_not_only_its_number(g2a):
    offer = put_up(g2a)
    g2a.advance(120)

    pauses.pause(pauses.target(g2a.account), by="ann", reason="moving house")
    g2a.advance(120)
    assert (there(g2a, fresh(offer))["active"], there(g2a, fresh(offer))["inventory"]["size"]) == (False, 0)

    pauses.resume(pauses.target(g2a.account), by="ann")
    g2a.advance(120)
    assert (there(g2a, fresh(offer))["active"], there(g2a, fresh(offer))["inventory"]["size"]) == (True, 25)
