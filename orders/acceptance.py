"""Confirm an order to its buyer, once, because a person wants it."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from backoffice import correlation
from marketplaces import outgoing, pump
from marketplaces.exceptions import PermanentError
from marketplaces.models import Account
from marketplaces.types import OrderState, RemoteOrder, Urgency
from orders import intake, timeline
from orders.models import Acceptance, Order

# An order that was read longer ago is read again first: somebody may have accepted it there.
FRESH = timedelta(minutes=10)
ACCEPTABLE = frozenset({OrderState.NEW, OrderState.ON_HOLD})
ASLEEP = (Acceptance.State.DONE, Acceptance.State.NEEDS_ATTENTION)
# Accepted, or further.
ACCEPTED = frozenset(
    {
        OrderState.ACCEPTED, OrderState.READY_TO_SHIP, OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED,
    }
)  # fmt: skip


def has_acceptance(account: Account) -> bool:
    """Whether orders of this account's marketplace are accepted at all."""
    return account.service_class.supports("accept_order")


def can_accept(order: Order) -> bool:
    """Whether accepting the order makes sense by what is known of it."""
    return order.state in ACCEPTABLE and has_acceptance(order.account)


def wish_of(order: Order) -> Acceptance | None:
    """Somebody's wish to accept the order, as it was when the order was read with it, else as it is now."""
    return getattr(order, "acceptance", None)


def is_open_to(order: Order) -> bool:
    """Whether a button to accept the order makes sense: it can be, and nobody's wish is on its way."""
    wish = wish_of(order) if can_accept(order) else None
    return can_accept(order) and (wish is None or wish.state in ASLEEP)


def accept(order: Order, *, by: str) -> bool:
    """Wish for an order to be accepted; False when there is nothing to accept, or it is on its way. Safe to repeat."""
    if not can_accept(order):
        return False
    with transaction.atomic():
        row, is_new = Acceptance.objects.get_or_create(
            order=order,
            defaults={"account": order.account, "wished_by": by, "state": Acceptance.State.DUE,
                      "next_try_at": timezone.now()},
        )  # fmt: skip
        if not is_new and not _wish_again(row, by):
            return False
        if order.state == OrderState.ON_HOLD:
            text = f"{by} accepts it though it is on hold there (“{order.status_word}”)."
            timeline.warn(order, "accepting", text)
        else:
            timeline.write(order, "accepting", f"{by} accepts it.")
        pump.plan(Acceptance, order.account)
    return True


def _wish_again(row: Acceptance, by: str) -> bool:
    """Take up a wish that is done or waits for a person; one that is on its way is left to it."""
    asleep = Acceptance.objects.filter(pk=row.pk, state__in=ASLEEP)
    if not asleep.update(wished_by=by, wished_at=timezone.now(), accepted_at=None):
        return False
    return outgoing.try_again(row)


def work(pk: int) -> bool:
    """Accept the order that a person wants accepted; False when it is not due. Safe to repeat and to run at once."""
    return outgoing.run(Acceptance, pk, _step)


def _step(row: Acceptance) -> outgoing.Outcome:
    service, order = row.account.service(), row.order
    correlation.narrow(correlation.of(row.account_id, order.external_id))
    is_to_be_read = row.must_look or _is_old(order)
    service.plan(2 + is_to_be_read, Urgency.DELIVERY)
    if is_to_be_read:
        order = intake.refresh(row.account, RemoteOrder(external_id=order.external_id), service)
    if order.state in ACCEPTED:
        _note(row, order, f"It is {order.get_state_display()} already.")
        return None
    if order.state not in ACCEPTABLE:
        raise _nothing_done(order, f"it is {_said(order)} there")
    try:
        remote = service.accept_order(order.external_id)
    except PermanentError as error:
        if error.kind != "conflict":
            raise
        raise _nothing_done(order, f"the marketplace answered, yet shows no change ({error})") from error
    # Now, not when it was sent: whoever reads in between may still have seen the order as it was.
    order = intake.import_order(account=row.account, remote=intake.as_asked(remote, timezone.now()))
    if order.state not in ACCEPTED:
        raise _nothing_done(order, f"the marketplace answered, yet shows it as {_said(order)}")
    _note(row, order, "It is accepted.")
    return None


def _is_old(order: Order) -> bool:
    return order.is_summary or order.asked_at is None or timezone.now() - order.asked_at > FRESH


def _said(order: Order) -> str:
    return f"{order.get_state_display()} (“{order.status_word}”)"


def _note(row: Acceptance, order: Order, text: str) -> None:
    with transaction.atomic():
        Acceptance.objects.filter(pk=row.pk).update(accepted_at=timezone.now())
        timeline.write(order, "accepted", text)


def _nothing_done(order: Order, because: str) -> PermanentError:
    text = f"Order {order} was not accepted: {because}. Look at it in the marketplace's own pages"
    timeline.warn(order, "not_accepted", f"{text}.")
    return PermanentError(text, kind="conflict")
