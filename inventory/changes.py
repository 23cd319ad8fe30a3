"""What every change of stock has in common, whatever the stock is made of."""

from collections.abc import Iterable
from dataclasses import dataclass

from backoffice import queue
from inventory.models import Hold, StockChange

CHANGED_TASK = "inventory.tasks.stock_changed"


class ShortStock(Exception):
    """There is less than was asked for, and nothing was taken."""


class NotMoved(Exception):
    """A code is not in the state it should come from; nothing was changed."""


@dataclass(frozen=True)
class Held:
    hold: Hold
    quantity: int


def changed(*product_ids: int) -> None:
    """Write down, in the transaction of the change, that products can sell more or less than before."""
    unique: Iterable[int] = dict.fromkeys(product_ids)
    for product_id in unique:
        StockChange.objects.create(product_id=product_id)
        queue.enqueue(CHANGED_TASK, product_id)
