"""Where the admin's pages are."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse


def addresses(user: Any) -> Iterator[str]:
    """Every list, every form to add one, and the page of one row of each; of whatever the user may see in the admin."""
    request = RequestFactory().get("/")
    request.user = user
    yield reverse("admin:index")
    for model, page in admin.site._registry.items():
        if not page.has_view_permission(request):
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        if page.has_add_permission(request):
            yield reverse(f"{name}_add")
        if row := model._default_manager.order_by("pk").first():
            yield reverse(f"{name}_change", args=[row.pk])


def page_of(row: Any) -> str:
    """Where the page of one row is."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
