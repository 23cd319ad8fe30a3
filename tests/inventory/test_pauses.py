"""The kill switch: what is paused shows nothing anywhere, says who paused it and why, and catches up when it is over."""

import pytest
from django.urls import reverse

from inventory import pauses, publishing, stock
from inventory.models import Offer, Pause
from marketplaces.models import Account
from tests import command, make
from tests.backoffice import world
from tests.drain import drain
from tests.inventory.test_admin import ACCOUNTS, OFFERS, act, press, says, signed_in
from tests.orders import story

PAUSES = reverse("admin:inventory_pause_changelist")
WIDE = reverse("admin:inventory_pause_wide")


@pytest.fixture
def shop(db):
    account = world.fill(2)
    Pause.objects.all().delete()
    return account


@pytest.fixture
def offers(db):
    """Two products on two accounts of different marketplaces: four offers."""
    products = [make.product(f"GAME-{n}", codes=5) for n in range(2)]
    accounts = [make.account("One", "g2g"), make.account("Two", "g2a")]
    return [
        make.offer(product, account, external_id=f"o-{product.sku}-{account.name}")
        for product in products
        for account in accounts
    ]


def shown():
    return [publishing.wanted_quantity(offer) for offer in Offer.objects.select_related("account").order_by("pk")]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("name", "left"),
    [
        (lambda offer: pauses.target(offer), [0, 5, 5, 5]),
        (lambda offer: pauses.target(offer.product), [0, 0, 5, 5]),
        (lambda offer: pauses.target(offer.account), [0, 5, 0, 5]),
        (lambda offer: pauses.target(offer.account.marketplace), [0, 5, 0, 5]),
        (lambda offer: pauses.EVERYTHING, [0, 0, 0, 0]),
    ],
)
def test_a_pause_stops_what_it_names_and_nothing_else(name, left, offers):
    what = name(offers[0])

    assert pauses.pause(what, by="ann", reason="stolen keys") == left.count(0)
    assert shown() == left
    assert set(Offer.objects.filter(state="due")) == {o for o, units in zip(offers, left, strict=True) if not units}

    Offer.objects.update(state="done")
    assert pauses.resume(what, by="bob") == left.count(0)
    assert shown() == [5, 5, 5, 5]
    over = Pause.objects.get()
    assert (over.by, over.reason, over.ended_by) == ("ann", "stolen keys", "bob")


@pytest.mark.smoke
def test_pausing_twice_is_one_pause_and_keeps_who_was_first(offers):
    for by in ("ann", "bob"):
        pauses.pause(pauses.EVERYTHING, by=by, reason="a reason")

    assert Pause.objects.get().by == "ann"
    pauses.resume(pauses.EVERYTHING, by="bob")
    assert pauses.resume(pauses.EVERYTHING, by="bob") == 0


def test_an_offer_under_two_pauses_is_for_sale_when_both_are_over(offers):
    pauses.pause(pauses.target(offers[0]), by="ann", reason="one")
    pauses.pause(pauses.EVERYTHING, by="ann", reason="two")

    pauses.resume(pauses.EVERYTHING, by="ann")

    assert shown() == [0, 5, 5, 5]


def test_many_offers_are_paused_and_resumed_in_few_statements(offers, django_assert_max_num_queries):
    with django_assert_max_num_queries(20):
        assert pauses.pause_offers(Offer.objects.all(), by="ann", reason="recall") == 4
    assert shown() == [0, 0, 0, 0]
    assert pauses.pause_offers(Offer.objects.all(), by="bob", reason="again") == 4
    assert set(Pause.objects.values_list("by", flat=True)) == {"ann"}

    assert pauses.resume_offers(Offer.objects.filter(pk=offers[0].pk), by="ann") == 1
    assert shown() == [5, 0, 0, 0]


def test_a_paused_offer_shows_nothing_at_its_marketplace_and_all_of_it_afterwards(g2g):
    story.begin(g2g, codes=3)
    offer = Offer.objects.get()

    pauses.pause(pauses.EVERYTHING, by="ann", reason="stolen keys")
    g2g.settle()
    offer.refresh_from_db()
    assert (offer.pushed_quantity, stock.sellable(offer.product_id)) == (0, 3)

    pauses.resume(pauses.EVERYTHING, by="ann")
    g2g.settle()
    offer.refresh_from_db()
    assert offer.pushed_quantity == 3


