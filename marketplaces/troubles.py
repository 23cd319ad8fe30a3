"""What went wrong with an account's rows, said once for each reason, for the account's own page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Q, QuerySet, Value

from marketplaces.models import Account, Outgoing
from marketplaces.outgoing import BUDGET

State = Outgoing.State

# Rows of each kind that are looked at, and reasons that are shown; the lists have them all.
LOOKED_AT, SHOWN = 200, 10


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
    """Name what went wrong with rows of the account that are not done, the most frequent first. Asks nobody."""
    found = [trouble for model in _troubled(account) for trouble in _of(model, account)]
    return sorted(found, key=lambda trouble: -trouble.rows)[:SHOWN]


def _troubled(account: Account) -> list[type[Outgoing]]:
    """The kinds of row that went wrong at all, in one statement: on most days there are none."""
    kinds = {model._meta.label_lower: model for model in apps.get_models() if issubclass(model, Outgoing)}
    named = [_failed(model, account).order_by().values_list(Value(label)) for label, model in kinds.items()]
    return [kinds[label] for (label,) in named[0].union(*named[1:])]


def _failed(model: type[Outgoing], account: Account) -> "QuerySet[Any]":
    rows = model._default_manager.filter(Q(("account", account))).exclude(state=State.DONE)
    return rows.exclude(failure__in=["", BUDGET])


def _of(model: type[Outgoing], account: Account) -> Iterator[Trouble]:
    failed = _failed(model, account).order_by("-pk").values_list("pk", "last_error")[:LOOKED_AT]
    by_reason: dict[str, list[object]] = {}
    for pk, reason in failed:
        by_reason.setdefault(reason, []).append(pk)
    for reason, pks in by_reason.items():
        yield Trouble(model, pks[0], len(pks), reason)
