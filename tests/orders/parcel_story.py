"""Stories with parcels: an order of goods at the make-believe marketplace, and what we do with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from marketplaces.models import ApiCall
from marketplaces.types import RemoteOrder
from orders import intake, shipping
from orders.models import Order, OrderLine, Shipment
from tests.desk import Desk, open_desk

FIVE, TWO = "123456", "200004"  # products of theirs, by what the stories buy of them


class Parcels:
    """One order of five units of one thing and two of another, and its parcels on both sides."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.theirs = desk.sandbox.orders.buy(items=[(FIVE, 5), (TWO, 2)], status="K", force=True)
        self.order = self.read()
        ApiCall.objects.all().delete()

    def read(self) -> Order:
        return intake.refresh(self.desk.account, RemoteOrder(external_id=str(self.theirs.id)))

    def lines(self) -> list[OrderLine]:
        return list(self.order.lines.order_by("pk"))

    def pack(self, *units: int, **fields: Any) -> Shipment:
        """Pack units of the lines, in their order, and wait for nobody."""
        items = {line.pk: count for line, count in zip(self.lines(), units, strict=False)}
        values = {"carrier": "ups", "tracking_number": "1Z1", "shipping_method_id": "44", "by": "ann", **fields}
        return shipping.ship(self.order, items, **values)

    def ship(self, *units: int, **fields: Any) -> Shipment:
        """Pack units, and let the marketplace be told."""
        shipment = self.pack(*units, **fields)
        self.desk.settle()
        shipment.refresh_from_db()
        return shipment

    def there(self) -> list[Any]:
        """What the other side has, the oldest first."""
        return [shipment for shipment in self.desk.sandbox.shipments.made() if shipment.order is self.theirs]

    def make_there(self, *units: int, **fields: Any) -> Any:
        """Somebody ships in the marketplace's own pages."""
        products = {id: count for id, count in zip(self.theirs.items, units, strict=False) if count}
        made = self.desk.sandbox.shipments._add(self.theirs, products, 44)
        for name, value in {"status": "S", "carrier": "ups", "tracking_number": "1Z1", **fields}.items():
            setattr(made, name, value)
        return made

    def shipped(self) -> list[int]:
        return [line.shipped for line in self.lines()]

    def calls(self, operation: str) -> int:
        return ApiCall.objects.filter(operation=operation).count()

    def bodies(self, operation: str) -> list[str]:
        calls = ApiCall.objects.filter(operation=operation).order_by("pk")
        return [call.request.replace(" ", "") for call in calls]


@contextmanager
def open_market() -> Iterator[Desk]:
    with open_desk("gcommerce", "Main G-Commerce", requests_per_minute=6000) as desk:
        desk.sandbox.switches.limit = 100_000
        yield desk
