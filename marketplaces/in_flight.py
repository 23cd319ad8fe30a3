"""Take a row to work on it, and write what became of it: one statement each, and only for who has it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Case, F, Model, QuerySet, Value, When
from django.utils import timezone

from backoffice.rows import asked_often
from marketplaces.models import Account, Outgoing

Row = TypeVar("Row", bound=Outgoing)
State = Outgoing.State

OWN_FIELDS = [field.name for field in Outgoing._meta.fields]


def take(model: type[Row], pk: Any, now: datetime) -> Row | None:
    """Move a row that is due to in flight and count the attempt; returns it as it is then, or None when it is not due.

    On PostgreSQL its account comes with it, in the same statement.
    """
    has_account = connection.vendor != "sqlite" and any(
        field.name == "account" for field in model._meta.concrete_fields
    )
    at = connection.ops.adapt_datetimefield_value(now)
    with asked_often() as cursor:
        cursor.execute(
            _take_sql(model, has_account),
            [State.IN_FLIGHT.value, at, False, pk, State.DUE.value, State.UNKNOWN.value, at],
        )
        values = cursor.fetchone()
    if values is None:
        return None
    width = len(model._meta.concrete_fields)
    row = _made(model, values[:width])
    if has_account:
        row.account = _made(Account, values[width:])
    return row


@functools.cache
def _take_sql(model: type[Outgoing], has_account: bool) -> str:
    quote = connection.ops.quote_name
    own = [quote(field.column or "") for field in model._meta.concrete_fields]
    taken = (  # names of our own columns; every value is a parameter
        f"UPDATE {quote(model._meta.db_table)}"  # noqa: S608
        " SET state = %s, in_flight_since = %s, asked_again = %s, attempts = attempts + 1"
        " WHERE id = %s AND state IN (%s, %s) AND (next_try_at IS NULL OR next_try_at <= %s)"
        f" RETURNING {', '.join(own)}"
    )
    if not has_account:
        return taken
    wanted = [*(f"taken.{column}" for column in own), *(f"account.{quote(f.column or '')}" for f in _of(Account))]
    return (
        f"WITH taken AS ({taken}) SELECT {', '.join(wanted)} FROM taken"  # noqa: S608
        f" JOIN {quote(Account._meta.db_table)} AS account ON account.id = taken.account_id"
    )


def _of(model: type[Model]) -> Sequence[Any]:
    return model._meta.concrete_fields


Made = TypeVar("Made", bound=Model)


def _made(model: type[Made], values: Sequence[Any]) -> Made:
    """Make an instance of values in the order of the model's columns, as the ORM does."""
    return model.from_db(
        DEFAULT_DB_ALIAS,
        [field.attname for field in _of(model)],
        [_read(value, steps) for value, steps in zip(values, _readers(model), strict=True)],
    )


def _read(value: Any, steps: Sequence[Callable[[Any], Any]]) -> Any:
    for step in steps:
        value = step(value)
    return value


@functools.cache
def _readers(model: type[Model]) -> list[list[Callable[[Any], Any]]]:
    """What makes each column's value out of what the driver gives."""
    # As the ORM has it: the key of another table is read as that table's own.
    columns = [field.get_col(model._meta.db_table) for field in _of(model)]
    return [
        [
            functools.partial(_converted, converter, column)
            for converter in (*connection.ops.get_db_converters(column), *column.get_db_converters(connection))
        ]
        for column in columns
    ]


def _converted(converter: Callable[..., Any], column: Any, value: Any) -> Any:
    return converter(value, column, connection)


def give_back(row: Outgoing, next_try_at: datetime) -> None:
    """Undo a claim: nothing was called, so no attempt was made."""
    state = State.UNKNOWN if row.outcome_unknown else State.DUE
    _mine(row).update(
        state=state, next_try_at=next_try_at, attempts=F("attempts") - 1, in_flight_since=None, asked_again=False
    )


def _mine(row: Outgoing) -> QuerySet[Outgoing]:
    # in_flight_since is the fence: a worker that was believed dead must not overwrite who took its place.
    return type(row)._default_manager.filter(pk=row.pk, state=State.IN_FLIGHT, in_flight_since=row.in_flight_since)


def record(row: Outgoing, outcome: Mapping[str, Any]) -> bool:
    """Write the outcome of a row that nobody asked for in the meantime; False when somebody did, or has it now."""
    if not _mine(row).filter(asked_again=False).update(**outcome):
        return False
    for name, value in outcome.items():
        setattr(row, name, value)
    return True


def record_once_more(row: Outgoing, outcome: Mapping[str, Any]) -> None:
    """Write the outcome of a row that was asked for again in flight, which is due once more."""
    record_together([row], outcome)
    # Only these: a sealed column of the row would be opened, and may not open.
    row.refresh_from_db(fields=OWN_FIELDS)


def record_together(rows: Sequence[Outgoing], outcome: Mapping[str, Any]) -> None:
    """Write the same outcome of rows that were claimed together; what was asked for again meanwhile is due once more."""
    mine = type(rows[0])._default_manager.filter(
        pk__in=[row.pk for row in rows], state=State.IN_FLIGHT, in_flight_since=rows[0].in_flight_since
    )
    asked = When(asked_again=True, then=Value(_if_asked_again(outcome["state"])))
    now = When(asked_again=True, then=Value(timezone.now()))
    times = {
        name: Case(now, default=Value(outcome[name])) for name in ("next_try_at", rows[0].place) if name in outcome
    }
    mine.update(**{**outcome, **times, "state": Case(asked, default=Value(outcome["state"]))})


def _if_asked_again(state: str) -> str:
    return state if state == State.UNKNOWN else State.DUE
