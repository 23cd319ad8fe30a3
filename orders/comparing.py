"""Compare open orders with what their marketplace says of them now, and write down what differs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from backoffice import money
from inventory import differences
from inventory.differences import Finding
from inventory.models import Difference
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import NotFound
from marketplaces.models import Account
from marketplaces.types import OrderState, RemoteOrder, RemoteOrderLine
from orders import intake, merging
from orders.models import Order, OrderLine, OrderReading

ENDED = frozenset({OrderState.COMPLETED, OrderState.CANCELLED, OrderState.RETURNED, OrderState.FAILED})
# News of what happened this moment may still be on their way to us.
JUST_NOW = timedelta(minutes=2)
AT_ONCE = 100
CENTS = Decimal("0.0001")
AMOUNTS = ("amount", "fee", "refunded_amount")
COUNTS = ("quantity", "delivered", "refunded")
READING = OrderReading.State


@dataclass(frozen=True)
class Compared:
    """Orders that were compared, left out because news of them are on their way, and brought up to date."""

    orders: int = 0
    on_their_way: int = 0
    fixed: int = 0


def open_orders(account: Account) -> QuerySet[Order]:
    """Orders that something may still happen to, and that were read as a whole, by their keys."""
    rows = Order.objects.filter(account=account, is_summary=False, deleted_at=None)
    return rows.exclude(state__in=[state.value for state in ENDED]).order_by("pk")


def at_once(account: Account) -> int:
    """How many orders one request reads; 0 where the marketplace can't be asked for orders."""
    if account.can("get_orders"):
        return min(account.service_class.orders_per_read, AT_ONCE)
    return int(account.can("fetch_order"))


def compare(account: Account, service: MarketplaceService, pks: Sequence[int], *, fix: bool = False) -> Compared:
    """Read orders, by primary key, and compare them; `fix` takes in what was read. One request. Safe to repeat.

    Raises MarketplaceError.
    """
    ids = list(Order.objects.filter(pk__in=pks).values_list("external_id", flat=True))
    asked_at = timezone.now()
    found = {remote.external_id: intake.as_asked(remote, asked_at) for remote in _read(service, ids)}
    # After the answer: news that came meanwhile are in it.
    orders = _with_lines(account, ids)
    being_read = OrderReading.objects.filter(account=account, external_id__in=ids)
    read_soon = set(
        being_read.exclude(state__in=[READING.DONE, READING.NEEDS_ATTENTION]).values_list("external_id", flat=True)
    )
    sure = [order for order in orders if _is_sure(order, found.get(order.external_id), asked_at, read_soon)]
    findings = {order.external_id: list(_findings(order, found.get(order.external_id))) for order in sure}
    everything = [finding for of_order in findings.values() for finding in of_order]
    differences.record(account, everything, orders=list(findings), at=timezone.now())
    stale = [name for name, of_order in findings.items() if of_order and name in found]
    fixed = sum(_take_in(account, found[name]) for name in stale) if fix else 0
    return Compared(len(sure), len(orders) - len(sure), fixed)


def _with_lines(account: Account, ids: Sequence[str]) -> list[Order]:
    lines = Prefetch("lines", OrderLine.objects.order_by("pk"))
    rows = Order.objects.filter(account=account, external_id__in=list(ids)).defer("raw", "contact")
    return list(rows.prefetch_related(lines).order_by("pk"))


def _read(service: MarketplaceService, ids: Sequence[str]) -> Sequence[RemoteOrder]:
    if service.supports("get_orders"):
        return service.get_orders(ids)
    found = []
    for external_id in ids:
        try:
            found.append(service.fetch_order(external_id))
        except NotFound:
            continue
    return found


def _is_sure(order: Order, remote: RemoteOrder | None, asked_at: datetime, read_soon: set[str]) -> bool:
    """Whether nothing that is on its way explains a difference."""
    if order.external_id in read_soon or (order.seen_at is not None and order.seen_at > asked_at):
        return False
    if remote is None:
        return True
    is_news = remote.updated_at is not None and remote.updated_at > asked_at - JUST_NOW
    return merging.may_replace(order, remote) and not (is_news and remote.updated_at != order.remote_updated_at)


def _take_in(account: Account, remote: RemoteOrder) -> bool:
    """Bring an order up to date with what was read; True when nothing differs then."""
    intake.import_order(account=account, remote=remote)
    (order,) = _with_lines(account, [remote.external_id])
    left = list(_findings(order, remote))
    differences.record(account, left, orders=[remote.external_id], at=timezone.now())
    return not left


# --- field by field --------------------------------------------------------------------------------------------------


def _findings(order: Order, remote: RemoteOrder | None) -> Iterator[Finding]:
    if remote is None:
        yield _finding(order, "order", order.get_state_display(), "not found there")
        return
    if remote.state != OrderState.UNKNOWN and remote.state != order.state:
        yield _finding(order, "state", order.get_state_display(), remote.state.replace("_", " "))
    for name in AMOUNTS:
        said: Decimal | None = getattr(remote, name)
        known: Decimal | None = getattr(order, name)
        if said is not None and said.quantize(CENTS) != known:
            ours = "" if known is None else _amount(known, order.currency)
            yield _finding(order, name, ours, _amount(said, remote.currency or order.currency))
    lines = {line.external_id: line for line in order.lines.all()}
    for line in remote.lines:
        yield from _of_line(order, lines, line)


def _of_line(order: Order, lines: Mapping[str, OrderLine], remote: RemoteOrderLine) -> Iterator[Finding]:
    known = lines.get(remote.external_id)
    if known is None:
        units = "" if remote.quantity is None else f"{remote.quantity} units"
        yield _finding(order, f"line {remote.external_id}", "", units or "a line")
        return
    for name in COUNTS:
        said = getattr(remote, name)
        if said is not None and said != getattr(known, name):
            yield _finding(order, f"{name} of line {remote.external_id}", str(getattr(known, name)), str(said))
    price = remote.unit_price
    if price is not None and price.quantize(CENTS) != known.unit_price:
        ours = "" if known.unit_price is None else _amount(known.unit_price, order.currency)
        yield _finding(order, f"price of line {remote.external_id}", ours, _amount(price, order.currency))


def _finding(order: Order, field: str, ours: str, theirs: str) -> Finding:
    return Finding(field, Difference.Kind.ORDER, ours, theirs, order_id=order.external_id)


def _amount(amount: Decimal, currency: str) -> str:
    return f"{money.json_safe(amount)} {currency}".strip()
