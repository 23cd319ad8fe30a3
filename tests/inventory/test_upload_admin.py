"""What staff do with uploaded codes, and who may; the other side is a marketplace's sandbox."""

import pytest
from django.test import Client
from django.urls import reverse

from inventory import uploads
from inventory.models import Code, Offer, Upload
from tests import make
from tests.backoffice import world
from tests.orders import story

OFFERS = reverse("admin:inventory_offer_changelist")
UPLOADS = reverse("admin:inventory_upload_changelist")
ACCOUNTS = reverse("admin:marketplaces_account_changelist")
Status = Upload.Status


@pytest.fixture
def shop(g2g):
    return story.begin(g2g, codes=5)


def press(client, url, action, row, **fields):
    """Press an action's button on the row's own page."""
    return act(client, url, action, row, _from_page=row.pk, **fields)


def act(client, url, action, *rows, **fields):
    posted = {"action": action, "index": 0, "_selected_action": [row.pk for row in rows], **fields}
    return client.post(url, posted, follow=True)


def says(response):
    return " ".join(response.content.decode().split())


def page(row):
    return reverse(f"admin:inventory_{row._meta.model_name}_change", args=[row.pk])


def work(shop):
    shop.desk.settle()
    shop.desk.advance(10)


def signed_in(*permissions):
    client = Client()
    client.force_login(world.staff("worker", "inventory.view_offer", "inventory.view_upload", *permissions))
    return client


@pytest.mark.smoke
def test_codes_are_uploaded_from_the_offers_page_after_a_look_at_the_numbers(shop, admin_client):
    asked = press(admin_client, OFFERS, "upload_codes", shop.offer)
    assert "5 codes of GAME-1 can be uploaded." in says(asked)
    assert not Upload.objects.exists()

    response = act(admin_client, OFFERS, "upload_codes", shop.offer, answered=1, quantity=3, _from_page=shop.offer.pk)
    work(shop)

    assert "3 codes are on their way into the offer" in says(response)
    assert Upload.objects.filter(status=Status.THERE, by="admin").count() == 3
    assert "3 there now: see all" in says(admin_client.get(page(shop.offer)))
    listed = says(admin_client.get(UPLOADS, {"offer__id__exact": shop.offer.pk}))
    assert all(f"code {row.code_id}" in listed for row in Upload.objects.all())
    assert "GAME-1-0" not in listed, "never the code itself"


def test_codes_are_taken_back_from_the_offers_page(shop, admin_client):
    uploads.upload(shop.offer, quantity=3, by="ann")
    work(shop)
    assert "3 codes can be taken back" in says(press(admin_client, OFFERS, "take_codes_back", shop.offer))

    response = act(
        admin_client, OFFERS, "take_codes_back", shop.offer, answered=1, quantity=2, _from_page=shop.offer.pk
    )
    work(shop)

    assert "2 codes are coming back" in says(response)
    assert shop.count(Code.State.AVAILABLE) == 4
    assert says(press(admin_client, OFFERS, "take_codes_back", shop.offer)).count("1 codes can be taken back") == 1


@pytest.mark.parametrize("quantity", ["", "0", "-1", "many"])
def test_a_number_that_is_none_uploads_nothing(quantity, shop, admin_client):
    press(admin_client, OFFERS, "upload_codes", shop.offer, answered=1, quantity=quantity)

    assert not Upload.objects.exists()


def test_an_offer_that_takes_none_says_why(shop, admin_client):
    Offer.objects.update(is_active=False)

    response = press(admin_client, OFFERS, "upload_codes", shop.offer, answered=1, quantity=1)

    assert "The sale of offer" in says(response)
    assert not Upload.objects.exists()


def test_a_page_offers_the_buttons_that_make_sense(shop, admin_client):
    shop.fault("G2G-15", "timeout")
    uploads.upload(shop.offer, quantity=2, by="ann")
    work(shop)
    unanswered, there = Upload.objects.get(status=Status.UNANSWERED), Upload.objects.get(status=Status.THERE)

    text = says(admin_client.get(page(unanswered)))
    assert "may be there or not" in text
    assert 'value="say_not_there"' in text
    assert 'value="take_back"' not in text
    text = says(admin_client.get(page(there)))
    assert 'value="take_back"' in text
    assert 'value="say_not_there"' not in text


def test_a_person_decides_that_a_code_is_not_there(shop, admin_client):
    shop.fault("G2G-15", "timeout")
    uploads.upload(shop.offer, quantity=1, by="ann")
    work(shop)
    row = Upload.objects.get()

    assert "it will be sold again" in says(press(admin_client, UPLOADS, "say_not_there", row))
    assert shop.count(Code.State.UPLOADED) == 1
    press(admin_client, UPLOADS, "say_not_there", row, answered=1)

    assert shop.count(Code.State.AVAILABLE) == 5
    assert Upload.objects.get().note == "admin: it is not there."


