"""Offers: what we want them to say, what was pushed, what was seen; and what a person can do about it."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice import clock, money
from backoffice.admin import OUTGOING, answer, badge, in_lines, link, plain, price, short
from backoffice.list_parts import FiltersOnce
from inventory import pricing, publishing, shelves
from inventory.draft_admin import OfferWizard
from inventory.limits import Book
from inventory.models import CompetitorWatch, Difference, Offer, PriceChange, Upload
from inventory.offer_files import OfferFiles
from inventory.offer_filters import OutOfStepFilter
from inventory.offer_forms import OfferForm, OfferRowForm, OfferRows
from inventory.offer_pages import NEEDS, OfferThere
from inventory.offer_runs import KINDS
from inventory.offer_there_runs import KINDS as THERE_KINDS
from inventory.pause_admin import Pausable
from inventory.pricing import NewPrice
from inventory.shelves import Place
from inventory.upload_admin import OfferUploads
from inventory.upload_runs import OFFER_KINDS as UPLOAD_KINDS

HISTORY = 10
WIDE_ENOUGH = '<span style="display: inline-block; min-width: 11rem">{}</span>'  # beside so many short columns
GOES_WITH_IT = (PriceChange, CompetitorWatch)
PRICE = frozenset({"price", "currency"})
SEEN = {"live": "success", "out_of_stock": "warning", "paused": "warning", "suspended": "danger", "removed": "danger"}


class PricedList(FiltersOnce):
    """The list's rows share one look at fees, costs, rates, rules and stock, whatever their number."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        # Read when they are shown: an action asks for the list, too, and shows none of it.
        book, known = Book(rows), SimpleLazyObject(lambda: shelves.read([Place.of(offer) for offer in rows]))
        for offer in rows:
            offer.book, offer.shelves = book, known


def _book(offer: Any) -> Book:
    """The list's book, which its rows share; else one that the fields of the offer's own page share."""
    known = vars(offer)
    return cast(Book, known.get("book") or known.setdefault("_page_book", Book([offer])))


def _earning(offer: Any) -> pricing.Earning:
    return pricing.earning(offer, offer.price, _book(offer))


def _reason(request: HttpRequest) -> str:
    """Where a person changed a price."""
    match = request.resolver_match
    is_list = match is not None and match.url_name == "inventory_offer_changelist"
    return "Changed in the list of offers" if is_list else "Changed on the offer’s page"


def _is_alone(offer: Any) -> bool:
    """Whether it is shown on its own page, where there is room to say who says so."""
    return not hasattr(offer, "book")


