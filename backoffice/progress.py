"""Show how far long work is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(items: Iterable[T], *, label: str, total: int | None = None) -> Iterator[T]:
    """Pass `items` through and report on standard error, which leaves standard output to the result."""
    on_terminal = sys.stderr.isatty()
    yield from tqdm(
        items,
        desc=label,
        total=total,
        file=sys.stderr,
        mininterval=0.2 if on_terminal else 10,
        ascii=not on_terminal,
        leave=False,
        dynamic_ncols=on_terminal,
    )
