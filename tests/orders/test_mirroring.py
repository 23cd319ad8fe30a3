"""Parcels that a marketplace tells of: what comes twice, late or in another order ends as the newest state."""

import random
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from inventory import goods, stock
from inventory.models import Product
from marketplaces.types import (
    Address,
    OrderState,
    RemoteOrder,
    RemoteOrderLine,
    RemoteShipment,
    ShipmentItem,
    ShipmentState,
)
from orders import intake, mirroring
from orders.models import Order, OrderEvent, OrderLine, Shipment
from orders.shop import OurShop
from orders.verify import verify
from tests import make

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUYER = Address(name="Test Buyer", street="Test street 7", city="Jakarta", postal_code="11440")
SENDER = Address(name="Test Seller", street="Hall 1", city="Jakarta")


@pytest.fixture
def account(db):
    return make.account()


def at(minutes):
    return T0 + timedelta(minutes=minutes)


def parcel(minutes=0, **fields):
    values = {
        "external_id": "WDO-1", "order_id": "SO-1", "state": ShipmentState.NEW, "status_word": "NEW",
        "carrier_name": "Demo Express", "tracking_number": "TRACK-1", "ship_to": BUYER, "ship_from": SENDER,
        "items": [ShipmentItem("L1", 4, external_id="DI-1", sku="800151", name="Demo item")],
        "created_at": T0, "updated_at": at(minutes), **fields,
    }  # fmt: skip
    return RemoteShipment(**values)


def removal(minutes, **fields):
    """As it is told: no status, no shop, no addresses, no carrier and no items."""
    values = {
        "external_id": "WDO-1",
        "order_id": "SO-1",
        "updated_at": at(minutes),
        "deleted_at": at(minutes),
        **fields,
    }
    return RemoteShipment(**values)


def order_of(account, quantity=4, **fields):
    lines = [RemoteOrderLine("L1", sku="800151", quantity=quantity)]
    values = {"external_id": "SO-1", "state": OrderState.NEW, "lines": lines, "needs_shipping": True, **fields}
    return intake.import_order(account=account, remote=RemoteOrder(**values))


def kinds(shipment):
    return [note["kind"] for note in Shipment.objects.get(pk=shipment.pk).notes]


# --- one parcel ----------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_a_parcel_comes_in_with_its_item_and_both_addresses(account):
    """GIN-T07, and GIN-T13 for what is empty."""
    order_of(account)
    OurShop(account).shipment_changed(parcel(1), "event-1")

    shipment = Shipment.objects.get()
    assert (shipment.external_id, shipment.order.external_id, shipment.tracking_number) == ("WDO-1", "SO-1", "TRACK-1")
    said = {name: {part: text for part, text in asdict(address).items() if text} for name, address in
            (("ship_to", BUYER), ("ship_from", SENDER))}  # fmt: skip
    assert shipment.contact == said
    item = shipment.items.get()
    assert (item.external_id, item.confirmed, item.sku, item.line.external_id) == ("DI-1", 4, "800151", "L1")
    assert OrderLine.objects.get().shipped == 4
    assert "TRACK-1" in OrderEvent.objects.get(kind="parcel").text

    mirroring.mirror(account, parcel(2, channel="", ship_to=Address(), ship_from=None, carrier_name="", items=[]))
    shipment.refresh_from_db()
    assert (shipment.contact["ship_to"]["city"], shipment.carrier_name) == ("Jakarta", "Demo Express")
    assert shipment.items.get().confirmed == 4


def test_a_newer_change_replaces(account):
    """GIN-T10"""
    mirroring.mirror(account, parcel(1))
    mirroring.mirror(account, parcel(2, tracking_number="TRACK-2", state=ShipmentState.PACKED, status_word="PACKED"))

    shipment = Shipment.objects.get()
    assert (shipment.tracking_number, shipment.status, shipment.remote_updated_at) == ("TRACK-2", "packed", at(2))


def test_an_older_change_is_stale_and_fills_gaps_only(account):
    """GIN-T11"""
    mirroring.mirror(account, parcel(5, label_url=""))
    late = parcel(3, tracking_number="OLD", label_url="https://labels.test/1")
    shipment = mirroring.mirror(account, late, "event-late")

    shipment.refresh_from_db()
    assert (shipment.tracking_number, shipment.label_url) == ("TRACK-1", "https://labels.test/1")
    assert kinds(shipment) == ["stale"]
    mirroring.mirror(account, late, "event-late")
    assert kinds(shipment) == ["stale"]


def test_what_has_no_time_fills_gaps_only(account):
    mirroring.mirror(account, parcel(5, label_url=""))
    untimed = replace(parcel(), updated_at=None, tracking_number="OLD", label_url="https://labels.test/1")
    shipment = mirroring.mirror(account, untimed, "event-2")

    assert (shipment.tracking_number, shipment.label_url, shipment.version) == (
        "TRACK-1",
        "https://labels.test/1",
        at(5),
    )
    assert kinds(shipment) == ["stale"]


