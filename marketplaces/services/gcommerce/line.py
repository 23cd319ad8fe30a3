"""How a request to G-Commerce is made: with the account's key, read by one classifier, and its pages followed."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from marketplaces.exceptions import ConfigurationError, PermanentError, TemporaryError
from marketplaces.http import Client
from marketplaces.services.gcommerce import decoding, errors
from marketplaces.types import Connection, Json

CONNECT_SECONDS, READ_SECONDS = 10, 60
SLOW_SECONDS = 120  # bulk changes, feeds, and images, which they fetch before they answer
MOST_PAGES = 1000


@dataclass(frozen=True)
class Page:
    """New rows of a list, each with an id, and when they were asked for."""

    rows: list[Json]
    asked_at: datetime


def authorization(connection: Connection) -> str:
    """The Authorization header's value. Raises ConfigurationError when the account's credentials can't be one."""
    email = str(connection.credentials.get("email", "")).strip()
    key = str(connection.credentials.get("api_key", "")).strip()
    if not email or not key or ":" in email:
        raise ConfigurationError(
            f'Account "{connection.name}": it needs the e-mail of the administrator whose key it is (without a colon), and'
            " that key",
            kind="authentication",
        )
    return "Basic " + base64.b64encode(f"{email}:{key}".encode()).decode()


def whole_id(external_id: object, what: str = "id") -> int:
    """An id as the number that paths and bodies take. Raises PermanentError, so that no odd text becomes a path."""
    text = decoding.ident(external_id)
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise PermanentError(f"“{text}” is no {what} of G-Commerce's: it is a whole number", kind="invalid")
    return int(text)


def named(payload: Any, key: str, external_id: str, operation: str) -> Json:
    """The object, if it is the one that was asked for. Raises TemporaryError."""
    found = decoding.obj(payload)
    name = decoding.ident(found.get(key))
    if name and name == decoding.ident(external_id):
        return found
    what = f"{name} instead" if name else "nothing that is one"
    raise TemporaryError(f"Asked for {external_id}, G-Commerce answered {what}", kind="unknown", operation=operation)


class Line:
    """One account's line to G-Commerce."""

    def __init__(self, connection: Connection, client: Client) -> None:
        self.connection = connection
        self.client = client
        self.page_size = int(connection.options.get("page_size", 250))
        self.list_page = 1

    def call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        payload: Any = None,
        about: str = "",
        read_seconds: float = READ_SECONDS,
    ) -> Any:
        """Make one request and return its JSON, an object or a list; None for a deletion. `about` is an id, for the log."""
        header = authorization(self.connection)
        self.client.hide(header.removeprefix("Basic "))
        answer = self.client.send(
            operation,
            method,
            path,
            headers={"Authorization": header},
            params=params,
            payload=payload,
            about=about,
            is_write=method != "GET",
            read_seconds=read_seconds,
            connect_seconds=CONNECT_SECONDS,
        )
        asked = errors.Asked(operation, method, about, self.connection.name)
        return errors.payload_of(answer, asked, self.client.scrub)

    def pages(
        self, operation: str, path: str, key: str, id_key: str, params: Mapping[str, str], *, about: str = "",
        first: int = 1, goes_on: bool = False,
    ) -> Iterator[Page]:  # fmt: skip
        """Read a list from its page `first` on, page by page, each row once (the paging rule of 3.0).

        One that `goes_on` begins at `list_page` and keeps there how far it came.

        A server may cap the size of a page, repeat its last page, or tell no total: then only a page that is shorter than
        the first, or without a new row, is known to be the last.
        """
        seen: set[str] = set()
        size = self.page_size
        first = self.list_page if goes_on else first
        for number in range(first, MOST_PAGES + 1):
            asked_at = timezone.now()
            given = {**params, "page": str(number), "items_per_page": str(size if first == 1 else self.page_size)}
            payload = self.call(operation, "GET", path, params=given, about=about)
            found = decoding.listed(payload, key, id_key)
            if found is None:
                raise TemporaryError(
                    f"G-Commerce answered no list of {key.replace('_', ' ')}", kind="unknown", operation=operation
                )
            count = len(found.rows)
            fresh = [row for row in found.rows if (name := decoding.ident(row.get(id_key))) and name not in seen]
            fresh = list({decoding.ident(row[id_key]): row for row in fresh}.values())
            if not fresh:
                return
            seen.update(decoding.ident(row[id_key]) for row in fresh)
            self.list_page = number if goes_on else self.list_page
            yield Page(fresh, asked_at)
            before = (number - 1) * size
            if number == first and count < size and (found.total is None or before + count < found.total):
                size = count  # what follows is counted in pages of what it gives, not of what was asked
            if count < size if found.total is None else number * size >= found.total:
                return
