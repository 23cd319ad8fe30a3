"""Reservations: what marketplaces hold with us for their buyers."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice.admin import EvidenceAdmin, EvidenceInline, age, badge, link
from orders import reservations
from orders.models import Reservation, ReservationLine

RESERVATION_STATES = {"held": "info", "ordered": "success", "released": "primary", "expired": "warning"}


class ReservationLineInline(EvidenceInline):
    model = ReservationLine
    fields = readonly_fields = ("external_product_id", "product", "offer", "quantity", "unit_price", "hold")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("product", "offer__product", "hold__product", "reservation")


@admin.register(Reservation)
class ReservationAdmin(EvidenceAdmin):
    """What a marketplace holds with us for its buyers. It ends by itself: ordered, released, or when its time is up."""

    empty_help = _(
        "No marketplace has reserved anything. Where one asks for units before it sells them, they are held"
        " here for a limited time."
    )
    list_display = (
        "id", "account", badge("state", RESERVATION_STATES), "products", age("created_at", _("made")), "until", "order",
    )  # fmt: skip
    list_filter = (("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter))
    list_select_related = ("account", "order")
    search_fields = ("id__exact", "order_number__exact", "external_id__exact")
    search_help_text = _("A whole reservation id, our order id, or the marketplace's")
    ordering = ("-created_at",)
    fields = ("id", "account", "state", "created_at", "until", "external_id", "order_link", "order_number")
    inlines = (ReservationLineInline,)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        lines = Prefetch("lines", ReservationLine.objects.select_related("product").order_by("pk"))
        return super().get_queryset(request).defer("order__raw", "order__contact").prefetch_related(lines)

    def get_search_results(self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str) -> Any:
        """An id of ours is compared as one: PostgreSQL refuses to compare it with another text."""
        number = reservations.as_uuid(search_term.strip())
        if number is not None:
            return queryset.filter(Q(pk=number) | Q(order_number=number)), False
        return (queryset.filter(external_id=search_term.strip()) if search_term else queryset), False

    @display(description=_("products"))
    def products(self, reservation: Reservation) -> str:
        return Truncator(", ".join(str(line) for line in reservation.lines.all())).chars(80)

    @display(description=_("order"))
    def order_link(self, reservation: Reservation) -> str:
        return (
            link("admin:orders_order_change", str(reservation.order), reservation.order_id) if reservation.order else ""
        )
