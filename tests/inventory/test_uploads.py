"""Codes given into an offer's own inventory, on the wire: each in one place, none back in stock by mistake."""

import logging

import pytest
from django.db import IntegrityError, transaction

from inventory import stock, upload_steps, uploads
from inventory.models import Code, Offer, Upload
from marketplaces import outgoing
from marketplaces.exceptions import PermanentError
from marketplaces.models import ApiCall
from orders.verify import verify
from tests import make
from tests.inventory.test_stock import in_threads
from tests.orders import story
from tests.test_secrets import everything_in_the_database, forms_of

State = Code.State
Status = Upload.Status


@pytest.fixture
def shop(g2g):
    return story.begin(g2g, codes=10)


def give(shop, quantity, *, seconds=10):
    given = uploads.upload(shop.offer, quantity=quantity, by="ann")
    shop.desk.settle()
    shop.desk.advance(seconds)
    return given


def there(shop):
    """The other side's own books: the codes in the offer's inventory, by their state."""
    items = shop.desk.sandbox.offers.all[shop.offer.external_id].items.values()
    return sorted((item.content, item.status) for item in items)


def items(shop):
    return list(shop.desk.sandbox.offers.all[shop.offer.external_id].items.values())


def take_back(shop, *rows):
    count = uploads.take_back(Upload.objects.filter(pk__in=[row.pk for row in rows]), by="bob")
    shop.desk.settle()
    return count


@pytest.mark.smoke
def test_uploaded_codes_leave_the_pool_and_lie_in_the_offer(shop):
    assert give(shop, 4) == 4

    assert len(there(shop)) == 4
    assert (shop.count(State.UPLOADED), stock.sellable(shop.product.pk)) == (4, 6)
    rows = Upload.objects.all()
    assert {row.status for row in rows} == {Status.THERE}
    assert {row.external_id for row in rows} == {item.id for item in items(shop)}
    assert {item.reference_id for item in items(shop)} == {row.reference for row in rows}
    assert shop.desk.sandbox.offers.all[shop.offer.external_id].fields["api_qty"] == 6
    assert shop.desk.sandbox.offers.all[shop.offer.external_id].available == 10, "shown as before: never both (P39)"
    assert verify().is_ok


def test_no_code_is_sent_while_the_offer_still_promises_it(shop):
    """G2G-P39: uploaded codes and the promised quantity both sell."""
    shop.fault("G2G-07", "http_error", status=429, code="42900001", times=2)
    uploads.upload(shop.offer, quantity=10, by="ann")
    shop.desk.settle()

    assert shop.calls("G2G-15") == 0
    assert "in stock" in Upload.objects.first().last_error

    shop.desk.advance(60)
    assert len(there(shop)) == 10
    assert shop.desk.sandbox.offers.all[shop.offer.external_id].available == 10


def test_more_than_there_is_gives_away_what_there_is(shop):
    assert give(shop, 25) == 10
    assert give(shop, 1) == 0
    assert len(there(shop)) == 10


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"product": None}, "not linked to a product"),
        ({"external_id": ""}, "Push it first"),
        ({"seen_status": "removed"}, "Push it first"),
        ({"is_active": False}, "stopped"),
    ],
)
def test_an_offer_that_can_hold_none_says_why(shop, change, says):
    Offer.objects.update(**change)
    shop.offer.refresh_from_db()

    with pytest.raises(PermanentError, match=says):
        uploads.upload(shop.offer, quantity=1, by="ann")
    assert shop.count(State.UPLOADED) == 0


# --- when an answer gets lost ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["timeout", "drop_after_commit", "malformed_json", "empty_body"])
def test_an_unanswered_upload_is_blocked_and_never_repeated(shop, mode):
    """G2G-T29, G2G-P53"""
    shop.fault("G2G-15", mode)
    give(shop, 1)
    shop.desk.advance(86_400)
    shop.sweep()

    row = Upload.objects.get()
    assert (row.status, row.state) == (Status.UNANSWERED, Upload.State.NEEDS_ATTENTION)
    assert "may be there or not" in row.last_error
    assert row.reference in row.last_error
    assert shop.calls("G2G-15") == 1
    assert shop.count(State.UPLOADED) == 1, "for nobody else until a person has looked"
    assert take_back(shop, row) == 0
    assert verify().is_ok


