"""Products and their codes; and the stop button for an account's sales."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice import money
from backoffice.admin import (
    BaseAdmin,
    EvidenceAdmin,
    EvidenceInline,
    age,
    answer,
    badge,
    link,
    price,
    short,
)
from inventory import (
    buying_admin,  # noqa: F401  (registers its pages)
    catalogue_admin,  # noqa: F401  (registers its pages)
    codes,
    feed_admin,  # noqa: F401  (registers its pages)
    offer_admin,  # noqa: F401  (registers its pages)
    publishing,
    stock,
)
from inventory.forms import WithdrawForm
from inventory.models import Batch, Code, CodeReveal, Hold, Offer, Product, Supplier, Upload
from inventory.upload_admin import CodeUploadInline
from marketplaces.admin import AccountAdmin
from marketplaces.forms import ReasonForm
from marketplaces.models import Account

CODE_STATES = {
    "available": "success", "held": "info", "sent": "info", "uploaded": "info", "delivered": "primary",
    "returned": "warning", "faulty": "danger", "void": "danger", "expired": "warning",
}  # fmt: skip


# --- an account's sales can be stopped from here -------------------------------------------------------------

admin.site.unregister(Account)


@admin.register(Account)
class SellingAccountAdmin(AccountAdmin):
    """The account's page, with the actions on its offers, which the floor below knows nothing of."""

    actions: Sequence[str] = (*AccountAdmin.actions, "hold_sales", "resume_sales")
    buttons: Sequence[str] = (*AccountAdmin.buttons, "hold_sales", "resume_sales")

    def get_buttons(self, request: HttpRequest, row: Account) -> Sequence[str]:
        needless = "hold_sales" if row.sales_held else "resume_sales"
        return [name for name in self.buttons if name != needless]

    def has_hold_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("marketplaces.hold_sales"))

    @admin.action(description="Hold sales", permissions=["hold"])
    def hold_sales(self, request: HttpRequest, queryset: "QuerySet[Account]") -> HttpResponse | None:
        form = ReasonForm(answer(request))
        if not form.is_valid():
            return self._ask_why(request, queryset, form)
        by, reason = request.user.get_username(), form.cleaned_data["reason"]
        count = sum(publishing.hold_sales(account, by=by, reason=reason) for account in queryset)
        self._told(request, f"Sales are on hold: {count} offers are being shown as out of stock now.")
        return None

    @admin.action(description="Resume sales", permissions=["hold"])
    def resume_sales(self, request: HttpRequest, queryset: "QuerySet[Account]") -> None:
        by = request.user.get_username()
        count = sum(publishing.resume_sales(account, by=by) for account in queryset)
        self._told(request, f"Sales go on: {count} offers show their stock again within seconds.")

    def _ask_why(self, request: HttpRequest, accounts: "QuerySet[Account]", form: ReasonForm) -> HttpResponse:
        offers = Offer.objects.filter(account__in=accounts, product__isnull=False).exclude(external_id="").count()
        facts = [f"{offers} offers will be shown as out of stock until sales are resumed. Open orders are delivered."]
        if lying := Upload.objects.filter(account__in=accounts, status__in=Upload.LYING_THERE).count():
            facts.append(f"{lying} codes that were uploaded are sold on by the marketplace: take them back, too.")
        return self.ask(request, accounts, form=form, title="Hold sales", facts=facts, is_dangerous=True)

    def _told(self, request: HttpRequest, text: str) -> None:
        self.message_user(request, text, messages.SUCCESS)


# --- products and where they come from -----------------------------------------------------------------------


class OfferInline(EvidenceInline):
    model = Offer
    fields = readonly_fields = (
        "page", "account", "price", "currency", "quantity", "pushed_quantity", "seen_quantity", "seen_status", "state",
    )  # fmt: skip
    verbose_name_plural = "offers of it"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("account", "product")

    @display(description="offer")
    def page(self, offer: Offer) -> str:
        return link("admin:inventory_offer_change", str(offer), offer.pk)


