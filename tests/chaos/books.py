"""Both sides' books, compared: what each sandbox says that its buyers have, and what we say that we gave.

Every marketplace's journal is read into the same words, a Sale for each order. Nothing is asked of us here but our own rows.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

Json = dict[str, Any]
# Rows that are due again and again for as long as they live, and say nothing of work left undone.
NEVER_DONE = frozenset({"inventory.competitorwatch"})
# What waits for longer than this waits for something that is to come, not for us.
SOON = timedelta(minutes=5)
UNKNOWN_THERE = "unknown"


@dataclass(frozen=True)
class Sale:
    """An order as its marketplace sees it. `owed` units are to be handed over; `got` has arrived, as codes or as a number."""

    order_id: str
    owed: int
    codes: tuple[str, ...] = ()
    got: int = 0
    word: str = ""
    too_many: int = 0


@dataclass
class Ours:
    """The same order in our books: the codes that left for it, or the units that left in parcels."""

    codes: tuple[str, ...] = ()
    units: int = 0
    is_open: bool = False
    is_short: bool = False
    asked: int = 0  # units of which only a person can find out whether they arrived


@dataclass
class Tally:
    """One marketplace's line of the table."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


# --- the sandboxes' journals ---------------------------------------------------------------------------------------


def _delivered_on_request(state: Json) -> Iterable[Sale]:
    """Orders whose codes we send when we are asked to."""
    for order in state["orders"]:
        deliveries = order["deliveries"]
        owed = sum(one["requested_qty"] for one in deliveries)
        codes = tuple(code["content"] for one in deliveries for code in one["codes"])
        got = sum(one["delivered_qty"] for one in deliveries)
        yield Sale(str(order["order_id"]), owed, codes, got, str(order["order_status"]), max(0, len(codes) - owed))


def _fetched(state: Json) -> Iterable[Sale]:
    """Orders whose codes are fetched from us; one whose answer got lost is unknown there."""
    for order in state["orders"]:
        word = order["status"]
        is_owed = word in ("waiting", "delivered", UNKNOWN_THERE)
        codes = tuple(order["codes"])
        owed = order["quantity"] if is_owed else 0
        yield Sale(str(order["g2a_order_id"]), owed, codes, len(codes), word, order["surplus"])


def _sent_from_there(state: Json) -> Iterable[Sale]:
    """Orders of goods that the marketplace's own warehouse sends; we keep the stock."""
    for order in state["orders"]:
        word = order["orderStatus"]
        units = sum(order["items"].values())
        left = units if word in ("SHIPPING", "DELIVERED", "RETURNED", "FAILED") else 0
        yield Sale(order["orderId"], left, (), left, word)


def _sent_by_us(state: Json) -> Iterable[Sale]:
    """Orders of goods that we pack and announce."""
    packed: Counter[str] = Counter()
    for shipment in state["shipments"]:
        packed[str(shipment["order_id"])] += sum(int(units) for units in _values(shipment.get("products", [])))
    for order in state["orders"]:
        bought = sum(int(line["amount"]) for line in _values(order["products"]))
        number = str(order["order_id"])
        is_over = order["status"] in "DIF"
        owed = 0 if is_over else bought
        yield Sale(number, owed, (), packed[number], order["status"], max(0, packed[number] - bought))


def _values(found: Any) -> list[Any]:
    return list(found.values()) if isinstance(found, Mapping) else list(found)


JOURNALS: Mapping[str, Callable[[Json], Iterable[Sale]]] = {
    "g2g": _delivered_on_request,
    "g2a": _fetched,
    "ginee": _sent_from_there,
    "gcommerce": _sent_by_us,
}


# --- ours ----------------------------------------------------------------------------------------------------------


def ours_of(slug: str) -> dict[str, Ours]:
    """Our orders of a marketplace, by its id."""
    from django.db.models import F

    from inventory import codes
    from orders.models import Delivery, DeliveryItem, Order, OrderLine, Shipment, ShipmentItem

    found: dict[str, Ours] = defaultdict(Ours)
    for number in Order.objects.filter(account__marketplace=slug).values_list("external_id", flat=True):
        found[number]
    items = DeliveryItem.objects.filter(
        delivery__account__marketplace=slug, withdrawn_at=None, returned_at=None, sent_at__isnull=False
    ).values_list("code", "delivery__line__order__external_id")
    plain = codes.plaintexts([code for code, _ in items])
    for code, number in items:
        found[number].codes += (plain[code],)
    deliveries = Delivery.objects.filter(account__marketplace=slug)
    for number, status in deliveries.values_list("line__order__external_id", "status"):
        found[number].is_open |= status in Delivery.OPEN
        found[number].is_short |= status == Delivery.Status.SHORT
    in_vain = _in_vain(Delivery).filter(account__marketplace=slug)
    for number, units in in_vain.values_list("line__order__external_id", F("requested") - F("confirmed")):
        found[number].asked += units
    parcels = ShipmentItem.objects.filter(shipment__in=_in_vain(Shipment), shipment__account__marketplace=slug)
    for number, units in parcels.values_list("shipment__order__external_id", "wanted"):
        found[number].asked += units or 0
    shipped = OrderLine.objects.filter(order__account__marketplace=slug, order__needs_shipping=True)
    for number, units in shipped.values_list("order__external_id", "shipped"):
        found[number].units += units
    return dict(found)


# --- compared --------------------------------------------------------------------------------------------------------


