"""The roles of orders/roles.py: which pages each opens, what each is shown, and what none is given again."""

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import NoReverseMatch, reverse

from backoffice.models import Run
from orders import roles
from orders.models import Role
from tests.backoffice import world
from tests.backoffice.test_admin import MODELS, address, fill_queue

SELLING = {"inventory.Offer", "inventory.PriceRule", "inventory.PriceChange", "inventory.Fee", "inventory.ExchangeRate"}
PAGES = {
    "Managers": {model._meta.label for model in MODELS} - {"auth.User", "auth.Group"},
    "Listers": SELLING | {
        "backoffice.Alert", "marketplaces.Account", "marketplaces.Job",
        "marketplaces.CatalogueProduct", "inventory.Product", "inventory.QuantityRule", "inventory.CompetitorWatch",
        "inventory.Pause", "inventory.Feed", "inventory.Difference", "inventory.Reconciliation",
    },
    "Stock keepers": {
        "backoffice.Alert", "marketplaces.Account", "marketplaces.CatalogueProduct", "inventory.Product",
        "inventory.Supplier", "inventory.Batch", "inventory.Code", "inventory.CodeImport", "inventory.StockSettings",
        "inventory.Purchase",
        "inventory.Hold", "inventory.Movement", "inventory.Offer", "inventory.Upload", "inventory.Recall",
        "inventory.RecalledCode",
    },
    "Operators": {
        "backoffice.Alert", "marketplaces.Account", "marketplaces.WebhookEvent", "marketplaces.ApiCall",
        "marketplaces.Job", "inventory.Product", "inventory.Offer", "inventory.Hold", "inventory.Code",
        "inventory.Recall", "inventory.RecalledCode", "orders.Order", "orders.Delivery", "orders.OrderEvent",
        "orders.Shipment", "orders.Remedy", "orders.Reservation", "orders.Poll", "orders.PurchaseOrder",
        "orders.OrderReading",
    },
    "Finance": SELLING | {
        "marketplaces.Account", "inventory.Product", "inventory.Supplier", "inventory.Batch", "inventory.Purchase",
        "orders.Order", "orders.PurchaseOrder", "orders.Remedy",
    },
    "Auditors": {model._meta.label for model in MODELS},
}  # fmt: skip
SEE_CONTACTS = {"Managers", "Operators"}
REVEAL = {"Managers", "Operators"}


@pytest.fixture
def full(db):
    world.fill(1)
    fill_queue()


def signed_in(role):
    user = world.staff(role)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def names_of(permissions):
    names = permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in names}


def permissions_of(role):
    return names_of(Group.objects.get(name=role).permissions)


def pages_of(model):
    """The list, and the newest row of all."""
    row = model._default_manager.order_by("-pk").first()
    assert row is not None, f"the test made no {model._meta.label}"
    return [address(model, "changelist"), address(model, "change", row.pk)]


def rows_of_everything():
    """Every row of every table, to see that none changed; only a session may."""
    models = [model for model in apps.get_models() if model._meta.label != "sessions.Session"]
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in models}


@pytest.mark.parametrize("role", roles.ROLES)
def test_a_role_opens_its_pages_and_no_other_and_contacts_are_shown_to_who_ships(role, full):
    client = signed_in(role)
    shown = set()
    for model in MODELS:
        expected = 200 if model._meta.label in PAGES[role] else 403
        for url in pages_of(model):
            response = client.get(url)
            assert (url, response.status_code) == (url, expected)
            text = response.content.decode()
            shown |= {secret for secret in world.SECRETS if secret in text}

    # A login that goods are delivered to is read by who delivers; no code and no credential by anybody.
    assert shown == ({world.CONTACT, world.BUYER_FIELD} if role in SEE_CONTACTS else set())


@pytest.mark.parametrize("role", roles.ROLES)
def test_a_code_is_revealed_by_operators_and_managers_alone(role, full):
    client = signed_in(role)
    code = apps.get_model("inventory", "Code").objects.order_by("pk").first()
    said = {
        "action": "reveal",
        "_selected_action": code.pk,
        "_from_page": code.pk,
        "answered": "1",
        "reason": "A buyer asks",
    }

    text = client.post(reverse("admin:inventory_code_changelist"), said).content.decode()

    assert (world.CODE in text) == (role in REVEAL)
    assert apps.get_model("inventory", "CodeReveal").objects.filter(user=role).exists() == (role in REVEAL)


