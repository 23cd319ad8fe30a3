"""Who knocks at the login, and what is shown after too many failures. Named in the settings, for django-axes."""

from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def client_address(request: HttpRequest) -> str:
    """The address that a login comes from: what our proxy put last into its header, where one is configured.

    Whatever stands before it was sent by the client, and proves nothing.
    """
    said = request.META.get(settings.CLIENT_ADDRESS_HEADER, "") if settings.CLIENT_ADDRESS_HEADER else ""
    for address in (said.rpartition(",")[2].strip(), request.META.get("REMOTE_ADDR", "")):
        try:
            return str(ip_address(address))
        except ValueError:
            continue
    return "0.0.0.0"  # noqa: S104  (nobody's, so that who hides shares one count)


def name_for_logs(username: str, address: str, *args: Any) -> str:
    """Name a client by its address alone: people type passwords where the name belongs."""
    return f"a client at {address}"


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: Any, *args: Any) -> HttpResponse:
    """Answer 429 with a page that says when to try again, the same for names that exist and names that do not."""
    wait = settings.AXES_COOLOFF_TIME
    context = {**admin.site.each_context(request), "title": "Too many failed logins", "minutes": wait.seconds // 60}
    page = render(request, "admin/locked_out.html", context, status=429)
    page["Retry-After"] = str(wait.seconds)
    return page
