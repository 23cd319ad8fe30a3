"""Parcels: their list and page, and what an order's page has to pack, announce and print them."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice.admin import OUTGOING, EvidenceAdmin, EvidenceInline, age, answer, badge, in_lines, link, short
from backoffice.run_admin import BulkRuns
from orders import printing, shipping
from orders.models import Order, Shipment, ShipmentItem
from orders.ship_form import ShipForm
from orders.shipment_runs import DeleteParcels, MarkShipped, TryParcelsAgain

STATUSES = {"new": "info", "picked": "info", "packed": "info", "shipped": "success", "unknown": "warning"}
PRINTS = ("print_slips", "print_labels")
ORDER_ACTIONS = ("ship", *PRINTS)
PRINTED_AT_ONCE = 200


class Prints:
    """The actions that print, for whoever may see where parcels go."""

    def has_contact_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.see_contact")

    def has_ship_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.ship_order")

    @admin.action(description=_("Print packing slips"), permissions=["contact"])
    def print_slips(self, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponse:
        return self._print(request, queryset, "admin/orders/print/slips.html")

    @admin.action(description=_("Print address labels"), permissions=["contact"])
    def print_labels(self, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponse:
        return self._print(request, queryset, "admin/orders/print/labels.html")

    def _print(self, request: HttpRequest, queryset: "QuerySet[Any]", template: str) -> HttpResponse:
        sheets = [sheet for row in queryset[:PRINTED_AT_ONCE] for sheet in printing.sheets_of(row)]
        context = {"sheets": sheets, "paper": printing.paper_of(sheets)}
        return TemplateResponse(request, template, context)


# --- on an order's page ------------------------------------------------------------------------------------------


class ShipsOrders(Prints):
    """What the order's own admin class has for parcels."""

    change_form_outer_after_template = "admin/orders/order/parcels.html"

    @admin.action(description=_("Ship"), permissions=["ship"])
    def ship(self: Any, request: HttpRequest, queryset: "QuerySet[Order]") -> HttpResponse | None:
        order = queryset[0]
        form = ShipForm(answer(request), order=order)
        if not form.is_valid():
            return self.ask(request, queryset[:1], form=form, title="Ship", facts=[])
        try:
            shipment = shipping.ship(order, by=request.user.get_username(), **form.parcel())
        except shipping.NotShippable as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            text = gettext("%(parcel)s is packed, and the marketplace is being told; the timeline shows what it says.")
            self.message_user(request, text % {"parcel": shipment}, messages.SUCCESS)
        return None


def parcels_of(order: Order) -> Sequence[Shipment]:
    """All parcels of the order, deleted ones too, each with its items."""
    rows = Shipment.objects.filter(order=order).defer("contact", "raw")
    return list(rows.prefetch_related("items").order_by("pk"))


def page_context(
    request: HttpRequest, order: Order, parcels: Sequence[Shipment], actions: Mapping[str, Any]
) -> dict[str, Any]:
    """What an order's page shows of its parcels: those there are, what prints, and the form for the next one."""
    if not parcels and not order.needs_shipping:
        return {}
    headers = ["parcel", "status", "work", "units", "carrier", "tracking number", "problem"]
    table = {"headers": headers, "rows": [_row(shipment) for shipment in parcels]}
    unread = "Only its row in a list is known yet: the order is being read." if order.is_summary else ""
    problem = unread or shipping.cannot_ship(order)
    left = shipping.remaining_beside(order.lines.all(), parcels)
    is_open = any(left.values())
    may_ship = request.user.has_perm("orders.ship_order")
    form = ShipForm(None, order=order, left=left) if may_ship and is_open and not problem else None
    why = (
        problem or ("" if is_open else "Everything is in parcels.") or ("" if may_ship else "You may not ship orders.")
    )
    prints = [(name, actions[name][2]) for name in PRINTS if name in actions]
    return {"shows_parcels": True, "parcels": table, "prints": prints, "ship_form": form, "why_no_form": why}


