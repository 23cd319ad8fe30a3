"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

from collections.abc import Sequence

from django.utils import timezone

from marketplaces import outgoing
from orders import (
    acceptance,
    announcing,
    contacts,
    fulfilment,
    mirroring,
    past_sales,
    polling,
    purchase_orders,
    readings,
    reconcile as reconciliation,
    rereading,
    reservations,
    sales,
    topups,
    watching,
)
from orders.models import Acceptance, Delivery, OrderReading, PurchaseOrder, Shipment


def deliver(pk: int) -> None:
    fulfilment.deliver(pk)


def read_order(pk: int) -> None:
    readings.read(pk)


def read_orders(pks: Sequence[int]) -> None:
    readings.read_many(pks)


def read_purchase_order(pk: int) -> None:
    purchase_orders.read(pk)


def accept(pk: int) -> None:
    acceptance.work(pk)


def poll(pk: int) -> None:
    polling.take_turn(pk)


def plan_polls() -> None:
    polling.plan_all(timezone.now())


def reconcile(pk: int) -> None:
    reconciliation.take_turn(pk)


def plan_reconciliations() -> None:
    reconciliation.plan_all(timezone.now())


def ship(pk: int) -> None:
    announcing.step(pk)


def count_sales() -> None:
    sales.refresh(timezone.now())


def add_up_past_sales() -> None:
    past_sales.refresh()


def watch() -> None:
    watching.look()


def sweep() -> None:
    """End reservations whose time is up, erase what was kept long enough, and wake workers for what lost its wake-up."""
    now = timezone.now()
    reservations.end_expired(now)
    for model in (Delivery, Shipment, Acceptance, OrderReading, PurchaseOrder):
        outgoing.sweep(model)
    mirroring.join_strays()
    mirroring.erase(now)
    topups.erase(now)
    contacts.erase(now)
    rereading.read_again(now)
