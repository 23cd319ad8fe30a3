"""What an installation costs before it has done anything, and after it has sold: memory, and the time to start."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from backoffice import queue, supervisor
from backoffice.models import Heartbeat
from inventory.models import Offer
from tests.bench import bench_delivery
from tests.bench.ground import HOST
from tests.bench.measuring import Fact, Goal, Line, Way, check, spread
from tests.bench.processes import answers, running
from tests.bench.suite import Benchmark, Run

READY_SECONDS = 120
LOOK_SECONDS = 0.05
OURS, BARE = "web and workers, to the first answer and the first task", "Python imports Django and a driver, and ends"


FEW, MANY, GROWTH = 200, 600, 1.1


def run(run: Run) -> Iterator[Line]:
    few, many = run.size(FEW, 4), run.size(MANY, 8)
    with ExitStack() as household:
        market = bench_delivery._open_market(run, household)
        queue.enqueue("backoffice.tasks.heartbeat")  # the first task, which waits for them
        begun = time.monotonic()
        workers = household.enter_context(running(supervisor.manage("qcluster")))
        web = supervisor.web(HOST, run.place.web_port)
        door = household.enter_context(running(web, ready=lambda: answers(f"{run.place.web}/healthz")))
        _wait(lambda: Heartbeat.objects.exists(), "a worker runs its first task")
        started = time.monotonic() - begun
        idle = _memory(door), _memory(workers)
        bench_delivery._open_shop(run, units=many * 2 + 500)
        bench_delivery._wait_for_offers()
        _sell(market, 0, few)
        early = _memory(door), _memory(workers)
        _sell(market, few, many)
        late = _memory(door), _memory(workers)
    bare = _bare()
    facts = [
        Fact(f"MB of {who}, {when}", megabytes)
        for when, found in (("idle", idle), (f"after {few:,} orders", early), (f"after {many:,} orders", late))
        for who, megabytes in zip(("web", "workers"), found, strict=True)
    ]
    growth = sum(late) / sum(early)
    facts.append(Fact(f"after {many:,} orders, against after {few:,}", growth, Goal(below=GROWTH)))
    ways = [Way(OURS, 1 / started, spread([started])), Way(BARE, 1 / bare, spread([bare]))]
    yield Line("start-up", "starts", ways, facts)


def _sell(market: bench_delivery.Market, before: int, wanted: int) -> None:
    """Sell on, from so many orders to so many, as fast as the workers deliver."""
    shelf = list(Offer.objects.values_list("external_id", flat=True))
    for number in range(before, wanted):
        market.buy(shelf[number % len(shelf)])
        if bench_delivery._handed_over() < number - 20:  # the workers set the pace
            _wait(lambda wanted=number - 20: bench_delivery._handed_over() >= wanted, "orders are delivered")
    _wait(lambda: bench_delivery._handed_over() >= wanted, "the last order is delivered")


def _wait(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while not is_so():
        check(time.monotonic() < until, f"in {READY_SECONDS} s it did not come to it that {what}")
        time.sleep(LOOK_SECONDS)


def _bare() -> float:
    begun = time.monotonic()
    subprocess.run([supervisor.PYTHON, "-c", "import django.db.models, django.http, psycopg"], check=True)
    return time.monotonic() - begun


def _memory(process: subprocess.Popen[bytes]) -> float:
    """MB of a process and all that it started; what several share is counted once (PSS)."""
    return sum(_share_of(path) for path in Path("/proc").iterdir() if _group_of(path) == process.pid) / 1024


def _group_of(path: Path) -> int:
    try:
        return os.getpgid(int(path.name)) if path.name.isdigit() else 0
    except OSError:  # it has ended
        return 0


def _share_of(path: Path) -> int:
    try:
        lines = (path / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


BENCHMARK = Benchmark(
    what="web and workers as `make run` starts them: time to start, memory idle and after many orders",
    limit="Python that imports Django and the database's driver",
    must_reach=f"after {MANY:,} orders less than {GROWTH:g} of what it is after {FEW}",
    run=run,
)
