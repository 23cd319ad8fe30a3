"""Requests per minute of one account, shared by every process on every host.

One row an account. Where a marketplace has a pace, one UPDATE a grant (the generic cell rate algorithm): the row holds the
moment at which all granted requests would be used up. Where it counts every request of the last minute, the row holds the
calls themselves (marketplaces.window). Both grant, or say how long to wait.

Two more things stop an account: a marketplace that asked to slow down stops all of it; one that is out of reach stops
what is not a delivery, but for a probe now and then.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from backoffice.rows import asked_often
from marketplaces.types import Urgency
from marketplaces.window import Window

# How much of the burst each urgency leaves free, in requests: enough for a delivery, which reads twice and sends once.
LEAVES = {Urgency.DELIVERY: 0.0, Urgency.STOCK: 3.0, Urgency.ORDERS: 3.0, Urgency.PRICE: 3.5, Urgency.CATALOGUE: 4.0}
# A delivery that has to wait keeps the others out for so long at the most, should nobody come back for it.
LONGEST_WANT = 30.0
# Seconds since 1970 are this coarse as floating-point numbers; without it the last request of a share comes by luck.
CLOCK_GRAIN = 1e-6

# Further ahead than a burst and this, a row was written by a clock that was wrong: it does not count.
CLOCK_SLACK = 60.0

# So many calls without a sound answer in a row mean an outage, and then the pause between two probes doubles.
TRIPS = 5
FIRST_PROBE, LONGEST_PROBE = 5.0, 300.0
# A probe that nobody reports about is given up.
PROBE_SECONDS = 60.0
# Longer than this nobody is asked to wait; see retry_after.
LONGEST_BLOCK = 3600.0

# Standard SQL has no greatest of two numbers that both databases know, so it is spelled out.
_BASE = "CASE WHEN used_until BETWEEN %(now)s AND %(latest)s THEN used_until ELSE %(now)s END"
_GRANT = f"""
UPDATE marketplaces_budget
   SET used_until = {_BASE} + %(cost)s,
       probe_at = CASE WHEN failures >= %(trips)s AND %(is_delivery)s = 0 THEN %(now)s + %(probe)s ELSE probe_at END
 WHERE account_id = %(account)s AND {_BASE} + %(cost)s <= %(now)s + %(allowed)s
   AND (%(is_delivery)s = 1 OR wanted_until NOT BETWEEN %(now)s AND %(now)s + %(longest_want)s)
   AND (%(is_delivery)s = 1 OR probe_at <= %(now)s OR probe_at > %(now)s + %(longest_probe)s)
   AND (blocked_until <= %(now)s OR blocked_until > %(now)s + %(longest_block)s)
"""  # noqa: S608  (no value of anybody's)
_WAIT = f"""
SELECT {_BASE} + %(cost)s - %(now)s - %(allowed)s, wanted_until - %(now)s, blocked_until - %(now)s, probe_at - %(now)s
  FROM marketplaces_budget WHERE account_id = %(account)s
"""  # noqa: S608
_WANT = "UPDATE marketplaces_budget SET wanted_until = %(wanted_until)s WHERE account_id = %(account)s"
_FIRST = """
INSERT INTO marketplaces_budget (account_id, used_until, wanted_until, calls, blocked_until, failures, probe_at)
VALUES (%(account)s, 0, 0, '', 0, 0, 0) ON CONFLICT DO NOTHING
"""
_READ = "SELECT calls, blocked_until, failures, probe_at FROM marketplaces_budget WHERE account_id = %(account)s"
_WRITE = "UPDATE marketplaces_budget SET calls = %(calls)s, probe_at = %(probe_at)s WHERE account_id = %(account)s"
_BLOCK = """
UPDATE marketplaces_budget SET blocked_until = %(until)s
 WHERE account_id = %(account)s AND (blocked_until < %(until)s OR blocked_until > %(latest)s)