def _row(shipment: Shipment) -> list[Any]:
    units = sum(item.units for item in shipment.items.all())
    status = "deleted" if shipment.deleted_at else shipment.get_status_display()
    return [
        link("admin:orders_shipment_change", str(shipment), shipment.pk),
        status,
        shipment.get_state_display(),
        units,
        shipment.carrier_name or shipment.carrier,
        outside(shipment.tracking_url, shipment.tracking_number) if shipment.tracking_number else "",
        shipment.last_error[:70],
    ]


def outside(url: str, text: str) -> str:
    """A link to somebody else's page; just the text where it is no web address, whatever a marketplace sends."""
    is_web = urlsplit(url).scheme.lower() in ("http", "https") if url else False
    return render_to_string("admin/orders/shipment/outside.html", {"url": url if is_web else "", "text": text})


# --- the parcels -----------------------------------------------------------------------------------------------------


class ItemInline(EvidenceInline):
    model = ShipmentItem
    fields = readonly_fields = ("sku", "name", "line", "wanted", "confirmed", "is_missing", "taken", "external_id")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("line__product", "line__offer").order_by("pk")


class DeletedFilter(DropdownFilter):
    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Not deleted"), ("yes", "Deleted"), ("stray", "Without an order")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        match self.value():
            case "yes":
                return queryset.exclude(deleted_at=None)
            case "no":
                return queryset.filter(deleted_at=None)
            case "stray":
                return queryset.filter(order=None)
        return queryset


