"""Compare an account with its marketplace: every offer, then every open order. At night by itself, or by a command.

The comparison's row has the lease and how far it came, so it is never done twice at once, and goes on where a spent budget
or a killed worker left it. It reads with what the budget has left over.
"""

import logging
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from backoffice import queue
from inventory import reconciling
from inventory.models import Difference, Offer, Reconciliation
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import ConfigurationError, MarketplaceError, TemporaryError
from marketplaces.models import TROUBLE_PAUSE, Account
from marketplaces.types import OfferStatus, Urgency
from orders import comparing, repairing

log = logging.getLogger(__name__)

Stage, Kind = Reconciliation.Stage, Difference.Kind

TASK = "orders.tasks.reconcile"
# Longer than a task may run; a command may have to wait for its budget in between.
LEASE, PATIENT_LEASE = timedelta(seconds=settings.LOST_AFTER_SECONDS), timedelta(minutes=10)
TURN_SECONDS = 25.0
FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE = timedelta(minutes=1), timedelta(hours=1), timedelta(seconds=10)
# What an older reading saw says too little by now.
STALE_AFTER = timedelta(hours=20)
# When the nights of accounts begin, and over how many minutes they are spread.
NIGHT_HOUR, NIGHT_MINUTES = 1, 240


class BeingCompared(Exception):
    """Somebody else compares this account at this moment."""


class LeaseLost(TemporaryError):
    """Somebody else has taken the comparison over."""


@dataclass
class Result:
    """What the comparison of an account found. `problem` is for a person; `differences` are those that are left."""

    offers: int = 0
    orders: int = 0
    on_their_way: int = 0
    fixed: int = 0
    problem: str = ""
    differences: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        return not self.problem and not self.differences

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


# --- when ------------------------------------------------------------------------------------------------------------


def night_of(account: Account, after: datetime) -> datetime:
    """The next minute at which this account is compared by itself: its own, in the night of the settings' time zone."""
    minute = zlib.crc32(account.pk.bytes) % NIGHT_MINUTES
    night = timezone.localtime(after).replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    begins = night + timedelta(minutes=minute)
    return begins if begins > after else begins + timedelta(days=1)


def plan_all(now: datetime) -> int:
    """Wake a worker for every comparison that is due; returns how many. Safe to repeat: one takes it."""
    woken = 0
    for account in Account.objects.filter(is_enabled=True):
        if account.is_stopped:
            continue
        row, _ = Reconciliation.objects.get_or_create(account=account, defaults={"next_at": night_of(account, now)})
        if row.next_at <= now and (row.leased_until is None or row.leased_until <= now):
            queue.enqueue(TASK, row.pk)
            woken += 1
    return woken


def take_turn(pk: int) -> bool:
    """Go on with a comparison that is due, as far as budget and time reach; True when it came to its end. Safe at once."""
    row = Reconciliation.objects.select_related("account").filter(pk=pk).first()
    if row is None or row.account.is_stopped or not _lease(row, LEASE, only_due=True):
        return False
    walk = Walk(row, row.account.service(), until=time.monotonic() + TURN_SECONDS)
    try:
        is_over = walk.run()
    except MarketplaceError as error:
        _failed(walk, error)
        return False
    except Exception:
        _failed(walk, None)
        raise
    if not is_over:
        _end_lease(row, next_at=timezone.now())
        queue.enqueue(TASK, row.pk)
    return is_over


def run(account: Account, *, fix: bool = False) -> Result:
    """Compare an account from the beginning to the end, as a command does, which may wait for its budget.

    With `fix` what we want is pushed and orders are read anew; nothing is deleted there, and nothing taken over. Raises
    MarketplaceError, and BeingCompared when a worker is at it. Safe to repeat.
    """
    now = timezone.now()
    row, _ = Reconciliation.objects.get_or_create(account=account, defaults={"next_at": night_of(account, now)})
    row.account = account
    if not _lease(row, PATIENT_LEASE, only_due=False):
        raise BeingCompared("A worker compares this account at this moment. Run it again later")
    walk = Walk(row, account.service(is_patient=True), lease=PATIENT_LEASE, fix=fix)
    walk.begin()
    try:
        walk.run()
    except BaseException as error:
        _failed(walk, error if isinstance(error, MarketplaceError) else None)
        raise
    fixed = walk.fixed
    if fix:
        fixed += repairing.push_ours(account, since=walk.began_at)
    return Result(row.offers, row.orders, row.on_their_way, fixed, row.problem, _open(account, walk.began_at))


