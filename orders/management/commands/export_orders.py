"""Orders as CSV, a row for each line. No code and nothing about the buyer is in it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from backoffice import csvio
from backoffice.commands import Unusable
from inventory import products
from marketplaces import accounts
from orders.models import OrderLine

COLUMNS = {
    "account": "order.account.name",
    "order_id": "order.external_id",
    "state": "order.state",
    "marketplace_status": "order.status_word",
    "payment": "order.payment_word",
    "disputed": "order.is_disputed",
    "ordered_at": "order.ordered_at",
    "line": "external_id",
    "sku": "product.sku",
    "offer_id": "external_offer_id",
    "quantity": "quantity",
    "delivered": "delivered",
    "refunded": "refunded",
    "unit_price": "unit_price",
    "currency": "order.currency",
    "order_amount": "order.amount",
    "order_fee": "order.fee",
    "order_refunded_amount": "order.refunded_amount",
}
AT_ONCE = 1000


class Command(BaseCommand):
    help = "Print orders as CSV, a row for each line; amounts of an order stand in each of its rows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", metavar="NAME", help="only this account's orders")
        parser.add_argument("--sku", action="append", default=[], help="only this product's lines; may be given often")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = (
            OrderLine.objects.select_related("order__account", "product")
            .defer("order__raw", "order__contact")
            .order_by("pk")
        )
        try:
            if options["account"]:
                lines = lines.filter(order__account=accounts.by_name(options["account"]))
            if options["sku"]:
                lines = lines.filter(product__in=[products.by_sku(sku) for sku in options["sku"]])
        except (accounts.UnusableAccount, products.UnknownSku) as error:
            raise Unusable(str(error)) from error
        found = lines.iterator(chunk_size=AT_ONCE)
        csvio.write(self.stdout, list(COLUMNS), ([_at(line, way) for way in COLUMNS.values()] for line in found))


def _at(line: OrderLine, way: str) -> object:
    value: Any = line
    for name in way.split("."):
        value = getattr(value, name, None)
    return value.isoformat() if hasattr(value, "isoformat") else value
