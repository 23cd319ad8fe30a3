"""Orders and their deliveries: one page that shows everything, with the one button that is needed now."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.formats import localize
from django.utils.text import Truncator
from django.utils.timezone import localtime
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display

from backoffice.admin import OUTGOING, EvidenceAdmin, EvidenceInline, age, answer, badge, in_lines, link, price, short
from marketplaces.models import ApiCall
from marketplaces.types import DeliveryIssue
from orders import (
    code_admin,  # noqa: F401  (registers its page)
    decisions,
    fulfilment,
    reservations,
    shipment_admin,
    timeline,
    topups,
)
from orders.forms import ReportForm
from orders.models import Delivery, DeliveryItem, Order, OrderEvent, OrderLine, Reservation, ReservationLine

ORDER_STATES = {
    "awaiting_payment": "warning", "on_hold": "warning", "new": "info", "ready_to_ship": "info", "delivered": "primary",
    "completed": "success", "cancelled": "danger", "returned": "danger", "unknown": "warning",
}  # fmt: skip
DELIVERY_STATUSES = {
    "requested": "info", "short": "warning", "submitted": "info", "delivered": "success", "partial": "warning",
    "unfulfilled": "danger", "expired": "danger", "stopped": "warning",
}  # fmt: skip
RESERVATION_STATES = {"held": "info", "ordered": "success", "released": "primary", "expired": "warning"}
CALLS_SHOWN = 50
CODES_SHOWN = 20  # for each delivery; its own page has them all
DELIVERIES_FOUND = 50


class AttentionFilter(DropdownFilter):
    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("needed", "A delivery needs attention"), ("disputed", "Disputed")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        filters = {"needed": Q(needs_attention=True), "disputed": Q(is_disputed=True)}
        return queryset.filter(filters.get(self.value() or "", Q()))


class LineInline(EvidenceInline):
    model = OrderLine
    fields = readonly_fields = (
        "external_id", "product", "offer", "quantity", "delivered", "shipped", "refunded", "unit_price",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("product", "offer__product", "order")


class TimelineInline(EvidenceInline):
    model = OrderEvent
    fields = readonly_fields = ("at", "level", "kind", "text", "codes")
    verbose_name_plural = "timeline"
    per_page = 100

    @display(description="codes")
    def codes(self, event: OrderEvent) -> str:
        numbers = event.data.get("codes", ())[:CODES_SHOWN]
        return render_to_string("admin/orders/order/numbers.html", {"numbers": numbers}) if numbers else ""


@admin.register(Order)
class OrderAdmin(shipment_admin.ShipsOrders, EvidenceAdmin):
    """The mirror of an order and all we did for it. It is read, never edited: the truth is at the marketplace."""

    list_display = (
        "external_id", age("ordered_at", "ordered"), "account", badge("state", ORDER_STATES), "status_word", "products",
        "units", price("amount"), "attention",
    )  # fmt: skip
    list_filter = (
        ("state", ChoicesDropdownFilter), AttentionFilter, ("account", RelatedDropdownFilter),
        ("lines__product", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("account",)
    search_fields = ("external_id__startswith",)
    search_help_text = "Beginning of the order's id, or a whole delivery id"
    ordering = ("-ordered_at",)
    fieldsets = (
        (None, {"fields": ("account", "external_id", "state", "status_word", "event_status_word", "payment_word")}),
        ("Money", {"fields": ("paid", "fee_shown", "refunded_shown", "is_disputed", "buyer")}),
        ("Times", {"fields": ("ordered_at", "remote_updated_at", "seen_at")}),
        ("What the marketplace sent", {"fields": ("raw",), "classes": ("collapse",)}),
    )
    inlines = (LineInline, TimelineInline)
    change_form_after_template = "admin/orders/order/evidence.html"
    actions = ("deliver_now", "settle", *shipment_admin.ORDER_ACTIONS)
    buttons = ("deliver_now", "settle", *shipment_admin.ORDER_BUTTONS)

    paid = staticmethod(price("amount", "amount"))
    fee_shown = staticmethod(price("fee", "fee"))
    refunded_shown = staticmethod(price("refunded_amount", "refunded"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        stuck = Delivery.objects.filter(line__order=OuterRef("pk"), state=Delivery.State.NEEDS_ATTENTION)
        lines = Prefetch("lines", OrderLine.objects.select_related("product").order_by("pk"))
        return (
            super().get_queryset(request).defer("raw").annotate(needs_attention=Exists(stuck)).prefetch_related(lines)
        )

    def get_search_results(self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str) -> Any:
        """Find by the order's id or by a delivery's; each asks its own index, which an OR over a join would not."""
        by_delivery = Delivery.objects.filter(external_id=search_term.strip()).values_list("line__order_id", flat=True)
        orders = list(by_delivery[:DELIVERIES_FOUND]) if search_term else []
        if not orders:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(Q(pk__in=orders) | Q(external_id__startswith=search_term.strip())), False

    def get_page_context(self, request: HttpRequest, row: Order) -> dict[str, Any]:
        parcels = shipment_admin.page_context(request, row)
        return {"deliveries": _deliveries_table(row), "calls": _calls_table(row), **parcels}

    def get_buttons(self, request: HttpRequest, row: Order) -> Sequence[str]:
        deliveries = Delivery.objects.filter(line__order=row).select_related("line__order").defer("buyer_fields")
        is_open = any(fulfilment.can_go_on(delivery) for delivery in deliveries)
        names = [name for name, is_of_use in (("deliver_now", is_open), ("settle", row.is_disputed)) if is_of_use]
        return [*names, *shipment_admin.buttons_of(row)]

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.deliver_order"))

    @display
    def products(self, order: Order) -> str:
        names = [str(line.product or line.external_product_id or "unknown product") for line in order.lines.all()]
        return ", ".join(dict.fromkeys(names))

    @display
    def units(self, order: Order) -> int:
        return sum(line.quantity for line in order.lines.all())

    @display(label={"needed": "danger", "disputed": "warning"})
    def attention(self, order: Any) -> list[str] | str:
        if order.needs_attention:
            return "needed"
        return "disputed" if order.is_disputed else ""

    @admin.action(description="Deliver now", permissions=["deliver"])
    def deliver_now(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        woken = sum(fulfilment.deliver_now(order) for order in queryset)
        deliveries = f"{woken} deliver{'y' if woken == 1 else 'ies'}"
        text = f"A worker goes on with {deliveries} now; the timeline shows what comes of it."
        self.tell(request, woken, text if woken else "Nothing waits to be delivered there.")

    @admin.action(description="Settled", permissions=["deliver"])
    def settle(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        disputed = list(queryset.filter(is_disputed=True))
        for order in disputed:
            settle(order, by=request.user.get_username())
        self.tell(request, len(disputed), "{rows} settled; the flag is off until the buyer reports again.")


def _deliveries_table(order: Order) -> dict[str, Any]:
    rows = Delivery.objects.filter(line__order=order).defer("buyer_fields").order_by("pk")
    return {
        "headers": ["delivery", "status", "work", "units", "codes", "problem"],
        "rows": [
            [
                link("admin:orders_delivery_change", str(row), row.pk),
                row.get_status_display(),
                row.get_state_display(),
                f"{row.confirmed} of {row.requested}",
                render_to_string("admin/orders/order/codes.html", {"items": row.items.all()[:CODES_SHOWN]}),
                Truncator(row.last_error).chars(70),
            ]
            for row in rows.prefetch_related(Prefetch("items", DeliveryItem.objects.order_by("pk")))
        ],
    }


def _calls_table(order: Order) -> dict[str, Any]:
    calls = ApiCall.objects.filter(account=order.account_id, about=order.external_id).order_by("-started_at")
    return {
        "headers": ["when", "operation", "outcome", "took"],
        "rows": [
            [
                localize(localtime(call.started_at)),
                link("admin:marketplaces_apicall_change", call.operation, call.pk),
                call.error or call.status or "no answer",
                f"{call.milliseconds} ms",
            ]
            for call in calls.defer("request", "response")[:CALLS_SHOWN]
        ],
    }


def settle(order: Order, *, by: str) -> None:
    """Take the flag of a dispute off, on the record. Safe to repeat."""
    if Order.objects.filter(pk=order.pk, is_disputed=True).update(is_disputed=False):
        timeline.write(order, "settled", f"{by} settled the dispute.")


class ItemInline(EvidenceInline):
    model = DeliveryItem
    fields = readonly_fields = ("code_link", "picked_at", "sent_at", "accepted_at", "withdrawn_at", "returned_at")
    verbose_name_plural = "codes"
    ordering = ("pk",)
    per_page = 100

    @display(description="code")
    def code_link(self, item: DeliveryItem) -> str:
        return link("admin:inventory_code_change", f"code {item.code_id}", item.code_id)


@admin.register(Delivery)
class DeliveryAdmin(EvidenceAdmin):
    list_display = (
        "external_id", "order_id_shown", "account", badge("status", DELIVERY_STATUSES), badge("state", OUTGOING),
        "requested", "confirmed", "missing", "failure", short("last_error", "problem", 50), age("requested_at", "asked"),
    )  # fmt: skip
    list_filter = (
        ("state", ChoicesDropdownFilter), ("status", ChoicesDropdownFilter), ("account", RelatedDropdownFilter),
        ("kind", ChoicesDropdownFilter),
    )  # fmt: skip
    list_select_related = ("account", "line__order")
    search_fields = ("external_id__startswith",)
    search_help_text = "Beginning of the delivery's id"
    ordering = ("-pk",)
    inlines = (ItemInline,)
    actions = ("deliver_now", "report", "buyer_has_them", "never_arrived")
    buttons = ("report", "deliver_now", "buyer_has_them", "never_arrived")
    page_only = ("report", "buyer_has_them", "never_arrived")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("buyer_fields", "line__order__raw")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        what = (
            "external_id", "order_link", "account", "kind", "status", "status_word", "is_fetched", "is_replacement",
            "case_id",
        )  # fmt: skip
        units = ("requested", "confirmed", "missing")
        work = ("state", "failure", "last_error", "attempts", "next_try_at")
        times = ("requested_at", "expires_at", "checked_at", "submitted_at", "repeated_at")
        sets = [(None, what), ("Units", units), ("State", work), ("Times", times)]
        if obj and obj.reported is not None:
            sets.insert(2, ("Reported by a person", ("reported", "report_issue", "report_reference", "reported_by",
                                                     "reported_at", "report_sent_at")))  # fmt: skip
        if obj and self.has_deliver_permission(request) and obj.buyer_fields:
            sets.insert(1, ("For the top-up, from the buyer", ("buyer_fields_shown", "erase_at")))
        return [(name, {"fields": fields}) for name, fields in sets]

    def get_buttons(self, request: HttpRequest, row: Delivery) -> Sequence[str]:
        if topups.can_report(row):
            return ("report",)
        if decisions.is_unanswered(row):
            return ("buyer_has_them", "never_arrived")
        return ("deliver_now",) if fulfilment.can_go_on(row) else ()

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.deliver_order"))

    @display(description="order", ordering="line__order__external_id")
    def order_id_shown(self, delivery: Delivery) -> str:
        return str(delivery.order)

    @display(description="order")
    def order_link(self, delivery: Delivery) -> str:
        return link("admin:orders_order_change", str(delivery.order), delivery.order.pk)

    @display
    def missing(self, delivery: Delivery) -> int:
        return max(delivery.requested - delivery.confirmed, 0)

    @display(description="data")
    def buyer_fields_shown(self, delivery: Delivery) -> str:
        return in_lines("\n".join(f"{name}: {value}" for name, value in delivery.buyer_fields.items()))

    @admin.action(description="Report as done", permissions=["deliver"])
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
            self.tell(request, 1, "The marketplace is being told; the order's timeline shows what it says.")
        return None

    @admin.action(description="Deliver now", permissions=["deliver"])
    def deliver_now(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        count = sum(fulfilment.go_on(row) for row in queryset)
        self.tell(request, count, "A worker goes on with {rows} now; the order's timeline shows what comes of it.")

    @admin.action(description="The buyer has them", permissions=["deliver"])
    def buyer_has_them(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        count = sum(decisions.buyer_has_them(row, by=request.user.get_username()) for row in queryset)
        self.tell(request, count, "The codes of {rows} count as arrived; a worker goes on with the rest.")

    @admin.action(description="They never arrived: send the same again", permissions=["deliver"])
    def never_arrived(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        count = sum(decisions.never_arrived(row, by=request.user.get_username()) for row in queryset)
        self.tell(request, count, "A worker looks once more and sends the same codes of {rows} again.")


@admin.register(OrderEvent)
class OrderEventAdmin(EvidenceAdmin):
    list_display = ("at", "order", badge("level", {"warning": "warning"}), "kind", short("text", length=120))
    list_filter = (("level", ChoicesDropdownFilter),)
    list_select_related = ("order",)
    search_fields = ("order__external_id__exact",)
    search_help_text = "An order's id"
    ordering = ("-pk",)
    fields = ("order", "at", "level", "kind", "text", "event_id", "data")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("order__raw")


class ReservationLineInline(EvidenceInline):
    model = ReservationLine
    fields = readonly_fields = ("external_product_id", "product", "offer", "quantity", "unit_price", "hold")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("product", "offer__product", "hold__product", "reservation")


@admin.register(Reservation)
class ReservationAdmin(EvidenceAdmin):
    """What a marketplace holds with us for its buyers. It ends by itself: ordered, released, or when its time is up."""

    list_display = (
        "id", "account", badge("state", RESERVATION_STATES), "products", age("created_at", "made"), "until", "order",
    )  # fmt: skip
    list_filter = (("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter))
    list_select_related = ("account", "order")
    search_fields = ("id__exact", "order_number__exact", "external_id__exact")
    search_help_text = "A whole reservation id, our order id, or the marketplace's"
    ordering = ("-created_at",)
    fields = ("id", "account", "state", "created_at", "until", "external_id", "order_link", "order_number")
    inlines = (ReservationLineInline,)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        lines = Prefetch("lines", ReservationLine.objects.select_related("product").order_by("pk"))
        return super().get_queryset(request).defer("order__raw").prefetch_related(lines)

    def get_search_results(self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str) -> Any:
        """An id of ours is compared as one: PostgreSQL refuses to compare it with another text."""
        number = reservations.as_uuid(search_term.strip())
        if number is not None:
            return queryset.filter(Q(pk=number) | Q(order_number=number)), False
        return (queryset.filter(external_id=search_term.strip()) if search_term else queryset), False

    @display(description="products")
    def products(self, reservation: Reservation) -> str:
        return Truncator(", ".join(str(line) for line in reservation.lines.all())).chars(80)

    @display(description="order")
    def order_link(self, reservation: Reservation) -> str:
        return (
            link("admin:orders_order_change", str(reservation.order), reservation.order_id) if reservation.order else ""
        )
