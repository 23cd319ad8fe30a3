from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import mirror
from inventory.models import Feed, Offer
from marketplaces.exceptions import MarketplaceError
from marketplaces.models import ApiCall
from marketplaces.sandbox_faults import Fault
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD
from marketplaces.types import OfferStatus, RemoteOffer
from tests import make
from tests.inventory.goods import open_market, shelf

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]


def put_on_the_shelf(desk, count=1, **fields):
    """Offers that somebody made on the marketplace's own site."""
    seller_id = desk.account.credentials["user_id"]
    add = desk.sandbox.offers.by_hand
    return [
        add(product_id=ITUNES_CARD, seller_id=seller_id, unit_price=12.5, api_qty=4, **fields) for _ in range(count)
    ]


def test_what_is_seen_leaves_what_is_wanted_alone():
    offer = make.offer(make.product(), make.account(), price=Decimal("9.99"))
    remote = RemoteOffer(
        "G1", status=OfferStatus.LIVE, price=Decimal("8.5"), quantity=3, attributes={"deep": [Decimal("1.50")]}
    )
    mirror.record_seen(offer, remote)
    offer.refresh_from_db()
    assert (offer.seen_price, offer.seen_quantity, offer.seen_status) == (Decimal("8.5"), 3, "live")
    assert offer.seen == {
        "external_id": "G1", "status": "live", "price": "8.5", "quantity": 3, "attributes": {"deep": ["1.5"]},
    }  # fmt: skip
    assert offer.seen_at is not None
    assert (offer.price, offer.external_id) == (Decimal("9.99"), "")


def test_an_unknown_offer_becomes_a_row_that_wants_what_it_says_and_pushes_nothing(g2g):
    (theirs,) = put_on_the_shelf(g2g)
    assert mirror.sync_offers(g2g.account) == mirror.SyncResult(seen=1, new=1, gone=0)
    offer = Offer.objects.get()
    assert (offer.external_id, offer.external_product_id, offer.product) == (theirs.id, ITUNES_CARD, None)
    assert (offer.price, offer.currency, offer.quantity) == (Decimal("12.5"), "USD", 4)
    assert (offer.state, offer.seen_quantity, offer.seen_status) == (Offer.State.DONE, 4, "live")
    g2g.settle()
    assert not ApiCall.objects.filter(operation__in=["G2G-05", "G2G-07"]).exists()


def test_a_second_look_updates_the_row(g2g):
    (theirs,) = put_on_the_shelf(g2g)
    mirror.sync_offers(g2g.account)
    g2g.sandbox.offers.change(theirs, {"unit_price": 13.5})
    assert mirror.sync_offers(g2g.account) == mirror.SyncResult(seen=1, new=0, gone=0)
    offer = Offer.objects.get()
    assert (offer.seen_price, offer.price) == (Decimal("13.5"), Decimal("12.5"))


def test_what_a_short_listing_does_not_say_leaves_what_was_seen(g2g):
    put_on_the_shelf(g2g)
    mirror.sync_offers(g2g.account)
    full = Offer.objects.get()
    mirror.sync_offers(g2g.account)
    offer = Offer.objects.get()
    assert offer.seen_quantity == full.seen_quantity == 4
    assert offer.seen == full.seen
    assert offer.seen_at > full.seen_at


def test_an_offer_that_was_deleted_there_is_marked_once_and_the_rest_goes_on(g2g):
    first, _ = put_on_the_shelf(g2g, 2)
    mirror.sync_offers(g2g.account)
    first.status = "deleted"
    assert mirror.sync_offers(g2g.account) == mirror.SyncResult(seen=1, new=0, gone=1)
    assert Offer.objects.get(external_id=first.id).seen_status == OfferStatus.REMOVED
    assert mirror.sync_offers(g2g.account) == mirror.SyncResult(seen=1, new=0, gone=0)


def test_an_offer_that_the_listing_only_skipped_is_not_given_up(g2g, monkeypatch):
    """A page that shifts while it is read hides an offer."""
    skipped, shown = put_on_the_shelf(g2g, 2)
    mirror.sync_offers(g2g.account)
    monkeypatch.setattr(g2g.sandbox.offers, "of", lambda seller_id: [shown])
    assert mirror.sync_offers(g2g.account) == mirror.SyncResult(seen=1, new=0, gone=0)
    assert Offer.objects.get(external_id=skipped.id).seen_status == OfferStatus.LIVE