def test_a_person_saw_it_there_and_it_is_watched_from_then_on(shop):
    shop.fault("G2G-15", "drop_after_commit")
    give(shop, 1)
    (item,) = items(shop)

    assert uploads.say_there(Upload.objects.get(), by="ann", external_id=item.id)
    shop.desk.settle()

    row = Upload.objects.get()
    assert (row.status, row.state, row.status_word) == (Status.THERE, Upload.State.DONE, "available")
    assert row.note == "ann: it is there."
    assert take_back(shop, row) == 1
    assert shop.count(State.AVAILABLE) == 10


def test_a_person_saw_that_it_is_not_there_and_it_can_be_sold_again(shop):
    shop.fault("G2G-15", "timeout")
    give(shop, 1)
    row = Upload.objects.get()

    assert uploads.say_not_there(row, by="ann")
    assert not uploads.say_not_there(row, by="ann"), "only once"

    assert shop.count(State.AVAILABLE) == 10
    assert Upload.objects.get().status == Status.BACK
    give(shop, 10)
    assert len(there(shop)) == 10


def test_what_was_wrongly_put_back_is_found_out_by_the_next_upload(shop):
    """A 409 says that the code is there already; without an id a person has to tell which one it is."""
    shop.fault("G2G-15", "drop_after_commit")
    give(shop, 1)
    uploads.say_not_there(Upload.objects.get(), by="ann")
    give(shop, 10)

    row = Upload.objects.get(external_id="", withdrawn_at=None)
    assert (row.status, row.state, row.failure) == (Status.THERE, Upload.State.NEEDS_ATTENTION, "already_done")
    assert shop.count(State.UPLOADED) == 10
    first = next(item for item in items(shop) if item.reference_id == row.reference)
    uploads.say_there(row, by="ann", external_id=first.id)
    shop.desk.settle()
    assert Upload.objects.get(pk=row.pk).state == Upload.State.DONE
    assert verify().is_ok


def test_an_id_of_another_code_is_refused(shop):
    give(shop, 1)
    taken = Upload.objects.get().external_id
    shop.fault("G2G-15", "timeout")
    give(shop, 1)

    with pytest.raises(PermanentError, match="belongs to another code"):
        uploads.say_there(Upload.objects.get(status=Status.UNANSWERED), by="ann", external_id=taken)


def test_what_is_known_is_no_question_for_a_person(shop):
    give(shop, 1)
    row = Upload.objects.get()

    assert not uploads.say_not_there(row, by="ann")
    assert not uploads.say_sold(row, by="ann")
    assert shop.count(State.UPLOADED) == 1


def test_a_worker_that_dies_while_sending_leaves_a_question_and_no_second_call(shop):
    shop.desk.advance(1)
    uploads.upload(shop.offer, quantity=1, by="ann")
    row = outgoing.claim(Upload, Upload.objects.get().pk)
    upload_steps._mark_sent([row.pk])

    for _ in range(2):
        shop.desk.advance(100)
        shop.sweep()

    assert Upload.objects.get().status == Status.UNANSWERED
    assert shop.calls("G2G-15") == 0
    assert shop.count(State.UPLOADED) == 1


def test_a_call_that_certainly_failed_is_made_again(shop):
    shop.fault("G2G-15", "http_error", status=429, code="42900001")
    give(shop, 1, seconds=60)

    assert Upload.objects.get().status == Status.THERE
    assert shop.calls("G2G-15") == 2


# --- refusals ----------------------------------------------------------------------------------------------------


def test_a_refused_code_goes_back_to_stock_with_the_reason(shop):
    shop.fault("G2G-15", "http_error", status=422, code="42200001")
    give(shop, 2)

    refused = Upload.objects.get(status=Status.REFUSED)
    assert "refused the request as invalid" in refused.note
    assert refused.state == Upload.State.DONE
    assert (shop.count(State.UPLOADED), shop.count(State.AVAILABLE)) == (1, 9)
    assert verify().is_ok


def test_a_code_of_another_form_is_refused_before_it_is_sent(shop):
    """G2G-P45: the columns are those of the offer's code_label."""
    sold_there = shop.desk.sandbox.offers.all[shop.offer.external_id]
    sold_there.fields["code_label"] = "Code,Expiry"
    Offer.objects.update(seen={})
    shop.offer.refresh_from_db()
    make.add_codes(shop.product, 1, prefix="TWO,05 May 2030,")
    give(shop, 11)

    assert shop.calls("G2G-15") == 0
    assert "G2G expects 2 value(s)" in Upload.objects.first().note
    assert shop.count(State.AVAILABLE) == 11
    assert shop.calls("G2G-06") <= 1, "the form is read once"


