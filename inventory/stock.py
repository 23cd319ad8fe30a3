"""Every change of stock. A code is a row; whoever moves it first has it.

    available -> held -> sent -> delivered        held -> available while it certainly never left
    available -> uploaded -> delivered            uploaded -> available when it certainly is not there any more
    anything a person finds bad -> faulty, void   available -> expired by its date
    sent, delivered -> returned                   returned -> available when a person says so

Units of a counted product have no rows: inventory.goods moves them, behind the same verbs where they fit both.

Each verb is one short transaction, joins the caller's if there is one, and writes down that the product's stock changed, so
that its offers follow. Quantities are units.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from backoffice import queue
from backoffice.rows import asked_often, insert_if_new
from inventory import goods, statements
from inventory.changes import (
    CHANGED_TASK,
    Held as Held,
    NotMoved as NotMoved,
    ShortStock as ShortStock,
    changed as changed,
)
from inventory.models import Code, Hold
from inventory.statements import pick_statement as pick_statement
from marketplaces.shop import CodeKind

State = Code.State
ship, unship = goods.ship, goods.unship

# What a person may take out of sale, and what it becomes.
WITHDRAWN = (State.FAULTY, State.VOID)


def _pick(product_id: int, quantity: int, hold_id: int | None, kinds: Collection[CodeKind] = ()) -> list[int]:
    """Move up to `quantity` available codes to `held`, and say that the stock changed; returns their ids, oldest first."""

    def run(*, skip_locked: bool) -> list[int]:
        now = timezone.now()
        sql = pick_statement(skip_locked=skip_locked, kinds=frozenset(kinds))
        values: list[Any] = [hold_id, product_id, now.date(), quantity]
        if connection.vendor != "sqlite":
            wake, woken = queue.enqueue_with("picked", CHANGED_TASK, product_id)
            sql, values = statements.PICK_AND_TELL.format(pick=sql, wake=wake), [*values, product_id, now, *woken]
        with asked_often() as cursor:
            cursor.execute(sql, values)
            return sorted(pk for (pk,) in cursor.fetchall())

    if quantity <= 0:
        return []
    if connection.vendor == "sqlite":
        picked = run(skip_locked=False)
        if picked:
            changed(product_id)
        return picked
    # What others have locked may come back. Before the stock is called short we give back what we locked (two who wait
    # for each other would never end) and see them through, everyone in the same order. Who picked nothing may have locks,
    # too: on rows that another took after our statement began.
    savepoint = transaction.savepoint() if connection.in_atomic_block else None
    picked = run(skip_locked=True)
    if len(picked) < quantity:
        if savepoint:
            transaction.savepoint_rollback(savepoint)
        return run(skip_locked=False)
    return picked


def hold(
    *,
    product_id: int,
    quantity: int,
    reference: str,
    account_id: UUID | None = None,
    until: datetime | None = None,
    may_be_short: bool = False,
    is_counted: bool | None = None,
) -> Held:
    """Make the hold for `reference` cover `quantity` units: pick what is missing, let go what is too much.

    `until` is set when the hold is made and not moved by a repeat. Raises ShortStock, unless it `may_be_short`. Safe to
    repeat: the same reference has one hold. `is_counted` says what the product is, where the caller knows.
    """
    # One that may be short raises nothing that is caught, so a transaction that it joins needs no way back to here.
    with transaction.atomic(savepoint=not may_be_short):
        held, is_new = _locked_or_new(product_id, reference, account_id, until)
        codes = Code.objects.filter(hold=held)
        has = 0 if is_new else codes.count()
        if not has and is_counted is None:
            is_counted = goods.is_counted(product_id)
        if not has and (held.units or is_counted):
            return Held(held, goods.hold(held, quantity, may_be_short=may_be_short))
        if has > quantity:
            surplus = list(codes.order_by("-position").values_list("pk", flat=True)[: has - quantity])
            # A delivery that takes from the hold at this moment keeps what it took.
            Code.objects.filter(pk__in=surplus, hold=held, state=State.HELD).update(state=State.AVAILABLE, hold=None)
            changed(product_id)
        elif has < quantity:
            picked = _pick(product_id, quantity - has, held.pk)
            if has + len(picked) < quantity and not may_be_short:
                raise ShortStock(f"{has + len(picked)} of {quantity} units of product {product_id} can be held")
            has += len(picked)
        return Held(held, min(has, quantity))


def _locked_or_new(
    product_id: int, reference: str, account_id: UUID | None, until: datetime | None
) -> tuple[Hold, bool]:
    """The open hold of this reference, locked until the transaction ends, and whether it was made just now."""
    known = Hold.objects.select_for_update(no_key=True).filter(
        product_id=product_id, reference=reference, released_at=None
    )
    held = known.first()
    if held is not None:
        return held, False
    held = Hold(product_id=product_id, reference=reference, account_id=account_id, until=until)
    return (held, True) if insert_if_new(held) else (known.get(), False)


def keep(hold_id: int) -> bool:
    """Let an open hold last until it is taken or released; False when it is not open. Safe to repeat."""
    return bool(Hold.objects.filter(pk=hold_id, released_at=None).update(until=None))


def release(hold_id: int) -> int:
    """End a hold; its codes can be sold again. Returns how many. Safe to repeat."""
    return _release(hold_id) or 0


def _release(hold_id: int, *, over_by: datetime | None = None) -> int | None:
    """Release a hold that is open, and over by then if that is asked; None when it is not."""
    with transaction.atomic(savepoint=False):
        product_id = _end_of_codes(hold_id, over_by)
        if product_id is None:
            return _release_counted(hold_id, over_by)
        freed = Code.objects.filter(hold=hold_id, state=State.HELD).update(state=State.AVAILABLE, hold=None)
        if freed:
            changed(product_id)
        return freed


def _end_of_codes(hold_id: int, over_by: datetime | None) -> int | None:
    """Lock and end a hold of codes in one statement; returns its product, or None when it is not one that is open."""
    as_stored = connection.ops.adapt_datetimefield_value
    values = [as_stored(timezone.now()), hold_id, *([as_stored(over_by)] if over_by else [])]
    with connection.cursor() as cursor:
        cursor.execute(statements.END_HOLD.format(over=" AND until <= %s" if over_by else ""), values)
        ended = cursor.fetchone()
    return ended[0] if ended else None


def _release_counted(hold_id: int, over_by: datetime | None) -> int | None:
    is_over = Q(until__lte=over_by) if over_by else Q()
    open_holds = Hold.objects.select_for_update(no_key=True).filter(is_over, released_at=None).exclude(units=0)
    held = open_holds.filter(pk=hold_id).first()
    if held is None:
        return None
    freed = goods.let_go(held)
    held.released_at = timezone.now()
    held.save(update_fields=["released_at"])
    return freed


def take(*, product_id: int, quantity: int, hold_id: int | None = None) -> list[int]:
    """Pick up to `quantity` codes for a delivery, those of the hold first; returns their ids. None is past its date.

    They are `held` and belong to the caller, who records them in the same transaction. Not safe to repeat by itself.
    """
    if hold_id is None and quantity == 1 and connection.vendor != "sqlite":
        return _pick(product_id, 1, None)  # one statement, which is a transaction by itself
    with transaction.atomic(savepoint=False):
        from_hold = [] if hold_id is None else _out_of_hold(hold_id, quantity)
        if hold_id is not None and len(from_hold) < quantity:
            held = Code.objects.select_for_update(no_key=True).filter(hold_id=hold_id, state=State.HELD)
            today = timezone.now().date()
            over = list(held.filter(expires_at__lt=today).order_by("position").values_list("pk", flat=True))
            if over:
                Code.objects.filter(pk__in=over).update(state=State.EXPIRED, hold=None)
        return from_hold + _pick(product_id, quantity - len(from_hold), None)


def _out_of_hold(hold_id: int, quantity: int) -> list[int]:
    """Pick up to `quantity` codes of a hold that are not past their date, in one statement; returns their ids."""
    chosen = statements.OF_HOLD
    picked = f"IN ({chosen})" if connection.vendor == "sqlite" else f"= ANY(ARRAY({chosen} FOR NO KEY UPDATE))"
    with asked_often() as cursor:
        cursor.execute(statements.OUT_OF_HOLD.format(picked=picked), [hold_id, timezone.now().date(), quantity])
        return [pk for pk, _ in sorted(cursor.fetchall(), key=lambda picked: picked[1])]


def covered(hold_ids: Collection[int]) -> dict[int, tuple[int, datetime | None, int]]:
    """The product of open holds, until when each lasts and how many units it covers; those that are over are not there."""
    open_holds = Hold.objects.filter(pk__in=hold_ids, released_at=None)
    rows = open_holds.annotate(picked=Count("codes")).values_list("pk", "product_id", "until", "units", "picked")
    return {pk: (product_id, until, units or picked) for pk, product_id, until, units, picked in rows}


def give_away(*, product_id: int, quantity: int, kinds: Collection[CodeKind] = (CodeKind.TEXT,)) -> list[int]:
    """Pick up to `quantity` codes of `kinds` for a marketplace's own inventory; returns their ids.

    They are `uploaded` and belong to the caller, who records them in the same transaction. Not safe to repeat by itself.
    """
    with transaction.atomic():
        picked = _pick(product_id, quantity, None, kinds)
        _move(picked, [State.HELD], State.UPLOADED)
        return picked


def get_back(code_ids: Collection[int]) -> None:
    """Say that codes are certainly not in a marketplace's inventory: they can be sold again. Raises NotMoved."""
    _move(code_ids, [State.UPLOADED], State.AVAILABLE)


