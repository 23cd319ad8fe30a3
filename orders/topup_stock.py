"""Stock of top-ups whose units are counted: what a person has handed over is out of stock, once.

A line books what was reported for it or what the marketplace counts, whichever is more, and what replaced bad units on top.
The caller has locked the order.
"""

from dataclasses import dataclass

from inventory import goods
from marketplaces.types import DeliveryKind
from orders import booking
from orders.models import Delivery, OrderLine


@dataclass(frozen=True)
class HandedOver:
    """Units of a line that people handed over: those that were bought, and those in place of bad ones."""

    bought: int = 0
    replaced: int = 0


def is_counted(line: OrderLine) -> bool:
    """Whether the line's units are counted and leave by nobody's parcel."""
    return line.product is not None and line.product.is_counted and not line.order.needs_shipping


def handed_over(line: OrderLine) -> HandedOver:
    """What was reported here of each top-up or confirmed by the marketplace, whichever is more.

    What a person has said to have done is gone, whatever the marketplace makes of it.
    """
    rows = Delivery.objects.filter(line=line, kind=DeliveryKind.TOP_UP)
    units = {False: 0, True: 0}
    for is_replacement, reported, confirmed in rows.values_list("is_replacement", "reported", "confirmed"):
        units[is_replacement] += max(reported or 0, confirmed)
    return HandedOver(units[False], units[True])


def account_for(line: OrderLine) -> None:
    """Bring stock in step with what was handed over for the line. Safe to repeat."""
    if is_counted(line):
        gone = handed_over(line)
        booking.book(line, line, max(gone.bought, line.delivered) + gone.replaced, where="with top-ups")


def missing(delivery: Delivery) -> int:
    """How many of the units that a top-up asks for stock does not have for it; 0 where they are not counted."""
    line = delivery.line
    if not is_counted(line):
        return 0
    held = line.hold.units if line.hold is not None else 0
    there = goods.free(line.product_id or 0) if delivery.is_replacement else held
    return max(delivery.requested - there, 0)
