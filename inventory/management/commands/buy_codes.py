"""Buy codes at a marketplace into stock."""

import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q
from django.utils import timezone

from backoffice import money, progress
from backoffice.commands import Report, ReportingCommand, Unusable
from inventory import buying, products, purchasing
from inventory.models import Product, Purchase
from inventory.purchasing import CannotBuy, Continued, Progress
from marketplaces import accounts, outgoing
from marketplaces.exceptions import MarketplaceError, PermanentError
from marketplaces.models import Account
from marketplaces.types import RemoteProduct, Urgency

State = Purchase.State
OPEN = (State.DUE, State.IN_FLIGHT, State.UNKNOWN)
POLL_SECONDS = 0.2
SWEEP_SECONDS = 5
TRIED = 20
# It stops waiting when nothing moved for so long. A worker that was killed is noticed within half of it.
PATIENCE_SECONDS = 180


def _amount(text: str) -> Decimal:
    try:
        amount = money.to_decimal(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no amount; write it as 4.20") from error
    if amount is None:
        raise ArgumentTypeError("it takes an amount, such as 4.20")
    return amount


class Command(ReportingCommand):
    help = (
        "Buy codes at a marketplace into stock: money is spent. Run again with the same arguments it goes on with what is"
        " unfinished, up to N codes in total; once all are in stock, it buys N more."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--account", required=True, metavar="NAME", help="through which account")
        parser.add_argument(
            "--product", required=True, metavar="ID", help="the product's id in the marketplace's catalogue"
        )
        parser.add_argument("--sku", required=True, help="the product of ours that the codes are for")
        parser.add_argument("--quantity", required=True, type=int, metavar="N", help="how many codes, in total")
        parser.add_argument(
            "--max-price", required=True, type=_amount, metavar="P", help="ceiling for one code, such as 4.20"
        )
        parser.add_argument("--currency", default="EUR", type=str.upper, help="of the ceiling; EUR unless you say")

    def report(self, **options: Any) -> Report:
        try:
            account = accounts.by_name(options["account"])
            product = products.for_codes(options["sku"])
            remote = _look_up(account, options["product"])
            self._tell(_describe(remote))
            continued = _order(account, remote, product, options)
        except (accounts.UnusableAccount, products.UnknownSku, CannotBuy) as error:
            raise Unusable(str(error)) from error
        if continued.known:
            self._tell(_goes_on(continued))
        problem = ""
        wanted = purchasing.progress(continued.run).wanted
        try:
            for _ in progress.track(work_off(continued.run), label="Buying codes", total=wanted):
                pass
        except KeyboardInterrupt:
            problem = "interrupted; the workers go on with what is under way"
        return _report(purchasing.progress(continued.run), problem)

    def _tell(self, words: str) -> None:
        self.stderr.write(words)


def _look_up(account: Account, product_id: str) -> RemoteProduct:
    if not purchasing.can_buy(account):
        raise Unusable(f'Nothing can be bought through account "{account}": it is switched off, or sells us no codes.')
    service = account.service(is_patient=True)
    try:
        service.plan(1, Urgency.PRICE)
        return service.get_product(product_id)
    except PermanentError as error:
        raise Unusable(f"Product {product_id} can't be read: {error}") from error
    except MarketplaceError as error:
        raise CommandError(f"Nothing was ordered: {error}", returncode=1) from error


def _describe(remote: RemoteProduct) -> str:
    price = money.display(remote.price, remote.currency) or "at a price that is not told"
    stock = "a stock that is not told" if remote.available is None else f"{remote.available:,} in stock"
    return f"{remote.name or remote.external_id}: {price} at the lowest now, {stock}."


def _order(account: Account, remote: RemoteProduct, product: Product, options: dict[str, Any]) -> Continued:
    """Order what is missing. Raises Unusable when that can't be had at this price now, and CannotBuy."""
    wish: dict[str, Any] = {"account": account, "external_product_id": remote.external_id, "product": product}
    quantity, ceiling, currency = options["quantity"], options["max_price"], options["currency"]
    run = purchasing.unfinished(**wish)
    missing = quantity - (purchasing.progress(run).wanted if run else 0)
    if missing > 0:
        _check_now(remote, missing, ceiling, currency)
    return purchasing.order_up_to(**wish, quantity=quantity, max_price=ceiling, currency=currency, by="buy_codes")


def _check_now(remote: RemoteProduct, missing: int, ceiling: Decimal, currency: str) -> None:
    is_comparable = remote.price is not None and remote.currency in ("", currency)
    if is_comparable and remote.price is not None and remote.price > ceiling:
        raise Unusable(
            f"Nothing was ordered: the lowest price is {money.display(remote.price, currency)}, above the ceiling of"
            f" {money.display(ceiling, currency)}."
        )
    if remote.available is not None and remote.available < missing:
        raise Unusable(f"Nothing was ordered: {missing:,} are wanted and {remote.available:,} are in stock there.")


def _goes_on(continued: Continued) -> str:
    if continued.added:
        return f"Going on with run {continued.run}: {continued.known:,} codes were ordered before, {continued.added:,} more."
    return (
        f"Going on with run {continued.run}: its {continued.known:,} codes are not all in stock yet, so none is added. What"
        " can't be finished is given up in the admin, under Purchases."
    )


def work_off(run: UUID) -> Iterator[int]:
    """Take every step that is due, beside any workers, and yield each purchase that came to its end.

    Ends when nothing is open any more, or when nothing moved for long; the workers go on then.
    """
    rows = Purchase.objects.filter(run=run)
    ended: set[int] = set()
    seen: object = None
    deadline = swept = 0.0
    while True:
        fresh = set(rows.exclude(state__in=OPEN).values_list("pk", flat=True)) - ended
        ended |= fresh
        yield from fresh
        now = time.monotonic()
        if now > swept + SWEEP_SECONDS:
            outgoing.sweep(Purchase)
            swept = now
        standing = sorted(rows.filter(state__in=OPEN).values_list("pk", "stage"))
        if not standing or (standing == seen and now > deadline):
            return
        if standing != seen:
            seen, deadline = standing, now + PATIENCE_SECONDS
        if not _take_steps(run):
            time.sleep(POLL_SECONDS)


def _take_steps(run: UUID) -> bool:
    is_due = Q(next_try_at=None) | Q(next_try_at__lte=timezone.now())
    due = Purchase.objects.filter(is_due, run=run, state__in=[State.DUE, State.UNKNOWN]).order_by("next_try_at", "pk")
    # Workers begin with the same rows: whoever comes second takes the next.
    return any(buying.advance(pk) for pk in due.values_list("pk", flat=True)[:TRIED])


def _report(done: Progress, problem: str) -> Report:
    attention = [
        {
            "purchase": row.pk,
            "order": row.external_id,
            "stage": row.stage,
            "kind": row.failure,
            "reason": row.last_error,
        }
        for row in done.needs_attention
    ]
    data = {
        "run": str(done.run),
        "wanted": done.wanted,
        "bought": done.bought,
        "in_stock": done.in_stock,
        "needs_attention": attention,
        "spent": f"{done.spent:.2f}",
        "currency": done.currency,
    }
    spent = money.display(done.spent, done.currency)
    lines = [
        f"{done.bought:,} of {done.wanted:,} codes bought for {spent}, {done.in_stock:,} in stock.",
        *(f"Needs a person: purchase {row['purchase']}: {row['reason']}" for row in attention),
    ]
    if attention:
        problem = f"purchases that need a person: {len(attention):,}{f'; {problem}' if problem else ''}"
    elif done.waiting and not problem:
        problem = f"purchases still under way: {done.waiting:,}; the workers go on with them"
    return Report(data, lines, problem)
