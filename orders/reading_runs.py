"""Runs that read orders and purchase orders again."""

from collections.abc import Mapping, Sequence
from typing import Any

from marketplaces.runs import TryAgain
from orders.models import OrderReading, PurchaseOrder


class ReadAgain(TryAgain):
    """Take up the readings of orders again; many go in one request where the marketplace can do that."""

    title = "Read again"
    model = OrderReading
    permission = "orders.change_orderreading"
    together = "orders_per_read"
    header = ("order", "account", "now", "problem")

    def columns(self, row: OrderReading, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        return str(row), str(row.account), row.get_state_display(), row.last_error[:80]


class ReadPurchaseOrdersAgain(TryAgain):
    title = "Read again"
    model = PurchaseOrder
    permission = "orders.change_purchaseorder"
    deferred = ("raw", "contact", "lines")