def _open(account: Account, since: datetime) -> list[dict[str, Any]]:
    """The account's differences that were found since then and are left, for programs."""
    rows = Difference.objects.filter(account=account, state=Difference.State.OPEN, last_seen_at__gte=since)
    columns = ("kind", "field", "ours", "theirs")
    named = rows.order_by("pk").values("pk", *columns, offer_there=F("external_id"), order_there=F("order_id"))
    return [
        {"account": account.name, "offer": row["offer_there"], "order": row["order_there"]}
        | {name: row[name] for name in columns}
        for row in named
    ]


def _lease(row: Reconciliation, length: timedelta, *, only_due: bool) -> bool:
    now = timezone.now()
    is_free = Q(leased_until=None) | Q(leased_until__lte=now)
    is_due = Q(next_at__lte=now) if only_due else Q()
    row.leased_until = now + length
    taken = Reconciliation.objects.filter(is_free, is_due, pk=row.pk).update(leased_until=row.leased_until)
    if taken:  # what was read of the row before that may be another's
        row.refresh_from_db(
            fields=("stage", "reached", "began_at", "offers", "orders", "on_their_way", "problem", "to_look_at")
        )
    return bool(taken)


def _end_lease(row: Reconciliation, **values: object) -> None:
    # The lease's end is its fence: who was believed dead must not overwrite who took its place.
    mine = Reconciliation.objects.filter(pk=row.pk, leased_until=row.leased_until)
    mine.update(leased_until=None, **values)


def _failed(walk: "Walk", error: MarketplaceError | None) -> None:
    """Write down why a comparison was broken off, and when it goes on. A budget that is spent is no failure."""
    row = walk.row
    failures = row.failures + 1
    pause = min(FIRST_PAUSE * 2 ** min(row.failures, 10), LONGEST_PAUSE)
    match error:
        case TemporaryError(retry_after=float() | int() as wait):
            failures = row.failures if error.kind == "budget" else failures
            pause = max(timedelta(seconds=wait), SHORTEST_PAUSE)
        case ConfigurationError(kind="permission"):
            pause = LONGEST_PAUSE
        case ConfigurationError():
            row.account.has_trouble(str(error))
            pause = TROUBLE_PAUSE
    text = "" if failures == row.failures else str(error) if error else "It broke; see the log"
    if text:
        log.warning("%s could not be compared to the end: %s", row.account, text)
    next_at = timezone.now() + pause
    _end_lease(row, next_at=next_at, failures=failures, last_error=text)
    queue.enqueue_at(next_at, TASK, row.pk)


# --- a walk ------------------------------------------------------------------------------------------------------------


