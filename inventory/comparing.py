"""What lies in an offer at its marketplace, beside what our books say lies there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from inventory.models import Offer, Upload
from marketplaces import accounts
from marketplaces.types import UploadedCode, UploadedState, Urgency

Status = Upload.Status

# A few pages: a larger inventory is looked into at the marketplace.
MOST = 500
# How our books call what the marketplace calls so. Of other words ours has none.
SAME = {
    UploadedState.AVAILABLE: Status.THERE,
    UploadedState.RESERVED: Status.RESERVED,
    UploadedState.SOLD: Status.SOLD,
}
NOT_KNOWN = (Status.WAITING, Status.UNANSWERED, Status.TAKEN, Status.GONE)


@dataclass(frozen=True)
class Line:
    """One code: under its id there, in their word, and what our books say of it. `difference` is for people."""

    external_id: str
    word: str
    since: datetime | None
    upload: Upload | None
    difference: str


@dataclass(frozen=True)
class Count:
    """How many codes are in one state, there and by our books; `there` is None where only ours know such a state."""

    name: str
    there: int | None
    ours: int
    differs: bool


@dataclass(frozen=True)
class Comparison:
    """`problem` says why nothing, or not all, could be read; with `is_whole` False counts prove nothing."""

    lines: Sequence[Line] = ()
    counts: Sequence[Count] = ()
    problem: str = ""
    is_whole: bool = True


def compare(offer: Offer) -> Comparison:
    """Read what lies in the offer there and set it beside our books. Changes nothing; raises nothing; safe to repeat."""
    items: list[UploadedCode] = []
    problem = ""
    try:
        service = offer.account.service()
        service.plan(1, Urgency.CATALOGUE)
        items.extend(islice(service.fetch_uploaded(offer.external_id), MOST + 1))
    except Exception as error:
        problem = accounts.problem_of(offer.account, error)
        if not items:
            return Comparison(problem=problem, is_whole=False)
    if len(items) > MOST:
        problem = f"It holds more than {MOST} codes; these are the first. Look at all of them at the marketplace."
    ours = list(
        Upload.objects.filter(offer=offer, external_offer_id=offer.external_id, withdrawn_at=None).order_by("pk")
    )
    is_whole = not problem
    return Comparison(_lines(items[:MOST], ours, is_whole), _counts(items[:MOST], ours, is_whole), problem, is_whole)


def _lines(items: Sequence[UploadedCode], ours: Sequence[Upload], is_whole: bool) -> list[Line]:
    by_id = {row.external_id: row for row in ours if row.external_id}
    # Codes that were given away together have no ids in our books: by their number alone are they compared.
    nameless = [row for row in ours if not row.external_id]
    lines = []
    for item in items:
        row = by_id.pop(item.external_id, None)
        lines.append(
            Line(item.external_id, item.state_word, item.created_at, row, _difference(item, row, bool(nameless)))
        )
    missing = by_id.values() if is_whole else ()
    return lines + [
        Line(row.external_id, "", None, row, "not listed there") for row in missing if row.status in Upload.LYING_THERE
    ]


def _difference(item: UploadedCode, row: Upload | None, is_perhaps_ours: bool) -> str:
    if row is None:
        return "" if is_perhaps_ours or item.state == UploadedState.DELETED else "not in our books"
    expected = SAME.get(item.state)
    return "" if expected is None or expected == row.status else f"our books: {row.get_status_display()}"


def _counts(items: Sequence[UploadedCode], ours: Sequence[Upload], is_whole: bool) -> list[Count]:
    there, here = Counter(item.state for item in items), Counter(row.status for row in ours)
    same = [
        Count(str(status.label), there[state], here[status.value], is_whole and there[state] != here[status.value])
        for state, status in SAME.items()
    ]
    open_ones = [
        Count(str(status.label), None, here[status.value], False) for status in NOT_KNOWN if here[status.value]
    ]
    strange = there[UploadedState.UNKNOWN]
    return [*same, *open_ones, *([Count("in a state not known here", strange, 0, is_whole)] if strange else [])]