@admin.register(Product)
class ProductAdmin(BaseAdmin):
    list_display = ("sku", "name", "available", age("created_at"))
    search_fields = ("sku__startswith", "name__startswith")
    search_help_text = "Beginning of the SKU or the name"
    readonly_fields = ("units",)
    inlines = (OfferInline,)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("sku", "name", "units") if obj else ("sku", "name")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Sequence[Any]:
        return self.inlines if obj else ()

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        mine = Code.objects.filter(product=OuterRef("pk"), state=Code.State.AVAILABLE).order_by()
        units = Subquery(mine.values("product").annotate(n=Count("pk")).values("n"), output_field=IntegerField())
        return super().get_queryset(request).annotate(available=Coalesce(units, 0))

    @display(ordering="available")
    def available(self, product: Any) -> int:
        return int(product.available)

    @display(description="codes")
    def units(self, product: Product) -> str:
        found = {state: units for state, units in stock.count(product.pk).items() if units}
        by_state = ", ".join(f"{units} {Code.State(state).label}" for state, units in found.items())
        return f"{stock.sellable(product.pk)} can be sold now. In all: {by_state or 'none'}."


@admin.register(Supplier)
class SupplierAdmin(BaseAdmin):
    list_display = ("name", short("notes"))
    search_fields = ("name__startswith",)


@admin.register(Batch)
class BatchAdmin(BaseAdmin):
    """Batches are made by imports; what was paid for them can be mended here."""

    list_display = (
        "__str__", "product", "supplier", price("cost"), "imported", "duplicates", "rejected", age("created_at"),
    )  # fmt: skip
    list_filter = (("product", AutocompleteSelectFilter), ("supplier", RelatedDropdownFilter))
    list_select_related = ("product", "supplier")
    search_fields = ("reference__startswith", "product__sku__startswith")
    search_help_text = "Beginning of the reference or the SKU"
    autocomplete_fields = ("supplier",)
    fields = (
        "product", "reference", "supplier", ("cost", "currency"), "file_name", "imported", "duplicates", "rejected",
        "created_at", "its_codes",
    )  # fmt: skip
    readonly_fields = ("product", "file_name", "imported", "duplicates", "rejected", "created_at", "its_codes")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @display(description="codes")
    def its_codes(self, batch: Batch) -> str:
        return link("admin:inventory_code_changelist", "Codes of this batch", query=f"batch__id__exact={batch.pk}")


