"""Purchase orders: to be looked at. What is done with one is done in the marketplace's own pages."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice.admin import OUTGOING, EvidenceAdmin, age, badge, in_lines, price, short
from backoffice.run_admin import BulkRuns
from marketplaces import outgoing
from orders import contact_page
from orders.models import PurchaseOrder
from orders.order_admin import ORDER_STATES
from orders.reading_runs import ReadPurchaseOrdersAgain


@admin.register(PurchaseOrder)
class PurchaseOrderAdmin(BulkRuns, EvidenceAdmin):
    empty_help = _(
        "No purchase order yet. Where a marketplace orders from you in bulk, what it asks for is read by itself."
    )
    empty_steps = ((_("Accounts"), "admin:marketplaces_account_changelist", "marketplaces.view_account"),)
    list_display = (
        "external_id", age("ordered_at", _("made")), "account", badge("stage", ORDER_STATES, _("status")), "status_word",
        price("subtotal"), price("amount"), badge("state", OUTGOING, _("reading")), short("last_error", _("problem"), 50),
    )  # fmt: skip
    list_filter = (
        ("stage", ChoicesDropdownFilter), ("account", RelatedDropdownFilter), ("state", ChoicesDropdownFilter),
    )  # fmt: skip
    list_select_related = ("account",)
    search_fields = ("external_id__startswith",)
    search_help_text = _("Beginning of its number, which is no order's")
    ordering = ("-ordered_at",)
    actions = ("read_again",)
    buttons = ("read_again",)
    page_only = ("read_again",)
    run_kinds = (ReadPurchaseOrdersAgain,)

    subtotal_shown = staticmethod(price("subtotal", _("subtotal")))
    amount_shown = staticmethod(price("amount", _("total")))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("raw", "contact", "lines")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        what = ["account", "external_id", "stage", "status_word", "is_summary"]
        if obj and obj.account.service_class.elsewhere.get("accept_purchase_order"):
            what.append("accepting")
        sets = [(None, what), (gettext("What"), ("lines_shown", "subtotal_shown", "amount_shown"))]
        if obj and contact_page.may_see(request) and obj.contact:
            sets.append((gettext("Who wants it"), ("contact_shown", "erase_at")))
        sets += [
            (gettext("Times"), ("ordered_at", "seen_at")),
            (gettext("Reading"), ("state", "last_error", "next_try_at")),
        ]
        sent = (gettext("What the marketplace sent"), {"fields": ("raw",), "classes": ("collapse",)})
        return [*((name, {"fields": names}) for name, names in sets), sent]

    def has_read_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.change_purchaseorder"))

    @display(description=_("to accept it"))
    def accepting(self, row: PurchaseOrder) -> str:
        return row.account.service_class.elsewhere["accept_purchase_order"]

    @display(description=_("lines"))
    def lines_shown(self, row: PurchaseOrder) -> str:
        parts = [
            (f"{line.get('quantity') or '?'} ×", line.get("name"), line.get("sku"), line.get("unit_price"))
            for line in row.lines
        ]
        return in_lines("\n".join("  ".join(str(part) for part in line if part) for line in parts))

    @display(description=_("buyer and addresses"))
    def contact_shown(self, row: PurchaseOrder) -> str:
        return contact_page.shown(row.contact)

    @admin.action(description=_("Read again"), permissions=["read"])
    def read_again(self, request: HttpRequest, queryset: "QuerySet[PurchaseOrder]") -> None:
        count = sum(outgoing.try_again(row) for row in queryset)
        self.tell(request, count, gettext("A worker reads {rows} again."))
