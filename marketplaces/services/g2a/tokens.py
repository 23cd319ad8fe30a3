"""The Import side's token: one for all processes, fetched by one of them at a time (section 2.3 of the contract)."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import uuid4

from django.core.cache import cache

from backoffice.crypto import CannotOpen, decrypt, encrypt

USUAL_LIFE = 3600.0
MARGIN = 300.0
# Longer than a token call can take, so that a lock that outlives it has lost its owner.
LOCK_SECONDS = 45
# How long another's fetch is waited for, look by look, before one is made without the lock.
LOOKS = (0.05, 0.1, 0.2, 0.4, 0.8, *[1.0] * 8)


@dataclass(frozen=True)
class Token:
    text: str = field(repr=False)
    life: float  # seconds, as G2A told it
    expires_at: float  # seconds since 1970

    @property
    def is_usable(self) -> bool:
        """False when so little of its life is left that a new one is due; short lives count by half (G2A-P43)."""
        margin = MARGIN if self.life > MARGIN else self.life / 2
        return self.expires_at - time.time() > margin


class Tokens:
    """The token of one account, in the cache that all processes share, sealed: the cache may be a table or a Redis.

    `fetch` asks G2A for a text and its life in seconds. A token that was fetched with other `credentials` does not open.
    """

    def __init__(self, *parts: str, credentials: str, fetch: Callable[[], tuple[str, float]]) -> None:
        name = ":".join(parts)
        self._key = f"g2a:token:{sha256(name.encode()).hexdigest()}"
        self._bound_to = f"{self._key}:{sha256(credentials.encode()).hexdigest()}"
        self._lock = f"{self._key}:lock"
        self._fetch = fetch

    def get(self) -> str:
        """Return a token that is good for a while yet. Raises what `fetch` raises."""
        token = self._stored()
        return token.text if token else self._renewed()

    def drop(self, text: str) -> None:
        """Forget this token, if it is still the one that is stored: another process may have renewed it by now."""
        token = self._stored()
        if token and token.text == text:
            cache.delete(self._key)

    def _renewed(self) -> str:
        owner = uuid4().hex
        for pause in LOOKS:
            if cache.add(self._lock, owner, LOCK_SECONDS):
                break
            time.sleep(pause)
            if token := self._stored():
                return token.text
        try:
            token = self._stored()  # who held the lock a moment ago may have left one
            return token.text if token else self._fetched()
        finally:
            if cache.get(self._lock) == owner:
                cache.delete(self._lock)

    def _stored(self) -> Token | None:
        sealed = cache.get(self._key)
        if not isinstance(sealed, bytes):
            return None
        try:
            token = Token(**json.loads(decrypt(sealed, self._bound_to)))
        except CannotOpen:  # of other credentials, or from before the encryption key was changed
            return None
        return token if token.is_usable else None

    def _fetched(self) -> str:
        text, life = self._fetch()
        token = Token(text, life, time.time() + life)
        plain = json.dumps({"text": token.text, "life": token.life, "expires_at": token.expires_at})
        cache.set(self._key, encrypt(plain.encode(), self._bound_to), max(1, math.ceil(life)))
        return text
