"""A thousand offers whose marketplace answers each with a job: all followed to their end, and no worker waits for them."""

import os
from collections import Counter

import pytest

from backoffice import queue
from inventory import publishing
from inventory.models import Offer
from marketplaces.models import Job
from marketplaces.services.g2a.sandbox_catalogue import made
from tests import make

OFFERS = int(os.environ.get("MANY_OFFERS", "200"))  # a thousand take minutes


@pytest.fixture
def offers(g2a):
    g2a.sandbox.options["products"] = OFFERS + 200
    product = make.product(codes=5)
    Offer.objects.bulk_create(
        Offer(account=g2a.account, product=product, external_product_id=made(number).id, price="5.98", currency="EUR",
              offer_type="dropshipping", visibility="all")
        for number in range(OFFERS)
    )  # fmt: skip
    return Offer.objects.all()


def test_a_thousand_jobs_are_followed_to_their_end_and_fill_no_queue(g2a, offers):
    """G2A-T38: a job is polled at the contract's pace; here a thousand of them, all at once."""
    assert publishing.request(offers) == OFFERS
    depths = []
    for _ in range(120):
        depths.append(queue.depth())
        g2a.advance(10)
        if not Offer.objects.exclude(state=Offer.State.DONE).exists():
            break

    assert Counter(offers.values_list("state", flat=True)) == {Offer.State.DONE: OFFERS}
    assert Counter(Job.objects.values_list("result", "state")) == {(Job.Result.DONE, Job.State.DONE): OFFERS}
    assert offers.exclude(external_id="").count() == OFFERS
    assert len(g2a.sandbox.state()["offers"]) == OFFERS
    # What waits stands in its own table: whoever is woken meanwhile has at most these before him.
    assert max(depths) <= 2
