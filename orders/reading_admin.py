"""What is being read, and how far the lists were: to look at when an order does not show up."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from backoffice.admin import OUTGOING, EvidenceAdmin, age, badge, short
from backoffice.run_admin import BulkRuns
from marketplaces import outgoing
from orders.models import OrderReading, Poll
from orders.reading_runs import ReadAgain


@admin.register(OrderReading)
class OrderReadingAdmin(BulkRuns, EvidenceAdmin):
    empty_help = _(
        "No order waits to be read. One that is only known by a list or a notification is read by itself, and"
        " shown here until then."
    )
    list_display = (
        "external_id", "account", badge("state", OUTGOING), age("wished_at", _("wished")), "attempts", "failure",
        short("last_error", _("problem"), 60),
    )  # fmt: skip
    list_filter = (("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter))
    list_select_related = ("account",)
    search_fields = ("external_id__exact",)
    search_help_text = _("A whole order id")
    ordering = ("-wished_at",)
    actions = ("read_again",)
    buttons = ("read_again",)
    page_only = ("read_again",)
    run_kinds = (ReadAgain,)

    def has_read_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.change_orderreading"))

    @admin.action(description=_("Read again"), permissions=["read"])
    def read_again(self, request: HttpRequest, queryset: "QuerySet[OrderReading]") -> None:
        count = sum(outgoing.try_again(row) for row in queryset)
        self.tell(request, count, gettext("A worker takes up {rows} again."))


@admin.register(Poll)
class PollAdmin(EvidenceAdmin):
    empty_help = _(
        "No list was read yet. Workers read each account's lists for news by the clock; see that they run and"
        " that an account is enabled."
    )
    empty_steps = ((_("Accounts"), "admin:marketplaces_account_changelist", "marketplaces.view_account"),)
    list_display = ("kind", "account", age("read_until", _("read to the end")), age("next_at", _("next")), "failures",
                    short("last_error", _("problem"), 80))  # fmt: skip
    list_filter = (("account", RelatedDropdownFilter),)
    list_select_related = ("account",)
    ordering = ("account", "kind")
