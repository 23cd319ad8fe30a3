"""Order codes at a marketplace, see how far an order is, and decide about purchases that need a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Case, Count, Q, QuerySet, Sum, Value, When
from django.utils import timezone

from inventory.models import Product, Purchase
from marketplaces import outgoing
from marketplaces.models import Account

State, Stage = Purchase.State, Purchase.Stage

NEEDED = ("get_product", "create_purchase", "pay_purchase", "fetch_purchase", "fetch_purchased_key")
MOST_AT_ONCE = 1000
# No money has left for these, and none is on its way.
UNPAID = (Stage.WANTED, Stage.CREATED, Stage.UNFUNDED, Stage.EXPIRED)


class CannotBuy(ValueError):
    """It can't be ordered so; the text says why and what is possible."""


@dataclass(frozen=True)
class Progress:
    """How far a run is, in codes; `spent` is in `currency`. What was given up is not counted, unless it was paid."""

    run: UUID
    wanted: int
    bought: int
    in_stock: int
    needs_attention: Sequence[Purchase]
    waiting: int
    spent: Decimal
    currency: str


@dataclass(frozen=True)
class Continued:
    """A run that goes on: how many of its codes were wanted before, and how many were added."""

    run: UUID
    known: int
    added: int


# --- order -------------------------------------------------------------------------------------------------------


def can_buy(account: Account) -> bool:
    """Say whether codes can be bought through this account."""
    return account.is_enabled and all(account.service_class.supports(operation) for operation in NEEDED)


def order(
    *,
    account: Account,
    external_product_id: str,
    product: Product,
    quantity: int,
    max_price: Decimal,
    currency: str,
    by: str,
    run: UUID | None = None,
) -> UUID:
    """Order `quantity` codes of the marketplace's product for stock of ours, each for at most `max_price`; returns the run.

    Money is spent from here on, by workers. Safe to repeat with the same `run`: then nothing is added. Raises CannotBuy.
    """
    _check(account, external_product_id, quantity, max_price, currency)
    run = run or uuid4()
    with transaction.atomic():
        Product.objects.select_for_update(no_key=True).get(pk=product.pk)
        if not Purchase.objects.filter(run=run).exists():
            _add(
                quantity, run=run, account=account, external_product_id=external_product_id, product=product,
                max_price=max_price, currency=currency, requested_by=by,
            )  # fmt: skip
    return run


def order_up_to(
    *,
    account: Account,
    external_product_id: str,
    product: Product,
    quantity: int,
    max_price: Decimal,
    currency: str,
    by: str,
) -> Continued:
    """Go on with the unfinished run for the same, up to `quantity` in total, or begin one. Safe to repeat until it is done.

    The ceiling counts for everything that is not ordered yet; what needed a person is tried again. Raises CannotBuy.
    """
    _check(account, external_product_id, quantity, max_price, currency)
    with transaction.atomic():
        Product.objects.select_for_update(no_key=True).get(pk=product.pk)
        run = unfinished(account=account, external_product_id=external_product_id, product=product)
        known = _counted(run).count() if run else 0
        if run and currency != (in_use := progress(run).currency):
            raise CannotBuy(
                f"The same is being bought in {in_use} already (run {run}). Order in {in_use}, or give it up."
            )
        run = run or uuid4()
        unordered = Purchase.objects.filter(run=run, stage__in=[Stage.WANTED, Stage.EXPIRED])
        unordered.exclude(state=State.IN_FLIGHT).update(max_price=max_price)
        process_again(Purchase.objects.filter(run=run, state=State.NEEDS_ATTENTION))
        added = max(quantity - known, 0)
        _add(
            added, run=run, account=account, external_product_id=external_product_id, product=product,
            max_price=max_price, currency=currency, requested_by=by,
        )  # fmt: skip
        return Continued(run, known, added)


def unfinished(*, account: Account, external_product_id: str, product: Product) -> UUID | None:
    """Return the newest run for the same of which something is under way or waits for a person."""
    rows = Purchase.objects.filter(account=account, external_product_id=external_product_id, product=product)
    return rows.exclude(stage__in=Purchase.OVER).order_by("-pk").values_list("run", flat=True).first()


