"""Send the codes of a delivery: marked as sent before they leave, lot by lot, while the order may be delivered."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice.crypto import CannotOpen
from inventory import codes, stock
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import MarketplaceError, TemporaryError, UnknownOutcome
from marketplaces.types import CodeToSend
from orders import results
from orders.models import Delivery, DeliveryItem, Order


def set_repeated(delivery: Delivery, at: datetime | None) -> None:
    """Note when a lot was sent a second time; None when nothing is lost any more. Safe to repeat."""
    if delivery.repeated_at != at:
        delivery.repeated_at = at
        delivery.save(update_fields=["repeated_at"])


def send_lots(
    delivery: Delivery, items: Sequence[DeliveryItem], known: Mapping[int, str], service: MarketplaceService
) -> int | None:
    """Send those of the items that have not left; returns how many of all have, or None when the order was closed or halted
    before they all had. `known` is what some of the codes hold.
    """
    unsent = [item for item in items if item.sent_at is None]
    count = len(items) - len(unsent)
    for start in range(0, len(unsent), service.codes_per_call):
        picked = unsent[start : start + service.codes_per_call]
        plain = plain_of(picked, known)  # before they are marked: what can't be opened has not left
        lot = mark_sent(delivery, picked)
        if lot is None:
            return None
        if lot:
            _send_first(delivery, lot, plain, service)
        if start + len(picked) < len(unsent):  # the last one is written down with the new status
            delivery.save(update_fields=["submitted_at"])
        count += len(lot)
    return count


def plain_of(items: Sequence[DeliveryItem], known: Mapping[int, str]) -> Mapping[int, str]:
    """What codes hold, by their ids; `known` is used where it has all. Raises TemporaryError when one can't be opened."""
    if all(item.code_id in known for item in items):
        return known
    try:
        return codes.plaintexts([item.code_id for item in items])
    except CannotOpen as error:
        numbers = ", ".join(str(item.code_id) for item in items[:5])
        raise TemporaryError(
            f"Codes can't be opened (among {numbers}): {error}. Check the secret keys of this installation; a code that is"
            " broken by itself can be replaced on its page",
            kind="unreadable",
        ) from None


def mark_sent(delivery: Delivery, items: Sequence[DeliveryItem]) -> list[DeliveryItem] | None:
    """Write down that codes are about to leave; those withdrawn in the meantime are left out.

    None when the order may not be delivered any more: it is locked as for an import, so one of the two comes first.
    """
    with transaction.atomic():
        locked = Order.objects.select_for_update(no_key=True).values_list("state", flat=True)
        delivery.line.order.state = locked.get(pk=delivery.line.order_id)
        if not results.may_be_delivered(delivery):
            return None
        still = DeliveryItem.objects.filter(pk__in=[item.pk for item in items], withdrawn_at=None, sent_at=None)
        now = timezone.now()
        lot = list(items)
        if still.update(sent_at=now) < len(lot):  # some were withdrawn: those that are marked now are ours
            lot = list(DeliveryItem.objects.filter(pk__in=[item.pk for item in items], sent_at=now).order_by("pk"))
        stock.mark_sent([item.code_id for item in lot])
        return lot


def _send_first(
    delivery: Delivery, lot: Sequence[DeliveryItem], plain: Mapping[int, str], service: MarketplaceService
) -> None:
    try:
        send(delivery, lot, plain, service)
    except UnknownOutcome:
        raise
    except MarketplaceError:  # it certainly was not taken, so the lot has not left
        with transaction.atomic():
            DeliveryItem.objects.filter(pk__in=[item.pk for item in lot]).update(sent_at=None)
            stock.unmark_sent([item.code_id for item in lot])
        raise


def send(
    delivery: Delivery, lot: Sequence[DeliveryItem], plain: Mapping[int, str], service: MarketplaceService
) -> None:
    to_send = [CodeToSend(content=plain[item.code_id], reference=item.reference) for item in lot]
    service.send_codes(delivery.order.external_id, delivery.external_id, to_send)
    DeliveryItem.objects.filter(pk__in=[item.pk for item in lot]).update(accepted_at=timezone.now())
    set_repeated(delivery, None)
    delivery.submitted_at = delivery.submitted_at or timezone.now()  # saved by the caller
