"""Our words to G2A's: bodies and queries. Pure functions; what G2A would refuse raises PermanentError (invalid).

`contract` takes flat bodies with prices as JSON numbers, `live` takes variants with prices as texts (G2A-P10, G2A-P13).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from backoffice.money import rounded
from marketplaces.exceptions import PermanentError
from marketplaces.services.g2a import reading
from marketplaces.services.g2a.dialects import Dialect
from marketplaces.types import CodeToSend, Json, OfferContent

CURRENCY = "EUR"
DROPSHIPPING = "dropshipping"
USUAL_VISIBILITY = "all"
MOST_UNITS = 10_000  # the largest stock that an offer may declare
MOST_KEYS = 500  # in one upload
MOST_FILES = 20  # likewise; how large an upload may be is not documented
FILES_PART = "files[]"  # of the form; no name is documented
LAST_PAGE = 500  # of the catalogue (G2A-P34)
OFFERS_PER_PAGE = (10, 20, 50, 100)
FIXED_TYPES = frozenset({"preorder"})  # can be created and not edited (G2A-P51)
# The prices that an offer has for whom it is shown to; one too many is refused in `live` (G2A-P12).
PRICE_KEYS = {"all": ("retail", "business"), "retail": ("retail",), "business": ("business",)}
# Of an offer's attributes, what goes into its variant as it stands.
VARIANT_ATTRIBUTES = ("regions", "regionRestrictions")


@dataclass(frozen=True)
class ProductFilter:
    """What to list of the catalogue. Prices are in EUR; times are aware and go out in UTC."""

    product_id: str = ""
    min_quantity: int | None = None
    price_from: Decimal | None = None
    price_to: Decimal | None = None
    is_out_of_stock_shown: bool = False
    updated_from: datetime | None = None
    updated_to: datetime | None = None


@dataclass(frozen=True)
class OfferFilter:
    """What to list of our offers. `live` knows no product and no status, `contract` no update time."""

    product_id: str = ""
    status: str = ""
    offer_type: str = ""
    is_active: bool | None = None
    updated_from: datetime | None = None


def refuse(operation: str, message: str) -> PermanentError:
    return PermanentError(message, kind="invalid", operation=operation)


def product_id(value: str) -> str:
    """A product's id as text: as it is, with the `i` that the shop's links put before it, or out of such a link (G2A-P08)."""
    found = re.fullmatch(r"i?(\d+)|.*-i(\d+)(?:[/?#].*)?", value.strip())
    return (found[1] or found[2]) if found else value.strip()


def offer_type(content: OfferContent) -> str:
    return content.offer_type or DROPSHIPPING


def is_for_sale(content: OfferContent) -> bool:
    """Dropshipping without stock is not: a size of 0 alone may leave an offer selling (G2A-P16)."""
    has_stock = content.quantity > 0 or offer_type(content) != DROPSHIPPING
    return content.is_for_sale and content.attributes.get("active", True) is not False and has_stock


def price(value: Decimal, operation: str, *, name: str = "price") -> Decimal:
    """An amount in whole cents, as G2A takes it."""
    cents = rounded(value, CURRENCY)
    if cents <= 0:
        raise refuse(operation, f"The {name} is {value}: it must be at least 0.01 {CURRENCY}")
    return cents


# --- offers ------------------------------------------------------------------------------------------------------


def create_body(content: OfferContent, dialect: Dialect) -> Json:
    """The body of G2A-08. Which offer types and visibilities there are is left to G2A to say."""
    _check_currency(content, "G2A-08")
    visibility = content.visibility or USUAL_VISIBILITY
    prices, inventory, extras = _prices(content, "G2A-08"), _inventory(content), _extras(content)
    shared: Json = {"visibility": visibility} | ({"inventory": inventory} if inventory else {})
    product = {"productId": product_id(content.external_product_id)}
    if dialect.is_live:
        variant = product | {"price": _texts(prices), "active": is_for_sale(content)} | shared | extras
        return {"offerType": offer_type(content), "variants": [variant]}
    if "business_price" in content.attributes:
        extras = {"price": prices} | extras
    main = prices.get("retail", next(iter(prices.values())))
    body = {"offerType": offer_type(content)} | product | {"price": main} | shared
    return body | ({"variant": extras} if extras else {})


def update_body(content: OfferContent, fields: frozenset[str], dialect: Dialect) -> Json:
    """The body of G2A-11 with what the named fields change alone; empty when that is nothing that G2A has."""
    if offer_type(content) in FIXED_TYPES:
        raise refuse(
            "G2A-11", f"G2A's API can't change an offer of the type {content.offer_type}. Do it on G2A's website"
        )
    _check_currency(content, "G2A-11")
    changed: Json = {}
    if fields & {"price", "currency", "visibility"} or (
        "attributes" in fields and "business_price" in content.attributes
    ):
        changed["price"] = _prices(content, "G2A-11")
    if "visibility" in fields:
        changed["visibility"] = content.visibility or USUAL_VISIBILITY
    changed |= _stock(content, fields)
    extras = _extras(content) if "attributes" in fields else {}
    if dialect.is_live:
        return _live_update(content, changed, extras)
    return _flat_update(content, changed, extras)


def _stock(content: OfferContent, fields: frozenset[str]) -> Json:
    """What says how many are for sale. Of other types than dropshipping the uploaded keys are the stock (G2A-P15)."""
    if offer_type(content) == DROPSHIPPING:
        is_touched = fields & {"quantity", "is_for_sale", "attributes"}
        return {"active": is_for_sale(content), "inventory": _inventory(content)} if is_touched else {}
    changed: Json = {"active": is_for_sale(content)} if fields & {"is_for_sale", "attributes"} else {}
    inventory = _inventory(content) if "attributes" in fields else {}
    return changed | ({"inventory": inventory} if inventory else {})


def _live_update(content: OfferContent, changed: Json, extras: Json) -> Json:
    if "price" in changed:
        changed["price"] = _texts(changed["price"])
    variant = changed | extras
    return {"offerType": offer_type(content), "variant": variant} if variant else {}


def _flat_update(content: OfferContent, changed: Json, extras: Json) -> Json:
    if "price" in changed:
        prices = changed["price"]
        changed["price"] = prices.get("retail", next(iter(prices.values())))
        if "business_price" in content.attributes:
            extras = {"price": prices} | extras
    return changed | ({"variant": extras} if extras else {})


def attach_body(kind: str, collection_id: str, dialect: Dialect) -> Json:
    """The body of G2A-11 that puts an uploaded collection on sale."""
    if kind in FIXED_TYPES | {DROPSHIPPING}:
        raise refuse("G2A-11", f"An offer of the type {kind} takes no uploaded keys")
    change: Json = {"inventory": {"tmpInventoryId": collection_id}}
    return {"offerType": kind, "variant": change} if dialect.is_live else change


def upload_body(keys: Sequence[CodeToSend]) -> Json:
    """The body of G2A-12 with keys."""
    if not 0 < len(keys) <= MOST_KEYS:
        raise refuse("G2A-12", f"{len(keys)} keys can't be uploaded at once: 1 to {MOST_KEYS} can")
    texts = [key.content for key in keys]
    if len(set(texts)) < len(texts) or not all(text.strip() for text in texts):
        raise refuse("G2A-12", "Among the keys one is empty or stands there twice")
    return {"keys": texts}


def _check_currency(content: OfferContent, operation: str) -> None:
    if content.currency != CURRENCY:
        raise refuse(operation, f"G2A takes prices in {CURRENCY} alone, not in {content.currency or 'no currency'}")


def _prices(content: OfferContent, operation: str) -> dict[str, Decimal]:
    """The offer's prices by who sees them; business pays the same as others where no business_price is set."""
    retail, given = price(content.price, operation), content.attributes.get("business_price")
    # Attributes are kept as JSON, where a number may have become a float; its text is what was written.
    business = reading.amount(str(given)) if given not in (None, "") else content.price
    if business is None:
        raise refuse(operation, f"The business_price is “{given}”: it must be an amount in {CURRENCY}")
    amounts = {"retail": retail, "business": price(business, operation, name="business_price")}
    keys = PRICE_KEYS.get(content.visibility or USUAL_VISIBILITY, PRICE_KEYS[USUAL_VISIBILITY])
    return {key: amounts[key] for key in keys}


