"""Codes given away many at a time: one collection, put on sale by a change of the offer, which may be a job."""

import pytest

from inventory import publishing, uploads
from inventory.models import Code, Offer, Upload
from marketplaces import outgoing
from marketplaces.models import ApiCall, Job
from orders.verify import verify
from tests import make

Status = Upload.Status
State = Upload.State


@pytest.fixture
def offer(g2a):
    product_id = g2a.account.service().search_products()[0].external_id
    made = make.offer(
        make.product(codes=12), g2a.account, external_product_id=product_id, price="5.98", currency="EUR",
        offer_type="promo", visibility="all",
    )  # fmt: skip
    publishing.request(Offer.objects.all())
    g2a.advance(120)
    made.refresh_from_db()
    return made


def on_sale(desk, offer):
    return next(shown for shown in desk.sandbox.state()["offers"] if shown["id"] == offer.external_id)["keys"]


def calls(operation):
    return ApiCall.objects.filter(operation=operation).count()


def test_many_codes_leave_in_one_call_and_are_on_sale_when_the_marketplace_says_so(g2a, offer):
    """G2A-T36: the collection is named in the next change of the offer."""
    assert uploads.upload(offer, quantity=5, by="ann") == 5
    g2a.advance(300)

    assert set(Upload.objects.values_list("status", "state")) == {(Status.THERE, State.DONE)}
    assert calls("G2A-12") == 1
    assert len(on_sale(g2a, offer)) == 5
    assert Code.objects.filter(state=Code.State.UPLOADED).count() == 5
    assert not g2a.sandbox.state()["doubles"]["uploads"]
    assert verify().is_ok


def test_an_upload_without_an_answer_is_never_repeated(g2a, offer):
    """G2A-T36: a timeout is not repeated, for keys could be sold twice."""
    g2a.fault("G2A-12", "drop_after_commit")
    uploads.upload(offer, quantity=3, by="ann")
    g2a.advance(3600)

    assert set(Upload.objects.values_list("status", "state")) == {(Status.UNANSWERED, State.NEEDS_ATTENTION)}
    assert calls("G2A-12") == 1
    assert Code.objects.filter(state=Code.State.UPLOADED).count() == 3


def test_a_change_that_fails_leaves_the_codes_taken_and_can_be_tried_again(g2a, offer):
    """The collection is there; naming it once more sets the same value."""
    uploads.upload(offer, quantity=2, by="ann")
    g2a.sandbox.options["patch_answer"] = "job"
    g2a.fault("G2A-11", "job_failed")
    g2a.advance(900)

    assert set(Upload.objects.values_list("status", flat=True)) == {Status.TAKEN}
    assert set(Upload.objects.values_list("state", "failure")) == {(State.NEEDS_ATTENTION, "job_failed")}
    assert calls("G2A-11") == 1
    assert Job.objects.filter(result="failed").exists()

    for row in Upload.objects.all():
        outgoing.try_again(row)
    g2a.advance(900)
    assert set(Upload.objects.values_list("status", flat=True)) == {Status.THERE}
    assert calls("G2A-12") == 1
    assert len(on_sale(g2a, offer)) == 2
