"""Units that a marketplace holds with us for a buyer: reserved, renewed, released, expired. Ordering them is `pickup`.

Each verb is one short transaction, joins the caller's, calls nobody, and raises Declined when the answer is no; then
nothing was changed. Whoever locks a reservation's row first wins: an order against a release, a renewal against the sweep.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from inventory import shelves, stock
from inventory.models import Offer
from marketplaces.exceptions import Declined, Reason
from marketplaces.models import Account
from marketplaces.shop import ReservationState, Reserved, StockLine, Terms
from orders.models import Reservation, ReservationLine

State = Reservation.State

# The codes stay a little longer than we say, so that an order of the last second never meets the sweep of holds.
GRACE = timedelta(minutes=2)
SWEEP_LIMIT = 500


@dataclass(frozen=True)
class _Wish:
    """A line with the offer and the product of ours that it means."""

    line: StockLine
    offer: Offer
    product_id: int


def reserve(account: Account, lines: Sequence[StockLine], terms: Terms, *, external_order_id: str = "") -> Reserved:
    """Hold all of the lines or none. Raises Declined: NOT_FOUND, OUT_OF_STOCK, PRICE_TOO_LOW, CONFLICT.

    Safe to repeat with an `external_order_id` only; without one, two calls are two reservations.
    """
    with transaction.atomic():
        reservation, is_new = _make(account, terms, external_order_id)
        if not is_new:
            return _the_same(reservation, lines)
        wishes = _wishes(account, lines, terms)
        _hold(reservation, wishes, terms)
        return _shown(reservation, wishes)


def renew(account: Account, reservation_id: str, lines: Sequence[StockLine], terms: Terms) -> Reserved:
    """Hold a reservation's units for the whole time again, also when they were let go because it had expired.

    Without `lines` those it has. Raises Declined: NOT_FOUND, RELEASED, ALREADY_ORDERED, and those of reserve(). Safe to
    repeat.
    """
    with transaction.atomic():
        reservation = locked(account, reservation_id)
        if reservation.state == State.RELEASED:
            raise Declined(Reason.RELEASED, "The reservation was released")
        if reservation.state == State.ORDERED:
            raise _ordered(reservation)
        wishes = _wishes(account, lines or _lines_of(reservation), terms)
        reservation.state, reservation.until = State.HELD, max(reservation.until, timezone.now() + terms.hold_for)
        reservation.save(update_fields=["state", "until"])
        before = set(reservation.lines.exclude(hold=None).values_list("hold_id", flat=True))
        reservation.lines.all().delete()
        kept = _hold(reservation, wishes, terms)
        for hold_id in kept:
            stock.prolong(hold_id, reservation.until + GRACE)
        for hold_id in sorted(before - kept):
            stock.release(hold_id)
        return _shown(reservation, wishes)


def release(account: Account, reservation_id: str) -> None:
    """Let a reservation's units go. Raises Declined: NOT_FOUND, ALREADY_ORDERED. Safe to repeat."""
    with transaction.atomic():
        reservation = locked(account, reservation_id)
        if reservation.state == State.ORDERED:
            raise _ordered(reservation)
        if reservation.state == State.HELD:
            _end(reservation, State.RELEASED)


def end_expired(now: datetime) -> int:
    """Let go what is held by reservations whose time is up; returns how many. Safe to repeat and to run twice at once."""
    over = Reservation.objects.filter(state=State.HELD, until__lte=now).order_by("until")
    ended = 0
    for pk in list(over.values_list("pk", flat=True)[:SWEEP_LIMIT]):
        with transaction.atomic():
            # It may have been renewed or ordered since.
            still = (
                Reservation.objects.select_for_update(no_key=True)
                .filter(pk=pk, state=State.HELD, until__lte=now)
                .first()
            )
            if still:
                _end(still, State.EXPIRED)
                ended += 1
    return ended


def locked(account: Account, reservation_id: str) -> Reservation:
    """Lock a reservation's row for the caller's transaction. Raises Declined: NOT_FOUND."""
    pk = as_uuid(reservation_id)
    found = Reservation.objects.select_for_update(no_key=True).filter(pk=pk, account=account).first() if pk else None
    if found is None:
        raise Declined(Reason.NOT_FOUND, "There is no such reservation")
    found.account = account
    return found


def is_over(reservation: Reservation) -> bool:
    """True when its time is up, whether or not the sweep has come by."""
    return reservation.state == State.EXPIRED or (
        reservation.state == State.HELD and reservation.until <= timezone.now()
    )


def as_uuid(text: str) -> UUID | None:
    """Read an id of ours; None for what can't be one."""
    try:
        return UUID(text) if len(text) <= 36 else None
    except ValueError:
        return None


# --- one step each -------------------------------------------------------------------------------------------------


def _make(account: Account, terms: Terms, external_order_id: str) -> tuple[Reservation, bool]:
    now = timezone.now()
    times = {"created_at": now, "until": now + terms.hold_for}
    if not external_order_id:
        return Reservation.objects.create(account=account, **times), True
    found, is_new = Reservation.objects.select_for_update(no_key=True).get_or_create(
        account=account, external_id=external_order_id, defaults=times
    )
    return found, is_new


