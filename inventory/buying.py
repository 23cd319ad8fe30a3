"""Buy one code at a marketplace, step by step: order, pay, read the key, store it.

advance() is one step that can be taken at any time: it reads where a purchase stands and does what is missing. Before each
call that may happen without an answer, the row says that it is about to be made, so a worker may die between any two
statements and the next one goes on: an order that nobody heard of lapses unpaid, a payment is looked at before it is
repeated, and the key's answer is stored as it came before anybody looks into it. Prices are for one code.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from backoffice import money
from inventory import bought_keys
from inventory.models import Purchase
from marketplaces import outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import MarketplaceError, NotPaid, PermanentError, TemporaryError, UnknownOutcome
from marketplaces.outgoing import Again
from marketplaces.types import PurchaseState, RemotePurchase, Urgency

Stage = Purchase.Stage

# Kinds of errors that say how a purchase goes on; see MarketplaceService.pay_purchase and fetch_purchased_key.
NO_FUNDS, LAPSED, KEY_READ_BEFORE, NOT_READY = "insufficient_funds", "conflict", "key_read_before", "not_ready"

# An order without an answer can't be looked up. One of them may hold stock in vain; before a third one they lapse.
SECOND_ORDER_AFTER = timedelta(minutes=1)
ORDER_LAPSES_AFTER = timedelta(minutes=31)
MOST_ORDERS = 5
MOST_PAYMENTS = 3
# How long an unanswered payment may still be on its way, where the marketplace has a word for "not paid", and where it
# calls both the same.
PAYMENT_SETTLES = timedelta(seconds=10)
PAYMENT_SHOWS = timedelta(seconds=60)
FIRST_LOOK = timedelta(seconds=0.7)
QUICK, QUICK_FOR = timedelta(seconds=2), timedelta(seconds=60)
SLOW, SLOW_FOR = timedelta(seconds=60), timedelta(hours=24)


def advance(pk: int) -> bool:
    """Take a purchase's next step; False when it is not due. Safe to repeat and to run at once."""
    return outgoing.run(Purchase, pk, _step)


def _step(purchase: Purchase) -> Again | None:
    return STEPS[Stage(purchase.stage)](purchase)


def _service(purchase: Purchase, requests: int = 1) -> MarketplaceService:
    service = purchase.account.service()
    service.plan(requests, Urgency.PRICE)
    return service


def _keep(purchase: Purchase, **values: Any) -> None:
    """Write what is known now. Raises TemporaryError when another worker was given the row, as this one took too long."""
    mine = Purchase.objects.filter(
        pk=purchase.pk, state=Purchase.State.IN_FLIGHT, in_flight_since=purchase.in_flight_since
    )
    if not mine.update(**values):
        raise TemporaryError("Another worker goes on with this purchase", kind="taken_over")
    for name, value in values.items():
        setattr(purchase, name, value)


def _is_young(purchase: Purchase) -> bool:
    """A claim must not last longer than a task may: only one that is young makes another long call."""
    return purchase.in_flight_since is not None and timezone.now() - purchase.in_flight_since < outgoing.YOUNG


def _again(after: timedelta = timedelta(0), because: str = "", *, is_unknown: bool = False) -> Again:
    return Again(timezone.now() + after, because, is_unknown=is_unknown)


# --- order -------------------------------------------------------------------------------------------------------


def _order(purchase: Purchase) -> Again | None:
    if again := _until_next_order(purchase):
        return again
    if purchase.creates >= MOST_ORDERS:
        raise PermanentError(
            f"Ordered {purchase.creates} times, and no order could be paid. Nothing was spent; look at the marketplace's"
            " status page, then press “Process again”",
            kind="unanswered",
        )
    service = _service(purchase, 2)
    _keep(purchase, stage=Stage.WANTED, creates=purchase.creates + 1, ordered_at=timezone.now())
    try:
        remote = service.create_purchase(
            purchase.external_product_id, max_price=purchase.max_price, currency=purchase.currency
        )
    except UnknownOutcome as error:
        because = f"{error}. An unpaid order costs nothing and lapses; another is made in a while."
        return _again(_order_pause(purchase), because, is_unknown=True)
    except MarketplaceError:  # there certainly is no order
        _keep(purchase, creates=purchase.creates - 1)
        raise
    _keep(
        purchase, stage=Stage.CREATED, external_id=remote.external_id, price=remote.price, payments=0,
        status_word=remote.status_word[:60],
    )  # fmt: skip
    purchase.must_look = False  # it is known now what became of this order
    _check_currency(purchase, remote)
    return _pay(purchase, service) if _is_young(purchase) else _again()


def _until_next_order(purchase: Purchase) -> Again | None:
    """Wait while the order that an earlier try may have made holds stock in vain."""
    if not purchase.must_look or purchase.stage != Stage.WANTED or purchase.ordered_at is None:
        return None
    at = purchase.ordered_at + _order_pause(purchase)
    if at <= timezone.now():
        return None
    return Again(at, "The order may have been made without an answer; it lapses unpaid.", is_unknown=True)


