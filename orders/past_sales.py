"""What the last days brought, added up once for everyone who looks at the front page.

Days that are over change seldom and cost most, so their sums are kept in the cache that all processes share. A schedule adds
them up anew every few minutes, for every time zone that somebody works in. A page does so only where nobody has yet, and
leaves the keeping to the schedule: to write them into a table costs more statements than the rest of the page.
Amounts stay in the currency of their orders. Days are those of the current time zone.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import astuple, fields
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from backoffice.comfort import Preference
from marketplaces.models import Account
from orders import takings
from orders.takings import Sales, Seller

DAYS = 30
SELLERS = 10
# Three turns of the schedule, in seconds: one that is missed is not noticed.
KEPT = 900


# In the key: what an older version of the program kept in another shape is never read.
_SHAPE = [field.name for kept in (Sales, Seller) for field in fields(kept)]


def days() -> list[date]:
    """The days that are shown, of which the last is today."""
    today = timezone.localdate()
    return [today - timedelta(days=ago) for ago in reversed(range(DAYS))]


def midnight(day: date) -> datetime:
    """When a day begins in the current time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))


def shown(accounts: Collection[Account]) -> list[Account]:
    """The accounts that count: the real ones, or the play accounts where there are no others."""
    return [account for account in accounts if not account.is_sandbox] or list(accounts)


def lately(accounts: Collection[UUID]) -> tuple[list[Sales], list[Seller]]:
    """The sales of these accounts in the days that are shown, and what sold best; what sold best is as old as it is kept."""
    first = days()[0]
    kept = cache.get(_key(accounts))
    if kept is None:
        return _add_up(accounts)
    until, sales, sold = kept
    past = [row for row in (Sales(*values) for values in sales) if row.day >= first]
    return [*past, *takings.by_day(until, accounts)], [Seller(*values) for values in sold]


def refresh() -> None:
    """Add the sums up anew for every time zone that somebody works in, and keep them. Safe to repeat."""
    accounts = [account.pk for account in shown(Account.objects.only("is_sandbox"))]
    for zone in _zones():
        with timezone.override(zone):
            until, (sales, sold) = midnight(timezone.localdate()), _add_up(accounts)
            past = [astuple(row) for row in sales if row.day < until.date()]
            cache.set(_key(accounts), (until, past, [astuple(row) for row in sold]), KEPT)


def _zones() -> Iterator[ZoneInfo]:
    chosen = Preference.objects.filter(user__is_active=True).order_by().values_list("time_zone", flat=True).distinct()
    for name in {settings.TIME_ZONE, *chosen} - {""}:
        try:
            yield ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # it is not known here any more: its pages show ours
            continue


def _add_up(accounts: Collection[UUID]) -> tuple[list[Sales], list[Seller]]:
    since = midnight(days()[0])
    return takings.by_day(since, accounts), takings.best_sellers(since, accounts, most=SELLERS)


def _key(accounts: Collection[UUID]) -> str:
    parts = [*sorted(map(str, accounts)), timezone.get_current_timezone_name(), *_SHAPE]
    return f"past-sales-{hashlib.sha256(' '.join(parts).encode()).hexdigest()}"
