"""Find the benchmarks, and run them one after the other."""

import importlib
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.ground import Ground
from tests.bench.measuring import Line

PREFIX = "bench_"


@dataclass(frozen=True)
class Run:
    """What a benchmark is told: where, how big, and whom to tell what it is doing."""

    place: Ground
    is_quick: bool
    seconds: float
    tell: Callable[[str], None]

    def size(self, full: int, quick: int) -> int:
        return quick if self.is_quick else full


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's declaration. `limit` and `peer` say what is measured beside it in the same run."""

    what: str
    limit: str
    must_reach: str
    run: Callable[[Run], Iterator[Line]]
    peer: str = ""


@dataclass
class Result:
    name: str
    benchmark: Benchmark
    lines: list[Line] = field(default_factory=list)
    seconds: float = 0.0
    failure: str = ""


def names() -> list[str]:
    return sorted(path.stem.removeprefix(PREFIX) for path in Path(__file__).parent.glob(f"{PREFIX}*.py"))


def run(
    wanted: Sequence[str], place: Ground, *, is_quick: bool, seconds: float, tell: Callable[[str], None]
) -> Iterator[Result]:
    """Run benchmarks, each on an empty database. One that fails stops no other."""
    for name in wanted:
        benchmark: Benchmark = importlib.import_module(f"tests.bench.{PREFIX}{name}").BENCHMARK
        result, begun = Result(name, benchmark), time.monotonic()
        tell(f"{name}: {benchmark.what} …")
        try:
            place.fresh()
            for line in benchmark.run(Run(place, is_quick, seconds, tell)):
                result.lines.append(line)
        except Exception as error:
            traceback.print_exc()
            result.failure = f"{type(error).__name__}: {error}"
        result.seconds = time.monotonic() - begun
        yield result
