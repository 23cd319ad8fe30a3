"""Orders of goods, as a marketplace shows them and as our books have them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from marketplaces.models import ApiCall
from marketplaces.types import Address, OrderState, RemoteOrder, RemoteOrderLine
from orders.models import Order, OrderEvent

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
STREET, PERSON = "1 Planted Ave", "Planted Buyer"


def later(minutes: float) -> datetime:
    return AT + timedelta(minutes=minutes)


def shown(**fields: Any) -> RemoteOrder:
    """An order as reading it shows it."""
    values: dict[str, Any] = {
        "external_id": "123456", "state": OrderState.NEW, "status_word": "O", "currency": "USD",
        "amount": Decimal("15.00"), "buyer": PERSON, "email": "planted@example.com", "phone": "(000)-000-0000",
        "ship_to": Address(name=PERSON, street=STREET, city="Testville", country="US"), "needs_shipping": True,
        "lines": [RemoteOrderLine("424186180", external_offer_id="123456", sku="LM1", name="Demo mask", quantity=3)],
        "number": "N-1", "channel": "SHOP", "created_at": AT, "asked_at": later(1),
    }  # fmt: skip
    return RemoteOrder(**{**values, **fields})


def row(**fields: Any) -> RemoteOrder:
    """The same order as a row of a list."""
    values: dict[str, Any] = {
        "external_id": "123456", "state": OrderState.NEW, "status_word": "O", "amount": Decimal("15.00"),
        "created_at": AT, "is_summary": True, "needs_shipping": True, "asked_at": later(1),
    }  # fmt: skip
    return RemoteOrder(**{**values, **fields})


def calls(*operations: str) -> int:
    """How many requests of ours were of these operations; all of them without."""
    made = ApiCall.objects.all()
    return made.filter(operation__in=operations).count() if operations else made.count()


def told(order: Order, kind: str) -> list[str]:
    return list(OrderEvent.objects.filter(order=order, kind=kind).order_by("pk").values_list("text", flat=True))
