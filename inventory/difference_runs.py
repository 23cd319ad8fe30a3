"""What can be done to many differences at once, as runs: push ours, take theirs, leave them alone for a while."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from itertools import islice
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import UnfoldAdminDateWidget

from backoffice import runs
from backoffice.rows import update_each
from backoffice.runs import Key, Outcome, Preview
from inventory import differences, pricing, reconciling, shelves
from inventory.limits import Book
from inventory.models import Difference, Offer
from inventory.shelves import Place, Shelves
from marketplaces import runs as outgoing_runs
from marketplaces.forms import ReasonForm
from marketplaces.models import Account

SAMPLE, READ_AT_ONCE = 20, 500


class DifferenceKind(runs.Kind):
    """A kind says which differences it refuses, with the reason, and what it does to the others."""

    model = Difference
    permission = "inventory.reconcile"
    header: ClassVar[Sequence[str]] = ("what", "account", "ours", "theirs")

    def ground(self, rows: Sequence[Difference]) -> Any:
        """Read what judging many rows needs, together."""
        return None

    def why_not(self, row: Difference, ground: Any = None) -> str:
        """The reason, for people, for which this difference is to be left alone; empty when there is none."""
        raise NotImplementedError

    def requests(self, rows_of: Mapping[Account, int]) -> tuple[dict[str, int], float]:
        """What it costs: requests by account, and seconds."""
        return {}, 0.0

    def preview(self, rows: "QuerySet[Difference]", said: Mapping[str, Any]) -> Preview:
        refused: list[str] = []
        sample: list[list[str]] = []
        touched: set[tuple[Any, str]] = set()
        changed = 0
        accounts = {account.pk: account for account in Account.objects.all()}
        for row, ground in self._each(rows):
            if reason := self.why_not(row, ground):
                refused.append(f"{row}: {reason}")
                continue
            changed += 1
            touched.add((row.account_id, row.external_id or row.order_id))
            if len(sample) < SAMPLE:
                sample.append([str(row), accounts[row.account_id].name, row.ours, row.theirs])
        counts = {accounts[pk]: rows for pk, rows in Counter(account for account, _ in touched).items()}
        requests, seconds = self.requests(counts)
        return Preview(
            changed=changed, refused=refused, header=self.header, sample=sample, requests=requests, seconds=seconds
        )

    def _each(self, rows: "QuerySet[Difference]") -> Iterator[tuple[Difference, Any]]:
        found = self.looked_at(rows).iterator(chunk_size=READ_AT_ONCE)
        while page := list(islice(found, READ_AT_ONCE)):
            ground = self.ground(page)
            yield from ((row, ground) for row in page)

    def looked_at(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        return rows.select_related("offer__account").order_by("pk")

    def usable(self, rows: "QuerySet[Difference]", outcomes: dict[Key, Outcome]) -> list[Difference]:
        """The rows of a chunk, locked, that are not refused; the others' outcomes are written down."""
        usable = []
        for row in rows.select_for_update(no_key=True).order_by("pk"):
            if reason := self.why_not(row):
                outcomes[str(row.pk)] = runs.failed(reason)
            else:
                usable.append(row)
        return usable


