"""What a person decides about a delivery's codes: whether the buyer has them, and that one of them is no good."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inventory import stock
from inventory.models import Code
from marketplaces import outgoing
from marketplaces.types import DeliveryKind
from orders import timeline
from orders.models import Delivery, DeliveryItem, Order

UNANSWERED = "unanswered"


def is_unanswered(delivery: Delivery) -> bool:
    """Whether its codes were sent twice without an answer, so that only a person can find out where they are."""
    is_stuck = delivery.state == Delivery.State.NEEDS_ATTENTION and delivery.failure == UNANSWERED
    return is_stuck and delivery.kind == DeliveryKind.CODES and delivery.status in Delivery.OPEN


def buyer_has_them(delivery: Delivery, *, by: str) -> bool:
    """Take in that the codes which were sent have arrived, and go on; False when nobody asks. Safe to repeat."""
    with transaction.atomic():
        row = _locked(delivery)
        if not is_unanswered(row):
            return False
        now = timezone.now()
        numbers = _unaccepted(row)
        DeliveryItem.objects.filter(delivery=row, code__in=numbers).update(accepted_at=now)
        row.submitted_at, row.repeated_at = row.submitted_at or now, None
        row.save(update_fields=["submitted_at", "repeated_at"])
        text = f"{by} found out that the buyer has the {len(numbers)} codes whose answer never came."
        timeline.write(row.order, "arrived", text, data={"codes": numbers})
        _go_on(row)
    return True


def never_arrived(delivery: Delivery, *, by: str) -> bool:
    """Send the same codes again after one more look; False when nobody asks. Safe to repeat."""
    with transaction.atomic():
        row = _locked(delivery)
        if not is_unanswered(row):
            return False
        row.repeated_at = None
        row.save(update_fields=["repeated_at"])
        numbers = _unaccepted(row)
        text = f"{by} found out that the {len(numbers)} codes never arrived; the same codes are sent again."
        timeline.warn(row.order, "never_arrived", text, data={"codes": numbers})
        _go_on(row)
    return True


def can_replace(code: Code) -> bool:
    """Whether the code is picked for a delivery and has certainly not left."""
    return code.state == Code.State.HELD and _picked(code.pk).exists()


def replace(code: Code, *, by: str) -> bool:
    """Set a code apart as faulty that was picked and has not left; its delivery takes another. False when it has left.

    A worker that sends at this moment marks its codes first: one of the two comes second. Safe to repeat.
    """
    with transaction.atomic():
        placed = Order.objects.filter(lines__deliveries__items__in=_picked(code.pk)).first()
        if placed is None:
            return False
        Order.objects.select_for_update(no_key=True).get(pk=placed.pk)  # as whoever hands codes over does
        item = _picked(code.pk).select_for_update(of=("self",), no_key=True).select_related("delivery").first()
        if item is None:
            return False
        item.withdrawn_at = timezone.now()
        item.save(update_fields=["withdrawn_at"])
        stock.set_apart([code.pk])
        text = f"{by} set code {code.pk} apart as faulty before it left; another is taken."
        timeline.warn(placed, "faulty", text, data={"codes": [code.pk]})
        _go_on(item.delivery)
    return True


def _picked(code_id: int) -> QuerySet[DeliveryItem]:
    return DeliveryItem.objects.filter(
        code=code_id, sent_at=None, withdrawn_at=None, returned_at=None, delivery__status__in=Delivery.OPEN
    )


def _unaccepted(delivery: Delivery) -> list[int]:
    sent = DeliveryItem.objects.filter(delivery=delivery, withdrawn_at=None, accepted_at=None).exclude(sent_at=None)
    return list(sent.order_by("pk").values_list("code_id", flat=True))


def _locked(delivery: Delivery) -> Delivery:
    rows = Delivery.objects.select_for_update(of=("self",), no_key=True).select_related("line__order")
    return rows.get(pk=delivery.pk)


def _go_on(delivery: Delivery) -> None:
    rows = Delivery.objects.filter(pk=delivery.pk)
    outgoing.mark_due(rows)
    outgoing.wake_all(rows)
