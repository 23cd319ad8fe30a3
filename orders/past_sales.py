"""What the last days brought and earned, added up once for everyone who looks at the front page.

Days that are over change seldom and cost most, so their sums are kept in the cache that all processes share. A schedule adds
them up anew every few minutes, for every time zone that somebody works in. Where nobody has yet, a page adds up the sales
itself, shows no profit but today's, and leaves the keeping to the schedule: to write into a table costs more statements than
the rest of the page.
Amounts stay in the currency of their orders. Days are those of the current time zone.
"""

import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError
from django.utils import timezone

from backoffice import environment
from backoffice.comfort import Preference
from inventory.rates import Rates
from marketplaces.models import Account
from orders import takings
from orders.takings import Earned, Sales, Seller

log = logging.getLogger(__name__)

DAYS = 30
SELLERS = 10
# In seconds. Sales are added up at each turn of the schedule and kept for three, so that one that is missed is not noticed;
# what was earned, which costs ten times as much and changes with a late fee or refund, every half an hour and at midnight.
KEPT = 900
EARNED_EVERY, EARNED_KEPT = 1800, 5400
# In the key: what an older version of the program kept in another shape is never read.
_SHAPE = [field.name for kept in (Sales, Seller, Earned) for field in fields(kept)]


@dataclass(frozen=True)
class Lately:
    """The days that are shown: their sales, what sold best, and what was earned, today alone where not `is_whole`."""

    sales: list[Sales]
    sold: list[Seller]
    earned: list[Earned]
    is_whole: bool


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


def lately(accounts: Collection[UUID], *, rates: Rates | None = None, with_profit: bool = True) -> Lately:
    """What these accounts sold and, if that is asked, earned, by today's `rates`; what sold best is as old as it is kept."""
    first, today = days()[0], midnight(timezone.localdate())
    keys = {name: _key(name, accounts) for name in ("sales", "earned")}
    kept = cache.get_many(keys.values())
    if keys["sales"] in kept:
        until, rows, best = kept[keys["sales"]]
        past = [row for row in (Sales(*values) for values in rows) if row.day >= first]
        sales, sold = [*past, *takings.by_day(until, accounts)], [Seller(*values) for values in best]
    else:
        sales, sold = _add_up(accounts)
    until, rows, _ = kept.get(keys["earned"], (today, (), None))
    past_profit = [row for row in (Earned(*values) for values in rows) if row.day >= first]
    earned = [*past_profit, *takings.earned(until, accounts, rates=rates)] if with_profit else []
    return Lately(sales, sold, earned, is_whole=with_profit and keys["earned"] in kept)


def refresh() -> None:
    """Add up anew, for every time zone that somebody works in, what is due for it, and keep it. Safe to repeat."""
    accounts = [account.pk for account in shown(Account.objects.only("is_sandbox"))]
    for zone in _zones():
        try:
            with timezone.override(zone):
                _refresh(accounts)
        except DatabaseError:  # the database knows fewer time zones than we do
            log.exception("The past days of the time zone %s can't be added up", zone)


def _refresh(accounts: Collection[UUID]) -> None:
    today, (sales, sold) = midnight(timezone.localdate()), _add_up(accounts)
    past = [astuple(row) for row in sales if row.day < today.date()]
    cache.set(_key("sales", accounts), (today, past, [astuple(row) for row in sold]), KEPT)
    _refresh_earned(accounts, today)


def _refresh_earned(accounts: Collection[UUID], today: datetime) -> None:
    key, now = _key("earned", accounts), timezone.now()
    until, _, counted_at = cache.get(key, (None, (), now))
    if until == today and now - counted_at < timedelta(seconds=EARNED_EVERY):
        return
    rows = takings.earned(midnight(days()[0]), accounts, until=today)
    cache.set(key, (today, [astuple(row) for row in rows], now), EARNED_KEPT)


def _zones() -> Iterator[ZoneInfo]:
    chosen = Preference.objects.filter(user__is_active=True).order_by().values_list("time_zone", flat=True).distinct()
    for name in {settings.TIME_ZONE, *chosen} - {""}:
        try:
            yield environment.time_zone(name)
        except ValueError:  # it is not known here any more: its pages show ours
            continue


def _add_up(accounts: Collection[UUID]) -> tuple[list[Sales], list[Seller]]:
    since = midnight(days()[0])
    return takings.by_day(since, accounts), takings.best_sellers(since, accounts, most=SELLERS)


def _key(name: str, accounts: Collection[UUID]) -> str:
    return kept_as(f"past-{name}", [*accounts, *_SHAPE])


def kept_as(name: str, of: Iterable[Any]) -> str:
    """The key under which figures of these things are kept; days and hours are those of the current time zone."""
    parts = [*map(str, of), timezone.get_current_timezone_name()]
    return f"{name}-{hashlib.sha256(' '.join(sorted(parts)).encode()).hexdigest()}"
