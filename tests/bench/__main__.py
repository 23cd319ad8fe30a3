"""`make bench`, or `python -m tests.bench [NAME]… [--quick] [--json FILE] [--markdown FILE]`: run benchmarks, print tables.

Exit status 0 when all ran, 1 when one could not run or found its work done wrong, 2 on unusable arguments. A figure that is
not reached is said in its table.
"""

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench import ground, report, suite


def main(arguments: Sequence[str] | None = None) -> int:
    names = suite.names()
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names)}; all, when none is given")
    parser.add_argument("--quick", action="store_true", help="only see that each runs; its figures say nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write the tables into a page, in place of those of an earlier run",
    )
    parser.add_argument(
        "--seconds", type=float, default=30.0, metavar="N", help="how long each rate of `delivery` lasts (%(default)g)"
    )
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in names]:
        parser.error(f"There is no benchmark {unknown[0]}; there are {', '.join(names)}")
    if asked.seconds < 1:
        parser.error("--seconds takes 1 or more")
    signal.signal(signal.SIGTERM, _end)
    with ground.prepared() as place:
        facts = ground.machine(place)
        results: list[suite.Result] = []
        for result in suite.run(asked.names or names, place, is_quick=asked.quick, seconds=asked.seconds, tell=print):
            results.append(result)
            _write(asked, facts, results)  # after each, so that a run that is broken off is not lost
    print(report.as_text(facts, results, is_quick=asked.quick))
    return 1 if any(result.failure for result in results) else 0


def _write(asked: argparse.Namespace, facts: Mapping[str, str], results: Sequence[suite.Result]) -> None:
    if asked.markdown:
        page = asked.markdown.read_text() if asked.markdown.exists() else ""
        text = report.as_text(facts, results, is_quick=asked.quick)
        asked.markdown.write_text(report.written_into(page, text))
    if asked.json:
        asked.json.write_text(json.dumps(report.as_json(facts, results, is_quick=asked.quick), indent=2) + "\n")


def _end(number: int, frame: object) -> None:
    """Leave by the usual way, so that processes and databases of the run go with it."""
    raise SystemExit(143)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
