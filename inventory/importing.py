"""Bring codes into stock, chunk by chunk: each is one transaction, so an import that breaks off leaves whole chunks.

A code is known again by its blind index, so the same import run again adds only what is missing. A long import keeps two
processors busy: while PostgreSQL stores a chunk, the next is sealed and the one after that is read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import F, Max
from django.utils import timezone

from backoffice import crypto
from inventory import stock
from inventory.code_lines import CodeLine, Refusal, mask
from inventory.models import Batch, Code, Product, Supplier, code_binding
from marketplaces.shop import CodeKind

# A chunk's transaction keeps SQLite's one writer for about a fifth of a second, and sales wait for it.
CHUNK_LINES = {"sqlite": 4_000, "postgresql": 20_000}
CHUNK_CHARACTERS = 4_000_000
LOOKED_UP = 500
DEFAULT_CURRENCY = "EUR"

Entry = CodeLine | Refusal


class OtherTerms(ValueError):
    """Product or batch are not as the import says; the text names the difference."""


@dataclass(frozen=True)
class BatchTerms:
    """What an import says about its batch; None and empty text mean "not said"."""

    product: Product
    reference: str = ""
    file_name: str = ""
    cost: Decimal | None = None
    currency: str = ""
    supplier: Supplier | None = None
    expires: date | None = None
    kind: CodeKind = CodeKind.TEXT

    def __post_init__(self) -> None:
        if self.product.is_counted:
            raise OtherTerms(f"The units of {self.product} are counted: it takes no codes. Name another product")


@dataclass(frozen=True)
class Tally:
    """Lines so far. read = imported + duplicates + rejected."""

    imported: int = 0
    duplicates: int = 0
    rejected: int = 0

    @property
    def read(self) -> int:
        return self.imported + self.duplicates + self.rejected

    def plus(self, imported: int, duplicates: int, rejected: int) -> "Tally":
        return Tally(self.imported + imported, self.duplicates + duplicates, self.rejected + rejected)


@dataclass
class Chunk:
    """Lines that go in together: codes by their blind index, lines that can't be used, and codes that stand twice."""

    codes: dict[bytes, CodeLine] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    doubled: list[Refusal] = field(default_factory=list)
    lines: int = 0
    characters: int = 0
    ids: Sequence[int] = ()
    table: str = ""  # its codes, sealed, as COPY takes them

    def seal(self, ids: Sequence[int]) -> "Chunk":
        """Make the chunk ready for rows with these ids, so that nothing is left but to store it; returns itself."""
        self.ids = ids
        self.table = "".join(
            f"{pk},\\x{ciphertext.hex()},\\x{index.hex()},{_cell(line.serial)},{_cell(line.cost)},{_cell(line.expires)}\n"
            for pk, ciphertext, index, line in sealed(self.codes, ids)
        )
        return self

    def add(self, entry: Entry) -> None:
        self.lines += 1
        if isinstance(entry, Refusal):
            self.refused.append(entry)
            return
        self.characters += len(entry.text)
        first = self.codes.setdefault(crypto.blind_index(entry.text), entry)
        if first is not entry:
            self.doubled.append(same_as(entry, first.number))


@contextmanager
def _written_later() -> Iterator[None]:
    """A transaction that does not wait for the disk; within another's, it is that one's to wait."""
    is_own = connection.vendor == "postgresql" and not connection.in_atomic_block
    with transaction.atomic():
        if is_own:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit = off")
        yield


def sealed(codes: Mapping[bytes, CodeLine], ids: Iterable[int]) -> Iterator[tuple[int, bytes, bytes, CodeLine]]:
    """Yield (id, ciphertext, blind index, line) of codes: a ciphertext is bound to the id of its row."""
    for pk, (index, line) in zip(ids, codes.items(), strict=True):
        yield pk, crypto.encrypt(line.text.encode(), code_binding(pk)), index, line


def _cell(value: object) -> str:
    """A cell of CSV; nothing is an empty one."""
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if text else ""


