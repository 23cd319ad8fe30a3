"""What the marketplace says of an order and its delivery, how long we wait for it, and what an end means for our books."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from inventory import stock
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import PermanentError
from marketplaces.outgoing import Again
from marketplaces.types import DeliveryKind, OrderState, RemoteDelivery, RemoteOrder
from orders import intake, timeline
from orders.models import Delivery, DeliveryItem, Shipment

UNPAID_AGAIN = timedelta(minutes=1)
SHORT_AGAIN = timedelta(minutes=5)
# After a call without an answer: look, look again, and only then make the same call once more.
UNANSWERED_AGAIN = timedelta(seconds=30)
UNANSWERED_FOR = timedelta(seconds=settings.UNANSWERED_SECONDS)
# (since it was submitted, pause): how often the result is asked for if no event brings it.
PAUSES = (
    (timedelta(seconds=10), timedelta(seconds=10)),
    (timedelta(minutes=10), timedelta(seconds=30)),
    (timedelta(days=1), timedelta(minutes=5)),
)
# What reading an order may change of its line.
READ_AGAIN = ("offer", "product", "quantity", "delivered", "shipped", "refunded", "hold")
# How long what a buyer filled in is kept after the delivery has ended: it is personal, and may hold a password.
KEEP_BUYER_FIELDS = timedelta(days=30)


def read(delivery: Delivery, service: MarketplaceService) -> RemoteDelivery:
    """Read order and delivery, and write down what is said there. Takes two requests, at most three. Safe to repeat."""
    order = delivery.order
    order = intake.refresh(delivery.account, RemoteOrder(external_id=order.external_id), service)
    delivery.line.refresh_from_db(fields=READ_AGAIN)
    delivery.line.order = order
    remote = service.fetch_delivery(order.external_id, delivery.external_id)
    delivery.checked_at = timezone.now()
    delivery.status_word = remote.status_word[:60]
    delivery.confirmed = remote.delivered if remote.delivered is not None else delivery.confirmed
    delivery.expires_at = remote.expires_at or delivery.expires_at
    delivery.save(update_fields=["checked_at", "status_word", "confirmed", "expires_at"])
    if remote.requested is not None and remote.requested < delivery.requested:
        _ask_for_less(delivery, remote.requested)
    return remote


def _ask_for_less(delivery: Delivery, requested: int) -> None:
    """Follow the marketplace when it asks for fewer units than before, as after a refund; what left stays gone."""
    sent = DeliveryItem.objects.filter(delivery=delivery, withdrawn_at=None).exclude(sent_at=None).count()
    lowered = max(requested, sent, delivery.reported or 0)
    if lowered >= delivery.requested:
        return
    with transaction.atomic():
        text = f"The marketplace asks for {requested} units now, not for {delivery.requested}."
        timeline.write(delivery.order, "quantity", text, data={"delivery": delivery.external_id})
        delivery.requested = lowered
        delivery.save(update_fields=["requested"])
        withdraw_unsent(delivery, keep=lowered - sent)


def withdraw_unsent(delivery: Delivery, *, keep: int = 0) -> None:
    """Return the codes that were picked and have not left to stock, but for the first `keep`. Safe to repeat."""
    with transaction.atomic():
        unsent = DeliveryItem.objects.select_for_update(no_key=True).filter(
            delivery=delivery, withdrawn_at=None, sent_at=None
        )
        surplus = list(unsent.order_by("pk"))[keep:]
        if not surplus:
            return
        DeliveryItem.objects.filter(pk__in=[item.pk for item in surplus]).update(withdrawn_at=timezone.now())
        stock.put_back([item.code_id for item in surplus])


def may_be_delivered(delivery: Delivery) -> bool:
    """Whether units may be handed over, by what was last read of the order."""
    state = delivery.order.state
    return state in intake.TO_DELIVER or (delivery.is_replacement and state == OrderState.DELIVERED)


def not_yet(delivery: Delivery) -> Again:
    """When to look again at an order that is neither to be delivered nor over."""
    word = delivery.order.status_word or delivery.order.get_state_display()
    return Again(timezone.now() + UNPAID_AGAIN, f"Not delivered yet: the marketplace shows the order as “{word}”.")


def unanswered(
    row: Delivery | Shipment, *, since: datetime, patience: timedelta, was_last: bool, because: str, ask: str
) -> Again | None:
    """After a call without an answer: look for so long, let the same be said once more (None), and then ask a person.

    `since` is when it was said first, `was_last` whether it was said as often as it may be. Notes on the row, which the
    caller saves, when it is said again. Raises PermanentError, with what to `ask`, when the last brought nothing either.
    """
    if timezone.now() - (row.repeated_at or since) < patience:
        return Again(timezone.now() + UNANSWERED_AGAIN, because, is_unknown=True)
    if was_last:
        raise PermanentError(ask, kind="unanswered")
    row.repeated_at = timezone.now()
    return None


def set_status(delivery: Delivery, status: Delivery.Status) -> None:
    """Move a delivery on; with its end begins the time after which what the buyer filled in is erased."""
    delivery.status = status
    if status not in Delivery.OPEN and delivery.kind == DeliveryKind.TOP_UP and delivery.erase_at is None:
        delivery.erase_at = timezone.now() + KEEP_BUYER_FIELDS
    delivery.save(update_fields=["status", "erase_at", "submitted_at"])


def pause(delivery: Delivery) -> timedelta:
    """How long to wait before the next look for a result. Raises PermanentError after a day without one."""
    since = delivery.submitted_at
    if since is None:  # after a lost answer nothing was ever submitted by our books, yet codes had left
        of_delivery = DeliveryItem.objects.filter(delivery=delivery, withdrawn_at=None)
        since = of_delivery.aggregate(first=Min("sent_at"))["first"] or delivery.requested_at
    waited = timezone.now() - since
    for until, length in PAUSES:
        if waited < until:
            return length
    raise PermanentError(
        f"The marketplace was told of the delivery of order {delivery.order} a day ago and has not confirmed it. Ask there",
        kind="unconfirmed",
    )
