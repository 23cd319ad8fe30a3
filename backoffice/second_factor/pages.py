"""The pages of a person's own second factor: check it, set it up, and see how it is."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import django_otp
import segno
from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.signals import user_login_failed
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from backoffice import login
from backoffice.second_factor import devices, gate
from backoffice.second_factor.models import DIGITS, STEP_SECONDS, Authenticator

ISSUER = "Back office"
PENDING = "second_factor_pending"  # in the session: the primary key of the app that is being set up


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "inputmode": "text", "spellcheck": "false"}
        ),
    )


class AppCodeForm(CodeForm):
    code = forms.CharField(
        label=_("Code of the app"),
        help_text=_("Six digits; a new one appears every half minute."),
        max_length=10,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "inputmode": "numeric"}
        ),
    )


def check(request: HttpRequest) -> HttpResponse:
    """Ask for a code before anything else; the right one marks the session."""
    if gate.needed(request.user) != gate.CHECK:
        return HttpResponseRedirect(_next(request))
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            device = _checked(request, form.cleaned_data["code"])
        except devices.Wait as wait:
            form.add_error("code", _wait_words(wait))
        else:
            if device is not None:
                _mark(request, device)
                return HttpResponseRedirect(_next(request))
            form.add_error("code", gettext("This code is not right, or was used before. Wait for the next one."))
    return _page(request, "check", title="Two-factor sign-in", form=form)


def set_up(request: HttpRequest) -> HttpResponse:
    """Show a seed to an app, take its first code, and show the recovery codes this one time."""
    pk = request.session.get(PENDING)
    pending = Authenticator.objects.filter(pk=pk, user_id=request.user.pk, confirmed=False).first() if pk else None
    if request.method != "POST" or pending is None:
        pending = devices.begin(request.user, instead_of=pk)
        request.session[PENDING] = pending.pk
    form = AppCodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            done = devices.confirm(
                request.user,
                pending.pk,
                form.cleaned_data["code"],
                is_verified=request.user.is_verified(),  # type: ignore[union-attr]
                address=login.client_address(request),
            )
        except devices.Wait as wait:
            form.add_error("code", _wait_words(wait))
        except devices.NotAllowed as refused:
            messages.error(request, str(refused))
            return HttpResponseRedirect(reverse(gate.STATUS))
        else:
            if done:
                device, codes = done
                del request.session[PENDING]
                _mark(request, device)
                return _page(request, "recovery_codes", title="Recovery codes", codes=codes)
            form.add_error(
                "code", gettext("This code is not right. Is the phone's clock right? Wait for the next code.")
            )
    context = {"picture": _picture(pending), "key": devices.key_text(pending), "must": devices.must_have(request.user)}
    return _page(request, "set_up", title="Set up two-factor sign-in", form=form, **context)


def status(request: HttpRequest) -> HttpResponse:
    """Say how one's own second factor is, and what can be done about it."""
    context = {
        "device": devices.confirmed(request.user),
        "codes_left": devices.codes_left(request.user),
        "must": devices.must_have(request.user),
    }
    return _page(request, "status", title="Two-factor sign-in", **context)


def recovery_codes(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseRedirect(reverse(gate.STATUS))
    try:
        codes = devices.new_recovery_codes(request.user, address=login.client_address(request))
    except devices.NotAllowed as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(reverse(gate.STATUS))
    return _page(request, "recovery_codes", title="Recovery codes", codes=codes)


def turn_off(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        try:
            devices.turn_off(request.user, address=login.client_address(request))
        except devices.NotAllowed as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, gettext("You sign in with name and password alone from now on."))
    return HttpResponseRedirect(reverse(gate.STATUS))


def _checked(request: HttpRequest, code: str) -> Any:
    """Check a code, and let axes count a wrong one like a wrong password of the same name."""
    credentials = {"username": request.user.get_username()}
    if not AxesProxyHandler.is_allowed(request, credentials):
        raise devices.Wait(timezone.now() + settings.AXES_COOLOFF_TIME)
    device = devices.check(request.user, code, address=login.client_address(request))
    if device is None:
        user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    return device


def _mark(request: HttpRequest, device: Any) -> None:
    request.session.cycle_key()  # what was known of the session before it was worth more is worth nothing
    django_otp.login(request, device)


def _next(request: HttpRequest) -> str:
    wanted = request.GET.get("next", "")
    hosts = {request.get_host()}
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=hosts, require_https=request.is_secure())
    return wanted if is_ours else reverse("admin:index")


def _wait_words(wait: devices.Wait) -> str:
    seconds = max(1, round((wait.until - timezone.now()).total_seconds()))
    return gettext("Too many wrong codes. Wait %(seconds)s seconds, then try again.") % {"seconds": seconds}


def _picture(device: Authenticator) -> SafeString:
    label, issuer = quote(f"{ISSUER}:{device.user.get_username()}"), quote(ISSUER)
    secret = devices.key_text(device).replace(" ", "")
    facts = f"secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
    drawn = segno.make(f"otpauth://totp/{label}?{facts}", error="m")
    # The picture is drawn of squares alone; no text of anybody's stands in it.
    return mark_safe(drawn.svg_inline(scale=5, light="#ffffff", dark="#000000"))  # noqa: S308  # nosec


def _page(request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    page = TemplateResponse(
        request, f"admin/second_factor/{name}.html", {**admin.site.each_context(request), **context}
    )
    page["Cache-Control"] = "no-store, private"
    return page


def _offered(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A page for staff, and for nobody where the settings switch it off."""

    def page(request: HttpRequest) -> HttpResponse:
        if settings.TWO_FACTOR == "off":
            raise Http404("TWO_FACTOR is off")
        return view(request)

    return admin.site.admin_view(page)


urlpatterns: list[URLPattern] = [
    path("", _offered(status), name=gate.STATUS),
    path("check/", _offered(check), name=gate.CHECK),
    path("set-up/", _offered(set_up), name=gate.SET_UP),
    path("recovery-codes/", _offered(recovery_codes), name="second_factor_recovery_codes"),
    path("turn-off/", _offered(turn_off), name="second_factor_turn_off"),
]