@dataclass
class Importer:
    """One import on its way: the batch it fills and what became of each line.

    Who `hurries` does not wait until a chunk is on the disk, and calls finish() at the end, which does. The database writes
    in order: what is known of a chunk later, such as the sale of its code, is on the disk only after the chunk.
    """

    terms: BatchTerms
    tally: Tally = field(default_factory=Tally)
    batch: Batch | None = None
    hurries: bool = False

    def store(self, chunk: Chunk) -> list[Refusal]:
        """Import a chunk in one transaction; returns the lines that did not get in, in order."""
        with _written_later() if self.hurries else transaction.atomic():
            batch, is_new = (self.batch, False) if self.batch else self._find_or_make_batch()
            known = _insert(batch, self.terms, chunk)
            doubled = [*chunk.doubled, *explain(chunk.codes, known)]
            imported = len(chunk.codes) - len(known)
            tally = self.tally.plus(imported, len(doubled), len(chunk.refused))
            keep = bool(imported) or not is_new
            if keep:
                _count(batch, imported, tally)
            else:
                batch.delete()
            if imported:
                stock.changed(self.terms.product.pk)
        # Only what was committed counts.
        self.tally, self.batch = tally, batch if keep else None
        return sorted([*chunk.refused, *doubled], key=lambda refusal: refusal.number)

    def finish(self) -> None:
        """Wait until all that was stored is on the disk. Safe to repeat."""
        if self.batch:
            _count(self.batch, 0, self.tally)

    def _find_or_make_batch(self) -> tuple[Batch, bool]:
        """Return the batch of the same product and reference, or a new one, and whether it is new."""
        terms = self.terms
        if terms.reference:
            # Two imports that start together must not make two batches. A sale's foreign keys pass this lock.
            Product.objects.select_for_update(no_key=True).get(pk=terms.product.pk)
            batch = existing_batch(terms)
            if batch:
                return batch, False
        batch = Batch.objects.create(
            product=terms.product,
            reference=terms.reference,
            file_name=terms.file_name[:300],
            supplier=terms.supplier,
            cost=terms.cost,
            currency=terms.currency or DEFAULT_CURRENCY,
        )
        return batch, True


def existing_batch(terms: BatchTerms) -> Batch | None:
    """Return the batch that the reference names. Raises OtherTerms when what is said now contradicts it."""
    if not terms.reference:
        return None
    batch = Batch.objects.filter(product=terms.product, reference=terms.reference).order_by("pk").first()
    if batch is None:
        return None
    said = {"cost": terms.cost, "currency": terms.currency, "supplier": terms.supplier}
    for name, value in said.items():
        kept = getattr(batch, name)
        if value not in (None, "") and value != kept:
            raise OtherTerms(
                f'Batch "{batch}" of {terms.product} exists with {name} {kept or "left empty"}, not {value}. Leave it'
                " out, or give another batch reference"
            )
    return batch


def chunks(entries: Iterable[Entry]) -> Iterator[Chunk]:
    """Gather entries into chunks of bounded memory, sealed where ids can be had; the next two come while one is stored.

    What was read before a source broke is not lost with it.
    """
    gathered, before = _gather(entries, CHUNK_LINES[connection.vendor]), None
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read codes") as reader:
        coming = reader.submit(next, gathered, None)
        while (chunk := _next(coming)) is not None:
            sealing = reader.submit(_prepare, chunk, _ids(len(chunk.codes)))
            coming = reader.submit(next, gathered, None)
            if before:
                yield before.result()
            before = sealing
        if before:
            yield before.result()
        coming.result()  # raises what broke the source


def _next(coming: "Future[Chunk | None]") -> Chunk | None:
    return None if coming.exception() else coming.result()


def _prepare(chunk: Chunk, ids: Sequence[int]) -> Chunk:
    return chunk.seal(ids) if ids else chunk


def _ids(count: int) -> list[int]:
    """Take ids for so many rows; those of duplicates are never used. SQLite gives none before the rows are written."""
    if connection.vendor == "sqlite":
        return []
    with _written_later(), connection.cursor() as cursor:
        cursor.execute(_TAKE_IDS, [count])
        return [pk for (pk,) in cursor.fetchall()]


def _gather(entries: Iterable[Entry], most: int) -> Iterator[Chunk]:
    chunk = Chunk()
    for entry in entries:
        chunk.add(entry)
        if chunk.lines >= most or chunk.characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk = Chunk()
    if chunk.lines:
        yield chunk


def _count(batch: Batch, imported: int, tally: Tally) -> None:
    # What is imported adds up over runs; what was left out is said of the last run, or a repeat would tell it twice.
    Batch.objects.filter(pk=batch.pk).update(
        imported=F("imported") + imported, duplicates=tally.duplicates, rejected=tally.rejected
    )


def _insert(batch: Batch, terms: BatchTerms, chunk: Chunk) -> dict[bytes, int]:
    """Insert new codes; returns, for those that were there before, in which batch."""
    if not chunk.codes:
        return {}
    if connection.vendor == "postgresql":
        return _insert_by_copy(batch, terms, chunk)
    return _insert_one_by_one(batch, terms, chunk)