# --- pages and commands ----------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_pausing_asks_why_and_names_the_number_of_offers(shop, admin_client):
    response = press(admin_client, ACCOUNTS, "pause_sales", shop)

    assert "2 offers will be shown as out of stock until sales are resumed." in says(response)
    assert not Pause.objects.exists()


def test_an_account_is_paused_and_resumed_by_name(shop, admin_client):
    held = act(admin_client, ACCOUNTS, "pause_sales", shop, answered=1, reason="Stolen keys", _from_page=shop.pk)
    assert "2 offers are being shown as out of stock" in says(held)
    assert "by admin: Stolen keys" in says(held)
    assert held.redirect_chain[-1][0] == reverse("admin:marketplaces_account_change", args=[shop.pk])
    assert 'value="resume_sales"' in says(held)
    assert 'value="pause_sales"' not in says(held)
    assert "Stolen keys" in says(admin_client.get(PAUSES))

    press(admin_client, ACCOUNTS, "resume_sales", shop)
    assert not Pause.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize("page", ["offer", "product"])
def test_offers_and_products_have_the_switch_on_their_pages(page, shop, admin_client):
    offer = Offer.objects.select_related("product").first()
    row = offer if page == "offer" else offer.product
    url = reverse(f"admin:inventory_{page}_changelist")

    act(admin_client, url, "pause_sales", row, answered=1, reason="Stolen keys", _from_page=row.pk)

    paused = says(admin_client.get(reverse(f"admin:inventory_{page}_change", args=[row.pk])))
    assert "by admin: Stolen keys" in paused
    assert 'value="resume_sales"' in paused


def test_everything_is_paused_from_one_place_and_resumed_from_the_list(shop, admin_client):
    asked = admin_client.get(WIDE)
    assert "2 offers will be shown as out of stock" in says(asked)

    told = admin_client.post(WIDE, {"what": "", "reason": "Stolen keys"}, follow=True)
    assert "2 offers are being shown as out of stock" in says(told)

    act(admin_client, PAUSES, "run_endpauses", Pause.objects.get(), answered=1, confirmed=1, token="t")
    drain()
    assert Pause.objects.get().ended_by == "admin"


def test_nobody_pauses_without_the_permission(shop):
    client = signed_in("marketplaces.view_account", "marketplaces.change_account", "inventory.view_pause")

    press(client, ACCOUNTS, "pause_sales", shop, answered=1, reason="For fun")
    client.post(WIDE, {"what": "", "reason": "For fun"})

    assert not Pause.objects.exists()


def test_many_are_paused_and_resumed_as_a_run(shop, admin_client):
    offers = list(Offer.objects.all())
    said = {"answered": 1, "confirmed": 1, "reason": "Stolen keys", "token": "t1"}

    act(admin_client, OFFERS, "run_pauseoffers", *offers, **said)
    drain()
    assert Pause.objects.filter(ended_at=None).count() == len(offers)

    act(admin_client, OFFERS, "run_resumeoffers", *offers, confirmed=1, token="t2")
    drain()
    assert not Pause.objects.filter(ended_at=None).exists()


@pytest.mark.smoke
@pytest.mark.parametrize(
    "scope", [["--account", "One"], ["--sku", "GAME-0"], ["--marketplace", "g2g"], ["--everything"]]
)
def test_the_command_pauses_and_resumes(scope, offers):
    paused = command.outcome("pause_sales", *scope, "--reason", "stolen keys")
    assert (paused.status, paused.data["offers"]) == (0, Offer.objects.filter(state="due").count())

    resumed = command.outcome("resume_sales", *scope)
    assert (resumed.status, Pause.objects.filter(ended_at=None).count()) == (0, 0)


def test_an_account_page_says_that_it_is_paused_in_the_list(shop, admin_client):
    pauses.pause(pauses.target(Account.objects.get()), by="ann", reason="x")

    assert "paused" in says(admin_client.get(ACCOUNTS))
