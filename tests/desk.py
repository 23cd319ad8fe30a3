"""A back office with one play account, and the sandbox marketplace it talks to, in one process and without a sleep."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import time_machine
from django.db import connections
from django.test import Client
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from marketplaces import http, sandbox_wire, services
from marketplaces.models import Account
from marketplaces.sandbox import Sandbox
from marketplaces.sandbox_faults import Fault
from marketplaces.sandbox_words import Clock, Response, Seller
from tests.drain import drain

ROUNDS = 200


@contextmanager
def open_desk(slug: str, name: str, **options: Any) -> Iterator["Desk"]:
    """Create a play account of the marketplace `slug` and mount its sandbox at `http://<slug>.test`."""
    base_url, clock = f"http://{slug}.test", Clock()
    service = services.get_service(slug)
    account = Account.objects.create(
        name=name,
        marketplace=slug,
        base_url=base_url,
        is_sandbox=True,
        options=options,
        credentials=service.completed({}, service.sandbox_credentials),
        webhook_secrets=list(service.sandbox_webhook_secrets),
    )

    def pass_time(seconds: float) -> None:
        clock.advanced += seconds

    sandbox = import_string(f"marketplaces.services.{slug}.sandbox.Sandbox")(
        send=post_to_the_door,
        callbacks=lambda: [seller_of(account)],
        requests_per_second=1000.0,
        seed=1,
        clock=clock,
        pause=pass_time,
        idle=drain,
        lapse=lambda seconds: desk.advance(seconds),
    )
    desk = Desk(sandbox, account)
    sandbox_wire.mount(sandbox, base_url)
    try:
        yield desk
    finally:
        http.unmount(base_url)
        desk.close()


def post_to_the_door(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
    """Carry a sandbox's webhook to our door, as far as a test can."""
    names = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    content_type = names.pop("HTTP_CONTENT_TYPE", "application/json")
    address = urlsplit(url)
    target = f"{address.path}?{address.query}" if address.query else address.path
    try:
        answer = Client().generic(method, target, body, content_type=content_type, **names)
    finally:
        if threading.current_thread() is not threading.main_thread():
            connections.close_all()  # a thread of a scenario ends, and its connection with it
    return Response(answer.status_code, answer.content, dict(answer.headers))


def seller_of(account: Account) -> Seller:
    """The account as the other side knows it."""
    return Seller(account.credentials, account.hook_url, account.connection().hook_url, account.webhook_secrets)


class Desk:
    """`buy`, `settle` and `advance` are all that a story needs; what happened is in `sandbox` and in the database."""

    budget_wait = 0.1  # seconds: a moment is rounded up by less, and no test's budget is as slow

    def __init__(self, sandbox: Sandbox, account: Account) -> None:
        self.sandbox = sandbox
        self.account = account
        self._travel: Any = None
        self._traveller: Any = None

    def buy(self, offer_id: str, qty: int = 1, **details: Any) -> Any:
        """Let a buyer order; what follows happens in settle() and advance()."""
        return self.sandbox.orders.buy(offer_id=offer_id, qty=qty, **details)

    def fault(self, op: str, mode: str, **details: Any) -> None:
        """Order a trouble of the other side, once unless `times` says otherwise."""
        self.sandbox.faults.add(Fault(op, mode, **details))

    def settle(self) -> None:
        """Let both sides work until neither has anything due now."""
        for _ in range(ROUNDS):
            if self.sandbox.run_due() + drain():
                continue
            wait = self._seconds_to_the_next()
            if self._travel is None or wait > self.budget_wait:
                return
            self._traveller.shift(max(wait, 0.001))  # where time stands still, so does the budget
        raise AssertionError(f"The two sides do not come to rest within {ROUNDS} rounds")

    def advance(self, seconds: float) -> None:
        """Let time pass for both sides, and everything on the way happen at its own moment. Time stands still after."""
        if self._travel is None:
            self._travel = time_machine.travel(datetime.now(UTC), tick=False)
            self._traveller = self._travel.start()
        self.settle()
        left = seconds
        while left > 0:
            step = min(left, max(0.001, self._seconds_to_the_next()))
            self._traveller.shift(step)
            left -= step
            self.settle()

    def close(self) -> None:
        if self._travel is not None:
            self._travel.stop()

    def _seconds_to_the_next(self) -> float:
        theirs = self.sandbox.next_due()
        ours = OrmQ.objects.order_by("lock").values_list("lock", flat=True).first()
        waits = [theirs - self.sandbox.clock.time()] if theirs is not None else []
        waits += [(ours - datetime.now(UTC)).total_seconds()] if ours is not None else []
        return min(waits, default=float("inf"))