# The sequence is looked up once, and not for each row.
_TAKE_IDS = """
SELECT nextval(own.sequence)
  FROM (SELECT pg_get_serial_sequence('inventory_code', 'id')::regclass AS sequence OFFSET 0) AS own, generate_series(1, %s)
"""
_STAGE = """
DROP TABLE IF EXISTS pg_temp.code_import;
CREATE TEMPORARY TABLE code_import (
    id bigint, sealed bytea, "index" bytea, serial varchar, cost numeric, expires_at date
) ON COMMIT DROP
"""
# An empty cell is NULL, but for a serial number, which is empty.
_COPY = """
COPY code_import (id, sealed, "index", serial, cost, expires_at) FROM STDIN (FORMAT csv, FORCE_NOT_NULL (serial))
"""
# In the order of the index, so that two imports of the same codes wait for each other and never in a circle.
_MERGE = """
INSERT INTO inventory_code (id, product_id, batch_id, kind, sealed, "index", state, position, serial, cost, expires_at,
                            created_at)
SELECT id, %(product)s, %(batch)s, %(kind)s, sealed, "index", 'available', id, serial, cost,
       COALESCE(expires_at, %(expires)s), %(now)s
  FROM code_import ORDER BY "index"
    ON CONFLICT ("index") DO NOTHING RETURNING id
"""
# LIMIT keeps the planner from reading the whole table of codes for a join.
_KNOWN = """
SELECT code_import."index", known.batch_id
  FROM code_import, LATERAL (SELECT batch_id FROM inventory_code WHERE "index" = code_import."index" LIMIT 1) AS known
 WHERE code_import.id = ANY(%s::bigint[])
"""


def _insert_by_copy(batch: Batch, terms: BatchTerms, chunk: Chunk) -> dict[bytes, int]:
    if not chunk.ids:
        chunk.seal(_ids(len(chunk.codes)))
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        with cursor.copy(_COPY) as copy:
            copy.write(chunk.table)
        values = {
            "product": terms.product.pk, "batch": batch.pk, "kind": terms.kind.value, "expires": terms.expires,
            "now": timezone.now(),
        }  # fmt: skip
        cursor.execute(_MERGE, values)
        left_out = list(set(chunk.ids).difference(pk for (pk,) in cursor.fetchall()))
        if not left_out:
            return {}
        cursor.execute(_KNOWN, [left_out])
        return {bytes(index): batch_id for index, batch_id in cursor.fetchall()}


# bulk_create() would do the same in three times the time, and all other writers wait.
_INSERT = """
INSERT INTO inventory_code (id, product_id, batch_id, kind, sealed, "index", state, position, serial, cost, expires_at,
                            created_at)
VALUES (%s, %s, %s, %s, %s, %s, 'available', %s, %s, %s, %s, %s)
    ON CONFLICT ("index") DO NOTHING
"""


def _insert_one_by_one(batch: Batch, terms: BatchTerms, chunk: Chunk) -> dict[bytes, int]:
    # SQLite has one writer, and this transaction is it: nobody else can take these ids.
    first = (Code.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    prepare = connection.ops.adapt_datefield_value
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    ids = range(first, first + len(chunk.codes))
    rows = [
        (pk, terms.product.pk, batch.pk, terms.kind.value, ciphertext, index, pk, line.serial,
         None if line.cost is None else str(line.cost), prepare(line.expires or terms.expires), now)
        for pk, ciphertext, index, line in sealed(chunk.codes, ids)
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, rows)
    fresh = set(Code.objects.filter(pk__gte=first).values_list("pk", flat=True))
    return batches_of([index for pk, index in zip(ids, chunk.codes, strict=True) if pk not in fresh])


def batches_of(indexes: Sequence[bytes]) -> dict[bytes, int]:
    """Say of codes, by their blind index, in which batch they are; those that are not there are missing."""
    return {
        bytes(index): batch_id
        for start in range(0, len(indexes), LOOKED_UP)
        for index, batch_id in Code.objects.filter(index__in=indexes[start : start + LOOKED_UP]).values_list(
            "index", "batch_id"
        )
    }


def explain(codes: dict[bytes, CodeLine], known: dict[bytes, int]) -> Iterator[Refusal]:
    """Say of codes that were there before where they are."""
    batches = Batch.objects.select_related("product").in_bulk(set(known.values()))
    reasons = {pk: f'imported before: {batch.product}, batch "{batch}"' for pk, batch in batches.items()}
    for index, batch_id in known.items():
        yield _duplicate(codes[index], reasons[batch_id])


def same_as(line: CodeLine, first: int) -> Refusal:
    """Say that a code stands in a line before."""
    return _duplicate(line, f"the same code stands in line {first}")


def _duplicate(line: CodeLine, reason: str) -> Refusal:
    return Refusal(line.number, mask(line.text), reason)
