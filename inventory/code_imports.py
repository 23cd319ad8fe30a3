"""Import codes that a person gave: keep them sealed, compare them, and bring them into stock part by part once confirmed.

A code lies nowhere in clear on its way. Parts are sealed when they come in; the transaction that brings a part into stock
erases it, so a worker may die anywhere and nothing goes in twice. What is not confirmed within an hour is erased, too.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backoffice import queue, runs
from backoffice.models import Run
from backoffice.runs import Key, Outcome
from inventory import code_lines, importing
from inventory.code_lines import CodeLine, Lines, Refusal, UnusableFile
from inventory.importing import BatchTerms, Chunk, Entry, Importer, OtherTerms, Tally
from inventory.models import CodeImport, CodeImportPart

COMPARE = "inventory.tasks.compare_import"
PART_LINES = 4_000  # as many as SQLite's one writer may be kept for
MOST_LINES = 250_000
COMPARED_AT_ONCE = 5_000  # more are compared by a worker, and the page waits for it
KEPT_FOR = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(seconds=30)


def begin(*, terms: BatchTerms, lines: Lines, by: User) -> CodeImport:
    """Seal the lines of a file or a text, and compare them: at once where they are few, else by a worker.

    Raises UnusableFile, also for no line at all or too many, and OtherTerms as the batch's reference says; then nothing is
    kept. Each call makes an import of its own, which adds nothing to stock by itself.
    """
    importing.existing_batch(terms)
    entries = code_lines.parse(code_lines.numbered(lines), is_csv=terms.file_name.lower().endswith(".csv"))
    with transaction.atomic():
        found = CodeImport.objects.create(
            by=by, product=terms.product, supplier=terms.supplier, reference=terms.reference, cost=terms.cost,
            file_name=terms.file_name[:300], currency=terms.currency, expires=terms.expires,
        )  # fmt: skip
        found.lines = sum(_keep(found, number, part) for number, part in enumerate(_parts(entries)))
        if not found.lines:
            raise UnusableFile("There is no line in it.")
        found.save(update_fields=["lines"])
        if found.lines > COMPARED_AT_ONCE:
            queue.enqueue(COMPARE, str(found.pk))
    if found.lines <= COMPARED_AT_ONCE:
        compare(found.pk)
        found.refresh_from_db()
    return found


def _parts(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    remaining, lines = iter(entries), 0
    while part := list(islice(remaining, PART_LINES)):
        lines += len(part)
        if lines > MOST_LINES:
            raise UnusableFile(
                f"It has more than {MOST_LINES:,} lines. Cut it into parts, or import it with the command import_codes."
            )
        yield part


def _keep(found: CodeImport, number: int, entries: list[Entry]) -> int:
    refused = [_told(entry) for entry in entries if isinstance(entry, Refusal)]
    codes = [
        (entry.number, entry.text, entry.serial, _written(entry.expires), _written(entry.cost))
        for entry in entries
        if isinstance(entry, CodeLine)
    ]
    CodeImportPart.objects.create(
        code_import=found, number=number, place=f"{found.pk}:{number}", content={"codes": codes, "refused": refused},
        first_line=entries[0].number, last_line=entries[-1].number, left_out=refused,
    )  # fmt: skip
    return len(entries)


def _written(value: date | Decimal | None) -> str:
    return "" if value is None else str(value)


def _told(refusal: Refusal) -> list[Any]:
    return [refusal.number, refusal.shown, refusal.reason]


def _chunk(content: Mapping[str, Any]) -> Chunk:
    """A part's lines as they were read."""
    chunk = Chunk()
    for number, text, serial, expires, cost in content["codes"]:
        until = date.fromisoformat(expires) if expires else None
        chunk.add(CodeLine(number, text, serial, until, Decimal(cost) if cost else None))
    for number, shown, reason in content["refused"]:
        chunk.add(Refusal(number, shown, reason))
    return chunk


def compare(pk: Any) -> None:
    """Say which lines are new, twice, in stock already, or refused. Changes no stock. Safe to repeat and to run at once."""
    found = CodeImport.objects.filter(pk=pk, compared_at=None, erased_at=None).first()
    if found is None:
        return
    first_seen: dict[bytes, int] = {}
    twice = known = refused = 0
    for part in found.parts.order_by("number").iterator(chunk_size=1):
        if part.content is None:
            return  # it was erased meanwhile
        chunk = _chunk(part.content)
        again = list(chunk.doubled)
        for index, line in chunk.codes.items():
            if first_seen.setdefault(index, line.number) != line.number:
                again.append(importing.same_as(line, first_seen[index]))
        there = importing.batches_of([index for index, line in chunk.codes.items() if first_seen[index] == line.number])
        left_out = [*chunk.refused, *again, *importing.explain(chunk.codes, there)]
        twice, known, refused = twice + len(again), known + len(there), refused + len(chunk.refused)
        part.left_out = [_told(refusal) for refusal in sorted(left_out, key=lambda refusal: refusal.number)]
        part.save(update_fields=["left_out"])
    CodeImport.objects.filter(pk=pk, compared_at=None).update(
        twice=twice, known=known, refused=refused, compared_at=timezone.now()
    )


