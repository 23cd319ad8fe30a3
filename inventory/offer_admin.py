"""Offers: what we want them to say, what was pushed, what was seen; and what a person can do about it."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice import money
from backoffice.admin import OUTGOING, answer, badge, plain, price, short
from backoffice.run_admin import BulkRuns
from inventory import pricing, publishing
from inventory.models import Offer, Upload
from inventory.offer_files import OfferFiles
from inventory.offer_pages import NEEDS, OfferThere
from inventory.offer_runs import KINDS
from inventory.pause_admin import Pausable
from inventory.upload_admin import OfferUploads

SEEN = {"live": "success", "out_of_stock": "warning", "paused": "warning", "suspended": "danger", "removed": "danger"}


@admin.register(Offer)
class OfferAdmin(OfferFiles, Pausable, BulkRuns, OfferUploads, OfferThere):
    """What we want an offer to say, what we last sent, and what was last seen there, side by side."""

    list_display = (
        "name", "account", "product", price("price"), "earns", "wanted", plain("pushed_quantity", "pushed"),
        plain("seen_quantity", "seen"), "uploaded", badge("state", OUTGOING), badge("seen_status", SEEN, "shown as"),
        "is_active", short("last_error", "problem", 40),
    )  # fmt: skip
    list_filter = (
        ("account", RelatedDropdownFilter), ("state", ChoicesDropdownFilter), ("seen_status", ChoicesDropdownFilter),
        ("product", AutocompleteSelectFilter), "is_active",
    )  # fmt: skip
    list_select_related = ("account", "product")
    search_fields = ("external_id__startswith", "external_product_id__startswith", "product__sku__startswith")
    search_help_text = "Beginning of the offer's id, the product's id or the SKU"
    autocomplete_fields = ("account", "product")
    ordering = ("-pk",)
    readonly_fields = (
        "earns", "buyer_sees", "state", "removal_by", "attempts", "next_try_at", "failure", "last_error",
        "pushed_quantity", "pushed_at", "pushed",
        "seen_status", "seen_word", "seen_price", "seen_quantity", "seen_at", "seen", "its_uploads", "stopped_because",
        "sale",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("account", "product", "external_product_id", "external_id", "title", "description")}),
        ("Wanted", {"fields": (
            ("price", "currency"), ("earns", "buyer_sees"), "quantity", ("is_active", "sale"), "min_quantity", "low_stock_at",
        )}),
        ("Choices", {"fields": ("offer_type", "visibility", "attributes"), "classes": ("collapse",)}),
        ("State", {"fields": ("state", "removal_by", "failure", "last_error", "attempts", "next_try_at")}),
        ("Uploaded codes", {"fields": ("its_uploads",)}),
        ("Pushed", {"fields": ("pushed_quantity", "pushed_at", "pushed")}),
        ("Seen", {"fields": (
            "seen_status", "seen_word", "stopped_because", "seen_price", "seen_quantity", "seen_at", "seen",
        )}),
    )  # fmt: skip
    run_kinds = KINDS
    actions = (
        "push", "ask_earnings", "upload_codes", "take_codes_back", "forget_id", "pause_sales", "resume_sales", *NEEDS,
    )  # fmt: skip
    buttons: Sequence[str] = ("push", "upload_codes", "take_codes_back")
    page_only = ("push", "forget_id", "pause_sales", "resume_sales", *NEEDS)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what never reached the marketplace may go: the rest would sell on there without us."""
        return obj is not None and not obj.external_id and bool(super().has_delete_permission(request, obj))

    def get_buttons(self, request: HttpRequest, row: Offer) -> Sequence[str]:
        usual = super().get_buttons(request, row)
        return [*usual, *self.get_there_buttons(row), *(["forget_id"] if row.external_id else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        if obj is None:
            return self.readonly_fields
        # An id can be entered where there is none, for an offer that a person has found there. It is never overwritten.
        return (*self.readonly_fields, "account", *(["external_id"] if obj.external_id else []))

    @display(description="offer", ordering="external_id")
    def name(self, offer: Offer) -> str:
        return offer.title or str(offer)

    @display(description="in their word")
    def seen_word(self, offer: Offer) -> str:
        return str(offer.seen.get("status_word", ""))

    @display(description="we get", ordering="we_get")
    def earns(self, offer: Offer) -> str:
        return money.display(offer.we_get, offer.currency) if offer.simulated_price == offer.price else ""

    @display(description="buyer pays")
    def buyer_sees(self, offer: Offer) -> str:
        return money.display(offer.buyer_pays, offer.currency) if offer.simulated_price == offer.price else ""

    @display(description="wanted", ordering="quantity")
    def wanted(self, offer: Offer) -> str:
        return "follow stock" if offer.quantity is None else str(offer.quantity)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.changed_data and obj.product_id:
            publishing.request(Offer.objects.filter(pk=obj.pk))
        pricing.request_simulation(Offer.objects.filter(pk=obj.pk))

    @admin.action(description="Ask what they earn", permissions=["change"])
    def ask_earnings(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> None:
        count = pricing.request_simulation(queryset)
        self.tell(
            request, count, "{rows} asked about; the answers appear under “we get”. Others are known or can't be."
        )

    @admin.action(description="Push", permissions=["change"])
    def push(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> None:
        count = publishing.request(queryset.exclude(product=None))
        self.tell(request, count, "{rows} being pushed; “seen” shows the result. One without a product is left alone.")

    @admin.action(description="Forget the offer id", permissions=["change"])
    def forget_id(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> HttpResponse | None:
        if answer(request) is None:
            return self._ask_forget(request, queryset)
        text = "{rows} without an offer id: the next push makes it anew. One that is being pushed is left alone: wait for it."
        self.tell(request, publishing.forget_id(queryset), text)
        return None

    def _ask_forget(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> HttpResponse:
        facts = [
            "Only when it is gone there, or is to be left to itself: the next push makes a new offer, and one that is still"
            " there would sell on without us.",
        ]
        if lying := Upload.objects.filter(offer__in=queryset, status__in=Upload.LYING_THERE).count():
            facts.append(f"{lying} uploaded codes lie in it. Take them back first.")
        return self.ask(
            request, queryset, form=forms.Form(), title="Forget the offer id", facts=facts, is_dangerous=True
        )
