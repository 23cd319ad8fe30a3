"""The page of differences: ours and theirs side by side, and what can be done about many at once."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice import runs
from backoffice.admin import EvidenceAdmin, age, badge, link, short
from backoffice.run_admin import BulkRuns
from backoffice.runs import Key, Outcome
from inventory.difference_runs import KINDS, DifferenceKind
from inventory.models import Difference, Reconciliation
from marketplaces import runs as outgoing_runs
from marketplaces.models import Account
from orders import readings
from orders.models import OrderReading

KIND_COLOURS = {"changed": "warning", "by_hand": "warning", "gone": "danger", "unknown": "info", "order": "primary"}
STATE_COLOURS = {"open": "danger", "ignored": "", "settled": "success"}
AGES = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
FIELDS = (
    "price",
    "quantity",
    "status",
    "title",
    "visibility",
    "min_quantity",
    "attributes",
    "offer",
    "state",
    "amount",
)


class ReadAgain(DifferenceKind):
    """Wish for the orders to be read, which brings ours up to date."""

    title = "Read the orders again"

    def why_not(self, row: Difference, ground: Any = None) -> str:
        if row.kind != Difference.Kind.ORDER:
            return "It is no order's."
        return "" if row.state in Difference.LASTING else "It is settled already."

    def requests(self, rows_of: Mapping[Account, int]) -> tuple[dict[str, int], float]:
        return outgoing_runs.cost(rows_of, at_once="orders_per_read")

    def apply(self, rows: "QuerySet[Difference]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        outcomes: dict[Key, Outcome] = {}
        usable = self.usable(rows.select_related("account").select_for_update(no_key=True, of=("self",)), outcomes)
        for account, order_id in {(row.account, row.order_id) for row in usable}:
            readings.ask(account, order_id)
        return outcomes | {str(row.pk): runs.waiting("being read") for row in usable}

    def outcomes(self, rows: "QuerySet[Difference]") -> Mapping[Key, Outcome]:
        wanted = list(rows.values_list("pk", "account", "order_id"))
        wishes = OrderReading.objects.filter(
            account__in={account for _, account, _ in wanted}, external_id__in={order for *_, order in wanted}
        )
        states = {(wish.account_id, wish.external_id): wish for wish in wishes}
        found = {pk: states.get((account, order)) for pk, account, order in wanted}
        return {str(pk): outcome for pk, wish in found.items() if (outcome := _outcome(wish)) is not None}


def _outcome(wish: OrderReading | None) -> Outcome | None:
    if wish is None or wish.state == OrderReading.State.DONE:
        return runs.done("Read; the next comparison says whether it is settled.")
    if wish.state == OrderReading.State.NEEDS_ATTENTION:
        return runs.failed(wish.last_error or "It needs a person.")
    return None


class StateFilter(DropdownFilter):
    """Those that are open, unless others are chosen."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((state.value, state.label) for state in Difference.State), ("all", "all")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        chosen = self.value() or Difference.State.OPEN
        return queryset if chosen == "all" else queryset.filter(state=chosen)


class FieldFilter(DropdownFilter):
    title = "field"
    parameter_name = "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((name, name.replace("_", " ")) for name in FIELDS), ("line", "an order's lines")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        match self.value():
            case None:
                return queryset
            case "attributes":
                return queryset.filter(field__startswith="attributes.")
            case "line":
                return queryset.filter(Q(field__contains=" of line ") | Q(field__startswith="line "))
            case name:
                return queryset.filter(field=name)


class AgeFilter(DropdownFilter):
    title = "age"
    parameter_name = "older"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("day", "more than a day"), ("week", "more than a week"), ("month", "more than a month")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        length = AGES.get(self.value() or "")
        return queryset if length is None else queryset.filter(found_at__lt=timezone.now() - length)


@admin.register(Difference)
class DifferenceAdmin(BulkRuns, EvidenceAdmin):
    """What the last comparison found to differ. It is settled by mending it, here or there, never by deleting its row."""

    empty_help = _(
        "No difference: what the marketplaces show is what we want, as far as it was compared. See under"
        " Comparisons when that was."
    )
    empty_steps = ((_("Comparisons"), "admin:inventory_reconciliation_changelist", "inventory.view_reconciliation"),)
    list_display = (
        "what", "account", "where", badge("kind", KIND_COLOURS), short("ours", length=50), short("theirs", length=50),
        age("found_at", _("found")), age("last_seen_at", _("last seen")), badge("state", STATE_COLOURS), "ignored_until",
    )  # fmt: skip
    list_filter = (
        StateFilter, ("account", RelatedDropdownFilter), ("kind", ChoicesDropdownFilter), FieldFilter, AgeFilter,
    )  # fmt: skip
    list_select_related = ("account", "offer")
    search_fields = ("external_id__startswith", "order_id__startswith")
    search_help_text = _("Beginning of an offer's or an order's id")
    ordering = ("-found_at", "-pk")
    fields = (
        "account", "where", "field", "kind", "ours", "theirs", "shown", "found_at", "last_seen_at", "state",
        "ignored_until", "settled_at", "by", "reason",
    )  # fmt: skip
    run_kinds: Sequence[type[runs.Kind]] = (*KINDS, ReadAgain)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("inventory.reconcile") or super().has_view_permission(request, obj))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) or bool(super().has_module_permission(request))

    def get_buttons(self, request: HttpRequest, row: Difference) -> Sequence[str]:
        if row.state not in Difference.LASTING:
            return ()
        if row.kind == Difference.Kind.ORDER:
            return ("run_readagain", "run_ignoreuntil")
        usable = {"run_pushours": row.kind in Difference.PUSHABLE, "run_taketheirs": row.kind != Difference.Kind.GONE}
        return (*(name for name, is_of_use in usable.items() if is_of_use), "run_ignoreuntil")

    @display(description=_("field"), ordering="field")
    def what(self, row: Difference) -> str:
        return row.field.replace("_", " ")

    @display(description=_("offer or order"))
    def where(self, row: Difference) -> str:
        if row.order_id:
            query = urlencode({"q": row.order_id})
            return link("admin:orders_order_changelist", f"order {row.order_id}", query=query)
        if row.offer is None:
            return row.external_id
        return link("admin:inventory_offer_change", row.offer.title or row.external_id, row.offer.pk)


@admin.register(Reconciliation)
class ReconciliationAdmin(EvidenceAdmin):
    """When each account is compared, and how far that is."""

    empty_help = _(
        "Nothing was compared yet. It is done by itself for every account that is enabled; “manage.py"
        " reconcile” does it now."
    )
    empty_steps = ((_("Accounts"), "admin:marketplaces_account_changelist", "marketplaces.view_account"),)
    list_display = (
        "account", "stage", age("began_at", _("began")), age("ended_at", _("ended")), "offers", "orders", "on_their_way",
        "next_at", short("problem", length=60), short("last_error", _("trouble"), 40),
    )  # fmt: skip
    list_select_related = ("account",)
    ordering = ("account__name",)
    fields = (
        "account", "stage", "reached", "began_at", "ended_at", "offers", "orders", "on_their_way", "problem", "next_at",
        "failures", "last_error",
    )  # fmt: skip
