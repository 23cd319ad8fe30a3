"""Import what offers should say from a CSV: one offer a row, each row by itself."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from inventory import limits, pricing, products
from inventory.limits import Book, PriceRefused
from inventory.models import Offer, Product
from inventory.pricing import NewPrice
from marketplaces.models import Account

REQUIRED = ("sku", "external_product_id", "price", "currency")
# Columns that are copied as they stand. An empty cell leaves what is there, but an empty quantity means "follow stock".
PLAIN = (
    "price", "currency", "quantity", "offer_type", "visibility", "min_quantity", "low_stock_at", "title", "description",
    "floor", "ceiling",
)  # fmt: skip
OPTIONAL = ("quantity", "offer_type", "visibility", "min_quantity", "low_stock_at", "title", "external_id", "attributes",
            "description", "floor", "ceiling")  # fmt: skip
COLUMNS = (*REQUIRED, *OPTIONAL)
PRICE = frozenset({"price", "currency"})
DECIDES = PRICE | {"floor", "ceiling", "product"}  # whether a price may go out


class UnusableHeader(ValueError):
    """The file can't be read; the text says why and which columns it takes."""


class UnusableRow(ValueError):
    """One row can't be applied; the text is the reason."""


@dataclass
class OfferImport:
    """Rows and what became of them. `named` are the offers that good rows speak of, changed or not."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)
    named: list[int] = field(default_factory=list)

    @property
    def read(self) -> int:
        return self.created + self.changed + self.unchanged + len(self.errors)


def import_offers(
    *, account: Account, lines: Iterable[str], progress: Callable[[Iterable[Any]], Iterable[Any]] = iter
) -> OfferImport:
    """Create or change the wanted state of an account's offers. Nothing is pushed by this.

    Good rows are applied, bad ones told with their line. Raises UnusableHeader before anything is done. Safe to repeat.
    """
    done = OfferImport()
    reader = csv.reader(lines, strict=True)
    header = _header(reader)
    book = Book()
    for number, cells in progress(_rows(reader, done)):
        try:
            with transaction.atomic():
                offer, outcome = _apply(account, _row(header, cells), book)
        except UnusableRow as error:
            done.errors.append((number, str(error)))
            continue
        setattr(done, outcome, getattr(done, outcome) + 1)
        done.named.append(offer.pk)
    return done


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        names = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise UnusableHeader(f"The header is no CSV: {error}.") from error
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    takes = f"It takes {','.join(REQUIRED)} and, as you like, {','.join(OPTIONAL)}."
    if missing:
        raise UnusableHeader(f"The header lacks {', '.join(missing)}. {takes}")
    if unknown:
        raise UnusableHeader(f"The header has unknown columns: {', '.join(unknown)}. {takes}")
    if len(set(names)) != len(names):
        raise UnusableHeader(f"The header names a column twice. {takes}")
    return names


def _rows(reader: Any, done: OfferImport) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of rows that are not blank; where the file stops being CSV, say so and end."""
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        done.errors.append((reader.line_num, f"from here on this is no CSV: {error}"))


def _row(header: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) > len(header):
        raise UnusableRow(f"it has {len(cells)} cells under {len(header)} columns")
    if any("\0" in cell or "\ufffd" in cell for cell in cells):
        raise UnusableRow("it is not UTF-8 text")
    return dict(zip(header, (cell.strip() for cell in cells), strict=False))


def _apply(account: Account, row: dict[str, str], book: Book) -> tuple[Offer, str]:
    """Bring one offer to what the row says; returns it and the name of the count that it belongs to."""
    try:
        product = products.by_sku(row.get("sku", ""))
    except products.UnknownSku as error:
        raise UnusableRow(str(error)) from error
    offer = _find(account, product, row) or Offer(account=account)
    is_new = offer.pk is None
    values = {"product": product, **_values(row)}
    theirs = values.get("external_product_id", offer.external_product_id)
    if offer.external_id and offer.external_product_id not in ("", theirs):
        raise UnusableRow(
            f"offer {offer.external_id} is for product {offer.external_product_id}, which can't be changed"
        )
    for name in REQUIRED[1:]:
        if is_new and values.get(name) in (None, ""):
            raise UnusableRow(f"{name} is empty, and the offer is new")
    changed = [name for name, value in values.items() if getattr(offer, name) != value]
    for name in changed:
        setattr(offer, name, values[name])
    if DECIDES & set(changed):
        _check(offer, book)
    new = NewPrice(offer.price, offer.currency)
    if is_new:
        offer.price = None
        offer.save()
    elif changed:
        offer.save(update_fields=[name for name in changed if name not in PRICE])
    if is_new or PRICE & set(changed):
        pricing.set_price({offer.pk: new}, reason="Imported from a CSV")
        offer.price = new.amount
    return offer, "created" if is_new else "changed" if changed else "unchanged"


def _check(offer: Offer, book: Book) -> None:
    if offer.floor is not None and offer.ceiling is not None and offer.floor > offer.ceiling:
        raise UnusableRow("ceiling: it is below the floor")
    try:
        limits.check(offer, book)
    except PriceRefused as refusal:
        raise UnusableRow(f"price: {refusal}") from refusal


def _find(account: Account, product: Product, row: dict[str, str]) -> Offer | None:
    """Find the row's offer by its id, else as the account's only offer of the product for the marketplace's product."""
    external_id = row.get("external_id", "")
    offers = Offer.objects.select_for_update().filter(account=account)
    if external_id and (offer := offers.filter(external_id=external_id).first()):
        return offer
    alike = offers.filter(product=product, external_product_id=row.get("external_product_id", ""))
    if external_id:  # one that has another id is another offer
        alike = alike.filter(external_id="")
    found = list(alike[:2])
    if len(found) > 1:
        raise UnusableRow("more than one offer has this SKU and product id; name one by its external_id")
    return found[0] if found else None


def _values(row: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ("external_product_id", "external_id", *PLAIN):
        text = row.get(name)
        if text is None or (text == "" and name != "quantity"):
            continue
        values[name] = _clean(name, text)
    if row.get("attributes"):
        values["attributes"] = _attributes(row["attributes"])
    return values


def _clean(name: str, text: str) -> Any:
    if name == "currency":
        text = text.upper()
        if len(text) != 3 or not text.isascii() or not text.isalpha():
            raise UnusableRow("currency: three letters, such as EUR")
    column: Any = Offer._meta.get_field(name)
    try:
        return column.clean(text or None, None)
    except ValidationError as error:
        raise UnusableRow(f"{name}: {' '.join(error.messages)}") from error


def _attributes(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UnusableRow("attributes: no JSON") from error
    if not isinstance(value, dict):
        raise UnusableRow('attributes: a JSON object, such as {"region": "EU"}')
    return value
