"""Recalls: from a batch or chosen codes, over a preview, to the buyers who have a bad code."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice import money, runs
from backoffice.admin import EvidenceAdmin, age, answer, badge, link
from backoffice.run_admin import BulkRuns
from backoffice.runs import Key, Outcome, Preview
from inventory import recalls, stock
from inventory.models import Code, Recall, RecalledCode
from marketplaces.forms import ReasonForm
from orders import recall as orders_recall
from orders.models import DeliveryItem, Remedy
from orders.remedy_runs import KINDS

REMEDIES = {"open": "danger", "replaced": "success", "refunded": "success", "none": ""}


class RecallCodes(runs.Kind):
    """Call chosen codes back. All of a run's codes are in one recall."""

    title = "Call back"
    model = Code
    permission = "inventory.recall_code"
    form_class: ClassVar[type[forms.Form]] = ReasonForm
    is_dangerous = True

    def describe(self, said: Mapping[str, Any]) -> str:
        return f"Call back: {said['reason']}"

    def begin(self, said: Mapping[str, Any], by: str) -> Mapping[str, Any]:
        return {**said, "recall": recalls.begin(reason=said["reason"], by=by).pk}

    def preview(self, rows: "QuerySet[Code]", said: Mapping[str, Any]) -> Preview:
        fresh = rows.filter(recalled=None)
        counts = dict(fresh.order_by().values_list("state").annotate(n=Count("pk")))
        total = sum(counts.values())
        sold = DeliveryItem.objects.filter(code__in=fresh.order_by().values("pk"), withdrawn_at=None, returned_at=None)
        left = sold.exclude(sent_at=None)
        orders = left.order_by().values("delivery__line__order").distinct().count()
        frozen = sum(counts.get(state, 0) for state in recalls.FROZEN)
        facts = [
            f"{frozen:,} are frozen at once and are shown nowhere any more; none of the codes can be sold again.",
            f"{counts.get(Code.State.UPLOADED, 0):,} lie at marketplaces and are fetched back.",
            f"{left.count():,} have left for {orders:,} orders: their buyers are listed, and you decide on each.",
        ]
        table = [[Code.State(state).label, f"{units:,}"] for state, units in sorted(counts.items())]
        return Preview(
            changed=total, unchanged=rows.count() - total, header=("they are", "codes"), sample=table, facts=facts
        )

    def apply(self, rows: "QuerySet[Code]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        keys = list(rows.values_list("pk", flat=True))
        was = recalls.add(Recall.objects.get(pk=said["recall"]), keys)
        return {
            str(pk): runs.done(f"was {Code.State(was[pk]).label}")
            if pk in was
            else runs.unchanged("called back before")
            for pk in keys
        }


class RecallBatches(RecallCodes):
    """The same for all codes of chosen batches."""

    def rows_of(self, chosen: "QuerySet[Any]") -> "QuerySet[Any]":
        return Code.objects.filter(batch__in=chosen.order_by().values("pk"))


def _counted(rows: "QuerySet[Any]") -> Coalesce:
    """The number of grouped rows, for an annotation."""
    return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0)


@admin.register(Recall)
class RecallAdmin(EvidenceAdmin):
    """What was called back, how far it is fetched, and what is still to be decided."""

    empty_help = _(
        "Nothing was called back. Choose codes or a batch and press “Call back” when a supplier's codes turn"
        " out to be bad."
    )
    empty_steps = ((_("Batches"), "admin:inventory_batch_changelist", "inventory.view_batch"),)
    list_display = ("reason", "by", age("at"), "called_back", "still_there", "undecided")
    ordering = ("-at",)
    fields = ("reason", "by", "at", "numbers", "its_remedies", "its_codes")
    readonly_fields = ("numbers", "its_remedies", "its_codes")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        mine = RecalledCode.objects.filter(recall=OuterRef("pk")).order_by().values("recall")
        open_ones = Remedy.objects.filter(recall=OuterRef("pk"), kind=Remedy.Kind.OPEN).order_by().values("recall")
        return (
            super()
            .get_queryset(request)
            .annotate(
                called=_counted(mine),
                there=_counted(mine.filter(code__state=Code.State.UPLOADED)),
                undecided_ones=_counted(open_ones),
            )
        )

    @display(description=_("codes"))
    def called_back(self, recall: Any) -> int:
        return int(recall.called)

    @display(description=_("still at marketplaces"))
    def still_there(self, recall: Any) -> int:
        return int(recall.there)

    @display(description=_("to be decided"))
    def undecided(self, recall: Any) -> int:
        return int(recall.undecided_ones)

    @display(description=_("worth"))
    def numbers(self, recall: Recall) -> str:
        sums = orders_recall.worth(recall.remedies.all())
        told = ", ".join(money.display(amount, currency) for currency, amount in sorted(sums.items()))
        return f"{recall.remedies.count():,} codes are with buyers, who paid {told or 'an unknown amount'} for them."

    @display(description=_("buyers"))
    def its_remedies(self, recall: Recall) -> str:
        query = f"recall__id__exact={recall.pk}"
        return link("admin:orders_remedy_changelist", "Orders that have a bad code", query=query)

    @display(description=_("codes"))
    def its_codes(self, recall: Recall) -> str:
        query = f"recall__id__exact={recall.pk}"
        return link("admin:inventory_recalledcode_changelist", "Codes of this recall", query=query)


