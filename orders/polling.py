"""Ask marketplaces for news: read their lists at the pace that each can bear. A webhook is the bell, a list is the truth.

What is missing from a list says nothing: it is only a list. A walk through one may be interrupted, by a spent budget or a
killed worker; what it had read is kept, and it goes on from there: at the moment where the list is in the order of time, else
at the page, where it has such.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backoffice import queue
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import ConfigurationError, MarketplaceError, TemporaryError, Unsupported
from marketplaces.models import TROUBLE_PAUSE, Account
from marketplaces.types import RemoteOrder, RemotePurchaseOrder, RemoteShipment, Urgency
from orders import intake, mirroring, purchase_orders, readings
from orders.models import Order, Poll

log = logging.getLogger(__name__)

Kind = Poll.Kind

TASK = "orders.tasks.poll"
PACE = {Kind.ORDERS: 120, Kind.SHIPMENTS: 600, Kind.PURCHASE_ORDERS: 900, Kind.MADE_ORDERS: 86_400}
# Longer than a task may run; a command may have to wait for its budget in between.
LEASE, PATIENT_LEASE = timedelta(seconds=settings.LOST_AFTER_SECONDS), timedelta(minutes=10)
AT_ONCE = 100  # rows that are taken in together, so that a worker that is killed loses no more
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
# A spent budget has room for one request soon; a turn reads several pages.
SHORTEST_PAUSE = timedelta(seconds=10)
NEVER = timedelta(days=1)
MOST_PLANNED = 8  # requests, so that the smallest budget of all has room for who waits
CENTS = Decimal("0.0001")  # as amounts are kept


@dataclass(frozen=True)
class Found:
    """Rows that a list showed, those unknown before, and those that are to be read themselves."""

    seen: int = 0
    new: int = 0
    to_read: int = 0

    def __add__(self, other: "Found") -> "Found":
        return Found(self.seen + other.seen, self.new + other.new, self.to_read + other.to_read)


class BeingRead(Exception):
    """Somebody else reads this list at this moment."""


# --- when ------------------------------------------------------------------------------------------------------------


def kinds_of(account: Account) -> list[str]:
    """The lists that this account's marketplace has, and that are taken in here."""
    return [kind for kind, reader in READERS.items() if account.service_class.supports(reader.operation)]


def has(account: Account, kind: str) -> bool:
    """Whether this account's marketplace has such a list."""
    return kind in kinds_of(account)


def plan_all(now: datetime) -> int:
    """Wake a worker for every list that is due; returns how many. Safe to repeat: a walk is taken by one."""
    woken = 0
    for account in Account.objects.filter(is_enabled=True):
        if account.is_stopped:
            continue
        for kind in kinds_of(account):
            poll, _ = Poll.objects.get_or_create(account=account, kind=kind)
            if poll.next_at <= now and (poll.leased_until is None or poll.leased_until <= now):
                queue.enqueue(TASK, poll.pk)
                woken += 1
    return woken


def take_turn(pk: int) -> Found | None:
    """Read a list that is due, or go on with it; None when it is not due or somebody reads it. Safe to run at once."""
    poll = Poll.objects.select_related("account").filter(pk=pk).first()
    if poll is None or poll.account.is_stopped or not _lease(poll, LEASE, only_due=True):
        return None
    walk = Walk(poll, poll.account.service())
    try:
        walk.run()
    except MarketplaceError as error:
        _failed(walk, error)
    except Exception:
        _failed(walk, None)
        raise
    return walk.found


def read_now(account: Account, kind: str) -> Found:
    """Read a list to its end, as a command does, which may wait for its budget. Safe to repeat.

    Raises MarketplaceError, and BeingRead when a worker reads the same list.
    """
    poll, _ = Poll.objects.get_or_create(account=account, kind=kind)
    poll.account = account
    if not _lease(poll, PATIENT_LEASE, only_due=False):
        raise BeingRead(
            f"A worker reads the {poll.get_kind_display()} of this account at this moment. Run it again later"
        )
    walk = Walk(poll, account.service(is_patient=True), lease=PATIENT_LEASE)
    try:
        walk.run()
    except BaseException as error:
        _failed(walk, error if isinstance(error, MarketplaceError) else None)
        raise
    return walk.found


def _lease(poll: Poll, length: timedelta, *, only_due: bool) -> bool:
    now = timezone.now()
    is_free = Q(leased_until=None) | Q(leased_until__lte=now)
    is_due = Q(next_at__lte=now) if only_due else Q()
    poll.leased_until = now + length
    return bool(Poll.objects.filter(is_free, is_due, pk=poll.pk).update(leased_until=poll.leased_until))


def _pace(poll: Poll) -> timedelta:
    return timedelta(seconds=poll.account.service_class.poll_seconds.get(poll.kind, PACE[Kind(poll.kind)]))


