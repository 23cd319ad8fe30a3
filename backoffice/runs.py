"""Bulk actions: chosen rows -> a form -> a preview -> a run that works in the background, row by row in the open.

A Kind says what one sort of bulk work asks, would change and does. Each row of a run is an item; a chunk of items is done and
recorded in one transaction, so a worker may die anywhere and the next one goes on. What takes time beyond that, such as a
push, the item waits for. Asking twice with the same form makes one run.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Count, Model, Q, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from backoffice import queue, trail
from backoffice.models import Run, RunItem

log = logging.getLogger(__name__)

State = RunItem.State
STEP = "backoffice.tasks.step_run"
CHUNK = 500
# How many waiting rows one look reads, and how long at most a look is put off.
LOOKED_AT, LONGEST_PAUSE = 2_000, 10.0
FORGOTTEN_AFTER = timedelta(seconds=30)

Key = str  # a row's primary key, as text


@dataclass(frozen=True)
class Outcome:
    """What became of a row; `text` is for people."""

    state: str
    text: str = ""


def done(text: str = "") -> Outcome:
    return Outcome(State.DONE, text)


def waiting(text: str = "") -> Outcome:
    return Outcome(State.WAITING, text)


def unchanged(text: str = "") -> Outcome:
    return Outcome(State.UNCHANGED, text)


def failed(text: str) -> Outcome:
    return Outcome(State.FAILED, text)


@dataclass(frozen=True)
class Preview:
    """What a run would do. `sample` are lines of a table under `header`; requests are those to others, by their name."""

    changed: int
    unchanged: int = 0
    refused: Sequence[str] = ()
    header: Sequence[str] = ()
    sample: Sequence[Sequence[str]] = ()
    requests: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    facts: Sequence[str] = ()


class Kind:
    """One sort of bulk work. Without state: what was asked for comes as `said`, JSON of the form's fields."""

    title: ClassVar[str]
    model: ClassVar[type[Model]]
    permission: ClassVar[str]
    form_class: ClassVar[type[forms.Form]] = forms.Form
    is_dangerous: ClassVar[bool] = False
    at_once: ClassVar[int] = CHUNK  # rows that are done and recorded in one transaction
    counts: ClassVar[Any] = ""  # what its rows are to who looks, where that is not the model's name

    def describe(self, said: Mapping[str, Any]) -> str:
        """Name a run of this kind in the list of runs."""
        return self.title

    def rows_of(self, chosen: "QuerySet[Any]") -> "QuerySet[Any]":
        """The rows of `model` that are meant by what was chosen in a list."""
        return chosen

    def looked_at(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        """The rows with what their names and columns need, and without what is wide or sealed."""
        return rows

    def begin(self, said: Mapping[str, Any], by: str) -> Mapping[str, Any]:
        """Make what all rows of a run share, in the transaction that makes the run; returns `said` with it."""
        return said

    def preview(self, rows: "QuerySet[Any]", said: Mapping[str, Any]) -> Preview:
        """Say what would change. Changes nothing and calls nobody."""
        raise NotImplementedError

    def apply(self, rows: "QuerySet[Any]", said: Mapping[str, Any], by: str) -> Mapping[Key, Outcome]:
        """Do a chunk of rows, inside the transaction that records the outcomes; calls nobody. A missing row is gone."""
        raise NotImplementedError

    def outcomes(self, rows: "QuerySet[Any]") -> Mapping[Key, Outcome]:
        """Say what has become of rows that wait; those that still do are missing."""
        return {}


def name_of(kind: type[Kind]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def kind_of(run: Run) -> Kind:
    kind: type[Kind] = import_string(run.kind)
    return kind()


def what_it_counts(run: Run) -> str:
    """What a run's rows are, such as "offers"."""
    try:
        kind = kind_of(run)
        return str(kind.counts or kind.model._meta.verbose_name_plural)
    except ImportError:  # a run of long ago, of a kind that there is no more
        return gettext("rows")


# --- starting and stopping ---------------------------------------------------------------------------------------


def start(kind: Kind, *, rows: "QuerySet[Any]", said: Mapping[str, Any], by: User, token: str) -> Run:
    """Make a run of the rows as they are chosen now, and wake a worker. Safe to repeat: a token has one run."""
    with transaction.atomic():
        run, is_new = Run.objects.get_or_create(
            token=token,
            defaults={"kind": name_of(type(kind)), "title": kind.describe(said)[:200], "said": dict(said), "by": by},
        )
        if is_new:
            run.said = dict(kind.begin(said, by.get_username()))
            run.total = _write_items(run, rows)
            run.save(update_fields=["said", "total"])
            queue.enqueue(STEP, run.pk)
    return run


def _write_items(run: Run, rows: "QuerySet[Any]") -> int:
    """Write an item for each row in one statement: ten thousand take as long as one."""
    keys = rows.order_by().annotate(_key=Cast("pk", RunItem._meta.get_field("target"))).values("_key").distinct()
    sql, parameters = keys.query.sql_with_params()
    table = RunItem._meta.db_table
    insert = f"INSERT INTO {table} (run_id, target, state, text) SELECT %s, chosen.*, %s, '' FROM ({sql}) chosen"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(insert, [run.pk, State.DUE.value, *parameters])
        return int(cursor.rowcount)


def cancel(run: Run, *, by: str) -> bool:
    """Stop a run before its next row; what is under way goes on. False when it is over. Safe to repeat."""
    now = timezone.now()
    mine = Run.objects.filter(pk=run.pk, ended_at=None, cancelled_at=None)
    with transaction.atomic():
        was_stopped = bool(mine.update(cancelled_at=now, cancelled_by=by))
        if was_stopped:
            queue.enqueue(STEP, run.pk)
    return was_stopped


def retry(run: Run) -> int:
    """Do the rows that failed once more; returns how many. Safe to repeat."""
    with transaction.atomic():
        count = RunItem.objects.filter(run=run, state=State.FAILED).update(state=State.DUE, text="")
        if count:
            Run.objects.filter(pk=run.pk).update(ended_at=None, cancelled_at=None, cancelled_by="", told_at=None)
            queue.enqueue(STEP, run.pk)
    return count


# --- working ---------------------------------------------------------------------------------------------------------


def step(pk: int) -> None:
    """Do the next rows of a run, look after those that wait, and plan the next step. Safe to run twice at once."""
    run = Run.objects.select_related("by").filter(pk=pk, ended_at=None).first()
    if run is None:
        return
    kind = kind_of(run)
    has_more = _work(run, kind)
    has_news = _look(run, kind)
    Run.objects.filter(pk=pk).update(stepped_at=timezone.now())
    left = RunItem.objects.filter(run=run, state__in=[State.DUE, State.WAITING])
    if has_more:
        queue.enqueue(STEP, pk)
    elif left.exists():
        queue.enqueue_at(timezone.now() + timedelta(seconds=0.3 if has_news else _pause(run)), STEP, pk)
    else:
        Run.objects.filter(pk=pk, ended_at=None).update(ended_at=timezone.now())


def _pause(run: Run) -> float:
    """Look often at first and less later: a run that waits for a budget for hours must not keep a worker busy."""
    age = (timezone.now() - run.created_at).total_seconds()
    return min(max(1.0, age / 20), LONGEST_PAUSE)


def _work(run: Run, kind: Kind) -> bool:
    """Do a chunk of what is due; True when there was one."""
    with transaction.atomic():
        due = RunItem.objects.filter(run=run, state=State.DUE).order_by("pk")
        # A cancellation locks the run's row, so it comes before this chunk or after it.
        if Run.objects.select_for_update(no_key=True).get(pk=run.pk).cancelled_at is not None:
            due.update(state=State.CANCELLED)
            return False
        skips = connection.features.has_select_for_update_skip_locked
        items = list(due.select_for_update(no_key=True, skip_locked=skips)[: kind.at_once])
        if not items:
            return False
        _record(run, _applied(run, kind, [item.target for item in items]))
    return True


def _applied(run: Run, kind: Kind, keys: Sequence[Key]) -> dict[Key, Outcome]:
    """Apply a chunk, or, where that breaks, each of its rows by itself: one bad row stops nobody."""
    by = run.by.get_username()
    outcomes = dict.fromkeys(keys, failed("It is gone."))
    try:
        with transaction.atomic(), trail.watching(kind.model, keys, by=by, how=run.title):
            return outcomes | dict(kind.apply(_rows(kind, keys), run.said, by))
    except Exception:
        if len(keys) > 1:
            return {key: outcome for one in keys for key, outcome in _applied(run, kind, [one]).items()}
        log.exception("run %s failed at row %s", run.pk, keys[0])
        return {keys[0]: failed("Something unforeseen went wrong; see the log.")}


def _look(run: Run, kind: Kind) -> bool:
    """See what has become of the rows that wait; True when there was news of some."""
    has_news, last = False, 0
    waits = RunItem.objects.filter(run=run, state=State.WAITING).order_by("pk")
    while page := list(waits.filter(pk__gt=last).values_list("pk", "target")[:LOOKED_AT]):
        last = page[-1][0]
        outcomes = kind.outcomes(_rows(kind, [key for _, key in page]))
        _record(run, outcomes)
        has_news = has_news or bool(outcomes)
    return has_news


def _rows(kind: Kind, keys: Sequence[Key]) -> "QuerySet[Any]":
    return kind.model._default_manager.filter(pk__in=keys)


def _record(run: Run, outcomes: Mapping[Key, Outcome]) -> None:
    """Write outcomes down, all that are alike in one statement."""
    alike: dict[Outcome, list[Key]] = {}
    for key, outcome in outcomes.items():
        alike.setdefault(outcome, []).append(key)
    for outcome, keys in alike.items():
        RunItem.objects.filter(run=run, target__in=keys).update(state=outcome.state, text=outcome.text[:500])


def sweep() -> int:
    """Wake workers for runs that nobody works on; returns how many. Safe to repeat."""
    forgotten = Q(stepped_at=None, created_at__lt=timezone.now() - FORGOTTEN_AFTER)
    forgotten |= Q(stepped_at__lt=timezone.now() - FORGOTTEN_AFTER)
    pks = list(Run.objects.filter(forgotten, ended_at=None).values_list("pk", flat=True))
    for pk in pks:
        queue.enqueue(STEP, pk)
    return len(pks)


# --- looking on ------------------------------------------------------------------------------------------------------


def tally(run: Run) -> dict[str, int]:
    """Count a run's rows by state; every state is there."""
    rows = RunItem.objects.filter(run=run).values_list("state").annotate(rows=Count("pk")).order_by()
    found = Counter(dict(rows))
    return {state.value: found[state.value] for state in State}


def results(run: Run) -> Iterator[tuple[str, str, str]]:
    """Give a row's name, state and result for every row of a run, in order, a page at a time."""
    kind, last = kind_of(run), 0
    while page := list(RunItem.objects.filter(run=run, pk__gt=last).order_by("pk")[:LOOKED_AT]):
        last = page[-1].pk
        names = {str(row.pk): str(row) for row in kind.looked_at(_rows(kind, [item.target for item in page]))}
        yield from ((names.get(item.target, item.target), item.get_state_display(), item.text) for item in page)


def to_tell(user: User) -> list[Run]:
    """Take the runs whose end the user was not told of yet: each is given once."""
    pks = list(Run.objects.filter(by=user, ended_at__isnull=False, told_at=None).values_list("pk", flat=True))
    taken = [pk for pk in pks if Run.objects.filter(pk=pk, told_at=None).update(told_at=timezone.now())]
    return list(Run.objects.filter(pk__in=taken).order_by("ended_at"))
