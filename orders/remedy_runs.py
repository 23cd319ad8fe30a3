"""Runs over remedies: another code, the money, or nothing, for many buyers who have a bad code."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms

from backoffice import money, runs
from backoffice.runs import Outcome
from inventory import stock
from marketplaces.forms import ReasonForm
from marketplaces.models import Account
from marketplaces.runs import EachRow
from orders import recall
from orders.models import Remedy

Kind = Remedy.Kind


class RemedyKind(EachRow):
    model = Remedy
    permission = "orders.deliver_order"
    related = ("item__delivery__line__order__account", "item__code__product")
    deferred = (
        "item__delivery__buyer_fields", "item__delivery__line__order__raw", "item__delivery__line__order__contact",
        "item__code__sealed", "item__code__index",
    )  # fmt: skip
    header = ("code", "account", "paid", "product")

    def account_of(self, row: Remedy) -> Account | None:
        return row.item.delivery.order.account

    def is_over(self, row: Remedy, said: Mapping[str, Any], ground: Any) -> str:
        return "" if row.kind == Kind.OPEN else f"It was decided: {row.get_kind_display()}."

    def columns(self, row: Remedy, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        line = row.item.delivery.line
        paid = money.display(line.unit_price, line.order.currency)
        return str(row), str(line.order.account), paid, str(row.item.code.product)


class ReplaceCodes(RemedyKind):
    """Set another code aside for each buyer. Whoever gives it to the buyer reveals it."""

    title = "Replace by another code"
    facts = (
        "Another code is set aside for each of these buyers, as delivered by hand: no marketplace is told. Open each new"
        " code's page afterwards, reveal it, and give it to the buyer.",
    )

    def do(self, row: Remedy, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        try:
            is_new = recall.replace(row, by=by)
        except stock.ShortStock as problem:
            return runs.failed(f"{problem}. Import codes, then retry.")
        row.refresh_from_db(fields=["replacement"])
        return runs.done(f"code {row.replacement_id}") if is_new else runs.unchanged("It was decided meanwhile.")


class Refunded(RemedyKind):
    title = "Refunded"
    form_class: ClassVar[type[forms.Form]] = ReasonForm
    facts = ("Refund in the marketplace's own pages; here it is written down who said so, and why.",)
    decided: ClassVar[Kind] = Kind.REFUNDED

    def describe(self, said: Mapping[str, Any]) -> str:
        return f"{self.title}: {said['reason']}"

    def do(self, row: Remedy, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        is_new = recall.settle(row, self.decided, by=by, note=said["reason"])
        return runs.done() if is_new else runs.unchanged("It was decided meanwhile.")


class NothingToDo(Refunded):
    title = "Nothing to do"
    facts = ("It is written down who said so, and why.",)
    decided = Kind.NONE


KINDS: Sequence[type[RemedyKind]] = (ReplaceCodes, Refunded, NothingToDo)
