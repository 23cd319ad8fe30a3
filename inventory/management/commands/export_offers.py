"""Offers as CSV, in the columns that import_offers reads."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand

from backoffice import csvio
from backoffice.commands import Unusable
from inventory import offers, products
from inventory.models import Offer
from inventory.offer_rows import cell
from marketplaces import accounts

STATE = (
    "account", "is_active", "state", "last_error", "pushed_quantity", "pushed_at", "seen_status", "seen_price",
    "seen_quantity", "seen_at",
)  # fmt: skip
AT_ONCE = 1000


class Command(BaseCommand):
    help = "Print what offers should say, as CSV that import_offers takes again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", metavar="NAME", help="only this account's offers")
        parser.add_argument("--sku", action="append", default=[], help="only this product's offers; may be given often")
        parser.add_argument(
            "--state", action="store_true", help="add what was pushed and seen; no longer for an import"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rows = Offer.objects.filter(product__isnull=False).select_related("account", "product").order_by("pk")
        try:
            if options["account"]:
                rows = rows.filter(account=accounts.by_name(options["account"]))
            if options["sku"]:
                rows = rows.filter(product__in=[products.by_sku(sku) for sku in options["sku"]])
        except (accounts.UnusableAccount, products.UnknownSku) as error:
            raise Unusable(str(error)) from error
        header = (*offers.COLUMNS, *STATE) if options["state"] else offers.COLUMNS
        found = rows.iterator(chunk_size=AT_ONCE)
        csvio.write(self.stdout, header, (list(_cells(offer, header)) for offer in found))


def _cells(offer: Offer, header: tuple[str, ...]) -> Iterator[object]:
    for name in header:
        yield cell(offer, name) if name in offers.COLUMNS else getattr(offer, name)
