"""Import what offers should say from rows of text: one offer a row, each row by itself. The one verb for every file."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import DatabaseError, transaction

from inventory import limits, pricing, products, publishing
from inventory.limits import Book, PriceRefused
from inventory.models import Offer, Product
from inventory.offer_rows import COLUMNS, OPTIONAL, REQUIRED, Known, UnusableRow, cell, cleaned, read_row
from inventory.pricing import NewPrice
from marketplaces.models import Account

# Rows that are looked up, checked and written together. Their offers are locked meanwhile, so it is a blink.
AT_ONCE = 500
PRICE = frozenset({"price", "currency"})
DECIDES = PRICE | {"floor", "ceiling", "sku"}  # whether a price may go out

Row = tuple[int, Mapping[str, str]]


class UnusableHeader(ValueError):
    """The file can't be read; the text says why and which columns it takes."""


@dataclass(frozen=True)
class Outcome:
    """What became of a row, or would: `created`, `changed`, `unchanged`, or `refused` for a reason."""

    number: int
    word: str
    offer: Offer | None = None
    reason: str = ""
    changes: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # column: cell before and after


@dataclass
class OfferImport:
    """Rows and what became of them. `named` are the offers that good rows speak of, changed or not."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)
    named: list[int] = field(default_factory=list)

    @property
    def read(self) -> int:
        return self.created + self.changed + self.unchanged + len(self.errors)


def import_offers(
    *, account: Account, lines: Iterable[str], progress: Callable[[Iterable[Any]], Iterable[Any]] = iter
) -> OfferImport:
    """Create or change the wanted state of an account's offers from a CSV. Nothing is pushed by this.

    Good rows are applied, bad ones told with their line. Raises UnusableHeader before anything is done. Safe to repeat.
    """
    done = OfferImport()
    reader = csv.reader(lines, strict=True)
    try:
        header = check_header(next(reader, []))
    except csv.Error as error:
        raise UnusableHeader(f"The header is no CSV: {error}.") from error
    for outcome in apply_rows(account=account, rows=_readable(header, progress(_rows(reader, done)), done)):
        if outcome.offer is None:
            done.errors.append((outcome.number, outcome.reason))
            continue
        setattr(done, outcome.word, getattr(done, outcome.word) + 1)
        done.named.append(outcome.offer.pk)
    done.errors.sort()
    return done


def check_header(cells: Sequence[str]) -> list[str]:
    """The columns of a file, by their names in small letters. Raises UnusableHeader."""
    names = [name.strip().lower() for name in cells]
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    takes = f"It takes {','.join(REQUIRED)} and, as you like, {','.join(OPTIONAL)}."
    if missing:
        raise UnusableHeader(f"The header lacks {', '.join(missing)}. {takes}")
    if unknown:
        raise UnusableHeader(f"The header has unknown columns: {', '.join(unknown)}. {takes}")
    if len(set(names)) != len(names):
        raise UnusableHeader(f"The header names a column twice. {takes}")
    return names


def _rows(reader: Any, done: OfferImport) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of rows that are not blank; where the file stops being CSV, say so and end."""
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        done.errors.append((reader.line_num, f"from here on this is no CSV: {error}"))


def _readable(header: Sequence[str], rows: Iterable[tuple[int, list[str]]], done: OfferImport) -> Iterator[Row]:
    for number, cells in rows:
        try:
            yield number, read_row(header, cells)
        except UnusableRow as error:
            done.errors.append((number, str(error)))


# --- the verb --------------------------------------------------------------------------------------------------------


def apply_rows(
    *, account: Account, rows: Iterable[Row], is_trial: bool = False, is_pushed: bool = False
) -> Iterator[Outcome]:
    """Bring an account's offers to what rows (number, cells by column) say; yields what became of each, in order.

    A trial writes and locks nothing, and says what would become of them. `is_pushed` asks for changed offers to be pushed,
    in the transaction that changes them. Some hundred rows are one transaction; one that can't be written is refused alone.
    Safe to repeat.
    """
    remaining = iter(rows)
    foreseen, book = Known(account) if is_trial else None, Book()
    while chunk := list(islice(remaining, AT_ONCE)):
        if foreseen is not None:
            foreseen.look_up([row for _, row in chunk])
            yield from [_outcome(foreseen, book, number, row) for number, row in chunk]
        else:
            yield from _written(account, book, chunk, is_pushed=is_pushed)


