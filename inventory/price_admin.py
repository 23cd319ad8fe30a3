"""Fees, price rules, what other sellers ask, and the history of prices."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy as _
from unfold.admin import StackedInline, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice import money
from backoffice.admin import OUTGOING, BaseAdmin, EvidenceAdmin, age, badge, price, short
from backoffice.run_admin import BulkRuns
from inventory import repricing
from inventory.models import AccountTerms, CompetitorWatch, Fee, Offer, PriceChange, PriceRule
from inventory.rules import offers_of
from inventory.stock_runs import LookAtPrices
from marketplaces import outgoing
from marketplaces.models import Account

# --- fees and margins, on the account's page ---------------------------------------------------------------------


class ShowsWhatItShowed:
    """Rows on another's page post what they showed, as every form of ours: what others wrote meanwhile is no change."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None:
            field.show_hidden_initial = True
        return field


class FeeInline(ShowsWhatItShowed, TabularInline):
    model = Fee
    extra = 0
    fields = ("category", "percent", "fixed", "currency")
    verbose_name_plural = _("fees that the marketplace keeps")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            # In a table the column's head is no label that a screen reader would find.
            field.widget.attrs["aria-label"] = db_field.verbose_name
        return field

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("account")  # each row is called by its account, too


class AccountTermsInline(ShowsWhatItShowed, StackedInline):
    model = AccountTerms
    extra = 0
    verbose_name_plural = _("least margin")


@admin.register(Fee)
class FeeAdmin(BaseAdmin):
    list_display = ("account", "for_category", "percent", price("fixed", _("per unit")))
    list_filter = (("account", RelatedDropdownFilter),)
    list_select_related = ("account",)
    search_fields = ("category__startswith",)
    autocomplete_fields = ("account",)
    fields = ("account", "category", "percent", ("fixed", "currency"))
    empty_help = _(
        "No fee is entered yet. What a marketplace keeps of each sale, as a part of the price and an amount per unit, decides"
        " what you get and how low a price may be. Enter them here or on the account's page; where the marketplace simulates"
        " a price itself, its own answer is shown."
    )

    @display(description=_("category"), ordering="category")
    def for_category(self, fee: Fee) -> str:
        return fee.category or "all"


# --- rules -------------------------------------------------------------------------------------------------------


@admin.register(PriceRule)
class PriceRuleAdmin(BaseAdmin):
    list_display = ("name", "is_enabled", "is_dry_run", "what_for", "sets", "floor", "ceiling")
    list_filter = ("is_enabled", "is_dry_run", ("kind", ChoicesDropdownFilter))
    list_select_related = ("account", "product", "offer__product")
    search_fields = ("name__startswith",)
    autocomplete_fields = ("account", "product", "offer")
    readonly_fields = ("reach",)
    fieldsets = (
        (None, {"fields": ("name", "is_enabled", "is_dry_run")}),
        (_("For"), {"fields": ("account", "product", "offer", "reach")}),
        (_("Price"), {"fields": ("kind", ("value", "currency"), "step_kind", ("floor", "ceiling"))}),
        (_("Calm"), {"fields": ("dead_band", "changes_an_hour")}),
    )
    empty_help = _(
        "No price rule yet. A rule sets prices every five minutes: to a fixed amount, to a margin over cost, or just below"
        " the cheapest other seller where the marketplace tells what others ask. It never goes below an offer's floor. Begin"
        " with a dry run: the price history then shows what it would do."
    )

    @display(description=_("for"))
    def what_for(self, rule: PriceRule) -> str:
        return rule.scope

    @display(description=_("sets"), ordering="kind")
    def sets(self, rule: PriceRule) -> str:
        value = f"{rule.value.normalize():f}"
        amount = money.display(rule.value, rule.currency)
        if rule.kind == PriceRule.Kind.FIXED:
            return amount
        if rule.kind == PriceRule.Kind.MARGIN:
            return f"cost + {value} %"
        by = f"{value} %" if rule.step_kind == PriceRule.StepKind.PERCENT else amount
        return f"cheapest − {by}"

    @display(description=_("reaches"))
    def reach(self, rule: PriceRule) -> str:
        """How many offers it is for now, and which of them it can't serve."""
        if rule._state.adding:
            return ""
        mine = Offer.objects.filter(offers_of(rule), product__isnull=False, is_active=True)
        said = f"{mine.count()} offers that are for sale"
        if rule.kind == PriceRule.Kind.COMPETITOR:
            accounts = Account.objects.filter(pk__in=mine.order_by().values("account"))
            deaf = [str(account) for account in accounts if not repricing.can_read(account)]
            stuck = CompetitorWatch.objects.filter(offer__in=mine, state="needs_attention").count()
            said += f"; no other sellers' prices are told on {', '.join(deaf)}" if deaf else ""
            said += f"; of {stuck} the prices can't be read, see Competitors" if stuck else ""
        return f"{said}. Where a more particular rule holds for one of them, that one counts."


@admin.register(CompetitorWatch)
class CompetitorWatchAdmin(BulkRuns, EvidenceAdmin):
    """What others ask for what we sell, as last read."""

    list_display = (
        "offer", "account", price("price", _("cheapest")), "seller", "others", age("read_at", _("read")),
        short("note", _("outcome")), badge("state", OUTGOING), short("last_error", _("problem"), 40),
    )  # fmt: skip
    list_filter = (("account", RelatedDropdownFilter), ("state", ChoicesDropdownFilter))
    list_select_related = ("account", "offer__product")
    search_fields = ("offer__external_id__startswith",)
    search_help_text = _("Beginning of the offer's id")
    ordering = ("-pk",)
    fields = (
        "offer", "account", ("price", "currency"), "seller", "others", "read_at", "note", "state", "attempts", "next_try_at",
        "failure", "last_error",
    )  # fmt: skip
    actions: Sequence[str] = ("look_again",)
    buttons: Sequence[str] = ("look_again",)
    page_only: Sequence[str] = ("look_again",)
    run_kinds = (LookAtPrices,)
    empty_help = _(
        "No competitor's price was read yet. They are read every five minutes for the offers of an enabled price rule that"
        " follows the cheapest competitor, where the marketplace tells what others ask."
    )

    def has_look_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.change_competitorwatch"))

    @admin.action(description=_("Look again"), permissions=["look"])
    def look_again(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        count = sum(outgoing.try_again(watch) for watch in queryset)
        self.tell(request, count, gettext("{rows} read again now."))


@admin.register(PriceChange)
class PriceChangeAdmin(EvidenceAdmin):
    """Every change of every price, and why; a dry run's say what would have been."""

    list_display = (
        "offer",
        "account",
        "before_and_after",
        short("reason", length=90),
        "rule",
        "is_dry_run",
        "by",
        age("at"),
    )
    list_filter = (
        ("rule", RelatedDropdownFilter), "is_dry_run", ("offer__account", RelatedDropdownFilter),
        ("offer", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("offer__account", "offer__product", "rule")
    search_fields = ("offer__external_id__startswith", "offer__product__sku__startswith")
    search_help_text = _("Beginning of the offer's id or the SKU")
    ordering = ("-at", "-pk")
    fields = ("offer", "before_and_after", "reason", "rule", "is_dry_run", "by", "at")
    readonly_fields = ("before_and_after",)
    empty_help = _(
        "No price was changed yet. Whatever changes one, a person, a file, a run or a rule, is written down here."
    )

    @display(description=_("account"), ordering="offer__account")
    def account(self, change: PriceChange) -> str:
        return str(change.offer.account)

    @display(description=_("price"))
    def before_and_after(self, change: PriceChange) -> str:
        return change.words
