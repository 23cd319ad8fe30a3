"""The page of an order: everything from the webhook to the buyer's confirmation, with the one button that is needed now."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.formats import localize
from django.utils.text import Truncator
from django.utils.timezone import localtime
from django.utils.translation import gettext, gettext_lazy as _, ngettext
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display

from backoffice.admin import EvidenceAdmin, EvidenceInline, age, badge, in_lines, link, price, short
from backoffice.paginator import InlineRows
from backoffice.run_admin import BulkRuns
from inventory.rates import Rates
from marketplaces.models import ApiCall, WebhookEvent
from orders import acceptance, contact_page, disputes, earnings, fulfilment, shipment_admin, standing
from orders.delivery_runs import DeliverOrders
from orders.models import Acceptance, Delivery, DeliveryItem, Order, OrderEvent, OrderLine
from orders.order_runs import AcceptOrders, SettleDisputes
from orders.ship_runs import ShipOrders

ORDER_STATES = {
    "awaiting_payment": "warning", "on_hold": "warning", "new": "info", "accepted": "info", "ready_to_ship": "info",
    "shipped": "primary", "delivered": "primary", "completed": "success", "cancelled": "danger", "returned": "danger",
    "failed": "danger", "unknown": "warning",
}  # fmt: skip
CALLS_SHOWN = 50
CODES_SHOWN = 20  # for each delivery; its own page has them all
DELIVERIES_FOUND = 50


class AttentionFilter(DropdownFilter):
    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("needed", "A delivery or its acceptance needs attention"),
            ("disputed", "Disputed"),
            ("deleted", "Removed there"),
            ("hearsay", "From notifications only"),
        ]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        filters = {
            "needed": Q(needs_attention=True),
            "disputed": Q(is_disputed=True),
            "deleted": Q(deleted_at__isnull=False),
            "hearsay": Q(is_hearsay=True),
        }
        return queryset.filter(filters.get(self.value() or "", Q()))


class LinesOfPage(InlineRows):
    """The lines as the page has read them with their order."""

    def get_queryset(self) -> Any:
        return self.instance.lines.all()


class LineInline(EvidenceInline):
    model = OrderLine
    formset = LinesOfPage
    fields = readonly_fields = (
        "external_id", "product", "offer", "name", "sku", "quantity", "delivered", "shipped", "refunded", "unit_price",
    )  # fmt: skip


class TimelineInline(EvidenceInline):
    model = OrderEvent
    fields = readonly_fields = ("at", "level", "kind", "text", "codes")
    verbose_name_plural = _("timeline")
    per_page = 100

    @display(description=_("codes"))
    def codes(self, event: OrderEvent) -> str:
        numbers = event.data.get("codes", ())[:CODES_SHOWN]
        return render_to_string("admin/orders/order/numbers.html", {"numbers": numbers}) if numbers else ""


@admin.register(Order)
class OrderAdmin(shipment_admin.ShipsOrders, BulkRuns, EvidenceAdmin):
    """The mirror of an order and all we did for it. It is read, never edited: the truth is at the marketplace."""

    empty_help = _(
        "No order yet. Orders come by themselves, by notification and by polling, once an account is"
        " connected; “manage.py sync orders” reads them now."
    )
    empty_steps = ((_("Accounts"), "admin:marketplaces_account_changelist", "marketplaces.view_account"),)
    list_display = (
        "external_id", "number", age("ordered_at", _("ordered")), "account", "channel", badge("state", ORDER_STATES),
        "status_word", "products", "units", price("amount"), "needs_shipping", "attention",
    )  # fmt: skip
    list_filter = (
        ("state", ChoicesDropdownFilter), AttentionFilter, ("account", RelatedDropdownFilter),
        ("needs_shipping", BooleanRadioFilter), ("lines__product", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("account",)
    search_fields = ("external_id__startswith",)
    search_help_text = _("Beginning of the order's id, its whole number, or a whole delivery id")
    ordering = ("-ordered_at",)
    inlines = (LineInline, TimelineInline)
    change_form_outer_before_template = "admin/orders/order/top.html"
    change_form_after_template = "admin/orders/order/evidence.html"
    actions = ("accept", "deliver_now", "settle", *shipment_admin.ORDER_ACTIONS)
    buttons = ("accept", "deliver_now", "settle")
    page_only = ("accept", "deliver_now", "settle", "ship")
    run_kinds = (AcceptOrders, DeliverOrders, ShipOrders, SettleDisputes)

    paid = staticmethod(price("amount", _("amount")))
    fee_shown = staticmethod(price("fee", _("fee")))
    refunded_shown = staticmethod(price("refunded_amount", _("refunded")))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        stuck = Delivery.objects.filter(line__order=OuterRef("pk"), state=Delivery.State.NEEDS_ATTENTION)
        refused = Acceptance.objects.filter(order=OuterRef("pk"), state=Acceptance.State.NEEDS_ATTENTION)
        lines = Prefetch("lines", OrderLine.objects.select_related("product").order_by("pk"))
        rows = super().get_queryset(request).defer("raw", "contact").prefetch_related(lines)
        return rows.annotate(needs_attention=Q(Exists(stuck)) | Q(Exists(refused)))

    def get_page_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """All of the order and its lines at once: the page shows what the list leaves out."""
        lines = Prefetch("lines", OrderLine.objects.select_related("product", "offer__product").order_by("pk"))
        rows = super().get_page_queryset(request).select_related("account", "acceptance").defer(None)
        rows = rows if contact_page.may_see(request) else rows.defer("contact")
        return rows.prefetch_related(None).prefetch_related(lines)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        number = ("number", "channel") if obj and (obj.number or obj.channel) else ()
        known = ("known_from",) if obj and (obj.is_hearsay or obj.is_summary or obj.deleted_at) else ()
        words = ("state", "status_word", "event_status_word", "payment_word")
        sets: list[tuple[str | None, Any]] = [(None, ("account", "external_id", *number, *words, *known))]
        if obj and acceptance.has_acceptance(obj.account):
            cancel = ("cancelling",) if obj.account.service_class.elsewhere.get("cancel_order") else ()
            sets.append((gettext("Acceptance"), ("accepted", *cancel)))
        if obj and obj.needs_shipping:
            sets.append((gettext("Shipping"), ("needs_shipping", "shipping_methods_shown")))
        if obj and contact_page.may_see(request) and obj.contact:
            sets.append((gettext("Who bought it"), ("contact_shown", "erase_at")))
        sets += [
            (gettext("Money"), ("paid", "fee_shown", "refunded_shown", "is_disputed", "buyer")),
            (gettext("Times"), ("ordered_at", "remote_updated_at", "seen_at")),
        ]
        sent = (gettext("What the marketplace sent"), {"fields": ("raw",), "classes": ("collapse",)})
        return [*((name, {"fields": names}) for name, names in sets), sent]

    def get_search_results(self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str) -> Any:
        """Find by an order's id or number, or a delivery's id; each asks its own index, which an OR over a join would not."""
        term = search_term.strip()
        by_delivery = Delivery.objects.filter(external_id=term).values_list("line__order_id", flat=True)
        by_number = Order.objects.filter(number=term).values_list("pk", flat=True)
        orders = [*by_delivery[:DELIVERIES_FOUND], *by_number[:DELIVERIES_FOUND]] if term else []
        if not orders:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(Q(pk__in=orders) | Q(external_id__startswith=term)), False

    def get_page_context(self, request: HttpRequest, row: Order) -> dict[str, Any]:
        parcels = shipment_admin.parcels_of(row)
        items = Prefetch("items", DeliveryItem.objects.order_by("pk"))
        rows = Delivery.objects.filter(line__order=row).select_related("line__product").defer("buyer_fields")
        deliveries = list(rows.prefetch_related(items).order_by("pk"))
        kept = [parcel for parcel in parcels if parcel.deleted_at is None]
        for delivery in deliveries:
            delivery.line.order = row  # else each would read it once more
        # The buttons, which are asked for next, depend on them.
        vars(row)["page_deliveries"] = deliveries
        parts = [*(each.external_id for each in deliveries), *(each.external_id for each in kept)]
        about = [row.external_id, *filter(None, parts)]
        return {
            "standing": standing.sentence(row, deliveries, kept),
            "profit": list(map(str, earnings.of(DeliveryItem.objects.filter(delivery__line__order=row), Rates()))),
            "deliveries": _deliveries_table(deliveries),
            "events": _events_table(row),
            "calls": _calls_table(row, about),
            **shipment_admin.page_context(request, row, parcels, self.get_actions(request)),
        }

    def get_buttons(self, request: HttpRequest, row: Order) -> Sequence[str]:
        deliveries: Sequence[Delivery] = vars(row).get("page_deliveries", ())
        is_open = any(fulfilment.can_go_on(delivery) for delivery in deliveries)
        wanted = {"accept": acceptance.is_open_to(row), "deliver_now": is_open, "settle": row.is_disputed}
        return [name for name, is_of_use in wanted.items() if is_of_use]

    def has_accept_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.accept_order"))

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.deliver_order"))

    @display
    def products(self, order: Order) -> str:
        names = [
            str(line.product or line.name or line.external_product_id or "unknown product")
            for line in order.lines.all()
        ]
        return Truncator(", ".join(dict.fromkeys(names))).chars(80)

    @display
    def units(self, order: Order) -> int:
        return sum(line.quantity for line in order.lines.all())

    @display(label={"needed": "danger", "removed there": "danger", "disputed": "warning"})
    def attention(self, order: Any) -> str:
        flags = {
            "needed": order.needs_attention,
            "disputed": order.is_disputed,
            "removed there": order.deleted_at,
            "from notifications only": order.is_hearsay,
            "not read yet": order.is_summary,
        }
        return next((name for name, is_set in flags.items() if is_set), "")

    @display(description=_("how it is known"))
    def known_from(self, order: Order) -> str:
        return in_lines("\n".join(text for is_so, text in (
            (order.is_hearsay, "From notifications only: the marketplace can't be asked, so it may be behind."),
            (order.is_summary, "By its row in a list. The order itself is being read."),
            (order.deleted_at, "The marketplace removed it there. Everything is kept here."),
        ) if is_so))  # fmt: skip

    @display
    def accepted(self, order: Order) -> str:
        row = acceptance.wish_of(order)
        if row is None:
            return "Not from here."
        if row.state == Acceptance.State.DONE:
            return f"Yes, for {row.wished_by}."
        return f"{row.wished_by} wants it: {row.get_state_display()}. {row.last_error}".strip()

    @display(description=_("to cancel it"))
    def cancelling(self, order: Order) -> str:
        return order.account.service_class.elsewhere["cancel_order"]

    @display(description=_("ways of shipping"))
    def shipping_methods_shown(self, order: Order) -> str:
        methods = [" – ".join(filter(None, (way.get("name") or way.get("external_id"), way.get("delivery_time"))))
                   for way in order.shipping_methods]  # fmt: skip
        return in_lines("\n".join(methods))

    @display(description=_("buyer and addresses"))
    def contact_shown(self, order: Order) -> str:
        return contact_page.shown(order.contact)

    @admin.action(description=_("Accept"), permissions=["accept"])
    def accept(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        by = request.user.get_username()
        count = sum(acceptance.accept(order, by=by) for order in queryset.select_related("account"))
        text = gettext("A worker accepts {rows} now; the timeline shows what comes of it.")
        self.tell(
            request,
            count,
            text if count else gettext("Nothing to accept there: none is new, or it is on its way already."),
        )

    @admin.action(description=_("Deliver now"), permissions=["deliver"])
    def deliver_now(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        woken = sum(fulfilment.deliver_now(order) for order in queryset)
        text = ngettext(
            "A worker goes on with %(count)s delivery now; the timeline shows what comes of it.",
            "A worker goes on with %(count)s deliveries now; the timeline shows what comes of it.",
            woken,
        )
        self.tell(request, woken, text % {"count": woken} if woken else gettext("Nothing waits to be delivered there."))

    @admin.action(description=_("Settled"), permissions=["deliver"])
    def settle(self, request: HttpRequest, queryset: "QuerySet[Order]") -> None:
        disputed = list(queryset.filter(is_disputed=True))
        for order in disputed:
            disputes.settle(order, by=request.user.get_username())
        self.tell(request, len(disputed), gettext("{rows} settled; the flag is off until the buyer reports again."))


def _deliveries_table(rows: Sequence[Delivery]) -> dict[str, Any]:
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
            for row in rows
        ],
    }


def _events_table(order: Order) -> dict[str, Any]:
    events = WebhookEvent.objects.filter(account=order.account_id, subject=order.external_id).order_by("-received_at")
    return {
        "headers": ["received", "event", "work", "problem"],
        "rows": [
            [
                localize(localtime(event.received_at)),
                link("admin:marketplaces_webhookevent_change", event.kind, event.pk),
                event.get_state_display(),
                Truncator(event.last_error).chars(70),
            ]
            for event in events.defer("body", "headers")[:CALLS_SHOWN]
        ],
    }


def _calls_table(order: Order, about: Sequence[str]) -> dict[str, Any]:
    """Every request about the order, its deliveries and its parcels."""
    calls = ApiCall.objects.filter(account=order.account_id, about__in=about).order_by("-started_at")
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


@admin.register(OrderEvent)
class OrderEventAdmin(EvidenceAdmin):
    empty_help = _("Nothing has happened to an order yet.")
    empty_steps = ((_("Orders"), "admin:orders_order_changelist", "orders.view_order"),)
    list_display = ("at", "order", badge("level", {"warning": "warning"}), "kind", short("text", length=120))
    list_filter = (("level", ChoicesDropdownFilter),)
    list_select_related = ("order",)
    search_fields = ("order__external_id__exact",)
    search_help_text = _("An order's id")
    ordering = ("-pk",)
    fields = ("order", "at", "level", "kind", "text", "event_id", "data")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("order__raw", "order__contact")
