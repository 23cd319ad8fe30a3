"""What may be done to codes: bring them in, find them, and show them on the record."""

import csv
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify

from backoffice import crypto, csvio, rotation
from backoffice.crypto import CannotOpen
from inventory import code_lines, importing
from inventory.code_lines import Lines, UnusableFile, mask
from inventory.importing import OtherTerms
from inventory.models import Code, CodeReveal, Product, Supplier, code_binding
from marketplaces.exceptions import PermanentError
from marketplaces.shop import CodeKind

# What key rotation has to know of codes, whose column is no EncryptedField.
SEALED = rotation.Column(Code, "sealed", lambda code: code.binding)
LONGEST_REASON = 300
REVEALED_AT_ONCE = 200


@dataclass(frozen=True)
class Content:
    """What a code holds: its text, or its parts as JSON."""

    text: str = field(repr=False)
    kind: CodeKind = CodeKind.TEXT


Progress = Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class ImportResult:
    """What became of a file's lines: read = imported + duplicates + rejected. `report` lists all but the imported."""

    read: int
    imported: int
    duplicates: int
    rejected: int
    report: Path


def import_codes(
    *,
    product: Product,
    lines: Lines,
    file_name: str = "",
    batch_reference: str = "",
    cost: Decimal | None = None,
    currency: str = "",
    supplier: Supplier | None = None,
    expires: date | None = None,
    report: Path | None = None,
    progress: Progress = iter,
) -> ImportResult:
    """Import codes from a binary file, or from lines, without holding it in memory.

    `cost` is for one code, in `currency`, where its own line names none; `expires` likewise. A batch of this product
    with the same reference is added to; without a reference there is a new one. Each chunk is committed by itself and
    can be sold at once. Raises UnusableFile, or OtherTerms when the batch exists with another cost, currency or
    supplier, before anything is stored. Safe to repeat, also after it broke off: what is there already counts as a
    duplicate.
    """
    terms = importing.BatchTerms(product, batch_reference, file_name, cost, currency, supplier, expires)
    importing.existing_batch(terms)
    importer = importing.Importer(terms, hurries=True)  # what a power cut takes back, the next import brings
    is_csv = file_name.lower().endswith(".csv")
    entries = code_lines.parse(progress(code_lines.numbered(lines)), is_csv=is_csv)
    path = report or _report_path(product)
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["line", "code", "reason"])
        try:
            for chunk in importing.chunks(entries):
                for refusal in importer.store(chunk):
                    writer.writerow([refusal.number, csvio.plain(refusal.shown), csvio.plain(refusal.reason)])
                out.flush()
        finally:
            importer.finish()
    tally = importer.tally
    return ImportResult(tally.read, tally.imported, tally.duplicates, tally.rejected, path)


def _report_path(product: Product) -> Path:
    folder = Path(settings.VAR_DIR) / "imports"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{timezone.now():%Y%m%d-%H%M%S}-{slugify(product.sku)[:50] or 'codes'}-{secrets.token_hex(3)}.csv"
    return folder / name


def reveal(code: Code, *, user: str, reason: str) -> str:
    """Return a code in plain text and record who saw it and why, in one transaction.

    Raises ValueError without a reason, or with one too long to be kept whole.
    """
    _check_reason(user, reason)
    with transaction.atomic():
        CodeReveal.objects.create(code=code, user=user, reason=reason.strip())
        return _open(code)


def reveal_all(found: Iterable[Code], *, user: str, reason: str) -> Iterator[tuple[Code, str | None]]:
    """Yield many codes in plain text, None for one that does not open; each is on record before it is shown.

    Raises ValueError as reveal() does.
    """
    _check_reason(user, reason)
    remaining = iter(found)
    while lot := list(islice(remaining, REVEALED_AT_ONCE)):
        CodeReveal.objects.bulk_create([CodeReveal(code=code, user=user, reason=reason.strip()) for code in lot])
        for code in lot:
            content = _content(code)
            yield code, None if content is None else content.text


def is_reason(text: str) -> bool:
    """Whether the text can be kept as the reason why somebody saw a code."""
    return 1 <= len(text.strip()) <= LONGEST_REASON


def _check_reason(user: str, reason: str) -> None:
    if not user or not is_reason(reason):
        raise ValueError(f"A code is only shown to somebody, for a reason of 1 to {LONGEST_REASON} characters")


def plaintexts(code_ids: Collection[int]) -> dict[int, str]:
    """Return codes in plain text by their ids, in the order asked for; for sending and nothing else: it leaves no record.

    Raises Code.DoesNotExist when one is missing, so that nobody sends less than was meant, and PermanentError when one is
    no text.
    """
    found = _find_all(code_ids)
    if other := next((code for code in found.values() if code.kind != CodeKind.TEXT), None):
        raise PermanentError(
            f"Code {other.pk} is a code of the kind “{other.kind}”, which can't be sent as a text here. Sell this product"
            " only where such codes are taken, or keep codes of one kind in a product",
            kind="invalid",
        )
    return {pk: _open(found[pk]) for pk in code_ids}


def contents(code_ids: Collection[int]) -> dict[int, Content | None]:
    """Return what codes hold by their ids, in the order asked for; None for one that does not open. As plaintexts()."""
    found = _find_all(code_ids)
    return {pk: _content(found[pk]) for pk in code_ids}


def _content(code: Code) -> Content | None:
    try:
        return Content(_open(code), CodeKind(code.kind))
    except (CannotOpen, ValueError):
        return None


def _find_all(code_ids: Collection[int]) -> dict[int, Code]:
    found = Code.objects.filter(pk__in=code_ids).only("pk", "sealed", "kind").in_bulk()
    if missing := set(code_ids) - found.keys():
        raise Code.DoesNotExist(f"There are no codes {', '.join(map(str, sorted(missing)))}")
    return found


def _open(code: Code) -> str:
    return crypto.decrypt(bytes(code.sealed), code_binding(code.pk)).decode()


def find(text: str) -> Code | None:
    """Find a code by its exact text, whatever the case of its letters, without decrypting any."""
    return Code.objects.filter(is_exactly(text)).first()


def is_exactly(text: str) -> Q:
    """The rows whose code is this text, by the index that says nothing of it."""
    return Q(index=crypto.blind_index(text))


def is_known(text: str) -> bool:
    """Say whether a text is a code that we hold, or ever held."""
    return Code.objects.filter(is_exactly(text)).exists()


__all__ = [
    "SEALED",
    "Content",
    "ImportResult",
    "OtherTerms",
    "UnusableFile",
    "contents",
    "find",
    "import_codes",
    "is_exactly",
    "is_known",
    "is_reason",
    "mask",
    "plaintexts",
    "reveal",
    "reveal_all",
]  # fmt: skip