def test_whatever_an_auditor_posts_changes_nothing(full):
    client = signed_in("Auditors")
    before = rows_of_everything()
    for model in MODELS:
        page = admin.site._registry[model]
        row = model._default_manager.order_by("-pk").first()
        names = [*(page.actions or ()), *(f"run_{kind.__name__.lower()}" for kind in getattr(page, "run_kinds", ()))]
        for action in (*names, "delete_selected"):
            said = {"action": action, "_selected_action": row.pk, "_from_page": row.pk, "answered": "1", "confirmed": "1",
                    "post": "yes", "token": f"{model._meta.label}-{action}", "reason": "no", "units": "1"}  # fmt: skip
            client.post(address(model, "changelist"), said)
        for url in {address_of(pattern, row) for pattern in page.get_urls()} - {None}:
            client.post(url, {"post": "yes", "reason": "no"})
        assert client.post(address(model, "add"), {}).status_code == 403
        for name in ("change", "delete"):
            assert client.post(address(model, name, row.pk), {"post": "yes"}).status_code == 403

    assert rows_of_everything() == before


def address_of(pattern, row):
    for args in ((), (row.pk,)):
        try:
            return reverse(f"admin:{pattern.name}", args=args)
        except NoReverseMatch:
            continue
    return None


def test_an_auditor_is_offered_no_action(full, rf):
    request = rf.get("/")
    request.user = User.objects.get(pk=signed_in("Auditors").session["_auth_user_id"])
    offered = {
        (model._meta.label, name) for model in MODELS for name in admin.site._registry[model].get_actions(request)
    }

    assert offered == set()


def test_who_views_all_runs_stops_only_their_own(db):
    boss, viewer = world.staff("boss"), world.staff("viewer", "backoffice.view_run")
    theirs, own = (
        Run.objects.create(kind="inventory.offer_runs.Push", title="Push", by=user, token=user.username, total=1)
        for user in (boss, viewer)
    )
    client = Client()
    client.force_login(viewer)
    for run in (theirs, own):
        assert client.get(address(Run, "change", run.pk)).status_code == 200
        client.post(address(Run, "changelist"), {"action": "cancel", "_selected_action": run.pk, "_from_page": run.pk})

    theirs.refresh_from_db()
    own.refresh_from_db()
    assert (theirs.cancelled_at, own.cancelled_by) == (None, "viewer")


def test_every_name_in_the_table_is_a_permission(db):
    known = names_of(Permission.objects)

    unknown = {name for names in roles.ROLES.values() for name in names if "*" not in name} - known

    assert unknown == set()


@pytest.mark.parametrize("role", roles.ROLES)
def test_a_group_has_what_the_table_says(role, db):
    known = names_of(Permission.objects)

    assert permissions_of(role) == roles.wanted(role, known)
    assert not [name for name in permissions_of(role) if name.startswith(("auth.", "admin.")) and "view_" not in name]


def migrate():
    call_command("migrate", verbosity=0)


def test_what_an_administrator_changed_stays_changed(db):
    listers = Group.objects.get(name="Listers")
    listers.permissions.remove(Permission.objects.get(codename="delete_offer"))
    listers.permissions.add(Permission.objects.get(codename="view_order"))
    listers.name = "Product team"
    listers.save()
    Group.objects.get(name="Finance").delete()

    migrate()

    assert {"inventory.delete_offer", "orders.view_order"} & permissions_of("Product team") == {"orders.view_order"}
    assert not Group.objects.filter(name__in=("Listers", "Finance")).exists()


def test_what_is_new_in_the_table_is_given_once(db, monkeypatch):
    monkeypatch.setitem(roles.ROLES, "Finance", (*roles.ROLES["Finance"], "orders.view_shipment"))
    migrate()
    assert "orders.view_shipment" in permissions_of("Finance")

    Group.objects.get(name="Finance").permissions.remove(Permission.objects.get(codename="view_shipment"))
    migrate()
    assert "orders.view_shipment" not in permissions_of("Finance")


def test_a_group_that_was_there_before_gets_nothing(db):
    Role.objects.all().delete()
    Group.objects.all().delete()
    Group.objects.create(name="Operators")

    migrate()

    assert permissions_of("Operators") == set()
    assert "inventory.view_codereveal" in permissions_of("Auditors")


def test_migrating_again_writes_nothing(db):
    before = rows_of_everything()
    migrate()
    assert rows_of_everything() == before


def test_migrating_back_to_before_there_were_roles_makes_no_group(db):
    Group.objects.all().delete()

    roles.write_groups(using="default", apps=Apps())

    assert not Group.objects.exists()
