"""`make chaos`: buyers buy on the sandboxes while the workers are killed; in the end both sides' books are compared.

    python -m tests.chaos [--orders N] [--kills N] [--seed N] [--faults PROFILE] [--wait SECONDS]

The seed is printed and repeats the run. An order may still be looked for at the end, since a lot without an answer is sent
once more only after ten minutes; it may not be lost, and no code may be in two hands.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from backoffice import supervisor
from tests.bench import ground
from tests.bench.processes import answers, running

PER_SECOND = 4.0
BETWEEN_KILLS = (4.0, 9.0)


class Workers:
    """A cluster that is killed without a warning, with everything it started, and begun again."""

    def __init__(self) -> None:
        self.kills = 0
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            supervisor.manage("qcluster"), cwd=supervisor.BASE_DIR, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self) -> None:
        self.kills += 1
        self.end()
        self.start()

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def ask(address: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def until(is_so: Any, seconds: float) -> bool:
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        if is_so():
            return True
        time.sleep(0.5)
    return False


def open_shop(sandbox: str) -> list[tuple[str, str]]:
    """Load the demo and wait for its offers; returns (marketplace, offer id)."""
    from django.core.management import call_command

    from inventory.models import Offer

    call_command("demo_data", sandbox_url=sandbox)
    waiting = Offer.objects.exclude(state=Offer.State.DONE)
    if not until(lambda: not waiting.exists(), 120):
        raise SystemExit(f"{waiting.count()} offers were not made")
    return list(Offer.objects.values_list("account__marketplace", "external_id"))


def buy(sandbox: str, shelf: Sequence[tuple[str, str]], options: argparse.Namespace, workers: Workers) -> int:
    """Let buyers buy, and kill meanwhile; returns how many orders were placed."""
    dice = random.Random(options.seed)
    placed, next_kill = 0, time.monotonic() + dice.uniform(*BETWEEN_KILLS)
    while placed < options.orders or workers.kills < options.kills:
        if placed < options.orders:
            slug, offer_id = dice.choice(shelf)
            try:
                ask(f"{sandbox}/{slug}/_sim/order", {"offer_id": offer_id, "qty": dice.randint(1, 3)})
                placed += 1
            except OSError:
                pass  # a fault, or nothing left: the buyer goes away
        if workers.kills < options.kills and time.monotonic() >= next_kill:
            workers.kill()
            next_kill = time.monotonic() + dice.uniform(*BETWEEN_KILLS)
        time.sleep(1 / PER_SECOND)
    return placed


def report(sandbox: str, slugs: Sequence[str], placed: int, kills: int) -> int:
    from orders.models import Delivery
    from orders.verify import verify

    doubles = {slug: ask(f"{sandbox}/{slug}/_sim/state")["doubles"] for slug in slugs}
    sold_twice = sum(len(d) if isinstance(d, list) else d for found in doubles.values() for d in [found["sold_twice"]])
    books = verify()
    delivered = Delivery.objects.filter(status=Delivery.Status.DELIVERED).count()
    open_ones = Delivery.objects.filter(status__in=Delivery.OPEN)
    rows = {
        "orders placed": placed,
        "workers killed": kills,
        "deliveries asked for": Delivery.objects.count(),
        "delivered": delivered,
        "still looked for": open_ones.exclude(state=Delivery.State.NEEDS_ATTENTION).count(),
        "need a person": Delivery.objects.filter(state=Delivery.State.NEEDS_ATTENTION).count(),
        "codes in two hands": sold_twice,
        "problems in the books": len(books.problems),
    }
    for what, count in rows.items():
        print(f"  {what:<24}{count:>8}")
    for problem in books.problems:
        print(f"  {problem['text']}")
    is_well = (
        not sold_twice and books.is_ok and rows["delivered"] + rows["still looked for"] == rows["deliveries asked for"]
    )
    print("Nothing lost, nothing doubled." if is_well else "NOT WELL: see above.")
    return 0 if is_well else 1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--faults", default="none", help="profile of the sandboxes' troubles (default: %(default)s)")
    parser.add_argument("--wait", type=float, default=120, help="seconds for what is under way to arrive")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}: {options.orders} orders, {options.kills} kills, faults: {options.faults}", flush=True)
    with ground.prepared() as place, ExitStack() as household:
        place.fresh()
        port = str(place.sandbox_port)
        sandbox = supervisor.manage("sandbox", "--port", port, "--faults", options.faults, "--seed", str(options.seed))
        household.enter_context(running(sandbox, ready=lambda: answers(place.sandbox)))
        web = supervisor.web(ground.HOST, place.web_port)
        household.enter_context(running(web, ready=lambda: answers(f"{place.web}/healthz")))
        workers = Workers()
        household.callback(workers.end)
        shelf = open_shop(place.sandbox)
        placed = buy(place.sandbox, shelf, options, workers)

        from orders.models import Delivery

        until(lambda: not Delivery.objects.filter(status__in=Delivery.OPEN).exists(), options.wait)
        return report(place.sandbox, sorted({slug for slug, _ in shelf}), placed, workers.kills)


if __name__ == "__main__":
    sys.exit(main())
