"""Every change of stock. A code is a row; whoever moves it first has it.

    available -> held -> sent -> delivered        held -> available while it certainly never left
    available -> uploaded -> delivered            uploaded -> available when it certainly is not there any more
    anything a person finds bad -> faulty, void   available -> expired by its date
    sent, delivered -> returned                   returned -> available when a person says so

Each verb is one short transaction, joins the caller's if there is one, and writes down that the product's stock changed, so
that its offers follow. Quantities are units.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from backoffice import queue
from inventory.models import Code, Hold, StockChange

State = Code.State

# What a person may take out of sale, and what it becomes.
WITHDRAWN = (State.FAULTY, State.VOID)

_PICK = """
UPDATE inventory_code SET state = 'held', hold_id = %(hold)s
 WHERE id {picked} RETURNING id
"""
# The order is not by primary key and the condition names the state first: that is what lets the planner use the small
# index of available codes whatever its statistics say.
_CHOOSE = """
SELECT id FROM inventory_code
 WHERE product_id = %(product)s AND state = 'available' AND (expires_at IS NULL OR expires_at >= %(today)s)
 ORDER BY position LIMIT %(quantity)s
"""


class ShortStock(Exception):
    """There is less than was asked for, and nothing was taken."""


class NotMoved(Exception):
    """A code is not in the state it should come from; nothing was changed."""


@dataclass(frozen=True)
class Held:
    hold: Hold
    quantity: int


def pick_statement(*, skip_locked: bool) -> str:
    """The statement that picks codes, in the words of the database."""
    if connection.vendor == "sqlite":  # one writer at a time: there is nobody to skip
        return _PICK.format(picked=f"IN ({_CHOOSE})")
    lock = " FOR UPDATE SKIP LOCKED" if skip_locked else " FOR UPDATE"
    return _PICK.format(picked=f"= ANY(ARRAY({_CHOOSE}{lock}))")


def _pick(product_id: int, quantity: int, hold_id: int | None) -> list[int]:
    """Move up to `quantity` available codes to `held`; returns their ids, first in first out."""

    def run(*, skip_locked: bool) -> list[int]:
        values = {"hold": hold_id, "product": product_id, "today": timezone.now().date(), "quantity": quantity}
        with connection.cursor() as cursor:
            cursor.execute(pick_statement(skip_locked=skip_locked), values)
            return sorted(pk for (pk,) in cursor.fetchall())

    if quantity <= 0:
        return []
    if connection.vendor == "sqlite":
        return run(skip_locked=False)
    # What others have locked may come back. Before the stock is called short we give back what we locked (two who wait
    # for each other would never end) and see them through, everyone in the same order.
    savepoint = transaction.savepoint() if quantity > 1 else None
    picked = run(skip_locked=True)
    if len(picked) < quantity:
        if savepoint:
            transaction.savepoint_rollback(savepoint)
        return run(skip_locked=False)
    if savepoint:
        transaction.savepoint_commit(savepoint)
    return picked


def hold(
    *,
    product_id: int,
    quantity: int,
    reference: str,
    account_id: UUID | None = None,
    until: datetime | None = None,
    may_be_short: bool = False,
) -> Held:
    """Make the hold for `reference` cover `quantity` units: pick what is missing, let go what is too much.

    `until` is set when the hold is made and not moved by a repeat. Raises ShortStock, unless it `may_be_short`. Safe to
    repeat: the same reference has one hold.
    """
    with transaction.atomic():
        held, _ = Hold.objects.select_for_update(no_key=True).get_or_create(
            product_id=product_id,
            reference=reference,
            released_at=None,
            defaults={"account_id": account_id, "until": until},
        )
        codes = Code.objects.filter(hold=held)
        has = codes.count()
        if has > quantity:
            surplus = list(codes.order_by("-position").values_list("pk", flat=True)[: has - quantity])
            # A delivery that takes from the hold at this moment keeps what it took.
            Code.objects.filter(pk__in=surplus, hold=held, state=State.HELD).update(state=State.AVAILABLE, hold=None)
            changed(product_id)
        elif has < quantity:
            picked = _pick(product_id, quantity - has, held.pk)
            if has + len(picked) < quantity and not may_be_short:
                raise ShortStock(f"{has + len(picked)} of {quantity} units of product {product_id} can be held")
            if picked:
                changed(product_id)
            has += len(picked)
        return Held(held, min(has, quantity))


def release(hold_id: int) -> int:
    """End a hold; its codes can be sold again. Returns how many. Safe to repeat."""
    return _release(hold_id) or 0


def _release(hold_id: int, *, over_by: datetime | None = None) -> int | None:
    """Release a hold that is open, and over by then if that is asked; None when it is not."""
    with transaction.atomic():
        is_over = Q(until__lte=over_by) if over_by else Q()
        held = Hold.objects.select_for_update(no_key=True).filter(is_over, pk=hold_id, released_at=None).first()
        if held is None:
            return None
        freed = Code.objects.filter(hold=held, state=State.HELD).update(state=State.AVAILABLE, hold=None)
        held.released_at = timezone.now()
        held.save(update_fields=["released_at"])
        if freed:
            changed(held.product_id)
        return freed


def take(*, product_id: int, quantity: int, hold_id: int | None = None) -> list[int]:
    """Pick up to `quantity` codes for a delivery, those of the hold first; returns their ids. None is past its date.

    They are `held` and belong to the caller, who records them in the same transaction. Not safe to repeat by itself.
    """
    with transaction.atomic():
        from_hold: list[int] = []
        if hold_id is not None:
            held = Code.objects.select_for_update(no_key=True).filter(hold_id=hold_id, state=State.HELD)
            today = timezone.now().date()
            held.filter(expires_at__lt=today).update(state=State.EXPIRED, hold=None)
            good = held.filter(Q(expires_at=None) | Q(expires_at__gte=today))
            from_hold = list(good.order_by("position").values_list("pk", flat=True)[:quantity])
            Code.objects.filter(pk__in=from_hold).update(hold=None)
        picked = _pick(product_id, quantity - len(from_hold), None)
        if picked:
            changed(product_id)
        return from_hold + picked


def give_away(*, product_id: int, quantity: int) -> list[int]:
    """Pick up to `quantity` codes for a marketplace's own inventory; returns their ids.

    They are `uploaded` and belong to the caller, who records them in the same transaction. Not safe to repeat by itself.
    """
    with transaction.atomic():
        picked = _pick(product_id, quantity, None)
        _move(picked, [State.HELD], State.UPLOADED)
        if picked:
            changed(product_id)
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
        codes = Code.objects.select_for_update(no_key=True).filter(pk__in=code_ids, state=State.RETURNED)
        found = dict(codes.values_list("pk", "product_id"))
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
    with transaction.atomic():
        codes = Code.objects.filter(pk__in=code_ids)
        moved = codes.filter(state__in=sources, hold=None).update(state=target)
        if moved != len(set(code_ids)):
            raise NotMoved(f"{len(set(code_ids)) - moved} of {len(set(code_ids))} codes can't become {target}")
        if target == State.AVAILABLE:
            changed(*codes.values_list("product_id", flat=True).distinct())


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


def sellable(product_id: int) -> int:
    """How many units a new buyer could have now."""
    return can_be_sold(Code.objects.filter(product_id=product_id)).count()


def sellable_of(product_ids: Iterable[int]) -> Mapping[int, int]:
    """How many units of each product a new buyer could have now; 0 for one that has none. One statement."""
    codes = can_be_sold(Code.objects.filter(product_id__in=set(product_ids)))
    return Counter(dict(codes.order_by().values_list("product_id").annotate(units=Count("pk"))))


def count(product_id: int) -> dict[str, int]:
    """Units of a product by state; every state is there."""
    rows = Code.objects.filter(product_id=product_id).values_list("state").annotate(units=Count("pk"))
    found = Counter(dict(rows))
    return {state.value: found[state.value] for state in State}


def changed(*product_ids: int) -> None:
    """Write down, in the transaction of the change, that products can sell more or less than before."""
    unique: Iterable[int] = dict.fromkeys(product_ids)
    for product_id in unique:
        StockChange.objects.create(product_id=product_id)
        queue.enqueue("inventory.tasks.stock_changed", product_id)
