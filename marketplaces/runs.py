"""Runs over rows that have something to send: a row of the run is done when its own row is."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from backoffice import runs
from backoffice.runs import Key, Outcome
from marketplaces.models import Account, Outgoing

State = Outgoing.State


class OutgoingKind(runs.Kind):
    """A kind whose rows are made due, and which waits until they are done or need a person."""

    def outcomes(self, rows: "QuerySet[Any]") -> Mapping[Key, Outcome]:
        over = rows.filter(state__in=[State.DONE, State.NEEDS_ATTENTION]).values_list("pk", "state", "last_error")
        return {
            str(pk): runs.done(text) if state == State.DONE else runs.failed(text or "It needs a person.")
            for pk, state, text in over
        }


def cost(rows_of: Mapping[Account, int], *, at_once: str) -> tuple[dict[str, int], float]:
    """Requests by account, and the seconds that the slowest account's budget asks for.

    `at_once` names the attribute of a service that says how many rows one request does.
    """
    requests = {
        str(account): -(-count // max(getattr(account.service_class, at_once, 1), 1))
        for account, count in rows_of.items()
    }
    seconds = (
        60 * count / account.option("requests_per_minute")
        for account, count in zip(rows_of, requests.values(), strict=True)
    )
    return requests, max(seconds, default=0.0)
