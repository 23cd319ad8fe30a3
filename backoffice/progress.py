"""Show how far long work is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

LINE_EVERY_SECONDS = 10


def track(items: Iterable[T], *, label: str, total: int | None = None) -> Iterator[T]:
    """Pass `items` through and report on standard error, which leaves standard output to the result."""
    if sys.stderr.isatty():
        yield from tqdm(items, desc=label, total=total, file=sys.stderr, leave=False, dynamic_ncols=True)
    else:
        yield from _in_lines(items, label, total)


def _in_lines(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    said_at = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - said_at >= LINE_EVERY_SECONDS:
            said_at = time.monotonic()
            sys.stderr.write(f"{label}: {number:,}{f' of {total:,}' if total else ''}\n")
