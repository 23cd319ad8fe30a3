"""How calls to the marketplaces go: what of an account's budget is used up, and how many of its last calls failed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import FloatField, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from marketplaces import budget, services
from marketplaces.models import Account, ApiCall

LATELY = timedelta(hours=1)
LAST_CALLS = 200

# So many of the last calls at the most, each found by the index: a busy account costs no more than a quiet one. What counts
# as failed is what the list of calls shows as failed.
_FAILED = f"""(
SELECT AVG(CASE WHEN status < 400 AND error = '' THEN 0.0 ELSE 1.0 END) FROM (
       SELECT status, error FROM {ApiCall._meta.db_table}
        WHERE account_id = {Account._meta.db_table}.id AND started_at >= %s ORDER BY started_at DESC LIMIT %s) AS calls)
"""  # noqa: S608  (names of our own tables)


@dataclass(frozen=True)
class Vitals:
    """`used`: how much of its budget is used up now, from 0 to 1. `failed`: the share of its last calls; None without any."""

    used: float
    failed: float | None


def joined(accounts: "QuerySet[Account]") -> "QuerySet[Any]":
    """Accounts with what of() needs to know, in the same statement."""
    since = connection.ops.adapt_datetimefield_value(timezone.now() - LATELY)
    failed = RawSQL(_FAILED, [since, LAST_CALLS], FloatField())  # noqa: S611  # nosec  (every value is a parameter)
    return accounts.select_related("budget").annotate(calls_failed=failed)


def of(account: Any) -> Vitals:
    """The vitals of an account that joined() read."""
    failed = account.calls_failed
    return Vitals(budget_used(account), None if failed is None else float(failed))


def budget_used(account: Account) -> float:
    """How much of an account's budget is used up now, from 0 to 1; 0 where its marketplace's folder is gone."""
    service, row = services.all_services().get(account.marketplace), getattr(account, "budget", None)
    if service is None or row is None:
        return 0.0
    return budget.share(
        row.used_until, row.calls, row.blocked_until, per_minute=account.option("requests_per_minute"),
        burst=service.budget_burst, window=service.budget_window, kept=service.budget_kept,
    )  # fmt: skip