def _the_same(reservation: Reservation, lines: Sequence[StockLine]) -> Reserved:
    had = [_Wish(_as_said(line), line.offer, line.product_id) for line in reservation.lines.select_related("offer")]
    if _quantities([wish.line for wish in had]) != _quantities(lines):
        raise Declined(Reason.CONFLICT, "This order has a reservation with other products or quantities")
    return _shown(reservation, had)


def _quantities(lines: Sequence[StockLine]) -> dict[str, int]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line.external_product_id] += line.quantity
    return dict(units)


def _wishes(account: Account, lines: Sequence[StockLine], terms: Terms) -> list[_Wish]:
    """Find the offer of each line; a product that stands twice is one line with both quantities."""
    offers = _offers(account, {line.external_product_id for line in lines})
    wishes: dict[str, _Wish] = {}
    units = _quantities(lines)
    places = {
        pk: shelves.Place(offer.pk, offer.product_id, account.pk, account.marketplace) for pk, offer in offers.items()
    }
    found = shelves.read(places.values())
    for line in lines:
        offer = offers.get(line.external_product_id)
        if offer is None or offer.product_id is None:
            raise Declined(Reason.NOT_FOUND, f"Product {line.external_product_id} is not offered here")
        if not offer.is_active or found.pause(places[line.external_product_id]):
            raise Declined(Reason.OUT_OF_STOCK, f"Product {line.external_product_id} is not for sale now")
        _price_is_enough(line, offer, terms)
        whole = replace(line, quantity=units[line.external_product_id])
        wishes[line.external_product_id] = _Wish(whole, offer, offer.product_id)
    return list(wishes.values())


def _offers(account: Account, products: set[str]) -> dict[str, Offer]:
    """The account's offer of each product; of several, one that is for sale."""
    found = Offer.objects.filter(account=account, external_product_id__in=products, product__isnull=False)
    return {offer.external_product_id: offer for offer in found.order_by("is_active", "-pk")}


def _price_is_enough(line: StockLine, offer: Offer, terms: Terms) -> None:
    if not terms.lowest_price_percent or line.unit_price is None or offer.price is None:
        return
    lowest = offer.price * Decimal(terms.lowest_price_percent) / 100
    if line.unit_price < lowest:
        raise Declined(
            Reason.PRICE_TOO_LOW,
            f"A unit of product {line.external_product_id} is offered at {offer.price.normalize():f}; "
            f"{line.unit_price.normalize():f} is too low",
        )


def _hold(reservation: Reservation, wishes: Sequence[_Wish], terms: Terms) -> set[int]:
    """Hold what is wished for, products in order of their ids so that nobody waits in a circle; returns the holds."""
    units: Counter[int] = Counter()
    for wish in wishes:
        units[wish.product_id] += wish.line.quantity
    holds: dict[int, int] = {}
    for product_id, quantity in sorted(units.items()):
        try:
            holds[product_id] = stock.hold(
                product_id=product_id,
                quantity=quantity,
                reference=reservation.hold_reference,
                account_id=reservation.account_id,
                until=reservation.until + GRACE,
                may_be_short=terms.may_be_short,
            ).hold.pk
        except stock.ShortStock as short:
            named = next(wish.line.external_product_id for wish in wishes if wish.product_id == product_id)
            raise Declined(Reason.OUT_OF_STOCK, f"There are fewer than {quantity} units of product {named}") from short
    ReservationLine.objects.bulk_create(
        ReservationLine(
            reservation=reservation,
            offer=wish.offer,
            product_id=wish.product_id,
            external_product_id=wish.line.external_product_id,
            quantity=wish.line.quantity,
            unit_price=wish.line.unit_price,
            hold_id=holds[wish.product_id],
        )
        for wish in wishes
    )
    return set(holds.values())


def _end(reservation: Reservation, state: State) -> None:
    for hold_id in reservation.lines.exclude(hold=None).order_by("product_id").values_list("hold_id", flat=True):
        stock.release(hold_id)
    reservation.state = state
    reservation.save(update_fields=["state"])


def _ordered(reservation: Reservation) -> Declined:
    return Declined(Reason.ALREADY_ORDERED, f"The reservation has become order {reservation.order_number}")


def _lines_of(reservation: Reservation) -> list[StockLine]:
    return [_as_said(line) for line in reservation.lines.order_by("pk")]


def _as_said(line: ReservationLine) -> StockLine:
    return StockLine(line.external_product_id, line.quantity, line.unit_price)


def _shown(reservation: Reservation, wishes: Sequence[_Wish]) -> Reserved:
    units = {product_id: stock.sellable(product_id) for product_id in {wish.product_id for wish in wishes}}
    return Reserved(
        id=str(reservation.pk),
        state=ReservationState.EXPIRED if is_over(reservation) else ReservationState(reservation.state),
        lines=[wish.line for wish in wishes],
        left={wish.line.external_product_id: units[wish.product_id] for wish in wishes},
        until=reservation.until,
        created_at=reservation.created_at,
        external_order_id=reservation.external_id,
    )
