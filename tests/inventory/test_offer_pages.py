"""What an offer's page asks its marketplace: competitors, the codes that lie there, and the offer's deletion."""

import pytest

from inventory import publishing, removal, uploads
from inventory.models import Code, Offer, Upload
from marketplaces import budget, outgoing
from marketplaces.exceptions import PermanentError
from marketplaces.models import ApiCall
from orders.verify import verify
from tests import make
from tests.desk import open_desk
from tests.inventory.test_admin import OFFERS, act, says, signed_in
from tests.inventory.test_upload_admin import page
from tests.inventory.test_upload_collections import calls
from tests.inventory.test_upload_files import open_offer
from tests.orders import story

BUTTONS = ("competitors", "codes_there", "delete_there")
Status = Upload.Status


@pytest.fixture
def live(db):
    with open_desk("g2a", "Live G2A", dialect="live", requests_per_minute=6000) as desk:
        yield desk


@pytest.fixture
def offer(live):
    return open_offer(live, make.product(codes=6))


def give(desk, offer, quantity):
    uploads.upload(offer, quantity=quantity, by="ann")
    desk.advance(300)


def sold_there(desk, offer, quantity):
    there = desk.sandbox.offers.all[offer.external_id]
    return desk.sandbox.inventory.sell(there, quantity)


def offered(client, offer):
    text = client.get(page(offer)).content.decode()
    return {name for name in BUTTONS if f'value="{name}"' in text}


# --- who can ---------------------------------------------------------------------------------------------------------


def test_an_offer_has_the_buttons_that_its_account_can_do(g2a, g2g, live, offer, admin_client):
    assert offered(admin_client, offer) == {"competitors", "codes_there", "delete_there"}
    contract = make.offer(offer.product, g2a.account, external_id="there", currency="EUR")
    assert offered(admin_client, contract) == set(), "the dialect contract lacks all three"
    other = make.offer(offer.product, g2g.account, external_id="there")
    assert offered(admin_client, other) == {"delete_there"}


def test_a_button_pressed_where_it_is_not_offered_asks_nobody(g2a, offer, admin_client):
    other = make.offer(offer.product, g2a.account, external_id="there", currency="EUR")
    before = ApiCall.objects.count()
    for name in BUTTONS:
        assert "be asked of this offer" in says(act(admin_client, OFFERS, name, other, _from_page=other.pk, answered=1))
    assert ApiCall.objects.count() == before
    assert not Offer.objects.get(pk=other.pk).removal_by


def test_they_are_no_actions_of_the_list(offer, admin_client):
    listed = admin_client.get(OFFERS).content.decode()
    assert not [name for name in BUTTONS if f'value="{name}"' in listed]


# --- competitors -----------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_competitors_are_shown_with_price_seller_and_rating(live, offer, admin_client):
    before = ApiCall.objects.count()
    text = says(act(admin_client, OFFERS, "competitors", offer, _from_page=offer.pk))

    assert ApiCall.objects.count() == before + 1
    found = live.account.service().fetch_competing_offers(offer.external_product_id)
    assert f"{len(found)} offers of others, cheapest first" in text
    assert all(row.seller in text and str(row.rating) in text for row in found)
    places = [text.index(row.seller) for row in sorted(found, key=lambda row: row.price)]
    assert places == sorted(places)
    assert "Ours costs 5.98 EUR" in text
    assert " less" in text or " more" in text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"mode": "http_error", "status": 503}, "G2A has trouble of its own"),
        ({"mode": "timeout"}, "could not be reached"),
        ({"mode": "malformed_json"}, "can&#x27;t be read"),
        ({"mode": "http_error", "status": 404}, "does not know"),
    ],
)
def test_trouble_is_said_on_the_page(live, offer, admin_client, fault, words):
    live.fault("G2A-L05", **fault)
    text = says(act(admin_client, OFFERS, "competitors", offer, _from_page=offer.pk))
    assert words in text
    assert "Traceback" not in text


