"""Bring a file of codes into stock."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.db import models

from backoffice import progress
from backoffice.commands import Report, ReportingCommand, Unusable
from inventory import codes, kinds, products
from inventory.code_lines import read_cost
from inventory.importing import Tally
from inventory.models import Batch, Product, Supplier
from marketplaces.shop import CodeKind


def _cost(text: str) -> Decimal | None:
    try:
        return read_cost(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no date; write it as 2027-01-31") from error


def _currency(text: str) -> str:
    if text and (len(text) != 3 or not text.isascii() or not text.isalpha()):
        raise ArgumentTypeError(f"{text!r} is no currency; it takes three letters, such as EUR")
    return text.upper()


class Command(ReportingCommand):
    help = "Bring a file of codes into stock. Running it again imports nothing twice."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "file",
            metavar="FILE",
            help="text with a code a line, or CSV with the header code[,serial][,expires][,cost]; - reads standard input",
        )
        parser.add_argument("--sku", required=True, help="the product that the codes are for")
        parser.add_argument(
            "--kind",
            choices=[kind.value for kind in CodeKind],
            default=CodeKind.TEXT.value,
            help="account: each line is JSON with username, password[, email, email_password, optional]; file: FILE itself"
            " is one code, such as a picture",
        )
        parser.add_argument("--create", action="store_true", help="make the product when its SKU is unknown")
        parser.add_argument(
            "--batch", default="", metavar="REF", help="the supplier's reference; a batch that has it is added to"
        )
        parser.add_argument("--cost", type=_cost, help="cost of one code, where its own line names none, such as 4.20")
        parser.add_argument("--currency", type=_currency, default="", help="of the costs; EUR unless you say")
        parser.add_argument("--supplier", default="", metavar="NAME", help="who sold the codes; made when unknown")
        parser.add_argument("--expires", type=_date, metavar="DATE", help="where a line names none, such as 2027-01-31")

    def report(self, **options: Any) -> Report:
        name = options["file"]
        with _opened(name) as file:
            product = _product(options["sku"], create=options["create"])
            if options["kind"] != CodeKind.TEXT.value:
                return _report(product, _import_special(file, product, options))
            try:
                result = codes.import_codes(
                    product=product,
                    lines=file,
                    file_name="standard input" if name == "-" else Path(name).name,
                    batch_reference=_reference(options["batch"]),
                    cost=options["cost"],
                    currency=options["currency"],
                    supplier=_supplier(options["supplier"]),
                    expires=options["expires"],
                    progress=_tracked,
                )
            except ValueError as error:
                raise Unusable(f"{name}: {error}") from error
        return _report(product, result, str(result.report))


def _report(product: Product, result: codes.ImportResult | Tally, path: str = "") -> Report:
    data = {
        "read": result.read,
        "imported": result.imported,
        "duplicates": result.duplicates,
        "rejected": result.rejected,
        "report": path,
    }
    lines = [
        f"{result.read:,} codes read for {product}: {result.imported:,} imported, {result.duplicates:,} duplicates,"
        f" {result.rejected:,} refused."
    ]
    lines += [f"Every line that was left out, and why: {path}"] if path else []
    problem = f"{result.rejected:,} lines were refused; see {path}" if result.rejected else ""
    return Report(data, lines, problem)


def _import_special(file: BinaryIO, product: Product, options: dict[str, Any]) -> Tally:
    """Import logins or a file: all of it or nothing."""
    name, kind = Path(options["file"]).name, CodeKind(options["kind"])
    if options["expires"]:
        raise Unusable("--expires is for codes that are texts")
    try:
        if kind == CodeKind.FILE:
            texts = [kinds.file_text(name, file.read(kinds.LARGEST_FILE + 1))]
        else:
            texts = [kinds.account_text(line) for line in file.read().decode().splitlines() if line.strip()]
        return kinds.add(
            product=product, kind=kind, texts=texts, batch_reference=_reference(options["batch"]), cost=options["cost"],
            currency=options["currency"], supplier=_supplier(options["supplier"]), file_name=name,
        )  # fmt: skip
    except ValueError as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise Unusable(f"{options['file']}: {reason}") from None


def _tracked(lines: Iterable[Any]) -> Iterator[Any]:
    return progress.track(lines, label="Importing codes")


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise Unusable(f"{name} can't be read: {error.strerror}") from error


def _product(sku: str, *, create: bool) -> Product:
    try:
        return products.by_sku(sku)
    except products.UnknownSku as error:
        if not create:
            raise Unusable(f"{error} Correct it, or add --create to make the product.") from error
    product = Product(sku=sku.strip())
    _check("--sku", product, exclude=["name"])
    return Product.objects.get_or_create(sku=product.sku)[0]


def _supplier(name: str) -> Supplier | None:
    if not name:
        return None
    supplier = Supplier(name=name.strip())
    _check("--supplier", supplier, exclude=[])
    return Supplier.objects.get_or_create(name=supplier.name)[0]


def _reference(text: str) -> str:
    batch = Batch(reference=text.strip())
    _check("--batch", batch, exclude=["product"])
    return batch.reference


def _check(option: str, row: models.Model, *, exclude: list[str]) -> None:
    """Refuse what the row's columns do not take."""
    try:
        row.clean_fields(exclude=exclude)
    except ValidationError as error:
        raise Unusable(f"{option}: {' '.join(error.messages)}") from error
