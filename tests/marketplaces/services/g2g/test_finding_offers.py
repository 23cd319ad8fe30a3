"""Searching our offers (G2G-09), as after a create without an answer."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from marketplaces.exceptions import BudgetSpent, PermanentError, UnknownOutcome, Unsupported
from marketplaces.sandbox_faults import Fault
from marketplaces.services.g2g.sandbox import Sandbox
from marketplaces.services.g2g.service import Service
from marketplaces.types import RemoteOffer, Urgency
from tests.marketplaces.services.g2g.conftest import Peer, open_line, sample
from tests.marketplaces.services.g2g.test_offers import CARD, CHOICE


def row(number: int, **more: object) -> dict[str, object]:
    return {"offer_id": f"G{number}", "title": "iTunes", "status": "live", **more}


def test_a_lost_create_is_found_and_not_made_twice(shop_floor: Sandbox) -> None:
    """G2G-T14: the look-up is G2G-09 and a reading in full, for a search tells neither product nor choices."""
    line = open_line()
    line.create_offer(replace(CARD, price=Decimal(5)))
    other = replace(
        CARD, attributes={"offer_attributes": [CHOICE["offer_attributes"][0] | {"attribute_id": "1f00aa03"}]}
    )
    line.create_offer(other)
    shop_floor.faults.add(Fault(op="G2G-05", mode="drop_after_commit"))
    with pytest.raises(UnknownOutcome):
        line.create_offer(CARD)
    before = len(shop_floor.calls)
    found = line.find_offer(CARD)
    assert found
    assert found.external_id == list(shop_floor.offers.all)[2]
    assert [call["op"] for call in list(shop_floor.calls)[before:]] == ["G2G-09", "G2G-06", "G2G-06"]
    assert shop_floor.offers.doubles == 1  # the dearer and the cheaper one; none came by a repeat


def test_what_is_not_there_is_not_found(shop_floor: Sandbox) -> None:
    """G2G-T14"""
    line = open_line()
    shop_floor.faults.add(Fault(op="G2G-05", mode="timeout"))
    with pytest.raises(UnknownOutcome):
        line.create_offer(CARD)
    assert line.find_offer(CARD) is None


def test_a_budget_too_small_to_look_is_a_persons_case(peer: Peer) -> None:
    left = [5]

    def budget(count: int, urgency: Urgency) -> float:
        left[0] -= count
        return 0.0 if left[0] >= 0 else 30.0

    peer.says({"results": [row(number, unit_price=200.99, currency="USD") for number in range(9)]})
    for number in range(4):
        peer.says(row(number, product_id="another"))
    with pytest.raises(UnknownOutcome, match="enter its offer id here"):
        open_line(budget).find_offer(CARD)
    assert len(peer.requests) == 5


def test_no_budget_at_all_only_waits(peer: Peer) -> None:
    with pytest.raises(BudgetSpent):
        open_line(lambda count, urgency: 30.0).find_offer(CARD)


@pytest.mark.parametrize("page_size", [0, 101])
def test_a_page_has_1_to_100_offers(peer: Peer, page_size: int) -> None:
    """G2G-T19"""
    with pytest.raises(PermanentError) as refusal:
        open_line().search_offers({}, page_size=page_size)
    assert refusal.value.kind == "invalid"
    assert not peer.requests


def test_paging_ends_at_a_short_page(peer: Peer) -> None:
    """G2G-T19"""
    peer.says({"results": [row(number) for number in range(100)]})
    peer.says({"results": [row(number) for number in range(100, 103)]})
    assert len(list(open_line().fetch_offers())) == 103
    assert peer.bodies == [{"page_size": 100, "page": 1}, {"page_size": 100, "page": 2}]


def test_a_page_that_is_always_full_and_the_same_ends_too(peer: Peer) -> None:
    for _ in range(2):
        peer.says({"results": [row(number) for number in range(100)]})
    assert len(list(open_line().fetch_offers())) == 100


def test_what_a_filter_should_have_kept_out_is_kept_out_here(peer: Peer) -> None:
    """G2G-T19: a filter under a wrong name is ignored by them, perhaps."""
    peer.says({"results": [row(1, brand_id="b1"), row(2, brand_id="b2"), row(3), row(4, status="delisted")]})
    filters = {"status": "live", "brand_id": "b1", "query": "ITUNES"}
    found = open_line().search_offers(filters, page_size=50)
    assert [offer.external_id for offer in found] == ["G1", "G3"]
    assert peer.bodies == [{"filter": filters, "page_size": 50, "page": 1}]


def test_an_unknown_filter_is_refused(peer: Peer) -> None:
    with pytest.raises(PermanentError, match="colour"):
        open_line().search_offers({"colour": "red"})


def test_v1_refuses_what_only_v2_can(peer: Peer) -> None:
    """G2G-T35"""
    line = open_line(options={"version": "v1"})
    for work in (
        lambda: list(line.fetch_offers()),
        lambda: line.search_offers({}),
        lambda: line.find_offer(CARD),
        lambda: list(line.fetch_deliveries("O-1")),
        lambda: line.report_units("O-1", "D1", delivered=1, requested=1, delivered_before=0, at=datetime.now(UTC)),
    ):
        with pytest.raises(Unsupported) as refusal:
            work()
        assert refusal.value.kind == "invalid"
    assert not peer.requests


def test_v1_calls_go_to_v1(peer: Peer) -> None:
    """G2G-T35"""
    line = open_line(options={"version": "v1"})
    peer.says(sample("get_order")["payload"]).says(sample("get_delivery_status")["payload"]).says({"offer_id": "G1"})
    line.fetch_order("1654240349966TEKP-1")
    line.fetch_delivery("1654240349966TEKP-1", "D1650341633714")
    assert line.create_offer(CARD) == RemoteOffer(external_id="G1", raw={"offer_id": "G1"})
    assert peer.asked == [
        "GET /v1/orders/1654240349966TEKP-1",
        "GET /v1/orders/1654240349966TEKP-1/delivery/D1650341633714",
        "POST /v1/offers",
    ]


def test_what_version_one_lacks_it_says_without_a_request() -> None:
    """G2G-T35"""
    names = ("fetch_offers", "find_offer", "fetch_deliveries", "report_units")
    assert [Service.can(name, {"version": "v1"}) for name in names] == [False] * 4
    assert [Service.can(name, {"version": "v2"}) for name in names] == [True] * 4
    assert Service.can("update_offer", {"version": "v1"})
    assert not Service.can("fetch_competing_offers", {"version": "v2"})
