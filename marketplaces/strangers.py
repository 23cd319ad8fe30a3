"""How often one address may knock in vain before its knocking is no longer written down.

Every call is verified first, so whatever is valid is let in, from whichever address it comes and however often it was
refused there before. What is spared is what a stranger costs: a row that says why, and a line in the log. It is counted in
this process's memory alone, since it needs no more than to be about right.
"""

import threading
import time
from collections.abc import Callable

PER_MINUTE = 60
WINDOW_SECONDS = 60.0
MOST_ADDRESSES = 10_000  # known at once; who comes from more is counted anew


class Strangers:
    """Counts refused calls by address. Safe to use from many threads."""

    def __init__(self, per_minute: int = PER_MINUTE, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._now = now
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._until = 0.0

    def is_one_too_many(self, address: str) -> bool:
        """Count a refused call; True when this address has had its share of the minute."""
        with self._lock:
            if self._now() >= self._until or len(self._counts) >= MOST_ADDRESSES:
                self._counts.clear()
                self._until = self._now() + WINDOW_SECONDS
            self._counts[address] = self._counts.get(address, 0) + 1
            return self._counts[address] > self._per_minute

    def forget(self) -> None:
        with self._lock:
            self._counts.clear()
            self._until = 0.0
