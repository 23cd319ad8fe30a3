"""Whatever a marketplace does wrong stands once on the row and once on its account's page, and other rows go on."""

import html

import pytest
from django.urls import reverse
from django.utils.module_loading import import_string

from inventory import publishing
from inventory.models import Offer
from marketplaces import http, sandbox_wire
from marketplaces.models import Account
from tests import make
from tests.desk import open_desk
from tests.inventory.test_admin import says
from tests.marketplaces.test_admin import page as account_page

LABELS = {"g2a": "G2A", "g2g": "G2G"}
UPDATE, READ = {"g2a": "G2A-11", "g2g": "G2G-07"}, {"g2a": "G2A-09", "g2g": "G2G-06"}
SECRET = {"g2a": "api_key", "g2g": "secret"}


@pytest.fixture(params=LABELS)
def desk(request, db):
    with open_desk(request.param, "Main shop", requests_per_minute=600_000) as desk:
        yield desk


@pytest.fixture
def offers(desk):
    """Two offers that are there, with a new price that waits to be pushed."""
    contents = import_string(f"marketplaces.services.{desk.account.marketplace}.demo.offers")(2)
    product = make.product(codes=5)
    for content in contents:
        make.offer(
            product, desk.account, external_product_id=content.external_product_id, price=content.price,
            currency=content.currency, attributes=content.attributes, offer_type=content.offer_type,
            visibility=content.visibility,
        )  # fmt: skip
    publishing.request(Offer.objects.all())
    desk.advance(200)
    assert set(Offer.objects.values_list("state", flat=True)) == {"done"}
    return list(Offer.objects.order_by("pk"))


def push(desk, *offers, seconds=0.0):
    for offer in offers:
        Offer.objects.filter(pk=offer.pk).update(price=offer.price + 1)
        publishing.request(Offer.objects.filter(pk=offer.pk))
        desk.settle()
    if seconds:
        desk.advance(seconds)


def shown(client, row):
    return html.unescape(says(client.get(reverse("admin:inventory_offer_change", args=[row.pk]))))


def shown_of_account(client, desk):
    return html.unescape(says(client.get(account_page(desk.account))))


def other_pushes_go_on(desk, other):
    other.refresh_from_db()
    assert (other.state, other.last_error) == ("done", "")
    assert other.pushed["price"] == f"{other.price.normalize():f}"


def test_wrong_credentials(desk, offers, admin_client):
    """Every row of the account waits, with the reason, and goes on when they are right. Another account's do not wait."""
    name = SECRET[desk.account.marketplace]
    account = Account.objects.get(pk=desk.account.pk)  # not the object that tells the sandbox which secret is right
    right = account.credentials[name]
    account.credentials = {**account.credentials, name: "a-wrong-one"}
    account.save()
    with open_desk(
        next(slug for slug in LABELS if slug != account.marketplace), "Other", requests_per_minute=6000
    ) as other:
        assert other.account.service().check().usable
    import_string("django.core.cache.cache").clear()  # what it was let in with
    push(desk, *offers)

    words = f'Account "Main shop": {LABELS[account.marketplace]} refused the '
    first = shown(admin_client, offers[0])
    page = shown_of_account(admin_client, desk)
    assert words in first
    assert words in page
    assert "a-wrong-one" not in first + page

    values = {**account.credentials, name: right}
    Account.objects.filter(pk=account.pk).update(trouble="", trouble_since=None)
    fresh = Account.objects.get(pk=account.pk)
    fresh.credentials = values
    fresh.save()
    desk.advance(700)
    for offer in offers:
        other_pushes_go_on(desk, Offer.objects.get(pk=offer.pk))
    assert words not in shown_of_account(admin_client, desk)


def test_a_host_out_of_reach(desk, offers, admin_client):
    base_url = desk.account.base_url
    http.unmount(base_url)
    push(desk, *offers)

    words = f"{desk.account.marketplace}.test could not be reached"
    assert words in shown(admin_client, offers[0])
    assert f"2 offers: {words}" in shown_of_account(admin_client, desk)

    sandbox_wire.mount(desk.sandbox, base_url)
    desk.advance(700)
    for offer in offers:
        other_pushes_go_on(desk, offer)
    assert words not in shown_of_account(admin_client, desk)


def test_a_web_page_instead_of_an_answer(desk, offers, admin_client):
    desk.fault(UPDATE[desk.account.marketplace], "html")
    desk.fault(READ[desk.account.marketplace], "html")
    push(desk, offers[0])
    row = Offer.objects.get(pk=offers[0].pk)
    if desk.account.marketplace == "g2a":
        # Whatever it says, 200 means that the change was taken, and the offer is read again.
        assert row.state == "done"
        desk.fault(UPDATE["g2a"], "http_error", status=403)
        desk.fault(UPDATE["g2a"], "html")
        push(desk, row)
    first, page = shown(admin_client, row), shown_of_account(admin_client, desk)
    row.refresh_from_db()
    assert row.last_error
    assert row.last_error in first
    assert row.last_error in page
    assert "DOCTYPE" not in row.last_error
    push(desk, offers[1])
    other_pushes_go_on(desk, offers[1])


def test_a_word_that_nobody_knows(desk, offers, admin_client):
    Offer.objects.filter(pk=offers[0].pk).update(product=None)  # so that the look is the last word
    desk.fault(READ[desk.account.marketplace], "unknown_status")
    publishing.look_at(desk.account, offers[0].external_id)
    push(desk, offers[1])

    assert "word_of_tomorrow" in shown(admin_client, offers[0])
    page = shown_of_account(admin_client, desk)
    assert page.count("1 offer: the marketplace shows “word_of_tomorrow”, for which there is no word here") == 1
    offers[1].refresh_from_db()
    assert offers[1].state == "done"


def test_an_id_that_vanished(desk, offers, admin_client):
    desk.sandbox.offers.all[offers[0].external_id].status = "deleted"
    push(desk, *offers)

    words = f"Offer “{offers[0].external_id}” no longer exists there."
    assert words in shown(admin_client, offers[0])
    assert f"1 offer: {words}" in shown_of_account(admin_client, desk)
    other_pushes_go_on(desk, offers[1])