def test_a_spent_budget_and_a_switched_off_account_are_said_too(live, offer, admin_client):
    live.account.options["requests_per_minute"] = 1
    live.account.save()
    while not budget.take(live.account.pk, per_minute=1, burst=5):
        pass
    assert "budget" in says(act(admin_client, OFFERS, "competitors", offer, _from_page=offer.pk))

    live.account.is_enabled = False
    live.account.save()
    before = ApiCall.objects.count()
    for name in ("competitors", "codes_there"):
        assert "is switched off" in says(act(admin_client, OFFERS, name, offer, _from_page=offer.pk))
    assert ApiCall.objects.count() == before


# --- what lies there -------------------------------------------------------------------------------------------------


def test_what_lies_there_stands_beside_our_books(live, offer, admin_client):
    give(live, offer, 4)
    text = says(act(admin_client, OFFERS, "codes_there", offer, _from_page=offer.pk))
    assert "in the offer: 4 there, 4 in our books." in text
    assert "a difference" not in text
    assert "GAME-1-0" not in text, "never the code itself"

    sold_there(live, offer, 1)
    text = says(act(admin_client, OFFERS, "codes_there", offer, _from_page=offer.pk))
    assert "in the offer: 3 there, 4 in our books – a difference." in text
    assert "sold: 1 there, 0 in our books – a difference." in text


def test_a_code_with_an_id_is_compared_by_it(live, offer, admin_client):
    give(live, offer, 3)
    first, second, third = Upload.objects.order_by("pk")
    there = list(live.sandbox.offers.all[offer.external_id].keys.values())
    for row, external_id in ((first, there[0].id), (second, there[1].id), (third, "not-there")):
        Upload.objects.filter(pk=row.pk).update(external_id=external_id)
    there[1].status = "sold"

    text = says(act(admin_client, OFFERS, "codes_there", offer, _from_page=offer.pk))
    assert f"code {first.code_id}" in text
    assert "our books: in the offer" in text
    assert "not listed there" in text
    assert "not in our books" in text


def test_a_list_that_breaks_off_proves_nothing(live, offer, admin_client):
    give(live, offer, 2)
    live.fault("G2A-L02", "http_error", status=500)
    text = says(act(admin_client, OFFERS, "codes_there", offer, _from_page=offer.pk))
    assert "G2A has trouble of its own" in text
    assert "a difference" not in text


# --- deletion --------------------------------------------------------------------------------------------------------


def delete(client, offer):
    return says(act(client, OFFERS, "delete_there", offer, answered=1, _from_page=offer.pk))


@pytest.mark.smoke
def test_an_offer_is_deleted_there_after_a_look_at_the_numbers(live, offer, admin_client):
    asked = says(act(admin_client, OFFERS, "delete_there", offer, _from_page=offer.pk))
    assert "is deleted for good" in asked
    assert "0 uploaded codes lie in it" in asked
    assert calls("G2A-L01") == 0

    assert "is being deleted there" in delete(admin_client, offer)
    live.advance(10)

    offer.refresh_from_db()
    assert (offer.seen_status, offer.state, offer.removal_by) == ("removed", "done", "")
    assert live.sandbox.offers.all[offer.external_id].status == "deleted"
    assert calls("G2A-L01") == 1
    assert offered(admin_client, offer) == {"competitors"}
    make.add_codes(offer.product, 1)
    live.advance(60)
    assert calls("G2A-L01") == 1
    assert verify().is_ok


def test_it_is_refused_while_codes_lie_there(live, offer, admin_client):
    give(live, offer, 2)
    text = says(act(admin_client, OFFERS, "delete_there", offer, _from_page=offer.pk))
    assert "2 uploaded codes lie in offer" in text
    assert "Take them back" in text
    delete(admin_client, offer)
    live.advance(60)
    assert calls("G2A-L01") == 0
    assert Offer.objects.get().seen_status != "removed"


def test_it_is_refused_while_nobody_knows_where_a_code_is(live, offer):
    live.fault("G2A-12", "drop_after_commit")
    give(live, offer, 1)
    assert Upload.objects.get().status == Status.UNANSWERED
    with pytest.raises(PermanentError, match="or may"):
        removal.ask(offer, by="ann")


def test_codes_that_our_books_do_not_know_of_stop_it_too(live, offer, admin_client):
    give(live, offer, 1)
    Upload.objects.all().delete()
    Code.objects.update(state=Code.State.AVAILABLE)
    delete(admin_client, offer)
    live.advance(60)

    offer.refresh_from_db()
    assert (offer.state, offer.failure, offer.removal_by) == ("needs_attention", "conflict", "")
    assert "our books do not know of" in offer.last_error
    assert calls("G2A-L01") == 0


