"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""

import logging
import random
from datetime import timedelta

from django.utils import timezone

from backoffice import queue
from inventory import (
    bulk_publishing,
    buying,
    code_imports,
    differences,
    feeds,
    pricing,
    publishing,
    repricing,
    stock,
    upload_steps,
    uploads,
    watching,
)
from inventory.models import CompetitorWatch, Feed, Offer, Purchase, StockChange, Upload
from marketplaces import outgoing
from marketplaces.exceptions import BudgetSpent, MarketplaceError, TemporaryError

log = logging.getLogger(__name__)

SIMULATION_TRIES = 5


def push_offer(pk: int) -> None:
    publishing.push(pk)


def push_offers(pks: list[int]) -> None:
    bulk_publishing.push_many(pks)


def advance_feed(pk: int) -> None:
    feeds.advance(pk)


def upload_code(pk: int) -> None:
    upload_steps.work(pk)


def buy(pk: int) -> None:
    buying.advance(pk)


def compare_import(pk: str) -> None:
    code_imports.compare(pk)


def stock_changed(product_id: int) -> None:
    publishing.tell_offers(product_id)


def reprice(after: int = 0) -> None:
    repricing.page(after)


def read_competitors(pk: int) -> None:
    repricing.read(pk)


def simulate_price(pk: int, tries: int = 0) -> None:
    """Ask what an offer's price means; a figure for people, so after a few tries without luck it is left empty."""
    offer = Offer.objects.select_related("account").filter(pk=pk).first()
    if offer is None or offer.account.is_stopped:
        return
    try:
        pricing.simulate(offer)
    except TemporaryError as error:
        counted = tries if isinstance(error, BudgetSpent) else tries + 1
        if counted < SIMULATION_TRIES:
            pause = timedelta(seconds=max(error.retry_after or 60, random.uniform(2, 10)))  # noqa: S311  (no secret)
            queue.enqueue_at(timezone.now() + pause, pricing.TASK, pk, counted)
    except MarketplaceError as error:
        log.warning("Offer %s: its price could not be simulated: %s", pk, error)


def watch() -> None:
    watching.look(timezone.now())


def prune() -> None:
    differences.forget_settled(timezone.now())


def sweep() -> None:
    """End holds and codes whose time is up, look at codes given away, and wake workers for what lost its wake-up."""
    now = timezone.now()
    stock.end_holds(now)
    stock.expire_codes(now)
    left = StockChange.objects.filter(at__lt=now - timedelta(seconds=10))
    for product_id in left.values_list("product_id", flat=True).distinct():
        queue.enqueue("inventory.tasks.stock_changed", product_id)
    uploads.watch(now)
    code_imports.sweep(now)
    outgoing.sweep(Offer)
    outgoing.sweep(Feed)
    outgoing.sweep(Upload)
    outgoing.sweep(Purchase)
    outgoing.sweep(CompetitorWatch)
