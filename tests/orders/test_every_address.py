"""Every address that staff can open, found by looking at the URLs themselves: who may do nothing gets nowhere."""

import re
import uuid
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from tests.backoffice import world
from tests.backoffice.test_admin import a_failure, fill_queue

# Open to all staff: it concerns themselves alone, or shows no more than they may see.
OPEN = {
    "me:settings", "me:shortcuts", "me:save_filter",
    "index", "login", "logout", "password_change", "password_change_done", "jsi18n", "search",
    "second_factor", "second_factor_check", "second_factor_set_up", "second_factor_recovery_codes", "second_factor_turn_off",
}  # fmt: skip
INDEX = "/admin/"
CONVERTED = re.compile(r"<(?:(\w+):)?(\w+)>")


def addresses() -> Iterator[tuple[str, str]]:
    """(name, address) of every pattern below /admin/, with values that lead to rows where there are some."""
    for resolver in get_resolver().url_patterns:
        if isinstance(resolver, URLResolver) and str(resolver.pattern).startswith("admin/"):
            yield from _below(resolver, "/")


def _below(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, str]]:
    here = prefix + str(resolver.pattern)
    space = f"{resolver.namespace}:" if resolver.namespace not in (None, "admin") else ""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _below(pattern, here)
        elif isinstance(pattern, URLPattern) and isinstance(pattern.pattern, RoutePattern):
            whole = here + str(pattern.pattern)
            yield f"{space}{pattern.name or ''}", CONVERTED.sub(lambda found, whole=whole: _value(found, whole), whole)


def _value(found: re.Match[str], route: str) -> str:
    parts = route.strip("/").split("/")
    row = None
    if len(parts) > 2 and (model := _model(parts[1], parts[2])):
        row = model._default_manager.order_by("-pk").first()
    stand_in = {"int": "1", "uuid": str(uuid.uuid4())}.get(found[1] or "", "1")
    return str(row.pk) if row is not None else stand_in


def _model(app: str, name: str):
    try:
        return apps.get_model(app, name)
    except LookupError:
        return None


@pytest.fixture
def full(db):
    world.fill(1)
    fill_queue()
    a_failure(7)


def counts() -> dict[str, int]:
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            found[table] = cursor.fetchone()[0]
    return found


def leads_nowhere(client, answer) -> bool:
    """Refused at once, or sent to a page that refuses, to the login, or to the front page with a word of explanation."""
    if answer.status_code == 302:
        where = answer["Location"]
        return where == INDEX or "/admin/login/" in where or client.get(where).status_code in (403, 404)
    return answer.status_code in (400, 403, 404, 405)


def test_staff_without_permissions_get_nowhere(full):
    client = Client(raise_request_exception=False)
    client.force_login(world.staff("stranger"))
    every = list(addresses())
    before = counts()
    open_ones, refused = [], 0
    for name, address in every:
        if name in OPEN:
            continue
        for answer in (client.get(address), client.post(address, {"post": "yes", "_selected_action": "1"})):
            if leads_nowhere(client, answer):
                refused += 1
            else:
                open_ones.append((name, address, answer.status_code, answer.get("Location", "")))

    assert open_ones == []
    assert refused > 400
    assert {name for name, _ in every} >= {"inventory_code_find", "backoffice_run_results", "inventory_pause_wide"}
    assert counts() == before


def test_who_is_not_staff_is_sent_to_the_login_everywhere(full):
    client = Client(raise_request_exception=False)
    for name, address in addresses():
        if name not in ("login", "logout"):
            answer = client.get(address, follow=True)
            sent_to = [where for where, _ in answer.redirect_chain]
            assert answer.status_code == 404 or (sent_to and "/admin/login/" in sent_to[-1]), (name, answer.status_code)


def test_no_address_breaks_for_who_may_do_everything(full, admin_client):
    """And none is let open: where rows are there, each answers with a page, a file, or where to go instead."""
    client = Client(raise_request_exception=False)
    client.cookies = admin_client.cookies
    broken = []
    for name, address in addresses():
        if name not in ("logout",) and (status := client.get(address).status_code) >= 500:
            broken.append((name, address, status))

    assert broken == []


EVIDENCE = [
    "admin.LogEntry", "backoffice.SecondFactorEvent", "inventory.CodeReveal", "inventory.Movement", "inventory.PriceChange",
    "marketplaces.ApiCall", "orders.OrderEvent",
]  # fmt: skip


@pytest.mark.parametrize("label", EVIDENCE)
def test_the_trail_of_who_did_what_is_edited_by_nobody(label, rf, admin_user):
    """Not even by a superuser: it has no page at all, or one to look at."""
    model = apps.get_model(label)
    page = admin.site._registry.get(model)
    request = rf.get("/")
    request.user = admin_user

    assert page is not None or model is LogEntry
    if page is not None:
        assert not page.has_add_permission(request)
        assert not page.has_change_permission(request)
        assert not page.has_delete_permission(request)
        assert "delete_selected" not in page.get_actions(request)
