"""What went wrong with an account's rows, said once for each reason, for the account's own page."""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Count, Max, Q, QuerySet, Value

from marketplaces.models import Account, Outgoing
from marketplaces.outgoing import BUDGET

State = Outgoing.State

# Reasons that are shown; the lists have them all.
SHOWN = 10


@dataclass(frozen=True)
class Trouble:
    """A reason, how many rows of a kind have it, and the newest of them."""

    model: type[Outgoing]
    pk: object
    rows: int
    reason: str

    def __str__(self) -> str:
        meta = self.model._meta
        return f"{self.rows} {meta.verbose_name if self.rows == 1 else meta.verbose_name_plural}: {self.reason}"


def of(account: Account) -> list[Trouble]:
    """Name what went wrong with rows of the account that are not done, the most frequent first. Asks nobody.

    One statement for all kinds of row.
    """
    kinds = {model._meta.label_lower: model for model in apps.get_models() if issubclass(model, Outgoing)}
    first, *others = (_by_reason(model, account, label) for label, model in kinds.items())
    found = first.union(*others, all=True).order_by("-rows", "label", "-newest")[:SHOWN]
    return [Trouble(kinds[row["label"]], row["newest"], row["rows"], row["last_error"]) for row in found]


def _by_reason(model: type[Outgoing], account: Account, label: str) -> "QuerySet[Any, Any]":
    rows = model._default_manager.filter(Q(("account", account))).exclude(state=State.DONE).order_by()
    failed = rows.exclude(failure__in=["", BUDGET]).annotate(label=Value(label))
    return failed.values("label", "last_error").annotate(rows=Count("pk"), newest=Max("pk"))
