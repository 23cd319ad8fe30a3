"""Purchases of codes, and the page on which they are ordered: account, product, numbers, confirmation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice import money
from backoffice.admin import OUTGOING, EvidenceAdmin, age, answer, badge, link, price, short
from backoffice.run_admin import BulkRuns
from inventory import finding, purchasing
from inventory.finding import Found
from inventory.forms import BuyForm
from inventory.models import Offer, Product, Purchase
from inventory.purchasing import CannotBuy
from inventory.stock_runs import GiveUpPurchases, ProcessPurchases, facts_of_giving_up
from marketplaces.models import Account
from marketplaces.types import RemoteProduct

STAGES = {
    "wanted": "info", "created": "info", "paying": "warning", "paid": "info", "complete": "info", "key_read": "info",
    "stored": "success", "unfunded": "danger", "expired": "warning", "key_lost": "danger", "given_up": "",
}  # fmt: skip


@dataclass
class Wish:
    """What the address of the buying page says so far."""

    account: Account | None
    text: str = ""
    page: int = 1
    product_id: str = ""
    accounts: Sequence[Account] = field(default_factory=list)

    def address(self, **changes: object) -> str:
        said = {"account": self.account.pk if self.account else "", "q": self.text, "page": self.page, **changes}
        return f"?{urlencode({name: value for name, value in said.items() if value})}"


def _wish(request: HttpRequest) -> Wish:
    able = [account for account in Account.objects.filter(is_enabled=True) if purchasing.can_buy(account)]
    chosen = request.GET.get("account") or (str(able[0].pk) if len(able) == 1 else "")
    account = next((account for account in able if str(account.pk) == chosen), None)
    page = request.GET.get("page", "")
    return Wish(
        account, request.GET.get("q", "").strip()[:200], int(page) if page.isdecimal() and len(page) < 6 else 1,
        request.GET.get("product", "").strip()[:100], able,
    )  # fmt: skip


# --- what the marketplace says -------------------------------------------------------------------------------------


def _table(wish: Wish, products: Sequence[RemoteProduct]) -> dict[str, Any]:
    rows = [
        [
            product.name or product.external_id,
            product.region,
            money.display(product.price, product.currency),
            "" if product.available is None else f"{product.available:,}",
            link("admin:inventory_purchase_add", "Choose", query=wish.address(product=product.external_id)[1:]),
        ]
        for product in products
    ]
    return {"headers": ["Product", "Region", "Lowest price", "In stock there", ""], "rows": rows}


def _usual_product(account: Account, product_id: str) -> Product | None:
    """Which product of ours the marketplace's product was bought or offered as before."""
    there = {"account__marketplace": account.marketplace, "external_product_id": product_id, "product__isnull": False}
    for model in (Purchase, Offer):
        known = model._default_manager.filter(**there).select_related("product").order_by("-pk").first()
        if known is not None:
            return known.product
    return None


# --- purchases -----------------------------------------------------------------------------------------------------