@admin.register(Offer)
class OfferAdmin(OfferWizard, OfferFiles, Pausable, OfferUploads, OfferThere):
    """What we want an offer to say, what we last sent, and what was last seen there, side by side."""

    empty_help = _(
        "No offer yet. Make one step by step, find what you sell in a marketplace's catalogue and press “Start an"
        " offer”, or import a file of offers."
    )
    empty_steps = (
        (_("Make an offer"), "admin:inventory_offer_new", "inventory.add_offer"),
        (_("Catalogue"), "admin:marketplaces_catalogueproduct_changelist", "marketplaces.view_catalogueproduct"),
    )
    list_display: Sequence[Any] = (
        "name", "account", "product", "price", plain("currency", _("in")), "earns", "margin", "stock", "quantity", "wanted",
        plain("pushed_quantity", _("pushed")), plain("seen_quantity", _("seen")),
        "uploaded", badge("state", OUTGOING), badge("seen_status", SEEN, _("shown as")),
        "is_active", "differs", short("last_error", _("problem"), 40),
    )  # fmt: skip
    list_editable = ("price", "quantity")
    list_filter = (
        OutOfStepFilter, ("account", RelatedDropdownFilter), ("state", ChoicesDropdownFilter),
        ("seen_status", ChoicesDropdownFilter), ("product", AutocompleteSelectFilter), "is_active",
        ("feed", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("account", "product")
    search_fields = ("external_id__startswith", "external_product_id__startswith", "product__sku__startswith")
    search_help_text = _("Beginning of the offer's id, the product's id or the SKU")
    autocomplete_fields = ("account", "product")
    form = OfferForm
    ordering = ("-pk",)
    list_per_page = 30  # a row with fields to change is the dearest of all lists'
    readonly_fields = (
        "earns", "margin", "buyer_sees", "its_floor", "price_history",
        "state", "removal_by", "attempts", "next_try_at", "failure", "last_error",
        "pushed_quantity", "pushed_at", "pushed",
        "seen_status", "seen_word", "seen_price", "seen_quantity", "seen_at", "seen", "its_uploads", "stopped_because",
        "sale",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("account", "product", "external_product_id", "external_id", "title", "description")}),
        (_("Wanted"), {"fields": (
            ("price", "currency"), ("earns", "margin", "buyer_sees"), ("floor", "ceiling"), "its_floor", "quantity",
            ("is_active", "sale"), "min_quantity", "low_stock_at",
        )}),
        (_("Price history"), {"fields": ("price_history",)}),
        (_("Choices"), {"fields": ("offer_type", "visibility", "attributes"), "classes": ("collapse",)}),
        (_("State"), {"fields": ("state", "removal_by", "failure", "last_error", "attempts", "next_try_at")}),
        (_("Uploaded codes"), {"fields": ("its_uploads",)}),
        (_("Pushed"), {"fields": ("pushed_quantity", "pushed_at", "pushed")}),
        (_("Seen"), {"fields": (
            "seen_status", "seen_word", "stopped_because", "seen_price", "seen_quantity", "seen_at", "seen",
        )}),
    )  # fmt: skip
    run_kinds = (*KINDS, *UPLOAD_KINDS, *THERE_KINDS)
    actions = (
        "push", "upload_codes", "take_codes_back", "forget_id", "pause_sales", "resume_sales", *NEEDS,
    )  # fmt: skip
    buttons: Sequence[str] = ("push", "upload_codes", "take_codes_back")
    page_only = actions

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what never reached the marketplace may go: the rest would sell on there without us."""
        return obj is not None and not obj.external_id and bool(super().has_delete_permission(request, obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What was written down about an offer goes with it; nobody may delete that by itself."""
        deleted, counts, needed, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, needed - {model._meta.verbose_name for model in GOES_WITH_IT}, protected

    def get_buttons(self, request: HttpRequest, row: Offer) -> Sequence[str]:
        usual = super().get_buttons(request, row)
        return [*usual, *self.get_there_buttons(row), *(["forget_id"] if row.external_id else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        if obj is None:
            return self.readonly_fields
        # An id can be entered where there is none, for an offer that a person has found there. It is never overwritten.
        return (*self.readonly_fields, "account", *(["external_id"] if obj.external_id else []))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        found = Difference.objects.filter(offer=OuterRef("pk"), state=Difference.State.OPEN).order_by().values("offer")
        count = Subquery(found.annotate(count=Count("pk")).values("count"))
        return super().get_queryset(request).annotate(differences_open=count)

    @display(description=_("differences"))
    def differs(self, offer: Any) -> str:
        count = offer.differences_open
        return (
            link("admin:inventory_difference_changelist", str(count), query=f"q={offer.external_id}") if count else ""
        )

    @display(description=_("offer"), ordering="external_id")
    def name(self, offer: Offer) -> str:
        return format_html(WIDE_ENOUGH, offer.title or str(offer))

    @display(description=_("in their word"))
    def seen_word(self, offer: Offer) -> str:
        return str(offer.seen.get("status_word", ""))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PricedList]:
        return PricedList

    @display(description=_("we get"), ordering="we_get")
    def earns(self, offer: Any) -> str:
        earning = _earning(offer)
        if earning.amount is None:
            return earning.source if offer.price is not None and _is_alone(offer) else ""
        shown = money.display(earning.amount, offer.currency)
        return f"{shown}, {earning.source}" if _is_alone(offer) else shown

    @display(description=_("margin"))
    def margin(self, offer: Any) -> str:
        return _earning(offer).margin_words

    @display(description=_("floor that holds"))
    def its_floor(self, offer: Offer) -> str:
        if offer._state.adding:
            return ""
        limits = _book(offer).limits(offer)
        refusal = limits.refusal(offer.price) if offer.price is not None else None
        return f"{limits.words}. {refusal or ''}"

    @display(description=_("last changes"))
    def price_history(self, offer: Offer) -> str:
        changes = PriceChange.objects.filter(offer=offer.pk, is_dry_run=False).order_by("-at", "-pk")[:HISTORY]
        lines = [
            f"{clock.said(change.at)}  {change.words}  {change.reason}{f', by {change.by}' if change.by else ''}"
            for change in changes
        ]
        query = f"offer__id__exact={offer.pk}"
        all_of_it = link("admin:inventory_pricechange_changelist", "All changes of its price", query=query)
        return format_html("{}{}", in_lines("\n".join(lines)) if lines else "", all_of_it)

    @display(description=_("buyer pays"))
    def buyer_sees(self, offer: Offer) -> str:
        return money.display(offer.buyer_pays, offer.currency) if offer.simulated_price == offer.price else ""

    @display(description=_("stock"))
    def stock(self, offer: Any) -> int | None:
        """Units of its product that can be sold, before rules and limits."""
        return None if offer.product_id is None else offer.shelves.units.get(offer.product_id, 0)

    @display(description=_("wanted"))
    def wanted(self, offer: Any) -> int:
        """Units that it should show now, as rules, pauses and its own limit say."""
        return publishing.wanted_quantity(offer, offer.shelves)

    # --- changes in the list -------------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """Who may change nothing sees amounts as they are paid."""
        if self.has_change_permission(request):
            return self.list_display
        return [price(name) if name == "price" else name for name in self.list_display]

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, **{"form": OfferRowForm, **kwargs})

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_formset(request, **{"formset": OfferRows, **kwargs})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save what was changed; the price goes its own way, which keeps its history."""
        new = NewPrice(obj.price, obj.currency)
        if not change:
            obj.price = None
        asked, form.changed_data = form.changed_data, [name for name in form.changed_data if name not in PRICE]
        super().save_model(request, obj, form, change)
        form.changed_data = asked
        if not change or set(asked) & PRICE:
            pricing.set_price({obj.pk: new}, reason=_reason(request), by=request.user.get_username())
            obj.price, obj.currency = new.amount, new.currency
        if form.changed_data and obj.product_id:
            publishing.request(Offer.objects.filter(pk=obj.pk))
        pricing.request_simulation(Offer.objects.filter(pk=obj.pk))

    @admin.action(description=_("Push"), permissions=["change"])
    def push(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> None:
        count = publishing.request(queryset.exclude(product=None))
        self.tell(
            request,
            count,
            gettext("{rows} being pushed; “seen” shows the result. One without a product is left alone."),
        )

    @admin.action(description=_("Forget the offer id"), permissions=["change"])
    def forget_id(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> HttpResponse | None:
        if answer(request) is None:
            return self._ask_forget(request, queryset)
        text = gettext(
            "{rows} without an offer id: the next push makes it anew. One that is being pushed is left alone: wait for it."
        )
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
