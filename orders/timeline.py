"""Write an order's timeline: what happened, in plain words, once per event."""

import logging
from typing import Any

from backoffice import correlation
from orders.models import Order, OrderEvent

log = logging.getLogger(__name__)

Level = OrderEvent.Level


def write(
    order: Order,
    kind: str,
    text: str,
    *,
    level: str = Level.INFO,
    event_id: str = "",
    data: dict[str, Any] | None = None,
) -> bool:
    """Add an entry; False when this `event_id` already has one of this kind. Never give it a code or a buyer's data."""
    entry = {"level": level, "text": text[:500], "data": data or {}}
    with correlation.about(correlation.of(order.account_id, order.external_id)):
        log.info("Order %s: %s", order.external_id, kind)
    if not event_id:
        OrderEvent.objects.create(order=order, kind=kind, **entry)
        return True
    _, is_new = OrderEvent.objects.get_or_create(order=order, kind=kind, event_id=event_id, defaults=entry)
    return is_new


def warn(order: Order, kind: str, text: str, *, event_id: str = "", data: dict[str, Any] | None = None) -> bool:
    """Add an entry that a person should see."""
    return write(order, kind, text, level=Level.WARNING, event_id=event_id, data=data)