def _written(account: Account, book: Book, chunk: Sequence[Row], *, is_pushed: bool) -> list[Outcome]:
    try:
        with transaction.atomic():
            known = Known(account, is_locked=True)
            known.look_up([row for _, row in chunk])
            outcomes = [_outcome(known, book, number, row) for number, row in chunk]
            _write(outcomes, is_pushed=is_pushed)
    except DatabaseError:
        if len(chunk) > 1:  # one of them is bad: each by itself, then
            return [outcome for one in chunk for outcome in _written(account, book, [one], is_pushed=is_pushed)]
        return [
            Outcome(chunk[0][0], "refused", reason="the database refused it; another change may have come before it")
        ]
    return outcomes


def _write(outcomes: Sequence[Outcome], *, is_pushed: bool) -> None:
    created = _unique(outcome.offer for outcome in outcomes if outcome.word == "created")
    changed = [
        offer for offer in _unique(row.offer for row in outcomes if row.word == "changed") if not offer._state.adding
    ]
    written = {
        "product" if name == "sku" else name for row in outcomes if row.word == "changed" for name in row.changes
    }
    new = {id(offer): NewPrice(offer.price, offer.currency) for offer in (*created, *changed)}
    for offer in created:
        offer.price = None
    Offer.objects.bulk_create(created)
    if columns := sorted(written - PRICE):
        Offer.objects.bulk_update(changed, columns, batch_size=100)
    repriced = changed if PRICE & written else []
    prices = {offer.pk: new[id(offer)] for offer in (*created, *repriced)}
    pricing.set_price(prices, reason="Imported from a file")
    for offer in created:
        offer.price = new[id(offer)].amount
    if is_pushed:
        publishing.request(Offer.objects.filter(pk__in=[offer.pk for offer in (*created, *changed)]))


def _unique(offers: Iterable[Offer | None]) -> list[Offer]:
    return list({id(offer): offer for offer in offers if offer is not None}.values())


def _outcome(known: Known, book: Book, number: int, row: Mapping[str, str]) -> Outcome:
    try:
        offer, changes = _apply(known, book, row)
    except UnusableRow as error:
        return Outcome(number, "refused", reason=str(error))
    is_new = offer._state.adding and known.is_first(offer)
    known.note(offer)
    word = "created" if is_new else "changed" if changes else "unchanged"
    return Outcome(number, word, offer, changes=changes)


def _apply(known: Known, book: Book, row: Mapping[str, str]) -> tuple[Offer, dict[str, tuple[str, str]]]:
    """Bring one offer to what the row says, in memory; returns it and what that changes. A refused row changes nothing."""
    named = known.by_id(row.get("id", ""), row.get("external_id", ""))
    product = _product(known, row.get("sku", ""), named)
    offer = named or known.find(product, row) or Offer(account=known.account)
    values = {"product": product, **cleaned(offer, row)}
    theirs = values.get("external_product_id", offer.external_product_id)
    if offer.external_id and offer.external_product_id not in ("", theirs):
        raise UnusableRow(
            f"offer {offer.external_id} is for product {offer.external_product_id}, which can't be changed"
        )
    is_new = offer._state.adding and not known.has(offer)
    for name in REQUIRED[1:]:
        if is_new and values.get(name) in (None, ""):
            raise UnusableRow(f"{name} is empty, and the offer is new")
    changes, had = {}, {}
    for name, value in values.items():
        if getattr(offer, name) == value:
            continue
        column = "sku" if name == "product" else name
        before, had[name] = cell(offer, column), getattr(offer, name)
        setattr(offer, name, value)
        changes[column] = (before, cell(offer, column))
    try:
        if DECIDES & changes.keys():
            _check(offer, book)
    except UnusableRow:
        for name, value in had.items():
            setattr(offer, name, value)
        raise
    return offer, changes


def _check(offer: Offer, book: Book) -> None:
    if offer.floor is not None and offer.ceiling is not None and offer.floor > offer.ceiling:
        raise UnusableRow("ceiling: it is below the floor")
    try:
        limits.check(offer, book)
    except PriceRefused as refusal:
        raise UnusableRow(f"price: {refusal}") from refusal


def _product(known: Known, sku: str, named: Offer | None) -> Product:
    if named is not None and named.product is not None and cell(named, "sku") == sku:
        return named.product
    if sku in known.products:
        return known.products[sku]
    try:
        return products.by_sku(sku)
    except products.UnknownSku as error:
        raise UnusableRow(str(error)) from error


__all__ = [
    "COLUMNS", "OPTIONAL", "REQUIRED", "OfferImport", "Outcome", "UnusableHeader", "UnusableRow", "apply_rows",
    "check_header", "import_offers",
]  # fmt: skip