@dataclass
class Walk:
    """One comparison of an account, from where the last turn ended. This turn ends at `until` of the monotonic clock."""

    row: Reconciliation
    service: MarketplaceService
    lease: timedelta = LEASE
    until: float = float("inf")
    fix: bool = False
    fixed: int = 0

    @property
    def account(self) -> Account:
        return self.row.account

    @property
    def began_at(self) -> datetime:
        return self.row.began_at or timezone.now()

    def begin(self) -> None:
        """Start anew, whatever was read before."""
        row = self.row
        row.began_at, row.stage, row.reached, row.problem = timezone.now(), Stage.OFFERS, 0, ""
        row.offers = row.orders = row.on_their_way = 0
        row.to_look_at = []
        self._keep()

    def run(self) -> bool:
        """Go through the stages that are left; False when the turn's time was over before. What was read is kept."""
        if self.row.stage == Stage.RESTING or self.began_at < timezone.now() - STALE_AFTER:
            self.begin()
        while (stage := Stage(self.row.stage)) != Stage.RESTING:
            for _ in STEPS[stage](self):
                self._keep()
                if time.monotonic() > self.until:
                    return False
            self.row.stage, self.row.reached = NEXT[stage], 0
            self._keep()
        now = timezone.now()
        ended = {"ended_at": now, "failures": 0, "last_error": "", "problem": self.row.problem}
        _end_lease(self.row, next_at=night_of(self.account, now), **ended)
        return True

    def _keep(self) -> None:
        """Keep how far it came, and the comparison for as long again. Whoever lost its lease meanwhile stops."""
        row = self.row
        before, row.leased_until = row.leased_until, timezone.now() + self.lease
        names = (
            "leased_until",
            "stage",
            "reached",
            "began_at",
            "offers",
            "orders",
            "on_their_way",
            "problem",
            "to_look_at",
        )
        mine = Reconciliation.objects.filter(pk=row.pk, leased_until=before)
        if not mine.update(**{name: getattr(row, name) for name in names}):
            raise LeaseLost("Somebody else compares this account now", kind="conflict", retry_after=60.0)

    # Each stage yields after every step that is worth keeping; its last one ends the stage.

    def offers(self) -> Iterator[None]:
        if self.account.can("fetch_offers"):
            yield from self._listed()
        elif self._can_look:
            yield from self._one_by_one()

    @property
    def _can_look(self) -> bool:
        return self.account.can("get_offers") or self.account.can("get_offer")

    @property
    def _looks_at_once(self) -> int:
        return self.service.offers_per_read if self.account.can("get_offers") else 1

    def _listed(self) -> Iterator[None]:
        pages = self.service.offer_pages(self.row.reached + 1)
        while True:
            self.service.plan(1, Urgency.CATALOGUE)
            asked_at = timezone.now()
            page = next(pages, None)
            if page is None:
                return
            can_tell_more = self.account.can("get_offer")
            compared = reconciling.compare(self.account, page, asked_at=asked_at, is_list=can_tell_more)
            self._count(compared)
            self.row.to_look_at += compared.doubtful
            self.row.reached += 1
            yield

    def _one_by_one(self) -> Iterator[None]:
        """Where there is no list ours are read by their ids; what is unknown here can't be found there."""
        size = self._looks_at_once
        there = Offer.objects.filter(account=self.account).exclude(external_id="").order_by("pk")
        there = there.exclude(seen_status=OfferStatus.REMOVED)
        while rows := list(there.filter(pk__gt=self.row.reached).values_list("pk", "external_id")[:size]):
            self._read_and_compare([external_id for _, external_id in rows])
            self.row.reached = rows[-1][0]
            yield

    def _read_and_compare(self, ids: Sequence[str]) -> set[str]:
        """Read offers with one request and compare them; returns the ids of those that are there."""
        self.service.plan(1, Urgency.CATALOGUE)
        asked_at, shown = timezone.now(), set[str]()
        for page in reconciling.reread(self.service, ids):
            self._count(reconciling.compare(self.account, page, asked_at=asked_at))
            shown |= {remote.external_id for remote in page}
        return shown

    def _count(self, compared: reconciling.Compared) -> None:
        self.row.offers += compared.offers
        self.row.on_their_way += compared.on_their_way

    def missing(self) -> Iterator[None]:
        """Look at offers of which the list said too little, and at those that it lacked: a page that shifts hides one."""
        while doubtful := self.row.to_look_at[: self._looks_at_once]:
            self._read_and_compare(doubtful)
            self.row.to_look_at = self.row.to_look_at[len(doubtful) :]
            yield
        if not (self._can_look or self.account.can("fetch_offers")):
            return  # nobody can be asked, so nothing is missing
        if not self.row.reached and (problem := reconciling.too_many_missing(self.account, self.began_at)):
            self.row.problem = problem
            return
        lacking = reconciling.missing(self.account, self.began_at)
        size = self._looks_at_once if self._can_look else reconciling.AT_ONCE
        while rows := list(lacking.filter(pk__gt=self.row.reached)[:size]):
            shown = self._read_and_compare([offer.external_id for offer in rows]) if self._can_look else set[str]()
            reconciling.note_gone([offer for offer in rows if offer.external_id not in shown])
            self.row.reached = rows[-1].pk
            yield
        reconciling.compare_gone(self.account)
        if self.account.can("fetch_offers"):
            reconciling.settle_vanished(self.account, self.began_at)

    def orders(self) -> Iterator[None]:
        size = comparing.at_once(self.account)
        waiting = comparing.open_orders(self.account).values_list("pk", flat=True)
        while size and (pks := list(waiting.filter(pk__gt=self.row.reached)[:size])):
            self.service.plan(1, Urgency.CATALOGUE)
            compared = comparing.compare(self.account, self.service, pks, fix=self.fix)
            self.row.orders += compared.orders
            self.row.on_their_way += compared.on_their_way
            self.fixed += compared.fixed
            self.row.reached = pks[-1]
            yield


STEPS: Mapping[str, Callable[[Walk], Iterator[None]]] = {
    Stage.OFFERS: Walk.offers, Stage.MISSING: Walk.missing, Stage.ORDERS: Walk.orders,
}  # fmt: skip
NEXT: Mapping[str, str] = {
    Stage.OFFERS: Stage.MISSING, Stage.MISSING: Stage.ORDERS, Stage.ORDERS: Stage.RESTING,
}  # fmt: skip