def confirm(found: CodeImport, *, by: User) -> Run | None:
    """Let a worker bring the codes into stock; None when they were erased, or not compared yet. Safe to repeat."""
    with transaction.atomic():
        row = CodeImport.objects.select_for_update(no_key=True).get(pk=found.pk)
        if row.run_id is None and (row.erased_at is not None or row.compared_at is None):
            return None
        kind, rows = ImportCodes(), CodeImportPart.objects.filter(code_import=row)
        said = {"import": str(row.pk), "lines": row.lines, "sku": row.product.sku}
        run = runs.start(kind, rows=rows, said=said, by=by, token=row.pk.hex)
        CodeImport.objects.filter(pk=row.pk).update(run=run)
    return run


def discard(found: CodeImport) -> bool:
    """Erase what was not confirmed; False when it was, or is gone already. Safe to repeat."""
    return bool(_erase(CodeImport.objects.filter(pk=found.pk, run=None), timezone.now()))


def sweep(now: datetime) -> None:
    """Erase what nobody confirmed, or could not be imported, for an hour; wake workers for what is still to be compared.

    Safe to repeat.
    """
    old = Q(run=None, created_at__lt=now - KEPT_FOR) | Q(run__ended_at__lt=now - KEPT_FOR)
    _erase(CodeImport.objects.filter(old), now)
    waiting = CodeImport.objects.filter(erased_at=None, compared_at=None, created_at__lt=now - FORGOTTEN_AFTER)
    for pk in waiting.values_list("pk", flat=True):
        queue.enqueue(COMPARE, str(pk))


def _erase(rows: "QuerySet[CodeImport]", now: datetime) -> int:
    with transaction.atomic():
        # Whoever confirms locks the row, too, so it comes before or after.
        pks = [row.pk for row in rows.filter(erased_at=None).select_for_update(no_key=True, of=("self",))]
        CodeImportPart.objects.filter(code_import__in=pks, content__isnull=False).update(content=None)
        return CodeImport.objects.filter(pk__in=pks).update(erased_at=now)


class ImportCodes(runs.Kind):
    """The run that brings an import's parts into stock, a part a step."""

    title = "Import codes"
    model = CodeImportPart
    counts = _("parts of the file")
    permission = "inventory.import_code"
    at_once = 1

    def describe(self, said: Mapping[str, Any]) -> str:
        return f"Import {said['lines']:,} lines of codes into {said['sku']}, up to {PART_LINES:,} in each row"

    def apply(self, rows: "QuerySet[CodeImportPart]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        found = CodeImport.objects.select_for_update(no_key=True, of=("self",)).select_related("product", "supplier")
        row = found.get(pk=said["import"])
        return {str(part.pk): _bring_in(row, part) for part in rows.order_by("number")}


def _bring_in(row: CodeImport, part: CodeImportPart) -> Outcome:
    """Bring a part into stock and erase it here, in the caller's transaction, which holds the import's row."""
    if part.content is None:
        return runs.failed("Its lines were erased. Import the file again: what is in stock already is left out.")
    terms = BatchTerms(
        row.product, row.reference, row.file_name, row.cost, row.currency, row.supplier, row.expires
    )  # fmt: skip
    importer = Importer(terms, Tally(row.imported, row.duplicates, row.rejected), row.batch)
    try:
        left_out = importer.store(_chunk(part.content))
    except OtherTerms as error:
        return runs.failed(f"{error}.")
    before, tally = row.imported, importer.tally
    part.content, part.left_out = None, [_told(refusal) for refusal in left_out]
    part.save(update_fields=["content", "left_out"])
    row.batch, row.imported = importer.batch, tally.imported
    row.duplicates, row.rejected = tally.duplicates, tally.rejected
    row.save(update_fields=["batch", "imported", "duplicates", "rejected"])
    return runs.done(f"{tally.imported - before:,} imported, {len(left_out):,} left out")


def left_out(found: CodeImport) -> Iterator[tuple[int, str, str]]:
    """Every line that is not imported, in order: number, as much of the code as may be seen, and why."""
    for part in found.parts.order_by("number").defer("content").iterator(chunk_size=10):
        yield from ((number, shown, reason) for number, shown, reason in part.left_out)
