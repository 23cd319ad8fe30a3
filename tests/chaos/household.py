"""What runs: sandboxes, two web servers behind one address, two groups of workers. What dies is started again."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from backoffice import supervisor
from tests.bench import ground
from tests.bench.processes import answers, children, command_of, descendants, running
from tests.chaos.wires import Wire, Wires

LOOK_SECONDS = 0.3
# Shorter than in real life, so that a group which lost a lock of its queue is back while buyers still buy.
STANDING_SECONDS = 30
STOP_SECONDS = 30


@dataclass
class Member:
    """A process that is started again whenever it ends, as a service manager does."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] = field(init=False)
    starts: int = 0

    def start(self) -> None:
        self.starts += 1
        self.process = subprocess.Popen(
            self.command, cwd=supervisor.BASE_DIR, start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip


@dataclass
class Household:
    place: ground.Ground
    wires: Wires
    to_marketplaces: dict[str, Wire]
    webs: list[Member]
    workers: list[Member]
    _is_over: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        """Start again whatever has ended, until the end."""
        while not self._is_over.wait(LOOK_SECONDS):
            for member in [*self.webs, *self.workers]:
                if member.process.poll() is not None:
                    member.start()

    def start_workers(self) -> None:
        for member in self.workers:
            member.start()

    def watch(self) -> None:
        threading.Thread(target=self.keep, daemon=True).start()

    # --- who can be killed ---------------------------------------------------------------------------------------

    def kill_web(self, number: int) -> bool:
        return _kill_group(self.webs[number % len(self.webs)].process.pid)

    def kill_group(self, number: int) -> bool:
        """Kill a whole group of workers, guard and all."""
        head = self._head(number)
        return head is not None and _kill_group(head)

    def kill_part(self, number: int, which: int) -> bool:
        """Kill one process of a group: a worker, the monitor or the pusher."""
        head = self._head(number)
        guards = children(head) if head else []
        parts = children(guards[0]) if guards else []
        return bool(parts) and _kill(parts[which % len(parts)])

    def kill_supervisor(self, number: int) -> bool:
        """Kill who supervises a group; the group may not outlive it for long."""
        return _kill(self.workers[number % len(self.workers)].process.pid)

    def _head(self, number: int) -> int | None:
        supervised = descendants(self.workers[number % len(self.workers)].process.pid)
        return next((pid for pid in supervised if command_of(pid).endswith("manage.py qcluster")), None)

    def end(self) -> None:
        self._is_over.set()
        members = [*self.webs, *self.workers]
        for member in members:
            member.process.terminate()
        for member in members:
            try:
                with suppress(subprocess.TimeoutExpired):
                    member.process.wait(STOP_SECONDS)
            finally:
                for pid in [*descendants(member.process.pid), member.process.pid]:
                    _kill_group(pid)
                member.process.wait()


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _kill_group(pid: int) -> bool:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@contextmanager
def living(place: ground.Ground, slugs: Sequence[str], *, faults: str, seed: int) -> Iterator[Household]:
    """Have sandboxes and web servers; the workers wait for start_workers(). All end with the block."""
    ports = ground.free_ports(2)
    wires = Wires()
    wires.lay(ports, place.web_port)
    sandbox = supervisor.manage("sandbox", "--port", str(place.sandbox_port), "--faults", faults, "--seed", str(seed))
    webs = [Member(f"web {port}", supervisor.web(ground.HOST, port)) for port in ports]
    command = [supervisor.PYTHON, "-m", "backoffice.supervisor", "workers", "--standing-seconds", str(STANDING_SECONDS)]
    workers = [Member(f"workers {number}", command) for number in (1, 2)]
    with running(sandbox, ready=lambda: answers(place.sandbox)):
        to_marketplaces = {slug: wires.lay([place.sandbox_port]) for slug in slugs}
        household = Household(place, wires, to_marketplaces, webs, workers)
        for member in webs:
            member.start()
        try:
            _wait(lambda: all(answers(f"http://{ground.HOST}:{port}/healthz") for port in ports))
            yield household
        finally:
            household.end()
            wires.close()


def _wait(is_so: Callable[[], bool], seconds: float = 60) -> None:
    over = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > over:
            raise SystemExit("The web did not start")
        time.sleep(0.2)