def _order_pause(purchase: Purchase) -> timedelta:
    return SECOND_ORDER_AFTER if purchase.creates < 2 else ORDER_LAPSES_AFTER


def _let_lapse(purchase: Purchase, stage: str) -> str:
    """Leave an unpaid order behind; returns its id."""
    left = purchase.external_id
    _keep(purchase, stage=stage, external_id="", price=None, lapsed=[*purchase.lapsed, left])
    return left


# --- pay ---------------------------------------------------------------------------------------------------------


def _go_on_to_pay(purchase: Purchase) -> Again | None:
    return _pay(purchase, _service(purchase, 2 if purchase.price is None else 1))


def _pay(purchase: Purchase, service: MarketplaceService) -> Again | None:
    if purchase.price is None:
        service.plan(2, Urgency.PRICE)
        remote = _look(purchase, service)
        _check_currency(purchase, remote)
        _keep(purchase, price=remote.price)
    _check_price(purchase)
    _keep(purchase, stage=Stage.PAYING, payments=purchase.payments + 1, pay_asked_at=timezone.now())
    try:
        service.pay_purchase(purchase.external_id)
    except UnknownOutcome:
        raise
    except TemporaryError as error:
        if error.kind == NOT_READY:  # somebody's payment may be on its way
            return _again(QUICK, str(error), is_unknown=True)
        _was_not_paid(purchase, Stage.CREATED)
        raise
    except PermanentError as error:
        return _payment_refused(purchase, error)
    except MarketplaceError:
        _was_not_paid(purchase, Stage.CREATED)
        raise
    return _is_paid(purchase, Stage.PAID, FIRST_LOOK)


def _check_currency(purchase: Purchase, remote: RemotePurchase) -> None:
    if remote.currency in ("", purchase.currency):
        return
    order_id = _let_lapse(purchase, Stage.WANTED)
    raise PermanentError(
        f"Order {order_id} is in {remote.currency}, the ceiling is in {purchase.currency}. It is not paid and lapses; order"
        f" in {remote.currency}",
        kind="price",
    )


def _check_price(purchase: Purchase) -> None:
    if purchase.price is not None and purchase.price <= purchase.max_price:
        return
    price = money.display(purchase.price, purchase.currency) or "a price that is not told"
    order_id = _let_lapse(purchase, Stage.WANTED)
    raise PermanentError(
        f"Order {order_id} costs {price}, the ceiling is {money.display(purchase.max_price, purchase.currency)}. It is not"
        " paid and lapses. Press “Process again” when the price is lower, or order with a higher ceiling",
        kind="price",
    )


def _was_not_paid(purchase: Purchase, stage: str) -> None:
    _keep(purchase, stage=stage, payments=purchase.payments - 1)


def _payment_refused(purchase: Purchase, error: PermanentError) -> Again:
    if error.kind == LAPSED:
        _was_not_paid(purchase, Stage.PAYING)
        order_id = _let_lapse(purchase, Stage.EXPIRED)
        return _again(because=f"Order {order_id} lapsed before it was paid; a new one is made.")
    if error.kind != NO_FUNDS:
        _was_not_paid(purchase, Stage.CREATED)
        raise error
    _was_not_paid(purchase, Stage.UNFUNDED)
    raise PermanentError(
        f"{error.message}. Order {purchase.external_id} is not paid; with the money there, press “Process again”",
        kind=NO_FUNDS, operation=error.operation, code=error.code, status=error.status, request_id=error.request_id,
    ) from error  # fmt: skip


def _is_paid(purchase: Purchase, stage: str, after: timedelta = timedelta(0)) -> Again:
    _keep(purchase, stage=stage, paid_at=timezone.now())
    return _again(after)


def _look_whether_paid(purchase: Purchase) -> Again | None:
    """Settle a payment that was asked for and not answered. It is only repeated when it certainly was not made."""
    since = timezone.now() - (purchase.pay_asked_at or timezone.now())
    # Planned as a whole: what is granted bit by bit would be spent on looking again and again.
    service = _service(purchase, 1 if since < PAYMENT_SETTLES else 2 if since < PAYMENT_SHOWS else 3)
    remote = _look(purchase, service)
    if remote.state == PurchaseState.COMPLETE:
        return _is_paid(purchase, Stage.COMPLETE)
    if remote.state == PurchaseState.CREATED and since >= PAYMENT_SETTLES and _is_young(purchase):
        return _pay_again(purchase, service)
    if remote.state == PurchaseState.PENDING and since >= PAYMENT_SHOWS and _is_young(purchase):
        return _ask_for_key(purchase, service)
    if since > SLOW_FOR:
        raise PermanentError(
            f"The payment of order {purchase.external_id} was never answered, and the marketplace does not say whether it"
            " was made. Ask there, then press “Process again”",
            kind="unanswered",
        )
    return _again(_pause(since), "The payment was not answered; looking whether it was made.", is_unknown=True)


