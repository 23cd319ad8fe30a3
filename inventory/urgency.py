"""Which of an account's due offers goes first: what is sold out, then fewer units, then more, then prices, then texts."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import QuerySet

from inventory import shelves
from inventory.models import Offer
from inventory.shelves import Place, Shelves

Change = Offer.Change
COLUMNS = (
    "pk", "urgency", "product_id", "external_id", "is_active", "account_id", "account__marketplace", "quantity", "price",
    "pushed_quantity", "pushed__price",
)  # fmt: skip


def note(offers: QuerySet[Offer]) -> None:
    """Write down what differs most from what is shown there, in the transaction that makes the offers due.

    It compares with what was pushed last, so that the newest change counts and two changes are one. A few statements,
    however many offers there are.
    """
    rows = list(offers.order_by().values(*COLUMNS))
    found = shelves.read(_place(row) for row in rows)
    fresh: dict[Change, list[int]] = {}
    for row in rows:
        if (change := of(row, found)) != row["urgency"]:
            fresh.setdefault(change, []).append(row["pk"])
    for urgency, pks in fresh.items():
        Offer.objects.filter(pk__in=pks).update(urgency=urgency)


def _place(row: Mapping[str, Any]) -> Place:
    return Place(row["pk"], row["product_id"], row["account_id"], row["account__marketplace"])


def of(row: Mapping[str, Any], found: Shelves) -> Change:
    """Say what differs most, of an offer's `COLUMNS`."""
    is_sold = row["is_active"] and row["product_id"] is not None
    wanted = found.shown(_place(row), row["quantity"]) if is_sold else 0
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
