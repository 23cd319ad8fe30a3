"""Deliveries: what was asked for, what left, and what a person decides about it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice.admin import OUTGOING, EvidenceAdmin, EvidenceInline, age, answer, badge, in_lines, link, short
from backoffice.crypto import CannotOpen
from backoffice.run_admin import BulkRuns
from marketplaces.types import DeliveryIssue
from orders import decisions, fulfilment, topups
from orders.delivery_runs import DeliverNow
from orders.forms import ReportForm
from orders.models import Delivery, DeliveryItem

DELIVERY_STATUSES = {
    "requested": "info", "short": "warning", "submitted": "info", "delivered": "success", "partial": "warning",
    "unfulfilled": "danger", "expired": "danger", "stopped": "warning",
}  # fmt: skip


class ItemInline(EvidenceInline):
    model = DeliveryItem
    fields = readonly_fields = ("code_link", "picked_at", "sent_at", "accepted_at", "withdrawn_at", "returned_at")
    verbose_name_plural = _("codes")
    ordering = ("pk",)
    per_page = 100

    @display(description=_("code"))
    def code_link(self, item: DeliveryItem) -> str:
        return link("admin:inventory_code_change", f"code {item.code_id}", item.code_id)


@admin.register(Delivery)
class DeliveryAdmin(BulkRuns, EvidenceAdmin):
    empty_help = _(
        "Nothing was delivered yet. A delivery is made by itself as soon as a marketplace asks for it, or"
        " when a paid order may be delivered."
    )
    empty_steps = ((_("Orders"), "admin:orders_order_changelist", "orders.view_order"),)
    list_display = (
        "external_id", "order_id_shown", "account", badge("status", DELIVERY_STATUSES), badge("state", OUTGOING),
        "requested", "confirmed", "missing", "failure", short("last_error", _("problem"), 50),
        age("requested_at", _("asked")),
    )  # fmt: skip
    list_filter = (
        ("state", ChoicesDropdownFilter), ("status", ChoicesDropdownFilter), ("account", RelatedDropdownFilter),
        ("kind", ChoicesDropdownFilter),
    )  # fmt: skip
    list_select_related = ("account", "line__order")
    search_fields = ("external_id__startswith",)
    search_help_text = _("Beginning of the delivery's id")
    ordering = ("-pk",)
    inlines = (ItemInline,)
    actions = ("deliver_now", "report", "buyer_has_them", "never_arrived")
    buttons = ("report", "deliver_now", "buyer_has_them", "never_arrived")
    page_only = actions
    run_kinds = (DeliverNow,)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("buyer_fields", "line__order__raw", "line__order__contact")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        what = (
            "external_id", "order_link", "account", "kind", "status", "status_word", "is_fetched", "is_replacement",
            "case_id",
        )  # fmt: skip
        units = ("requested", "confirmed", "missing")
        work = ("state", "failure", "last_error", "attempts", "next_try_at")
        times = ("requested_at", "expires_at", "checked_at", "submitted_at", "repeated_at")
        sets = [(None, what), (gettext("Units"), units), (gettext("State"), work), (gettext("Times"), times)]
        if obj and obj.reported is not None:
            said = ("reported", "report_issue", "report_reference", "reported_by", "reported_at", "report_sent_at")
            sets.insert(2, (gettext("Reported by a person"), said))
        if obj and self.has_deliver_permission(request) and _of_the_buyer(obj):
            sets.insert(1, (gettext("For the top-up, from the buyer"), ("buyer_fields_shown", "erase_at")))
        return [(name, {"fields": fields}) for name, fields in sets]

    def get_buttons(self, request: HttpRequest, row: Delivery) -> Sequence[str]:
        if topups.can_report(row):
            return ("report",)
        if decisions.is_unanswered(row):
            return ("buyer_has_them", "never_arrived")
        return ("deliver_now",) if fulfilment.can_go_on(row) else ()

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.deliver_order"))

    @display(description=_("order"), ordering="line__order__external_id")
    def order_id_shown(self, delivery: Delivery) -> str:
        return str(delivery.order)

    @display(description=_("order"))
    def order_link(self, delivery: Delivery) -> str:
        return link("admin:orders_order_change", str(delivery.order), delivery.order.pk)

    @display
    def missing(self, delivery: Delivery) -> int:
        return max(delivery.requested - delivery.confirmed, 0)

    @display(description=_("data"))
    def buyer_fields_shown(self, delivery: Delivery) -> str:
        return in_lines(_of_the_buyer(delivery))

    @admin.action(description=_("Report as done"), permissions=["deliver"])
    def report(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> HttpResponse | None:
        delivery = queryset[0]
        form = ReportForm(answer(request), delivery=delivery)
        if not form.is_valid():
            facts = [
                f"Order {delivery.order}: {delivery.requested} units were asked for. The marketplace is told what you enter,"
                " once; it can't be corrected from here afterwards.",
            ]
            return self.ask(request, queryset[:1], form=form, title="Report as done", facts=facts)
        given = form.cleaned_data
        issue = DeliveryIssue(given.get("issue") or DeliveryIssue.OTHER)
        try:
            topups.report(
                delivery, delivered=given["delivered"], issue=issue, reference=given["reference"],
                by=request.user.get_username(),
            )  # fmt: skip
        except topups.NotReportable as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.tell(request, 1, gettext("The marketplace is being told; the order's timeline shows what it says."))
        return None

    @admin.action(description=_("Deliver now"), permissions=["deliver"])
    def deliver_now(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        count = sum(fulfilment.go_on(row) for row in queryset)
        self.tell(
            request, count, gettext("A worker goes on with {rows} now; the order's timeline shows what comes of it.")
        )

    @admin.action(description=_("The buyer has them"), permissions=["deliver"])
    def buyer_has_them(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        count = sum(decisions.buyer_has_them(row, by=request.user.get_username()) for row in queryset)
        self.tell(request, count, gettext("The codes of {rows} count as arrived; a worker goes on with the rest."))

    @admin.action(description=_("They never arrived: send the same again"), permissions=["deliver"])
    def never_arrived(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        count = sum(decisions.never_arrived(row, by=request.user.get_username()) for row in queryset)
        self.tell(request, count, gettext("A worker looks once more and sends the same codes of {rows} again."))


def _of_the_buyer(delivery: Delivery) -> str:
    """What the buyer filled in, a line each; what to do when it can't be opened."""
    try:
        return "\n".join(f"{name}: {value}" for name, value in delivery.buyer_fields.items())
    except CannotOpen as error:
        return f"It can't be opened. {error.advice}."
