"""The life of every row that has something to do outside: due, in flight, then done, due again, or a person's.

Claim in a short transaction; call outside any transaction; record in a short transaction. A row that was claimed and
never recorded (its worker died) is unknown, not due: the call may have been made, so the next try has to look first.
"""

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from backoffice import correlation, queue
from marketplaces import in_flight
from marketplaces.exceptions import (
    BudgetSpent,
    ConfigurationError,
    MarketplaceError,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.models import TROUBLE_PAUSE, Account, Outgoing, Pump

log = logging.getLogger(__name__)

Row = TypeVar("Row", bound=Outgoing)
State = Outgoing.State
OPEN = (State.DUE, State.IN_FLIGHT, State.UNKNOWN)

PUMP = "marketplaces.tasks.pump"
PLANNED = 1  # marks the wake-up that was planned among others for the same rows
# A planned turn that is so late has lost its wake-up.
PLAN_LOST_AFTER = timedelta(seconds=20)
# An outage is waited out for a day: what it leaves undone must not become people's work. What nobody foresaw is not.
MAX_ATTEMPTS, MAX_SURPRISES = 150, 8
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 600.0
LOOK_AFTER_SECONDS = 10.0
UNAVAILABLE, BUDGET, LOST = "unavailable", "budget", "lost"
REFUSED = ("permission", "authentication")
# Longer than a task may run, so that a row still in flight then has lost its worker; see marketplaces.checks.
LOST_AFTER = timedelta(seconds=settings.LOST_AFTER_SECONDS)
# A claim that is older makes no other call that is worth waiting long for.
YOUNG = timedelta(seconds=5)
# What is due for longer than this, and for longer than wake-ups wait in the queue, has lost its own. Each one more would
# make a queue that is behind longer; and yet what is lost is found within a minute and a half.
GRACE, LONGEST_GRACE = timedelta(seconds=5), timedelta(seconds=65)
SWEEP_LIMIT = 500
ROUNDED = 0.05  # seconds


@dataclass(frozen=True)
class Again:
    """The row is not done: it is due again at `at`. `because` is shown; `is_unknown` says an answer never came."""

    at: datetime
    because: str = ""
    is_unknown: bool = False


@dataclass(frozen=True)
class Done:
    """The row is done, and there is something to know about it."""

    because: str
    failure: str


Outcome = Again | Done | None
Result = Outcome | Exception


def run(model: type[Row], pk: object, work: Callable[[Row], Outcome]) -> bool:
    """Claim the row, do `work` on it and record the outcome; False when there was nothing to claim.

    `work` returns None when all is done, or Again, or Done. `row.must_look` tells it that an earlier call may have been
    made. Safe to run twice at once: only one claim succeeds.
    """
    row = claim(model, pk)
    if row is None:
        return False
    with correlation.about(row.correlation):
        try:
            outcome = work(row)
        except Exception as error:
            failed(row, error)
        else:
            succeeded(row, outcome)
        log.info("%s %s: %s%s", row._meta.label, row.pk, row.state, f", {row.failure}" if row.failure else "")
    return True


def run_many(model: type[Row], pks: Sequence[object], work: Callable[[list[Row]], Mapping[object, Result]]) -> int:
    """Claim those of the rows that are due, do `work` on all of them together and record each one's outcome.

    `work` returns an outcome or an error for the primary key of every row; an error that it raises is every row's. The rows
    belong to one account. Returns how many were claimed. Safe to run twice at once: a row is claimed by one.
    """
    rows = claim_many(model, pks)
    if not rows:
        return 0
    try:
        results = work(rows)
    except Exception as error:
        _record_all(rows, error)
        return len(rows)
    silent = UnknownOutcome("The answer says nothing of it", kind="unavailable")
    alike: dict[object, tuple[Result, list[Row]]] = {}
    for row in rows:
        result = results.get(row.pk, silent)
        key = (type(result), str(result), getattr(result, "kind", "")) if isinstance(result, Exception) else result
        alike.setdefault(key, (result, []))[1].append(row)
    for result, together in alike.values():
        _record_all(together, result)
    return len(rows)


def claim_many(model: type[Row], pks: Sequence[object]) -> list[Row]:
    """Take those of an account's rows that are due and that nobody else takes at this moment, in one short transaction."""
    now = timezone.now()
    with transaction.atomic():
        is_due = Q(next_try_at=None) | Q(next_try_at__lte=now)
        waiting = model._default_manager.filter(is_due, state__in=[State.DUE, State.UNKNOWN], pk__in=pks)
        skips = connection.features.has_select_for_update_skip_locked
        rows = list(waiting.order_by("pk").select_for_update(no_key=True, skip_locked=skips))
        mine = model._default_manager.filter(pk__in=[row.pk for row in rows])
        if rows and rows[0].account.is_stopped:
            mine.update(next_try_at=now + TROUBLE_PAUSE)
            return []
        mine.update(state=State.IN_FLIGHT, in_flight_since=now, asked_again=False, attempts=F("attempts") + 1)
        for row in rows:
            row.must_look = row.outcome_unknown
            row.state, row.in_flight_since, row.asked_again = State.IN_FLIGHT, now, False
            row.attempts += 1
    return rows


def claim(model: type[Row], pk: object) -> Row | None:
    """Take a row that is due, counting the attempt now, since a killed worker counts nothing. None if not due.

    One statement, so the row is taken by one and read as it is then.
    """
    now = timezone.now()
    row = in_flight.take(model, pk, now)
    if row is None:
        return None
    if row.account.is_stopped:
        in_flight.give_back(row, now + TROUBLE_PAUSE)
        return None
    row.must_look = row.outcome_unknown
    return row


def succeeded(row: Outgoing, outcome: Outcome = None) -> None:
    """Record that the work is done, or when it goes on. A row that was asked for again meanwhile stays due."""
    _record([row], _verdict(outcome))
    worked(row.account)


def failed(row: Outgoing, error: Exception) -> None:
    """Record a failure with its reason and its next try, or hand the row to a person."""
    _tell_account(row, error)
    _record([row], _failure(row, error))


def _record_all(rows: Sequence[Outgoing], result: Result) -> None:
    """Record the same outcome of rows that were claimed together, in a statement or two instead of some for each."""
    if not isinstance(result, Exception):
        _record(rows, _verdict(result))
        worked(rows[0].account)
        return
    _tell_account(rows[0], result)
    alike: dict[tuple[int, bool], list[Outgoing]] = {}
    for row in rows:
        alike.setdefault((row.attempts, row.must_look), []).append(row)
    for together in alike.values():
        _record(together, _failure(together[0], result))


@dataclass(frozen=True)
class _Verdict:
    """What is written down about a row whose try is over."""

    state: str
    next_try_at: datetime | None = None
    attempts: int = 0
    failure: str = ""
    last_error: str = ""
    outcome_unknown: bool = False


def _verdict(outcome: Outcome) -> _Verdict:
    match outcome:
        case Again(at=at, because=because, is_unknown=is_unknown):
            state = State.UNKNOWN if is_unknown else State.DUE
            return _Verdict(state, at, last_error=because, outcome_unknown=is_unknown)
        case Done(because=because, failure=failure):
            return _Verdict(State.DONE, failure=failure, last_error=because)
    return _Verdict(State.DONE)


def _tell_account(row: Outgoing, error: Exception) -> None:
    if isinstance(error, ConfigurationError) and error.kind != "permission":
        row.account.has_trouble(str(error))
    if getattr(error, "kind", "") == UNAVAILABLE:
        row.account.is_failing()
    if not isinstance(error, MarketplaceError):
        log.error("%s %s failed", row._meta.label, row.pk, exc_info=error)


def _failure(row: Outgoing, error: Exception) -> _Verdict:
    attempts, most, outcome_unknown = row.attempts, MAX_ATTEMPTS, row.must_look
    gives_up = False
    match error:
        case BudgetSpent():
            attempts -= 1
        case ConfigurationError(kind="permission"):
            gives_up = True  # it may be this object alone that we may not touch: others go on
        case ConfigurationError():
            attempts -= 1
        case UnknownOutcome():
            outcome_unknown = True
        case PermanentError():
            gives_up = True
        case TemporaryError():
            pass
        case _:
            most, outcome_unknown = MAX_SURPRISES, True
    state = State.UNKNOWN if outcome_unknown else State.DUE
    at = timezone.now() + pause(row.attempts, error)
    next_try_at: datetime | None = _together(at) if isinstance(error, BudgetSpent) else at
    if gives_up or attempts >= most:
        state, next_try_at = State.NEEDS_ATTENTION, None
    # Only our own errors are known to hold no secret; of others the log has the traceback, the row just the name.
    is_ours = isinstance(error, MarketplaceError)
    return _Verdict(
        state,
        next_try_at,
        attempts,
        failure=getattr(error, "kind", "") or type(error).__name__,
        last_error=str(error) if is_ours else f"{type(error).__name__}; see the log",
        outcome_unknown=outcome_unknown,
    )


def _together(at: datetime) -> datetime:
    """The same moment for all who wait for the same: worked out by each it differs by microseconds, and whoever is first in
    line would not be due yet when it comes.
    """
    return datetime.fromtimestamp((round(at.timestamp() / ROUNDED) + 0.5) * ROUNDED, UTC)


def pause(attempts: int, error: Exception) -> timedelta:
    """How long to wait before the next try: what the marketplace said, else doubling with 20 % jitter."""
    if isinstance(error, ConfigurationError):
        return TROUBLE_PAUSE
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        return timedelta(seconds=retry_after)
    first = LOOK_AFTER_SECONDS if isinstance(error, UnknownOutcome) else FIRST_PAUSE
    seconds = min(first * 2 ** min(max(attempts - 1, 0), 20), LONGEST_PAUSE)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311  (no secret)


def _record(rows: Sequence[Outgoing], verdict: _Verdict) -> None:
    outcome: dict[str, Any] = {**vars(verdict), "in_flight_since": None, "asked_again": False}
    if rows[0].place and verdict.failure != BUDGET:
        # Who was served, or failed, begins to wait anew: what fails again and again must not go before all others.
        outcome[rows[0].place] = verdict.next_try_at
    if len(rows) == 1:
        _record_one(rows[0], outcome)
        return
    in_flight.record_together(rows, outcome)
    if rows[0].is_pumped:
        return  # the pump plans its own next turn, and nobody looks at rows of a batch
    with transaction.atomic():
        for row in rows:
            row.refresh_from_db(fields=in_flight.OWN_FIELDS)
            wake(row)


def _record_one(row: Outgoing, outcome: Mapping[str, Any]) -> None:
    if outcome["state"] not in (State.DUE, State.UNKNOWN) and in_flight.record(row, outcome):
        return  # nobody is to be woken, so one statement is all
    with transaction.atomic():
        if not in_flight.record(row, outcome):
            in_flight.record_once_more(row, outcome)
        if not row.is_pumped:  # the pump plans its own next turn
            wake(row)


def wake(row: Outgoing) -> None:
    """Wake a worker for the row when it is due. Safe to repeat."""
    if row.state not in (State.DUE, State.UNKNOWN):
        return
    when = row.next_try_at or timezone.now()
    if row.is_pumped:
        plan_turn(row.account, row._meta.label_lower, when)
    else:
        queue.enqueue_at(when, row.task, row.pk)


def plan_turn(account: Account, kind: str, when: datetime) -> None:
    """Wake a worker at `when` for an account's rows of a kind, unless an earlier turn is planned: turns must not multiply."""
    Pump.objects.get_or_create(account=account, kind=kind)
    is_free = Q(planned_at=None) | Q(planned_at__lte=timezone.now() - PLAN_LOST_AFTER) | Q(planned_at__gt=when)
    if Pump.objects.filter(is_free, account=account, kind=kind).update(planned_at=when):
        queue.enqueue_at(when, PUMP, kind, str(account.pk), PLANNED)


def wake_all(rows: QuerySet[Row]) -> None:
    """Wake workers for many rows at once: one wake-up an account where the rows are pumped. Safe to repeat."""
    model = rows.model
    if model.is_pumped:
        for account_id in rows.order_by().values_list("account_id", flat=True).distinct():
            queue.enqueue(PUMP, model._meta.label_lower, str(account_id))
    else:
        for pk in rows.values_list("pk", flat=True):
            queue.enqueue(model.task, pk)


def mark_due(rows: QuerySet[Row]) -> int:
    """Make rows due now, in one statement; a row in flight is done once more afterwards. Returns how many.

    A row whose outcome is unknown stays so: what has to be looked at first must not be repeated blindly. One that is due
    already keeps its place in the line, however often it is marked.
    """
    now = Value(timezone.now())
    place = rows.model.place
    waits = Case(When(state__in=OPEN, then=Coalesce(place, now)), default=now) if place else None
    return rows.update(
        **({place: waits} if waits else {}),
        state=Case(
            When(state__in=[State.IN_FLIGHT, State.UNKNOWN], then="state"),
            default=Value(State.DUE.value),
        ),
        next_try_at=Case(
            When(state=State.UNKNOWN, then="next_try_at"),
            When(state=State.DUE, then=Least(Coalesce("next_try_at", now), now)),
            default=now,
        ),
        asked_again=Case(When(state=State.IN_FLIGHT, then=Value(True)), default=Value(False)),
        attempts=Case(When(state__in=[State.IN_FLIGHT, State.UNKNOWN], then="attempts"), default=Value(0)),
    )


def try_again(row: Row, *, wakes: bool = True) -> bool:
    """A person asks for another try of a row, whatever its state; True when a worker was woken. Safe to repeat.

    Who tries by himself `wakes` nobody.
    """
    with transaction.atomic():
        rows = type(row)._default_manager.filter(pk=row.pk).exclude(state=State.IN_FLIGHT)
        fresh = rows.update(
            **_in_line(type(row)),
            state=Case(When(outcome_unknown=True, then=Value(State.UNKNOWN.value)), default=Value(State.DUE.value)),
            next_try_at=timezone.now(),
            attempts=0,
        )
        if fresh and wakes:
            wake_all(rows)
    return bool(fresh)


def _in_line(model: type[Outgoing]) -> dict[str, Any]:
    """Give a row that has no place in the line one at its end."""
    return {model.place: Coalesce(model.place, Value(timezone.now()))} if model.place else {}


def sweep(model: type[Row]) -> int:
    """Find rows that lost their worker or wake-up, and wake workers for them; returns how many. Safe to repeat."""
    now = timezone.now()
    lost = model._default_manager.filter(state=State.IN_FLIGHT, in_flight_since__lt=now - LOST_AFTER)
    # What ends its worker each time would do so for ever: nobody is there to record a failure.
    lost.filter(failure=LOST, attempts__gte=MAX_SURPRISES).update(
        state=State.NEEDS_ATTENTION, next_try_at=None, in_flight_since=None, outcome_unknown=True,
        last_error=f"Its worker ended in the middle, {MAX_SURPRISES} times on end. See the log, then try it again.",
    )  # fmt: skip
    # Due since long enough to be woken in this sweep, not in the next.
    lost.update(
        state=State.UNKNOWN, next_try_at=now - LONGEST_GRACE, in_flight_since=None, outcome_unknown=True, failure=LOST,
        last_error="Its worker ended in the middle.",
    )  # fmt: skip
    grace = min(GRACE + queue.oldest_wait(), LONGEST_GRACE)
    due = waiting(model).filter(Q(next_try_at=None) | Q(next_try_at__lte=now - grace))
    pks = list(due.order_by("next_try_at").values_list("pk", flat=True)[:SWEEP_LIMIT])
    wake_all(model._default_manager.filter(pk__in=pks))
    return len(pks)


def waiting(model: type[Row]) -> QuerySet[Row]:
    """All rows that have something to do, now or later."""
    return model._default_manager.filter(state__in=[State.DUE, State.UNKNOWN])


def waiting_of(model: type[Row], account: Account) -> QuerySet[Row]:
    """The same for one account, in the order in which they are worked off."""
    return waiting(model).filter(Q(("account", account))).order_by(*model.goes_by)


def worked(account: Account) -> int:
    """Note a success of an account, and go on with what it ended: a trouble, or an outage; returns with how many rows."""
    had_trouble, is_back = bool(account.trouble), account.works()
    if had_trouble:
        return resume(account)
    return came_back(account) if is_back else 0


def resume(account: Account) -> int:
    """Go on with an account's rows after it was mended; returns how many. Safe to repeat.

    What waits is due now, and what its marketplace had refused to the account is tried once more.
    """
    return _go_on(account, _put_off() & ~Q(failure=BUDGET) | _refused())


def came_back(account: Account) -> int:
    """Go on after an outage with what it had put off or refused; returns how many. Safe to repeat.

    What waits for a time of its own goes on waiting: one lost answer among many must not have everything asked anew.
    """
    return _go_on(account, _put_off() & Q(failure__in=[UNAVAILABLE, *REFUSED]) | _refused())


def _refused() -> Q:
    return Q(state=State.NEEDS_ATTENTION, failure__in=REFUSED)


def _put_off() -> Q:
    return Q(state__in=[State.DUE, State.UNKNOWN], next_try_at__gt=timezone.now())


def _go_on(account: Account, which: Q) -> int:
    count = 0
    with transaction.atomic():
        for model in (model for model in apps.get_models() if issubclass(model, Outgoing)):
            mine = model._default_manager.filter(Q(("account", account)))
            pks = list(mine.filter(which).values_list("pk", flat=True))
            rows = model._default_manager.filter(pk__in=pks)
            count += rows.update(
                **_in_line(model),
                state=Case(When(outcome_unknown=True, then=Value(State.UNKNOWN.value)), default=Value(State.DUE.value)),
                next_try_at=timezone.now(),
                attempts=0,
            )
            # An account that was down has rows that were never tried, and a turn that was put off.
            wake_all(mine.filter(state__in=[State.DUE, State.UNKNOWN]) if model.is_pumped else rows)
    return count
