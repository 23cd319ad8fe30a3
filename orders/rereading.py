"""Read paid orders again of which no event may come: whose goods the marketplace hands over without asking us, and those
that were read a moment before it took note of their delivery.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from inventory.models import Upload
from marketplaces.exceptions import BudgetSpent, MarketplaceError
from marketplaces.types import RemoteOrder
from orders import intake
from orders.models import Delivery, Order

log = logging.getLogger(__name__)

FIRST_AFTER = timedelta(minutes=2)
LOOKED_THROUGH, READ_AT_ONCE = 200, 10


def read_again(now: datetime) -> int:
    """Read such orders; returns how many. Safe to repeat.

    The pauses double with an order's age, so that one that stays open costs little.
    """
    uploaded = Upload.objects.filter(offer__lines__order=OuterRef("pk"), withdrawn_at=None)
    asked = Delivery.objects.filter(line__order=OuterRef("pk"))
    is_given_there = Q(Exists(uploaded), ~Exists(asked))
    is_delivered = Q(
        Exists(asked.filter(status=Delivery.Status.DELIVERED, is_fetched=False)),
        ~Exists(asked.filter(status__in=Delivery.OPEN)),
    )
    waiting = Order.objects.filter(
        is_given_there | is_delivered, state__in=intake.TO_DELIVER, seen_at__lt=now - FIRST_AFTER
    )
    newest = waiting.select_related("account").defer("raw").order_by("-ordered_at")[:LOOKED_THROUGH]
    due = [order for order in newest if _is_due(order, now) and not order.account.is_stopped]
    return sum(_read(order, now) for order in due[:READ_AT_ONCE])


def _is_due(order: Order, now: datetime) -> bool:
    return order.seen_at is not None and now - order.seen_at >= order.seen_at - order.ordered_at


def _read(order: Order, now: datetime) -> bool:
    try:
        intake.refresh(order.account, RemoteOrder(external_id=order.external_id))
    except BudgetSpent:
        return False
    except MarketplaceError as error:
        log.warning("Order %s could not be read again: %s", order, error)
        Order.objects.filter(pk=order.pk).update(seen_at=now)
        return False
    return True
