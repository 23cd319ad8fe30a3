"""Feeds: what was asked for at once, and which of its offers are there."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice.admin import OUTGOING, EvidenceAdmin, age, answer, badge, link, short
from inventory import feeds
from inventory.models import Feed

STATUSES = {
    "waiting": "info", "unanswered": "danger", "queued": "info", "confirmed": "success", "partly": "warning",
    "unconfirmed": "danger", "dropped": "",
}  # fmt: skip


@admin.register(Feed)
class FeedAdmin(EvidenceAdmin):
    """How far a feed is; its offers, each with its own state, are one click away."""

    empty_help = _(
        "No feed was sent yet. Where a marketplace takes many new offers at once, pushing them makes a feed,"
        " and it is followed here."
    )
    empty_steps = ((_("Offers"), "admin:inventory_offer_changelist", "inventory.view_offer"),)
    list_display = (
        "name", "account", badge("status", STATUSES), "size", "there", badge("state", OUTGOING, _("work")),
        short("last_error", _("problem"), 60), "by", age("created_at", _("asked")),
    )  # fmt: skip
    list_filter = (
        ("status", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter),
    )  # fmt: skip
    list_select_related = ("account",)
    search_fields = ("external_id__exact",)
    search_help_text = _("The marketplace's number of it")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": ("account", "external_id", "status", "size", "its_offers", "missing")}),
        (_("Work"), {"fields": ("state", "failure", "last_error", "attempts", "next_try_at")}),
        (_("Times"), {"fields": ("by", "created_at", "sent_at", "checked_at", "ended_at")}),
    )
    readonly_fields = ("its_offers", "missing")
    actions = ("drop",)
    buttons: Sequence[str] = ("drop",)
    page_only: Sequence[str] = ("drop",)  # each is judged by itself

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        there = Count("offers", filter=~Q(offers__external_id=""))
        return super().get_queryset(request).annotate(units_there=there)

    def get_buttons(self, request: HttpRequest, row: Feed) -> Sequence[str]:
        return self.buttons if row.ended_at is None else ()

    @display(description=_("feed"), ordering="pk")
    def name(self, row: Feed) -> str:
        return str(row)

    @display(description=_("there"))
    def there(self, row: Any) -> int:
        return int(row.units_there)

    @display(description=_("offers, each with its state"))
    def its_offers(self, row: Feed) -> str:
        return link("admin:inventory_offer_changelist", f"see all {row.size:,}", query=f"feed__id__exact={row.pk}")

    @display(description=_("not seen there yet"))
    def missing(self, row: Any) -> str:
        left = row.size - row.units_there
        query = f"feed__id__exact={row.pk}&external_id__exact="
        return link("admin:inventory_offer_changelist", f"{left:,} offers", query=query)

    @admin.action(description=_("Give up"), permissions=["change_offer"])
    def drop(self, request: HttpRequest, queryset: "QuerySet[Feed]") -> HttpResponse | None:
        if answer(request) is None:
            facts = ["What it has made stays. What is not there may then be pushed by itself: make sure first that the"
                     " marketplace does not work on it any more, or it will be there twice."]  # fmt: skip
            return self.ask(request, queryset, form=forms.Form(), title="Give up", facts=facts, is_dangerous=True)
        count = sum(feeds.drop(feed, by=request.user.get_username()) for feed in queryset)
        self.tell(request, count, gettext("{rows} given up. One that is being sent, or is over, is left alone."))
        return None

    def has_change_offer_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.change_offer"))