def _failed(walk: "Walk", error: MarketplaceError | None) -> None:
    """Write down why a walk was broken off, and when it goes on. A budget that is spent is no failure."""
    poll = walk.poll
    has_come_nowhere = walk.has_begun and (poll.reached, poll.page) == walk.start
    failures = poll.failures + 1
    pause = min(FIRST_PAUSE * 2 ** min(poll.failures, 10), LONGEST_PAUSE)
    match error:
        case TemporaryError(retry_after=float() | int() as wait):
            failures = poll.failures if error.kind == "budget" else failures
            pause = max(timedelta(seconds=wait), SHORTEST_PAUSE)
        case ConfigurationError(kind="permission"):
            pause = LONGEST_PAUSE  # it may be this list alone that we may not see
        case ConfigurationError():
            poll.account.has_trouble(str(error))
            pause = TROUBLE_PAUSE
        case Unsupported():
            pause = NEVER
    text = "" if failures == poll.failures else str(error) if error else "It broke; see the log"
    if text:
        log.warning("%s: the list of %s could not be read: %s", poll.account, poll.get_kind_display(), text)
    next_at = timezone.now() + pause
    broken_off = poll.broken_off + 1 if has_come_nowhere else 0 if walk.has_begun else poll.broken_off
    _end_lease(poll, next_at=next_at, failures=failures, last_error=text, broken_off=broken_off)
    queue.enqueue_at(next_at, TASK, poll.pk)


def _end_lease(poll: Poll, **values: object) -> None:
    # The lease's end is its fence: who was believed dead must not overwrite who took its place.
    mine = Poll.objects.filter(pk=poll.pk, leased_until=poll.leased_until)
    mine.update(leased_until=None, **values)


# --- a walk ------------------------------------------------------------------------------------------------------------


@dataclass
class Walk:
    """One reading of a list, from where the last one ended, or where an interrupted one had come to."""

    poll: Poll
    service: MarketplaceService
    lease: timedelta = LEASE
    start: tuple[datetime | None, int] = (None, 0)  # the moment or the page that it went on from
    has_begun: bool = False
    found: Found = field(default_factory=Found)

    def run(self) -> None:
        """Read to the end of the list and take in what it shows. What was read until an error is kept."""
        poll, reader = self.poll, READERS[Kind(self.poll.kind)]
        self._begin()
        asked_at = timezone.now()
        # A walk reads once more where it was, and would for ever where the budget has room for that page alone: then more is
        # set aside before.
        self.service.plan(min(1 + 2 * poll.broken_off, MOST_PLANNED), reader.urgency)
        self.start, self.has_begun = (poll.reached, poll.page), True
        self.service.list_page = max(poll.page, 1)
        since = poll.reached or self._since(reader)
        marks: list[datetime | None] = []
        rows = iter(reader.read(self.service, since))
        while True:
            page, error = _next(rows)
            marks += [getattr(row, "created_at", None) or getattr(row, "updated_at", None) for row in page]
            if page:
                self.found += reader.take_in(poll.account, page, asked_at)
                self._note(reached=self._reached(since, marks))
            if error is not None:
                raise error
            if len(page) < AT_ONCE:
                break
        next_at = timezone.now() + _pace(poll)
        ended = {
            "read_until": poll.began_at, "began_at": None, "reached": None, "page": 0, "failures": 0, "last_error": "",
        }  # fmt: skip
        _end_lease(poll, next_at=next_at, broken_off=0, **ended)
        queue.enqueue_at(next_at, TASK, poll.pk)  # the clock's own round is a minute late at the worst

    def _reached(self, since: datetime, marks: Sequence[datetime | None]) -> datetime | None:
        """From where on the list is still to be read; None where it is not in the order of time and begins anew."""
        if not _rise([since, *marks]):
            return None
        # Rows of one moment alone do not tell in which order they are.
        return marks[-1] if marks[0] != marks[-1] else self.start[0]

    def _begin(self) -> None:
        if self.poll.began_at is None or (self.poll.reached is None and not self.poll.page):
            self.poll.began_at, self.poll.reached, self.poll.page = timezone.now(), None, 0
            Poll.objects.filter(pk=self.poll.pk).update(began_at=self.poll.began_at, reached=None, page=0)

    def _since(self, reader: "Reader") -> datetime:
        service_class = self.poll.account.service_class
        if reader.is_repair:
            return timezone.now() - timedelta(days=service_class.repair_days)
        if self.poll.read_until is None:
            return timezone.now() - timedelta(days=service_class.poll_first_days)
        return self.poll.read_until - timedelta(seconds=service_class.poll_overlap_seconds)

    def _note(self, *, reached: datetime | None) -> None:
        """Keep how far it came, and the list for as long again. Whoever lost its lease meanwhile stops."""
        before, self.poll.leased_until = self.poll.leased_until, timezone.now() + self.lease
        mine = Poll.objects.filter(pk=self.poll.pk, leased_until=before)
        page = self.service.list_page if reached is None and self.service.list_page > 1 else 0
        if not mine.update(leased_until=self.poll.leased_until, reached=reached, page=page):
            raise TemporaryError("Somebody else reads this list now", kind="conflict", retry_after=60.0)
        self.poll.reached, self.poll.page = reached, page


