"""Write rows in as little work for the database as it takes: what changed of one, and many together."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction


def asked_often(alias: str = DEFAULT_DB_ALIAS) -> Any:
    """A cursor for a statement that is asked all the time, so that PostgreSQL reads it once; see backoffice.postgresql."""
    found: Any = connections[alias]
    return found.cursor() if found.vendor == "sqlite" else found.prepared_cursor()


def update_each(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Save the named columns of rows of one model, each with values of its own.

    Django's bulk_update builds a statement with a branch for every row and column, which takes a second for a thousand rows;
    this is the same plain statement a thousand times, sent together.
    """
    if not rows:
        return
    meta, quote = rows[0]._meta, connection.ops.quote_name
    by_name = {field.name: field for field in meta.concrete_fields}
    fields = [by_name[name] for name in names]
    columns = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    statement = f"UPDATE {quote(meta.db_table)} SET {columns} WHERE {quote(str(meta.pk.column))} = %s"  # noqa: S608
    values = [
        [*(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields), row.pk] for row in rows
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(statement, values)


def as_read(row: models.Model) -> dict[str, Any]:
    """Note what a row says now, for save_changed(). Sealed values are noted as they lie there: none is opened."""
    return {field.attname: row.__dict__.get(field.attname) for field in row._meta.concrete_fields}


def save_changed(row: models.Model, before: Mapping[str, Any]) -> bool:
    """Save the columns of a row that say something else than as_read() noted; False when none does."""
    names = [
        field.name for field in row._meta.concrete_fields if row.__dict__.get(field.attname) != before[field.attname]
    ]
    if names:
        row.save(update_fields=names)
    return bool(names)


def insert_if_new(row: models.Model) -> bool:
    """Insert a row unless it offends a unique constraint; False then. One statement, and the transaction goes on.

    On get_or_create() this saves the savepoint that a refused INSERT needs.
    """
    meta, quote = row._meta, connection.ops.quote_name
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields]
    statement = (  # names of our own columns; every value is a parameter
        f"INSERT INTO {quote(meta.db_table)} ({columns}) VALUES ({', '.join(['%s'] * len(fields))})"  # noqa: S608
        f" ON CONFLICT DO NOTHING RETURNING {quote(str(meta.pk.column))}"
    )
    with asked_often() as cursor:
        cursor.execute(statement, values)
        made = cursor.fetchone()
    if made is None:
        return False
    row.pk, row._state.adding, row._state.db = made[0], False, connection.alias
    return True
