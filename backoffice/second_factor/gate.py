"""Who has a second factor, or must have one, comes to no page of the admin before it was shown."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from backoffice.second_factor import devices

CHECK, SET_UP, STATUS = "second_factor_check", "second_factor_set_up", "second_factor"


class Gate:
    """Lead an unverified session to the one page that is open to it. Stands behind django-otp's middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.TWO_FACTOR != "off" and request.path.startswith(reverse("admin:index")):
            page = needed(request.user)
            if page and request.path not in (reverse(page), reverse("admin:logout")):
                return _lead_to(page, request)
        return self.get_response(request)


def needed(user: Any) -> str:
    """Name the page that this session has to pass first; empty for a verified one, or who needs no second factor."""
    if not user.is_authenticated or user.is_verified():
        return ""
    if devices.confirmed(user):
        return CHECK
    return SET_UP if devices.must_have(user) else ""


def _lead_to(page: str, request: HttpRequest) -> HttpResponse:
    where = request.get_full_path() if request.method == "GET" else reverse("admin:index")
    return HttpResponseRedirect(f"{reverse(page)}?{urlencode({'next': where})}")
