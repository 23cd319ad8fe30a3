"""Take units that left out of stock where they are counted, once, and bring them back: for parcels and for top-ups.

A row remembers what it has moved. Whoever books states how many units left by now, and the difference is booked, in the
caller's transaction, which has locked the order: so it may be repeated at any time.
"""

from inventory import stock
from orders import timeline
from orders.models import Booked, OrderLine


def book(row: Booked, line: OrderLine, units: int, *, where: str) -> None:
    """Make stock say that `units` of the line's product left with this row; `where` names it for people.

    Nothing happens where the product is not counted. Units of the line's hold go first.
    """
    if units == row.booked or line.product is None or not line.product.is_counted:
        return
    _bring_back(row)
    if units:
        row.taken = stock.ship(
            product_id=line.product.pk, quantity=units, reference=row.booking_reference, hold_id=line.hold_id
        )
        row.booked = units
    row.save(update_fields=["booked", "taken", "bookings"])
    if row.taken < row.booked:
        text = f"{units} × {line.product} left {where}, but stock had only {row.taken}. Count it."
        timeline.warn(line.order, "stock", text)


def unbook(row: Booked) -> None:
    """Bring back all that a row took out of stock. Safe to repeat."""
    if row.booked:
        _bring_back(row)
        row.save(update_fields=["booked", "taken", "bookings"])


def _bring_back(row: Booked) -> None:
    if row.booked:
        stock.unship(reference=row.booking_reference)
        row.booked, row.taken, row.bookings = 0, 0, row.bookings + 1
