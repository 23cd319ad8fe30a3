"""Codes as CSV: what they are and where they stand; the codes themselves only for a reason, on the record."""

import getpass
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backoffice import csvio
from backoffice.commands import Unusable
from inventory import codes, products
from inventory.models import Code

HEADER = ("id", "sku", "batch", "state", "kind", "serial", "expires", "cost", "currency", "created_at")
AT_ONCE = 500


class Command(BaseCommand):
    help = (
        "Print codes as CSV. The codes themselves are only there with --reveal, and every one of them goes on record."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sku", action="append", default=[], help="only this product's codes; may be given often")
        parser.add_argument("--state", choices=Code.State.values, help="only codes in this state")
        parser.add_argument("--batch", metavar="REF", help="only codes of batches with this reference")
        parser.add_argument(
            "--reveal", metavar="REASON", help="add the codes in plain text; who did that, when and why is kept"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rows = Code.objects.select_related("product", "batch").order_by("pk")
        try:
            chosen = [products.by_sku(sku) for sku in options["sku"]]
        except products.UnknownSku as error:
            raise Unusable(str(error)) from error
        rows = rows.filter(product__in=chosen) if chosen else rows
        rows = rows.filter(state=options["state"]) if options["state"] else rows
        rows = rows.filter(batch__reference=options["batch"]) if options["batch"] else rows
        if options["reveal"] is None:
            found = rows.defer("sealed", "index").iterator(chunk_size=AT_ONCE)
            csvio.write(self.stdout, HEADER, (_cells(code) for code in found))
            return
        if not codes.is_reason(options["reveal"]):
            raise Unusable(f"--reveal takes a reason of 1 to {codes.LONGEST_REASON} characters.")
        lost: list[int] = []
        found = rows.defer("index").iterator(chunk_size=AT_ONCE)
        csvio.write(self.stdout, (*HEADER, "code"), _revealed(found, options["reveal"], lost))
        if lost:
            raise CommandError(f"{len(lost):,} codes do not open, such as code {lost[0]}.", returncode=1)


def _revealed(found: Iterator[Code], reason: str, lost: list[int]) -> Iterator[list[object]]:
    user = f"{getpass.getuser()} (export_codes)"[:150]
    for code, plain in codes.reveal_all(found, user=user, reason=reason):
        if plain is None:
            lost.append(code.pk)
        yield [*_cells(code), plain]


def _cells(code: Code) -> list[object]:
    cost = code.batch.cost if code.cost is None else code.cost
    facts = (code.serial, code.expires_at, cost, code.batch.currency, code.created_at.isoformat())
    return [code.pk, code.product, code.batch.reference, code.state, code.kind, *facts]
