"""Pausing and resuming, from the page of whatever is to be paused; and the list of what is."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from backoffice import clock
from backoffice.admin import BaseAdmin, EvidenceAdmin, age, answer, badge, short
from backoffice.run_admin import BulkRuns
from inventory import pauses
from inventory.models import Pause, QuantityRule
from inventory.stock_runs import EndPauses
from marketplaces import services
from marketplaces.forms import ReasonForm

LEVELS = {"everything": "danger", "marketplace": "danger", "account": "warning", "product": "warning", "offer": "info"}


class Pausable(BulkRuns):
    """A page with “Pause sales” or “Resume sales”, whichever makes sense now, and why it is paused."""

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.pause_sales"))

    def get_buttons(self, request: HttpRequest, row: Any) -> Sequence[str]:
        return [*super().get_buttons(request, row), "resume_sales" if _pause_of(row) else "pause_sales"]

    @display(description=_("sale"))
    def sale(self, row: Any) -> str:
        """Whether it is for sale, and if not who paused it and why."""
        pause = _pause_of(row)
        return f"Paused {clock.said(pause.at)} by {pause.by}: {pause.reason}" if pause else "Not paused."

    @admin.action(description=_("Pause sales"), permissions=["pause"])
    def pause_sales(self, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponse | None:
        form = ReasonForm(answer(request))
        targets = [pauses.target(row) for row in queryset]
        if not form.is_valid():
            told = pauses.facts(targets[0]) if len(targets) == 1 else [f"The sale of {len(targets)} will be stopped."]
            return self.ask(request, queryset, form=form, title="Pause sales", facts=told, is_dangerous=True)
        by, reason = request.user.get_username(), form.cleaned_data["reason"]
        count = sum(pauses.pause(each, by=by, reason=reason) for each in targets)
        self.message_user(request, _paused_words(count), messages.SUCCESS)
        return None

    @admin.action(description=_("Resume sales"), permissions=["pause"])
    def resume_sales(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        by = request.user.get_username()
        count = sum(pauses.resume(pauses.target(row), by=by) for row in queryset)
        text = gettext("Sales go on: %(count)s offers show their stock again within seconds.") % {"count": count}
        self.message_user(request, text, messages.SUCCESS)


def _paused_words(count: int) -> str:
    return gettext("Sales are paused: %(count)s offers are being shown as out of stock now.") % {"count": count}


def _pause_of(row: Any) -> Pause | None:
    """The pause of just this row, read once for its page."""
    known = vars(row)
    if "_pause" not in known:
        known["_pause"] = Pause.objects.filter(scope=pauses.target(row).scope, ended_at=None).first()
    return cast("Pause | None", known["_pause"])


class WidePauseForm(ReasonForm):
    """What is to be paused, beyond a single page: a marketplace, or everything."""

    what = forms.ChoiceField(label=_("Pause"), choices=[], widget=UnfoldAdminSelectWidget())
    field_order = ("what", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = [(slug, f"all of {label}") for slug, label in services.choices()]
        self.fields["what"].choices = [("", "everything, everywhere"), *named]  # type: ignore[attr-defined]
        self.fields["what"].required = False


@admin.register(Pause)
class PauseAdmin(BulkRuns, EvidenceAdmin):
    """What is not for sale because somebody said so, and what was."""

    empty_help = _(
        "Nothing is paused and nothing was. A product, an offer or an account is paused on its own page; a"
        " marketplace or everything with the button above."
    )
    empty_steps = ((_("Offers"), "admin:inventory_offer_changelist", "inventory.view_offer"),)
    list_display = (
        "named", badge("level", LEVELS), "by", short("reason"), age("at", _("since")), "ended_by",
        age("ended_at", _("until")),
    )  # fmt: skip
    list_filter = (("level", ChoicesDropdownFilter), ("account", RelatedDropdownFilter), "marketplace")
    list_select_related = ("offer", "product", "account")
    list_before_template = "admin/inventory/pause/everything.html"
    ordering = ("-at",)
    fields = ("named", "by", "reason", "at", "ended_by", "ended_at")
    actions = ("resume",)
    buttons = ("resume",)
    page_only = ("resume",)
    run_kinds = (EndPauses,)

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.pause_sales"))

    def get_buttons(self, request: HttpRequest, row: Pause) -> Sequence[str]:
        return self.buttons if row.ended_at is None else ()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {**(extra_context or {}), "may_pause": self.has_pause_permission(request)}
        return super().changelist_view(request, context)

    @display(description=_("what"))
    def named(self, pause: Pause) -> str:
        return pause.what

    @admin.action(description=_("Resume"), permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: "QuerySet[Pause]") -> None:
        self.tell(
            request,
            pauses.end(queryset, by=request.user.get_username()),
            gettext("{rows} ended; offers follow at once."),
        )

    def get_urls(self) -> list[Any]:
        return [
            path("wide/", self.admin_site.admin_view(self.wide_view), name="inventory_pause_wide"),
            *super().get_urls(),
        ]

    def wide_view(self, request: HttpRequest) -> HttpResponse:
        """Pause a marketplace, or everything."""
        back = HttpResponseRedirect(reverse("admin:inventory_pause_changelist"))
        if not self.has_pause_permission(request):
            self.message_user(request, gettext("You may not pause sales. Ask a manager."), messages.ERROR)
            return back
        form = WidePauseForm(request.POST or None)
        if form.is_valid():
            slug = form.cleaned_data["what"]
            what = pauses.target(slug) if slug else pauses.EVERYTHING
            count = pauses.pause(what, by=request.user.get_username(), reason=form.cleaned_data["reason"])
            self.message_user(request, _paused_words(count), messages.SUCCESS)
            return back
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Pause sales",
            "facts": pauses.facts(pauses.EVERYTHING),
            "form": form,
            "is_dangerous": True,
            "cancel": back.url,
        }
        return TemplateResponse(request, "admin/ask.html", context)


@admin.register(QuantityRule)
class QuantityRuleAdmin(BaseAdmin):
    """Rules for the number that offers show; an offer's own wins over its product's, and that over its account's."""

    empty_help = _(
        "No rule yet: offers show all that can be sold. Add a rule to keep units back, to show a share, or at"
        " most so many."
    )
    list_display = ("__str__", "buffer", "share", "cap", "stop_below", "fixed")
    list_filter = (("account", RelatedDropdownFilter),)
    list_select_related = ("offer__product", "product", "account")
    autocomplete_fields = ("offer", "product", "account")
    search_fields = ("product__sku__startswith", "offer__external_id__startswith")
    fieldsets = (
        (_("For one of these"), {"fields": ("offer", "product", "account")}),
        (_("Shown"), {"fields": ("buffer", "share", "cap", "stop_below", "fixed")}),
    )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self._tell_offers(obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        self._tell_offers(obj)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        gone = list(queryset.select_related("offer", "product", "account"))
        super().delete_queryset(request, queryset)
        for rule in gone:
            self._tell_offers(rule)

    def _tell_offers(self, rule: QuantityRule) -> None:
        pauses.publishing.request(pauses.target(rule.offer or rule.product or rule.account).offers)  # type: ignore[arg-type]
