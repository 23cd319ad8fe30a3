"""What a piece of work costs: processor time of processes and of PostgreSQL, and what the database did.

Unlike a rate it holds on a machine that others use, too. Processor time is read from /proc, so it is there on Linux alone.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

LOOK_SECONDS = 0.5
TICKS = os.sysconf("SC_CLK_TCK")
DATABASE = "PostgreSQL"
# So much of the bench's own connection is in the figures.
_DONE = (
    "SELECT xact_commit + xact_rollback, blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
)
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@dataclass
class Usage:
    """Seconds of processor time by name, and the database's transactions and buffers (pages of 8 KB that were looked at)."""

    seconds: dict[str, float] = field(default_factory=dict)
    transactions: int = 0
    buffers: int = 0

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


@contextmanager
def watched(groups: Mapping[str, int], url: str) -> Iterator[Usage]:
    """Fill in what the process groups (name: the pid of its head) and the database at `url` used until the block ends.

    A process that ends meanwhile counts up to the last look at it. Only what runs on this machine is seen.
    """
    usage = Usage()
    with psycopg.connect(url, autocommit=True) as database:
        watch = _Watch(groups, database)
        begun = _done(database)
        try:
            yield usage
        finally:
            usage.seconds = watch.end()
            ended = _done(database)
            usage.transactions, usage.buffers = (after - before for after, before in zip(ended, begun, strict=True))


class _Watch:
    """Looks at processes from time to time, for those of a database end with whom they work for."""

    def __init__(self, groups: Mapping[str, int], database: psycopg.Connection) -> None:
        self._names = {pid: name for name, pid in groups.items()}
        self._database = database
        self._first: dict[int, float] = {}
        self._last: dict[int, tuple[str, float]] = {}
        self._is_first = True
        self._look()
        self._is_first = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._look()

    def end(self) -> dict[str, float]:
        self._over.set()
        self._thread.join()
        self._look()
        seconds = dict.fromkeys([*self._names.values(), DATABASE], 0.0)
        for pid, (name, used) in self._last.items():
            seconds[name] += used - self._first[pid]
        return seconds

    def _look(self) -> None:
        backends = {pid for (pid,) in self._database.execute(_BACKENDS).fetchall()}
        for path in Path("/proc").iterdir():
            if not path.name.isdigit():
                continue
            pid, used = int(path.name), _used(path)
            if used is None:
                continue
            name = DATABASE if pid in backends else self._names.get(used[0])
            if name:
                # What is new since the watch began used all of its time in it.
                self._first.setdefault(pid, used[1] if self._is_first else 0.0)
                self._last[pid] = name, used[1]


def _used(process: Path) -> tuple[int, float] | None:
    """A process's group and the seconds that it used itself; None when it is gone."""
    try:
        facts = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(facts[2]), (int(facts[11]) + int(facts[12])) / TICKS


def _done(database: psycopg.Connection) -> tuple[int, int]:
    # A backend tells its figures at the end of a transaction, at most once a second.
    row = database.execute(_DONE).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
