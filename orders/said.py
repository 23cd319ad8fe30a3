"""Put together what is said of an object in any order: each field shows the newest that was said of it.

Silence is no news: None and empty text erase nothing. What comes with no time, or too late, fills what nothing newer has
filled. A stamp is a time and a rank, as text that sorts: at the same moment the higher rank wins, and of equals the last.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

UNTIMED = ""
Stamps = dict[str, str]


class Rank(IntEnum):
    """Who wins at the same moment."""

    MADE = 0
    CHANGED = 1
    DELETED = 2


def stamp(at: datetime | None, rank: Rank = Rank.CHANGED) -> str:
    """The stamp of something that was said of the moment `at`."""
    return UNTIMED if at is None else f"{at.astimezone(UTC).isoformat(timespec='microseconds')} {rank:d}"


def is_silent(value: Any) -> bool:
    return value is None or value in ("", [], {})


def news(
    known: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    stamps: Stamps,
    by: str,
    emptied: Collection[str] = (),
) -> dict[str, Any]:
    """Say which of `values`, stamped `by`, replace what is `known`, and write their stamps into `stamps`.

    `emptied` names fields that are said to be empty now, which does erase.
    """
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if is_silent(value) and name not in emptied:
            continue
        before = known.get(name)
        is_open = is_silent(before) and name not in stamps if by == UNTIMED else by >= stamps.get(name, UNTIMED)
        if not is_open:
            continue
        stamps[name] = by
        if value != before and not (is_silent(value) and is_silent(before)):
            changes[name] = value
    return changes
