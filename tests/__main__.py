"""`make test`: the smoke tests on SQLite, then the whole suite on PostgreSQL, in one command.

What follows on the command line goes to pytest; with anything there, only the run on PostgreSQL takes place.
"""

import os
import subprocess
import sys

from tests import postgres

NO_TESTS = 5  # pytest's exit status when nothing was collected


def pytest(*arguments: str, **environment: str) -> int:
    print(f"$ pytest {' '.join(arguments)}", flush=True)
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "TEST_DATABASE_URL")}
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], env=kept | environment).returncode


def main(arguments: list[str]) -> int:
    statuses = []
    if not arguments:
        statuses.append(pytest("-q", "-m", "smoke and not postgres"))
    is_ours = {} if "TEST_DATABASE_URL" in os.environ else {postgres.STARTED: "1"}
    with postgres.running() as url:
        # The whole suite comes last, so that its line closes the output.
        statuses.append(pytest("-n", "2", *(arguments or ["-q"]), TEST_DATABASE_URL=url, **is_ours))
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