def _check(account: Account, external_product_id: str, quantity: int, max_price: Decimal, currency: str) -> None:
    if not can_buy(account):
        label = account.service_class.label
        reason = "it is switched off" if not account.is_enabled else f"{label} sells us no codes"
        raise CannotBuy(f'Nothing can be bought through account "{account}": {reason}.')
    if not external_product_id:
        raise CannotBuy("Say which product of the marketplace is to be bought.")
    if not 1 <= quantity <= MOST_AT_ONCE:
        raise CannotBuy(f"{quantity} can't be bought at once: 1 to {MOST_AT_ONCE:,} can.")
    if not Decimal(0) < max_price < Decimal(10) ** 10 or max_price != max_price.quantize(Decimal("0.01")):
        raise CannotBuy("The ceiling takes an amount above 0 with up to 2 decimal places, such as 4.20.")
    if len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise CannotBuy("A currency has three letters, such as EUR.")


def _add(count: int, **facts: Any) -> None:
    now = timezone.now()
    rows = [Purchase(**facts, state=State.DUE, next_try_at=now) for _ in range(count)]
    added = Purchase.objects.bulk_create(rows)
    outgoing.wake_all(Purchase.objects.filter(pk__in=[row.pk for row in added]))


# --- see ---------------------------------------------------------------------------------------------------------


def _counted(run: UUID) -> QuerySet[Purchase]:
    return Purchase.objects.filter(run=run).exclude(stage=Stage.GIVEN_UP, paid_at=None)


def progress(run: UUID) -> Progress:
    """Count a run. It asks nobody."""
    rows = _counted(run)
    found = rows.aggregate(
        wanted=Count("pk"),
        bought=Count("pk", filter=~Q(paid_at=None)),
        in_stock=Count("pk", filter=Q(stage=Stage.STORED)),
        waiting=Count("pk", filter=Q(state__in=[State.DUE, State.UNKNOWN, State.IN_FLIGHT])),
        spent=Sum("price", filter=~Q(paid_at=None)),
    )
    in_trouble = rows.filter(state=State.NEEDS_ATTENTION).defer("answer").order_by("pk")
    currency = rows.values_list("currency", flat=True).first() or ""
    return Progress(
        run, found["wanted"], found["bought"], found["in_stock"], list(in_trouble), found["waiting"],
        found["spent"] or Decimal(0), currency,
    )  # fmt: skip


# --- decide ------------------------------------------------------------------------------------------------------


def process_again(purchases: QuerySet[Purchase]) -> int:
    """A person asks to go on with purchases now; returns how many. Safe to repeat: nothing that is paid is paid again.

    One whose answer is stored is read from it; one that was not paid for lack of money is paid.
    """
    with transaction.atomic():
        pks = _locked(purchases.exclude(state__in=[State.IN_FLIGHT, State.DONE]))
        rows = Purchase.objects.filter(pk__in=pks)
        rows.filter(state=State.NEEDS_ATTENTION).update(creates=0, payments=0)
        is_unknown = When(outcome_unknown=True, then=Value(State.UNKNOWN.value))
        rows.update(state=Case(is_unknown, default=Value(State.DUE.value)), next_try_at=timezone.now(), attempts=0)
        if pks:
            outgoing.wake_all(rows)
        return len(pks)


def can_be_given_up(purchases: QuerySet[Purchase]) -> QuerySet[Purchase]:
    """Those that no money left for, and those that a person was asked about."""
    waits = Q(state__in=[State.DUE, State.UNKNOWN], stage__in=UNPAID)
    return purchases.filter(waits | Q(state=State.NEEDS_ATTENTION))


def give_up(purchases: QuerySet[Purchase]) -> int:
    """A person ends purchases; returns how many. What was paid stays spent, and an unpaid order lapses. Safe to repeat."""
    with transaction.atomic():
        pks = _locked(can_be_given_up(purchases))
        Purchase.objects.filter(pk__in=pks).update(stage=Stage.GIVEN_UP, state=State.DONE, next_try_at=None, attempts=0)
        return len(pks)


def _locked(purchases: QuerySet[Purchase]) -> list[int]:
    return list(purchases.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
