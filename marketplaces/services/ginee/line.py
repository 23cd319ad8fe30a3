"""How Ginee is asked: signed, its envelope's code checked, its pages and cursors followed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from marketplaces.exceptions import PermanentError, Unsupported
from marketplaces.http import Client
from marketplaces.services.ginee import errors, reading, signing
from marketplaces.types import Connection, Json

ORDERS_PER_PAGE = 100
MOST_PAGES = 500
LONGEST_WINDOW = timedelta(days=15)
MONTHS_BACK = 3


class Line:
    """One account's line to Ginee."""

    def __init__(self, connection: Connection, client: Client) -> None:
        self.connection = connection
        self.client = client

    def call(self, operation: str, path: str, payload: Json, *, about: str = "", is_write: bool = False) -> Any:
        """Make one request, a POST as all of them are, and return the answer's `data`. `about` is for the call log.

        Raises Unsupported without a request where the account has no keys.
        """
        if not signing.has_keys(self.connection):
            raise Unsupported(
                f'Account "{self.connection.name}" has no keys of Ginee\'s Open API, so nothing can be asked. Enter them to'
                " read orders and to set stock",
                kind="unsupported",
                operation=operation,
            )
        headers = signing.headers(self.connection, "POST", path)
        self.client.hide(headers["Authorization"].partition(":")[2])
        answer = self.client.send(
            operation, "POST", path, headers=headers, payload=payload, about=about, is_write=is_write
        )
        asked = errors.Asked(operation, about, is_write, self.connection.name, self.connection.base_url)
        return errors.data_of(answer, asked, self.client.scrub)

    def cursor_pages(self, operation: str, path: str, query: Json) -> Iterator[list[Json]]:
        """Read pages until one says that it is the last, in whichever of its ways (GIN-P19)."""
        cursor: Any = None
        for _ in range(MOST_PAGES):
            given = query if cursor is None else {**query, "nextCursor": cursor}
            data = self.call(operation, path, given)
            page = reading.rows(data)
            yield page
            following = reading.obj(data).get("nextCursor")
            is_last = reading.flag(reading.obj(data).get("more")) is False
            if is_last or not page or following in (None, "", [], {}) or following == cursor:
                return
            cursor = following
        raise _endless(operation)

    def numbered_pages(self, operation: str, path: str, key: str, size: int) -> Iterator[Json]:
        """Read the rows of pages from 0 on, until a page is short or repeats ids."""
        seen: set[str] = set()
        for page in range(MOST_PAGES):
            found = reading.rows(self.call(operation, path, {"page": page, "size": size}))
            fresh = [row for row in found if reading.ident(row.get(key)) not in seen]
            seen.update(reading.ident(row.get(key)) for row in fresh)
            yield from fresh
            if len(found) < size or not fresh:
                return
        raise _endless(operation)


def _endless(operation: str) -> PermanentError:
    return PermanentError(
        f"Ginee's list did not end within {MOST_PAGES} pages; what stood on them was read",
        kind="unknown",
        operation=operation,
    )


def windows(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Cut a time into windows that Ginee takes: whole seconds, at most 15 days, nothing before its three months."""
    start = max(since, _months_before(until, MONTHS_BACK)).replace(microsecond=0)
    end = until.replace(microsecond=0) + timedelta(seconds=1)
    while start < end:
        stop = min(start + LONGEST_WINDOW, end)
        yield start, stop
        start = stop


def _months_before(at: datetime, months: int) -> datetime:
    month = at.month - months
    year, month = (at.year, month) if month > 0 else (at.year - 1, month + 12)
    return at.replace(year=year, month=month, day=min(at.day, 28)) + timedelta(days=max(at.day - 28, 0))
