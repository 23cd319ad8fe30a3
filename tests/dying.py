"""Workers that die at one chosen point: after a commit, before a request leaves, or with its answer in their hand."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import requests
from django.apps import apps
from django.db import connection

import inventory.tasks
import marketplaces.tasks
import orders.tasks
from marketplaces import http, sandbox_wire
from marketplaces.models import Outgoing
from tests import desk as desks
from tests.desk import Desk
from tests.drain import drain

WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")
# A dead worker's rows and leases are taken over after a little more than this.
LONG_ENOUGH = 80.0


class Death(BaseException):
    """The worker is gone; nothing below catches it."""


class Points:
    """Note what a worker does that others can see, and die after the one with the number `fatal`, from 1; 0 lets it live."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.passed: list[str] = []
        self.is_at_work = False
        self._depth = len(connection.savepoint_ids)
        self._begun = ""

    def pass_by(self, where: str) -> None:
        if not self.is_at_work:
            return
        self.passed.append(where)
        if len(self.passed) == self.fatal:
            raise Death

    @property
    def distinct(self) -> list[int]:
        """The numbers of the points, of those that are alike the first."""
        firsts: dict[str, int] = {}
        for number, where in enumerate(self.passed, start=1):
            firsts.setdefault(re.sub(r"[0-9A-Z]*\d[-0-9A-Z]*", "#", where), number)
        return list(firsts.values())

    def statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """What is inside a transaction is nothing to others before its end, so only that end is a point."""
        answer = execute(sql, params, many, context)
        is_seen, words = len(connection.savepoint_ids) == self._depth, sql.lstrip()
        if words.startswith(WRITES):
            self._begun = words[:80]
        if is_seen and words.startswith((*WRITES, "RELEASE SAVEPOINT")):
            self.pass_by(self._begun)
        return answer


class Wire(sandbox_wire.InProcess):
    """The way to the other side, on which workers die, too."""

    def __init__(self, desk: Desk, points: Points) -> None:
        super().__init__(desk.sandbox, desk.account.base_url)
        self._points = points

    def send(self, request: requests.PreparedRequest, **details: Any) -> requests.Response:
        self._points.pass_by(f"before {request.method} {request.path_url}")
        response = super().send(request, **details)
        self._points.pass_by(f"after {request.method} {request.path_url}")
        return response


@contextmanager
def workers_of(desk: Desk, points: Points) -> Iterator[None]:
    """Have the desk's workers pass the points. The other side, and our door, live on."""

    def work() -> int:
        points.is_at_work = True
        try:
            return drain()
        finally:
            points.is_at_work = False

    http.mount(desk.account.base_url, Wire(desk, points))
    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(points.statement):
        patch.setattr(desks, "drain", work)
        try:
            yield
        finally:
            sandbox_wire.mount(desk.sandbox, desk.account.base_url)


def sweep() -> None:
    """What the schedules do every minute."""
    for task in (marketplaces.tasks.sweep, inventory.tasks.sweep, orders.tasks.sweep):
        task()


def recover(desk: Desk, check: Callable[[], None], rounds: int) -> None:
    """Let time pass and sweeps run until it has come to its right end, or for so many rounds."""
    for _ in range(rounds):
        with suppress(AssertionError):
            check()
            return
        desk.advance(LONG_ENOUGH)
        sweep()
        desk.settle()


def die_everywhere(desk: Desk, begin: Callable[[], Callable[[], None]], *, seconds: float, rounds: int = 10) -> int:
    """Tell a story again and again, whose worker dies at another point each time; returns how many points there are.

    `begin` makes something due, anew each time, and returns what checks that it came to its right end, once. It has so many
    `seconds` while nobody dies; after a death others have `rounds` of LONG_ENOUGH to finish. A point is what the worker does
    there, and to which table or address; the first time nobody dies, and the points are noted.
    """
    told = _tell(desk, begin, 0, seconds, rounds)
    for fatal in told.distinct:
        _tell(desk, begin, fatal, seconds, rounds)
    return len(told.distinct)


def _tell(desk: Desk, begin: Callable[[], Callable[[], None]], fatal: int, seconds: float, rounds: int) -> Points:
    check, points = begin(), Points(fatal)
    with suppress(Death), workers_of(desk, points):
        desk.advance(seconds)
    # Also where nobody died now: who died before may have taken a wake-up along, which a sweep finds.
    recover(desk, check, rounds)
    try:
        check()
    except AssertionError as error:
        where = points.passed[-1] if points.passed else "nowhere"
        raise AssertionError(f"after a death at point {fatal} ({where}): {error}; {unfinished()}") from error
    return points


def unfinished() -> dict[str, list[Any]]:
    """The rows that still have something to do, or need a person."""
    return {
        model._meta.label: list(rows)
        for model in apps.get_models()
        if issubclass(model, Outgoing)
        if (rows := model._default_manager.exclude(state=Outgoing.State.DONE).values_list("pk", "state", "last_error"))
    }
