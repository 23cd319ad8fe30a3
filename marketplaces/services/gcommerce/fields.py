"""The fields of a product by our names, and what each of G-Commerce's three forms calls them (GCO-P12).

A product (GCO-04, 06), a row of a bulk update (GCO-08) and an item of a feed (GCO-09) have fields of their own; what is
not in this table is never sent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from marketplaces.exceptions import PermanentError
from marketplaces.services.gcommerce import decoding, statuses
from marketplaces.types import Json, OfferContent

CENT = Decimal("0.01")
CURRENCY = "USD"
IMAGE_JOIN = "///"


class Form(StrEnum):
    """Where fields are sent; the value is the operation, for errors that are not tied to one."""

    PRODUCT = "GCO-06"
    BULK = "GCO-08"
    FEED = "GCO-09"


def refuse(operation: str, message: str) -> PermanentError:
    return PermanentError(message, kind="invalid", operation=operation)


# --- values as they are sent -------------------------------------------------------------------------------------


def _text(value: object, name: str, form: Form) -> str:
    return decoding.text(value)


def _yes_or_no(value: object, name: str, form: Form) -> str:
    found = decoding.flag(value)
    if found is None:
        raise refuse(form, f"{name} is “{decoding.text(value)}”: it must be Y or N")
    return "Y" if found else "N"


def _number(value: object, name: str, form: Form) -> Decimal:
    # Attributes are kept as JSON, where a number may have become a float; its text is what was written.
    found = decoding.number(str(value) if isinstance(value, float) else value)
    if found is None or found < 0:
        raise refuse(form, f"{name} is “{decoding.text(value) or value}”: it must be a number from 0 up")
    return found


def _money(value: object, name: str, form: Form) -> Decimal:
    found = decoding.money(str(value) if isinstance(value, float) else value)
    if found is None or found < 0:
        raise refuse(form, f"{name} is missing or less than 0. Give the offer a price")
    return found.quantize(CENT, ROUND_HALF_UP)


def _whole(value: object, name: str, form: Form) -> int:
    found = decoding.whole(value)
    if found is None:
        raise refuse(form, f"{name} is “{decoding.text(value) or value}”: it must be a whole number from 0 up")
    return found


def _as_given(value: object, name: str, form: Form) -> Any:
    """A code that may be a number or a text: leading zeros of a text stay."""
    return value if isinstance(value, int) and not isinstance(value, bool) else decoding.text(value)


def _category_ids(value: object, name: str, form: Form) -> Any:
    found = decoding.idents(value)
    if any(not word.isascii() or not word.isdigit() for word in found):
        raise refuse(form, f"{name} are “{', '.join(found)}”: they must be whole numbers")
    return ",".join(found) if form is Form.FEED else [int(word) for word in found]


def _category_id(value: object, name: str, form: Form) -> int:
    (found,) = _category_ids([value], name, Form.PRODUCT) or (None,)
    if found is None:
        raise refuse(form, f"{name} must be a whole number")
    return int(found)


def addresses(value: object, form: Form) -> list[str]:
    """Addresses of images that anybody can fetch. Anything else would be taken for a path on their server (GCO-P09)."""
    given = value if isinstance(value, list | tuple) else [value]
    found = [word for item in given if (word := decoding.text(item))]
    for address in found:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or IMAGE_JOIN in address:
            raise refuse(form, f"“{address[:100]}” is no address of an image: it must start with https://")
    return found


def _joined(value: object, name: str, form: Form) -> str:
    return IMAGE_JOIN.join(addresses(value, form))


# --- the table ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wire:
    """How a field is written, and its name in each form; without a name it is not sent there."""

    write: Callable[[object, str, Form], Any]
    product: str = ""
    bulk: str = ""
    feed: str = ""

    def name_in(self, form: Form) -> str:
        return {Form.PRODUCT: self.product, Form.BULK: self.bulk, Form.FEED: self.feed}[form]


# Fields of OfferContent.
OWN: Mapping[str, Wire] = {
    "external_product_id": Wire(_text, product="product_code", feed="code"),
    "title": Wire(_text, product="product", feed="product"),
    "description": Wire(_text, product="full_description", feed="full_description"),
    "price": Wire(_money, product="price", bulk="vendor_price", feed="price"),
    "quantity": Wire(_whole, product="amount", bulk="amount", feed="amount"),
    "min_quantity": Wire(_whole, product="min_qty"),
    "visibility": Wire(_text, product="status"),
}

# Keys of OfferContent.attributes.
ATTRIBUTES: Mapping[str, Wire] = {
    "upc": Wire(_text, product="product_upc_code", bulk="upc", feed="upc"),
    "category_ids": Wire(_category_ids, product="category_ids", feed="category_ids"),
    "main_category": Wire(_category_id, product="main_category"),
    "list_price": Wire(_money, product="list_price"),
    "lang_code": Wire(_text, product="lang_code"),
    "page_title": Wire(_text, product="page_title"),
    "meta_description": Wire(_text, product="meta_description"),
    "avail_since": Wire(_as_given, product="avail_since"),
    "free_shipping": Wire(_yes_or_no, product="free_shipping", feed="free_shipping"),
    "weight": Wire(_number, product="weight", feed="weight"),
    "abilityone": Wire(_yes_or_no, bulk="abilityone", feed="abilityone"),
    "unit_of_measure": Wire(_text, bulk="unit_of_measure", feed="unit_of_measure"),
    "manufacturer_name": Wire(_text, bulk="manufacturer_name", feed="manufacturer_name"),
    "manufacturer_part_number": Wire(_text, bulk="manufacturer_part_number", feed="manufacturer_part_number"),
    "country_of_origin": Wire(_text, bulk="country_of_origin", feed="country_of_origin"),
    "unspsc": Wire(_as_given, bulk="unspsc", feed="unspsc"),
    "eccn": Wire(_as_given, bulk="eccn", feed="eccn"),
    "brand": Wire(_text, feed="brand"),
    "made_in_usa": Wire(_yes_or_no, feed="made_in_usa"),
    "green_product": Wire(_yes_or_no, feed="green_product"),
    "images": Wire(_joined, feed="images"),
}

# What the answer to a bulk update calls a field that it was sent under another name.
ANSWERED_AS: Mapping[str, str] = {"vendor_price": "prices"}
# Our fields that G-Commerce has nothing for: they are as it should be once the others are. Where a sale is stopped the
# quantity is 0, and prices are in US dollars alone.
WITHOUT_WIRE = frozenset({"currency", "low_stock_at", "is_for_sale", "offer_type"})


# --- bodies ------------------------------------------------------------------------------------------------------


def write(content: OfferContent, fields: frozenset[str], form: Form) -> dict[str, Json]:
    """Return for each of our fields what is sent for it in this form. Raises PermanentError (invalid)."""
    if fields & {"price", "currency"} and content.currency != CURRENCY:
        raise refuse(form, f"The price is in {content.currency or 'no currency'}: G-Commerce takes {CURRENCY} alone")
    found: dict[str, Json] = {}
    for name, wire in OWN.items():
        if name in fields and (theirs := wire.name_in(form)):
            value = getattr(content, name)
            if value not in (None, "") or name in ("price", "quantity", "min_quantity"):
                found[name] = {theirs: wire.write(value, name.replace("_", " ").capitalize(), form)}
    if "attributes" in fields:
        found["attributes"] = attributes(content, form)
    return found


def attributes(content: OfferContent, form: Form) -> Json:
    """Return what is sent for an offer's attributes; what is empty is not, for it would clear or break."""
    return {
        theirs: wire.write(content.attributes[name], name, form)
        for name, wire in ATTRIBUTES.items()
        if (theirs := wire.name_in(form)) and not decoding.is_empty(content.attributes.get(name))
    }


def body(content: OfferContent, fields: frozenset[str], form: Form) -> Json:
    """Return the fields of this form in one object."""
    if content.visibility and "visibility" in fields and content.visibility not in statuses.PRODUCT_LETTERS:
        raise refuse(form, f"The visibility is “{content.visibility}”: it must be A (shown), D (off) or H (hidden)")
    return {theirs: value for part in write(content, fields, form).values() for theirs, value in part.items()}


def unlisted(content: OfferContent, form: Form) -> list[str]:
    """Name the attributes that this form does not take."""
    return sorted(
        name
        for name, value in content.attributes.items()
        if not decoding.is_empty(value) and not (name in ATTRIBUTES and ATTRIBUTES[name].name_in(form))
    )


def image_pairs(content: OfferContent, form: Form = Form.PRODUCT) -> Json:
    """Return `main_pair` and `image_pairs` for the offer's images; nothing at all where it has none."""
    found = addresses(content.attributes.get("images") or [], form)
    if not found:
        return {}
    main, *others = ({"detailed": {"image_path": address}} for address in found)
    placed: Sequence[Json] = [{"position": number, **pair} for number, pair in enumerate(others, 1)]
    return {"main_pair": main} | ({"image_pairs": list(placed)} if placed else {})