@admin.register(Purchase)
class PurchaseAdmin(BulkRuns, EvidenceAdmin):
    """Bought codes by their numbers, and where each purchase stands. No page shows a key."""

    empty_help = _(
        "Nothing was bought yet. Where a marketplace sells to sellers, “Buy codes” above finds a product and"
        " buys codes into stock."
    )
    list_display = (
        "__str__", "account", "product", badge("stage", STAGES), badge("state", OUTGOING, _("work")), price("price"),
        price("max_price", _("ceiling")), short("last_error", _("problem"), 40), age("created_at", _("ordered")),
    )  # fmt: skip
    list_filter = (
        ("stage", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter),
        ("product", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("account", "product")
    list_before_template = "admin/inventory/purchase/progress.html"
    search_fields = ("external_id__exact",)
    search_help_text = _("An order's id")
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "account", "product", "external_product_id", "external_id", "stage", "status_word",
                    ("price", "max_price", "currency"), "batch", "code_link", "its_run", "requested_by",
                )
            },
        ),
        (_("Work"), {"fields": ("state", "failure", "last_error", "attempts", "next_try_at")}),
        (_("Tries"), {"fields": ("creates", "lapsed", "payments", "key_reads", "is_answer_stored")}),
        (_("Times"), {"fields": ("created_at", "ordered_at", "pay_asked_at", "paid_at", "key_asked_at", "stored_at")}),
    )  # fmt: skip
    readonly_fields = ("code_link", "its_run", "is_answer_stored")
    actions = ("process_again", "give_up")
    buttons = actions
    page_only = actions
    run_kinds = (ProcessPurchases, GiveUpPurchases)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("inventory.add_purchase"))

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.change_purchase"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("answer")

    def get_buttons(self, request: HttpRequest, row: Purchase) -> Sequence[str]:
        return () if row.stage in Purchase.OVER else self.buttons

    # --- columns and facts -----------------------------------------------------------------------------------------

    @display(description=_("code"))
    def code_link(self, purchase: Purchase) -> str:
        if purchase.code_id is None:
            return "none yet"
        return link("admin:inventory_code_change", f"code {purchase.code_id}", purchase.code_id)

    @display(description=_("run"))
    def its_run(self, purchase: Purchase) -> str:
        return link("admin:inventory_purchase_changelist", "All of this run", query=f"run={purchase.run}")

    @display(description=_("key's answer stored"), boolean=True)
    def is_answer_stored(self, purchase: Purchase) -> bool:
        return Purchase.objects.filter(pk=purchase.pk, answer__isnull=False).exists()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {**(extra_context or {}), "may_buy": self.has_add_permission(request), "run": _run(request)}
        return super().changelist_view(request, context)

    # --- actions -----------------------------------------------------------------------------------------------------

    @admin.action(description=_("Process again"), permissions=["decide"])
    def process_again(self, request: HttpRequest, queryset: "QuerySet[Purchase]") -> None:
        count = purchasing.process_again(queryset)
        self.tell(request, count, gettext("A worker goes on with {rows} now. What is paid is not paid again."))

    @admin.action(description=_("Give up"), permissions=["decide"])
    def give_up(self, request: HttpRequest, queryset: "QuerySet[Purchase]") -> HttpResponse | None:
        form = forms.Form(answer(request))
        if not form.is_valid():
            facts = facts_of_giving_up(purchasing.can_be_given_up(queryset))
            return self.ask(request, queryset, form=form, title="Give up", facts=facts, is_dangerous=True)
        self.tell(
            request, purchasing.give_up(queryset), gettext("{rows} given up. What is being paid or read goes on.")
        )
        return None

    # --- buying ------------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Buy codes: choose the account, find the product, give numbers, confirm them."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        wish = _wish(request)
        if wish.account is None:
            choices = [(str(account), wish.address(account=account.pk)) for account in wish.accounts]
            return self._page(request, "choose.html", wish, "Buy codes", choices=choices)
        if not wish.product_id:
            found = finding.to_buy(wish.account, wish.text, wish.page)
            facts = {"found": found, "table": _table(wish, found.products), "next": wish.address(page=wish.page + 1)}
            return self._page(request, "search.html", wish, f"Buy codes through {wish.account}", **facts)
        remote, problem = finding.look_up(wish.account, wish.product_id)
        if remote is None:
            back = wish.address(product="")
            return self._page(request, "search.html", wish, "Buy codes", found=Found(problem=problem), back=back)
        return self._numbers(request, wish, wish.account, remote)

    def _numbers(self, request: HttpRequest, wish: Wish, account: Account, remote: RemoteProduct) -> HttpResponse:
        usual = _usual_product(account, remote.external_id)
        initial = {"sku": usual.sku if usual else "", "currency": remote.currency or "EUR", "max_price": remote.price}
        form = BuyForm(request.POST or None, initial=initial, remote=remote)
        title = f"Buy {remote.name or remote.external_id}"
        if not form.is_valid():
            return self._page(request, "numbers.html", wish, title, form=form, remote=remote, facts=_offered(remote))
        if "confirmed" not in request.POST:
            facts = {"remote": remote, "form": form, "run": uuid4(), "facts": _cost(account, remote, form)}
            return self._page(request, "confirm.html", wish, f"Buy {form.cleaned_data['quantity']} codes", **facts)
        return self._order(request, account, remote, form)

    def _order(self, request: HttpRequest, account: Account, remote: RemoteProduct, form: BuyForm) -> HttpResponse:
        wanted = form.cleaned_data
        try:
            run = purchasing.order(
                account=account, external_product_id=remote.external_id, product=wanted["sku"],
                quantity=wanted["quantity"], max_price=wanted["max_price"], currency=wanted["currency"],
                by=request.user.get_username(), run=_as_uuid(request.POST.get("run", "")),
            )  # fmt: skip
        except CannotBuy as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        text = gettext("%(count)s codes are being bought; below is how far they are.") % {"count": wanted["quantity"]}
        self.message_user(request, text)
        return HttpResponseRedirect(f"{reverse('admin:inventory_purchase_changelist')}?run={run}")

    def _page(self, request: HttpRequest, name: str, wish: Wish, title: str, **facts: Any) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "wish": wish, **facts}
        return TemplateResponse(request, f"admin/inventory/purchase/{name}", context)


def _run(request: HttpRequest) -> purchasing.Progress | None:
    run = _as_uuid(request.GET.get("run", ""))
    return purchasing.progress(run) if run else None


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _offered(remote: RemoteProduct) -> list[str]:
    stock = "Its stock is not told." if remote.available is None else f"{remote.available:,} are in stock there."
    lowest = money.display(remote.price, remote.currency)
    return [f"The lowest price is {lowest} now. {stock}" if lowest else f"Its price is not told. {stock}"]


def _cost(account: Account, remote: RemoteProduct, form: BuyForm) -> list[str]:
    wanted = form.cleaned_data
    quantity, currency = wanted["quantity"], wanted["currency"]
    ceiling = money.display(wanted["max_price"], currency)
    total = money.display(wanted["max_price"] * quantity, currency)
    open_run = purchasing.unfinished(account=account, external_product_id=remote.external_id, product=wanted["sku"])
    unfinished = ["The same is being bought already and is not finished; these come on top."] if open_run else []
    return [
        f"{quantity} codes of {remote.name or remote.external_id} for {wanted['sku']}, each for at most {ceiling}.",
        f"At most {total} are spent through {account}. What is paid can't be undone.",
        *_offered(remote),
        *unfinished,
    ]