def test_a_person_decides_that_a_code_is_there_and_names_its_id(shop, admin_client):
    shop.fault("G2G-15", "drop_after_commit")
    uploads.upload(shop.offer, quantity=1, by="ann")
    work(shop)
    row = Upload.objects.get()
    (item,) = shop.desk.sandbox.offers.all[shop.offer.external_id].items.values()

    assert "Its id there" in says(press(admin_client, UPLOADS, "say_there", row))
    press(admin_client, UPLOADS, "say_there", row, answered=1, external_id=item.id)
    work(shop)

    row.refresh_from_db()
    assert (row.status, row.external_id, row.status_word) == (Status.THERE, item.id, "available")


def test_a_person_decides_that_a_code_was_sold(shop, admin_client):
    uploads.upload(shop.offer, quantity=1, by="ann")
    work(shop)
    shop.desk.sandbox.offers.all[shop.offer.external_id].items.clear()
    press(admin_client, UPLOADS, "take_back", Upload.objects.get())
    work(shop)

    press(admin_client, UPLOADS, "say_sold", Upload.objects.get(), answered=1)

    assert Upload.objects.get().status == Status.SOLD
    assert shop.count(Code.State.DELIVERED) == 1


def test_an_id_of_another_code_is_refused_in_words(shop, admin_client):
    shop.fault("G2G-15", "timeout")
    uploads.upload(shop.offer, quantity=2, by="ann")
    work(shop)
    taken = Upload.objects.get(status=Status.THERE).external_id

    row = Upload.objects.get(status=Status.UNANSWERED)
    response = press(admin_client, UPLOADS, "say_there", row, answered=1, external_id=taken)

    assert "belongs to another code" in says(response)


def test_looking_now_notices_a_sale(shop, admin_client):
    uploads.upload(shop.offer, quantity=1, by="ann")
    work(shop)
    for item in shop.desk.sandbox.offers.all[shop.offer.external_id].items.values():
        item.status = "sold"

    assert "1 upload being looked at" in says(press(admin_client, UPLOADS, "look", Upload.objects.get()))
    work(shop)

    assert Upload.objects.get().status == Status.SOLD


@pytest.mark.parametrize("action", ["look", "take_back", "say_there", "say_not_there", "say_sold"])
def test_who_may_only_look_decides_nothing(action, shop):
    shop.fault("G2G-15", "timeout")
    uploads.upload(shop.offer, quantity=1, by="ann")
    work(shop)

    act(
        signed_in("inventory.change_upload"),
        UPLOADS,
        action,
        Upload.objects.get(),
        answered=1,
        _from_page=Upload.objects.get().pk,
    )

    assert Upload.objects.get().status == Status.UNANSWERED


def test_uploading_has_a_permission_of_its_own(shop):
    act(
        signed_in("inventory.change_offer"),
        OFFERS,
        "upload_codes",
        shop.offer,
        answered=1,
        quantity=1,
        _from_page=shop.offer.pk,
    )
    assert not Upload.objects.exists()

    client = Client()
    client.force_login(world.staff("uploader", "inventory.view_offer", "inventory.upload_code"))
    press(client, OFFERS, "upload_codes", shop.offer, answered=1, quantity=1)
    assert Upload.objects.get().by == "uploader"


def test_a_code_tells_where_it_was_uploaded_to(shop, admin_client):
    uploads.upload(shop.offer, quantity=1, by="ann")
    work(shop)

    text = says(admin_client.get(reverse("admin:inventory_code_change", args=[Upload.objects.get().code_id])))

    assert shop.offer.external_id in text


def test_holding_sales_says_that_uploaded_codes_are_sold_on(shop, admin_client):
    uploads.upload(shop.offer, quantity=2, by="ann")
    work(shop)

    assert "2 codes that were uploaded are sold on" in says(
        press(admin_client, ACCOUNTS, "pause_sales", shop.desk.account)
    )


def test_the_offers_list_shows_how_many_lie_there(shop, admin_client):
    uploads.upload(shop.offer, quantity=2, by="ann")
    work(shop)
    make.offer(shop.product, shop.desk.account, external_id="G-OTHER")

    rows = {row.external_id: row.units_uploaded for row in admin_client.get(OFFERS).context["cl"].result_list}

    assert rows == {shop.offer.external_id: 2, "G-OTHER": 0}
