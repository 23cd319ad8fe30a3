"""What staff do with codes and offers, and who may."""

from contextlib import contextmanager

import pytest
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse

from inventory.models import Code, CodeReveal, Offer
from marketplaces.models import Account
from tests.backoffice import world
from tests.drain import drain

CODES = reverse("admin:inventory_code_changelist")
FIND = reverse("admin:inventory_code_find")
OFFERS = reverse("admin:inventory_offer_changelist")
ACCOUNTS = reverse("admin:marketplaces_account_changelist")


@pytest.fixture
def shop(db):
    return world.fill(2)


@pytest.fixture
def code(shop):
    return Code.objects.get(pk=1002)


def signed_in(*permissions):
    client = Client()
    client.force_login(world.staff("worker", *permissions))
    return client


def act(client, url, action, *rows, **fields):
    posted = {"action": action, "index": 0, "_selected_action": [row.pk for row in rows], **fields}
    return client.post(url, posted, follow=True)


def says(response):
    return " ".join(response.content.decode().split())


# --- codes ---------------------------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.parametrize("text", [f"{world.CODE}-0-2", f" {world.CODE.lower()}-0-2 ", "1002", "code 1002"])
def test_a_code_is_found_by_its_exact_text_or_its_number(text, code, admin_client):
    response = admin_client.post(FIND, {"text": text})

    assert response.url == reverse("admin:inventory_code_change", args=[1002])


@pytest.mark.parametrize("text", [world.CODE, f"{world.CODE}-0-3", "1003", "²"])
def test_nothing_near_a_code_is_found(text, code, admin_client):
    response = admin_client.post(FIND, {"text": text}, follow=True)

    assert "No code has exactly this text or number." in says(response)
    assert text not in says(response).replace("1003", "") or text == "1003"


def test_what_is_searched_never_stands_in_an_address(code, admin_client):
    assert admin_client.get(FIND, {"text": world.CODE}).status_code == 405
    assert 'name="q"' not in says(admin_client.get(CODES))


def test_a_stranger_finds_no_code(code):
    response = signed_in().post(FIND, {"text": "1002"})

    assert response.url == CODES


def test_lists_and_pages_never_open_a_code(code, admin_client, monkeypatch):
    monkeypatch.setattr("backoffice.crypto.decrypt", pytest.fail)

    assert admin_client.get(CODES).status_code == 200
    assert admin_client.get(reverse("admin:inventory_code_change", args=[1002])).status_code == 200


@pytest.mark.smoke
def test_a_code_is_revealed_for_a_reason_and_on_the_record(code, admin_client):
    asked = act(admin_client, CODES, "reveal", code, _from_page=code.pk)
    assert "Who saw it, when and why is kept." in says(asked)
    assert world.CODE not in says(asked)
    before = CodeReveal.objects.count()

    fields = {"_from_page": code.pk, "answered": 1, "reason": "The buyer cannot redeem it"}
    response = act(admin_client, CODES, "reveal", code, **fields)

    assert f"{world.CODE}-0-2" in says(response)
    assert "no-store" in response["Cache-Control"]
    assert CodeReveal.objects.count() == before + 1
    kept = CodeReveal.objects.latest("pk")
    assert (kept.code_id, kept.user, kept.reason) == (1002, "admin", "The buyer cannot redeem it")


def test_no_reason_no_code(code, admin_client):
    response = act(admin_client, CODES, "reveal", code, _from_page=code.pk, answered=1, reason="  ")

    assert world.CODE not in says(response)
    assert not CodeReveal.objects.filter(code=code).exists()


def test_only_who_may_reveal_sees_the_button_and_the_code(code):
    client = signed_in("inventory.view_code")
    page = says(client.get(reverse("admin:inventory_code_change", args=[code.pk])))
    assert 'value="reveal"' not in page

    response = act(client, CODES, "reveal", code, _from_page=code.pk, answered=1, reason="Just looking")

    assert world.CODE not in says(response)
    assert not CodeReveal.objects.filter(code=code).exists()


def test_revealing_stands_on_the_page_and_not_in_the_lists_menu(code, admin_client):
    page = says(admin_client.get(reverse("admin:inventory_code_change", args=[code.pk])))

    assert 'value="reveal"' in page
    assert '<option value="reveal"' not in says(admin_client.get(CODES))


def test_codes_are_taken_out_of_sale_after_a_look_at_the_numbers(code, admin_client):
    sent = Code.objects.get(pk=1001)
    asked = act(admin_client, CODES, "withdraw", code, sent)
    assert "1 of the 2 chosen can be taken out of sale" in says(asked)
    assert Code.objects.get(pk=1002).state == "available"

    response = act(admin_client, CODES, "withdraw", code, sent, answered=1, state="faulty")

    assert "1 code taken out of sale" in says(response)
    assert list(Code.objects.filter(pk__in=[1001, 1002]).order_by("pk").values_list("state", flat=True)) == [
        "sent",
        "faulty",
    ]


def test_who_may_only_look_takes_nothing_out_of_sale(code):
    act(signed_in("inventory.view_code"), CODES, "withdraw", code, answered=1, state="void")

    assert Code.objects.get(pk=1002).state == "available"


def test_a_code_tells_where_it_went(shop, admin_client):
    text = says(admin_client.get(reverse("admin:inventory_code_change", args=[1001])))

    assert "1700000000ORDER" in text
    assert "D0000000" in text


# --- offers --------------------------------------------------------------------------------------------------


@pytest.fixture
def offer(shop):
    return Offer.objects.get(external_id="G00000000")


