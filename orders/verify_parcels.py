"""Check the books of parcels. Reads only; see orders.verify."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import Case, F, IntegerField, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce

from orders.models import OrderLine, Shipment, ShipmentItem
from orders.problems import MOST, Problem, problem

State = Shipment.State

# Units of an item as parcels count them: by the marketplace where it says so, else by us.
UNITS = Coalesce("shipment_items__confirmed", "shipment_items__wanted", Value(0), output_field=IntegerField())
LEFT = Q(shipment_items__shipment__announced_at__isnull=False, shipment_items__shipment__deleted_at=None)


def what_left_is_there() -> Iterator[Problem]:
    """A parcel that was shipped is known at the marketplace, or somebody is finding out whether it is."""
    lost = _rows().filter(external_id="", deleted_at=None).filter(Q(announced_at__isnull=False) | Q(state=State.DONE))
    for shipment in lost.exclude(state__in=[State.UNKNOWN, State.NEEDS_ATTENTION])[: MOST + 1]:
        yield problem(
            "parcel without id",
            f"Parcel {shipment} counts as shipped, but has no id at the marketplace. Look at its order there.",
            shipment=shipment.pk,
        )


def wishes_are_worked_on() -> Iterator[Problem]:
    """What is wished of a parcel will be taken up, or a person is asked."""
    for shipment in _rows().filter(state=State.DONE).exclude(wish="")[: MOST + 1]:
        yield problem(
            "asleep parcel",
            f"Parcel {shipment} is to {shipment.get_wish_display()}, but nothing will take it up. Press “Try again”.",
            shipment=shipment.pk,
        )


def lines_agree_with_parcels() -> Iterator[Problem]:
    """The units of a line that left are those in its order's parcels."""
    # A line that is in no parcel has none to sum up, and is found by its own count.
    for line in _lines().exclude(shipped=F("in_parcels"))[: MOST + 1]:
        yield problem(
            "shipped units",
            f"Line {line.external_id} of order {line.order}: {line.shipped} units are shipped by our books, yet"
            f" {line.in_parcels} are in its parcels.",
            line=line.pk,
        )


def no_line_is_shipped_twice() -> Iterator[Problem]:
    """No more units of a line are in parcels than were bought, unless a person was warned."""
    too_many = _lines().filter(in_parcels__gt=F("quantity") - F("refunded"), refunded=0)
    for line in too_many.exclude(order__timeline__kind="too_many")[: MOST + 1]:
        yield problem(
            "shipped too much",
            f"Line {line.external_id} of order {line.order}: {line.in_parcels} units are in parcels, {line.quantity} were"
            " bought. Look at the order's parcels.",
            line=line.pk,
        )


def stock_agrees_with_parcels() -> Iterator[Problem]:
    """What an item of a parcel took out of stock is what is in the parcel, for products that are counted."""
    counted = ShipmentItem.objects.filter(line__product__kind="counted").annotate(
        should=Case(
            When(shipment__announced_at=None, then=Value(0)),
            When(shipment__deleted_at__isnull=False, then=Value(0)),
            default=Coalesce("confirmed", "wanted", Value(0)),
            output_field=IntegerField(),
        )
    )
    for item in counted.exclude(booked=F("should")).select_related("shipment")[: MOST + 1]:
        yield problem(
            "parcel and stock",
            f"Parcel {item.shipment} has {item.should} × {item.sku}, and {item.booked} were booked out of stock.",
            item=item.pk,
        )


def _rows() -> "QuerySet[Shipment]":
    return Shipment.objects.defer("contact", "raw").order_by("pk")


def _lines() -> "QuerySet[Any]":
    """The lines that are in parcels, or were by our books, with their units there."""
    ever = Q(shipment_items__isnull=False) | Q(shipped__gt=0)
    units = Coalesce(Sum(UNITS, filter=LEFT), Value(0), output_field=IntegerField())
    return OrderLine.objects.filter(ever).select_related("order").defer("order__raw").annotate(in_parcels=units)


CHECKS: tuple[Callable[[], Iterator[Problem]], ...] = (
    what_left_is_there,
    wishes_are_worked_on,
    lines_agree_with_parcels,
    no_line_is_shipped_twice,
    stock_agrees_with_parcels,
)
