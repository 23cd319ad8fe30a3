"""Keep web and workers running together: `python -m backoffice.supervisor run|web|workers|demo [--port N]`.

When one process ends, whatever the reason, all end, and with its exit status: a container or a service manager then
starts the whole again. Workers are started again here: a group that has worked and then ended, or that stands still
(backoffice.pulse), is killed as a whole and begun anew. Nothing outlives the supervisor, not even when it is killed.
"""

import argparse
import functools
import http.client
import multiprocessing
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Any

import environ
from honcho.manager import Manager
from honcho.printer import Printer
from honcho.process import Process

from backoffice import environment, pulse

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
PYTHON = sys.executable

HOST, PORT = "127.0.0.1", 8000
WEB_WORKERS, WEB_THREADS = 2, 4
SANDBOX_OFFSET = 1000
ORDERS_PER_MINUTE = 12
# A worker finishes the task at hand before it stops; this long, then it is killed. A killed task is found and repeated.
STOP_SECONDS = 70
LOOK_SECONDS = 0.2
READY_SECONDS = 60
# Workers without a pulse for so long stand still. All of them may be busy for the length of a task (60 s), and then live.
STANDING_SECONDS = 90


class Member(Process):  # type: ignore[misc]  # honcho has no type hints
    """One supervised process and its process group, watched from a process of its own."""

    def __init__(self, *args: Any, stop: Event, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stop = stop

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        """Run to the end; stop when it is wished, or when the supervisor is gone."""
        self._events = events
        # In a session of its own, what ends the supervisor's whole group or terminal leaves the watcher alive.
        os.setsid()
        self._send_message({"returncode": self._live()}, type="stop")
        if self._is_orphan():
            events.cancel_join_thread()  # nobody reads any more, and what is not read would be waited for without end

    def _live(self) -> int:
        """Run the process once, and end what it leaves behind; returns its exit status."""
        child = subprocess.Popen(  # noqa: S603  (our own commands)
            self.cmd,
            env=self._environment(),
            cwd=self.cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._send_message({"pid": child.pid}, type="start")
        reader = threading.Thread(target=self._pass_on, args=[child], daemon=True)
        reader.start()
        self._watch(child)
        # What is left of the group has lost its head: the workers of a killed qcluster would go on unguarded.
        _signal_group(child.pid, signal.SIGKILL)
        reader.join(timeout=2)
        return int(child.returncode)

    def _environment(self) -> dict[str, str]:
        return dict(self.env)

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._is_orphan()

    def _is_orphan(self) -> bool:
        supervisor = multiprocessing.parent_process()
        return not (supervisor and supervisor.is_alive())

    def _has_to_go(self) -> bool:
        """Whether the process is to be killed, though nobody asked it to stop."""
        return False

    def _watch(self, child: subprocess.Popen[bytes]) -> None:
        kill_at: float | None = None
        while child.poll() is None:
            if kill_at is None and self._is_over():
                # Only the head is asked, and once: it lets its workers finish, and a second signal would block it.
                child.terminate()
                kill_at = time.monotonic() + STOP_SECONDS
            elif self._has_to_go() if kill_at is None else time.monotonic() > kill_at:
                _signal_group(child.pid, signal.SIGKILL)
            try:
                child.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def _pass_on(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout  # noqa: S101  (it was asked for)
        for line in child.stdout:
            self._send_message(line)


class Workers(Member):
    """A group of workers, which is begun anew when it has worked and then ended or stood still.

    One that ends without ever having worked ends all: it would not work the next time either, and its reason should be seen.
    """

    def __init__(self, *args: Any, standing_seconds: float = STANDING_SECONDS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._standing_seconds = standing_seconds

    def _live(self) -> int:
        with tempfile.TemporaryDirectory(prefix="backoffice-workers-") as folder:
            self._pulse = Path(folder) / "pulse"
            while True:
                self._seen, self._alive_at, self._is_standing = 0, time.monotonic(), False
                self._pulse.unlink(missing_ok=True)
                status = super()._live()
                self._look()
                if self._is_over() or not (self._seen or self._is_standing):
                    return status
                why = "stood still" if self._is_standing else f"ended (rc={status})"
                self._send_message(f"The workers {why}: all of them are started anew.\n".encode())

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "WORKERS_PULSE": str(self._pulse)}

    def _look(self) -> None:
        # No time is compared with the file's: clocks are set, also while we run.
        signed = pulse.signed_at(self._pulse)
        if signed not in (0, self._seen):
            self._seen, self._alive_at = signed, time.monotonic()

    def _has_to_go(self) -> bool:
        self._look()
        self._is_standing = time.monotonic() - self._alive_at > self._standing_seconds
        return self._is_standing


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


class Household(Manager):  # type: ignore[misc]  # honcho has no type hints
    """Processes that live and end together. Being asked to stop is no failure: the exit status is 0 then."""

    def __init__(self, *, when_started: Sequence[threading.Thread] = (), is_plain: bool = False) -> None:
        # Lines that are JSON must stay so.
        super().__init__(Printer(sys.stdout, prefix=not is_plain))
        self._stop = multiprocessing.Event()
        self._process_ctor = functools.partial(Member, stop=self._stop)
        self._when_started = when_started

    def add_workers(self, env: Any, *, standing_seconds: float = STANDING_SECONDS) -> None:
        """Have a group of workers, which is watched."""
        member = self._process_ctor
        self._process_ctor = functools.partial(Workers, stop=self._stop, standing_seconds=standing_seconds)
        self.add_process("workers", manage("qcluster"), env=env, cwd=BASE_DIR)
        self._process_ctor = member

    def _start(self) -> None:
        super()._start()
        # Threads begin after the forks, which must not copy their locks.
        for thread in self._when_started:
            thread.start()

    def _killall(self, force: bool = False) -> None:
        # Each member stops its own process, and kills it when it does not; honcho would kill all after five seconds.
        self._stop.set()

    def run(self) -> int:
        self.loop()
        return 0 if self.returncode in (130, 143) else int(self.returncode or 0)


def web(host: str, port: int) -> list[str]:
    (VAR_DIR / "static").mkdir(parents=True, exist_ok=True)  # whitenoise warns when it is missing
    return [
        *(PYTHON, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port)),
        *("--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS), "--no-ws", "--log-level", "warning"),
        # Without it a worker that was asked to stop while it started is waited for without end.
        *("--workers-kill-timeout", "10"),
        "backoffice.wsgi:application",
    ]


def manage(*arguments: str) -> list[str]:
    return [PYTHON, str(BASE_DIR / "manage.py"), *arguments]


def run(
    host: str,
    port: int,
    *,
    has_web: bool = True,
    has_workers: bool = True,
    standing_seconds: float = STANDING_SECONDS,
) -> int:
    """Serve web, workers or both with the environment as it is."""
    if has_web:
        refuse_taken(host, port, "make run PORT=8080")
    _prepare(manage("check"), os.environ)
    _prepare(manage("migrate", "--check"), os.environ, "The database is not up to date. Run: make manage ARGS=migrate")
    environ.Env.read_env(BASE_DIR / ".env")  # as the settings do
    household = Household(is_plain=os.environ.get("LOG_FORMAT") == "json")
    if has_web:
        household.add_process("web", web(host, port), env=_unbuffered(os.environ), cwd=BASE_DIR)
    if has_workers:
        household.add_workers(_unbuffered(os.environ), standing_seconds=standing_seconds)
        household.add_process("watch", manage("watch_workers"), env=_unbuffered(os.environ), cwd=BASE_DIR)
    return household.run()


def demo(host: str, port: int, orders_per_minute: int = ORDERS_PER_MINUTE) -> int:
    """Serve web, workers and sandbox marketplaces with demo data, which is made first and kept between runs."""
    refuse_taken(host, port, "make demo PORT=8080")
    address = f"http://{HOST}:{port}"
    sandbox_port = _free_port(port + SANDBOX_OFFSET)
    env = demo_environment(address)
    print("Preparing the database and the demo data …", flush=True)
    _prepare(manage("migrate", "--verbosity", "0"), env)
    _prepare(manage("demo_data", "--sandbox-url", f"http://{HOST}:{sandbox_port}"), env)
    password = (VAR_DIR / "demo_password").read_text().strip()
    household = Household(
        when_started=[threading.Thread(target=announce, args=[host, port, address, password], daemon=True)]
    )
    sandbox = ("sandbox", "--port", str(sandbox_port), "--orders-per-minute", str(orders_per_minute))
    household.add_process("sandbox", manage(*sandbox), env=env, cwd=BASE_DIR)
    household.add_process("web", web(host, port), env=env, cwd=BASE_DIR)
    household.add_workers(env)
    return household.run()


def demo_environment(address: str) -> dict[str, str]:
    """What the demo runs with, written to var/demo.env for `make manage`; a `.env` for real work does not reach it."""
    settings = {
        "DEBUG": "False",
        "SECRET_KEY": environment.make_once(VAR_DIR / "secret_key", environment.new_key),
        "DATABASE_URL": f"sqlite:///{VAR_DIR / 'backoffice.sqlite3'}",
        "CODE_KEYS": "",
        "CODE_INDEX_KEY": "",
        "CACHE_URL": "",
        "PUBLIC_BASE_URL": address,
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "CSRF_TRUSTED_ORIGINS": "localhost,127.0.0.1",
        "ALLOW_LOCAL_MARKETPLACES": "True",
        "SENTRY_DSN": "",
        "EMAIL_URL": "consolemail://",
        "TWO_FACTOR": "off",
        "LOG_LEVEL": "WARNING",  # or the address would be gone from the screen with the first order
    }
    path = VAR_DIR / "demo.env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
    return _unbuffered(os.environ | settings)


def announce(host: str, port: int, address: str, password: str) -> None:
    """Say where to go, once the web answers."""
    until = time.monotonic() + READY_SECONDS
    while not _answers(host, port):
        if time.monotonic() > until:
            return
        time.sleep(LOOK_SECONDS)
    lines = ["", "  The back office is open.", f"    address   {address}/admin/", "    user      admin"]
    lines += [f"    password  {password}", "", "  Ctrl-C stops everything; the data stay.", ""]
    print("\n".join(lines), flush=True)


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def refuse_taken(host: str, port: int, way_out: str) -> None:
    """End with one line when something else listens there."""
    if not _is_free(host, port):
        raise SystemExit(f"Port {port} is taken. Name another one: {way_out}")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(wanted: int) -> int:
    if wanted < 65536 and _is_free(HOST, wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _prepare(command: list[str], env: Any, on_failure: str = "") -> None:
    """Run a command to its end. When it fails end, too, with the line in which it said why."""
    result = subprocess.run(command, env=env, cwd=BASE_DIR, capture_output=True, text=True)  # noqa: S603  (our own)
    if result.returncode:
        said = result.stderr.strip().splitlines()
        raise SystemExit(said[-1] if said else on_failure or f"{shlex.join(command)} failed")


def _unbuffered(env: Any) -> dict[str, str]:
    return dict(env) | {"PYTHONUNBUFFERED": "1"}


def _end_early(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _end_as_asked(number: int, frame: FrameType | None) -> None:
    """A closed terminal is a wish to stop like any other."""
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m backoffice.supervisor", description=__doc__)
    parser.add_argument(
        "what",
        choices=["run", "web", "workers", "demo"],
        help="run: web and workers; web or workers: one of both alone, for several machines; demo: with play marketplaces",
    )
    parser.add_argument("--host", default=HOST, help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="the port to listen on (default: %(default)s)")
    parser.add_argument(
        "--orders-per-minute", type=int, default=ORDERS_PER_MINUTE, help="of the demo's buyers (default: %(default)s)"
    )
    parser.add_argument(
        "--standing-seconds",
        type=float,
        default=STANDING_SECONDS,
        metavar="N",
        help="workers without any progress for so long are killed and started anew (default: %(default)s)",
    )
    asked = parser.parse_args(arguments)
    if not 0 < asked.port < 65536:
        parser.error("--port takes a number from 1 to 65535")
    signal.signal(signal.SIGTERM, _end_early)
    signal.signal(signal.SIGHUP, _end_as_asked)
    try:
        if asked.what == "demo":
            return demo(asked.host, asked.port, asked.orders_per_minute)
        return run(
            asked.host, asked.port, has_web=asked.what != "workers", has_workers=asked.what != "web",
            standing_seconds=asked.standing_seconds,
        )  # fmt: skip
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