def form_of(client, offer, **changed):
    form = client.get(reverse("admin:inventory_offer_change", args=[offer.pk])).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    values |= {
        form[name].html_initial_name: value for name, value in values.items() if form[name].field.show_hidden_initial
    }
    return {name: value for name, value in (values | changed).items() if value is not None and value is not False}


@contextmanager
def while_saving(work):
    """Do `work` after the form has read its row and before it is written."""

    def receiver(**kwargs):
        work()

    pre_save.connect(receiver, sender=Offer)
    try:
        yield
    finally:
        pre_save.disconnect(receiver, sender=Offer)


@pytest.mark.smoke
def test_push_makes_offers_due(offer, admin_client):
    response = act(admin_client, OFFERS, "push", offer)

    offer.refresh_from_db()
    assert offer.state == "due"
    assert "1 offer being pushed" in says(response)


def test_an_offer_without_a_product_is_not_pushed(offer, admin_client):
    Offer.objects.update(product=None)

    response = act(admin_client, OFFERS, "push", offer)

    offer.refresh_from_db()
    assert offer.state == "done"
    assert "0 offers being pushed" in says(response)


def test_offers_are_taken_off_sale_and_put_back(offer, admin_client):
    act(admin_client, OFFERS, "take_off_sale", offer)
    offer.refresh_from_db()
    assert (offer.is_active, offer.state) == (False, "due")

    Offer.objects.update(state="done")
    act(admin_client, OFFERS + "?is_active__exact=0", "put_on_sale", offer)
    offer.refresh_from_db()
    assert (offer.is_active, offer.state) == (True, "due")


@pytest.mark.parametrize("action", ["push", "take_off_sale", "put_on_sale"])
def test_who_may_only_look_changes_no_offer(action, offer):
    Offer.objects.update(is_active=action == "take_off_sale")

    act(signed_in("inventory.view_offer"), OFFERS, action, offer)

    offer.refresh_from_db()
    assert (offer.is_active, offer.state) == (action == "take_off_sale", "done")


@pytest.mark.smoke
def test_saving_a_new_price_pushes_the_offer(offer, admin_client):
    url = reverse("admin:inventory_offer_change", args=[offer.pk])

    admin_client.post(url, form_of(admin_client, offer, price="12.50"))

    offer.refresh_from_db()
    assert (str(offer.price), offer.state) == ("12.5000", "due")


def test_saving_nothing_pushes_nothing(offer, admin_client):
    url = reverse("admin:inventory_offer_change", args=[offer.pk])

    assert admin_client.post(url, form_of(admin_client, offer)).status_code == 302

    offer.refresh_from_db()
    assert offer.state == "done"


def test_saving_does_not_undo_what_a_worker_wrote_meanwhile(offer, admin_client):
    url = reverse("admin:inventory_offer_change", args=[offer.pk])
    posted = form_of(admin_client, offer, price="12.50")

    with while_saving(lambda: Offer.objects.update(pushed_quantity=7)):
        admin_client.post(url, posted)

    offer.refresh_from_db()
    assert (str(offer.price), offer.pushed_quantity) == ("12.5000", 7)


def test_an_offer_that_is_there_is_not_deleted_here(offer, admin_client):
    url = reverse("admin:inventory_offer_delete", args=[offer.pk])

    assert admin_client.get(url).status_code == 403


def test_wanted_pushed_and_seen_stand_side_by_side(offer, admin_client):
    Offer.objects.filter(pk=offer.pk).update(quantity=31, pushed_quantity=32, seen_quantity=33)

    text = says(admin_client.get(OFFERS))

    assert "follow stock" in text
    assert text.index(">31<") < text.index(">32<") < text.index(">33<")


# --- holding an account's sales ------------------------------------------------------------------------------


@pytest.mark.smoke
def test_holding_sales_asks_why_and_names_the_number_of_offers(shop, admin_client):
    response = act(admin_client, ACCOUNTS, "hold_sales", shop)

    assert "2 offers will be shown as out of stock until sales are resumed." in says(response)
    assert not Account.objects.get().sales_held


def test_sales_are_held_and_resumed_by_name(shop, admin_client):
    held = act(admin_client, ACCOUNTS, "hold_sales", shop, answered=1, reason="Stolen keys", _from_page=shop.pk)
    shop.refresh_from_db()
    assert "2 offers are being shown as out of stock" in says(held)
    assert (shop.sales_held, shop.sales_held_by, shop.sales_held_reason) == (True, "admin", "Stolen keys")
    assert held.redirect_chain[-1][0] == reverse("admin:marketplaces_account_change", args=[shop.pk])
    assert 'value="resume_sales"' in says(held)
    assert 'value="hold_sales"' not in says(held)

    act(admin_client, ACCOUNTS, "resume_sales", shop)
    shop.refresh_from_db()
    assert (shop.sales_held, shop.sales_held_by, shop.sales_held_reason) == (False, "", "")


def test_nobody_holds_sales_without_the_permission(shop):
    client = signed_in("marketplaces.view_account", "marketplaces.change_account")

    act(client, ACCOUNTS, "hold_sales", shop, answered=1, reason="For fun")

    assert not Account.objects.get().sales_held


def test_a_held_account_shows_no_stock_there(g2g, admin_client):
    product = world.Product.objects.create(sku="GAME-1")
    batch = world.Batch.objects.create(product=product)
    world.sealed_code(product, batch, world.CODE, 1)
    Offer.objects.create(
        account=g2g.account, product=product, external_product_id="p", external_id="", price="1.00", currency="USD"
    )

    act(admin_client, ACCOUNTS, "hold_sales", g2g.account, answered=1, reason="Stolen keys")
    drain()

    assert Offer.objects.get().pushed_quantity in (None, 0)
