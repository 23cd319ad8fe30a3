"""What staff see and do when they buy, and who may."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from inventory.models import Code, Purchase
from marketplaces.models import ApiCall, CatalogueProduct
from tests import make
from tests.inventory.test_admin import act, press, says, signed_in
from tests.inventory.test_buying import PRODUCT, Buyer

State, Stage = Purchase.State, Purchase.Stage
LIST = reverse("admin:inventory_purchase_changelist")
BUY = reverse("admin:inventory_purchase_add")
HIDDEN = re.compile(r'name="run" value="([^"]+)"')


@pytest.fixture
def shop(g2a):
    return Buyer(g2a, make.product("GAME"))


def numbers(**fields):
    return {"quantity": 3, "max_price": "5.00", "currency": "EUR", "sku": "GAME", **fields}


def chosen(shop):
    return f"{BUY}?account={shop.desk.account.pk}&product={PRODUCT}"


@pytest.mark.smoke
def test_from_the_catalogue_to_codes_in_stock(shop, admin_client):
    assert BUY in says(admin_client.get(LIST))
    found = says(admin_client.get(BUY, {"q": PRODUCT}))  # the only account that can buy needs no choosing
    assert "4.00 EUR" in found
    assert "200" in found

    page = says(admin_client.get(chosen(shop)))
    assert "The lowest price is 4.00 EUR now. 200 are in stock there." in page

    asked = says(admin_client.post(chosen(shop), numbers()))
    assert "At most 15.00 EUR are spent through Main G2A (play). What is paid can&#x27;t be undone." in asked
    assert not Purchase.objects.exists()

    confirmed = numbers(confirmed=1, run=HIDDEN.search(asked)[1])
    response = admin_client.post(chosen(shop), confirmed)
    assert response.url == f"{LIST}?run={confirmed['run']}"
    assert admin_client.post(chosen(shop), confirmed).url == response.url
    assert Purchase.objects.count() == 3
    assert set(Purchase.objects.values_list("requested_by", flat=True)) == {"admin"}

    shop.wait()
    assert shop.is_whole(3)
    done = says(admin_client.get(response.url))
    assert "3 of 3 codes in stock, 3 paid, 12.00 EUR spent." in done
    assert "under way" not in done


def test_the_list_shows_how_far_a_run_is(shop, admin_client):
    shop.fault("G2A-06", "drop_after_commit")
    run = shop.order(2)
    other = shop.order(1)
    assert "0 of 2 codes in stock, 0 paid, 0.00 EUR spent. 2 under way." in says(admin_client.get(LIST, {"run": run}))
    shop.wait(60)
    page = says(admin_client.get(LIST, {"run": run}))
    assert "1 of 2 codes in stock, 2 paid, 8.00 EUR spent. 1 needs a person." in page
    (lost,) = Purchase.objects.filter(run=run, stage=Stage.KEY_LOST)
    assert f"The key of order {lost.external_id} was" in page
    assert Purchase.objects.get(run=other).external_id not in page


def test_an_account_is_chosen_where_there_are_several(shop, admin_client):
    make.account("Second", "g2a")
    make.account("Other shop", "g2g")
    page = says(admin_client.get(BUY))
    assert "Second" in page
    assert "Other shop" not in page
    assert not ApiCall.objects.exists()


def test_without_an_account_that_can_buy_it_says_so(db, admin_client):
    assert "No account that is switched on" in says(admin_client.get(BUY))


def test_a_name_is_looked_for_in_the_mirrored_catalogue(shop, admin_client):
    CatalogueProduct.objects.create(
        marketplace="g2a", external_id=PRODUCT, name="Amber Arena", price=Decimal("4.10"), currency="EUR"
    )
    page = says(admin_client.get(BUY, {"q": "amber"}))
    assert "From the mirrored catalogue" in page
    assert "4.10 EUR" in page
    assert "does not search by name" in says(admin_client.get(BUY, {"q": "nothing like it"}))


@pytest.mark.parametrize("op", ["G2A-02", "G2A-03"])
def test_trouble_of_the_marketplace_is_said_plainly(shop, admin_client, op):
    shop.fault(op, "timeout", times=None)
    address = BUY if op == "G2A-02" else chosen(shop)
    response = admin_client.get(address)
    assert response.status_code == 200
    assert "could not be reached" in says(response)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_price": "3.99"}, "The lowest price is 4.00 EUR now: none could be bought."),
        ({"quantity": 201}, "Only 200 are in stock there."),
        ({"quantity": 0}, "greater than or equal to 1"),
        ({"sku": "GAMES"}, "Nearest: GAME."),
        ({"currency": "euro"}, "three capital letters"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_before_the_question(shop, admin_client, fields, words):
    page = says(admin_client.post(chosen(shop), numbers(confirmed=1, run="no uuid", **fields)))
    assert words in page
    assert not Purchase.objects.exists()


def test_what_was_bought_before_is_proposed_and_what_is_being_bought_is_told(shop, admin_client):
    shop.order(1)
    assert 'value="GAME"' in says(admin_client.get(chosen(shop)))
    assert "The same is being bought already" in says(admin_client.post(chosen(shop), numbers()))


def test_a_purchase_is_processed_again_from_its_page(shop, admin_client):
    shop.order(1, max_price="3")
    shop.wait()
    shop.desk.sandbox.catalogue.change(PRODUCT, price="2.50")
    purchase = Purchase.objects.get()
    act(admin_client, LIST, "process_again", purchase, _from_page=purchase.pk)
    shop.wait()
    assert shop.is_whole(1)
    page = says(admin_client.get(reverse("admin:inventory_purchase_change", args=[purchase.pk])))
    assert f"code {Code.objects.get().pk}" in page
    assert 'value="give_up"' not in page


def test_giving_up_says_what_is_lost_first(shop, admin_client):
    shop.fault("G2A-06", "drop_after_commit")
    shop.order(1)
    shop.wait(60)
    purchase = Purchase.objects.get()
    asked = says(press(admin_client, LIST, "give_up", purchase))
    assert "1 of them are paid: 4.00 EUR stay spent without a code in stock." in asked
    assert Purchase.objects.get().stage == Stage.KEY_LOST

    assert "1 purchase given up" in says(press(admin_client, LIST, "give_up", purchase, answered=1))
    assert (Purchase.objects.get().stage, Purchase.objects.get().state) == (Stage.GIVEN_UP, State.DONE)


def test_who_may_only_look_buys_and_decides_nothing(shop):
    shop.order(1, max_price="3")
    shop.wait()
    client = signed_in("inventory.view_purchase")
    assert client.get(LIST).status_code == 200
    assert BUY not in says(client.get(LIST))
    assert client.get(BUY).status_code == 403
    assert client.post(chosen(shop), numbers(confirmed=1)).status_code == 403
    press(client, LIST, "give_up", Purchase.objects.get(), answered=1)
    press(client, LIST, "process_again", Purchase.objects.get())
    assert Purchase.objects.get().state == State.NEEDS_ATTENTION
    assert Purchase.objects.count() == 1


def test_who_may_buy_need_not_be_a_superuser(shop):
    client = signed_in("inventory.view_purchase", "inventory.add_purchase")
    assert client.get(BUY).status_code == 200
    assert "How many" in says(client.get(chosen(shop)))


def test_no_page_opens_an_answer_or_shows_a_key(shop, admin_client, monkeypatch):
    """G2A-T60."""
    shop.order(2)
    shop.wait()
    keys = [order.key for order in shop.paid()]
    monkeypatch.setattr("backoffice.crypto.decrypt", pytest.fail)
    pages = [LIST, *(reverse("admin:inventory_purchase_change", args=[row.pk]) for row in Purchase.objects.all())]
    for page in pages:
        text = says(admin_client.get(page))
        assert not [key for key in keys if key in text]


def test_the_list_asks_the_database_as_often_for_many_as_for_few(shop, admin_client, django_assert_max_num_queries):
    shop.order(40)
    with django_assert_max_num_queries(20):
        assert admin_client.get(LIST).status_code == 200


def test_a_codes_page_links_to_its_purchase(shop, admin_client, django_assert_max_num_queries):
    shop.order(1)
    shop.wait()
    purchase = Purchase.objects.get()
    with django_assert_max_num_queries(40):
        text = admin_client.get(reverse("admin:inventory_code_change", args=[purchase.code_id])).content.decode()
    assert reverse("admin:inventory_purchase_change", args=[purchase.pk]) in text
    assert f"order {purchase.external_id}" in text

    (other,) = make.add_codes(purchase.product, 1)
    text = admin_client.get(reverse("admin:inventory_code_change", args=[other.pk])).content.decode()
    assert "not through an account" in text