def _texts(prices: dict[str, Decimal]) -> dict[str, str]:
    return {key: f"{amount:.2f}" for key, amount in prices.items()}


def shown(said: Json, content: OfferContent) -> Json:
    """Of what an offer says, that which reading it shows the way it was sent."""
    ours: Json = {name: said[name] for name in ("price", "visibility", "is_for_sale") if name in said}
    ours["is_for_sale"] = is_for_sale(content)
    if offer_type(content) == DROPSHIPPING:
        ours["quantity"] = _inventory(content)["size"]
    return ours


def _inventory(content: OfferContent) -> Json:
    if offer_type(content) == DROPSHIPPING:
        return {"size": min(content.quantity, MOST_UNITS) if is_for_sale(content) else 0}
    collection = reading.ident(content.attributes.get("tmpInventoryId"))
    return {"tmpInventoryId": collection} if collection else {}


def _extras(content: OfferContent) -> Json:
    """What the attributes say of the variant in G2A's own words."""
    named = {name: content.attributes[name] for name in VARIANT_ATTRIBUTES if name in content.attributes}
    return named | reading.obj(content.attributes.get("variant"))


# --- queries -----------------------------------------------------------------------------------------------------


def products_query(wanted: ProductFilter, page: int) -> dict[str, str]:
    """The parameters of G2A-02. Page 500 is the last that G2A has."""
    if not 1 <= page <= LAST_PAGE:
        raise refuse("G2A-02", f"G2A's catalogue has the pages 1 to {LAST_PAGE}, not {page}. Narrow the search")
    if wanted.min_quantity is not None and wanted.min_quantity < 0:
        raise refuse("G2A-02", "The least quantity must be 0 or more")
    low, high = wanted.price_from, wanted.price_to
    if any(bound is not None and bound < 0 for bound in (low, high)) or (
        low is not None and high is not None and low > high
    ):
        raise refuse("G2A-02", "Prices must be 0 or more, and the first not above the second")
    given: dict[str, str | None] = {
        "page": str(page),
        "id": product_id(wanted.product_id) or None,
        "minQty": None if wanted.min_quantity is None else str(wanted.min_quantity),
        "minPriceFrom": None if low is None else f"{low:f}",
        "minPriceTo": None if high is None else f"{high:f}",
        "includeOutOfStock": "true" if wanted.is_out_of_stock_shown else None,
        "updatedAtFrom": moment(wanted.updated_from),
        "updatedAtTo": moment(wanted.updated_to),
    }
    return {name: value for name, value in given.items() if value is not None}


def offers_query(wanted: OfferFilter, dialect: Dialect) -> dict[str, str]:
    """The parameters of G2A-10 that this dialect has; what it lacks is left to whoever reads the rows."""
    given: dict[str, str | None] = {
        dialect.offer_type: wanted.offer_type or None,
        "active": None if wanted.is_active is None else ("true" if wanted.is_active else "false"),
    }
    if dialect.is_live:
        given["updatedAtFrom"] = moment(wanted.updated_from)
    else:
        given |= {"productId": product_id(wanted.product_id) or None, "status": wanted.status or None}
    return {name: value for name, value in given.items() if value is not None}


def moment(at: datetime | None) -> str | None:
    """A time as G2A writes it. It names no zone; UTC is assumed."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else None