def test_an_offer_that_is_gone_gets_its_codes_taken_back(shop):
    shop.desk.sandbox.offers.all[shop.offer.external_id].status = "deleted"
    give(shop, 2)

    assert shop.calls("G2G-15") == 0
    assert "look at the offer" in Upload.objects.first().last_error
    assert take_back(shop, *Upload.objects.all()) == 2
    assert shop.count(State.AVAILABLE) == 10


def test_an_offer_that_goes_after_its_push_refuses_them(shop):
    Offer.objects.update(quantity=0)
    shop.fault("G2G-15", "http_error", status=404, code="40400001")
    give(shop, 1)

    assert Upload.objects.get().status == Status.REFUSED
    assert shop.count(State.AVAILABLE) == 10


# --- taking back ---------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_codes_taken_back_are_for_sale_again(shop):
    give(shop, 3)
    assert take_back(shop, *Upload.objects.all()) == 3
    shop.desk.advance(10)

    assert {row.status for row in Upload.objects.all()} == {Status.BACK}
    assert {status for _, status in there(shop)} == {"deleted"}
    assert shop.count(State.AVAILABLE) == 10
    assert shop.desk.sandbox.offers.all[shop.offer.external_id].fields["api_qty"] == 10
    assert verify().is_ok


def test_codes_not_sent_yet_come_back_without_a_call(shop):
    shop.desk.account.is_enabled = False
    shop.desk.account.save()
    uploads.upload(shop.offer, quantity=3, by="ann")
    shop.desk.settle()

    assert take_back(shop, *Upload.objects.all()) == 3

    assert shop.count(State.AVAILABLE) == 10
    assert shop.calls("G2G-15") == shop.calls("G2G-17") == 0


def test_a_404_at_the_deletion_does_not_put_the_code_back_on_sale(shop):
    """G2G-T31, G2G-P52: it may have been sold."""
    give(shop, 1)
    del shop.desk.sandbox.offers.all[shop.offer.external_id].items[Upload.objects.get().external_id]
    take_back(shop, *Upload.objects.all())

    row = Upload.objects.get()
    assert (row.status, row.state) == (Status.GONE, Upload.State.NEEDS_ATTENTION)
    assert "may have been sold" in row.last_error
    assert shop.count(State.UPLOADED) == 1

    assert uploads.say_sold(row, by="ann")
    assert shop.count(State.DELIVERED) == 1
    assert verify().is_ok


def test_a_404_of_a_sold_code_is_a_sale(shop):
    give(shop, 1)
    (item,) = items(shop)
    item.status = "sold"
    take_back(shop, *Upload.objects.all())

    assert Upload.objects.get().status == Status.SOLD
    assert (shop.count(State.DELIVERED), shop.count(State.AVAILABLE)) == (1, 9)


def test_a_deletion_without_an_answer_is_looked_at_before_it_is_repeated(shop):
    give(shop, 1)
    shop.fault("G2G-17", "timeout")
    take_back(shop, *Upload.objects.all())
    assert Upload.objects.get().state == Upload.State.UNKNOWN

    shop.desk.advance(30)
    assert Upload.objects.get().status == Status.BACK
    operations = list(ApiCall.objects.order_by("pk").values_list("operation", flat=True))
    assert [name for name in operations if name in ("G2G-16", "G2G-17")] == ["G2G-17", "G2G-16", "G2G-17"]


def test_a_deletion_whose_answer_was_lost_is_a_question(shop):
    """It is not there any more, and nobody can tell whether we or a buyer took it."""
    give(shop, 1)
    shop.fault("G2G-17", "drop_after_commit")
    take_back(shop, *Upload.objects.all())
    shop.desk.advance(30)

    assert Upload.objects.get().status == Status.GONE
    assert shop.count(State.UPLOADED) == 1


# --- sales there -----------------------------------------------------------------------------------------------------


