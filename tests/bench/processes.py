"""Real processes beside a benchmark: started, waited for, and ended with everything they started."""

import http.client
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from backoffice import supervisor
from tests.bench.measuring import Wrong

PATIENCE = 60
STOP_SECONDS = 20


@contextmanager
def running(
    command: Sequence[str], *, ready: Callable[[], bool] = lambda: True, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the product until the block ends; it begins when the process is `ready`."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=supervisor.BASE_DIR, env={**os.environ, **(env or {})}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            until = time.monotonic() + PATIENCE
            while not ready():
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise Wrong(f"{' '.join(command)} did not start: {log.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.1)
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # Only the head is asked, which ends its workers; what is left after that is killed.
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address: str) -> bool:
    """Say whether a GET of the address is answered, with whatever."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status > 0
    except OSError:
        return False
    finally:
        connection.close()


def children(pid: int) -> list[int]:
    """The living child processes of a process, in the order of their ids."""
    return sorted(child for child, parent in _parents().items() if parent == pid)


def descendants(pid: int) -> list[int]:
    """The children of a process and theirs, the nearest first."""
    parents, found = _parents(), [pid]
    for one in found:
        found += sorted(child for child, parent in parents.items() if parent == one)
    return found[1:]


def command_of(pid: int) -> str:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    return pid in _parents()


def _parents() -> dict[int, int]:
    """Every process that lives, and whose child it is."""
    found: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(stat.parent.name)] = int(parent)
    return found