def test_a_listing_that_lost_too_many_offers_is_not_believed(g2g):
    offers = put_on_the_shelf(g2g, 10)
    mirror.sync_offers(g2g.account)
    for offer in offers[:3]:
        offer.status = "deleted"
    result = mirror.sync_offers(g2g.account)
    assert result.gone == 0
    assert "lacks 3 of 10" in result.problem
    assert not Offer.objects.filter(seen_status=OfferStatus.REMOVED).exists()
    offers[2].status = "live"
    assert mirror.sync_offers(g2g.account).gone == 2


def test_a_listing_that_breaks_off_marks_nothing(g2g):
    put_on_the_shelf(g2g, 2)
    mirror.sync_offers(g2g.account)
    g2g.sandbox.faults.add(Fault("G2G-09", "http_error"))
    with pytest.raises(MarketplaceError):
        mirror.sync_offers(g2g.account)
    assert not Offer.objects.filter(seen_status=OfferStatus.REMOVED).exists()


@pytest.mark.parametrize("state", [Offer.State.DUE, Offer.State.IN_FLIGHT, Offer.State.UNKNOWN])
def test_an_offer_that_a_push_is_just_creating_gets_no_second_row(g2g, state):
    put_on_the_shelf(g2g)
    make.offer(make.product(), g2g.account, external_product_id=ITUNES_CARD, state=state)
    assert mirror.sync_offers(g2g.account).new == 0
    assert Offer.objects.get().external_id == ""


def test_codes_that_two_offers_have_there_are_reported_and_match_nothing(db):
    """GCO-T19."""
    with open_market() as goods:
        goods.sandbox.switches.limit = 10_000
        type(goods.account).objects.update(options={"requests_per_minute": 6000, "page_size": 1000})
        goods.account.refresh_from_db()
        first, second, third = shelf(goods, 3)
        goods.sandbox.products.all[int(second.external_id)].code = first.external_product_id
        waits = make.offer(first.product, goods.account, title="New", external_product_id=first.external_product_id)
        made = Feed.objects.create(account=goods.account, size=1, by="ann", status=Feed.Status.QUEUED)
        Offer.objects.filter(pk=waits.pk).update(feed=made)

        result = mirror.sync_offers(goods.account)

        assert first.external_product_id in result.duplicates
        assert third.external_product_id not in result.duplicates
        assert "product codes are there more than once" in result.problem
        assert Offer.objects.get(pk=waits.pk).external_id == ""


def test_a_scan_that_lost_most_of_a_shop_marks_nothing_and_never_deletes(db):
    """GCO-T58 and GCO-T27: 60 % are missing; nothing is gone, and no call that deletes is made by a reading."""
    with open_market() as goods:
        goods.sandbox.switches.limit = 10_000
        type(goods.account).objects.update(options={"requests_per_minute": 6000, "page_size": 1000})
        goods.account.refresh_from_db()
        offers = shelf(goods, 20)
        for offer in offers[:12]:
            del goods.sandbox.products.all[int(offer.external_id)]

        result = mirror.sync_offers(goods.account)

        assert result.gone == 0
        assert "lacks 12 of" in result.problem
        assert not Offer.objects.filter(seen_status=OfferStatus.REMOVED).exists()
        assert not ApiCall.objects.filter(method="DELETE").exists()


def test_a_page_of_a_listing_takes_a_few_statements_however_long_it_is(db):
    with open_market() as goods:
        goods.sandbox.switches.limit = 10_000
        type(goods.account).objects.update(options={"requests_per_minute": 6000, "page_size": 1000})
        goods.account.refresh_from_db()
        shelf(goods, 100)
        mirror.sync_offers(goods.account)
        with CaptureQueriesContext(connection) as asked:
            result = mirror.sync_offers(goods.account)
        assert result.seen > 2000
        assert len(asked) < 100


def test_nothing_that_runs_by_the_clock_can_delete_an_offer():
    """GCO-T27: the call is made where a person's wish is carried out, and nothing but a page of people writes such a wish."""
    rooms = [Path(__file__).parents[2] / room for room in ("inventory", "orders", "backoffice")]
    sources = {
        path.name: path.read_text() for room in rooms for path in room.rglob("*.py") if path.parent.name != "tests"
    }
    assert [name for name, text in sources.items() if "delete_offer(" in text] == ["removal.py"]
    wishing = {name for name, text in sources.items() if "removal.request(" in text or "removal.ask(" in text}
    assert wishing == {"offer_pages.py", "offer_there_runs.py"}
