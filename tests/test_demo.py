"""`make demo` as a newcomer meets it: it starts, sells, delivers, stops cleanly, and keeps its data."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes
ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("backoffice", "marketplaces", "inventory", "orders", "templates", "manage.py")
PATIENCE = 90
# Nothing of the tests' own settings.
ENV = {"PATH": os.environ["PATH"]}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The product by itself, with a var/ of its own."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(tree: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    with (tree / "demo.log").open("w") as log:
        demo = subprocess.Popen(
            [sys.executable, "-m", "backoffice.supervisor", "demo", "--port", str(port), "--orders-per-minute", "60"],
            cwd=tree, env=ENV, stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            yield demo
        finally:
            demo.kill()
            demo.wait()


def wait_for(tree: Path, demo: subprocess.Popen[str], word: str) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and demo.poll() is None:
        log = (tree / "demo.log").read_text()
        if word in log:
            return log
        time.sleep(0.2)
    raise AssertionError(f"“{word}” was never printed:\n{(tree / 'demo.log').read_text()}")


def books(tree: Path) -> dict[str, object]:
    """What `make manage ARGS="verify --json"` prints beside the running demo."""
    command = 'set -a; . ./var/demo.env; set +a; exec "$0" manage.py verify --json'
    shown = subprocess.run(
        ["sh", "-c", command, sys.executable], cwd=tree, env=ENV, capture_output=True, text=True, timeout=60
    )
    return json.loads(shown.stdout) | {"status": shown.returncode}


def wait_for_orders(tree: Path, more_than: int) -> int:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        checked = books(tree)["checked"]
        assert isinstance(checked, dict)
        if checked["deliveries"] > more_than:
            return int(checked["deliveries"])
        time.sleep(1)
    raise AssertionError(f"there were never more than {more_than} deliveries:\n{(tree / 'demo.log').read_text()}")


def test_the_demo_sells_delivers_stops_and_goes_on(tree: Path) -> None:
    port, delivered, passwords = free_port(), 0, set()
    for _ in range(2):
        with running(tree, port) as demo:
            log = wait_for(tree, demo, "password")
            assert f"http://127.0.0.1:{port}/admin/" in log
            passwords |= set(re.findall(r"password +(\S+)", log))
            delivered = wait_for_orders(tree, delivered)
            found = books(tree)
            assert (found["status"], found["ok"], found["problems"]) == (0, True, [])
            os.killpg(demo.pid, signal.SIGINT)
            assert demo.wait(timeout=60) == 0
        log = (tree / "demo.log").read_text()
        assert "Traceback" not in log
    assert len(passwords) == 1
