"""What a recall means for orders: what is picked is exchanged, and for what was sold a person decides.

Marketplaces have no call for it, so a replacement is given to the buyer by hand, and money in the marketplace's own pages;
here stands who gets what, who decided, and what it is worth.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from inventory import stock
from inventory.models import Code, Recall
from orders import decisions, timeline
from orders.models import Delivery, DeliveryItem, Order, Remedy

Kind = Remedy.Kind
GONE = (Code.State.SENT, Code.State.DELIVERED)


def codes_recalled(*, recall: Recall, was: Mapping[int, str], **kwargs: Any) -> None:
    """Exchange what is picked and has not left, and write down which buyers have a bad code. Safe to repeat."""
    picked = [pk for pk, state in was.items() if state == Code.State.HELD]
    for code in Code.objects.filter(pk__in=picked, state=Code.State.HELD).defer("sealed", "index"):
        decisions.replace(code, by=recall.by)
    gone = [pk for pk, state in was.items() if state in (*GONE, Code.State.HELD)]
    sold = DeliveryItem.objects.filter(code__in=gone, withdrawn_at=None, returned_at=None).exclude(sent_at=None)
    fresh = list(sold.filter(remedy=None).select_related("delivery__line__order").order_by("pk"))
    Remedy.objects.bulk_create([Remedy(recall=recall, item=item) for item in fresh], ignore_conflicts=True)
    by_order: dict[Order, list[int]] = {}
    for item in fresh:
        by_order.setdefault(item.delivery.order, []).append(item.code_id)
    for order, numbers in by_order.items():
        text = f"{len(numbers)} codes that had left for this order were called back: {recall.reason}"
        timeline.warn(order, "recall", text, data={"codes": numbers, "recall": recall.pk})


def worth(remedies: "QuerySet[Remedy]") -> dict[str, Decimal]:
    """What buyers paid for these codes, by currency, where the price is known."""
    lines = F("item__delivery__line__unit_price")
    rows = remedies.exclude(item__delivery__line__unit_price=None).values_list("item__delivery__line__order__currency")
    return dict(rows.annotate(total=Sum(lines)).order_by())


def replace(remedy: Remedy, *, by: str) -> bool:
    """Set another code aside for the buyer, as delivered by hand; False when it was decided already.

    Whoever gives it to the buyer reveals it on its page, which is recorded. Raises ShortStock. Safe to repeat.
    """
    with transaction.atomic():
        row = _undecided(remedy)
        if row is None:
            return False
        line = row.item.delivery.line
        found = stock.take(product_id=row.item.code.product_id, quantity=1, hold_id=None)
        if not found:
            raise stock.ShortStock(f"No code of {row.item.code.product} is left to replace code {row.item.code_id}")
        now = timezone.now()
        delivery = Delivery.objects.create(
            line=line, account=row.item.delivery.account, external_id=f"recall {row.pk}", is_replacement=True, requested=1,
            confirmed=1, status=Delivery.Status.DELIVERED, state=Delivery.State.DONE, requested_at=now, submitted_at=now,
        )  # fmt: skip
        DeliveryItem.objects.create(delivery=delivery, code_id=found[0], sent_at=now, accepted_at=now)
        stock.mark_sent(found)
        stock.mark_delivered(found)
        _decide(row, Kind.REPLACED, by, replacement_id=found[0])
        text = f"Code {found[0]} is set aside by {by} for the buyer, in place of code {row.item.code_id}."
        timeline.write(line.order, "replacement", text, data={"codes": [found[0]], "recall": row.recall_id})
    return True


def settle(remedy: Remedy, kind: str, *, by: str, note: str = "") -> bool:
    """Write down that the buyer gets the money back, or nothing; False when it was decided already. Safe to repeat."""
    with transaction.atomic():
        row = _undecided(remedy)
        if row is None:
            return False
        _decide(row, Kind(kind), by, note=note[:300])
        said = {Kind.REFUNDED: "refunded in the marketplace's own pages"}.get(Kind(kind), "left as it is")
        text = f"Code {row.item.code_id}, which was called back: {said}, says {by}."
        timeline.write(row.item.delivery.order, "remedy", text, data={"recall": row.recall_id})
    return True


def _undecided(remedy: Remedy) -> Remedy | None:
    rows = Remedy.objects.select_for_update(of=("self",), no_key=True).filter(pk=remedy.pk, kind=Kind.OPEN)
    return rows.select_related("item__delivery__line__order", "item__delivery__account", "item__code__product").first()


def _decide(row: Remedy, kind: Kind, by: str, **facts: Any) -> None:
    Remedy.objects.filter(pk=row.pk).update(kind=kind, by=by, at=timezone.now(), **facts)
