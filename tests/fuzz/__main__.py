"""`make fuzz`: hostile requests at the door of every marketplace, with valid ones in between.

    python -m tests.fuzz [--requests N] [--seed N] [--json FILE]

Each is a mutation of a valid call (bits of signatures, replays, other accounts' proofs, doubled headers, wrong lengths,
absurd methods and paths) or a stranger's. The cost of each is measured in processor time, which a busy machine does not
change. The seed is printed and repeats the run. Ends with 1 when one was let in, broke something, or was dear.
"""

import argparse
import json
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import postgres

MOST_FAULTS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}: {options.requests:,} hostile requests", flush=True)
    with postgres.running() as url:
        os.environ |= {"TEST_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    import django
    from django.test.utils import setup_databases, teardown_databases

    django.setup()
    import logging

    from tests.fuzz.siege import besiege

    logging.disable(logging.CRITICAL)
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        report = besiege(options.requests, options.seed)
    finally:
        teardown_databases(databases, verbosity=0)
    figures = {
        "seed": options.seed,
        "hostile": report.hostile,
        "kinds": len(report.kinds),
        "let in, broken or dear": len(report.faults),
        "valid in between, all let in": report.valid,
        "valid with an odd body": report.odd,
        "median ms of work": round(report.median * 1000, 2),
        "longest ms of work": round(report.longest * 1000, 2),
        "answers": {str(status): count for status, count in sorted(report.statuses.items())},
    }
    for what, figure in figures.items():
        print(f"  {what:<32}{figure}")
    for fault in report.faults[:MOST_FAULTS]:
        print(f"  {fault}")
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=2) + "\n")
    print("NOT WELL: see above." if report.faults else "Nobody was let in, and nothing broke.")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
