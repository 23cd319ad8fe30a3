"""Each benchmark runs, at sizes that say nothing of speed; what it does has to be right all the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests import postgres
from tests.bench import report, suite

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [pytest.mark.postgres, pytest.mark.processes]


@pytest.mark.parametrize("name", suite.names())
def test_a_benchmark_runs_and_does_its_work_right(name: str, tmp_path: Path) -> None:
    written = tmp_path / "bench.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", name, "--quick", "--json", str(written)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    found = json.loads(written.read_text())
    measured = found["benchmarks"][name]
    assert found["quick"]
    assert measured["failure"] == ""
    assert all(way["per_second"] > 0 for line in measured["lines"] for way in line["ways"])
    # Whatever is measured stands beside something: another way, or a goal that is given in figures.
    assert any(len(line["ways"]) > 1 or line["facts"] for line in measured["lines"])


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "nothing"], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "claim" in done.stderr


def environment() -> dict[str, str]:
    """The tests' own server; the benchmark makes databases of its own there."""
    return {**os.environ, "TEST_DATABASE_URL": postgres.url_of(settings.DATABASES["default"])}


def test_the_tables_of_a_run_take_the_place_of_the_last_ones() -> None:
    page = report.written_into("# Page\n\nBefore.\n", "first")
    assert report.written_into(page, "second") == page.replace("first", "second")
    assert page.startswith("# Page\n\nBefore.\n\n<!-- measured")