def test_a_change_of_an_unknown_parcel_creates_it(account):
    """GIN-T12"""
    assert mirroring.mirror(account, parcel(9)).tracking_number == "TRACK-1"


def test_an_unknown_word_is_kept_as_it_is(account):
    """GIN-T15"""
    mirroring.mirror(account, parcel(1))
    shipment = mirroring.mirror(account, parcel(2, state=ShipmentState.UNKNOWN, status_word="HANDED_OVER"))

    assert (shipment.status, shipment.status_word) == ("unknown", "HANDED_OVER")


@pytest.mark.parametrize("turned", [False, True])
def test_at_the_same_moment_a_change_beats_what_it_was_made_as(turned, account):
    told = [parcel(1, is_first=True, tracking_number="MADE"), parcel(1, tracking_number="CHANGED")]
    for remote in reversed(told) if turned else told:
        mirroring.mirror(account, remote)

    assert Shipment.objects.get().tracking_number == "CHANGED"


def test_two_changes_of_one_moment_are_flagged_and_the_last_counts(account):
    mirroring.mirror(account, parcel(1))
    shipment = mirroring.mirror(account, parcel(1, tracking_number="TRACK-2"), "event-2")

    assert shipment.tracking_number == "TRACK-2"
    assert kinds(shipment) == ["twins"]
    mirroring.mirror(account, parcel(1, tracking_number="TRACK-2"), "event-3")
    assert kinds(shipment) == ["twins"]


def test_items_are_flagged_when_a_later_list_lacks_them_and_never_removed(account):
    items = [ShipmentItem("L1", 4, external_id="DI-1"), ShipmentItem("L2", 1, external_id="DI-2")]
    mirroring.mirror(account, parcel(1, items=items))
    shipment = mirroring.mirror(account, parcel(2, items=[ShipmentItem("", 5, external_id="DI-1")]), "event-2")

    assert list(shipment.items.order_by("pk").values_list("confirmed", "is_missing")) == [(5, False), (1, True)]
    assert kinds(shipment) == ["items_missing"]
    mirroring.mirror(account, parcel(3, items=items))
    assert not shipment.items.filter(is_missing=True).exists()


# --- its end -------------------------------------------------------------------------------------------------------


def test_a_removal_keeps_everything_and_cancels_nothing(account):
    """GIN-T17, GIN-T20"""
    order = order_of(account)
    mirroring.mirror(account, parcel(1))
    shipment = mirroring.mirror(
        account, removal(2, tracking_number="OTHER", label_url="https://labels.test/3"), "event-2"
    )

    shipment.refresh_from_db()
    assert (shipment.deleted_at, shipment.status, shipment.tracking_number) == (at(2), "new", "TRACK-1")
    assert (shipment.carrier_name, shipment.contact["ship_to"]["name"]) == ("Demo Express", "Test Buyer")
    assert (shipment.items.get().confirmed, shipment.items.get().is_missing) == (4, False)
    assert shipment.label_url == "https://labels.test/3"
    order.refresh_from_db()
    assert order.state == "new"
    assert order.lines.get().shipped == 0, "what was removed is in no parcel"


def test_what_comes_late_does_not_revive_what_was_removed(account):
    """GIN-T19, and GIN-T18: a removal's own ids replace nothing."""
    stub = mirroring.mirror(account, removal(5, order_number="2100"), "event-1")
    assert (stub.deleted_at, stub.order_number) == (at(5), "2100")

    for minutes in (3, 5):
        shipment = mirroring.mirror(account, parcel(minutes, is_first=True, order_number="2200"), f"event-{minutes}")
    assert (shipment.pk, shipment.deleted_at, shipment.tracking_number) == (stub.pk, at(5), "TRACK-1")

    revived = mirroring.mirror(account, parcel(6), "event-6")
    assert (revived.deleted_at, kinds(revived)[-1]) == (None, "revived")
    assert revived.notes[-1]["level"] == "warning"


def test_a_removal_that_comes_late_removes_nothing(account):
    mirroring.mirror(account, parcel(5))

    assert mirroring.mirror(account, removal(3), "event-2").deleted_at is None


def test_addresses_are_erased_when_the_parcel_is_long_there_and_do_not_come_back(account):
    shipment = mirroring.mirror(account, parcel(1))
    now = shipment.created_at
    assert mirroring.erase(now + timedelta(days=29)) == 0
    assert mirroring.erase(now + timedelta(days=31)) == 1

    Shipment.objects.update(created_at=now - timedelta(days=31))
    shipment = mirroring.mirror(account, parcel(2, tracking_number="TRACK-2"))
    assert (shipment.contact, shipment.tracking_number) == (None, "TRACK-2")


# --- its order -----------------------------------------------------------------------------------------------------