@admin.register(Hold)
class HoldAdmin(EvidenceAdmin):
    list_display = ("reference", "product", "account", "units", "until", "released_at", age("created_at"))
    list_filter = (("product", AutocompleteSelectFilter), ("account", RelatedDropdownFilter))
    list_select_related = ("product", "account")
    ordering = ("-pk",)
    fields = ("reference", "product", "account", "units", "until", "released_at", "created_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        mine = Code.objects.filter(hold=OuterRef("pk")).order_by()
        units = Subquery(mine.values("hold").annotate(n=Count("pk")).values("n"), output_field=IntegerField())
        return super().get_queryset(request).annotate(units_held=Coalesce(units, 0))

    @display(description="units held")
    def units(self, hold: Any) -> int:
        return int(hold.units_held)


# --- codes ---------------------------------------------------------------------------------------------------


class RevealInline(EvidenceInline):
    model = CodeReveal
    fields = readonly_fields = ("at", "user", "reason")
    verbose_name_plural = "who saw it"


@admin.register(Code)
class CodeAdmin(EvidenceAdmin):
    """Codes by number, state and origin. No list decrypts one; to see one, a person gives a reason.

    The search is a POST of its own: a code that somebody types must not end up in an address, a log or a history.
    """

    list_display = (
        "__str__", "product", badge("state", CODE_STATES), "kind", "batch", "cost_basis", "expires_at", "serial",
    )  # fmt: skip
    list_filter = (
        ("state", ChoicesDropdownFilter), ("product", AutocompleteSelectFilter), ("batch", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("product", "batch__product")
    list_before_template = "admin/inventory/code/find.html"
    ordering = ("-pk",)
    fields = ("product", "state", "kind", "batch", "hold", "cost_basis", "serial", "expires_at", "created_at")
    inlines: Sequence[Any] = (RevealInline, CodeUploadInline)
    actions: Sequence[str] = ("withdraw", "sell_again", "reveal")
    buttons: Sequence[str] = ("reveal", "withdraw", "sell_again")
    page_only: Sequence[str] = ("reveal",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("sealed", "index")

    def has_reveal_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.reveal_code"))

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.change_code"))

    def get_buttons(self, request: HttpRequest, row: Code) -> Sequence[str]:
        fits = {"withdraw": Code.State.AVAILABLE, "sell_again": Code.State.RETURNED}
        return [name for name in self.buttons if fits.get(name, row.state) == row.state]

    @display(description="cost", ordering="cost")
    def cost_basis(self, code: Code) -> str:
        return money.display(code.batch.cost if code.cost is None else code.cost, code.batch.currency)

    def get_urls(self) -> list[Any]:
        find = self.admin_site.admin_view(require_POST(self.find_view))
        return [path("find/", find, name="inventory_code_find"), *super().get_urls()]

    def find_view(self, request: HttpRequest) -> HttpResponse:
        """Go to the code with exactly this text, or this number."""
        text = request.POST.get("text", "").strip()
        if not text or not self.has_view_permission(request):
            return HttpResponseRedirect(reverse("admin:inventory_code_changelist"))
        number = text.lower().removeprefix("code").strip()
        found = codes.find(text) or (Code.objects.filter(pk=number).first() if number.isdecimal() else None)
        if found is not None:
            return HttpResponseRedirect(reverse("admin:inventory_code_change", args=[found.pk]))
        self.message_user(
            request, "No code has exactly this text or number. Check for missing signs.", messages.WARNING
        )
        return HttpResponseRedirect(reverse("admin:inventory_code_changelist"))

    @admin.action(description="Take out of sale", permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: "QuerySet[Code]") -> HttpResponse | None:
        form = WithdrawForm(answer(request))
        if not form.is_valid():
            return self._ask_withdraw(request, queryset, form)
        count = stock.withdraw(list(queryset.values_list("pk", flat=True)), form.cleaned_data["state"])
        self.tell(request, count, "{rows} taken out of sale; offers follow within seconds. Others were not available.")
        return None

    def _ask_withdraw(self, request: HttpRequest, queryset: "QuerySet[Code]", form: WithdrawForm) -> HttpResponse:
        chosen, available = queryset.count(), queryset.filter(state=Code.State.AVAILABLE).count()
        facts = [f"{available} of the {chosen} chosen can be taken out of sale: only what is available can."]
        return self.ask(request, queryset, form=form, title="Take out of sale", facts=facts, is_dangerous=True)

    @admin.action(description="Sell again", permissions=["withdraw"])
    def sell_again(self, request: HttpRequest, queryset: "QuerySet[Code]") -> HttpResponse | None:
        if answer(request) is None:
            returned = queryset.filter(state=Code.State.RETURNED).count()
            facts = [f"{returned} returned codes can be sold again. Whoever gave them back has seen them."]
            return self.ask(request, queryset, form=forms.Form(), title="Sell again", facts=facts, is_dangerous=True)
        count = stock.sell_again(list(queryset.values_list("pk", flat=True)))
        self.tell(request, count, "{rows} can be sold again; offers follow within seconds. Others were not returned.")
        return None

    @admin.action(description="Reveal", permissions=["reveal"])
    def reveal(self, request: HttpRequest, queryset: "QuerySet[Code]") -> HttpResponse:
        form = ReasonForm(answer(request))
        if not form.is_valid():
            facts = ["The code is shown once. Who saw it, when and why is kept."]
            return self.ask(request, queryset[:1], form=form, title="Reveal", facts=facts)
        return self._show_once(request, queryset[0], form.cleaned_data["reason"])

    def _show_once(self, request: HttpRequest, code: Code, reason: str) -> HttpResponse:
        plain = codes.reveal(code, user=request.user.get_username(), reason=reason)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": str(code), "plain": plain}
        response = TemplateResponse(request, "admin/inventory/code/revealed.html", {**context, "code": code})
        add_never_cache_headers(response)
        return response


@admin.register(CodeReveal)
class CodeRevealAdmin(EvidenceAdmin):
    list_display = ("code", "user", "reason", "at")
    list_select_related = ("code",)
    search_fields = ("user__startswith",)
    search_help_text = "Beginning of the user's name"
    ordering = ("-at",)
    fields = ("code", "user", "reason", "at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("code__sealed", "code__index")
