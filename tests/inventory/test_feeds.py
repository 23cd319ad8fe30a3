"""Lists of new offers: sent once, and there when they are seen there."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from backoffice import runs
from backoffice.models import Run, RunItem
from inventory import feeds, mirror
from inventory.models import Feed, Offer
from tests import make
from tests.inventory.goods import open_market, sent, shelf

pytestmark = [pytest.mark.django_db]

Status = Feed.Status


@pytest.fixture
def goods(db):
    with open_market() as desk:
        yield desk


def new_offers(desk, count, *, prefix="NEW"):
    product = make.product(f"{prefix}-P", codes=20)
    return [
        make.offer(product, desk.account, title=f"{prefix} {n}", external_product_id=f"{prefix}-{n}", quantity=3,
                   attributes={"category_ids": ["8200"]})
        for n in range(count)
    ]  # fmt: skip


def feed():
    return Feed.objects.get()


@pytest.mark.smoke
def test_a_feed_is_confirmed_when_its_offers_are_seen_there_and_not_before(goods):
    """GCO-T36: the number is kept digit by digit; its answer proves nothing."""
    offers = new_offers(goods, 3)
    (made,) = feeds.request(Offer.objects.all(), by="ann")
    goods.settle()
    assert (feed().status, feed().size, sent(goods, "GCO-09")) == (Status.QUEUED, 3, 1)
    assert feed().external_id == next(iter(goods.sandbox.bulk.feeds))
    assert not Offer.objects.exclude(external_id="").exists()

    goods.advance(20 * 60)
    assert (feed().status, feed().state) == (Status.CONFIRMED, Feed.State.DONE)
    assert feed().ended_at is not None
    there = {product.code: product for product in goods.sandbox.products.made()}
    for offer in offers:
        offer.refresh_from_db()
        assert offer.external_id == str(there[offer.external_product_id].id)
        assert (offer.state, offer.pushed["price"]) == (Offer.State.DONE, "9.99")
    assert sent(goods, "GCO-04") == 0
    assert made.pk == feed().pk


def test_an_answer_that_got_lost_is_never_sent_again(goods):
    """GCO-T37: what had arrived is found, without a second list."""
    new_offers(goods, 2)
    goods.fault("GCO-09", "drop_after_commit")
    feeds.request(Offer.objects.all(), by="ann")
    goods.settle()
    assert (feed().status, feed().external_id) == (Status.UNANSWERED, "")
    goods.advance(3600)
    assert feed().status == Status.CONFIRMED
    assert sent(goods, "GCO-09") == 1
    assert len(goods.sandbox.products.made()) == 2


def test_what_never_came_is_a_persons_after_two_days_and_nothing_is_sent_again(goods, admin_client):
    """GCO-T37: a person decides."""
    new_offers(goods, 2)
    goods.fault("GCO-09", "drop_before_commit")
    feeds.request(Offer.objects.all(), by="ann")
    goods.advance(50 * 3600)
    assert (feed().status, feed().state) == (Status.UNCONFIRMED, Feed.State.NEEDS_ATTENTION)
    assert "2 of 2 offers were not found within 48 h" in feed().last_error
    assert (sent(goods, "GCO-09"), sent(goods, "GCO-04")) == (1, 0)

    feeds.request(Offer.objects.all(), by="ann")
    goods.advance(3600)
    assert Feed.objects.latest("pk").status == Status.CONFIRMED


def test_a_feed_of_which_some_were_refused_is_partly_done(goods):
    offers = new_offers(goods, 2)
    goods.sandbox.switches.change(feed_refused=[offers[1].external_product_id])
    feeds.request(Offer.objects.all(), by="ann")
    goods.advance(50 * 3600)
    assert feed().status == Status.PARTLY
    assert [bool(Offer.objects.get(pk=offer.pk).external_id) for offer in offers] == [True, False]


def test_a_worker_that_dies_in_the_call_leaves_a_feed_that_is_only_looked_for(goods):
    new_offers(goods, 1)
    (made,) = feeds.request(Offer.objects.all(), by="ann")
    outgoing_row = feeds.outgoing.claim(Feed, made.pk)
    feeds._sent_at(outgoing_row, is_sent=True)
    goods.advance(60)
    Feed.objects.update(in_flight_since=outgoing_row.in_flight_since - timedelta(minutes=5))
    for _ in range(2):  # one that finds it, and one that wakes a worker
        feeds.outgoing.sweep(Feed)
        goods.advance(60)
    assert feed().status == Status.UNANSWERED
    assert sent(goods, "GCO-09") == 0


def test_only_new_codes_go_and_no_offer_is_in_two_feeds(goods):
    shelf(goods, 1)
    new_offers(goods, 2)
    known = Offer.objects.exclude(external_id="").get()
    make.offer(known.product, goods.account, title="Again", external_product_id=known.external_product_id)
    make.offer(known.product, goods.account, title="Twin", external_product_id="NEW-0")
    make.offer(known.product, make.account("elsewhere"), external_product_id="X")

    feeds.request(Offer.objects.all(), by="ann")
    assert feeds.request(Offer.objects.all(), by="ann") == []

    assert list(feed().offers.values_list("external_product_id", flat=True)) == ["NEW-1"]


def test_a_list_is_as_long_as_the_marketplace_takes(goods, monkeypatch):
    """GCO-T35, ours: more than fit are several lists."""
    monkeypatch.setattr(type(goods.account.service()), "offers_per_feed", 4)
    new_offers(goods, 9)
    made = feeds.request(Offer.objects.all(), by="ann")
    assert [one.size for one in made] == [4, 4, 1]


def test_an_offer_of_an_open_feed_is_not_created_by_its_own_push(goods):
    (offer,) = new_offers(goods, 1)
    goods.sandbox.switches.change(feed_seconds=7200.0)
    feeds.request(Offer.objects.all(), by="ann")
    Offer.objects.filter(pk=offer.pk).update(price=Decimal("8.00"))
    feeds.publishing.request(Offer.objects.all())
    goods.advance(3 * 3600)
    assert sent(goods, "GCO-04") == 0
    offer.refresh_from_db()
    there = goods.sandbox.products.all[int(offer.external_id)]
    assert there.price == Decimal("8.00"), "what changed meanwhile is pushed once it is there"


def test_reading_all_offers_finds_what_a_feed_has_made(goods):
    new_offers(goods, 12)
    feeds.request(Offer.objects.all(), by="ann")
    goods.advance(120)
    goods.sandbox.switches.limit = 10_000
    type(goods.account).objects.update(options={"requests_per_minute": 6000, "page_size": 1000})
    goods.account.refresh_from_db()
    mirror.sync_offers(goods.account)
    goods.settle()
    assert feed().status == Status.CONFIRMED
    assert Offer.objects.filter(feed=feed()).exclude(external_id="").count() == 12


def test_staff_see_how_far_a_feed_is_and_may_give_it_up(goods, admin_client):
    offers = new_offers(goods, 2)
    url = reverse("admin:inventory_offer_changelist")
    posted = {"action": "run_createaslist", "index": 0, "_selected_action": [offer.pk for offer in offers]}
    said = admin_client.post(url, posted, follow=True).content.decode()
    assert "2 of 2 chosen rows change" in said
    assert "Requests to send: 1 to Main goods (play)" in said
    admin_client.post(url, {**posted, "answered": "1", "confirmed": "1", "token": "t"})
    runs.step(Run.objects.get().pk)
    assert set(RunItem.objects.values_list("state", "text")) == {("done", f"in {feed()}")}
    made = feed()
    listed = admin_client.get(reverse("admin:inventory_feed_changelist")).content.decode()
    assert "to be sent" in listed
    page = admin_client.get(reverse("admin:inventory_feed_change", args=[made.pk])).content.decode()
    assert f"feed__id__exact={made.pk}" in page
    assert admin_client.get(url, {"feed__id__exact": made.pk, "external_id__exact": ""}).status_code == 200

    assert feeds.drop(made, by="ann")
    assert not feeds.drop(made, by="ann")
    assert feed().status == Status.DROPPED
    goods.settle()
    assert sent(goods, "GCO-09") == 0


def test_a_feed_with_an_offer_that_cannot_be_said_is_a_persons_before_anything_is_sent(goods):
    new_offers(goods, 2)
    Offer.objects.filter(external_product_id="NEW-0").update(price=None)
    feeds.request(Offer.objects.all(), by="ann")
    goods.settle()
    assert feed().state == Feed.State.NEEDS_ATTENTION
    assert "no price" in feed().last_error
    assert sent(goods) == 0
