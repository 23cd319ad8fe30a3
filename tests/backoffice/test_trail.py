"""Who changed what, before and after: by form, action, run; secrets are named and never shown; nobody edits it."""

import json

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from backoffice import runs
from backoffice.models import Change
from inventory.models import AccountTerms, Offer, PriceRule, Product, QuantityRule
from inventory.offer_runs import ChangeQuantity
from marketplaces.models import Account
from tests import make
from tests.backoffice import world
from tests.inventory.test_offer_admin import shown_on

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]
SECRET = "planted-new-secret-81c"


def page(row, name="change"):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{name}", args=[row.pk])


def post(client, row, **changed):
    address, posted = shown_on(client, row, **changed)
    response = client.post(address, posted)
    assert response.status_code == 302, response.context["errors"]


def test_a_form_writes_before_and_after_and_the_history_shows_it(admin_client):
    product = make.product("GAME-1")

    post(admin_client, product, name="A better name", low_at=7)

    change = Change.objects.get()
    assert (change.kind, change.by, change.name) == ("changed", "admin", "GAME-1")
    assert change.fields == {"name": ["GAME-1 key", "A better name"], "low_at": [None, 7]}
    shown = admin_client.get(page(product, "history")).content.decode()
    assert "GAME-1 key" in shown
    assert "A better name" in shown


def test_saving_without_a_change_writes_nothing(admin_client):
    post(admin_client, make.product())

    assert not Change.objects.exists()


def test_adding_and_deleting_are_written_with_what_there_was(admin_client):
    admin_client.post(reverse("admin:inventory_product_add"), {"sku": "NEW", "name": "New", "kind": "codes"})
    product = Product.objects.get()
    admin_client.post(page(product, "delete"), {"post": "yes"})

    added, deleted = Change.objects.order_by("pk")
    assert (added.kind, added.fields["sku"]) == ("added", [None, "NEW"])
    assert (deleted.kind, deleted.fields["sku"]) == ("deleted", ["NEW", None])


def test_an_action_that_writes_by_itself_is_seen(admin_client):
    admin_client.post(
        reverse("admin:inventory_product_changelist"),
        {"action": "delete_selected", "_selected_action": make.product().pk, "post": "yes"},
    )

    assert Change.objects.get().kind == "deleted"


def test_accounts_show_options_and_never_secrets(admin_client):
    account = world.account()

    post(
        admin_client, account, option_requests_per_minute=30, credential_api_key=SECRET, webhook_secret=SECRET,
        registered_url=f"https://shop.example.com/hooks/{SECRET}/",
    )  # fmt: skip

    fields = {}
    for change in Change.objects.filter(page="marketplaces.account"):
        fields |= change.fields
    assert fields["options: requests_per_minute"][1] == 30
    assert fields["credentials"] == ["•••", "•••"]
    assert fields["registered_url"] == [None, "•••"]
    history = admin_client.get(page(account, "history")).content.decode()
    kept = json.dumps(list(Change.objects.values()), default=str)
    for secret in (*world.SECRETS, SECRET):
        assert secret not in kept
        assert secret not in history


def test_rows_on_an_accounts_page_are_seen_too(admin_client):
    account = world.account()
    AccountTerms.objects.create(account=account, min_margin="5")

    post(admin_client, account, **{"terms-0-min_margin": "12"})

    assert Change.objects.get(page="inventory.accountterms").fields == {"min_margin": ["5", "12"]}


def test_groups_and_permissions_of_users_are_told_by_what_was_added_and_taken(admin_client):
    user, group = world.staff("anna"), Group.objects.create(name="Night shift")

    post(admin_client, user, groups=[group.pk])

    assert Change.objects.get().fields == {"groups": [[], ["Night shift"]]}


def test_a_password_is_said_to_be_changed(admin_client):
    user = world.staff("anna")

    admin_client.post(
        reverse("admin:auth_user_password_change", args=[user.pk]),
        {"password1": SECRET, "password2": SECRET, "usable_password": "true"},
    )

    assert Change.objects.get().fields == {"password": ["•••", "•••"]}
    assert SECRET not in json.dumps(list(Change.objects.values()), default=str)


def test_a_run_writes_what_became_of_each_row(admin_client):
    offer = make.offer(make.product(), make.account())
    boss = User.objects.get(username="admin")

    run = runs.start(ChangeQuantity(), rows=Offer.objects.all(), said={"quantity": 5}, by=boss, token="t1")
    runs.step(run.pk)

    change = Change.objects.get(page="inventory.offer")
    assert (change.by, change.how, change.target) == ("admin", run.title, str(offer.pk))
    assert change.fields == {"quantity": [None, 5]}


def test_rules_are_followed(admin_client):
    offer = make.offer(make.product(), make.account())
    rule = QuantityRule.objects.create(offer=offer, buffer=1)
    pricing = PriceRule.objects.create(name="R", account=offer.account, kind="fixed", value="5", is_enabled=False)

    post(admin_client, rule, buffer=3)
    post(admin_client, pricing, value="6")

    assert [change.fields for change in Change.objects.order_by("pk")] == [{"buffer": [1, 3]}, {"value": ["5", "6"]}]


def test_nobody_edits_or_deletes_the_trail(admin_client):
    post(admin_client, make.product(), name="Other")
    change = Change.objects.get()

    assert admin_client.post(page(change), {"by": "nobody"}).status_code == 403
    assert admin_client.post(page(change, "delete"), {"post": "yes"}).status_code == 403
    assert admin_client.get(page(change)).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT codename FROM auth_permission WHERE codename LIKE '%%_change'")
        assert [name for (name,) in cursor.fetchall() if name.split("_")[1] == "change"] == ["view_change"]
    stranger = Client()
    stranger.force_login(world.staff("stranger"))
    assert stranger.get(page(change)).status_code == 403
    assert Account.objects.count() == 0