def compare(slugs: Iterable[str], state_of: Callable[[str], Json]) -> dict[str, Tally]:
    """One line of the table for each marketplace. `lost` and `doubled` must be nought, `open` at the end, too."""
    found: dict[str, Tally] = {}
    holders: dict[str, str] = {}
    for slug in slugs:
        sales = list(JOURNALS[slug](state_of(slug)))
        mine, tally = ours_of(slug), Tally()
        for sale in sales:
            _count(tally, slug, sale, mine.get(sale.order_id), holders)
        found[slug] = tally
    return found


def _count(tally: Tally, slug: str, sale: Sale, ours: Ours | None, holders: dict[str, str]) -> None:
    name = f"{slug} {sale.order_id} ({sale.word})"
    counts = tally.counts
    counts["orders"] += sale.owed > 0
    counts["units owed"] += sale.owed
    for code in sale.codes:
        if holders.setdefault(code, name) != name:
            counts["doubled"] += 1
            tally.problems.append(f"{name} has a code that {holders[code]} has, too")
    if len(set(sale.codes)) < len(sale.codes) or sale.too_many:
        counts["doubled"] += 1
        tally.problems.append(f"{name} got more than was asked for")
    if not sale.owed:
        return
    if sale.word == UNKNOWN_THERE and ours is None:
        counts["never placed"] += 1  # no call of it arrived, no code left: its buyer has nothing, and is told so there
        counts["orders"] -= 1
        counts["units owed"] -= sale.owed
    elif ours is None:
        counts["open"] += 1
        tally.problems.append(f"{name} is not known here")
    elif 0 < sale.owed - sale.got <= ours.asked and not set(sale.codes) - set(ours.codes):
        counts["delivered"] += sale.got
        counts["to ask"] += sale.owed - sale.got
    elif sale.codes or ours.codes:
        _count_codes(tally, name, sale, ours)
    elif sale.got >= sale.owed and ours.units >= sale.owed:
        counts["delivered"] += sale.owed
        if ours.units > sale.owed:
            counts["doubled"] += 1
            tally.problems.append(f"{name}: {ours.units} units left by our books, {sale.owed} were bought")
    else:
        counts["open"] += 1
        tally.problems.append(f"{name}: {sale.got} of {sale.owed} arrived, {ours.units} left by our books")


def _count_codes(tally: Tally, name: str, sale: Sale, ours: Ours) -> None:
    counts = tally.counts
    if stray := set(sale.codes) - set(ours.codes):
        counts["doubled"] += 1
        tally.problems.append(f"{name} has {len(stray)} codes that did not leave for it by our books")
    counts["delivered"] += len(sale.codes)
    if sale.word == UNKNOWN_THERE and len(ours.codes) == sale.owed and not sale.codes:
        counts["answer lost"] += (
            sale.owed
        )  # they are this buyer's and nobody else's, and the marketplace knows where to ask
        return
    missing = sale.owed - len(sale.codes)
    if missing and ours.is_short:
        counts["short"] += missing
    elif missing:
        is_open = ours.is_open or sale.got < sale.owed
        counts["open" if is_open else "lost"] += 1
        tally.problems.append(f"{name}: {len(sale.codes)} of {sale.owed} arrived, {len(ours.codes)} left by our books")
    elif set(ours.codes) != set(sale.codes):
        counts["lost"] += 1
        tally.problems.append(f"{name}: {len(ours.codes)} codes left for it, {len(sale.codes)} arrived")
    elif ours.is_open:
        counts["open"] += 1
        tally.problems.append(f"{name} has arrived, and is still open here")


def unfinished() -> dict[str, Counter[str]]:
    """What our outgoing rows still wait for, by kind and state; what needs a person waits for nothing."""
    from django.apps import apps
    from django.db.models import Q
    from django.utils import timezone

    from marketplaces.models import Outgoing

    found: dict[str, Counter[str]] = {}
    for model in (model for model in apps.get_models() if issubclass(model, Outgoing)):
        rows = model._default_manager.exclude(state__in=[Outgoing.State.DONE, Outgoing.State.NEEDS_ATTENTION])
        if model._meta.label_lower in NEVER_DONE:
            rows = rows.exclude(state=Outgoing.State.DUE)
        soon = Q(next_try_at=None) | Q(next_try_at__lt=timezone.now() + SOON)
        counts = Counter(rows.filter(soon).values_list("state", flat=True))
        if counts:
            found[model._meta.label] = counts
    return found


def need_a_person(*, rightly: bool) -> list[str]:
    """Each row that a person has to look at, with why: where nothing but a person can find out, or all the others."""
    from django.apps import apps

    from marketplaces.models import Outgoing

    found = []
    for model in (model for model in apps.get_models() if issubclass(model, Outgoing)):
        stuck, in_vain = model._default_manager.filter(state=Outgoing.State.NEEDS_ATTENTION), _in_vain(model)
        rows = in_vain if rightly else stuck.exclude(pk__in=in_vain.values("pk"))
        for pk, failure, text in rows.values_list("pk", "failure", "last_error"):
            found.append(f"{model._meta.label} {pk}: {failure}: {text[:200]}")
    return found


def _in_vain(model: Any) -> Any:
    """Rows that were said again and never answered, which leaves nothing but to ask a person; a marketplace may have given
    one up meanwhile.
    """
    stuck = model._default_manager.filter(state=model.State.NEEDS_ATTENTION)
    if model._meta.label_lower == "orders.delivery":
        return stuck.filter(failure__in=["unanswered", "unfulfilled"], repeated_at__isnull=False)
    return stuck.filter(failure="unanswered")
