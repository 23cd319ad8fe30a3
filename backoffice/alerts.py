"""Raise alerts, let them settle, acknowledge them. Anybody may call this; it tells nobody by itself.

An alert is a kind and a subject. While it is open, raising it again counts and tells nobody twice. What is told, to whom
and when, is backoffice.alert_messages' business; a worker does it. Texts leave this machine by mail and webhook: no code,
no credential and nothing of a buyer goes in.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from backoffice import queue
from backoffice.models import Alert, AlertMessage

Kind = Alert.Kind

TELL = "backoffice.tasks.tell_alerts"
# What nobody should sleep through.
URGENT = frozenset({Kind.WORKERS, Kind.ACCOUNT, Kind.REVEALS, Kind.PRICE_FLOOR})
MOST_COUNTED = 100


@dataclass(frozen=True)
class Cause:
    """Why there is an alert, in words for people, and the path of the page where one can see it."""

    text: str
    link: str = ""


def raise_(kind: str, subject: str, text: str, link: str = "") -> bool:
    """Open an alert, or count one more of it where it is open; True when it is new.

    `link` is a path of this site. Joins the caller's transaction, which holds the alert's row from here on: call it late.
    Raises ValueError for an unknown kind or a link to elsewhere. Safe to repeat.
    """
    _check(kind, link)
    now = timezone.now()
    with transaction.atomic():
        words = {"text": text[:500], "link": link[:300], "last_at": now}
        mine = Alert.objects.filter(kind=kind, subject=subject[:200], settled_at=None)
        if mine.update(count=F("count") + 1, **words):
            return False
        _, is_new = Alert.objects.get_or_create(
            kind=kind, subject=subject[:200], settled_at=None, defaults={**words, "first_at": now}
        )
        if is_new:
            queue.enqueue(TELL)
        else:  # somebody raised it at this very moment
            mine.update(count=F("count") + 1)
        return is_new


def clear(kind: str, subject: str) -> bool:
    """Settle an open alert, since its cause is gone; False when there was none. Safe to repeat."""
    mine = Alert.objects.filter(kind=kind, subject=subject[:200], settled_at=None)
    return bool(mine.update(settled_at=timezone.now()))


def match(kind: str, causes: Mapping[str, Cause]) -> int:
    """Make the open alerts of a kind those of `causes`, by subject: open what is new, settle what is gone.

    Returns how many are new. A cause that lasts is no repeat and is not counted. For sweeps, which see every cause at once.
    Raises as raise_() does. Safe to repeat and to run at once.
    """
    for cause in causes.values():
        _check(kind, cause.link)
    wanted = {subject[:200]: cause for subject, cause in causes.items()}
    now = timezone.now()
    with transaction.atomic():
        there = dict(_open(kind).values_list("subject", "text"))
        gone = there.keys() - wanted.keys()
        if gone:
            _open(kind).filter(subject__in=gone).update(settled_at=now)
        fresh = [
            Alert(kind=kind, subject=subject, text=cause.text[:500], link=cause.link[:300], first_at=now, last_at=now)
            for subject, cause in wanted.items()
            if subject not in there
        ]
        Alert.objects.bulk_create(fresh, batch_size=1000, ignore_conflicts=True)
        _say_anew(
            kind, {subject: wanted[subject] for subject, text in there.items() if _differs(wanted, subject, text)}
        )
        if fresh:
            queue.enqueue(TELL)
    return len(fresh)


def _differs(wanted: Mapping[str, Cause], subject: str, text: str) -> bool:
    return subject in wanted and wanted[subject].text[:500] != text


def _say_anew(kind: str, causes: Mapping[str, Cause]) -> None:
    """Let open alerts say how things are now, such as how many units are left."""
    rows = list(_open(kind).filter(subject__in=causes.keys()))
    for row in rows:
        row.text, row.link = causes[row.subject].text[:500], causes[row.subject].link[:300]
    Alert.objects.bulk_update(rows, ["text", "link"], batch_size=500)


def acknowledge(alerts: "QuerySet[Alert]", *, by: str) -> int:
    """Note that a person takes care of open alerts; returns how many nobody did before. Safe to repeat."""
    fresh = Alert.objects.filter(pk__in=alerts.values("pk"), settled_at=None, acknowledged_at=None)
    return fresh.update(acknowledged_by=by, acknowledged_at=timezone.now())


def open_count() -> int:
    """How many alerts are open, at most a hundred: it stands on every page, and is one look at an index of its own."""
    return Alert.objects.filter(settled_at=None).values("pk")[:MOST_COUNTED].count()


def prune(before: datetime) -> None:
    """Drop alerts that were settled, and messages that went, before then. Safe to repeat."""
    Alert.objects.filter(settled_at__lt=before).delete()
    AlertMessage.objects.filter(sent_at__lt=before).delete()


def _open(kind: str) -> "QuerySet[Alert]":
    return Alert.objects.filter(kind=kind, settled_at=None)


def _check(kind: str, link: str) -> None:
    kinds: Collection[str] = Kind.values
    if kind not in kinds:
        raise ValueError(f"{kind} is no kind of alert")
    if link and (not link.startswith("/") or link.startswith("//")):
        raise ValueError("An alert links to a page of this site, by its path")
