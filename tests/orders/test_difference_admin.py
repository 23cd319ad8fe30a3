"""The page of differences: who sees it, what it says, and what its actions do."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backoffice import runs
from backoffice.models import Run, RunItem
from inventory.models import Difference, Offer
from marketplaces.models import Account
from orders.models import Order, OrderReading
from tests import make
from tests.backoffice import world
from tests.drain import drain
from tests.inventory.test_admin import OFFERS, act, says, signed_in

PAGE = reverse("admin:inventory_difference_changelist")


@pytest.fixture
def offer(db):
    return make.offer(
        make.product(codes=9), make.account(), external_id="G1", title="A card", state="done",
        pushed={"price": "9.99", "quantity": 9, "title": "A card"},
    )  # fmt: skip


def differ(offer, field="price", kind="by_hand", ours="9.99 USD", theirs="8.5 USD", **fields):
    return Difference.objects.create(
        account=offer.account, offer=offer, external_id=offer.external_id, field=field, kind=kind, ours=ours,
        theirs=theirs, **fields,
    )  # fmt: skip


def go(client, action, *rows, **said):
    act(client, PAGE, action, *rows, answered=1, confirmed=1, token="t", **said)
    drain()
    return list(RunItem.objects.order_by("pk").values_list("state", "text"))


@pytest.mark.smoke
def test_ours_and_theirs_stand_side_by_side_with_links(offer, admin_client):
    row = differ(offer)
    Difference.objects.create(
        account=offer.account, order_id="O-77", field="state", kind="order", ours="new", theirs="shipped"
    )
    text = says(admin_client.get(PAGE))
    for part in (
        "9.99 USD",
        "8.5 USD",
        "priced by hand",
        reverse("admin:inventory_offer_change", args=[offer.pk]),
        "?q=O-77",
    ):
        assert part in text
    assert "Push ours" in says(admin_client.get(reverse("admin:inventory_difference_change", args=[row.pk])))


def test_only_who_may_reconcile_sees_it_and_acts(offer):
    row = differ(offer)
    assert signed_in("inventory.view_offer").get(PAGE).status_code == 403
    client = signed_in_as("reader", "inventory.view_difference")
    assert "8.5 USD" in says(client.get(PAGE))
    go(client, "run_pushours", row)
    assert not RunItem.objects.exists()
    client = signed_in_as("reconciler", "inventory.reconcile")
    assert go(client, "run_pushours", row)


def signed_in_as(name, *permissions):
    client = Client()
    client.force_login(world.staff(name, *permissions))
    return client


def test_filters_choose_by_state_kind_field_and_age(offer, admin_client):
    differ(offer, theirs="1.11 USD", found_at=timezone.now() - timedelta(days=9))
    differ(offer, "quantity", "changed", "9", "777")
    differ(offer, "title", "changed", "A card", "Ignored words", state="ignored")
    for query, shown in {
        "": ("1.11 USD", "777"), "?kind__exact=changed": ("777",), "?of=price": ("1.11 USD",), "?older=week": ("1.11 USD",),
        "?state=ignored": ("Ignored words",), "?state=all": ("1.11 USD", "777", "Ignored words"),
        f"?account__id__exact={offer.account_id}": ("1.11 USD", "777"),
    }.items():  # fmt: skip
        text = says(admin_client.get(PAGE + query))
        assert [word for word in ("1.11 USD", "777", "Ignored words") if word in text] == list(shown)


def test_push_ours_shows_what_it_costs_and_pushes_exactly_what_is_wanted(offer, admin_client):
    row, gone = differ(offer), differ(offer, "offer", "gone", "wanted", "gone")
    preview = says(act(admin_client, PAGE, "run_pushours", row, gone))
    assert "1 of 2 chosen rows change" in preview
    assert "Forget the offer id" in preview
    assert Offer.objects.get().state == "done"
    go(admin_client, "run_pushours", row, gone)
    offer.refresh_from_db()
    assert offer.state != "done"
    assert (offer.price, "price" in offer.pushed, offer.pushed["quantity"]) == (Decimal("9.99"), False, 9)


def test_take_theirs_wants_what_is_there_and_pushes_nothing(offer, admin_client):
    rows = [
        differ(offer),
        differ(offer, "quantity", "changed", "9", "4"),
        differ(offer, "title", "changed", "A card", "Card!"),
    ]
    assert {state for state, _ in go(admin_client, "run_taketheirs", *rows)} == {"done"}
    offer.refresh_from_db()
    assert (offer.price, offer.quantity, offer.title, offer.state) == (Decimal("8.5"), 4, "Card!", "done")
    assert (offer.pushed["price"], offer.pushed["quantity"], offer.pushed["title"]) == ("8.5", 4, "Card!")
    assert set(Difference.objects.values_list("state", "by")) == {("settled", "admin")}


@pytest.mark.parametrize(
    ("field", "theirs", "reason"),
    [
        ("price", "8.5 EUR", "It is in EUR there, and in USD here."),
        ("price", "0 USD", "A price is more than nothing."),
        ("quantity", "700", "Only 9 can be shown"),
        ("status", "paused", "Only a price, a quantity or a title"),
    ],
)
def test_what_must_not_be_wanted_is_refused_with_its_reason(field, theirs, reason, offer, admin_client):
    ((state, text),) = go(admin_client, "run_taketheirs", differ(offer, field, "changed", "x", theirs))
    assert state == "failed"
    assert reason in text
    offer.refresh_from_db()
    assert (offer.price, offer.quantity) == (Decimal("9.99"), None)
    assert Difference.objects.get().state == "open"


def test_ignoring_takes_a_day_and_a_reason(offer, admin_client):
    row = differ(offer)
    yesterday = (timezone.localdate() - timedelta(days=1)).isoformat()
    assert "Choose a day to come." in says(
        act(admin_client, PAGE, "run_ignoreuntil", row, answered=1, until=yesterday, reason="x")
    )
    until = (timezone.localdate() + timedelta(days=3)).isoformat()
    go(admin_client, "run_ignoreuntil", row, until=until, reason="A fair")
    row.refresh_from_db()
    assert (row.state, row.by, row.reason) == ("ignored", "admin", "A fair")
    assert row.ignored_until > timezone.now() + timedelta(days=2)


def test_an_order_is_read_again_and_never_pushed(offer, admin_client):
    Order.objects.create(account=offer.account, external_id="O-77", state="new")
    row = Difference.objects.create(account=offer.account, order_id="O-77", field="state", kind="order")
    act(admin_client, PAGE, "run_readagain", row, answered=1, confirmed=1, token="t")
    runs.step(Run.objects.get().pk)
    assert OrderReading.objects.get().external_id == "O-77"
    assert RunItem.objects.get().state == "waiting"
    assert "An order is the marketplace" in says(act(admin_client, PAGE, "run_pushours", row))


def test_an_offer_and_its_account_say_how_many_there_are(offer, admin_client):
    differ(offer)
    assert f"{PAGE}?q=G1" in says(admin_client.get(OFFERS))
    account = Account.objects.get()
    page = says(admin_client.get(reverse("admin:marketplaces_account_change", args=[account.pk])))
    assert "1 difference between" in page


def test_the_list_takes_as_many_statements_for_fifty_rows_as_for_one(offer, admin_client):
    differ(offer)
    admin_client.get(PAGE)
    with CaptureQueriesContext(connection) as one:
        admin_client.get(PAGE)
    for number in range(49):
        differ(make.offer(offer.product, offer.account, external_id=f"X{number}"))
    with CaptureQueriesContext(connection) as fifty:
        admin_client.get(PAGE)
    assert len(fifty) == len(one)