def test_an_order_served_from_the_inventory_needs_nothing_from_us_and_its_codes_are_delivered(shop):
    give(shop, 5)
    order_id = shop.buy(2)
    for _ in range(4):
        shop.desk.advance(60)
        shop.sweep()
    shop.desk.advance(1)

    assert shop.order(order_id).state == "delivered"
    assert shop.order(order_id).timeline.get(kind="inventory").text.startswith("2 of 2 units came out of the codes")
    assert shop.count(State.HELD) == 0
    reads = shop.calls("G2G-10")
    shop.sweep()
    assert shop.calls("G2G-10") == reads
    assert shop.calls("G2G-12") == 0
    assert Upload.objects.filter(status=Status.SOLD).count() == 2
    assert (shop.count(State.DELIVERED), shop.count(State.UPLOADED), shop.count(State.AVAILABLE)) == (2, 3, 5)
    assert verify().is_ok


def test_an_order_may_be_served_from_both(shop):
    give(shop, 2)
    order_id = shop.buy(5)
    shop.until_asked()
    shop.until_delivered()
    shop.desk.advance(60)

    assert len(shop.received(order_id)) == 3
    assert shop.order(order_id).state == "delivered"
    assert shop.count(State.DELIVERED) == 5
    assert shop.count(State.HELD) == 0
    assert verify().is_ok


def test_a_sale_nobody_told_of_is_noticed_within_hours(shop):
    give(shop, 3)
    items(shop)[0].status = "sold"
    shop.desk.advance(5 * 3600)
    shop.sweep()
    assert Upload.objects.filter(status=Status.SOLD).count() == 0
    calls = shop.calls("G2G-16")

    shop.desk.advance(2 * 3600)
    shop.sweep()
    shop.desk.advance(1)
    shop.sweep()
    assert Upload.objects.filter(status=Status.SOLD).count() == 1
    assert shop.count(State.DELIVERED) == 1
    assert shop.calls("G2G-16") == calls + 3


def test_a_reserved_code_comes_back_when_nobody_buys_it(shop):
    give(shop, 1)
    (item,) = items(shop)
    item.status = "reserved"
    uploads.look_now(Upload.objects.all())
    shop.desk.settle()
    assert Upload.objects.get().status == Status.RESERVED

    take_back(shop, *Upload.objects.all())
    assert "reserved for a buyer" in Upload.objects.get().last_error
    item.status = "available"
    shop.desk.advance(660)
    assert Upload.objects.get().status == Status.BACK


def test_a_word_nobody_knows_changes_nothing(shop):
    give(shop, 1)
    items(shop)[0].status = "word of tomorrow"
    uploads.look_now(Upload.objects.all())
    shop.desk.settle()

    row = Upload.objects.get()
    assert (row.status, row.status_word, row.state) == (Status.THERE, "word of tomorrow", Upload.State.DONE)


# --- the books -------------------------------------------------------------------------------------------------------


def test_the_books_name_a_code_that_nobody_knows_where_it_is(shop):
    give(shop, 2)
    first, second = Upload.objects.order_by("pk")
    first.delete()
    Code.objects.filter(pk=second.code_id).update(state=State.AVAILABLE)

    assert {problem["check"]: problem["code"] for problem in verify().problems} == {
        "lost upload": first.code_id,
        "false upload": second.code_id,
    }


def test_a_code_lies_in_one_place_only(shop):
    give(shop, 1)
    row = Upload.objects.get()

    with pytest.raises(IntegrityError), transaction.atomic():
        Upload.objects.create(account=row.account, offer=row.offer, code=row.code, external_offer_id="G1", by="ann")


def test_no_uploaded_code_lies_open_in_the_database_or_the_logs(shop, caplog):
    """G2G-T60"""
    caplog.set_level(logging.DEBUG)
    shop.fault("G2G-15", "drop_after_commit")
    give(shop, 3)
    plain = [content for content, _ in there(shop)]
    assert len(plain) == 3

    for table, row in everything_in_the_database():
        for content in plain:
            for form in forms_of(content):
                assert form not in row, table
    assert not any(content in caplog.text for content in plain)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_no_code_is_both_given_away_and_sold_however_many_ask_at_once():
    product = make.product(codes=40)
    offer = make.offer(product, make.account(), external_id="G1")

    def ask(number):
        if number % 2:
            return len(stock.take(product_id=product.pk, quantity=3))
        return uploads.upload(offer, quantity=3, by="ann")

    assert sum(in_threads(20, ask)) == 40
    counted = stock.count(product.pk)
    assert counted[State.HELD] + counted[State.UPLOADED] == 40
    assert Upload.objects.count() == counted[State.UPLOADED]
