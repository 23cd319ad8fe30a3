"""Products, where they come from, and the stock that is counted."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display

from backoffice.admin import BaseAdmin, EvidenceAdmin, EvidenceInline, age, answer, badge, link, price, short
from inventory import cover, goods, stock
from inventory.forms import CorrectForm, ReceiveForm
from inventory.models import Batch, Code, Hold, Level, Movement, Offer, Product, StockSettings, Supplier
from inventory.pause_admin import Pausable
from inventory.stock_runs import PauseProducts, ResumeProducts

MOVEMENTS = {
    "received": "success", "held": "info", "released": "info", "shipped": "primary", "returned": "warning",
    "corrected": "warning",
}  # fmt: skip


class OfferInline(EvidenceInline):
    model = Offer
    fields = readonly_fields = (
        "page", "account", "price", "currency", "quantity", "pushed_quantity", "seen_quantity", "seen_status", "state",
    )  # fmt: skip
    verbose_name_plural = _("offers of it")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("account", "product")

    @display(description=_("offer"))
    def page(self, offer: Offer) -> str:
        return link("admin:inventory_offer_change", str(offer), offer.pk)


class LowFilter(DropdownFilter):
    title = "stock"
    parameter_name = "low"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Low")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(cover__is_low=True) if self.value() else queryset


@admin.register(Product)
class ProductAdmin(Pausable):
    empty_help = _(
        "No product yet. Add one under your own SKU, then import its codes with “manage.py import_codes” or"
        " receive units on its page, and make offers of it."
    )
    list_display = (
        "sku", "name", badge("kind", {"counted": "info"}), "available", "lasts", "is_low", age("created_at"),
    )  # fmt: skip
    list_filter = (("kind", ChoicesDropdownFilter), LowFilter)
    list_select_related = ("cover",)
    search_fields = ("sku__startswith", "name__startswith")
    search_help_text = _("Beginning of the SKU or the name")
    readonly_fields = ("units", "movements", "imports", "sale", "cover_words", "offer_it")
    inlines = (OfferInline,)
    actions: Sequence[str] = ("receive", "correct", "pause_sales", "resume_sales")
    buttons: Sequence[str] = ("receive", "correct")
    page_only: Sequence[str] = actions
    run_kinds = (PauseProducts, ResumeProducts)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Any]:
        shown = ("sku", "name", "kind", "min_margin", ("low_at", "low_days"))
        if obj is None:
            return shown
        offer_it = ("offer_it",) if request.user.has_perm("inventory.add_offer") else ()
        return (*shown, "sale", "units", "cover_words", *offer_it, "movements" if obj.is_counted else "imports")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Sequence[Any]:
        return self.inlines if obj else ()

    def get_buttons(self, request: HttpRequest, row: Product) -> Sequence[str]:
        return [name for name in super().get_buttons(request, row) if row.is_counted or name not in self.buttons]

    def has_move_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.move_stock"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        mine = Code.objects.filter(product=OuterRef("pk"), state=Code.State.AVAILABLE).order_by()
        # Rows and not keys are counted: the index alone says how many there are.
        codes = Subquery(mine.values("product").annotate(n=Count("*")).values("n"), output_field=IntegerField())
        level = Subquery(Level.objects.filter(pk=OuterRef("pk")).values(n=F("on_hand") - F("held")))
        return super().get_queryset(request).annotate(available=Coalesce(codes, level, 0))

    @display(ordering="available")
    def available(self, product: Any) -> int:
        return int(product.available)

    @display(description=_("days of cover"), ordering=F("cover__days").asc(nulls_last=True))
    def lasts(self, product: Any) -> Any:
        return product.cover.days if hasattr(product, "cover") else None

    @display(description=_("low"), boolean=True, ordering="cover__is_low")
    def is_low(self, product: Any) -> bool | None:
        return False if hasattr(product, "cover") and product.cover.is_low else None  # a red mark, or none

    @display(description=_("days of cover"))
    def cover_words(self, product: Product) -> str:
        return cover.words(product)

    @display(description=_("stock"))
    def units(self, product: Product) -> str:
        found = {state: units for state, units in stock.count(product.pk).items() if units}
        by_state = ", ".join(f"{units} {Code.State(state).label}" for state, units in found.items())
        return f"{stock.sellable(product.pk)} can be sold now. In all: {by_state or 'none'}."

    @display(description=_("sell it"))
    def offer_it(self, product: Product) -> str:
        return link("admin:inventory_offer_new", "Make an offer of it", query=f"product={product.pk}")

    @display(description=_("movements"))
    def movements(self, product: Product) -> str:
        query = f"product__id__exact={product.pk}"
        return link("admin:inventory_movement_changelist", "Movements of this product", query=query)

    @display(description=_("codes"))
    def imports(self, product: Product) -> str:
        return link("admin:inventory_codeimport_add", "Import codes of this product", query=f"product={product.pk}")

    @admin.action(description=_("Receive units"), permissions=["move"])
    def receive(self, request: HttpRequest, queryset: "QuerySet[Product]") -> HttpResponse | None:
        form = ReceiveForm(answer(request))
        product = queryset[0]
        if not product.is_counted or not form.is_valid():
            return self._ask_counted(request, product, form, "Receive units")
        said = form.cleaned_data
        is_new = goods.receive(
            product_id=product.pk, quantity=said["quantity"], by=request.user.get_username(), key=said["token"],
            reference=said["reference"], supplier=said["supplier"], cost=said["cost"], currency=said["currency"],
        )  # fmt: skip
        told = (
            gettext("%(units)s units of %(product)s put on the shelf; offers follow within seconds.")
            if is_new
            else gettext("%(units)s units of %(product)s were received already by this form.")
        )
        self.message_user(request, told % {"units": said["quantity"], "product": product}, messages.SUCCESS)
        return None

    @admin.action(description=_("Correct the stock"), permissions=["move"])
    def correct(self, request: HttpRequest, queryset: "QuerySet[Product]") -> HttpResponse | None:
        form = CorrectForm(answer(request))
        product = queryset[0]
        if not product.is_counted or not form.is_valid():
            return self._ask_counted(request, product, form, "Correct the stock")
        said = form.cleaned_data
        try:
            difference = goods.correct(
                product_id=product.pk, counted=said["counted"], by=request.user.get_username(), note=said["note"]
            )
        except stock.ShortStock as short_of:
            self.message_user(request, f"{short_of}.", messages.ERROR)
            return None
        told = gettext("The stock of %(product)s was corrected by %(units)s units.")
        self.message_user(request, told % {"product": product, "units": f"{difference:+}"}, messages.SUCCESS)
        return None

    def _ask_counted(self, request: HttpRequest, product: Product, form: Any, title: str) -> HttpResponse | None:
        if not product.is_counted:
            told = gettext("%(product)s is a pool of codes: import codes instead.") % {"product": product}
            self.message_user(request, told, messages.WARNING)
            return None
        level = Level.objects.filter(pk=product.pk).first() or Level()
        facts = [f"{level.on_hand} units are on the shelf by the books, {level.held} of them set aside for orders."]
        return self.ask(request, Product.objects.filter(pk=product.pk), form=form, title=title, facts=facts)


@admin.register(Supplier)
class SupplierAdmin(BaseAdmin):
    empty_help = _(
        "No supplier yet. Add those that you buy from: batches and receipts name them, and reports show what"
        " each of them brings."
    )
    list_display = ("name", short("notes"))
    search_fields = ("name__startswith",)


@admin.register(Batch)
class BatchAdmin(BaseAdmin):
    """Batches are made by imports; what was paid for them can be mended here."""

    empty_help = _(
        "No codes were imported yet. “manage.py import_codes FILE --sku SKU --cost 4.20 --currency EUR” makes"
        " a batch; buying on a marketplace makes one, too."
    )
    empty_steps = ((_("Products"), "admin:inventory_product_changelist", "inventory.view_product"),)
    list_display = (
        "__str__", "product", "supplier", price("cost"), "imported", "duplicates", "rejected", age("created_at"),
    )  # fmt: skip
    list_filter = (("product", AutocompleteSelectFilter), ("supplier", RelatedDropdownFilter))
    list_select_related = ("product", "supplier")
    list_before_template = "admin/inventory/batch/import.html"
    search_fields = ("reference__startswith", "product__sku__startswith")
    search_help_text = _("Beginning of the reference or the SKU")
    autocomplete_fields = ("supplier",)
    fields = (
        "product", "reference", "supplier", ("cost", "currency"), "file_name", "imported", "duplicates", "rejected",
        "created_at", "its_codes",
    )  # fmt: skip
    readonly_fields = ("product", "file_name", "imported", "duplicates", "rejected", "created_at", "its_codes")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @display(description=_("codes"))
    def its_codes(self, batch: Batch) -> str:
        return link("admin:inventory_code_changelist", "Codes of this batch", query=f"batch__id__exact={batch.pk}")


@admin.register(Hold)
class HoldAdmin(EvidenceAdmin):
    empty_help = _(
        "Nothing is set aside. Units are held for orders and reservations that are not delivered yet, by themselves."
    )
    list_display = ("reference", "product", "account", "units_held", "until", "released_at", age("created_at"))
    list_filter = (("product", AutocompleteSelectFilter), ("account", RelatedDropdownFilter))
    list_select_related = ("product", "account")
    ordering = ("-pk",)
    fields = ("reference", "product", "account", "units_held", "until", "released_at", "created_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        mine = Code.objects.filter(hold=OuterRef("pk")).order_by()
        units = Subquery(mine.values("hold").annotate(n=Count("*")).values("n"), output_field=IntegerField())
        return (
            super().get_queryset(request).annotate(units_held=Coalesce(units, F("units"), output_field=IntegerField()))
        )

    @display(description=_("units held"))
    def units_held(self, hold: Any) -> int:
        return int(hold.units_held)


@admin.register(Movement)
class MovementAdmin(EvidenceAdmin):
    empty_help = _("No counted unit was moved yet. Open a product whose stock is counted and press “Receive units”.")
    empty_steps = ((_("Products"), "admin:inventory_product_changelist", "inventory.view_product"),)
    list_display = (
        "product", badge("kind", MOVEMENTS), "on_hand", "held", "reference", "supplier", price("cost"), "by", age("at"),
    )  # fmt: skip
    list_filter = (
        ("kind", ChoicesDropdownFilter), ("product", AutocompleteSelectFilter), ("at", RangeDateTimeFilter),
    )  # fmt: skip
    list_select_related = ("product", "supplier")
    ordering = ("-at",)
    fields = ("product", "kind", "on_hand", "held", "reference", "supplier", "cost", "currency", "note", "by", "at")


@admin.register(StockSettings)
class StockSettingsAdmin(BaseAdmin):
    """One row, for every product that says nothing else."""

    empty_help = _("The settings are made when they are first needed: open the front page once.")
    list_display = ("__str__", "low_at", "low_days", "sales_days", "reveals_an_hour")
    fields = (("low_at", "low_days"), "sales_days", "reveals_an_hour")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        StockSettings.current()  # it is made when it is first looked for
        return super().changelist_view(request, extra_context)