def mark_sold_there(code_ids: Collection[int]) -> None:
    """Say that a marketplace sold codes out of its own inventory. Raises NotMoved."""
    _move(code_ids, [State.UPLOADED], State.DELIVERED)


def prolong(hold_id: int, until: datetime) -> None:
    """Let an open hold last until `until`, but never shorter than it does. Safe to repeat."""
    Hold.objects.filter(pk=hold_id, released_at=None, until__lt=until).update(until=until)


def put_back(code_ids: Collection[int]) -> None:
    """Return codes that were picked and certainly never left. Raises NotMoved."""
    _move(code_ids, [State.HELD], State.AVAILABLE)


def mark_sent(code_ids: Collection[int]) -> None:
    """Say that codes are about to leave: from here on they are for nobody else. Raises NotMoved."""
    _move(code_ids, [State.HELD], State.SENT)


def unmark_sent(code_ids: Collection[int]) -> None:
    """Say that codes marked as sent certainly did not leave. Raises NotMoved."""
    _move(code_ids, [State.SENT], State.HELD)


def mark_delivered(code_ids: Collection[int]) -> None:
    """Say that the buyer has the codes. Raises NotMoved; safe to repeat."""
    _move(code_ids, [State.SENT, State.DELIVERED], State.DELIVERED)


