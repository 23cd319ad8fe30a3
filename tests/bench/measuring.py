"""Measure one piece of work: by clients that are processes of their own, and in rounds that take turns."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from django.db import connections

PATIENCE = 120
# A forked client has Django set up already; its connections are its own.
FORKS = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Round:
    """One go: how long it took by the clock on the wall, each piece's seconds, and what the clients brought back."""

    seconds: float
    pieces: list[float]
    brought: list[Any] = field(default_factory=list)
    count: int | None = None

    @property
    def rate(self) -> float:
        return (len(self.pieces) if self.count is None else self.count) / self.seconds


@dataclass(frozen=True)
class Goal:
    """What a figure must reach: at least, or below."""

    at_least: float | None = None
    below: float | None = None

    def is_reached(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.below is None or value < self.below)

    def __str__(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"< {self.below:g}"


@dataclass(frozen=True)
class Way:
    """One way of doing the work, measured. `ratio` is ours against it."""

    name: str
    rate: float
    milliseconds: Mapping[str, float]
    ratio: float | None = None
    goal: Goal | None = None


@dataclass(frozen=True)
class Fact:
    """Something else that was measured or has to hold, with its unit in `what`."""

    what: str
    value: float | int | str
    goal: Goal | None = None

    @property
    def is_reached(self) -> bool | None:
        return None if self.goal is None or isinstance(self.value, str) else self.goal.is_reached(self.value)


@dataclass(frozen=True)
class Line:
    """One line of work of a benchmark: ours first, then what stands beside it."""

    name: str
    unit: str
    ways: Sequence[Way] = ()
    facts: Sequence[Fact] = ()


class Wrong(AssertionError):
    """The work was done, and done wrong: its figures are worth nothing."""


def check(holds: bool, promise: str) -> None:
    if not holds:
        raise Wrong(promise)


def in_turns(ways: Mapping[str, Callable[[], Round]], repeats: int) -> dict[str, list[Round]]:
    """Go `repeats` times through all ways, each time beginning with another: what disturbs one disturbs all."""
    names, rounds = list(ways), {name: [] for name in ways}
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in [*names[first:], *names[:first]]:
            rounds[name].append(ways[name]())
    return rounds


def compare(
    name: str, unit: str, rounds: Mapping[str, Sequence[Round]], goals: Mapping[str, Goal], facts: Sequence[Fact] = ()
) -> Line:
    """Make a line of rounds that took turns. The first way is ours, and `goals` are ours against the others."""
    rates = {way: statistics.median(one.rate for one in of_way) for way, of_way in rounds.items()}
    ours = next(iter(rates))
    ways = [
        Way(
            name=way,
            rate=rates[way],
            milliseconds=spread([piece for one in of_way for piece in one.pieces]),
            ratio=None if way == ours else rates[ours] / rates[way],
            goal=goals.get(way),
        )
        for way, of_way in rounds.items()
    ]
    return Line(name, unit, ways, facts)


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile in milliseconds; nothing when nothing was timed."""
    if not seconds:
        return {}
    in_order = sorted(seconds)
    return {
        name: in_order[min(int(len(in_order) * part), len(in_order) - 1)] * 1000
        for name, part in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


Prepare = Callable[[int], Callable[[], tuple[list[float], Any]]]


def by_clients(count: int, prepare: Prepare) -> Round:
    """Let `count` processes prepare, then work at once; each returns its pieces' seconds and what it brings."""
    connections.close_all()
    barrier, pipes, clients = FORKS.Barrier(count), [], []
    for number in range(count):
        here, there = FORKS.Pipe(duplex=False)
        clients.append(FORKS.Process(target=_client, args=[number, prepare, barrier, there], daemon=True))
        clients[-1].start()
        there.close()
        pipes.append(here)
    said = [_hear(pipe) for pipe in pipes]
    for client in clients:
        client.join(PATIENCE)
    begun, ended = min(start for start, *_ in said), max(end for _, end, *_ in said)
    pieces = [piece for _, _, own, _ in said for piece in own]
    return Round(ended - begun, pieces, [brought for *_, brought in said])


def _client(number: int, prepare: Prepare, barrier: Barrier, pipe: Connection) -> None:
    try:
        work = prepare(number)
        barrier.wait(PATIENCE)
        begun = time.perf_counter()
        pieces, brought = work()
        pipe.send((begun, time.perf_counter(), pieces, brought))
    except BaseException as error:
        barrier.abort()
        pipe.send(f"{type(error).__name__}: {error}")
    finally:
        connections.close_all()


def _hear(pipe: Connection) -> tuple[float, float, list[float], Any]:
    if not pipe.poll(PATIENCE * 2):
        raise Wrong("a client did not come to an end")
    said = pipe.recv()
    if isinstance(said, str):
        raise Wrong(f"a client failed: {said}")
    return said


def timed(work: Callable[[], Any], times: int) -> tuple[list[float], list[Any]]:
    """Do a piece of work so many times; returns each one's seconds and what each returned."""
    pieces, results = [], []
    for _ in range(times):
        begun = time.perf_counter()
        results.append(work())
        pieces.append(time.perf_counter() - begun)
    return pieces, results
