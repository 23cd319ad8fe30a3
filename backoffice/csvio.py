"""Read and write CSV so that nothing breaks and nothing becomes a formula."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

# Full-width signs, too: a spreadsheet set to Chinese or Japanese takes them for the narrow ones.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Writable(Protocol):
    """A file, or a command's standard output."""

    def write(self, text: str, /) -> object: ...


def plain(value: object) -> str:
    """The text of a cell, with a leading quote where a spreadsheet would run it as a formula; unquoted() takes it away.

    Line breaks within it become newlines: the csv module leaves a bare carriage return unquoted, which breaks the row.
    """
    text = "" if value is None else str(value)
    return ("'" if _is_formula(text.lstrip("'")) else "") + text.replace("\r\n", "\n").replace("\r", "\n")


def unquoted(cell: str) -> str:
    """The text that plain() made this cell of; any other cell as it stands."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(text: str) -> bool:
    is_number = text.lstrip("+-").replace(".", "", 1).isdigit()
    return text.startswith(FORMULA_STARTS) and not is_number


def write(out: Writable, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write header and rows as they come; returns how many rows there were."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    count = 0
    for row in rows:
        writer.writerow([plain(cell) for cell in row])
        count += 1
    return count


def lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Give the lines of a CSV one by one, for an answer that is sent while it is made."""
    for cells in chain([header], rows):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([plain(cell) for cell in cells])
        yield line.getvalue()


def read(lines: Iterable[str], required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a CSV with a header; header names are compared in small letters.

    Raises ValueError, naming them, when `required` columns are missing.
    """
    reader = csv.reader(lines)
    header = [name.strip().lower().lstrip("\ufeff") for name in next(reader, [])]
    missing = [name for name in required if name not in header]
    if missing:
        raise ValueError(f"the header lacks {', '.join(missing)}; it has: {', '.join(header) or 'nothing'}")
    for cells in reader:
        if any(cell.strip() for cell in cells):
            row: dict[str, Any] = dict(zip(header, (cell.strip() for cell in cells), strict=False))
            yield reader.line_num, row