def set_apart(code_ids: Collection[int]) -> None:
    """Say that codes which were picked and certainly never left are of no use. Raises NotMoved."""
    _move(code_ids, [State.HELD], State.FAULTY)


def take_back(code_ids: Collection[int]) -> None:
    """Say that a marketplace gave codes back; somebody may have seen them. Raises NotMoved; safe to repeat."""
    _move(code_ids, [State.SENT, State.DELIVERED, State.RETURNED], State.RETURNED)


def sell_again(code_ids: Collection[int]) -> int:
    """A person decides that returned codes can be sold again; returns how many. Safe to repeat."""
    with transaction.atomic():
        codes = Code.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=code_ids, state=State.RETURNED)
        found = dict(codes.filter(recalled=None).values_list("pk", "product_id"))
        Code.objects.filter(pk__in=found).update(state=State.AVAILABLE)
        changed(*found.values())
        return len(found)


def withdraw(code_ids: Collection[int], state: str) -> int:
    """A person takes available codes out of sale as faulty or void; returns how many. Safe to repeat."""
    if state not in WITHDRAWN:
        raise ValueError(f"{state} is not one of {', '.join(WITHDRAWN)}")
    with transaction.atomic():
        codes = Code.objects.select_for_update(no_key=True).filter(pk__in=code_ids, state=State.AVAILABLE)
        found = dict(codes.values_list("pk", "product_id"))
        Code.objects.filter(pk__in=found).update(state=state)
        changed(*found.values())
        return len(found)


