"""Seal everything anew with the first of CODE_KEYS, so that an old key can be taken away.

It goes on where it was stopped, since a value tells by which key it was sealed, and it disturbs nobody: each value is
written by a statement of its own, and only where it is still what was read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import BinaryField, Model, QuerySet
from django.db.models.functions import Substr
from django.utils.module_loading import import_string

from backoffice import crypto
from backoffice.crypto import CannotOpen, EncryptedField, Sealed

BATCH = 500
# How many of a column's first and last values tell by which keys it was sealed: a key is used from one day to another.
AT_EACH_END = 200
LONGEST_KEY_ID = 63


@dataclass(frozen=True)
class Column:
    """A column of sealed values, and what each is bound to; `needs` are the columns that `binding` reads."""

    model: type[Model]
    name: str
    binding: Callable[[Any], str]
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.name}"


@dataclass
class Tally:
    """What became of the values; `stuck` names those that do not open."""

    rotated: int = 0
    stuck: list[str] = field(default_factory=list)


def encrypted_columns() -> list[Column]:
    """Every EncryptedField of every model of ours."""
    return [
        Column(model, field.name, field.binding, (field.bound_to,))
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, EncryptedField)
    ]


def columns() -> list[Column]:
    """All that is sealed here: every EncryptedField, and the columns that settings.SEALED_COLUMNS names."""
    return [*(import_string(path) for path in settings.SEALED_COLUMNS), *encrypted_columns()]


def missing_keys() -> list[str]:
    """Name the keys that sealed values need and CODE_KEYS lacks, by the oldest and the newest values of each column."""
    used = {key_id for column in columns() for key_id in _keys_at_the_ends(column)}
    return sorted(used - settings.CODE_KEYS.keys())


def _keys_at_the_ends(column: Column) -> set[str]:
    head = Substr(column.name, 1, 1 + LONGEST_KEY_ID, output_field=BinaryField())
    rows = column.model._default_manager.exclude(**{f"{column.name}__isnull": True})
    heads = rows.annotate(head=head).values_list("head", flat=True)
    ends = [*heads.order_by("pk")[:AT_EACH_END], *heads.order_by("-pk")[:AT_EACH_END]]
    return {crypto.key_id_of(end) for end in {bytes(end) for end in ends} if end}


def left(column: Column) -> "QuerySet[Any]":
    """The rows whose value was sealed by another key than the first."""
    key_id = next(iter(settings.CODE_KEYS)).encode()
    head = bytes([len(key_id)]) + key_id
    beginning = Substr(column.name, 1, len(head), output_field=BinaryField())
    rows = column.model._default_manager.annotate(sealed_by=beginning).exclude(sealed_by=head)
    return rows.exclude(**{f"{column.name}__isnull": True})


def rotate(column: Column, tally: Tally) -> Iterator[int]:
    """Seal the column's values anew, yielding each row's primary key when it was dealt with. Safe to stop and repeat."""
    rows, last = left(column).only("pk", column.name, *column.needs).order_by("pk"), None
    while batch := list((rows if last is None else rows.filter(pk__gt=last))[:BATCH]):
        for row in batch:
            last = row.pk
            _rotate_one(column, row, tally)
            yield row.pk


def _rotate_one(column: Column, row: Model, tally: Tally) -> None:
    old = row.__dict__[column.name]
    bound_to = column.binding(row)
    try:
        new = crypto.encrypt(crypto.decrypt(old, bound_to), bound_to)
    except CannotOpen as error:
        tally.stuck.append(str(error))
        return
    same = column.model._default_manager.filter(pk=row.pk, **{column.name: Sealed(old)})
    tally.rotated += same.update(**{column.name: Sealed(new)})
