"""Exchange rates: dated rows, what an amount is worth in another currency, and files of them.

A rate holds from its day until there is a newer one. One that is missing is an error with a name: never 1.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.dateparse import parse_date

from backoffice import csvio, money
from inventory.models import ExchangeRate

COLUMNS = ("base", "quote", "rate", "day")
Pair = tuple[str, str]


class MissingRate(ValueError):
    """No row says what the one currency is worth in the other; the text names both and the next step."""


class Rates:
    """The rates that hold on a day, read once, when the first is needed."""

    def __init__(self, day: date | None = None, known: Iterable[ExchangeRate] | None = None) -> None:
        """`known`: rows that are there already, none after the day and the newest of a pair last."""
        self.day = day or timezone.localdate()
        self._known = known

    @cached_property
    def _rows(self) -> dict[Pair, ExchangeRate]:
        if self._known is not None:
            return {(row.base, row.quote): row for row in self._known}
        until = ExchangeRate.objects.filter(day__lte=self.day).order_by()
        newer = until.filter(base=OuterRef("base"), quote=OuterRef("quote"), day__gt=OuterRef("day"))
        return {(row.base, row.quote): row for row in until.filter(~Exists(newer))}

    def convert(self, amount: Decimal, base: str, quote: str) -> Decimal:
        """Say what an amount in `base` is worth in `quote`, unrounded. Raises MissingRate.

        The newest row of the pair counts, whichever way round it is; else one step over a third currency, over the one
        whose older row is the newest.
        """
        if base == quote:
            return amount
        if (straight := self._straight(base, quote)) is not None:
            return amount * straight[1]
        ways = [
            (min(first[0], second[0]), over, first[1] * second[1])
            for over in sorted({name for pair in self._rows for name in pair} - {base, quote})
            if (first := self._straight(base, over)) and (second := self._straight(over, quote))
        ]
        if not ways:
            raise MissingRate(
                f"There is no exchange rate from {base or '(no currency)'} to {quote or '(no currency)'} for {self.day}."
                " Enter one under Exchange rates, or import a file of them"
            )
        return amount * max(ways)[2]

    def _straight(self, base: str, quote: str) -> tuple[date, Decimal] | None:
        found = [
            (row.day, is_straight, row.rate if is_straight else 1 / row.rate)
            for pair, is_straight in (((base, quote), True), ((quote, base), False))
            if (row := self._rows.get(pair)) is not None
        ]
        return (max(found)[0], max(found)[2]) if found else None


class DatedRates:
    """The rates of many days, each amount by those of its own day; all rows are read in one query, when first needed.

    `known` are those of one day, read for other things, too: an amount of that day asks for no others.
    """

    def __init__(self, until: date, known: Rates | None = None) -> None:
        self.until, self._known = until, known
        self._worth: dict[tuple[date, str, str], Decimal | None] = {}

    @cached_property
    def _rows(self) -> list[ExchangeRate]:
        return list(ExchangeRate.objects.filter(day__lte=self.until).order_by("day"))

    def convert(self, amount: Decimal, base: str, quote: str, day: date) -> Decimal | None:
        """Say what an amount in `base` was worth in `quote` on a day, unrounded; None where no rate says so."""
        if base == quote:
            return amount
        key = (day, base, quote)
        if key not in self._worth:
            try:
                self._worth[key] = self._of(day).convert(Decimal(1), base, quote)
            except MissingRate:
                self._worth[key] = None
        worth = self._worth[key]
        return None if worth is None else amount * worth

    def _of(self, day: date) -> Rates:
        if self._known is not None and day == self._known.day:
            return self._known
        return Rates(day, [row for row in self._rows if row.day <= day])


def convert(amount: Decimal, base: str, quote: str, day: date | None = None) -> Decimal:
    """Say what an amount in `base` is worth in `quote` on a day (default: today), unrounded. Raises MissingRate."""
    return Rates(day).convert(amount, base, quote)


# --- files of rates ----------------------------------------------------------------------------------------------


@dataclass
class RatesFile:
    """The rows of a file that can be used, and (line, reason) of those that can't."""

    rows: list[ExchangeRate] = field(default_factory=list)
    errors: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Compared:
    """Rows of a file against what is there: each with the rate that it replaces, if any."""

    new: list[ExchangeRate]
    changed: list[tuple[ExchangeRate, Decimal]]
    unchanged: int


def read(lines: Iterable[str]) -> RatesFile:
    """Read a CSV of base,quote,rate,day; a bad row is told and stops no other. Raises ValueError for a bad header."""
    found = RatesFile()
    seen: set[tuple[str, str, date]] = set()
    for number, cells in _cells(lines, found):
        try:
            row = _row(cells)
            if (key := (row.base, row.quote, row.day)) in seen:
                raise ValueError("a line before it has this pair and day")
        except ValueError as error:
            found.errors.append((number, str(error)))
            continue
        seen.add(key)
        found.rows.append(row)
    return found


def _cells(lines: Iterable[str], found: RatesFile) -> Iterator[tuple[int, dict[str, str]]]:
    number = 0
    try:
        for number, cells in csvio.read(lines, COLUMNS):
            yield number, cells
    except csv.Error as error:
        found.errors.append((number + 1, f"from here on this is no CSV: {error}"))


def _row(cells: dict[str, str]) -> ExchangeRate:
    if missing := [name for name in COLUMNS if not cells.get(name)]:
        raise ValueError(f"{', '.join(missing)} is empty")
    try:
        day = parse_date(cells["day"])
    except ValueError:
        day = None
    if day is None:
        raise ValueError("day: write it as 2026-12-31")
    row = ExchangeRate(base=cells["base"].upper(), quote=cells["quote"].upper(), day=day)
    rate = money.to_decimal(cells["rate"])
    if rate is None or rate <= 0:
        raise ValueError("rate: it is more than nothing")
    row.rate = rate
    if row.base == row.quote:
        raise ValueError("base and quote are the same currency")
    try:
        row.clean_fields()
    except ValidationError as error:
        raise ValueError(
            "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        ) from error
    return row


def compare(rows: Iterable[ExchangeRate]) -> Compared:
    """Say what storing rows would change. Changes nothing."""
    wanted = list(rows)
    days = {row.day for row in wanted}
    there = {(row.base, row.quote, row.day): row.rate for row in ExchangeRate.objects.filter(day__in=days)}
    new = [row for row in wanted if (row.base, row.quote, row.day) not in there]
    known = [(row, there[key]) for row in wanted if (key := (row.base, row.quote, row.day)) in there]
    changed = [(row, before) for row, before in known if row.rate != before]
    return Compared(new, changed, len(known) - len(changed))


def store(rows: Iterable[ExchangeRate]) -> Compared:
    """Write rows, in one transaction; one of the same pair and day is replaced. Safe to repeat."""
    with transaction.atomic():
        compared = compare(rows)
        ExchangeRate.objects.bulk_create(
            [*compared.new, *(row for row, _ in compared.changed)],
            update_conflicts=True, unique_fields=["base", "quote", "day"], update_fields=["rate"], batch_size=1000,
        )  # fmt: skip
    return compared