def test_sold_codes_are_no_reason_to_keep_it(live, offer):
    give(live, offer, 1)
    sold_there(live, offer, 1)
    row = Upload.objects.get()
    assert uploads.say_sold(row, by="ann")
    removal.ask(offer, by="ann")
    live.advance(10)
    assert Offer.objects.get().seen_status == "removed"


@pytest.mark.parametrize(("mode", "deletions"), [("timeout", 2), ("drop_after_commit", 1)])
def test_a_deletion_without_an_answer_is_looked_for_before_it_is_repeated(live, offer, mode, deletions):
    live.fault("G2A-L01", mode)
    removal.ask(offer, by="ann")
    live.settle()
    assert Offer.objects.get().state != "done"
    live.advance(120)

    offer.refresh_from_db()
    assert (offer.seen_status, offer.state, offer.removal_by) == ("removed", "done", "")
    assert calls("G2A-L01") == deletions
    order = (
        ApiCall.objects.filter(operation__in=["G2A-09", "G2A-L01"]).order_by("pk").values_list("operation", flat=True)
    )
    for place, name in enumerate(order):
        assert name != "G2A-L01" or order[place - 1] == "G2A-09", "a look before each"


def test_an_offer_that_is_gone_already_is_done_with(live, offer):
    live.sandbox.offers.all[offer.external_id].status = "deleted"
    removal.ask(offer, by="ann")
    live.advance(10)
    offer.refresh_from_db()
    assert (offer.seen_status, offer.state) == ("removed", "done")
    assert calls("G2A-L01") == 0


def test_a_worker_that_dies_in_between_leaves_the_wish(live, offer):
    removal.ask(offer, by="ann")
    assert outgoing.claim(Offer, offer.pk) is not None
    live.advance(100)
    outgoing.sweep(Offer)
    live.advance(10)
    assert Offer.objects.get().seen_status == "removed"
    assert calls("G2A-L01") == 1


def test_a_refusal_ends_the_wish_and_says_why(live, offer):
    live.fault("G2A-L01", "http_error", status=400, code="BR02")
    removal.ask(offer, by="ann")
    live.advance(60)
    offer.refresh_from_db()
    assert (offer.state, offer.removal_by) == ("needs_attention", "")
    assert "refused the request as invalid" in offer.last_error
    publishing.request(Offer.objects.all())
    live.advance(60)
    assert (Offer.objects.get().state, calls("G2A-L01")) == ("done", 1), "a push is a push again"


def test_no_code_goes_into_an_offer_that_is_being_deleted(live, offer):
    removal.ask(offer, by="ann")
    with pytest.raises(PermanentError, match="is being deleted there, as ann asked"):
        uploads.upload(offer, quantity=1, by="bob")


def test_the_other_marketplace_is_no_other(g2g, admin_client):
    """G2G-T18: 404 counts as removed."""
    shop = story.begin(g2g, codes=3)
    uploads.upload(shop.offer, quantity=1, by="ann")
    shop.desk.settle()
    shop.desk.advance(10)
    assert "1 uploaded codes lie in offer" in delete(admin_client, shop.offer)

    uploads.take_back(Upload.objects.all(), by="ann")
    shop.desk.advance(10)
    delete(admin_client, shop.offer)
    shop.desk.advance(10)
    assert Offer.objects.get(pk=shop.offer.pk).seen_status == "removed"
    assert calls("G2G-08") == 1


def test_who_may_delete_offers_may_delete_them_there(live, offer):
    client = signed_in("inventory.view_offer", "inventory.delete_offer")
    assert "delete_there" in offered(client, offer)
    assert "is being deleted there" in delete(client, offer)


def test_who_may_only_look_deletes_nothing(live, offer):
    client = signed_in("inventory.view_offer", "inventory.change_offer")
    assert offered(client, offer) == {"competitors", "codes_there"}
    act(client, OFFERS, "delete_there", offer, answered=1, _from_page=offer.pk)
    assert not Offer.objects.get().removal_by
