"""A worker dies at each point at which others could see what it had done: every kind of outgoing work recovers, once."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.apps import apps

from inventory import codes, feeds, publishing, uploads
from inventory.models import Code, Feed, Offer, Upload
from marketplaces.models import Job, Outgoing, WebhookEvent
from marketplaces.services.g2a.sandbox_catalogue import made as made_product
from marketplaces.services.g2g import sandbox_orders
from marketplaces.services.g2g.sandbox_catalogue import DIRECT_TOP_UP, RAGNAROK_CREDIT
from orders import acceptance, topups
from orders.models import Acceptance, Delivery, Order, Shipment
from orders.verify import verify
from tests import make
from tests.desk import Desk
from tests.dying import die_everywhere, unfinished
from tests.inventory.goods import open_market
from tests.inventory.test_feeds import new_offers
from tests.orders import story
from tests.orders.parcel_story import Parcels
from tests.orders.test_polling import buy, market, poll  # noqa: F401

State = Outgoing.State
pytestmark = pytest.mark.django_db


def nothing_is_left() -> None:
    left = unfinished()
    assert not left, left
    assert verify().problems == []


# --- codes ------------------------------------------------------------------------------------------------------------


def test_codes_are_delivered_once_whoever_dies(g2g: Desk) -> None:
    """Events, deliveries, and the push of what is left."""
    shop = story.begin(g2g, codes=400)
    offer = g2g.sandbox.offers.all[shop.offer.external_id]

    def begin() -> Callable[[], None]:
        order_id = shop.buy(2)

        def check() -> None:
            assert len(shop.received(order_id)) == len(set(shop.received(order_id))) == 2
            assert shop.delivery(order_id).status == Delivery.Status.DELIVERED
            assert not any(g2g.sandbox.deliveries.doubles.values())
            assert offer.fields["api_qty"] == Code.objects.filter(state=Code.State.AVAILABLE).count()
            nothing_is_left()

        return check

    assert die_everywhere(g2g, begin, seconds=12) > 15
    assert not WebhookEvent.objects.exclude(state=State.DONE).exists()


def test_a_top_up_is_told_once_whoever_dies(g2g: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_orders, "DEADLINE_MS", 86_400_000_000)
    choices = story.CHOICES | {"delivery_method_ids": [DIRECT_TOP_UP]}
    row = make.offer(make.product("CREDIT"), g2g.account, external_product_id=RAGNAROK_CREDIT, attributes=choices)
    publishing.request(Offer.objects.filter(pk=row.pk))
    g2g.settle()
    row.refresh_from_db()
    shop = story.Story(g2g, row.product, row)

    def begin() -> Callable[[], None]:
        order_id = shop.buy(2, force=True, buyer_fields={"e02308e5": "LOGIN"})
        shop.until_asked()
        topups.report(shop.delivery(order_id), delivered=2, by="ann")

        def check() -> None:
            (there,) = g2g.sandbox.orders.all[order_id].deliveries.values()
            assert (there.topped_up, there.status) == (2, "fully delivered")
            assert shop.delivery(order_id).status == Delivery.Status.DELIVERED
            nothing_is_left()

        return check

    assert die_everywhere(g2g, begin, seconds=15) > 3


def test_an_uploaded_code_lies_there_once_whoever_dies(g2g: Desk) -> None:
    shop = story.begin(g2g, codes=60)
    there = g2g.sandbox.offers.all[shop.offer.external_id]

    def begin() -> Callable[[], None]:
        assert uploads.upload(shop.offer, quantity=1, by="ann") == 1
        pk = Upload.objects.latest("pk").pk

        def check() -> None:
            row = Upload.objects.get(pk=pk)
            (content,) = codes.plaintexts([row.code_id]).values()
            times = [item.content for item in there.items.values()].count(content)
            assert row.code.state == Code.State.UPLOADED, "it is for sale nowhere else, wherever it is"
            if row.state == State.NEEDS_ATTENTION:  # nobody can ask there whether it arrived, and it is not sent twice
                assert "may be there or not" in row.last_error
                assert times <= 1
            else:
                assert (row.state, row.status, times) == (State.DONE, Upload.Status.THERE, 1)
            assert set(unfinished()) <= {"inventory.Upload"}
            assert verify().problems == []

        return check

    # Codes wait ten minutes where an offer still promises them.
    assert die_everywhere(g2g, begin, seconds=15, rounds=20) > 3
    in_doubt = Upload.objects.filter(state=State.NEEDS_ATTENTION)
    assert in_doubt.count() <= 4, "only deaths between the note that it leaves and the note of its answer"


# --- offers -----------------------------------------------------------------------------------------------------------


def test_an_offer_is_made_once_and_changed_to_the_newest_whoever_dies(g2g: Desk) -> None:
    product = make.product("CARD", codes=5)

    def begin() -> Callable[[], None]:
        Offer.objects.filter(external_id="").delete()
        g2g.sandbox.offers.all.clear()
        Offer.objects.all().delete()
        row = make.offer(product, g2g.account, external_product_id=story.ITUNES_CARD, attributes=story.CHOICES)
        publishing.request(Offer.objects.filter(pk=row.pk))

        def check() -> None:
            row.refresh_from_db()
            assert list(g2g.sandbox.offers.all) == [row.external_id]
            assert not g2g.sandbox.offers.doubles
            assert g2g.sandbox.offers.all[row.external_id].fields["api_qty"] == 5
            nothing_is_left()

        return check

    assert die_everywhere(g2g, begin, seconds=2) > 4


def test_an_offer_that_is_made_by_a_job_is_made_once_whoever_dies(g2a: Desk) -> None:
    products = count(1)

    def begin() -> Callable[[], None]:
        number = made_product(next(products)).id
        row = make.offer(
            make.product(f"P-{number}", codes=5), g2a.account, external_product_id=number, price="5.98", currency="EUR",
            offer_type="dropshipping", visibility="all",
        )  # fmt: skip
        publishing.request(Offer.objects.filter(pk=row.pk))

        def check() -> None:
            row.refresh_from_db()
            made = [one for one in g2a.sandbox.state()["offers"] if one["productId"] == number]
            assert [one["id"] for one in made] == [row.external_id]
            assert made[0]["inventory"]["size"] == 5
            assert row.job is None
            assert not Job.objects.exclude(state=State.DONE).exists()
            nothing_is_left()

        return check

    assert die_everywhere(g2a, begin, seconds=150) > 6


@pytest.fixture
def shelves(db: None) -> Iterator[Desk]:
    with open_market(requests_per_minute=6000) as desk:
        desk.sandbox.switches.limit = 6000
        yield desk


def test_a_feed_is_sent_once_whoever_dies(shelves: Desk) -> None:
    number = count(1)

    def begin() -> Callable[[], None]:
        name = f"N{next(number)}"
        offers = new_offers(shelves, 2, prefix=name)
        (feed,) = feeds.request(Offer.objects.filter(pk__in=[offer.pk for offer in offers]), by="ann")

        def check() -> None:
            feed.refresh_from_db()
            arrived = [
                product.code for product in shelves.sandbox.products.made() if product.code.startswith(f"{name}-")
            ]
            wanted = sorted(offer.external_product_id for offer in offers)
            if feed.status == Feed.Status.UNANSWERED and not arrived:
                return  # it was about to be sent, and nobody sends it a second time: it is looked for, then shown
            assert sorted(arrived) == wanted
            assert (feed.status, feed.state) == (Feed.Status.CONFIRMED, Feed.State.DONE)

        return check

    assert die_everywhere(shelves, begin, seconds=20 * 60, rounds=50) > 3
    unanswered = Feed.objects.filter(status=Feed.Status.UNANSWERED)
    assert unanswered.count() <= 2, "only a death between the note that it leaves and its arrival"


# --- goods ------------------------------------------------------------------------------------------------------------


def test_an_order_is_accepted_once_whoever_dies(market: Desk) -> None:  # noqa: F811
    """The order is read from a list first, by a worker that dies, too."""

    def begin() -> Callable[[], None]:
        bought = buy(market)
        poll(market)
        order = Order.objects.get(external_id=str(bought.id))
        assert acceptance.accept(order, by="ann")

        def check() -> None:
            order.refresh_from_db()
            assert (bought.status, order.state) == ("K", "accepted")
            assert Acceptance.objects.get(order=order).accepted_at is not None
            nothing_is_left()

        return check

    assert die_everywhere(market, begin, seconds=20) > 3


def test_a_parcel_is_announced_once_whoever_dies(gcommerce: Desk) -> None:
    number = count(1)

    def begin() -> Callable[[], None]:
        parcels = Parcels(gcommerce)
        shipment = parcels.pack(5, 2, tracking_number=f"1Z{next(number)}")

        def check() -> None:
            made = next(iter(parcels.there()), None)
            assert made
            assert len(parcels.there()) == 1
            assert sorted(made.products.values()) == [2, 5]
            shipment.refresh_from_db()
            assert (shipment.external_id, shipment.state) == (str(made.id), Shipment.State.DONE)
            assert parcels.shipped() == [5, 2]
            nothing_is_left()

        return check

    assert die_everywhere(gcommerce, begin, seconds=20) > 4


def test_every_kind_of_outgoing_work_dies_somewhere() -> None:
    """The reads that need no more: what they do is an import, and a reading that is broken off is made again."""
    here = {Delivery, WebhookEvent, Offer, Job, Upload, Feed, Acceptance, Shipment}
    elsewhere = {"Purchase"}  # tests.inventory.test_buying_crashes
    reads = {"OrderReading", "PurchaseOrder", "CompetitorWatch"}
    kinds = {model for model in apps.get_models() if issubclass(model, Outgoing)}
    assert {kind.__name__ for kind in kinds - here} == elsewhere | reads
