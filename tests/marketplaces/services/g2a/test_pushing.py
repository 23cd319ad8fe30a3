"""Offers pushed by the product's own verbs, down to the wire."""

import pytest

from inventory import publishing
from inventory.models import Offer
from marketplaces.services.g2a.service import Service
from tests import make
from tests.marketplaces.services.g2a.peer import OFFERS, ROOT, Answer, sample

ID = "5b0f1a34-6a43-4e0c-8f4e-08f4b7d4f3a2"


@pytest.fixture
def offer(peer):
    account = make.account(marketplace="g2a", base_url=ROOT, credentials=dict(Service.sandbox_credentials))
    fields = {"external_product_id": "10000068865001", "currency": "EUR", "price": "5.98"}
    return make.offer(make.product(codes=3), account, state="due", **fields)


@pytest.mark.smoke
def test_an_offer_that_exists_there_is_taken_over_and_brought_up_to_date(peer, offer):
    """G2A-T28: one create, one PATCH with all that we want."""
    peer.on("POST", OFFERS["contract"], Answer(409, sample("create_offer.exists")))
    peer.on("PATCH", f"{OFFERS['contract']}/{ID}", Answer(200, sample("get_offer")))
    publishing.push(offer.pk)
    publishing.push(offer.pk)

    offer.refresh_from_db()
    assert (offer.state, offer.external_id) == (Offer.State.DONE, ID)
    assert [seen.method for seen in peer.asked()] == ["POST", "PATCH"]
    assert peer.asked()[1].json == {"price": 5.98, "visibility": "all", "active": True, "inventory": {"size": 3}}


def test_an_offer_on_hold_is_inactive_there(peer, offer):
    """G2A-T35: whoever stops the sale, G2A is told so."""
    Offer.objects.filter(pk=offer.pk).update(external_id=ID, is_active=False)
    peer.on("PATCH", f"{OFFERS['contract']}/{ID}", Answer(200, sample("get_offer")))
    publishing.push(offer.pk)
    assert peer.asked()[0].json.items() >= {"active": False, "inventory": {"size": 0}}.items()