def test_a_parcel_that_comes_before_its_order_is_joined_with_it(account):
    """GIN-T09"""
    shipment = mirroring.mirror(account, parcel(1))
    assert shipment.order is None

    order = order_of(account)
    shipment.refresh_from_db()
    assert shipment.order == order
    assert (order.lines.get().shipped, shipment.items.get().line) == (4, order.lines.get())


def test_a_parcel_without_an_order_id_is_joined_by_channel_and_number(account):
    by_number = {"order_id": "", "order_number": "2102261G", "channel": "TOKOPEDIA_ID"}
    before = mirroring.mirror(account, parcel(1, **by_number))
    elsewhere = mirroring.mirror(account, parcel(1, **by_number | {"external_id": "WDO-3", "channel": "SHOPEE_ID"}))
    order = order_of(account, number="2102261G", channel="TOKOPEDIA_ID", quantity=9)
    if not order.number:  # the order's own import may not take the number in yet
        Order.objects.update(number="2102261G", channel="TOKOPEDIA_ID")
        order_of(account, quantity=9)
    after = mirroring.mirror(account, parcel(1, **by_number | {"external_id": "WDO-2"}))

    for shipment, expected in ((before, order), (after, order), (elsewhere, None)):
        shipment.refresh_from_db()
        assert shipment.order == expected


def test_an_order_and_a_parcel_that_missed_each_other_are_joined_by_the_sweep(account):
    order = order_of(account)
    shipment = mirroring.mirror(account, parcel(1))
    Shipment.objects.update(order=None)

    assert mirroring.join_strays() == 1
    shipment.refresh_from_db()
    assert (shipment.order, mirroring.join_strays()) == (order, 0)


def test_units_leave_counted_stock_once_and_come_back_with_a_removal(account):
    product = Product.objects.create(sku="800151", name="Mask", kind="counted")
    goods.receive(product_id=product.pk, quantity=10, by="ann")
    order = order_of(account)
    OrderLine.objects.update(product=product)
    order_of(account)
    assert stock.count(product.pk)["held"] == 4

    for _ in range(3):
        mirroring.mirror(account, parcel(1))
    counted = stock.count(product.pk)
    assert (counted["available"], counted["held"], counted["delivered"]) == (6, 0, 4)
    order_of(account)
    assert stock.count(product.pk)["available"] == 6

    mirroring.mirror(account, removal(2))
    counted = stock.count(product.pk)
    assert (counted["available"], counted["held"], counted["delivered"]) == (6, 4, 0)
    mirroring.mirror(account, parcel(3))
    assert (stock.count(product.pk)["delivered"], order.lines.get().shipped) == (4, 4)
    assert verify().is_ok


# --- a storm --------------------------------------------------------------------------------------------------------

FIELDS = ("tracking_number", "carrier_name", "label_url", "number", "comment")


class Told:
    """An object's whole story, and what should be known of it when all is said."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.id, self.events = f"WDO-{number}", []
        self.newest: dict[str, str] = {}
        self.units: dict[str, int] = {}
        self.is_deleted = False
        for step in range(rng.randint(3, 8)):
            self.is_deleted = step > 1 and rng.random() < 0.15
            self.events.append(self._event(step, rng))

    def _event(self, step: int, rng: random.Random) -> RemoteShipment:
        fields = {name: f"{name}-{self.id}-{step}" for name in FIELDS}
        units = {f"DI-{self.id}-{item}": rng.randint(1, 9) for item in range(2)}
        if rng.random() < 0.1:
            for name in rng.sample(FIELDS, 3):
                fields[name] = ""
            units.popitem()
        if self.is_deleted:
            # A removal says only what it was: it is no news.
            return removal(step, external_id=self.id, tracking_number=self.newest.get("tracking_number", ""))
        self.newest |= {name: text for name, text in fields.items() if text}
        self.units |= units
        items = [ShipmentItem("", count, external_id=id) for id, count in units.items()]
        return parcel(step, external_id=self.id, items=items, is_first=step == 0, **fields)


@pytest.mark.parametrize("seed", [1])
def test_a_storm_of_events_ends_as_the_newest_state_of_each_parcel(seed, account):
    """A thousand events, shuffled, a tenth of them twice, a tenth with gaps."""
    rng = random.Random(seed)
    told, events = [], []
    while len(events) < 1000:
        told.append(Told(len(told), rng))
        events += told[-1].events
    events += rng.sample(events, len(events) // 10)
    rng.shuffle(events)
    shop = OurShop(account)
    for number, remote in enumerate(events):
        shop.shipment_changed(remote, f"event-{number}")

    rows = {row.external_id: row for row in Shipment.objects.prefetch_related("items")}
    assert len(rows) == len(told)
    for story in told:
        row = rows[story.id]
        assert {name: getattr(row, name) for name in FIELDS} == story.newest
        assert {item.external_id: item.confirmed for item in row.items.all()} == story.units
        assert (row.deleted_at is not None) == story.is_deleted, story.id
    assert Counter(note["kind"] for row in rows.values() for note in row.notes)["stale"] > 100
