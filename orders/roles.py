"""The roles that staff get: groups with permissions, made after every migrate from the one table here.

A group is an administrator's once it is there. It is made once, and later gains only what is new in the table, so a
permission that was taken away, a new name, or a deletion lasts. A group of the same name that was there before is left
as it is. A migration can't do this: the permissions of later migrations don't exist yet when it runs.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from django.apps.registry import Apps
from django.db import transaction


def _can(app: str, verbs: str, models: str) -> tuple[str, ...]:
    return tuple(f"{app}.{verb}_{model}" for model in models.split() for verb in verbs.split())


EDIT = "view add change delete"
ALERTS = ("backoffice.view_alert", "backoffice.acknowledge_alert")

# Patterns as of fnmatch, against "app.codename". With a star a role gains what the product gains.
ROLES: dict[str, tuple[str, ...]] = {
    "Managers": (
        "backoffice.*",
        "marketplaces.*",
        "inventory.*",
        "orders.*",
        "django_q.view_*",
        "django_q.change_failure",
    ),
    "Listers": (
        *ALERTS,
        *_can("marketplaces", "view", "account catalogueproduct job"),
        "marketplaces.change_job",
        *_can("inventory", EDIT, "offer pricerule quantityrule"),
        *_can("inventory", "import export", "offer"),
        *_can("inventory", "view", "product pricechange competitorwatch fee exchangerate"),
        *_can("inventory", "view", "pause feed difference reconciliation"),
        "inventory.change_competitorwatch",
        "inventory.pause_sales",
        "inventory.reconcile",
    ),
    "Stock keepers": (
        *ALERTS,
        *_can("marketplaces", "view", "account catalogueproduct"),
        *_can("inventory", EDIT, "product supplier batch"),
        *_can("inventory", "view change", "code stocksettings"),
        *_can("inventory", "view add change", "purchase"),
        *_can("inventory", "view", "hold movement offer upload recall recalledcode codeimport"),
        "inventory.import_code",
        "inventory.move_stock",
        "inventory.recall_code",
        "inventory.upload_code",
    ),
    "Operators": (
        *ALERTS,
        *_can("marketplaces", "view", "account webhookevent apicall job"),
        "marketplaces.change_webhookevent",
        *_can("inventory", "view", "product offer hold code recall recalledcode"),
        "inventory.reveal_code",
        *_can("orders", "view", "order orderline delivery orderevent shipment remedy reservation poll"),
        *_can("orders", "view change", "purchaseorder orderreading"),
        *_can("orders", "accept deliver ship", "order"),
        "orders.see_contact",
    ),
    "Finance": (
        "marketplaces.view_account",
        *_can("inventory", "view", "product supplier batch purchase offer"),
        *_can("inventory", "view", "pricerule pricechange fee exchangerate"),
        "inventory.export_offer",
        *_can("orders", "view", "order orderline purchaseorder remedy"),
        "orders.view_reports",
    ),
    "Auditors": (
        "backoffice.view_*",
        "marketplaces.view_*",
        "inventory.view_*",
        "orders.view_*",
        "django_q.view_*",
        "auth.view_*",
    ),
}


def wanted(role: str, names: Iterable[str]) -> set[str]:
    """Pick a role's permissions out of `names`, each as “app.codename”."""
    return {name for name in names if any(fnmatchcase(name, pattern) for pattern in ROLES[role])}


def write_groups(*, using: str, apps: Apps) -> None:
    """Make the groups that were never made, and give the others what is new in the table.

    Safe to repeat, and to run twice at once. In the middle of a history of migrations it gives what is there so far.
    """
    try:
        role_model = apps.get_model("orders", "Role")
    except LookupError:  # migrated back to before there were roles
        return
    permissions = (
        apps.get_model("auth", "Permission")
        .objects.using(using)
        .values_list("content_type__app_label", "codename", "pk")
    )
    known = {f"{app}.{codename}": pk for app, codename, pk in permissions}
    for name in ROLES:
        with transaction.atomic(using=using):
            _write_group(
                role_model.objects.using(using), apps.get_model("auth", "Group").objects.using(using), name, known
            )


def _write_group(roles: Any, groups: Any, name: str, known: dict[str, int]) -> None:
    role, is_new = roles.get_or_create(name=name)
    role = roles.select_for_update().get(pk=role.pk)
    if is_new and not groups.filter(name=name).exists():
        role.group = groups.create(name=name)
    missing = wanted(name, known) - set(role.given)
    if role.group is not None:
        role.group.permissions.add(*(known[permission] for permission in missing))
    if is_new or missing:
        role.given = sorted({*role.given, *missing})
        role.save(update_fields=["group", "given"])