@admin.register(RecalledCode)
class RecalledCodeAdmin(EvidenceAdmin):
    empty_help = _("No code was called back.")
    empty_steps = ((_("Recalls"), "admin:inventory_recall_changelist", "inventory.view_recall"),)
    list_display = ("__str__", "product", badge("was", {}), "now")
    list_filter = (("recall", RelatedDropdownFilter), ("was", ChoicesDropdownFilter))
    list_select_related = ("code__product",)
    fields = ("recall", "code", "was", "now")
    ordering = ("pk",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("code__sealed", "code__index")

    @display(description=_("product"))
    def product(self, row: RecalledCode) -> str:
        return str(row.code.product)

    @display(description=_("now"))
    def now(self, row: RecalledCode) -> str:
        return str(row.code.get_state_display())


@admin.register(Remedy)
class RemedyAdmin(BulkRuns, EvidenceAdmin):
    """Buyers who have a code that was called back: another code, the money, or nothing."""

    empty_help = _(
        "No buyer waits for a remedy. When a code that was sold is called back, what to do for its buyer is"
        " decided here."
    )
    empty_steps = ((_("Recalls"), "admin:inventory_recall_changelist", "inventory.view_recall"),)
    list_display = (
        "code",
        "order",
        "account",
        "paid",
        badge("kind", REMEDIES),
        "new_code",
        "by",
        age("at", _("decided")),
    )
    list_display_links = ("kind",)  # the others lead to a code and an order
    list_filter = (("kind", ChoicesDropdownFilter), ("recall", RelatedDropdownFilter))
    list_select_related = ("item__delivery__line__order__account",)
    ordering = ("pk",)
    fields = ("recall", "code", "order", "paid", "kind", "new_code", "by", "at", "note")
    readonly_fields = ("code", "order", "paid", "new_code")
    actions: Sequence[str] = ("replace", "refund", "leave")
    buttons: Sequence[str] = ("replace", "refund", "leave")
    page_only: Sequence[str] = ("replace", "refund", "leave")
    run_kinds = KINDS

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("item__delivery__buyer_fields", "item__delivery__line__order__raw")

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.deliver_order"))

    def get_buttons(self, request: HttpRequest, row: Remedy) -> Sequence[str]:
        return self.buttons if row.kind == Remedy.Kind.OPEN else ()

    @display(description=_("bad code"))
    def code(self, row: Remedy) -> str:
        return link("admin:inventory_code_change", f"code {row.item.code_id}", row.item.code_id)

    @display(description=_("order"))
    def order(self, row: Remedy) -> str:
        order = row.item.delivery.order
        return link("admin:orders_order_change", str(order), order.pk)

    @display(description=_("account"))
    def account(self, row: Remedy) -> str:
        return str(row.item.delivery.order.account)

    @display(description=_("paid"))
    def paid(self, row: Remedy) -> str:
        return money.display(row.item.delivery.line.unit_price, row.item.delivery.order.currency)

    @display(description=_("new code"))
    def new_code(self, row: Remedy) -> str:
        number = row.replacement_id
        return link("admin:inventory_code_change", f"code {number}", number) if number else ""

    @admin.action(description=_("Replace by another code"), permissions=["deliver"])
    def replace(self, request: HttpRequest, queryset: "QuerySet[Remedy]") -> None:
        by, count = request.user.get_username(), 0
        try:
            for remedy in queryset.order_by("pk"):
                count += orders_recall.replace(remedy, by=by)
        except stock.ShortStock as error:
            text = gettext("%(problem)s. Import codes, then go on.") % {"problem": error}
            self.message_user(request, text, messages.ERROR)
        self.tell(
            request, count, gettext("{rows} replaced. Open each new code's page, reveal it, and give it to the buyer.")
        )

    @admin.action(description=_("Refunded"), permissions=["deliver"])
    def refund(self, request: HttpRequest, queryset: "QuerySet[Remedy]") -> HttpResponse | None:
        return self._settle(request, queryset, Remedy.Kind.REFUNDED, "Refunded")

    @admin.action(description=_("Nothing to do"), permissions=["deliver"])
    def leave(self, request: HttpRequest, queryset: "QuerySet[Remedy]") -> HttpResponse | None:
        return self._settle(request, queryset, Remedy.Kind.NONE, "Nothing to do")

    def _settle(self, request: HttpRequest, queryset: "QuerySet[Remedy]", kind: str, title: str) -> HttpResponse | None:
        form = ReasonForm(answer(request))
        if not form.is_valid():
            facts = ["Refund in the marketplace's own pages; here it is written down who said so, and why."]
            return self.ask(request, queryset, form=form, title=title, facts=facts)
        by, note = request.user.get_username(), form.cleaned_data["reason"]
        count = sum(orders_recall.settle(remedy, kind, by=by, note=note) for remedy in queryset)
        self.tell(request, count, gettext("{rows} settled."))
        return None
