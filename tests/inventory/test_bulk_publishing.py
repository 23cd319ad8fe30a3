"""Many offers with one request, on a marketplace that takes ten requests a minute."""

import json
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import bulk_publishing, publishing
from inventory.models import Offer
from marketplaces.models import Account
from tests.inventory.goods import change, open_market, sent, shelf, there

pytestmark = [pytest.mark.django_db]

State = Offer.State


@pytest.fixture
def goods(db):
    with open_market() as desk:
        yield desk


def states():
    return dict(Offer.objects.values_list("state").distinct().values_list("state", "failure"))


def bodies(desk):
    return [json.loads(call["body"]) for call in desk.sandbox.calls if call["op"] == "GCO-08"]


def fresh(offer):
    return Offer.objects.get(pk=offer.pk)


@pytest.mark.smoke
def test_changes_are_collected_for_a_minute_and_go_with_one_request(goods):
    """GCO-T28, GCO-T29: a bare list, with what changed and what a sale changes; the newest value wins."""
    offers = shelf(goods, 5)
    change(offers[:3], price=Decimal("8.50"))
    goods.advance(30)
    change(offers[2:], price=Decimal("7.25"))
    assert sent(goods) == 0
    goods.advance(31)

    assert sent(goods) == sent(goods, "GCO-08") == 1
    (rows,) = bodies(goods)
    assert {row["vendor_price"] for row in rows} == {8.5, 7.25}
    assert all(set(row) == {"product_id", "vendor_price", "amount"} for row in rows)
    assert [there(goods, offer)[0] for offer in offers] == [Decimal(p) for p in ("8.5", "8.5", "7.25", "7.25", "7.25")]
    assert set(Offer.objects.values_list("state", flat=True)) == {State.DONE}
    assert fresh(offers[0]).pushed["price"] == "8.5"
    assert not publishing.differences(fresh(offers[0]))


def test_what_is_sold_out_goes_at_once_and_takes_with_it_what_was_collected(goods):
    """GCO-T33: a stock of 0 is sent. At most one such batch a minute."""
    offers = shelf(goods, 4)
    change(offers[:1], price=Decimal("8.50"))
    goods.advance(5)
    assert sent(goods) == 0
    change(offers[1:2], is_active=False)
    goods.settle()
    assert sent(goods, "GCO-08") == 1
    assert [there(goods, offer) for offer in offers[:2]] == [(Decimal("8.5"), 5), (Decimal("9.99"), 0)]

    for offer in offers[2:]:
        goods.advance(10)
        change([offer], quantity=1)
    assert sent(goods, "GCO-08") == 1
    goods.advance(45)
    assert sent(goods, "GCO-08") == 2
    assert [there(goods, offer)[1] for offer in offers] == [5, 0, 1, 1]


def test_offers_go_in_the_order_of_what_differs_most(goods):
    by_name = dict(zip(("text", "price", "more", "fewer", "none"), shelf(goods, 5), strict=True))
    wishes = {"text": {"title": "New"}, "price": {"price": Decimal(3)}, "more": {"quantity": 9},
              "fewer": {"quantity": 2, "price": Decimal(3)}, "none": {"quantity": 0}}  # fmt: skip
    for name, wish in wishes.items():
        change([by_name[name]], **wish)
    order = Offer.objects.order_by(*Offer.goes_by).values_list("pk", flat=True)
    assert list(order) == [by_name[name].pk for name in ("none", "fewer", "more", "price", "text")]

    change([by_name["none"]], quantity=5, price=Decimal(4))
    assert fresh(by_name["none"]).urgency == Offer.Change.PRICE, "the newest wish counts"


def test_a_text_goes_by_itself_and_after_the_numbers(goods):
    """GCO-T34: fields that a bulk update does not take are never in one."""
    (offer,) = shelf(goods, 1)
    change([offer], title="A better name", quantity=1)
    goods.advance(120)
    assert (sent(goods, "GCO-08"), sent(goods, "GCO-06")) == (1, 1)
    assert there(goods, offer)[1] == 1
    assert goods.sandbox.products.all[int(offer.external_id)].name == "A better name"
    assert fresh(offer).state == State.DONE
    assert all("product" not in row for rows in bodies(goods) for row in rows)


def test_offers_that_were_found_there_need_no_text_pushed(goods):
    (offer,) = shelf(goods, 1)
    Offer.objects.update(pushed={}, pushed_quantity=None, seen={"title": offer.title})
    change([offer], price=Decimal("5.00"))
    goods.advance(61)
    assert (sent(goods, "GCO-08"), sent(goods, "GCO-06")) == (1, 0)
    assert fresh(offer).state == State.DONE


@pytest.mark.parametrize("switch", ["bulk_missing", "bulk_empty"])
def test_a_row_that_is_not_confirmed_is_read_back_and_only_it_is_sent_again(goods, switch):
    """GCO-T31, GCO-T30: rows in another order, one missing or empty."""
    offers = shelf(goods, 6)
    lost = offers[2]
    goods.sandbox.switches.change(bulk_shuffled=True, **{switch: [lost.external_id]})
    change(offers, price=Decimal("6.00"))
    goods.advance(61)

    assert {offer.pk: fresh(offer).state for offer in offers if offer != lost} == dict.fromkeys(
        [offer.pk for offer in offers if offer != lost], State.DONE
    )
    assert (fresh(lost).state, fresh(lost).failure) == (State.UNKNOWN, "unconfirmed")
    goods.sandbox.switches.change(**{switch: []})
    goods.advance(180)
    assert fresh(lost).state == State.DONE
    assert sent(goods, "GCO-05") == 1
    assert [len(rows) for rows in bodies(goods)] == [6, 1]
    assert there(goods, lost)[0] == 6