def _ask_for_key(purchase: Purchase, service: MarketplaceService) -> Again | None:
    """Where one word stands for paid and not paid, the key tells which: it is there, or why it is not."""
    try:
        _receive_key(purchase, service)
    except NotPaid:
        return _pay_again(purchase, service) if _is_young(purchase) else _again(is_unknown=True)
    except TemporaryError as error:
        if error.kind != NOT_READY:
            raise
        return _is_paid(purchase, Stage.PAID, QUICK)
    _store(purchase)
    return None


def _pay_again(purchase: Purchase, service: MarketplaceService) -> Again | None:
    if purchase.payments < MOST_PAYMENTS:
        return _pay(purchase, service)
    raise PermanentError(
        f"{purchase.payments} payments of order {purchase.external_id} got no answer, and the marketplace says that it is"
        " not paid. Look there at order and funds, then press “Process again”",
        kind="unanswered",
    )


# --- wait and read the key ---------------------------------------------------------------------------------------


def _look(purchase: Purchase, service: MarketplaceService) -> RemotePurchase:
    remote = service.fetch_purchase(purchase.external_id)
    _keep(purchase, status_word=remote.status_word[:60])
    return remote


def _pause(since: timedelta) -> timedelta:
    return QUICK if since < QUICK_FOR else SLOW


def _wait(purchase: Purchase) -> Again | None:
    if _look(purchase, _service(purchase)).state == PurchaseState.COMPLETE:
        _keep(purchase, stage=Stage.COMPLETE)
        return _again()
    since = timezone.now() - (purchase.paid_at or timezone.now())
    if since > SLOW_FOR:
        raise PermanentError(
            f"Order {purchase.external_id} was paid over a day ago and is still “{purchase.status_word}” there. Ask the"
            " marketplace, then press “Process again”",
            kind="overdue",
        )
    return _again(_pause(since), f"Paid; the marketplace shows it as “{purchase.status_word}”.")


def _read_key(purchase: Purchase) -> Again | None:
    if purchase.answer is None:
        try:
            _receive_key(purchase, _service(purchase))
        except TemporaryError as error:
            if error.kind != NOT_READY:
                raise
            _keep(purchase, stage=Stage.PAID)
            return _again(QUICK, str(error))
    _store(purchase)
    return None


def _receive_key(purchase: Purchase, service: MarketplaceService) -> None:
    """Ask for the key and store its answer as it came, in a transaction of its own. Nothing looks into it before that."""
    _keep(purchase, key_reads=purchase.key_reads + 1, key_asked_at=timezone.now())
    try:
        answer = service.fetch_purchased_key(purchase.external_id)
    except PermanentError as error:
        if error.kind != KEY_READ_BEFORE:
            raise
        purchase.refresh_from_db(fields=["answer"])
        if purchase.answer is None:
            _key_is_lost(purchase, error)
        return
    purchase.answer, purchase.stage = answer.decode("latin-1"), Stage.KEY_READ
    purchase.paid_at = purchase.paid_at or timezone.now()
    # Whoever has the row by now: this answer will not be given again.
    purchase.save(update_fields=["answer", "stage", "paid_at"])


def _key_is_lost(purchase: Purchase, error: PermanentError) -> None:
    _keep(purchase, stage=Stage.KEY_LOST, paid_at=purchase.paid_at or timezone.now())
    raise PermanentError(
        f"The key of order {purchase.external_id} was read before, and its answer never reached our books. It is paid and"
        " not in stock: ask the marketplace's support for it, and import what they send",
        kind="key_lost", operation=error.operation, code=error.code, status=error.status, request_id=error.request_id,
    ) from error  # fmt: skip


# --- into stock --------------------------------------------------------------------------------------------------


def _store(purchase: Purchase) -> None:
    """Read the stored answer and bring its code into stock, with its cost. Safe to repeat."""
    text, kind = bought_keys.read(purchase)
    with transaction.atomic():
        batch, code = bought_keys.bring_in(purchase, text, kind)
        _keep(purchase, stage=Stage.STORED, batch=batch, code=code, stored_at=timezone.now())


def _nothing(purchase: Purchase) -> None:
    """It is over."""


STEPS: dict[Stage, Callable[[Purchase], Again | None]] = {
    Stage.WANTED: _order,
    Stage.EXPIRED: _order,
    Stage.CREATED: _go_on_to_pay,
    Stage.UNFUNDED: _go_on_to_pay,
    Stage.PAYING: _look_whether_paid,
    Stage.PAID: _wait,
    Stage.COMPLETE: _read_key,
    Stage.KEY_LOST: _read_key,
    Stage.KEY_READ: _store,
    Stage.STORED: _nothing,
    Stage.GIVEN_UP: _nothing,
}