@admin.register(Shipment)
class ShipmentAdmin(Prints, BulkRuns, EvidenceAdmin):
    """What was announced here and what marketplaces show; only actions change it."""

    empty_help = _(
        "No parcel yet. Open an order whose goods are shipped and announce a parcel; those that a marketplace"
        " knows are read by themselves."
    )
    empty_steps = ((_("Orders"), "admin:orders_order_changelist", "orders.view_order"),)
    list_display = (
        "name", "order_shown", "account", badge("status", STATUSES), badge("state", OUTGOING), "carrier_shown",
        "tracking_number", short("last_error", _("problem"), 50), age("created_at", _("since")), "deleted_at",
    )  # fmt: skip
    list_filter = (
        ("status", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter),
        DeletedFilter,
    )  # fmt: skip
    list_select_related = ("account", "order")
    search_fields = ("tracking_number__startswith", "external_id__exact")
    search_help_text = _("Beginning of a tracking number, or a whole shipment id")
    ordering = ("-created_at",)
    inlines = (ItemInline,)
    actions = (
        "print_slips", "print_labels", "mark_shipped", "delete_parcel", "try_again", "accept_partial", "never_arrived"
    )  # fmt: skip
    buttons = actions
    page_only = ("mark_shipped", "delete_parcel", "try_again", "accept_partial", "never_arrived")
    run_kinds = (MarkShipped, TryParcelsAgain, DeleteParcels)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        hidden = ("contact", "raw", "order__raw", "order__contact")
        return super().get_queryset(request).select_related(*self.list_select_related).defer(*hidden)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        what = ("order_link", "account", "external_id", "number", "status", "status_word", "channel", "order_number")
        way = ("carrier", "carrier_name", "tracking_number", "tracking", "waybill", "shipping_method_id", "comment")
        work = ("wish", "state", "failure", "last_error", "attempts", "next_try_at", "completes_order", "by")
        times = (
            "created_at", "sent_at", "repeated_at", "announced_at", "remote_created_at", "remote_updated_at", "deleted_at",
        )  # fmt: skip
        sets = [
            (None, what), (gettext("On its way"), way), (gettext("Work"), work), (gettext("Times"), times),
            (gettext("Notes"), ("notes_shown",)),
        ]  # fmt: skip
        if obj and self.has_contact_permission(request):
            sets.insert(1, (gettext("Addresses"), ("receiver", "sender")))
        return [(name, {"fields": fields}) for name, fields in sets]

    def get_buttons(self, request: HttpRequest, row: Shipment) -> Sequence[str]:
        useful = {
            "print_slips": True,
            "print_labels": True,
            "mark_shipped": shipping.can_mark_shipped(row),
            "delete_parcel": shipping.can_delete(row),
            "try_again": bool(row.wish) and row.state != Shipment.State.IN_FLIGHT,
            "accept_partial": shipping.is_partial(row),
            "never_arrived": shipping.is_unanswered(row),
        }
        return [name for name in self.buttons if useful[name]]

    @display(description=_("parcel"))
    def name(self, shipment: Shipment) -> str:
        return shipment.number or str(shipment)

    @display(description=_("order"))
    def order_shown(self, shipment: Shipment) -> str:
        return str(shipment.order or shipment.external_order_id or shipment.order_number)

    @display(description=_("order"))
    def order_link(self, shipment: Shipment) -> str:
        if shipment.order_id is None:
            return f"{shipment.external_order_id or shipment.order_number} (not here yet)"
        return link("admin:orders_order_change", str(shipment.order), shipment.order_id)

    @display(description=_("carrier"), ordering="carrier")
    def carrier_shown(self, shipment: Shipment) -> str:
        return shipment.carrier_name or shipment.carrier

    @display(description=_("track it"))
    def tracking(self, shipment: Shipment) -> str:
        return outside(shipment.tracking_url, shipment.tracking_url)

    @display(description=_("waybill"))
    def waybill(self, shipment: Shipment) -> str:
        return outside(shipment.label_url, shipment.label_url)

    @display(description=_("to"))
    def receiver(self, shipment: Shipment) -> str:
        return in_lines("\n".join(printing.address_lines(printing.receiver_of(shipment), with_phone=True)))

    @display(description=_("from"))
    def sender(self, shipment: Shipment) -> str:
        return in_lines("\n".join(printing.address_lines((shipment.contact or {}).get("ship_from"), with_phone=True)))

    @display(description=_("notes"))
    def notes_shown(self, shipment: Shipment) -> str:
        return in_lines("\n".join(f"{note['at'][:16].replace('T', ' ')}  {note['text']}" for note in shipment.notes))

    @admin.action(description=_("Mark as shipped"), permissions=["ship"])
    def mark_shipped(self, request: HttpRequest, queryset: "QuerySet[Shipment]") -> None:
        by = request.user.get_username()
        count = self._each(request, queryset, lambda row: shipping.mark_shipped(row, by=by))
        self.tell(request, count, gettext("The marketplace is being told of {rows}; each page shows what it says."))

    @admin.action(description=_("Delete at the marketplace"), permissions=["ship"])
    def delete_parcel(self, request: HttpRequest, queryset: "QuerySet[Shipment]") -> HttpResponse | None:
        form = forms.Form(answer(request))
        if not form.is_valid():
            facts = [
                "The parcel is removed there and stays here, marked as deleted. Its units can be packed again. The order"
                " stays as it is: where it is shown as shipped, it goes on being shown so.",
            ]
            title = "Delete at the marketplace"
            return self.ask(request, queryset[:1], form=form, title=title, facts=facts, is_dangerous=True)
        by = request.user.get_username()
        count = self._each(request, queryset[:1], lambda row: shipping.delete(row, by=by))
        self.tell(request, count, gettext("{rows} being deleted; the page shows what comes of it."))
        return None

    @admin.action(description=_("Try again"), permissions=["ship"])
    def try_again(self, request: HttpRequest, queryset: "QuerySet[Shipment]") -> None:
        count = sum(shipping.try_again(row) for row in queryset)
        self.tell(request, count, gettext("A worker goes on with {rows} now."))

    @admin.action(description=_("The smaller number is right"), permissions=["ship"])
    def accept_partial(self, request: HttpRequest, queryset: "QuerySet[Shipment]") -> None:
        count = sum(shipping.accept_partial(row, by=request.user.get_username()) for row in queryset)
        self.tell(request, count, gettext("{rows} taken as the marketplace shows them; the rest can be packed again."))

    @admin.action(description=_("It never arrived: announce it again"), permissions=["ship"])
    def never_arrived(self, request: HttpRequest, queryset: "QuerySet[Shipment]") -> None:
        count = sum(shipping.never_arrived(row, by=request.user.get_username()) for row in queryset)
        self.tell(request, count, gettext("A worker looks once more and announces {rows} again."))

    def _each(self, request: HttpRequest, queryset: "QuerySet[Shipment]", verb: Any) -> int:
        count = 0
        for row in queryset:
            try:
                verb(row)
            except shipping.NotShippable as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                count += 1
        return count
