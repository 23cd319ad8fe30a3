"""Who changed what, before and after: snapshots of rows around a page, an action or a run, and the differences written down.

A model names what matters in `trail_fields`, and in `trail_secrets` what must never be shown: of that it is only said that it
was changed. Rows are read before and after, so it does not matter how they were written. Nothing here edits or deletes.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from backoffice import money
from backoffice.comfort import Change
from backoffice.crypto import CannotOpen

HIDDEN = "•••"
LONGEST = 300
MOST = 1000  # rows of one action
# Models that are not ours.
OTHERS: dict[type[models.Model], tuple[tuple[str, ...], tuple[str, ...]]] = {
    User: (
        ("username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser", "groups",
         "user_permissions"),
        ("password",),
    ),
    Group: (("name", "permissions"), ()),
}  # fmt: skip

Snapshot = dict[str, Any]


def page_of(model: type[models.Model]) -> str:
    return model._meta.concrete_model._meta.label_lower if model._meta.concrete_model else model._meta.label_lower


def tracked(model: type[models.Model]) -> tuple[Collection[str], Collection[str]]:
    """The fields of a model that are written down, and those of which only a change is."""
    shown, secret = OTHERS.get(model, ((), ()))
    return getattr(model, "trail_fields", shown), getattr(model, "trail_secrets", secret)


def is_tracked(model: type[models.Model]) -> bool:
    return any(tracked(model))


def snapshot(row: models.Model) -> Snapshot:
    """What matters of a row now: texts, numbers and lists; of a secret a digest, which is never written down."""
    shown, secret = tracked(type(row))
    found = {name: _value(row, name) for name in shown}
    return found | {name: _Secret(_digest(row, name)) for name in secret}


class _Secret(str):
    """Stands for a value that can be compared and must not be shown."""


def _digest(row: models.Model, name: str) -> str:
    try:
        value = getattr(row, name)
    except CannotOpen:
        return "sealed"
    if value in (None, "", [], {}):
        return ""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _value(row: models.Model, name: str) -> Any:
    field = row._meta.get_field(name)
    if field.many_to_many:
        return sorted(str(each) for each in getattr(row, name).all())
    if isinstance(field, models.ForeignKey):
        related = getattr(row, name)
        return None if related is None else str(related)[:LONGEST]
    value = money.json_safe(getattr(row, name))
    return value[:LONGEST] if isinstance(value, str) else value


def differences(before: Snapshot, after: Snapshot) -> dict[str, list[Any]]:
    """What differs, by the field's name: before and after. A dict is told by its keys."""
    found: dict[str, list[Any]] = {}
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old or new, _Secret):
            found[name] = [HIDDEN if each else None for each in (old, new)]
        elif isinstance(old, dict) or isinstance(new, dict):
            olds, news = old or {}, new or {}
            for key in sorted({*olds, *news}):
                if olds.get(key) != news.get(key):
                    found[f"{name}: {key}"] = [olds.get(key), news.get(key)]
        elif isinstance(old, list) or isinstance(new, list):
            found[name] = [[each for each in old or [] if each not in (new or [])],
                           [each for each in new or [] if each not in (old or [])]]  # fmt: skip
        else:
            found[name] = [old, new]
    return found


def write(
    model: type[models.Model], before: Mapping[str, Snapshot], after: Mapping[str, Snapshot], *, names: Mapping[str, str],
    by: str, how: str,
) -> int:  # fmt: skip
    """Write down what differs between two looks at rows, each by its primary key as text; returns how many did."""
    changes = []
    for key in {**before, **after}:
        kind = Change.Kind.CHANGED
        if key not in before or key not in after:
            kind = Change.Kind.ADDED if key not in before else Change.Kind.DELETED
        fields = differences(before.get(key, {}), after.get(key, {}))
        if fields or kind != Change.Kind.CHANGED:
            safe = json.loads(json.dumps(fields, cls=DjangoJSONEncoder))
            changes.append(
                Change(
                    page=page_of(model),
                    target=key[:40],
                    name=names.get(key, key)[:200],
                    kind=kind,
                    by=by[:150],
                    how=how[:200],
                    fields=safe,
                )
            )
    Change.objects.bulk_create(changes)
    return len(changes)


def look(model: type[models.Model], keys: Iterable[Any]) -> tuple[dict[str, Snapshot], dict[str, str]]:
    """Snapshots of rows, and their names, by primary key as text; at most a thousand. A row that is gone is missing."""
    chosen = list(keys)[:MOST]
    if not chosen or not is_tracked(model):
        return {}, {}
    shown, _secret = tracked(model)
    fields = [model._meta.get_field(name) for name in shown]
    rows = model._default_manager.filter(pk__in=chosen)
    rows = rows.select_related(*(field.name for field in fields if isinstance(field, models.ForeignKey)))
    rows = rows.prefetch_related(*(field.name for field in fields if field.many_to_many))
    found = {str(row.pk): row for row in rows}
    return {key: snapshot(row) for key, row in found.items()}, {key: str(row) for key, row in found.items()}


@contextmanager
def watching(model: type[models.Model], keys: Iterable[Any], *, by: str, how: str) -> Iterator[None]:
    """Write down what happens to these rows meanwhile. Where an exception passes nothing is written."""
    if not is_tracked(model):
        yield
        return
    chosen = list(keys)[:MOST]
    before, names = look(model, chosen)
    yield
    after, later = look(model, chosen)
    write(model, before, after, names={**names, **later}, by=by, how=how)


def of(row: models.Model, most: int = 200) -> "models.QuerySet[Change]":
    """The newest changes of a row."""
    return Change.objects.filter(page=page_of(type(row)), target=str(row.pk)).order_by("-at", "-pk")[:most]
