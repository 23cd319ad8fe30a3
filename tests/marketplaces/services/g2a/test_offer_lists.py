"""Offers as G2A shows them, one by one and in pages."""

from decimal import Decimal

import pytest

from marketplaces.exceptions import PermanentError
from marketplaces.services.g2a import mapping
from marketplaces.services.g2a.bodies import OfferFilter
from marketplaces.types import OfferStatus
from tests.marketplaces.services.g2a.peer import OFFERS, Answer, path_of, sample

ID = "5b0f1a34-6a43-4e0c-8f4e-08f4b7d4f3a2"
PRODUCT = "10000068865001"
CONTRACT = OFFERS["contract"]
LIVE = OFFERS["live"]


@pytest.mark.parametrize("name", ["get_offer", "get_offer.live", "get_offer.nested.live"])
def test_every_form_of_an_offer_is_the_same_to_us(peer, either, name):
    """G2A-T30: flat, wrapped, price as number, text or nested."""
    peer.on("GET", f"{path_of(either)}/{ID}", Answer(200, sample(name)))
    offer = either.get_offer(ID)

    assert (offer.external_id, offer.external_product_id) == (ID, PRODUCT)
    assert (offer.price, offer.currency, offer.quantity) == (Decimal("5.98"), "EUR", 25)
    assert (offer.offer_type, offer.visibility, offer.status) == ("dropshipping", "all", OfferStatus.LIVE)
    assert offer.attributes.get("business_price", "5.80") == "5.80"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"status": "active"}, OfferStatus.LIVE),
        ({"status": "Active", "active": False}, OfferStatus.PAUSED),
        ({"status": "active", "inventory": {"size": 0}}, OfferStatus.OUT_OF_STOCK),
        ({"status": "deactivated"}, OfferStatus.PAUSED),
        ({"status": "sold-out"}, OfferStatus.OUT_OF_STOCK),
        ({"status": "Out of Stock"}, OfferStatus.OUT_OF_STOCK),
        ({"status": "archived", "active": False}, OfferStatus.REMOVED),
        ({"status": "active", "archive": True}, OfferStatus.REMOVED),
        ({"status": "rejected"}, OfferStatus.SUSPENDED),
        ({"active": True}, OfferStatus.LIVE),
        ({"status": "pending"}, OfferStatus.UNKNOWN),
        ({"status": "on-the-moon"}, OfferStatus.UNKNOWN),
        ({}, OfferStatus.UNKNOWN),
    ],
)
def test_the_words_of_an_offers_status(said, status):
    offer = mapping.to_offer({"id": ID, **said})
    assert (offer.status, offer.status_word) == (status, said.get("status", ""))


def test_an_unknown_word_is_told_once(peer, service):
    peer.on("GET", f"{CONTRACT}/{ID}", Answer(200, {**sample("get_offer"), "status": "on-the-moon"}))
    service.get_offer(ID)
    service.get_offer(ID)
    assert len(service.warnings) == 1
    assert "on-the-moon" in service.warnings[0]


def rows(*numbers):
    return [{"id": f"offer-{number}", "productId": PRODUCT, "type": "game"} for number in numbers]


@pytest.mark.parametrize("size", [0, 15, 101])
def test_a_page_size_that_does_not_exist_is_refused_here(peer, service, size):
    """G2A-T31."""
    with pytest.raises(PermanentError, match="10, 20, 50, 100"):
        service.list_offers(OfferFilter(), page_size=size)
    assert peer.seen == []


def test_paging_ends_at_the_last_page(peer, service):
    """G2A-T31: by lastPage, though the pages are not full."""
    metas = [{"currentPage": page, "lastPage": 3} for page in (1, 2, 3)]
    peer.on("GET", CONTRACT, *(Answer(200, {"data": rows(meta["currentPage"]), "meta": meta}) for meta in metas))
    assert [offer.external_id for offer in service.fetch_offers()] == ["offer-1", "offer-2", "offer-3"]
    assert [seen.query["page"] for seen in peer.asked()] == [["1"], ["2"], ["3"]]
    assert {seen.query["perPage"][0] for seen in peer.asked()} == {"100"}


def test_paging_ends_at_a_short_page_when_nothing_tells_the_last(peer, service):
    """G2A-T31: without meta."""
    peer.on("GET", CONTRACT, Answer(200, {"data": rows(*range(10))}), Answer(200, {"data": rows(10, 11)}))
    assert len(list(service.list_offers(OfferFilter(), page_size=10))) == 12
    assert len(peer.asked()) == 2


def test_a_list_that_shows_the_same_page_for_ever_ends(peer, live):
    peer.on("GET", LIVE, Answer(200, {"data": rows(*range(100))}))
    assert len(list(live.fetch_offers())) == 100
    assert len(peer.asked()) == 2
    assert peer.asked()[0].query["itemsPerPage"] == ["100"]


def test_live_pages_by_its_total_and_filters_here_what_it_cannot(peer, live):
    def meta(page):
        return {"page": page, "itemsPerPage": 100, "totalResults": 101}

    other = {"id": "x", "product": {"id": "10000000000009"}, "type": "game"}
    first = Answer(200, {"data": [*rows(*range(99)), other], "meta": meta(1)})
    peer.on("GET", LIVE, first, Answer(200, {"data": rows(100), "meta": meta(2)}))
    wanted = OfferFilter(product_id=PRODUCT, offer_type="game", is_active=True)
    assert len(list(live.list_offers(wanted))) == 100
    assert peer.asked()[0].query.items() >= {"type": ["game"], "active": ["true"]}.items()
    assert "productId" not in peer.asked()[0].query
