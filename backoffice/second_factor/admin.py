"""Who has a second factor, what happened to it, and the button for a lost phone."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from backoffice import login
from backoffice.admin import EvidenceAdmin, age, answer, badge, plain
from backoffice.second_factor import devices
from backoffice.second_factor.models import Authenticator, SecondFactorEvent

WHAT = {
    "set_up": "success", "replaced": "info", "new_codes": "info", "recovered": "warning", "refused": "warning",
    "turned_off": "warning", "reset": "danger",
}  # fmt: skip


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Such as “phone lost, called back at the known number”. Make sure that it is really them."),
    )


@admin.register(Authenticator)
class AuthenticatorAdmin(EvidenceAdmin):
    empty_help = _(
        "Nobody has set up a second factor yet. Each does it by themselves, under “Two-factor sign-in” behind their name;"
        " who must have one is led there at the next sign-in."
    )
    list_display = (
        plain("user", _("user")), age("created_at", _("set up")), age("last_used_at", _("last used")),
        plain("throttling_failure_count", _("wrong codes since")),
    )  # fmt: skip
    list_select_related = ("user",)
    search_fields = ("user__username__startswith",)
    search_help_text = _("Beginning of the user's name")
    ordering = ("user__username",)
    fields = ("user", "created_at", "last_used_at", "throttling_failure_count", "throttling_failure_timestamp")
    actions: Sequence[str] = ("reset",)
    buttons: Sequence[str] = ("reset",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Authenticator]":
        return super().get_queryset(request).filter(confirmed=True)  # type: ignore[no-any-return]

    def has_reset_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("backoffice.reset_second_factor"))

    @admin.action(description=_("Reset"), permissions=["reset"])
    def reset(self, request: HttpRequest, queryset: "QuerySet[Authenticator]") -> HttpResponse | None:
        form = ReasonForm(answer(request))
        if not form.is_valid():
            facts = ["Their app and recovery codes stop working, and their sessions end. At the next sign-in with the "
                     "password they set up another app."]  # fmt: skip
            return self.ask(request, queryset, form=form, title="Reset", facts=facts, is_dangerous=True)
        done = 0
        for device in list(queryset.select_related("user")):
            done += self._reset_one(request, device.user, form.cleaned_data["reason"])
        if done:
            self.tell(request, done, gettext("{rows} reset. They set up another app at the next sign-in."))
        return None

    def _reset_one(self, request: HttpRequest, user: Any, reason: str) -> int:
        by: Any = request.user
        try:
            devices.reset(user, by=by.get_username(), actor=by, reason=reason, address=login.client_address(request))
        except devices.NotAllowed as refused:
            self.message_user(request, str(refused), messages.ERROR)
            return 0
        return 1


@admin.register(SecondFactorEvent)
class SecondFactorEventAdmin(EvidenceAdmin):
    empty_help = _(
        "Nothing happened yet. What is set up, used, refused or reset is written down here, with who did it."
    )
    list_display = (
        plain("whose", _("user")),
        badge("what", WHAT),
        plain("by", _("by")),
        "reason",
        "address",
        age("at", _("when")),
    )
    list_filter = (("what", ChoicesDropdownFilter),)
    search_fields = ("whose__startswith",)
    search_help_text = _("Beginning of the user's name")
    ordering = ("-at",)
    fields = ("whose", "what", "by", "reason", "address", "at")
