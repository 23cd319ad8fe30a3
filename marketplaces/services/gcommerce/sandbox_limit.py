"""The limit of the make-believe G-Commerce: 10 calls in any 60 seconds, and by a switch so many an hour."""

import math
from collections import Counter, defaultdict, deque
from http import HTTPStatus

from marketplaces.sandbox_words import Clock, Refusal
from marketplaces.services.gcommerce.sandbox_switches import Switches

HOUR = 3600
TOO_MANY_AN_HOUR = 509


class Limiter:
    """Counts what was let in, per key or address, by the simulated clock. A refused call does not count."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock, self._switches = clock, switches
        self._let_in: dict[str, deque[float]] = defaultdict(deque)
        self._hours: Counter[tuple[str, int]] = Counter()

    def take(self, key: str) -> None:
        """Let one call in, or raise Refusal."""
        now = self._clock.time()
        hour = (key, int(now // HOUR))
        if self._switches.hourly_limit and self._hours[hour] >= self._switches.hourly_limit:
            raise self._refusal(TOO_MANY_AN_HOUR, (hour[1] + 1) * HOUR - now)
        times, begin = self._window(key, now)
        if len(times) >= self._switches.limit:
            first = times[0] if times and not self._switches.fixed_window else begin
            raise self._refusal(HTTPStatus.TOO_MANY_REQUESTS, first + self._switches.window_seconds - now)
        times.append(now)
        self._hours[hour] += 1

    def place(self, key: str) -> tuple[int, float]:
        """Say how many calls the window holds, and how many seconds of it have passed."""
        now = self._clock.time()
        times, begin = self._window(key, now)
        if self._switches.fixed_window:
            return len(times), now - begin
        return len(times), now - times[0] if times else 0.0

    def _window(self, key: str, now: float) -> tuple[deque[float], float]:
        """Return the calls of the window that `now` is in, and when it began."""
        seconds = self._switches.window_seconds
        begin = now // seconds * seconds if self._switches.fixed_window else now - seconds
        times = self._let_in[key]
        while times and (times[0] < begin or (times[0] == begin and not self._switches.fixed_window)):
            times.popleft()
        return times, begin

    def _refusal(self, status: int, wait: float) -> Refusal:
        headers = {"Retry-After": str(math.ceil(wait))} if self._switches.retry_after else {}
        return Refusal(status, "", "", headers)
