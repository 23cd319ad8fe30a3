"""What every test stands on: which database, what may be skipped, and the closing lines."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import caches

from tests import postgres
from tests.browser import chromium
from tests.browser.person import WORK
from tests.desk import Desk, open_desk

NUMBERED = re.compile(r"\b([A-Z0-9]{3})-T(\d+)\b")
NEEDS = {
    "postgres": (
        lambda: settings.DATABASES["default"]["ENGINE"].endswith("postgresql"),
        "needs PostgreSQL: run `make test`, or set TEST_DATABASE_URL",
    ),
    "browser": (
        lambda: chromium() is not None,
        "needs Chromium: install it, or name it in CHROMIUM",
    ),
}


@pytest.fixture
def g2g(db: None) -> Iterator[Desk]:
    """A play account on G2G and the sandbox it talks to; see tests.desk."""
    with open_desk("g2g", "Main G2G", requests_per_minute=600_000) as desk:
        yield desk


@pytest.fixture
def g2a(db: None) -> Iterator[Desk]:
    """A play account on G2A and the sandbox it talks to; see tests.desk."""
    with open_desk("g2a", "Main G2A", requests_per_minute=6000) as desk:
        yield desk


@pytest.fixture
def ginee(db: None) -> Iterator[Desk]:
    """A play account on Ginee and the sandbox it talks to; see tests.desk."""
    with open_desk("ginee", "Main Ginee", requests_per_minute=600_000) as desk:
        yield desk


@pytest.fixture
def gcommerce(db: None) -> Iterator[Desk]:
    """A play account on G-Commerce and the sandbox it talks to; see tests.desk."""
    with open_desk("gcommerce", "Main G-Commerce", requests_per_minute=600_000) as desk:
        yield desk


def pytest_runtest_setup(item: pytest.Item) -> None:
    from marketplaces import views

    views.strangers.forget()  # every test knocks from the same address
    caches["figures"].clear()
    for marker, (is_there, reason) in NEEDS.items():
        if item.get_closest_marker(marker) and not is_there():
            pytest.skip(reason)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI is set everything is installed, so a test that was skipped there is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("what was tested")
    url = os.environ.get("TEST_DATABASE_URL")
    terminalreporter.line(f"database: {postgres.describe(url) if url else 'SQLite; tests of PostgreSQL are skipped'}")
    terminalreporter.line(f"contracts: {', '.join(_numbered_tests()) or 'no numbered tests'}")
    for report in terminalreporter.getreports(""):  # what is neither passed nor failed: a test's end, which knows most
        for effort in (value for name, value in report.user_properties if name == WORK and report.when == "teardown"):
            terminalreporter.line(f"by hand: {_job(report.nodeid)}: {effort}")
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped")
    )
    for reason, count in reasons.most_common():
        terminalreporter.line(f"skipped: {count} × {reason}")
    if not reasons:
        terminalreporter.line("skipped: nothing")
    elif os.environ.get("CI"):
        terminalreporter.line("CI is set, where nothing may be skipped: this run has failed", red=True)


def _job(nodeid: str) -> str:
    """What a test does, in the words of its name."""
    return nodeid.rpartition("::test_")[2].replace("_", " ")


def _numbered_tests() -> list[str]:
    """Count the contracts' numbered tests that a test of ours names, against the highest number seen."""
    named: dict[str, set[int]] = defaultdict(set)
    for source in Path(__file__).parent.rglob("test_*.py"):
        for contract, number in NUMBERED.findall(source.read_text()):
            named[contract].add(int(number))
    return [
        f"{contract}: {len(numbers)} of {max(numbers)} numbered tests" for contract, numbers in sorted(named.items())
    ]
