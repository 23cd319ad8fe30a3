"""Knock many times in a row, and say what got in, what broke, and what it cost."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection

from marketplaces.models import Account, WebhookEvent
from tests.fuzz.callers import Caller, all_callers
from tests.fuzz.knocking import Knock, Outcome, knock, knock_fairly

LONGEST_SECONDS = 0.1
VALID_EVERY, ODD_EVERY = 25, 10
# What a refused call may write: why it was refused, in its account's row.
MAY_CHANGE = {"marketplaces_account"}


@dataclass
class Report:
    """What came of a siege; `faults` is empty when all is well."""

    hostile: int = 0
    valid: int = 0
    odd: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def longest(self) -> float:
        return max(self.seconds, default=0.0)

    @property
    def median(self) -> float:
        return sorted(self.seconds)[len(self.seconds) // 2] if self.seconds else 0.0


def besiege(requests: int, seed: int) -> Report:
    """Send `requests` hostile calls in turn at every way in, with valid and odd ones in between."""
    # As Django's own test client does: the one connection belongs to the test.
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        return _besiege(requests, seed)
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


def _besiege(requests: int, seed: int) -> Report:
    dice = random.Random(seed)
    handler = WSGIHandler()
    callers = all_callers(dice, lambda account: _token(handler, account))
    for caller in callers.values():  # what is imported and compiled once is nobody's work
        for _ in range(3):
            knock(handler, caller.hostile())
    before = rows()
    report = Report()
    secrets = _secrets()
    for number in range(requests):
        name, caller = list(callers.items())[number % len(callers)]
        _hostile(report, handler, name, caller, secrets)
        if number % VALID_EVERY == 0:
            _valid(report, handler, name, caller)
        if number % ODD_EVERY == 0:
            _odd(report, handler, name, caller, secrets)
    _look_at_the_books(report, before)
    return report


def _hostile(report: Report, handler: WSGIHandler, name: str, caller: Caller, secrets: set[bytes]) -> None:
    at = caller.hostile()
    outcome = knock_fairly(handler, at, LONGEST_SECONDS)
    report.hostile += 1
    report.statuses[outcome.status] += 1
    report.kinds[f"{name}: {at.what}"] += 1
    report.seconds.append(outcome.seconds)
    if outcome.status < 400:
        report.faults.append(f"{name}: let in ({outcome.status}): {_shown(at)}")
    _judge(report, name, at, outcome, secrets)


def _odd(report: Report, handler: WSGIHandler, name: str, caller: Caller, secrets: set[bytes]) -> None:
    if at := caller.odd():
        outcome = knock_fairly(handler, at, LONGEST_SECONDS)
        report.odd += 1
        report.seconds.append(outcome.seconds)
        _judge(report, name, at, outcome, secrets)


def _valid(report: Report, handler: WSGIHandler, name: str, caller: Caller) -> None:
    if at := caller.valid():
        outcome = knock(handler, at)
        report.valid += 1
        if outcome.status >= 300:
            report.faults.append(f"{name}: a valid call was refused ({outcome.status}): {_shown(at)}")


def _judge(report: Report, name: str, at: Knock, outcome: Outcome, secrets: set[bytes]) -> None:
    if outcome.status >= 500:
        report.faults.append(f"{name}: broke ({outcome.status}): {_shown(at)}")
    if outcome.seconds > LONGEST_SECONDS:
        report.faults.append(f"{name}: {outcome.seconds * 1000:.0f} ms of work: {_shown(at)}")
    if any(secret in outcome.body for secret in secrets):
        report.faults.append(f"{name}: the answer has a secret: {_shown(at)}")


def _look_at_the_books(report: Report, before: dict[str, int]) -> None:
    """Nothing but the evidence of valid calls, and of odd ones, may have come to lie anywhere."""
    known = {"marketplaces_webhookevent", "django_q_ormq", "backoffice_cache"}
    grown = {table for table, count in rows().items() if count != before[table]}
    report.faults += [f"a row came or went in {table}" for table in sorted(grown - known)]
    kept = WebhookEvent.objects.count() - before["marketplaces_webhookevent"]
    if kept > report.valid + 3 * report.odd:  # one that seemed dear was sent again
        report.faults.append(f"{kept} events are kept, of {report.valid} valid and {report.odd} odd calls")


def rows() -> dict[str, int]:
    """How many rows each table has."""
    counts = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            counts[table] = cursor.fetchone()[0]
    return counts


def _token(handler: WSGIHandler, account: Account) -> str:
    named = {name: account.credentials[f"merchant_{name}"] for name in ("client_id", "client_secret")}
    form = urlencode({"grant_type": "client_credentials", **named}).encode()
    answer = knock(handler, Knock("POST", f"/hooks/{account.pk}/oauth/token", {}, form))
    return str(json.loads(answer.body)["access_token"])


def _secrets() -> set[bytes]:
    found: set[bytes] = set()
    for account in Account.objects.all():
        values = [*account.credentials.values(), *account.webhook_secrets]
        found |= {str(value).encode() for value in values if len(str(value)) > 8}
    return found


def _shown(at: Knock) -> str:
    return f"{at.what}: {at.method!r} {at.path[:80]!r} {str(at.headers)[:200]} length={at.length!r} {at.body[:80]!r}"
