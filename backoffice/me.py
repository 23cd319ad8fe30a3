"""What belongs to whoever is logged in: the page of their settings, their keys, and what they do with saved filters."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IS_POPUP_VAR, IncorrectLookupParameters
from django.contrib.admin.views.main import ALL_VAR, PAGE_VAR
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from backoffice import filters, theme
from backoffice.comfort import Preference, SavedFilter

ZONE = "time_zone"  # in the session, and in the login's form
Page = Callable[..., HttpResponse]


def _page(view: Page) -> Page:
    page: Page = admin.site.admin_view(view)
    return page


def _me(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


# --- settings ----------------------------------------------------------------------------------------------------


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"), required=False, widget=UnfoldAdminSelectWidget(),
        help_text=gettext_lazy("Times on all pages are shown in it, and days of reports begin at its midnight."),
    )  # fmt: skip
    has_shortcuts = forms.BooleanField(
        label=gettext_lazy("Keyboard shortcuts"), required=False, widget=UnfoldBooleanSwitchWidget(),
        help_text=gettext_lazy("Single keys that lead to lists and move within them. Press ? on any page to see them."),
    )  # fmt: skip

    class Meta:
        model = Preference
        fields = ("time_zone", "has_shortcuts")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        every = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
        default = _("Of this installation (%(zone)s)") % {"zone": settings.TIME_ZONE}
        self.fields["time_zone"].choices = [("", default), *((name, name) for name in every)]  # type: ignore[attr-defined]


@_page
def own_settings(request: HttpRequest) -> HttpResponse:
    """Show and keep a person's own settings."""
    user = _me(request)
    row = Preference.objects.filter(user=user).first() or Preference(user=user)
    form = SettingsForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        request.session[ZONE] = row.time_zone
        messages.success(request, _("Your settings are saved."))
        return HttpResponseRedirect(reverse("me:settings"))
    context = {**admin.site.each_context(request), "title": _("Your settings"), "form": form}
    return TemplateResponse(request, "admin/me/settings.html", context)


@_page
@require_safe
def shortcuts(request: HttpRequest) -> HttpResponse:
    """The keys of whoever asks: where they lead, for the lists that they may see, in their language."""
    row = Preference.objects.filter(user=_me(request)).first()
    keys = [
        {"keys": f"g {letter}", "title": str(title), "url": str(link)}
        for letter, title, link, may in theme.shortcuts()
        if may(request)
    ]
    texts = {
        "title": _("Keyboard shortcuts"), "search": _("Search in this list"), "next": _("Next row"),
        "previous": _("Previous row"), "open": _("Open the row"), "help": _("This help"), "close": _("Close"),
        "palette": _("Search everywhere"), "off": _("Turn them off in your settings"),
    }  # fmt: skip
    is_on = row is None or row.has_shortcuts
    return JsonResponse({"is_on": is_on, "go": keys, "texts": texts, "settings": reverse("me:settings")})


# --- saved filters -----------------------------------------------------------------------------------------------


def _tells_why(view: Page) -> Page:
    """Show a refusal as a message, and lead back to the list."""

    @wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            page = request.POST.get("page") or SavedFilter.objects.get(pk=kwargs["pk"]).page
            return HttpResponseRedirect(_list(page))

    return told


def _list(page: str, query: str = "") -> str:
    address = reverse(f"admin:{page.replace('.', '_')}_changelist")
    return f"{address}?{query or 'q='}"


def _admin_of(request: HttpRequest, page: str) -> Any:
    try:
        found = admin.site.get_model_admin(apps.get_model(page))
    except (LookupError, ValueError, admin.exceptions.NotRegistered) as error:
        raise Http404 from error
    if not found.has_view_or_change_permission(request):
        raise PermissionDenied
    return found


@_page
@require_POST
@_tells_why
def save_filter(request: HttpRequest) -> HttpResponse:
    """Keep what a list shows now under a name, without what may be a code."""
    page, user = request.POST.get("page", ""), _me(request)
    model_admin, said = _admin_of(request, page), QueryDict(request.POST.get("query", ""))
    shown = said.copy()
    for name in (PAGE_VAR, ALL_VAR, IS_POPUP_VAR):
        shown.pop(name, None)
    request.GET = shown  # type: ignore[assignment]
    try:
        known = model_admin.get_changelist_instance(request).filter_params
    except (IncorrectLookupParameters, DisallowedModelAdminLookup) as error:
        raise ValidationError(_("This list can't be filtered like that, so nothing was saved.")) from error
    pairs = [(name, value) for name, values in said.lists() for value in values]
    query, left_out = filters.cleaned(pairs, known)
    saved = filters.save(
        page, user, name=request.POST.get("name", ""), query=query, is_shared="is_shared" in request.POST
    )
    if "is_default" in request.POST:
        filters.make_default(saved, user, is_default=True)
    if left_out:
        text = _("“%(name)s” is saved without its search: that looks like a code, and codes are not kept in filters.")
        messages.warning(request, text % {"name": saved.name})
    else:
        messages.success(request, _("The filter “%(name)s” is saved.") % {"name": saved.name})
    return HttpResponseRedirect(_list(page, query))


@_page
@require_POST
@_tells_why
def change_filter(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename or delete a filter, share it, or make it the one that the list opens with."""
    user = _me(request)
    saved = get_object_or_404(filters.visible(user), pk=pk)
    _admin_of(request, saved.page)
    what = request.POST.get("do", "")
    if what in ("default", "no_default"):
        filters.make_default(saved, user, is_default=what == "default")
    elif not filters.may_change(saved, user):
        raise PermissionDenied
    elif what == "rename":
        filters.rename(saved, request.POST.get("name", ""))
    elif what in ("share", "unshare"):
        filters.share(saved, user, is_shared=what == "share")
    elif what == "delete":
        saved.delete()
        return HttpResponseRedirect(_list(saved.page))
    return HttpResponseRedirect(_list(saved.page, saved.query))


def keep_zone(request: HttpRequest, user: User, **kwargs: object) -> None:
    """At login: remember the person's zone; at the first one take the browser's, which its page has filled in."""
    row = Preference.objects.filter(user=user).first()
    told = request.POST.get(ZONE, "") if hasattr(request, "POST") else ""
    if row is None and told in available_timezones():
        row = Preference.objects.get_or_create(user=user, defaults={"time_zone": told})[0]
    if hasattr(request, "session"):
        request.session[ZONE] = row.time_zone if row else ""


app_name = "me"
urlpatterns = [
    path("", own_settings, name="settings"),
    path("shortcuts/", shortcuts, name="shortcuts"),
    path("filters/", save_filter, name="save_filter"),
    path("filters/<int:pk>/", change_filter, name="change_filter"),
]
