"""Stock that is counted and not made of rows: goods on a shelf, units of a top-up.

One row a product (Level) has the numbers, and each change of it stands beside it as a Movement, so the numbers are the sum
of their movements. Whoever changes them locks a hold first and the level then, so that no two wait for each other.
inventory.stock is the door: it asks here for products that are counted. Quantities are units.
"""

from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from inventory.changes import ShortStock, changed
from inventory.models import Code, Hold, Level, Movement, Product, Supplier

Kind = Movement.Kind
State = Code.State


def is_counted(product_id: int) -> bool:
    return Product.objects.filter(pk=product_id, kind=Product.Kind.COUNTED).exists()


def free(product_id: int) -> int:
    """How many units a new buyer could have now; 0 for a product that is not counted."""
    level = Level.objects.filter(pk=product_id).first()
    return level.free if level else 0


def count(product_id: int) -> dict[str, int]:
    """Units of a counted product, in the words for codes; every word is there."""
    level = Level.objects.filter(pk=product_id).first() or Level()
    left = Movement.objects.filter(product=product_id, kind__in=[Kind.SHIPPED, Kind.RETURNED])
    gone = -(left.aggregate(units=Sum("on_hand"))["units"] or 0)
    units = {State.AVAILABLE: level.free, State.HELD: level.held, State.DELIVERED: gone}
    return {state.value: units.get(state, 0) for state in State}


def hold(held: Hold, quantity: int, *, may_be_short: bool) -> int:
    """Make a locked hold cover `quantity` units; returns how many it covers. Raises ShortStock. Joins a transaction."""
    if held.units == quantity:
        return quantity
    level = _locked(held.product_id)
    more = min(quantity - held.units, level.free)
    if held.units + more < quantity and not may_be_short:
        raise ShortStock(f"{held.units + more} of {quantity} units of product {held.product_id} can be held")
    if more:
        _move(level, Kind.HELD if more > 0 else Kind.RELEASED, held=more, reference=held.reference)
        held.units += more
        held.save(update_fields=["units"])
    return held.units


def let_go(held: Hold) -> int:
    """End a locked hold's claim; returns how many units are free again. Joins a transaction."""
    units = held.units
    if units:
        _move(_locked(held.product_id), Kind.RELEASED, held=-units, reference=held.reference)
        held.units = 0
        held.save(update_fields=["units"])
    return units


def ship(*, product_id: int, quantity: int, reference: str, hold_id: int | None = None) -> int:
    """Take units that leave out of stock, those of the hold first; returns how many there were to take.

    `reference` names the parcel's line: a repeat takes nothing and returns the same. Fewer than `quantity` means that more
    left than the books had, which a person has to be told. What is set aside for others is not touched.
    """
    with transaction.atomic():
        held = _hold(hold_id, product_id) if hold_id is not None else None
        level = _locked(product_id)
        if done := Movement.objects.filter(key=_key(Kind.SHIPPED, reference)).first():
            return -done.on_hand
        from_hold = min(held.units, quantity) if held else 0
        units = from_hold + min(quantity - from_hold, level.free)
        note = "" if units == quantity else f"{quantity - units} more left than there were by the books."
        _move(
            level, Kind.SHIPPED, on_hand=-units, held=-from_hold, reference=reference,
            key=_key(Kind.SHIPPED, reference), note=note,
        )  # fmt: skip
        if held and from_hold:
            held.units -= from_hold
            held.save(update_fields=["units"])
        return units


def unship(*, reference: str) -> int:
    """Take back what a parcel's line took, as when the parcel never left; returns how many. Safe to repeat."""
    return _bring_back(reference, note="It did not leave.")


def take_back(*, reference: str, quantity: int, by: str, note: str = "") -> int:
    """Put units that a buyer sent back on the shelf, at most what the parcel's line took; returns how many. Done once."""
    return _bring_back(reference, quantity=quantity, by=by, note=note)


def _bring_back(reference: str, *, quantity: int | None = None, by: str = "", note: str = "") -> int:
    with transaction.atomic():
        shipped = Movement.objects.filter(key=_key(Kind.SHIPPED, reference)).first()
        if shipped is None:
            return 0
        level = _locked(shipped.product_id)
        if Movement.objects.filter(key=_key(Kind.RETURNED, reference)).exists():
            return 0
        units = -shipped.on_hand if quantity is None else min(quantity, -shipped.on_hand)
        key = _key(Kind.RETURNED, reference)
        _move(level, Kind.RETURNED, on_hand=units, reference=reference, key=key, by=by, note=note)
        return units


def receive(
    *,
    product_id: int,
    quantity: int,
    by: str,
    key: str = "",
    reference: str = "",
    supplier: Supplier | None = None,
    cost: Decimal | None = None,
    currency: str = "",
    note: str = "",
) -> bool:
    """Put units that came in on the shelf, at `cost` each; False when this `key` did so before. Safe to repeat with a key."""
    if quantity < 1:
        raise ValueError("At least one unit comes in")
    with transaction.atomic():
        level = _locked(product_id)
        if key and Movement.objects.filter(key=_key(Kind.RECEIVED, key)).exists():
            return False
        _move(
            level, Kind.RECEIVED, on_hand=quantity, reference=reference, key=_key(Kind.RECEIVED, key) if key else "",
            supplier=supplier, cost=cost, currency=currency, note=note, by=by,
        )  # fmt: skip
    return True


def correct(*, product_id: int, counted: int, by: str, note: str) -> int:
    """Set the shelf to what a person counted there; returns the difference. Safe to repeat: it sets a value.

    Raises ShortStock when fewer are there than are set aside for orders: these have to be settled first.
    """
    with transaction.atomic():
        level = _locked(product_id)
        if counted < level.held:
            raise ShortStock(
                f"{level.held} units are set aside for orders and only {counted} are there. Cancel or shorten orders first,"
                " then correct the stock"
            )
        difference = counted - level.on_hand
        if difference:
            _move(level, Kind.CORRECTED, on_hand=difference, note=note, by=by)
        return difference


def _hold(hold_id: int, product_id: int) -> Hold | None:
    return Hold.objects.select_for_update(no_key=True).filter(pk=hold_id, product=product_id, released_at=None).first()


def _locked(product_id: int) -> Level:
    """The product's level, locked until the transaction ends; made when it is wanted for the first time."""
    level, _ = Level.objects.select_for_update(no_key=True).get_or_create(product_id=product_id)
    return level


def _move(level: Level, kind: str, *, on_hand: int = 0, held: int = 0, **facts: object) -> None:
    before = level.free
    level.on_hand += on_hand
    level.held += held
    level.save(update_fields=["on_hand", "held"])
    Movement.objects.create(product_id=level.pk, kind=kind, on_hand=on_hand, held=held, **facts)
    if level.free != before:
        changed(level.pk)


def _key(kind: str, reference: str) -> str:
    return f"{kind}: {reference}"