def _move(code_ids: Collection[int], sources: Collection[str], target: str) -> None:
    # What it raises ends the transaction that it joins, so there is nothing to go back to.
    with transaction.atomic(savepoint=False):
        codes = Code.objects.filter(pk__in=code_ids)
        moved = codes.filter(state__in=sources, hold=None).update(state=target)
        if moved != len(set(code_ids)):
            raise NotMoved(f"{len(set(code_ids)) - moved} of {len(set(code_ids))} codes can't become {target}")
        if target == State.AVAILABLE:
            _keep_recalled(code_ids)
            changed(*codes.values_list("product_id", flat=True).distinct())


def _keep_recalled(code_ids: Collection[int]) -> None:
    """No way leads back into the pool for a code that was called back."""
    Code.objects.filter(pk__in=code_ids, state=State.AVAILABLE, recalled__isnull=False).update(state=State.FAULTY)


def freeze(code_ids: Collection[int]) -> int:
    """Take codes that were called back out of sale, also what is set aside or picked; returns how many. Safe to repeat.

    Whoever has one picked for a delivery has to take another: orders listens for that.
    """
    with transaction.atomic():
        codes = Code.objects.filter(pk__in=code_ids, state__in=[State.AVAILABLE, State.HELD, State.RETURNED])
        free = codes.exclude(state=State.HELD, hold=None)  # what is picked is let go of by its delivery
        products = list(free.values_list("product_id", flat=True).distinct())
        frozen = free.update(state=State.FAULTY, hold=None)
        changed(*products)
        return frozen


def end_holds(now: datetime) -> int:
    """Release every hold whose time is up; returns how many. Safe to repeat and to run twice at once."""
    over = list(Hold.objects.filter(released_at=None, until__lte=now).values_list("pk", flat=True))
    return sum(_release(pk, over_by=now) is not None for pk in over)  # one of them may be paid for by now


def expire_codes(now: datetime) -> int:
    """Take codes past their date out of sale; returns how many. Safe to repeat."""
    with transaction.atomic():
        over = Code.objects.filter(state=State.AVAILABLE, expires_at__lt=now.date())
        products = set(over.values_list("product_id", flat=True).distinct())
        expired = over.update(state=State.EXPIRED)
        changed(*products)
        return expired


def can_be_sold(codes: QuerySet[Code]) -> QuerySet[Code]:
    today = timezone.now().date()
    return codes.filter(Q(expires_at=None) | Q(expires_at__gte=today), state=State.AVAILABLE)


def sellable(product_id: int, kinds: Collection[CodeKind] = ()) -> int:
    """How many units a new buyer could have now, of `kinds` of codes alone where some are named."""
    codes = can_be_sold(Code.objects.filter(product_id=product_id))
    return codes.filter(kind__in=kinds).count() if kinds else codes.count() or goods.free(product_id)


def sellable_of(product_ids: Collection[int]) -> dict[int, int]:
    """The same for many products, in one statement; each is there. More than statements.MOST_COUNTED is as good as that."""
    if not product_ids:
        return {}
    units = dict.fromkeys(product_ids, 0)
    with connection.cursor() as cursor:
        sql = statements.SELLABLE.format(products=", ".join(["%s"] * len(units)))
        cursor.execute(sql, [statements.MOST_COUNTED, timezone.now().date(), *units])
        # More may be past their date than are counted, until the sweep comes by.
        return units | {product_id: max(count, 0) for product_id, count in cursor.fetchall()}


def count(product_id: int) -> dict[str, int]:
    """Units of a product by state; every state is there. What left of a counted product is delivered."""
    if goods.is_counted(product_id):
        return goods.count(product_id)
    rows = Code.objects.filter(product_id=product_id).values_list("state").annotate(units=Count("pk"))
    found = Counter(dict(rows))
    return {state.value: found[state.value] for state in State}
