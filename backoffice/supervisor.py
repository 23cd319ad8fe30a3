"""Keep web and workers running together: `python -m backoffice.supervisor run|demo [--port N]`.

When one process ends, whatever the reason, all end, and with its exit status: a container or a service manager then
starts the whole again. Nothing outlives the supervisor, not even when it is killed.
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
import threading
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Any

from honcho.manager import Manager
from honcho.process import Process

from backoffice import environment

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
        child = subprocess.Popen(  # noqa: S603  (our own commands)
            self.cmd,
            env=self.env,
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
        self._send_message({"returncode": child.returncode}, type="stop")

    def _watch(self, child: subprocess.Popen[bytes]) -> None:
        supervisor = multiprocessing.parent_process()
        kill_at: float | None = None
        while child.poll() is None:
            is_over = self._stop.is_set() or not (supervisor and supervisor.is_alive())
            if is_over and kill_at is None:
                # Only the head is asked, and once: it lets its workers finish, and a second signal would block it.
                child.terminate()
                kill_at = time.monotonic() + STOP_SECONDS
            elif kill_at is not None and time.monotonic() > kill_at:
                _signal_group(child.pid, signal.SIGKILL)
            try:
                child.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def _pass_on(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout  # noqa: S101  (it was asked for)
        for line in child.stdout:
            self._send_message(line)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


class Household(Manager):  # type: ignore[misc]  # honcho has no type hints
    """Processes that live and end together. Being asked to stop is no failure: the exit status is 0 then."""

    def __init__(self, *, when_started: Sequence[threading.Thread] = ()) -> None:
        super().__init__()
        self._stop = multiprocessing.Event()
        self._process_ctor = functools.partial(Member, stop=self._stop)
        self._when_started = when_started

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


def run(host: str, port: int) -> int:
    """Serve web and workers with the environment as it is."""
    refuse_taken(host, port, "make run PORT=8080")
    _prepare(manage("check"), os.environ)
    _prepare(manage("migrate", "--check"), os.environ, "The database is not up to date. Run: make manage ARGS=migrate")
    household = Household()
    household.add_process("web", web(host, port), env=_unbuffered(os.environ), cwd=BASE_DIR)
    household.add_process("workers", manage("qcluster"), env=_unbuffered(os.environ), cwd=BASE_DIR)
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
    household.add_process("workers", manage("qcluster"), env=env, cwd=BASE_DIR)
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
    parser.add_argument("what", choices=["run", "demo"])
    parser.add_argument("--host", default=HOST, help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="the port to listen on (default: %(default)s)")
    parser.add_argument(
        "--orders-per-minute", type=int, default=ORDERS_PER_MINUTE, help="of the demo's buyers (default: %(default)s)"
    )
    asked = parser.parse_args(arguments)
    if not 0 < asked.port < 65536:
        parser.error("--port takes a number from 1 to 65535")
    signal.signal(signal.SIGTERM, _end_early)
    signal.signal(signal.SIGHUP, _end_as_asked)
    try:
        if asked.what == "demo":
            return demo(asked.host, asked.port, asked.orders_per_minute)
        return run(asked.host, asked.port)
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
