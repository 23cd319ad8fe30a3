"""Codes that leave with a parcel: a marketplace that takes no codes from us is told of a parcel, and a person gives them out.

They stand in a delivery that was done by hand, one for each item of a parcel, so that they are sold to nobody else and it is
known who has them. The caller has locked the order; whatever is repeated moves the difference alone.
"""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from inventory import stock
from orders import timeline
from orders.models import Delivery, DeliveryItem, OrderLine


def hand_over(line: OrderLine, quantity: int, *, reference: str) -> int:
    """Take codes for units that left, those that are set aside for the line first; returns how many there were.

    Never more than were bought, whatever the parcels say.
    """
    has = DeliveryItem.objects.filter(
        delivery__line=line, delivery__is_replacement=False, withdrawn_at=None, returned_at=None
    )
    quantity = min(quantity, line.quantity - has.count())
    if line.product is None or quantity < 1:
        return 0
    with transaction.atomic():
        taken = stock.take(product_id=line.product.pk, quantity=quantity, hold_id=line.hold_id)
        if not taken:
            return 0
        now = timezone.now()
        delivery, _ = Delivery.objects.get_or_create(
            line=line,
            external_id=reference,
            defaults={
                "account": line.order.account, "requested": 0, "status": Delivery.Status.DELIVERED,
                "state": Delivery.State.DONE, "requested_at": line.order.ordered_at, "submitted_at": now,
            },
        )  # fmt: skip
        more = len(taken)
        Delivery.objects.filter(pk=delivery.pk).update(requested=F("requested") + more, confirmed=F("confirmed") + more)
        DeliveryItem.objects.bulk_create(
            DeliveryItem(delivery=delivery, code_id=pk, sent_at=now, accepted_at=now) for pk in taken
        )
        stock.mark_sent(taken)
        stock.mark_delivered(taken)
        text = f"{more} codes are the buyer's with this parcel; they stand in delivery {reference}."
        timeline.write(line.order, "handed_over", text, data={"codes": taken})
    return more


def take_back(*, reference: str, quantity: int | None = None) -> int:
    """Have codes back of a parcel's units that did not leave, at most `quantity`; returns how many.

    Somebody may have seen them, so a person decides whether they are sold again.
    """
    with transaction.atomic():
        there = DeliveryItem.objects.select_for_update(of=("self",), no_key=True).filter(
            delivery__external_id=reference, withdrawn_at=None, returned_at=None
        )
        items = list(there.order_by("-pk")[:quantity])
        if items:
            DeliveryItem.objects.filter(pk__in=[item.pk for item in items]).update(returned_at=timezone.now())
            stock.take_back([item.code_id for item in items])
    return len(items)
