"""Work off an account's rows of one kind, a few at a time, within its budget.

Thousands of offers or jobs that each woke a worker would keep the workers busy with asking for budget, and a delivery
would wait behind them. Here one worker at a time takes a short turn for an account and plans the next one; rows wait in
their table, not in the queue.
"""

import time
from datetime import datetime, timedelta

from django.apps import apps
from django.conf import settings
from django.db.models import Min, Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from marketplaces import outgoing
from marketplaces.exceptions import BudgetSpent
from marketplaces.models import TROUBLE_PAUSE, Account, Outgoing, Pump

# A turn is short, so that a worker is free for a delivery soon whatever else is going on.
TURN_SECONDS = 0.5
SOON = timedelta(seconds=0.1)
# A turn that came with the very moment might find who is first in line not due by a hair, and serve another.
MOMENT = timedelta(milliseconds=1)
# Another machine's clock may be ahead: a planned wake-up that comes a little early is still the one that was planned.
SKEW = timedelta(seconds=1)
# Longer than a task may run: a lease that is still there then belongs to a dead worker.
LEASE = timedelta(seconds=settings.LOST_AFTER_SECONDS)


def turn(kind: str, account_id: str, *, is_planned: bool = False) -> int:
    """Work off rows of `kind` (a model's label) of an account that are due; returns how many. Safe to run at once.

    Of many wake-ups for the same rows one takes the turn, or a thousand would be a thousand turns on end, and what came
    after them in the queue would wait for all.
    """
    model: type[Outgoing] = apps.get_model(kind)
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        return 0
    now, mine = timezone.now(), Pump.objects.filter(account=account, kind=kind)
    if is_planned:
        mine.filter(planned_at__lte=now + SKEW).update(planned_at=None)
    elif mine.filter(planned_at__gt=now - outgoing.PLAN_LOST_AFTER, planned_at__lte=now + SOON).exists():
        return 0  # the planned turn comes in a moment
    if not _lease(account, kind):
        return 0  # whoever has it looks again before it ends
    done, not_before = 0, timezone.now()
    try:
        if account.is_stopped:
            not_before += TROUBLE_PAUSE
        else:
            done, not_before = _work(model, account)
    finally:
        Pump.objects.filter(account=account, kind=kind).update(leased_until=None)
    plan(model, account, not_before)
    return done


def _work(model: type[Outgoing], account: Account) -> tuple[int, datetime]:
    """Do rows until the turn is over; returns how many, and before when it makes no sense to go on."""
    size = model.per_batch(account) if model.batch_task else 1
    run, done, over = import_string(model.batch_task if size > 1 else model.task), 0, time.monotonic() + TURN_SECONDS
    mine = outgoing.waiting_of(model, account)
    while time.monotonic() < over:
        due = mine.filter(Q(next_try_at=None) | Q(next_try_at__lte=timezone.now()))
        pks = list(due.values_list("pk", flat=True)[:size])
        if not pks:
            break
        if size > 1:
            if not_before := _collected(model, account, due, is_full=len(pks) == size):
                return done, not_before
            try:
                run(pks)
            except BudgetSpent as error:  # before any row was claimed
                return done, timezone.now() + timedelta(seconds=error.retry_after or 1)
            _pump(model, account).update(sent_at=timezone.now(), collecting_since=None)
        else:
            run(pks[0])
        done += len(pks)
        # What had no budget says when there is some; nothing else of the account has any before.
        short = model._default_manager.filter(pk__in=pks, failure=outgoing.BUDGET, next_try_at__isnull=False)
        if not_before := short.values_list("next_try_at", flat=True).first():
            return done, not_before
    return done, timezone.now()


def _collected(model: type[Outgoing], account: Account, due: QuerySet[Outgoing], *, is_full: bool) -> datetime | None:
    """When the batch may go, where its rows are still collected; None when it may go now."""
    seconds = timedelta(seconds=model.collects(account))
    if not seconds or is_full or due.filter(model.hurries).exists():
        return None
    now, pump = timezone.now(), _pump(model, account).get()
    ready_at = now if pump.sent_at is None else pump.sent_at + seconds
    if not due.filter(model.urgent).exists():
        if pump.collecting_since is None:
            pump.collecting_since = now
            pump.save(update_fields=["collecting_since"])
        ready_at = max(ready_at, pump.collecting_since + seconds)
    return ready_at if ready_at > now else None


def _pump(model: type[Outgoing], account: Account) -> QuerySet[Pump]:
    return Pump.objects.filter(account=account, kind=model._meta.label_lower)


def plan(model: type[Outgoing], account: Account, not_before: datetime | None = None) -> None:
    """Wake a worker for an account's next row, unless an earlier turn is planned already: turns must not multiply.

    Safe to repeat; meant for rows that come in thousands, where a wake-up each would be one too many.
    """
    first = outgoing.waiting_of(model, account).aggregate(at=Min("next_try_at"), any=Min("pk"))
    if first["any"] is None:
        return
    soonest = not_before or timezone.now()
    outgoing.plan_turn(account, model._meta.label_lower, max(first["at"] or soonest, soonest) + MOMENT)


def _lease(account: Account, kind: str) -> bool:
    now = timezone.now()
    is_free = Q(leased_until=None) | Q(leased_until__lte=now)
    free = Pump.objects.filter(is_free, account=account, kind=kind)
    if free.update(leased_until=now + LEASE):
        return True
    _, is_new = Pump.objects.get_or_create(account=account, kind=kind)
    return is_new and bool(free.update(leased_until=now + LEASE))
