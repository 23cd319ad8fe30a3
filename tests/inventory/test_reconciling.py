"""What differs among thousands of offers: all of it is found, nothing is made up, with few statements."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import differences, publishing, reconciling, stock, tasks
from inventory.models import Difference, Offer, Reconciliation, StockChange
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import BudgetSpent, NotFound
from marketplaces.services.g2g.service import Service
from marketplaces.types import OfferStatus, RemoteOffer
from orders import reconcile
from tests import make

pytestmark = pytest.mark.django_db

Kind, State = Difference.Kind, Difference.State
AN_HOUR_AGO = timedelta(hours=1)
PAGE = 500


class Market(MarketplaceService):
    """A marketplace that shows what a test says."""

    slug, label, default_base_url = "g2g", "Market", "http://market.test"

    def __init__(self, shown, *, pages=10**6):
        self.all = {remote.external_id: remote for remote in shown}
        self.pages_left, self.warnings = pages, []
        self.pages_read, self.looked_at = [], []

    def plan(self, requests, urgency):
        if self.pages_left <= 0:
            raise BudgetSpent("spent", retry_after=0.0, kind="budget")

    def fetch_offers(self):
        yield from self.all.values()

    def offer_pages(self, first=1):
        everything, number = list(self.all.values()), first
        while page := everything[(number - 1) * PAGE : number * PAGE]:
            self.pages_left -= 1
            self.pages_read.append(number)
            yield page
            number += 1

    def get_offer(self, offer_id):
        self.looked_at.append(offer_id)
        if offer_id not in self.all:
            raise NotFound("gone", kind="not_found")
        return self.all[offer_id]


@pytest.fixture
def shop(monkeypatch):
    """An account of a marketplace that shows just what is wanted of 12 offers."""
    return fill(monkeypatch, 12)


class Shop:
    def __init__(self, account, market):
        self.account, self.market = account, market

    def show(self, external_id, **fields):
        self.market.all[external_id] = replace(self.market.all[external_id], **fields)

    def compare(self, **options):
        return reconcile.run(self.account, **options)

    def found(self):
        rows = Difference.objects.filter(state=State.OPEN).order_by("pk")
        return [(row.external_id, row.field, row.kind) for row in rows]


def fill(monkeypatch, count, codes=30):
    account = make.account()
    product = make.product(codes=codes)
    pushed_at = timezone.now() - AN_HOUR_AGO
    offers = Offer.objects.bulk_create(
        Offer(
            account=account, product=product, external_id=f"G{number:05}", external_product_id=f"P{number:05}",
            price=Decimal("9.99"), currency="USD", quantity=20, title=f"Card {number}", state=Offer.State.DONE,
            pushed={"price": "9.99", "quantity": 20, "title": f"Card {number}"}, pushed_at=pushed_at, seen_at=pushed_at,
            seen_status="live",
        )
        for number in range(count)
    )  # fmt: skip
    market = Market(
        RemoteOffer(
            offer.external_id, external_product_id=offer.external_product_id, status=OfferStatus.LIVE, title=offer.title,
            price=offer.price, currency="USD", quantity=20, min_quantity=1,
        )
        for offer in offers
    )  # fmt: skip
    monkeypatch.setattr(type(account), "service", lambda self, **options: market)
    monkeypatch.setattr(Service, "supports", classmethod(lambda cls, name: name in ("fetch_offers", "get_offer")))
    return Shop(account, market)


def test_600_differences_among_5000_offers_are_all_found_and_none_is_made_up(monkeypatch):
    shop = fill(monkeypatch, 5000)
    names = iter(list(shop.market.all))
    planted = {}

    def plant(what, change):
        for _ in range(100):
            planted[name := next(names)] = what
            change(name)

    def behind(name):
        Offer.objects.filter(external_id=name).update(price=Decimal("12.5"))

    plant(("price", "changed"), behind)
    plant(("quantity", "changed"), lambda name: shop.show(name, quantity=7))
    plant(("offer", "gone"), lambda name: shop.market.all.pop(name))
    plant(("status", "changed"), lambda name: shop.show(name, status=OfferStatus.PAUSED))
    plant(("price", "by_hand"), lambda name: shop.show(name, price=Decimal("9.49")))
    for number in range(100):
        name = f"X{number:05}"
        shop.market.all[name] = RemoteOffer(name, status=OfferStatus.LIVE, price=Decimal(5), currency="USD")
        planted[name] = ("offer", "unknown")

    with CaptureQueriesContext(connection) as first:
        result = shop.compare()
    found = {name: (field, kind) for name, field, kind in shop.found()}
    assert found == planted
    assert Counter(one["kind"] for one in result.differences) == {
        "changed": 300, "gone": 100, "by_hand": 100, "unknown": 100,
    }  # fmt: skip
    assert (result.offers, result.problem) == (5000, "")
    looks = 100 * 3  # each offer that the list lacked is looked at by itself, and that is kept
    assert len(first) - looks < 11 * 20

    with CaptureQueriesContext(connection) as again:
        shop.compare()
    assert {name: (field, kind) for name, field, kind in shop.found()} == planted
    assert Difference.objects.count() == 600
    assert len(again) < 11 * 20


def test_nothing_differs_where_nothing_was_changed(shop):
    assert shop.compare().is_ok
    assert not Difference.objects.exists()
    assert Offer.objects.filter(seen_quantity=20, seen_price=Decimal("9.99")).count() == 12


def test_what_is_not_said_is_no_difference(shop):
    for name in shop.market.all:
        shop.market.all[name] = RemoteOffer(name)
    assert shop.compare().is_ok


def test_a_title_a_visibility_a_least_quantity_and_attributes_are_compared(shop):
    Offer.objects.filter(external_id="G00001").update(
        visibility="retail", min_quantity=2, attributes={"region": "EU", "ids": [{"id": 1}, {"id": 2}], "own": "x"}
    )
    shop.show(
        "G00001",
        title="Another",
        visibility="all",
        attributes={"region": "US", "ids": [{"id": "2", "name": "n"}, {"id": "1"}]},
    )
    shop.compare()
    fields = sorted(field for _, field, _ in shop.found())
    assert fields == ["attributes.region", "min_quantity", "title", "visibility"]


def test_a_difference_that_is_no_more_is_settled_and_a_new_one_is_a_new_row(shop):
    shop.show("G00001", price=Decimal(8))
    shop.compare()
    shop.show("G00001", price=Decimal("9.99"))
    assert shop.compare().is_ok
    assert Difference.objects.get().state == State.SETTLED
    shop.show("G00001", price=Decimal(7))
    shop.compare()
    assert sorted(Difference.objects.values_list("state", "theirs")) == [("open", "7 USD"), ("settled", "8 USD")]


@pytest.mark.parametrize("state", ["due", "in_flight", "unknown"])
def test_a_push_on_its_way_explains_what_differs(state, shop):
    Offer.objects.filter(external_id="G00001").update(state=state, price=Decimal(11))
    result = shop.compare()
    assert (result.is_ok, result.on_their_way) == (True, 1)


def test_a_push_of_this_moment_explains_what_still_differs(shop):
    Offer.objects.filter(external_id="G00001").update(price=Decimal(11), pushed_at=timezone.now())
    assert shop.compare().is_ok


def test_a_sale_whose_push_is_still_to_come_explains_the_lower_number(shop):
    StockChange.objects.create(product=Offer.objects.first().product)
    for name in shop.market.all:
        shop.show(name, quantity=19)
    assert shop.compare().is_ok
    StockChange.objects.all().delete()
    assert len(shop.compare().differences) == 12


def test_a_listing_that_lost_more_than_a_fifth_is_not_believed(shop):
    for name in list(shop.market.all)[:3]:
        del shop.market.all[name]
    result = shop.compare()
    assert "3 of 12 offers seem to have vanished" in result.problem
    assert not Offer.objects.filter(seen_status=OfferStatus.REMOVED).exists()
    assert not Difference.objects.exists()
    assert shop.market.looked_at == []


def test_an_offer_that_the_list_only_skipped_is_not_gone(shop, monkeypatch):
    hidden = shop.market.all["G00003"]
    monkeypatch.setattr(
        shop.market,
        "offer_pages",
        lambda first=1: iter([[one for one in shop.market.all.values() if one is not hidden]]),
    )
    assert shop.compare().is_ok
    assert shop.market.looked_at == ["G00003"]


def test_what_we_had_deleted_there_is_not_missed(shop):
    Offer.objects.filter(external_id="G00002").update(seen_status=OfferStatus.REMOVED, removed_by="ada")
    Offer.objects.filter(external_id="G00003").update(seen_status=OfferStatus.REMOVED)
    del shop.market.all["G00002"], shop.market.all["G00003"]
    shop.compare()
    assert shop.found() == [("G00003", "offer", "gone")]


def test_an_offer_that_was_never_linked_is_unknown_until_it_is(shop):
    Offer.objects.filter(external_id="G00002").update(product=None)
    shop.compare()
    assert shop.found() == [("G00002", "offer", "unknown")]
    Offer.objects.filter(external_id="G00002").update(product=Offer.objects.exclude(product=None).first().product)
    assert shop.compare().is_ok


def test_an_unknown_offer_that_went_away_is_settled(shop):
    shop.market.all["X"] = RemoteOffer("X", status=OfferStatus.LIVE)
    shop.compare()
    del shop.market.all["X"]
    assert shop.compare().is_ok


def test_what_is_sold_out_here_is_paused_there_by_right(shop, monkeypatch):
    monkeypatch.setattr(stock, "sellable_of", lambda products: dict.fromkeys(products, 0))
    for name in shop.market.all:
        shop.show(name, status=OfferStatus.PAUSED, quantity=0)
    assert shop.compare().is_ok


def test_an_ignored_difference_stays_ignored_until_its_day(shop):
    shop.show("G00001", quantity=3)
    shop.compare()
    tomorrow = timezone.now() + timedelta(days=1)
    differences.ignore(Difference.objects.all(), until=tomorrow, by="ada", reason="a fair")
    assert shop.compare().is_ok
    Difference.objects.update(ignored_until=timezone.now() - timedelta(seconds=1))
    assert len(shop.compare().differences) == 1
    assert Difference.objects.get().by == ""


def test_what_was_settled_long_ago_is_forgotten_and_what_lasts_is_not(shop):
    now, long_ago = timezone.now(), timezone.now() - timedelta(days=400)
    rows = [
        Difference.objects.create(
            account=make.account(name), external_id="1", field="price", kind="changed", state=state, found_at=long_ago,
            settled_at=settled, ignored_until=now if state == "ignored" else None,
        )
        for name, state, settled in (
            ("open", "open", None), ("ignored", "ignored", None), ("new", "settled", now - timedelta(days=89)),
            ("old", "settled", now - timedelta(days=91)),
        )
    ]  # fmt: skip
    tasks.prune()

    assert list(Difference.objects.filter(found_at=long_ago).order_by("pk")) == rows[:3]


def test_an_interrupted_comparison_goes_on_at_its_page(monkeypatch):
    shop = fill(monkeypatch, 1200)
    shop.show("G01100", price=Decimal(1))
    shop.market.pages_left = 2
    row = Reconciliation.objects.create(account=shop.account, next_at=timezone.now())
    assert not reconcile.take_turn(row.pk)
    row.refresh_from_db()
    assert (row.stage, row.reached, row.failures, row.leased_until) == ("offers", 2, 0, None)
    shop.market.pages_left = 100
    Reconciliation.objects.update(next_at=timezone.now())
    assert reconcile.take_turn(row.pk)
    assert shop.market.pages_read == [1, 2, 3]
    assert shop.found() == [("G01100", "price", "by_hand")]
    row.refresh_from_db()
    assert (row.stage, row.offers) == ("", 1200)
    assert row.next_at > timezone.now()


def test_two_never_compare_an_account_at_once(shop):
    free = timezone.now() + timedelta(seconds=60)
    Reconciliation.objects.create(account=shop.account, next_at=timezone.now(), leased_until=free)
    with pytest.raises(reconcile.BeingCompared):
        shop.compare()
    assert not reconcile.take_turn(Reconciliation.objects.get().pk)
    assert shop.market.pages_read == []


def test_each_account_has_a_minute_of_its_own_at_night(shop):
    now = timezone.now()
    others = [make.account(f"Shop {number}") for number in range(8)]
    nights = {reconcile.night_of(account, now) for account in others}
    assert len(nights) > 5
    assert all(now < night <= now + timedelta(days=1) and 1 <= night.hour < 5 for night in nights)
    assert reconcile.plan_all(now) == 0
    Reconciliation.objects.filter(account=shop.account).update(next_at=now)
    assert reconcile.plan_all(now) == 1


def test_push_ours_sends_what_was_changed_there_whatever_was_pushed_last(shop):
    shop.show("G00001", price=Decimal(8))
    shop.compare()
    offer = Offer.objects.get(external_id="G00001")
    assert "price" not in publishing.differences(offer)
    differences.push_ours({offer.pk: ["price"]})
    offer.refresh_from_db()
    assert offer.state == Offer.State.DUE
    assert publishing.differences(offer)["price"] == (None, "9.99")


def test_an_unknown_offer_can_be_taken_in(shop):
    shop.market.all["X"] = RemoteOffer(
        "X",
        external_product_id="PX",
        status=OfferStatus.LIVE,
        price=Decimal("5.5"),
        currency="USD",
        quantity=4,
        title="New",
    )
    shop.compare()
    offer = reconciling.adopt_unknown(Difference.objects.get())
    assert (offer.price, offer.title, offer.product, offer.seen_status) == (Decimal("5.5"), "New", None, "live")
    assert Difference.objects.get().offer == offer


def test_where_the_list_tells_only_what_is_left_the_offer_itself_is_asked(shop):
    whole = dict(shop.market.all)
    whole["G00002"] = replace(whole["G00002"], quantity=4)
    short = [
        replace(one, quantity=None, available=4 if name in ("G00001", "G00002") else 20) for name, one in whole.items()
    ]
    shop.market.all = whole
    shop.market.offer_pages = lambda first=1: iter([short])
    for _ in range(2):
        shop.market.looked_at.clear()
        shop.compare()
        assert shop.market.looked_at == ["G00001", "G00002"]
        assert shop.found() == [("G00002", "quantity", "changed")]
    assert Difference.objects.count() == 1
