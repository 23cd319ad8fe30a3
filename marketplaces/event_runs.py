"""Runs over evidence: process events again, look at jobs again."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from backoffice.runs import Key, Outcome
from marketplaces.models import Job, WebhookEvent
from marketplaces.runs import TryAgain, ends_of, rests_of


class ProcessEvents(TryAgain):
    """Process stored events once more. In any order and any number of times they end in the same."""

    title = "Process again"
    model = WebhookEvent
    permission = "marketplaces.change_webhookevent"
    deferred = ("body", "headers")
    requests_each = 2
    header = ("event", "account", "came in", "now")
    facts = ("Processing reads what an event speaks of, for which up to two requests each are counted here.",)

    def why_not(self, row: WebhookEvent, said: Mapping[str, Any], ground: Any) -> str:
        return "" if row.method else "Its body was erased, so there is nothing to process."

    def columns(self, row: WebhookEvent, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        return str(row), str(row.account), f"{row.received_at:%Y-%m-%d %H:%M} UTC", row.get_state_display()


class LookAtJobs(TryAgain):
    """Ask how far marketplaces' jobs are. One that still runs was looked at, and goes on being watched."""

    title = "Look again"
    model = Job
    permission = "marketplaces.change_job"
    header = ("job", "account", "for", "now")

    def is_over(self, row: Job, said: Mapping[str, Any], ground: Any) -> str:
        return f"It ended as {row.get_result_display()}." if row.result else ""

    def columns(self, row: Job, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        return str(row), str(row.account), row.purpose, row.status_word or row.get_state_display()

    def outcomes(self, rows: "QuerySet[Any]") -> Mapping[Key, Outcome]:
        return ends_of(rows) | rests_of(rows, "It still runs.")
