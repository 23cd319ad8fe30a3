"""How long deliveries took from the marketplace's request to the handing over of the last unit, against their targets.

The target of a delivery is the deadline that came with its request, else its marketplace's; see
MarketplaceService.delivery_target_seconds. One that is still open is late as soon as its target is over.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Case, DateTimeField, DurationField, ExpressionWrapper, F, Max, Q, Value, When
from django.db.models.functions import Coalesce, TruncDate

from marketplaces import services
from orders.models import Delivery
from orders.profit import Period

# By nearest rank: the smallest time that at least this part of all deliveries did not exceed.
PARTS = {"median": Decimal("0.5"), "p95": Decimal("0.95"), "p99": Decimal("0.99")}
DONE = (Delivery.Status.SUBMITTED, Delivery.Status.DELIVERED, Delivery.Status.PARTIAL)
FAILED = (Delivery.Status.UNFULFILLED, Delivery.Status.EXPIRED)


@dataclass(frozen=True)
class Times:
    """The deliveries that one account was asked for on one day. Times are in seconds; None: nothing was handed over."""

    account: UUID
    day: date
    asked: int
    done: int
    in_time: int
    late: int  # handed over too late, or open beyond the target
    median: float | None
    p95: float | None
    p99: float | None

    @property
    def share(self) -> float | None:
        """In time, in percent of those that are in time or late; None where neither is known yet."""
        judged = self.in_time + self.late
        return 100 * self.in_time / judged if judged else None


def by_account(
    period: Period, accounts: Collection[UUID], *, now: datetime, product: int | None = None, by_day: bool = True
) -> list[Times]:
    """Measure the deliveries asked for in the period, in one statement; without `by_day`, all days of an account together.

    Days are those of the current time zone; a row of all days is of the period's first.
    """
    if not accounts:
        return []
    inner, params = _deliveries(period, accounts, now, product).query.sql_with_params()
    group = "account_id, day" if by_day else "account_id"
    parts = ", ".join("MIN(CASE WHEN done = 1 AND place >= %s * among THEN took END)" for _ in PARTS)
    sql = f"""
        SELECT account_id, MIN(day), COUNT(*), SUM(done), SUM(in_time), SUM(late), {parts}
          FROM (SELECT measured.*, ROW_NUMBER() OVER (PARTITION BY {group}, done ORDER BY took) AS place,
                       COUNT(*) OVER (PARTITION BY {group}, done) AS among
                  FROM ({inner}) measured) placed
         GROUP BY {group} ORDER BY 2 DESC, 1
    """  # noqa: S608  (names of our own, and what Django wrote)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*(float(part) for part in PARTS.values()), *params])
        return [_times(row) for row in cursor.fetchall()]


def _deliveries(period: Period, accounts: Collection[UUID], now: datetime, product: int | None) -> Any:
    targets = [
        When(account__marketplace=slug, then=Value(timedelta(seconds=service.delivery_target_seconds)))
        for slug, service in services.all_services().items()
    ]
    target = Case(*targets, default=Value(timedelta(0)), output_field=DurationField())
    until = ExpressionWrapper(F("requested_at") + target, output_field=DateTimeField())
    rows = Delivery.objects.filter(
        requested_at__gte=period.since, requested_at__lt=period.until, account__in=accounts
    ).exclude(status=Delivery.Status.STOPPED)
    rows = rows.filter(line__product=product) if product is not None else rows
    measured = rows.order_by().annotate(
        day=TruncDate("requested_at"),
        last=Coalesce(Max("items__sent_at", filter=Q(items__withdrawn_at=None)), "report_sent_at"),
        due_at=Coalesce("expires_at", until),
    )
    is_done = Q(status__in=DONE, last__isnull=False)
    in_time = is_done & Q(last__lte=F("due_at"))
    late = (is_done & Q(last__gt=F("due_at"))) | (~is_done & (Q(due_at__lt=now) | Q(status__in=FAILED)))
    return measured.annotate(
        took=Case(When(is_done, then=F("last") - F("requested_at")), output_field=DurationField()),
        done=_one(is_done), in_time=_one(in_time), late=_one(late),
    ).values("account_id", "day", "took", "done", "in_time", "late")  # fmt: skip


def _one(condition: Q) -> Case:
    return Case(When(condition, then=Value(1)), default=Value(0))


def _times(row: Any) -> Times:
    account, day, *counts = row[:6]
    return Times(
        account if isinstance(account, UUID) else UUID(account),
        day if isinstance(day, date) else date.fromisoformat(day),
        *(int(count) for count in counts),
        *(_seconds(value) for value in row[6:]),
    )


def _seconds(value: Any) -> float | None:
    """What a database says of a time span: PostgreSQL a timedelta, SQLite microseconds."""
    if value is None:
        return None
    return float(value.total_seconds()) if isinstance(value, timedelta) else float(value) / 1_000_000