def _next(rows: Iterator[Any]) -> tuple[list[Any], MarketplaceError | None]:
    """Take the next rows; those that came before an error are not lost with it."""
    page: list[Any] = []
    try:
        for row in islice(rows, AT_ONCE):
            page.append(row)  # noqa: PERF402  (what came before an error is to stay)
    except MarketplaceError as error:
        return page, error
    return page, None


def _rise(marks: Sequence[datetime | None]) -> bool:
    return all(mark is not None for mark in marks) and all(
        one <= other for one, other in pairwise(marks) if one and other
    )


# --- what the lists show -----------------------------------------------------------------------------------------------


def take_orders(account: Account, rows: Sequence[RemoteOrder], asked_at: datetime) -> Found:
    """Take in rows of a list of orders. Of a known order a short row changes nothing, but that it is to be read."""
    ids = [row.external_id for row in rows]
    shown = Order.objects.filter(account=account, external_id__in=ids)
    columns = ("external_id", "status_word", "amount", "remote_updated_at", "is_hearsay", "ordered_at")
    known = {order.external_id: order for order in shown.only(*columns)}
    different = [row for row in _once(rows) if _is_news(known.get(row.external_id), row)]
    taken = [row for row in different if _survives(account, row, _take_order, known.get(row.external_id), asked_at)]
    new = sum(row.external_id not in known for row in taken)
    return Found(len(rows), new, sum(row.is_summary for row in taken))


def _once(rows: Sequence[RemoteOrder]) -> Iterable[RemoteOrder]:
    """Rows shift while pages are read, so one may come twice."""
    return {row.external_id: row for row in rows}.values()


def _is_news(order: Order | None, row: RemoteOrder) -> bool:
    """Whether a row shows another status, total or time than is known; or nobody was ever asked about its order."""
    if order is None or order.is_hearsay:
        return True
    known = order.remote_updated_at
    is_later = row.updated_at is not None and (known is None or row.updated_at > known)
    is_other_total = row.amount is not None and row.amount.quantize(CENTS) != order.amount
    return is_later or is_other_total or bool(row.status_word and row.status_word != order.status_word)


def _take_order(account: Account, row: RemoteOrder, order: Order | None, asked_at: datetime) -> None:
    with transaction.atomic():
        intake.import_order(account=account, remote=intake.as_asked(row, asked_at))
        if row.is_summary:
            since = order.ordered_at if order else row.created_at
            news = f"{row.status_word} {'' if row.amount is None else row.amount.quantize(CENTS)}"
            readings.ask(account, row.external_id, since=since, news=news)


def _survives(account: Account, row: Any, take: Callable[..., object], *more: object) -> bool:
    """Take in one row; what goes wrong with it stops no other, and the next walk meets it again."""
    try:
        take(account, row, *more)
    except Exception:
        log.exception("%s: a row of a list could not be taken in: %s", account, row.external_id)
        return False
    return True


def take_shipments(account: Account, rows: Sequence[RemoteShipment], asked_at: datetime) -> Found:
    """Take in rows of a list of shipments."""
    for row in rows:
        _survives(account, replace(row, asked_at=row.asked_at or asked_at), mirroring.mirror)
    return Found(len(rows))


def take_purchase_orders(account: Account, rows: Sequence[RemotePurchaseOrder], asked_at: datetime) -> Found:
    """Take in rows of a list of purchase orders; what is new or changed is read by itself."""
    news = [purchase_orders.take_row(account, row) for row in rows]
    return Found(len(rows), sum(one.is_new for one in news), sum(one.is_to_be_read for one in news))


@dataclass(frozen=True)
class Reader:
    """How a list is read: the operation it takes, its place among others, and what becomes of its rows."""

    operation: str
    urgency: Urgency
    read: Callable[[MarketplaceService, datetime], Iterable[Any]]
    take_in: Callable[[Account, Sequence[Any], datetime], Found]
    is_repair: bool = False  # it reads the same days again each time


READERS: Mapping[str, Reader] = {
    Kind.ORDERS: Reader(
        "fetch_orders", Urgency.ORDERS, lambda service, since: service.fetch_orders(since), take_orders
    ),
    Kind.SHIPMENTS: Reader(
        "fetch_shipments", Urgency.PRICE, lambda service, since: service.fetch_shipments(since=since), take_shipments
    ),
    Kind.PURCHASE_ORDERS: Reader(
        "fetch_purchase_orders",
        Urgency.PRICE,
        lambda service, since: service.fetch_purchase_orders(since),
        take_purchase_orders,
    ),
    Kind.MADE_ORDERS: Reader(
        "fetch_made_orders",
        Urgency.CATALOGUE,
        lambda service, since: service.fetch_made_orders(since),
        take_orders,
        is_repair=True,
    ),
}
