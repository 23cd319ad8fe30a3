"""An offer as a row of text: its columns, a cell out of an offer, values out of cells, and which offer a row speaks of."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q

from backoffice import csvio
from inventory.models import Offer, Product
from marketplaces.models import Account

REQUIRED = ("sku", "external_product_id", "price", "currency")
# Columns that are copied as they stand. An empty cell leaves what is there, but an empty quantity means "follow stock".
PLAIN = (
    "price", "currency", "quantity", "offer_type", "visibility", "min_quantity", "low_stock_at", "title", "description",
    "floor", "ceiling",
)  # fmt: skip
OPTIONAL = ("quantity", "offer_type", "visibility", "min_quantity", "low_stock_at", "title", "external_id", "attributes",
            "description", "floor", "ceiling", "id")  # fmt: skip
COLUMNS = (*REQUIRED, *OPTIONAL)
LONGEST_CELL = 32_000  # a spreadsheet cuts a longer cell off
# What no spreadsheet keeps.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class UnusableRow(ValueError):
    """One row can't be applied; the text is the reason."""


# --- out of an offer -------------------------------------------------------------------------------------------------


def cell(offer: Offer, column: str) -> str:
    """What an offer says in a column, as it comes back out of a spreadsheet."""
    value: Any = (offer.product and offer.product.sku) if column == "sku" else getattr(offer, column)
    if column == "attributes":
        value = json.dumps(value, ensure_ascii=False) if value else ""
    return kept("" if value is None else str(value))


def exported(offer: Offer, column: str) -> str:
    """A cell for a file that people open in a spreadsheet; read_row() reads it again."""
    return csvio.plain(cell(offer, column))


def kept(text: str) -> str:
    """What is left of a text on its way through a spreadsheet: no blanks around it, no other line breaks, no controls."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", lines).strip()


# --- out of a row ----------------------------------------------------------------------------------------------------


def read_row(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """The cells of a row by their columns. Raises UnusableRow."""
    if len(cells) > len(header):
        raise UnusableRow(f"it has {len(cells)} cells under {len(header)} columns")
    if any("\0" in text or "\ufffd" in text for text in cells):
        raise UnusableRow("it is not UTF-8 text")
    return dict(zip(header, (csvio.unquoted(kept(text)) for text in cells), strict=False))


def cleaned(offer: Offer, row: Mapping[str, str]) -> dict[str, Any]:
    """What the row wants of the offer, checked; a cell that says what the offer says already wants nothing."""
    values: dict[str, Any] = {}
    for name in ("external_product_id", "external_id", *PLAIN):
        text = row.get(name)
        if text is None or (text == "" and name != "quantity") or _is_said(offer, name, text):
            continue
        values[name] = _clean(name, text)
    if row.get("attributes") and not _is_said(offer, "attributes", row["attributes"]):
        values["attributes"] = _attributes(row["attributes"])
    return values


def _is_said(offer: Offer, name: str, text: str) -> bool:
    if name in REQUIRED and offer._state.adding:
        return False
    says = cell(offer, name)
    return text == says or (len(text) >= LONGEST_CELL and says.startswith(text))


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


# --- which offer -----------------------------------------------------------------------------------------------------


class Known:
    """The products and offers that some rows may speak of, read in a few statements, with what earlier rows made of them."""

    def __init__(self, account: Account, *, is_locked: bool = False) -> None:
        self.account = account
        self.products: dict[str, Product] = {}
        self._is_locked = is_locked
        self._offers: dict[int, Offer] = {}  # by identity: a new one has no key yet
        self._by_pk: dict[int, Offer] = {}
        self._by_external: dict[str, Offer] = {}
        self._alike: dict[tuple[int | None, str], list[Offer]] = {}
        self._places: dict[int, tuple[str, tuple[int | None, str]]] = {}
        self._new: set[int] = set()

    def look_up(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Read what the rows name, and lock its offers where that is asked for, everybody in the same order."""
        said = {name: {row[name] for row in rows if row.get(name)} for name in ("sku", "id", "external_id")}
        theirs = {row.get("external_product_id", "") for row in rows}
        self.products |= {found.sku: found for found in Product.objects.filter(sku__in=said["sku"])}
        mine = Offer.objects.filter(account=self.account)
        ids = [int(text) for text in said["id"] if _is_id(text)]
        pks = set(mine.filter(Q(pk__in=ids) | Q(external_id__in=said["external_id"])).values_list("pk", flat=True))
        ours = [found.pk for found in self.products.values()]
        pks |= set(mine.filter(product__in=ours, external_product_id__in=theirs).values_list("pk", flat=True))
        missing = mine.filter(pk__in=pks - self._by_pk.keys()).order_by("pk")
        if self._is_locked:
            list(missing.select_for_update(no_key=True).values_list("pk", flat=True))
        for offer in missing.select_related("product"):
            offer.account = self.account
            self.note(offer)

    def note(self, offer: Offer) -> None:
        """Know an offer, or know it under what it says now."""
        mark = id(offer)
        if offer.pk:
            self._by_pk[offer.pk] = offer
        elif mark not in self._offers:
            self._new.add(mark)
        self._offers[mark] = offer
        if mark in self._places:
            external_id, key = self._places[mark]
            self._by_external.pop(external_id, None)
            self._alike[key] = [other for other in self._alike[key] if other is not offer]
        place = (offer.external_id, (offer.product_id, offer.external_product_id))
        self._places[mark] = place
        if offer.external_id:
            self._by_external[offer.external_id] = offer
        self._alike.setdefault(place[1], []).append(offer)

    def has(self, offer: Offer) -> bool:
        return id(offer) in self._offers

    def is_first(self, offer: Offer) -> bool:
        """Whether no row before made this new offer."""
        return id(offer) not in self._new

    def by_id(self, text: str, external_id: str) -> Offer | None:
        """The offer that a row names by our own id. Raises UnusableRow."""
        if not text:
            return None
        offer = self._by_pk.get(int(text)) if _is_id(text) else None
        if offer is None:
            raise UnusableRow(f"the account has no offer with the id {text[:20]}; leave it empty for a new one")
        if external_id and offer.external_id and external_id != kept(offer.external_id):
            raise UnusableRow(f"offer {text} is {offer.external_id} at the marketplace, not {external_id}")
        return offer

    def find(self, product: Product, row: Mapping[str, str]) -> Offer | None:
        """The row's offer by the marketplace's id, else the account's only one of the product for their product."""
        external_id = row.get("external_id", "")
        if external_id and (offer := self._by_external.get(external_id)):
            return offer
        found = self._alike.get((product.pk, row.get("external_product_id", "")), [])
        if external_id:  # one that has another id is another offer
            found = [offer for offer in found if not offer.external_id]
        if len(found) > 1:
            raise UnusableRow("more than one offer has this SKU and product id; name one by its external_id")
        return found[0] if found else None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
