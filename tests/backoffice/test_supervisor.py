"""Processes that are supervised live and end together, whoever dies first and however."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backoffice import supervisor

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = "import time; print('awake', flush=True); time.sleep(300)"
# Finishes what it does when it is asked to stop, as a worker does.
WORKER = """
import signal, sys, time
def finish(*_): print('finished', flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, finish)
print('awake', flush=True)
time.sleep(300)
"""
# A head that leaves a grandchild behind, as a killed qcluster leaves its workers.
HEAD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}])
print('grandchild', child.pid, flush=True)
sys.exit(4)
"""

# Says more, when it is asked to stop, than a pipe holds.
CHATTERER = WORKER.replace("print('finished', flush=True)", "print(('x' * 99 + '\\n') * 20_000, flush=True)")

pytestmark = pytest.mark.processes


class Household:
    """A supervisor with the given programs in a process of its own, and what it has printed."""

    def __init__(self, **programs: str) -> None:
        adding = "".join(
            f"h.add_process({name!r}, [sys.executable, '-c', {code!r}]);" for name, code in programs.items()
        )
        code = f"import sys; from backoffice.supervisor import Household; h = Household(); {adding} sys.exit(h.run())"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.lines: list[str] = []

    def read_until(self, word: str, times: int = 1) -> str:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            times -= word in line
            if not times:
                return line
        raise AssertionError(f"{word} was never printed: {''.join(self.lines)}")

    def pid_of(self, name: str) -> int:
        line = next(line for line in self.lines if f"{name} started" in line)
        return int(line.rpartition("=")[2].rstrip(")\n"))

    def end(self, timeout: float = 20) -> int:
        output, _ = self.process.communicate(timeout=timeout)
        self.lines += output.splitlines()
        return self.process.returncode


@pytest.fixture
def house() -> Iterator[list[Household]]:
    houses: list[Household] = []
    yield houses
    for one in houses:
        one.process.kill()
        one.process.wait()


def start(house: list[Household], **programs: str) -> Household:
    house.append(Household(**programs))
    return house[-1]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_until_gone(pid: int, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if (
            Path(f"/proc/{pid}/stat").exists()
            and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        ):
            return True
        time.sleep(0.05)
    return False


def test_when_one_ends_all_end_with_its_status(house: list[Household]) -> None:
    household = start(house, web=SLEEPER, workers="import sys; sys.exit(3)")
    assert household.end() == 3
    assert wait_until_gone(household.pid_of("web"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_lets_them_finish_and_succeeds(house: list[Household], number: int) -> None:
    household = start(house, web=WORKER, workers=WORKER)
    household.read_until("awake", times=2)
    household.process.send_signal(number)
    assert household.end() == 0
    printed = "".join(household.lines)
    assert printed.count("finished") == 2
    assert "Traceback" not in printed


def test_what_a_dead_head_leaves_behind_is_killed(house: list[Household]) -> None:
    household = start(house, workers=HEAD)
    line = household.read_until("grandchild")
    assert household.end() == 4
    assert wait_until_gone(int(line.split()[-1]))


@pytest.mark.parametrize("is_whole_group", [False, True])
def test_nothing_outlives_a_killed_supervisor(house: list[Household], is_whole_group: bool) -> None:
    household = start(house, web=SLEEPER, workers=WORKER)
    household.read_until("awake", times=2)
    pids = [household.pid_of("web"), household.pid_of("workers")]
    (os.killpg if is_whole_group else os.kill)(household.process.pid, signal.SIGKILL)
    assert all(wait_until_gone(pid) for pid in pids)


# --- before the start -----------------------------------------------------------------------------------------


def test_no_watcher_waits_for_a_killed_supervisor_to_read_what_its_process_still_says(house: list[Household]) -> None:
    household = start(house, a=CHATTERER)
    household.read_until("awake")
    group = household.pid_of("a")
    watcher = parent_of(group)
    os.kill(household.process.pid, signal.SIGKILL)

    assert wait_until_gone(group)
    assert wait_until_gone(watcher)


def test_a_taken_port_is_named_in_one_line_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "backoffice.supervisor", "demo", "--port", str(port)]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert supervisor._free_port(port) != port
    assert result.returncode == 1
    assert result.stderr == f"Port {port} is taken. Name another one: make demo PORT=8080\n"


@pytest.mark.parametrize("port", ["0", "70000", "http"])
def test_an_impossible_port_is_refused(port: str) -> None:
    with pytest.raises(SystemExit) as ended:
        supervisor.main(["run", "--port", port])
    assert ended.value.code == 2


def test_the_demo_never_sees_what_is_set_for_real_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "VAR_DIR", tmp_path / "a folder")
    for name in ("DATABASE_URL", "SECRET_KEY", "CODE_KEYS", "CACHE_URL", "SENTRY_DSN", "EMAIL_URL", "DEBUG"):
        monkeypatch.setenv(name, "for-real-work")
    env = supervisor.demo_environment("http://127.0.0.1:8123")
    assert "for-real-work" not in env.values()
    assert env["PUBLIC_BASE_URL"] == "http://127.0.0.1:8123"
    assert env["SECRET_KEY"] == supervisor.demo_environment("http://127.0.0.1:8123")["SECRET_KEY"]
    kept = tmp_path / "a folder" / "demo.env"
    assert kept.stat().st_mode & 0o077 == 0
    # `make manage` reads it with the shell.
    shown = subprocess.run(
        ["sh", "-c", f'set -a; . {shlex.quote(str(kept))}; printf "%s" "$DATABASE_URL"'], capture_output=True, text=True
    )
    assert shown.stdout == env["DATABASE_URL"]


def test_a_failed_preparation_ends_with_its_own_last_line() -> None:
    code = (
        "import sys; print('Traceback', file=sys.stderr); print('SECRET_KEY is missing', file=sys.stderr); sys.exit(1)"
    )
    with pytest.raises(SystemExit) as ended:
        supervisor._prepare([sys.executable, "-c", code], os.environ)
    assert ended.value.code == "SECRET_KEY is missing"
    with pytest.raises(SystemExit) as ended:
        supervisor._prepare([sys.executable, "-c", "raise SystemExit(1)"], os.environ, "Run: make manage ARGS=migrate")
    assert ended.value.code == "Run: make manage ARGS=migrate"