def test_what_had_arrived_all_the_same_is_not_sent_again(goods):
    offers = shelf(goods, 3)
    goods.fault("GCO-08", "drop_after_commit")
    change(offers, price=Decimal("6.00"))
    goods.advance(200)
    assert set(Offer.objects.values_list("state", flat=True)) == {State.DONE}
    assert (sent(goods, "GCO-08"), sent(goods, "GCO-05")) == (1, 3)


def test_a_field_that_is_not_confirmed_stays_due_and_the_others_are_done(goods):
    (offer,) = shelf(goods, 1)
    goods.sandbox.switches.change(bulk_false=["vendor_price"])
    change([offer], price=Decimal("6.00"), quantity=4)
    goods.advance(61)
    row = fresh(offer)
    assert (row.pushed["quantity"], row.pushed["price"], row.state) == (4, "9.99", State.UNKNOWN)
    assert list(publishing.differences(row)) == ["price"]

    goods.advance(3600)
    row = fresh(offer)
    assert (row.state, row.failure) == (State.NEEDS_ATTENTION, "unconfirmed")
    assert "price" in row.last_error
    assert sent(goods, "GCO-08") == bulk_publishing.MOST_SENT


def test_a_refused_batch_goes_on_in_halves_until_the_bad_row_is_alone(goods):
    """GCO-T32: the good rows are applied, within the budget of what nobody waits for."""
    offers = shelf(goods, 100)
    bad = offers[37]
    goods.sandbox.switches.change(bulk_bad_row="refuse")
    del goods.sandbox.products.all[int(bad.external_id)]
    change(offers, price=Decimal("6.00"))
    goods.advance(600)

    assert (fresh(bad).state, fresh(bad).failure) == (State.NEEDS_ATTENTION, "invalid")
    good = [offer for offer in offers if offer != bad]
    assert all(there(goods, offer)[0] == 6 for offer in good)
    assert Offer.objects.filter(state=State.DONE, lot="").count() == 99
    assert sent(goods, "GCO-08") <= 16
    assert not [call for call in goods.sandbox.calls if call["status"] == 429]


def test_the_search_for_a_bad_row_goes_on_where_it_was_and_stops_when_it_is_told_to(goods):
    """GCO-T57: one request a turn, so that a worker's death loses none, and a stop is kept before the next one."""
    offers = shelf(goods, 64)
    goods.sandbox.switches.change(bulk_bad_row="refuse")
    del goods.sandbox.products.all[int(offers[5].external_id)]
    change(offers, price=Decimal("6.00"))
    bulk_publishing.push_many([offer.pk for offer in offers])
    lots = set(Offer.objects.values_list("lot", flat=True))
    assert len(lots) == 2
    assert Offer.objects.filter(state=State.DUE).count() == 64

    Account.objects.update(is_enabled=False)
    before = sent(goods)
    goods.advance(300)
    assert sent(goods) == before

    Account.objects.update(is_enabled=True)
    goods.advance(1200)
    assert Offer.objects.filter(state=State.DONE).count() == 63


def test_an_offer_that_is_gone_is_marked_and_no_other_suffers(goods):
    offers = shelf(goods, 3)
    del goods.sandbox.products.all[int(offers[1].external_id)]
    change(offers, price=Decimal("6.00"))
    goods.advance(300)
    assert (fresh(offers[1]).state, fresh(offers[1]).seen_status) == (State.NEEDS_ATTENTION, "removed")
    assert [fresh(offers[n]).state for n in (0, 2)] == [State.DONE] * 2


def test_a_thousand_offers_take_as_many_statements_as_ten(goods):
    counts = []
    for offers in (shelf(goods, 1), shelf(goods, 10), shelf(goods, 1000)):
        with CaptureQueriesContext(connection) as asked:
            change(offers, price=Decimal("6.00"))
        with CaptureQueriesContext(connection) as pushed:
            assert bulk_publishing.push_many([offer.pk for offer in offers]) == len(offers)
        counts.append((len(asked), len(pushed)))
    # The first one pays for what is remembered from then on, such as that the account works.
    assert counts[1] == counts[2]
    assert sum(counts[2]) < 50


def test_a_refused_plan_claims_nothing_and_costs_no_statement_a_row(goods):
    offers = shelf(goods, 50)
    goods.sandbox.switches.change(limit=10)
    change(offers, price=Decimal("6.00"))
    service = goods.account.service()
    service.plan(8, bulk_publishing.Urgency.PRICE)
    with pytest.raises(bulk_publishing.outgoing.BudgetSpent):
        bulk_publishing.push_many([offer.pk for offer in offers])
    assert set(Offer.objects.values_list("state", "attempts")) == {(State.DUE, 0)}


def test_ten_full_batches_are_ten_requests_and_done_a_minute_later():
    """GCO-T06, GCO-T28 and the plan of section 12: two of ten requests are kept for what people wait for.

    With batches of 100; ten thousand, with processes and the clock on the wall, are in bench_push.
    """
    with open_market(bulk_size=100) as goods:
        offers = shelf(goods, 1000)
        change(offers, price=Decimal("6.00"), quantity=3)
        goods.advance(1)
        assert sent(goods) == 8
        goods.advance(62)

        assert sent(goods) == sent(goods, "GCO-08") == 10
        assert [len(rows) for rows in bodies(goods)] == [100] * 10
        assert not Offer.objects.exclude(state=State.DONE).exists()
        assert {there(goods, offer) for offer in offers} == {(Decimal(6), 3)}
        assert not [call for call in goods.sandbox.calls if call["status"] == 429]
