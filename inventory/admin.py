"""Codes; and the stop button for an account's sales."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Exists, Max, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from backoffice import money
from backoffice.admin import (
    EvidenceAdmin,
    EvidenceInline,
    answer,
    badge,
    link,
)
from backoffice.crypto import CannotOpen
from backoffice.run_admin import BulkRuns
from backoffice.runs import Kind
from inventory import (
    buying_admin,  # noqa: F401  (registers its pages)
    catalogue_admin,  # noqa: F401  (registers its pages)
    codes,
    feed_admin,  # noqa: F401  (registers its pages)
    import_admin,  # noqa: F401  (registers its pages)
    offer_admin,  # noqa: F401  (registers its pages)
    price_admin,  # noqa: F401  (registers its pages)
    product_admin,  # noqa: F401  (registers its pages)
    rate_admin,  # noqa: F401  (registers its pages)
    stock,
)
from inventory.forms import WithdrawForm
from inventory.models import Code, CodeReveal, Difference, Offer, Pause, Purchase
from inventory.pause_admin import Pausable
from inventory.price_admin import AccountTermsInline, FeeInline
from inventory.stock_runs import PauseAccounts, ResumeAccounts, SellAgain, Withdraw
from inventory.upload_admin import CodeUploadInline
from marketplaces.admin import AccountAdmin
from marketplaces.forms import ReasonForm
from marketplaces.models import Account
from marketplaces.types import OfferStatus

CODE_STATES = {
    "available": "success", "held": "info", "sent": "info", "uploaded": "info", "delivered": "primary",
    "returned": "warning", "faulty": "danger", "void": "danger", "expired": "warning",
}  # fmt: skip


# --- an account's sales can be stopped from here -------------------------------------------------------------

admin.site.unregister(Account)


@admin.register(Account)
class SellingAccountAdmin(Pausable, AccountAdmin):
    """The account's page, with what its sales cost and the switch for them, which the floor below knows nothing of."""

    inlines = (FeeInline, AccountTermsInline)
    list_display = (*AccountAdmin.list_display, "paused")
    readonly_fields = (*AccountAdmin.readonly_fields, "sale")
    actions: Sequence[str] = (*AccountAdmin.actions, "pause_sales", "resume_sales")
    page_only = (*AccountAdmin.page_only, "pause_sales", "resume_sales")
    run_kinds: Sequence[type[Kind]] = (PauseAccounts, ResumeAccounts)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        mine = Pause.objects.filter(account=OuterRef("pk"), ended_at=None)
        return super().get_queryset(request).annotate(is_paused=Exists(mine))

    def get_inlines(self, request: HttpRequest, obj: Any) -> Sequence[Any]:
        return self.inlines if obj else ()

    @display(description=_("sale"), label={"paused": "warning"})
    def paused(self, account: Any) -> str:
        return "paused" if account.is_paused else ""

    def get_troubles(self, account: Account) -> list[tuple[str, str]]:
        """Offers that are shown there under a word we have no word for stand here, too: nothing else tells of them."""
        unknown = Offer.objects.filter(account=account, seen_status=OfferStatus.UNKNOWN)
        words = unknown.order_by().values_list("seen__status_word").annotate(offers=Count("pk"), newest=Max("pk"))
        strange = [
            (
                f"{offers} {'offer' if offers == 1 else 'offers'}: the marketplace shows “{word}”, for which there is no word"
                " here. Nothing was changed because of it",
                reverse("admin:inventory_offer_change", args=[newest]),
            )
            for word, offers, newest in words
            if word
        ]
        return [*super().get_troubles(account), *strange, *self._differences(account)]

    def _differences(self, account: Account) -> list[tuple[str, str]]:
        count = Difference.objects.filter(account=account, state=Difference.State.OPEN).count()
        if not count:
            return []
        text = f"{count:,} difference{'' if count == 1 else 's'} between what we want or know and what it shows"
        return [(text, f"{reverse('admin:inventory_difference_changelist')}?account__id__exact={account.pk}")]

    def get_read(self, account: Account) -> list[tuple[str, bool]]:
        seen = Offer.objects.filter(account=account).exclude(seen_at=None).order_by("-seen_at")
        last = seen.values_list("seen_at", flat=True).first()
        words = (
            f"Offers: last read {date_format(localtime(last), 'DATETIME_FORMAT')}."
            if last
            else "No offer was read yet."
        )
        return [*super().get_read(account), (words, last is not None)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        sets = super().get_fieldsets(request, obj)
        return [*sets, (gettext("Sale"), {"fields": ("sale",)})] if obj else sets


# --- codes ---------------------------------------------------------------------------------------------------


class RevealInline(EvidenceInline):
    model = CodeReveal
    fields = readonly_fields = ("at", "user", "reason")
    verbose_name_plural = _("who saw it")


@admin.register(Code)
class CodeAdmin(BulkRuns, EvidenceAdmin):
    """Codes by number, state and origin. No list decrypts one; to see one, a person gives a reason.

    The search is a POST of its own: a code that somebody types must not end up in an address, a log or a history.
    """

    empty_help = _(
        "No code yet. Import a file of them, or paste them; each is sealed at once and shown to nobody without a reason."
    )
    empty_steps = (
        (_("Import codes"), "admin:inventory_codeimport_add", "inventory.import_code"),
        (_("Products"), "admin:inventory_product_changelist", "inventory.view_product"),
    )
    list_display = (
        "__str__", "product", badge("state", CODE_STATES), "kind", "batch", "cost_basis", "expires_at", "serial",
    )  # fmt: skip
    list_filter = (
        ("state", ChoicesDropdownFilter), ("product", AutocompleteSelectFilter), ("batch", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("product", "batch__product")
    list_before_template = "admin/inventory/code/find.html"
    ordering = ("-pk",)
    fields = (
        "product", "state", "kind", "batch", "bought", "hold", "cost_basis", "serial", "expires_at", "created_at",
    )  # fmt: skip
    readonly_fields = ("bought",)
    inlines: Sequence[Any] = (RevealInline, CodeUploadInline)
    actions: Sequence[str] = ("withdraw", "sell_again", "reveal")
    buttons: Sequence[str] = ("reveal", "withdraw", "sell_again")
    page_only: Sequence[str] = actions
    run_kinds: Sequence[type[Kind]] = (Withdraw, SellAgain)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("sealed", "index")

    def has_reveal_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.reveal_code"))

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.change_code"))

    def get_buttons(self, request: HttpRequest, row: Code) -> Sequence[str]:
        fits = {"withdraw": Code.State.AVAILABLE, "sell_again": Code.State.RETURNED}
        return [name for name in self.buttons if fits.get(name, row.state) == row.state]

    @display(description=_("cost"), ordering="cost")
    def cost_basis(self, code: Code) -> str:
        return money.display(code.batch.cost if code.cost is None else code.cost, code.batch.currency)

    @display(description=_("bought as"))
    def bought(self, code: Code) -> str:
        found = Purchase.objects.filter(code=code).defer("answer").first()
        return (
            link("admin:inventory_purchase_change", f"order {found}", found.pk) if found else "not through an account"
        )

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
            request, gettext("No code has exactly this text or number. Check for missing signs."), messages.WARNING
        )
        return HttpResponseRedirect(reverse("admin:inventory_code_changelist"))

    @admin.action(description=_("Take out of sale"), permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: "QuerySet[Code]") -> HttpResponse | None:
        form = WithdrawForm(answer(request))
        if not form.is_valid():
            return self._ask_withdraw(request, queryset, form)
        count = stock.withdraw(list(queryset.values_list("pk", flat=True)), form.cleaned_data["state"])
        self.tell(
            request,
            count,
            gettext("{rows} taken out of sale; offers follow within seconds. Others were not available."),
        )
        return None

    def _ask_withdraw(self, request: HttpRequest, queryset: "QuerySet[Code]", form: WithdrawForm) -> HttpResponse:
        chosen, available = queryset.count(), queryset.filter(state=Code.State.AVAILABLE).count()
        facts = [f"{available} of the {chosen} chosen can be taken out of sale: only what is available can."]
        return self.ask(request, queryset, form=form, title="Take out of sale", facts=facts, is_dangerous=True)

    @admin.action(description=_("Sell again"), permissions=["withdraw"])
    def sell_again(self, request: HttpRequest, queryset: "QuerySet[Code]") -> HttpResponse | None:
        if answer(request) is None:
            returned = queryset.filter(state=Code.State.RETURNED).count()
            facts = [f"{returned} returned codes can be sold again. Whoever gave them back has seen them."]
            return self.ask(request, queryset, form=forms.Form(), title="Sell again", facts=facts, is_dangerous=True)
        count = stock.sell_again(list(queryset.values_list("pk", flat=True)))
        self.tell(
            request, count, gettext("{rows} can be sold again; offers follow within seconds. Others were not returned.")
        )
        return None

    @admin.action(description=_("Reveal"), permissions=["reveal"])
    def reveal(self, request: HttpRequest, queryset: "QuerySet[Code]") -> HttpResponse:
        form = ReasonForm(answer(request))
        if not form.is_valid():
            facts = ["The code is shown once. Who saw it, when and why is kept."]
            return self.ask(request, queryset[:1], form=form, title="Reveal", facts=facts)
        return self._show_once(request, queryset[0], form.cleaned_data["reason"])

    def _show_once(self, request: HttpRequest, code: Code, reason: str) -> HttpResponse:
        try:
            plain = codes.reveal(code, user=request.user.get_username(), reason=reason)
        except CannotOpen as error:
            text = gettext("Code %(number)s can't be opened. %(advice)s.") % {"number": code.pk, "advice": error.advice}
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(self.where_from(request))
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": str(code), "plain": plain}
        response = TemplateResponse(request, "admin/inventory/code/revealed.html", {**context, "code": code})
        add_never_cache_headers(response)
        return response


@admin.register(CodeReveal)
class CodeRevealAdmin(EvidenceAdmin):
    """Who saw which code, when and why; for auditors."""

    empty_help = _("Nobody has looked at a code. Whoever does has to give a reason, and is written down here.")
    list_display = ("at", "user", "reason", "code_page")
    list_filter = (("at", RangeDateTimeFilter),)
    list_select_related = ("code",)
    search_fields = ("user__startswith",)
    search_help_text = _("Beginning of the user's name")
    ordering = ("-at",)
    fields = ("code", "user", "reason", "at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("code__sealed", "code__index")

    @display(description=_("code"))
    def code_page(self, reveal: CodeReveal) -> str:
        return link("admin:inventory_code_change", str(reveal.code), reveal.code_id)
