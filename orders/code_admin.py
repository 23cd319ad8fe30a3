"""Where a code went, on the code's own page."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy as _
from unfold.decorators import display

from backoffice.admin import EvidenceInline, link
from backoffice.run_admin import BulkRuns
from inventory.admin import CodeAdmin
from inventory.models import Batch, Code
from inventory.product_admin import BatchAdmin
from orders import batch_figures, decisions
from orders.models import DeliveryItem
from orders.recall_admin import RecallBatches, RecallCodes

admin.site.unregister([Batch, Code])


class CodeDeliveryInline(EvidenceInline):
    model = DeliveryItem
    fields = readonly_fields = (
        "delivery_link", "order_link", "picked_at", "sent_at", "accepted_at", "withdrawn_at", "returned_at",
    )  # fmt: skip
    verbose_name_plural = _("delivered in")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows = super().get_queryset(request).select_related("delivery__line__order", "code")
        return rows.defer("delivery__buyer_fields", "code__sealed", "code__index", "delivery__line__order__raw")

    @display(description=_("delivery"))
    def delivery_link(self, item: DeliveryItem) -> str:
        return link("admin:orders_delivery_change", str(item.delivery), item.delivery_id)

    @display(description=_("order"))
    def order_link(self, item: DeliveryItem) -> str:
        return link("admin:orders_order_change", str(item.delivery.order), item.delivery.order.pk)


@admin.register(Code)
class TraceableCodeAdmin(CodeAdmin):
    """The code's page, with the orders it went to, which the floor below knows nothing of."""

    inlines = (*CodeAdmin.inlines, CodeDeliveryInline)
    run_kinds = (*CodeAdmin.run_kinds, RecallCodes)
    actions = (*CodeAdmin.actions, "replace")
    buttons = (*CodeAdmin.buttons, "replace")
    page_only = (*CodeAdmin.page_only, "replace")

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.deliver_order"))

    def get_buttons(self, request: HttpRequest, row: Code) -> Sequence[str]:
        names = super().get_buttons(request, row)
        return names if decisions.can_replace(row) else [name for name in names if name != "replace"]

    @admin.action(description=_("Faulty: take another"), permissions=["deliver"])
    def replace(self, request: HttpRequest, queryset: "QuerySet[Code]") -> None:
        count = sum(decisions.replace(code, by=request.user.get_username()) for code in queryset)
        text = gettext("{rows} set apart as faulty; the delivery takes another now.")
        self.tell(
            request, count, text if count else gettext("It is picked for no delivery any more, or has left already.")
        )


@admin.register(Batch)
class RecallableBatchAdmin(BulkRuns, BatchAdmin):
    """The batch's page, from which all of it can be called back."""

    run_kinds = (RecallBatches,)
    change_form_after_template = "admin/orders/batch.html"

    def get_page_context(self, request: HttpRequest, row: Batch) -> dict[str, Any]:
        return {"states": batch_figures.table(row), "money": batch_figures.money_lines(row)}