class PushOurs(DifferenceKind):
    title = "Push ours"

    def why_not(self, row: Difference, ground: Any = None) -> str:
        return differences.why_not_pushed(row)

    def requests(self, rows_of: Mapping[Account, int]) -> tuple[dict[str, int], float]:
        return outgoing_runs.cost(rows_of, at_once="offers_per_update")

    def apply(self, rows: "QuerySet[Difference]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        outcomes: dict[Key, Outcome] = {}
        fields_of: dict[int, list[str]] = {}
        for row in self.usable(rows, outcomes):
            outcomes[str(row.pk)] = runs.waiting(f"{row.theirs} → {row.ours}")
            fields_of.setdefault(row.offer_id or 0, []).append(row.field)
        differences.push_ours(fields_of)
        return outcomes

    def outcomes(self, rows: "QuerySet[Difference]") -> Mapping[Key, Outcome]:
        over = rows.exclude(offer__state__in=reconciling.ON_ITS_WAY)
        return {
            str(pk): runs.done("Pushed; the next comparison says whether it is there.")
            if state == Offer.State.DONE
            else runs.failed(error or "It needs a person.")
            for pk, state, error in over.values_list("pk", "offer__state", "offer__last_error")
        }


class TakeTheirs(DifferenceKind):
    title = "Take theirs"
    is_dangerous = True

    def ground(self, rows: Sequence[Difference]) -> tuple[Shelves, Book]:
        offers = {row.offer.pk: row.offer for row in rows if row.offer is not None}.values()
        return shelves.read(Place.of(offer) for offer in offers), Book(offers)

    def why_not(self, row: Difference, ground: Any = None) -> str:
        if row.state not in Difference.LASTING:
            return "It is settled already."
        if row.kind == Difference.Kind.UNKNOWN:
            return "It has a row here. Link it to a product on its page." if row.offer_id else ""
        return self._why_not_adopted(row, *(ground or (None, None)))

    def _why_not_adopted(self, row: Difference, found: Shelves | None, book: Book | None) -> str:
        if row.offer is None:
            return "An order is never written by hand: read it again."
        try:
            differences.adopt(row.offer, row, found, book)
        except ValueError as reason:
            return str(reason)
        return ""

    def apply(self, rows: "QuerySet[Difference]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        outcomes: dict[Key, Outcome] = {}
        offers = self._locked(rows)
        taken: list[int] = []
        for row in rows.select_for_update(no_key=True, of=("self",)).select_related("account").order_by("pk"):
            row.offer = offers.get(row.offer_id or 0)
            if reason := self.why_not(row):
                outcomes[str(row.pk)] = runs.failed(reason)
                continue
            outcomes[str(row.pk)] = self._take(row, taken)
        prices = {offer.pk: pricing.NewPrice(offer.price) for offer in offers.values()}
        pricing.set_price(prices, reason="As it is shown at the marketplace", by=by)
        update_each(list(offers.values()), [*(name for name in differences.ADOPTABLE if name != "price"), "pushed"])
        reason = f"{by} took over what the marketplace shows."
        differences.settle(Difference.objects.filter(pk__in=taken), by=by, reason=reason)
        return outcomes

    def _locked(self, rows: "QuerySet[Difference]") -> dict[int, Offer]:
        # In one order, so that two runs never wait for each other.
        mine = Offer.objects.select_for_update(no_key=True, of=("self",)).select_related("account", "product")
        return {offer.pk: offer for offer in mine.filter(pk__in=rows.order_by().values("offer")).order_by("pk")}

    def _take(self, row: Difference, taken: list[int]) -> Outcome:
        if row.kind != Difference.Kind.UNKNOWN:
            taken.append(row.pk)
            return runs.done(f"{row.ours} → {row.theirs}")
        try:
            reconciling.adopt_unknown(row)
        except ValueError as reason:
            return runs.failed(str(reason))
        return runs.done("It has a row here now; link it to a product on its page.")


class UntilForm(ReasonForm):
    """For how long, and why."""

    until = forms.DateField(
        label=_("Until"), widget=UnfoldAdminDateWidget(),
        help_text=_("What is still different on that day stands in the list again."),
    )  # fmt: skip
    field_order = ("until", "reason")

    def clean_until(self) -> Any:
        until = self.cleaned_data["until"]
        if until <= timezone.localdate():
            raise ValidationError(gettext("Choose a day to come."))
        return until


class IgnoreUntil(DifferenceKind):
    title = "Ignore until"
    form_class = UntilForm

    def describe(self, said: Mapping[str, Any]) -> str:
        return f"Ignore until {said['until']}: {said['reason']}"

    def why_not(self, row: Difference, ground: Any = None) -> str:
        return "" if row.state in Difference.LASTING else "It is settled already."

    def apply(self, rows: "QuerySet[Difference]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        outcomes: dict[Key, Outcome] = {}
        usable = self.usable(rows, outcomes)
        day = parse_date(said["until"])
        if day is None:
            raise ValueError(f"{said['until']} is no day")
        until = timezone.make_aware(datetime.combine(day, time.min))
        differences.ignore(
            Difference.objects.filter(pk__in=[row.pk for row in usable]), until=until, by=by, reason=said["reason"]
        )
        return outcomes | {str(row.pk): runs.done() for row in usable}


KINDS: Sequence[type[DifferenceKind]] = (PushOurs, TakeTheirs, IgnoreUntil)
