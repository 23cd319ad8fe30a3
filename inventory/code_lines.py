"""Read a file of codes line by line: text with a code a line, or CSV. No database, and only a piece of it in memory.

Each line stands or falls alone. A reason never quotes a cell: in a file whose columns are swapped it could be a code.
"""

import csv
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import BinaryIO

from backoffice import money

PIECE_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 64 * 1024
LONGEST_CODE = 2000
LONGEST_SERIAL = 200
COLUMNS = ("code", "serial", "expires", "cost")
DELIMITERS = (",", ";", "\t")
UTF8_BOM = b"\xef\xbb\xbf"
ZIP = b"PK\x03\x04"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
# Control, format and separator characters: nobody can see or type them, so they came in by mistake.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

Lines = Iterable[bytes] | BinaryIO


class UnusableFile(ValueError):
    """The file as a whole can't be read as codes; the text says why and what it takes."""


class _RefusedLine(ValueError):
    """One line can't be used; the text is the reason for the report."""


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A code with what stands beside it. `cost` is in the batch's currency; None means the batch's own."""

    number: int
    text: str = field(repr=False)
    serial: str = ""
    expires: date | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that is not imported, and why; `shown` is as much of the code as may be seen."""

    number: int
    shown: str
    reason: str


def mask(text: str) -> str:
    """Return dots, and the last four characters of a code of twelve or more."""
    return f"••••{text[-4:]}" if len(text) >= 12 else "••••"


def numbered(source: Lines) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line without its end) of a binary file or of lines; None for a line that is too long to keep."""
    lines: Iterable[bytes | None] = source if isinstance(source, Iterable) else _split(source)
    for number, line in enumerate(lines, start=1):
        if line is None or len(line) > LONGEST_LINE_BYTES:
            yield number, None
        else:
            yield number, line.rstrip(b"\r\n")


def _split(file: BinaryIO) -> Iterator[bytes | None]:
    rest, is_too_long = b"", False
    while piece := file.read(PIECE_BYTES):
        first, *others = piece.split(b"\n")
        rest = b"" if is_too_long else rest + first
        is_too_long = is_too_long or len(rest) > LONGEST_LINE_BYTES
        if not others:
            continue
        yield None if is_too_long else rest
        yield from others[:-1]
        rest, is_too_long = others[-1], False
    if rest or is_too_long:
        yield None if is_too_long else rest


def parse(lines: Iterable[tuple[int, bytes | None]], *, is_csv: bool = False) -> Iterator[CodeLine | Refusal]:
    """Yield a code or a refusal for each line that is not blank. Raises UnusableFile.

    A first line that names a column "code" is a CSV's header. `is_csv` says that the file claims to be one, so that rows
    of several cells without such a header are not taken for codes.
    """
    columns: list[str] = []
    delimiter = ","
    is_first = True
    for number, line in lines:
        if line is not None:
            line = line.removeprefix(UTF8_BOM)
            if not line.strip():
                continue
        if is_first:
            is_first = False
            columns, delimiter = _header(line or b"", is_csv=is_csv)
            if columns:
                continue
        entry = _entry(number, line, columns, delimiter)
        if entry is not None:
            yield entry


def _header(line: bytes, *, is_csv: bool) -> tuple[list[str], str]:
    """Return the columns and the delimiter that the first line declares; no columns when it is a code already."""
    if line.startswith(UTF16_BOMS):
        raise UnusableFile("The file is UTF-16. Save it as UTF-8 and import it again.")
    if line.startswith(ZIP):
        raise UnusableFile("The file is a spreadsheet or an archive. Save it as CSV or as text, and import that.")
    text = line.decode(errors="replace")
    for delimiter in DELIMITERS:
        names = [name.strip().strip('"').lower() for name in text.split(delimiter)]
        if "code" not in names:
            continue
        unknown = [name for name in names if name not in COLUMNS]
        if unknown or len(set(names)) != len(names):
            raise UnusableFile(f"The header may name each of {', '.join(COLUMNS)} once, and nothing else.")
        return names, delimiter
    if is_csv and any(delimiter in text for delimiter in DELIMITERS):
        raise UnusableFile(f"The CSV has no header with a column “code”. It takes: {','.join(COLUMNS)}.")
    return [], ","


def _entry(number: int, line: bytes | None, columns: list[str], delimiter: str) -> CodeLine | Refusal | None:
    if line is None:
        return Refusal(number, "", f"the line is longer than {LONGEST_LINE_BYTES // 1024} KB")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return Refusal(number, "", "the line is not UTF-8")
    code = text.strip()
    try:
        if not columns:
            return CodeLine(number, _checked(code))
        cells = _cells(text, columns, delimiter)
        if not any(cells.values()):
            return None
        code = cells["code"]
        return CodeLine(
            number,
            _checked(code),
            serial=_serial(cells.get("serial", "")),
            expires=_expires(cells.get("expires", "")),
            cost=read_cost(cells.get("cost", "")),
        )
    except ValueError as error:
        return Refusal(number, mask(code) if code else "", str(error))


def _cells(text: str, columns: list[str], delimiter: str) -> dict[str, str]:
    try:
        cells = next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise _RefusedLine("it is no CSV: its quotes do not match") from error
    if len(cells) > len(columns):
        raise _RefusedLine(f"it has {len(cells)} cells under {len(columns)} columns")
    return dict(zip(columns, (cell.strip() for cell in cells), strict=False))


def _checked(code: str) -> str:
    if not code:
        raise _RefusedLine("the code is empty")
    if len(code) > LONGEST_CODE:
        raise _RefusedLine(f"the code is longer than {LONGEST_CODE:,} characters")
    if not code.isprintable() and any(unicodedata.category(character) in UNSEEN for character in code):
        raise _RefusedLine("it holds a control or an invisible character")
    return code


def _serial(text: str) -> str:
    if len(text) > LONGEST_SERIAL or "\0" in text:
        raise _RefusedLine(f"the serial number takes up to {LONGEST_SERIAL} visible characters")
    return text


def _expires(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise _RefusedLine("the expiry date can't be read; write it as 2027-01-31") from error


def read_cost(text: str) -> Decimal | None:
    """Read the cost of one code; None for an empty text. Raises ValueError, whose text does not repeat the cell."""
    try:
        cost = money.to_decimal(text)
    except ValueError as error:
        raise _RefusedLine("the cost is no amount; write it as 4.20") from error
    if cost is None:
        return None
    if cost < 0 or cost >= Decimal(10) ** 10 or cost != cost.quantize(Decimal("0.0001")):
        raise _RefusedLine("the cost takes 0 or more, up to 4 decimal places and 10 digits before them")
    return cost
