"""How a request to G2A is made: proven, repeated once with a new token where that cures it, read, and its pages followed."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from marketplaces.exceptions import MarketplaceError
from marketplaces.http import Client
from marketplaces.services.g2a import auth, dialects, errors, reading
from marketplaces.services.g2a.tokens import USUAL_LIFE, Tokens
from marketplaces.types import Answer, Connection, Json

MOST_PAGES = 10_000


class Line:
    """One account's line to G2A, in the dialect that the account names."""

    def __init__(self, connection: Connection, client: Client) -> None:
        self.connection = connection
        self.client = client
        self.dialect = dialects.dialect_of(connection)
        self.clock_off: float | None = None  # seconds our clock was ahead at the last answer
        client.base_url = dialects.root_of(connection)

    def call(
        self,
        operation: str,
        *ids: str,
        about: str = "",
        is_write: bool = False,
        is_secret: bool = False,
        accepts: Collection[int] = (),
        **request: Any,
    ) -> Answer:
        """Make one request and return its answer: a success, or one whose status is in `accepts`.

        `ids` fill the path. `is_write` marks what must not be repeated blindly, `is_secret` an answer with codes.
        `request` is what Client.send takes. Raises what `exceptions` names.
        """
        method, path = self.dialect.route(operation, *ids)
        request |= {"about": about, "is_write": is_write, "is_answer_secret": is_secret}
        if operation in dialects.EXPORT:
            answer = self._send(operation, method, path, self._key_headers(), request)
        else:
            answer = self._send_with_token(operation, method, path, request)
        if 200 <= answer.status < 300 or answer.status in accepts:
            return answer
        raise self._error(answer, operation, about=about, is_write=is_write, is_secret=is_secret)

    def get(self, operation: str, *ids: str, needs: str = "", **request: Any) -> Json:
        """Make one request and return the object in its answer, out of its `data` where that is a wrapping.

        `needs` names the key without which the answer is of no use: then TemporaryError, of a write UnknownOutcome.
        """
        answer = self.call(operation, *ids, **request)
        found = reading.unwrapped(answer.json, needs) if needs else reading.obj(answer.json)
        if not found or (needs and needs not in found):
            raise self.unreadable(answer, operation, **request)
        return found

    def unreadable(self, answer: Answer, operation: str, **request: Any) -> MarketplaceError:
        """The exception for a success that lacks what makes it one."""
        facts = {name: request[name] for name in ("about", "is_write", "is_secret") if name in request}
        return self._error(answer, operation, **facts)

    def pages(
        self, operation: str, *ids: str, size: int, params: Mapping[str, str], first: int = 1, **request: Any
    ) -> Iterator[list[Json]]:
        """Read pages of an Import list from `first` until the last, whether the answer says which that is or not."""
        for page in range(first, MOST_PAGES):
            asked = {**params, "page": str(page), self.dialect.page_size: str(size)}
            answer = self.call(operation, *ids, params=asked, **request)
            listed = answer.json if isinstance(answer.json, list) else reading.obj(answer.json).get("data")
            if not isinstance(listed, list):
                raise self.unreadable(answer, operation, **request)
            yield reading.rows(listed)
            if is_last_page(reading.obj(reading.obj(answer.json).get("meta")), page, len(listed), size):
                return

    @property
    def tokens(self) -> Tokens:
        keys, options = auth.keys_of(self.connection), self.connection.options
        return Tokens(
            self.connection.account_id,
            self.dialect.name,
            str(options.get("environment", "production")),
            self.client.base_url,
            credentials=f"{keys.api_hash}:{keys.api_key}:{keys.client_secret}",
            fetch=self._fetch_token,
        )

    def _send(self, operation: str, method: str, path: str, headers: Mapping[str, str], request: Json) -> Answer:
        answer = self.client.send(operation, method, path, headers=headers, **request)
        self.clock_off = errors.clock_off(answer.headers)
        return answer

    def _send_with_token(self, operation: str, method: str, path: str, request: Json) -> Answer:
        tokens = self.tokens
        token = tokens.get()
        answer = self._send(operation, method, path, self._bearer(token), request)
        if not errors.wants_a_new_token(answer):
            return answer
        tokens.drop(token)  # it may end in the middle of a run; nothing was done yet (G2A-P06)
        return self._send(operation, method, path, self._bearer(tokens.get()), request)

    def _bearer(self, token: str) -> dict[str, str]:
        self.client.hide(token)
        return auth.bearer_headers(token)

    def _key_headers(self) -> dict[str, str]:
        keys = auth.keys_of(self.connection)
        self.client.hide(keys.api_hash, keys.api_key)
        if dialects.takes_plain_header(self.connection):
            return auth.plain_headers(api_hash=keys.api_hash, api_key=keys.api_key)
        headers = auth.signed_headers(api_hash=keys.api_hash, api_key=keys.api_key, now=time.time())
        self.client.hide(headers["X-G2A-Hash"])
        return headers

    def _fetch_token(self) -> tuple[str, float]:
        """Get a token (G2A-01): its text, and its life in seconds."""
        method, path = self.dialect.route("G2A-01")
        request: Json = {"is_answer_secret": True}
        headers: dict[str, str] = {}
        if self.dialect.is_live:
            keys = auth.keys_of(self.connection)
            pair = {"client_id": keys.api_hash, "client_secret": keys.client_secret}
            request["form"] = {"grant_type": "client_credentials", **pair}
        else:
            headers = self._key_headers()
        answer = self._send("G2A-01", method, path, headers, request)
        token = reading.unwrapped(answer.json, "access_token")
        found = reading.text(token.get("access_token"))
        if answer.status >= 300 or not found:
            raise self._error(answer, "G2A-01", is_secret=True)
        life = reading.amount(token.get("expires_in"))
        return found, float(life) if life and life > 0 else USUAL_LIFE

    def _error(self, answer: Answer, operation: str, **facts: Any) -> MarketplaceError:
        asked = errors.Asked(operation, "", is_write=False, account=self.connection.name, dialect=self.dialect.name)
        return errors.to_error(answer, replace(asked, **facts), self.client.scrub)


def is_last_page(meta: Json, page: int, shown: int, size: int) -> bool:
    """Say whether a list ends here: by its last page, by its total, else by a page that is not full."""
    if not shown:
        return True
    last = reading.count(meta.get("lastPage"))
    if last is not None:
        return page >= last
    total = reading.count(meta.get("totalResults", meta.get("total")))
    if total is not None:
        return page * (reading.count(meta.get("itemsPerPage", meta.get("perPage"))) or size) >= total
    return shown < size