"""
_FAILED = """
UPDATE marketplaces_budget SET failures = %(failures)s, probe_at = %(probe_at)s WHERE account_id = %(account)s
"""
WORKS = "UPDATE marketplaces_budget SET failures = 0, probe_at = 0 WHERE account_id = %s AND failures > 0"


def take(
    account_id: UUID, *, per_minute: int, burst: int, requests: int = 1, urgency: Urgency = Urgency.DELIVERY
) -> float:
    """Grant `requests` and return 0.0, or grant nothing and return the seconds after which to ask again.

    A clock that is put back delays by CLOCK_SLACK at the most. Safe to call from any number of processes.
    """
    now, step = time.time(), 60 / per_minute
    # A plan larger than the share must still be possible once the account has been quiet.
    allowed = max(burst - LEAVES[urgency], requests) * step + CLOCK_GRAIN
    values: dict[str, str | float] = {
        "account": _key(account_id),
        "now": now,
        "latest": now + max(burst * step, allowed) + CLOCK_SLACK,
        "cost": requests * step,
        "allowed": allowed,
        "is_delivery": int(urgency == Urgency.DELIVERY),
        "longest_want": LONGEST_WANT,
        "trips": TRIPS,
        "probe": PROBE_SECONDS,
        "longest_probe": LONGEST_PROBE,
        "longest_block": LONGEST_BLOCK,
    }
    with asked_often() as cursor:
        for _ in range(2):
            cursor.execute(_GRANT, values)
            if cursor.rowcount:
                return 0.0
            cursor.execute(_WAIT, values)
            if row := cursor.fetchone():
                wait, kept_out = max(float(row[0]), step / 10), float(row[1])
                stopped = _stopped(float(row[2]), float(row[3]), urgency)
                if urgency == Urgency.DELIVERY:
                    cursor.execute(_WANT, values | {"wanted_until": now + min(wait + step, LONGEST_WANT)})
                elif kept_out <= LONGEST_WANT:
                    wait = max(wait, kept_out)
                return max(wait, stopped)
            # An account's first request makes its row; a race for it ends in the same row.
            cursor.execute(_FIRST, values)
    raise LookupError(f"there is no account {account_id}")


@dataclass(frozen=True)
class Meter:
    """One client's share of an account's window. `holder` tells its calls from those of all others."""

    account_id: UUID
    per_window: int
    seconds: float
    kept: int
    holder: str = field(default_factory=lambda: secrets.token_hex(6))

    def take(self, requests: int, urgency: Urgency) -> float:
        """Set slots aside and return 0.0, or none and return the seconds after which to ask again."""
        now = time.time()
        with self._opened() as (window, row):
            if stopped := _stopped(row.blocked_until - now, row.probe_at - now, urgency):
                return stopped
            wait = window.take(now, holder=self.holder, urgency=urgency, requests=requests)
            if not wait and urgency != Urgency.DELIVERY and row.failures >= TRIPS:
                row.probe_at = now + PROBE_SECONDS
        return wait

    def begin(self, lasts: float) -> bool:
        """Use a slot that was set aside for a call of at most so many seconds; False when there is none, or all wait."""
        now = time.time()
        with self._opened() as (window, row):
            is_free = not _stopped(row.blocked_until - now, 0.0, Urgency.DELIVERY)
            return is_free and window.begin(now, holder=self.holder, lasts=lasts)

    def end(self) -> None:
        """Note that the call is over: its slot is free a window from now."""
        with self._opened() as (window, _):
            window.end(time.time(), holder=self.holder)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Window, "_Row"]]:
        """The account's window under the lock of its row, for a few statements and never for a call."""
        with transaction.atomic(), connection.cursor() as cursor:
            row = _lock(cursor, self.account_id)
            window = Window.read(row.calls, limit=self.per_window, seconds=self.seconds, kept=self.kept)
            yield window, row
            values: dict[str, str | float] = {
                "account": _key(self.account_id),
                "calls": window.write(),
                "probe_at": row.probe_at,
            }
            cursor.execute(_WRITE, values)


def share(
    used_until: float, calls: str, blocked_until: float, *, per_minute: int, burst: int, window: float, kept: int
) -> float:
    """How much of what may be sent now is used up by a row like this, from 0 to 1; 1 while the marketplace asked to wait."""
    now = time.time()
    if _stopped(blocked_until - now, 0.0, Urgency.DELIVERY):
        return 1.0
    if window:
        return Window.read(calls, limit=per_minute, seconds=window, kept=kept).used(now)
    return min(max(used_until - now, 0.0) * per_minute / 60 / max(burst, 1), 1.0)


def hold_off(account_id: UUID, seconds: float) -> None:
    """Let all calls of the account wait: the marketplace asked for it. Of two waits the longer one counts."""
    now = time.time()
    until, latest = now + min(max(seconds, 0.0), LONGEST_BLOCK), now + LONGEST_BLOCK
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, {"account": _key(account_id)})
        cursor.execute(_BLOCK, {"account": _key(account_id), "until": until, "latest": latest})


def unavailable(account_id: UUID) -> None:
    """Count a call without a sound answer. After TRIPS in a row background work waits, but for one probe at a time."""
    with transaction.atomic(), connection.cursor() as cursor:
        row = _lock(cursor, account_id)
        failures, probe_at = row.failures + 1, 0.0
        if failures >= TRIPS:
            probe_at = time.time() + min(FIRST_PROBE * 2 ** min(failures - TRIPS, 20), LONGEST_PROBE)
        cursor.execute(_FAILED, {"account": _key(account_id), "failures": failures, "probe_at": probe_at})


def available(account_id: UUID) -> None:
    """Note a sound answer: an outage is over. Cheap when there was none, since every call says it."""
    with connection.cursor() as cursor:
        cursor.execute(WORKS, [_key(account_id)])


@dataclass
class _Row:
    calls: str
    blocked_until: float
    failures: int
    probe_at: float


def _lock(cursor: Any, account_id: UUID) -> _Row:
    # SQLite has one writer at a time and locks as the transaction begins.
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    for _ in range(2):
        cursor.execute(_READ + lock, {"account": _key(account_id)})
        if row := cursor.fetchone():
            return _Row(*row)
        cursor.execute(_FIRST, {"account": _key(account_id)})
    raise LookupError(f"there is no account {account_id}")


def _stopped(blocked: float, probe: float, urgency: Urgency) -> float:
    """Seconds for which nothing may be sent, of those until the block ends and those until the next probe."""
    waits = [blocked if blocked <= LONGEST_BLOCK else 0.0]
    if urgency != Urgency.DELIVERY:
        waits.append(probe if probe <= LONGEST_PROBE else 0.0)
    return max(0.0, *waits)


def _key(account_id: UUID) -> str:
    return account_id.hex if connection.vendor == "sqlite" else str(account_id)
