"""Runs over rows that have something to send: a row of the run is done when its own row is."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone

from backoffice import runs
from backoffice.runs import Key, Outcome, Preview
from marketplaces import outgoing
from marketplaces.models import Account, Outgoing

State = Outgoing.State

SAMPLE, READ_AT_ONCE = 20, 500


class OutgoingKind(runs.Kind):
    """A kind whose rows are made due, and which waits until they are done or need a person."""

    def outcomes(self, rows: "QuerySet[Any]") -> Mapping[Key, Outcome]:
        return ends_of(rows)


def ends_of(rows: "QuerySet[Any]", key: str = "pk") -> dict[Key, Outcome]:
    """The outcomes of outgoing rows that are done or need a person, by `key`."""
    over = rows.filter(state__in=[State.DONE, State.NEEDS_ATTENTION]).values_list(key, "state", "last_error")
    return {
        str(pk): runs.done(text) if state == State.DONE else runs.failed(text or "It needs a person.")
        for pk, state, text in over
    }


def rests_of(rows: "QuerySet[Any]", text: str) -> dict[Key, Outcome]:
    """The same for rows that were taken up, found nothing wrong, and are to be taken up again by the clock."""
    resting = rows.filter(state__in=[State.DUE, State.UNKNOWN], next_try_at__gt=timezone.now(), failure="")
    return {str(pk): runs.done(said or text) for pk, said in resting.values_list("pk", "last_error")}


def cost(rows_of: Mapping[Account, int], *, at_once: str = "") -> tuple[dict[str, int], float]:
    """Requests by account, and the seconds that the slowest account's budget asks for.

    `at_once` names the attribute of a service that says how many rows one request does; without it each row is one.
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


class EachRow(OutgoingKind):
    """A kind that judges each row by itself: what needs nothing, what is left alone and why, and what is done to the rest.

    What it does goes through a verb that looks once more under its own lock, so nothing is locked here: every verb locks in
    an order of its own.
    """

    at_once: ClassVar[int] = 100  # a verb takes some statements a row, and whoever watches wants to see it move
    related: ClassVar[Sequence[str]] = ("account",)
    deferred: ClassVar[Sequence[str]] = ()
    header: ClassVar[Sequence[str]] = ("row", "account", "now")
    requests_each: ClassVar[int] = 0
    together: ClassVar[str] = ""  # the attribute of a service that says how many rows one request does
    facts: ClassVar[Sequence[str]] = ()

    def looked_at(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        # A list's own joins and sums are not wanted here.
        mine = self.model._default_manager.filter(pk__in=rows.order_by().values("pk"))
        mine = mine.select_related(*self.related) if self.related else mine  # without names it would join everything
        return mine.defer(*self.deferred).order_by("pk")

    def ground(self, rows: Sequence[Any], said: Mapping[str, Any]) -> Any:
        """Read what judging many rows needs, together."""
        return None

    def account_of(self, row: Any) -> Account | None:
        account: Account | None = getattr(row, "account", None)
        return account

    def is_over(self, row: Any, said: Mapping[str, Any], ground: Any) -> str:
        """Say why there is nothing to do to the row; empty when there is."""
        return ""

    def why_not(self, row: Any, said: Mapping[str, Any], ground: Any) -> str:
        """Say, for people, why the row is left alone; empty when it is not."""
        return ""

    def requests(self, row: Any, said: Mapping[str, Any], ground: Any) -> int:
        """Requests to the row's account, about."""
        return self.requests_each

    def columns(self, row: Any, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        """What the preview shows of the row, under `header`."""
        return str(row), str(self.account_of(row) or ""), row.get_state_display()

    def more_facts(self, rows: "QuerySet[Any]", said: Mapping[str, Any]) -> Sequence[str]:
        """What people should know before they start, of these rows."""
        return ()

    def do(self, row: Any, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        """Do it to one row, by a verb that is safe to repeat. Raises nothing that is a reason for people."""
        raise NotImplementedError

    def preview(self, rows: "QuerySet[Any]", said: Mapping[str, Any]) -> Preview:
        refused: list[str] = []
        sample: list[Sequence[str]] = []
        units: Counter[Account] = Counter()
        changed = unchanged = 0
        for row, ground in self._each(rows, said):
            if self.is_over(row, said, ground):
                unchanged += 1
            elif reason := self._refusal(row, said, ground):
                refused.append(f"{row}: {reason}")
            else:
                changed += 1
                if (account := self.account_of(row)) and (count := self.requests(row, said, ground)):
                    units[account] += count
                if len(sample) < SAMPLE:
                    sample.append(self.columns(row, said, ground))
        requests, seconds = cost(units, at_once=self.together)
        return Preview(
            changed=changed, unchanged=unchanged, refused=refused, header=self.header, sample=sample, requests=requests,
            seconds=seconds, facts=(*self.facts, *self.more_facts(rows, said)),
        )  # fmt: skip

    def apply(self, rows: "QuerySet[Any]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        outcomes: dict[Key, Outcome] = {}
        for row, ground in self._each(rows, said):
            if over := self.is_over(row, said, ground):
                outcomes[str(row.pk)] = runs.unchanged(over)
            elif reason := self._refusal(row, said, ground):
                outcomes[str(row.pk)] = runs.failed(reason)
            else:
                outcomes[str(row.pk)] = self.do(row, said, by, ground)
        return outcomes

    def _each(self, rows: "QuerySet[Any]", said: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
        found = self.looked_at(rows).iterator(chunk_size=READ_AT_ONCE)
        while page := list(islice(found, READ_AT_ONCE)):
            ground = self.ground(page, said)
            yield from ((row, ground) for row in page)

    def _refusal(self, row: Any, said: Mapping[str, Any], ground: Any) -> str:
        account = self.account_of(row)
        if self.requests_each and account is not None and not account.is_enabled:
            return f"Account “{account}” is switched off, so nothing is sent."
        return self.why_not(row, said, ground)


class TryAgain(EachRow):
    """Take rows up again now, and follow each to its end. One that is in flight is followed, too."""

    title = "Try again"
    requests_each = 1

    def do(self, row: Any, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        outgoing.try_again(row)
        return runs.waiting()
