"""The queue of orders that are to be read: one wish an order, many read in one request where the marketplace can do that."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Least
from django.utils import timezone

from marketplaces import outgoing, pump
from marketplaces.exceptions import MarketplaceError, NotFound, TemporaryError
from marketplaces.models import Account
from marketplaces.outgoing import Outcome, Result
from marketplaces.types import RemoteOrder, Urgency
from orders import intake, timeline
from orders.models import Order, OrderReading

State = OrderReading.State

# News of many orders come together: they wait so long for one another, and are read in one request.
COALESCE = timedelta(seconds=5)
# An order may be told of before its marketplace shows it.
MISSING_TRIES, MISSING_AGAIN_SECONDS = 3, 60.0


def ask(account: Account, external_id: str, *, since: datetime | None = None, news: str = "") -> None:
    """Wish for an order to be read, soon; one that waits already is the same wish. Safe to repeat.

    `since` is when the order was made: where many wait, the oldest goes first. `news` is what a list showed; a reading that
    a person has to look at is only taken up again by other news.
    """
    now = timezone.now()
    is_together = account.service_class.orders_per_read > 1
    at = min(since, now) if since else now + (COALESCE if is_together else timedelta())
    with transaction.atomic():
        defaults = {"state": State.DUE, "next_try_at": at, "news": news[:120]}
        row, is_new = OrderReading.objects.get_or_create(account=account, external_id=external_id, defaults=defaults)
        if not is_new:
            wishes = OrderReading.objects.filter(pk=row.pk)
            if news:
                wishes = wishes.exclude(state=State.NEEDS_ATTENTION, news=news[:120])
            _again(wishes, at, news[:120])
        pump.plan(OrderReading, account)


def _again(wishes: QuerySet[OrderReading], at: datetime, news: str) -> None:
    is_waiting, is_read_now = Q(state__in=[State.DUE, State.UNKNOWN]), Q(state=State.IN_FLIGHT)
    wishes.update(
        # What waits after a failure keeps its pause.
        next_try_at=Case(
            When(is_waiting & Q(attempts__gt=0), then=F("next_try_at")),
            When(is_waiting, then=Least("next_try_at", Value(at))),
            When(is_read_now, then=F("next_try_at")),
            default=Value(at),
        ),
        asked_again=Case(When(is_read_now, then=Value(True)), default=F("asked_again")),
        attempts=Case(When(is_waiting | is_read_now, then=F("attempts")), default=Value(0)),
        state=Case(When(is_waiting | is_read_now, then=F("state")), default=Value(State.DUE.value)),
        news=Value(news) if news else F("news"),
        wished_at=timezone.now(),
    )


def read(pk: int) -> bool:
    """Read one order that is due; False when it is not. Safe to repeat and to run at once."""
    return outgoing.run(OrderReading, pk, _read_one)


def _read_one(row: OrderReading) -> Outcome:
    service = row.account.service()
    service.plan(1, Urgency.ORDERS)
    try:
        intake.refresh(row.account, RemoteOrder(external_id=row.external_id), service)
    except NotFound as error:
        raise _missing(row, error) from error
    return None


def read_many(pks: Sequence[int]) -> int:
    """Read orders of one account that are due in one request; returns how many. Safe to repeat and to run at once."""
    return outgoing.run_many(OrderReading, pks, _read_together)


def _read_together(rows: list[OrderReading]) -> Mapping[object, Result]:
    account = rows[0].account
    service = account.service()
    service.plan(1, Urgency.ORDERS)
    asked_at = timezone.now()
    found = {remote.external_id: remote for remote in service.get_orders([row.external_id for row in rows])}
    return {row.pk: _take_in(row, found.get(row.external_id), asked_at) for row in rows}


def _take_in(row: OrderReading, remote: RemoteOrder | None, asked_at: datetime) -> Result:
    """Take in what was read of one order; what goes wrong with it stops no other."""
    try:
        if remote is None:
            return _missing(row, NotFound(f"There is no order {row.external_id} there", kind="not_found"))
        intake.import_order(account=row.account, remote=intake.as_asked(remote, asked_at))
    except MarketplaceError as error:
        return error
    except Exception as error:
        outgoing.log.exception("Order %s could not be taken in", row.external_id)
        return error
    return None


def _missing(row: OrderReading, error: NotFound) -> MarketplaceError:
    """Look a few times for an order that is not there; then it is a person's."""
    if row.attempts < MISSING_TRIES:
        return TemporaryError(f"{error}; looking again", kind=error.kind, retry_after=MISSING_AGAIN_SECONDS)
    if order := Order.objects.filter(account=row.account, external_id=row.external_id).first():
        timeline.warn(order, "missing", "The marketplace does not show it any more.", event_id=f"reading {row.pk}")
    return error
