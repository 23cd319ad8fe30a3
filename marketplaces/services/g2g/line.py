"""How a request to G2G is made: signed anew, read, and its pages followed."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from marketplaces.exceptions import PermanentError, TemporaryError, Unsupported
from marketplaces.http import Client
from marketplaces.services.g2g import errors, reading, signing
from marketplaces.types import Connection, Json

V2_ONLY = frozenset({"G2G-09", "G2G-11", "G2G-14"})


class Line:
    """One account's line to G2G, in the version that the account names."""

    def __init__(self, connection: Connection, client: Client, warnings: list[str]) -> None:
        self.connection = connection
        self.client = client
        self.version = str(connection.options.get("version", "v2"))
        self.warnings = warnings
        self.clock_off: float | None = None  # seconds our clock was ahead at the last answer

    def call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        payload: Json | None = None,
        about: str = "",
        is_write: bool = False,
    ) -> Json:
        """Make one request and return its payload. `path` is without the version; `about` is an id, for the call log.

        What only v2 can do is refused in v1 without a request (Unsupported, invalid).
        """
        if self.version == "v1" and operation in V2_ONLY:
            raise too_new(operation, "that")
        full_path = f"/{self.version}{path}"
        answer = self.client.send(
            operation,
            method,
            full_path,
            headers=signing.headers(self.connection, full_path),
            params=params,
            payload=payload,
            about=about,
            is_write=is_write,
        )
        self.clock_off = errors.clock_off(answer.headers)
        asked = errors.Asked(operation, about, is_write, self.connection.name, self.connection.base_url)
        result, warning = errors.payload_of(answer, asked, self.client.scrub)
        if warning:
            self.warnings.append(warning)
        return result

    def pages(
        self, operation: str, path: str, params: Mapping[str, str], rows_key: str, *, about: str
    ) -> Iterator[list[Json]]:
        """Read pages until one names no next, or one that was read already."""
        cursors, after = {""}, ""
        while True:
            given = {**params, "after": after} if after else params
            payload = self.call(operation, "GET", path, params=given, about=about)
            rows = reading.rows(payload.get(rows_key))
            yield rows
            after = reading.text(payload.get("after"))
            if not rows or after in cursors:
                return
            cursors.add(after)


def too_new(operation: str, what: str) -> Unsupported:
    return Unsupported(
        f"Version v1 of G2G's API can't do {what}. Set the account's version to v2", kind="invalid", operation=operation
    )


def segment(external_id: str) -> str:
    """An id as one segment of a path. Dots alone would lead to another path."""
    if external_id.strip(".") == "":
        raise PermanentError(f"“{external_id}” is no id of G2G's", kind="invalid")
    return quote(external_id, safe="")


def named(payload: Json, key: str, external_id: str, operation: str) -> Json:
    """The payload, if it speaks of what was asked for. Raises TemporaryError."""
    found = reading.ident(payload.get(key))
    if found == external_id:
        return payload
    what = f"{found} instead" if found else "nothing"
    raise TemporaryError(f"Asked for {external_id}, G2G answered {what}", kind="unknown", operation=operation)
