"""Read all of G2A's catalogue, though no list goes further than page 500 (G2A-P34): it is cut by update time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from marketplaces.services.g2a.bodies import LAST_PAGE, ProductFilter
from marketplaces.services.g2a.mapping import ProductPage
from marketplaces.types import RemoteProduct

PER_PAGE = 20
FIRST_UPDATE = datetime(2010, 1, 1, tzinfo=UTC)  # G2A is not older
SMALLEST_CUT = timedelta(seconds=2)

Read = Callable[[ProductFilter, int], ProductPage]


def walk(read: Read, now: datetime, warn: Callable[[str], None]) -> Iterator[RemoteProduct]:
    """Yield every product, each once. `read` gets one page of what a filter lets through.

    Older updates come first: what changes meanwhile moves to a part that is yet to be read, and is not missed.
    """
    seen: set[str] = set()
    parts = [ProductFilter(is_out_of_stock_shown=True)]
    while parts:
        part = parts.pop()
        first = read(part, 1)
        halves = _halves(part, now) if (first.total or 0) > LAST_PAGE * PER_PAGE else []
        if halves:
            parts += reversed(halves)
            continue
        for product in _pages(read, part, first, warn):
            if product.external_id not in seen:
                seen.add(product.external_id)
                yield product


def _pages(read: Read, part: ProductFilter, first: ProductPage, warn: Callable[[str], None]) -> Iterator[RemoteProduct]:
    shown, page = first, 1
    while shown.products:
        yield from shown.products
        is_last = first.total is not None and page * PER_PAGE >= first.total
        if is_last or len(shown.products) < PER_PAGE:
            return
        if page == LAST_PAGE:
            warn(f"G2A shows no more than {LAST_PAGE} pages; products of {_span(part)} are missing")
            return
        page += 1
        shown = read(part, page)


def _halves(part: ProductFilter, now: datetime) -> list[ProductFilter]:
    """The part in two, by update time, both with the moment between them; none when it can't be cut any further."""
    low, high = part.updated_from or FIRST_UPDATE, part.updated_to or now
    if high - low < SMALLEST_CUT:
        return []
    middle = (low + (high - low) / 2).replace(microsecond=0)
    return [replace(part, updated_to=middle), replace(part, updated_from=middle)]


def _span(part: ProductFilter) -> str:
    return f"{part.updated_from or 'the beginning'} to {part.updated_to or 'now'}"
