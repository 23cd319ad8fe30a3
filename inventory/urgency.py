"""Which of an account's due offers goes first: what is sold out, then fewer units, then more, then prices, then texts."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import QuerySet

from inventory import stock
from inventory.models import Offer

Change = Offer.Change
COLUMNS = (
    "pk", "urgency", "product_id", "external_id", "is_active", "account__sales_held", "quantity", "price", "pushed_quantity",
    "pushed__price",
)  # fmt: skip


def note(offers: QuerySet[Offer]) -> None:
    """Write down what differs most from what is shown there, in the transaction that makes the offers due.

    It compares with what was pushed last, so that the newest change counts and two changes are one. A few statements,
    however many offers there are.
    """
    rows = list(offers.order_by().values(*COLUMNS))
    units = stock.sellable_of(row["product_id"] for row in rows if row["product_id"] is not None)
    fresh: dict[Change, list[int]] = {}
    for row in rows:
        if (found := of(row, units)) != row["urgency"]:
            fresh.setdefault(found, []).append(row["pk"])
    for urgency, pks in fresh.items():
        Offer.objects.filter(pk__in=pks).update(urgency=urgency)


def of(row: Mapping[str, Any], units: Mapping[int, int]) -> Change:
    """Say what differs most, of an offer's `COLUMNS`."""
    wanted = 0
    if row["is_active"] and not row["account__sales_held"] and row["product_id"] is not None:
        wanted = units.get(row["product_id"], 0)
        wanted = wanted if row["quantity"] is None else min(wanted, row["quantity"])
    if not row["external_id"]:
        return Change.PRICE
    shown = row["pushed_quantity"]
    if wanted == 0 and shown != 0:  # a number that nobody knows may be more than none
        return Change.SOLD_OUT
    if wanted != (shown or 0):
        return Change.FEWER if wanted < (shown or 0) else Change.MORE
    return Change.TEXT if _amount(row["pushed__price"]) == row["price"] else Change.PRICE


def _amount(text: Any) -> Decimal | None:
    try:
        return Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        return None
