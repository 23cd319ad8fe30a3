"""What is refused before it is sent: the bounds of sections 3.4 and 5 of the contract.

A refusal here costs no request and says in our words what to change.
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from marketplaces.exceptions import PermanentError
from marketplaces.services.g2g import mapping, reading
from marketplaces.types import CodeToSend, Json, OfferContent

MOST_TIERS = 3
MOST_CODES = 100
MOST_PAGE_ROWS = 100
TERRITORIES = ("global", "by_country", "exclusion")

# service_type in OfferContent.attributes, for it decides which texts an offer may have. Nothing said and no delivery method
# is a gift card: that is what the API is for (G2G-P50), and a text too few is better than a refusal.
GIFT_CARD = frozenset({"", "gift_card", "gift_cards"})
TOP_UP = frozenset({"top_up", "direct_top_up", "topup"})

V2_ONLY = frozenset({"title", "description", "other_pricing", "other_wholesale_details", "delivery_method_ids"})
FIXED = frozenset({"external_product_id", "title", "description"})


def refuse(operation: str, message: str) -> PermanentError:
    return PermanentError(message, kind="invalid", operation=operation)


def service_type(content: OfferContent) -> str:
    """Return gift_card, top_up, or their own word for another kind of goods."""
    said = reading.word(content.attributes.get("service_type"))
    if said in TOP_UP or (not said and content.attributes.get("delivery_method_ids")):
        return "top_up"
    return "gift_card" if said in GIFT_CARD else said


def create_body(content: OfferContent, version: str) -> tuple[Json, list[str]]:
    """Return the body of G2G-05, and what of the content is not sent and why. Raises PermanentError (invalid)."""
    operation, kind = "G2G-05", service_type(content)
    if not content.external_product_id:
        raise refuse(operation, "The offer names no product of G2G's catalogue. Choose one")
    body: Json = {"product_id": content.external_product_id}
    body |= {name: make(content, operation) for name, make in _OWN.items()}
    body |= _choices(content, operation, is_needed=True)
    notes = []
    texts = {"title": content.title, "description": content.description}
    for name, text in texts.items():
        if not text:
            continue
        if kind == "gift_card" or (kind == "top_up" and name == "title"):
            notes.append(f"G2G takes no {name} for {kind.replace('_', ' ')}s: it was left out")
        else:
            body[name] = text
    if kind == "top_up" and "delivery_method_ids" not in body:
        raise refuse(operation, "A top-up needs exactly one delivery method in delivery_method_ids. Choose one")
    if kind == "gift_card" and "delivery_method_ids" in body:
        raise refuse(operation, "A gift card has no delivery method. Empty delivery_method_ids")
    _no_v2_fields(body, version, operation)
    return body, notes


def update_body(content: OfferContent, fields: frozenset[str], version: str) -> Json:
    """Return the body of G2G-07 with the named fields alone; zero is a value. Raises PermanentError (invalid).

    What G2G can't change (the product, the texts) is left out, and an update of nothing else is refused.
    """
    operation = "G2G-07"
    names = [name for field in sorted(fields) for name in _OWN_NAMES.get(field, ())]
    body: Json = {name: _OWN[name](content, operation) for name in names}
    if "attributes" in fields:
        body |= _choices(content, operation, is_needed=False)
        if service_type(content) == "gift_card" and "delivery_method_ids" in body:
            raise refuse(operation, "A gift card has no delivery method. Empty delivery_method_ids")
    if not body:
        named = ", ".join(sorted(fields & FIXED)).replace("external_product_id", "product")
        what = f"G2G can't change an offer's {named}" if named else "There is nothing to change"
        raise refuse(operation, f"{what}: an update needs at least one field that can be changed")
    _no_v2_fields(body, version, operation)
    return body


def _whole(name: str, value: object, least: int, operation: str) -> int:
    number = reading.count(value)
    if number is None or number < least:
        raise refuse(operation, f"{name} is {value}: it must be a whole number from {least} up")
    return number


def _price(value: object, operation: str) -> Decimal:
    # Attributes are kept as JSON, where a number may have become a float; its text is what was written.
    price = reading.money(str(value) if isinstance(value, float) else value)
    if price is None or price <= 0:
        raise refuse(operation, f"The price is {value}: it must be more than 0")
    return price


def _currency(value: object, operation: str) -> str:
    currency = reading.text(value)
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise refuse(operation, f"“{currency}” is no currency: write three capital letters, such as USD")
    return currency


# Their field -> how it is made of ours, within its bounds.
_OWN: Mapping[str, Callable[[OfferContent, str], Any]] = {
    "currency": lambda content, operation: _currency(content.currency, operation),
    "unit_price": lambda content, operation: _price(content.price, operation),
    "min_qty": lambda content, operation: _whole("The minimum quantity", content.min_quantity, 1, operation),
    "api_qty": lambda content, operation: _whole("The quantity", content.quantity, 0, operation),
    "low_stock_alert_qty": lambda content, operation: _whole(
        "The low stock threshold", content.low_stock_at, 0, operation
    ),
}

# Our field -> theirs. A price means nothing without its currency, so the two go together.
_OWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "quantity": ("api_qty",),
    "min_quantity": ("min_qty",),
    "low_stock_at": ("low_stock_alert_qty",),
    "price": ("unit_price", "currency"),
    "currency": ("unit_price", "currency"),
}


# --- their own fields --------------------------------------------------------------------------------------------


def _choices(content: OfferContent, operation: str, *, is_needed: bool) -> Json:
    """The attributes in their words; an empty one says nothing and is not sent."""
    given = content.attributes
    unknown = sorted(set(given) - set(mapping.OFFER_ATTRIBUTES) - {"service_type"})
    if unknown:
        known = ", ".join((*mapping.OFFER_ATTRIBUTES, "service_type"))
        raise refuse(operation, f"G2G knows no attribute {', '.join(unknown)}. It knows {known}")
    if is_needed and not isinstance(given.get("offer_attributes"), list):
        raise refuse(operation, "offer_attributes is missing: the choices that the product asks for, or an empty list")
    body: Json = {}
    for name in mapping.OFFER_ATTRIBUTES:
        value = given.get(name)
        if value or (name == "offer_attributes" and value == []):
            body[name] = _CHECKS[name](value, operation)
    return body


def _list(name: str, value: object, operation: str) -> list[Json]:
    found = reading.rows(value)
    if not isinstance(value, Sequence) or len(found) != len(value):
        raise refuse(operation, f"{name} must be a list of objects")
    return found


def _offer_attributes(value: object, operation: str) -> list[Json]:
    found = _list("offer_attributes", value, operation)
    names = ("attribute_group_id", "attribute_id")
    if not all(reading.ident(row.get(name)) for row in found for name in names):
        raise refuse(operation, "Each of offer_attributes needs an attribute_group_id and an attribute_id")
    return [{name: reading.ident(row[name]) for name in names} for row in found]


def _tiers(value: object, operation: str) -> list[Json]:
    found = _list("wholesale_details", value, operation)
    if not 1 <= len(found) <= MOST_TIERS:
        raise refuse(operation, f"G2G takes 1 to {MOST_TIERS} wholesale tiers, not {len(found)}")
    tiers: list[Json] = [
        {
            "min": _whole("A wholesale tier's min", row.get("min"), 1, operation),
            "max": _whole("A wholesale tier's max", row.get("max"), 1, operation),
            "unit_price": _price(row.get("unit_price"), operation),
        }
        for row in found
    ]
    bounds: list[int] = [tier[name] for tier in tiers for name in ("min", "max")]
    touching = any(one["max"] == other["min"] for one, other in itertools.pairwise(tiers))
    if touching or bounds != sorted(bounds):
        raise refuse(operation, "The wholesale tiers must rise and not overlap")
    return tiers


def _other_pricing(value: object, operation: str) -> list[Json]:
    return [
        {
            "currency": _currency(row.get("currency"), operation),
            "unit_price": _price(row.get("unit_price"), operation),
        }
        for row in _list("other_pricing", value, operation)
    ]


def _other_tiers(value: object, operation: str) -> list[Json]:
    return [
        {
            "currency": _currency(row.get("currency"), operation),
            "wholesale_details": _tiers(row.get("wholesale_details"), operation),
        }
        for row in _list("other_wholesale_details", value, operation)
    ]


def _territories(value: object, operation: str) -> Json:
    found = reading.obj(value)
    if reading.text(found.get("settings_type")) not in TERRITORIES:
        raise refuse(operation, f"sales_territory_settings needs a settings_type: one of {', '.join(TERRITORIES)}")
    countries = reading.texts(found.get("countries"))
    return {"settings_type": reading.text(found["settings_type"]), "countries": countries}


def _methods(value: object, operation: str) -> list[str]:
    found = reading.texts(value)
    if len(found) != 1:
        raise refuse(operation, f"G2G takes exactly one delivery method, not {len(found)}")
    return found


_CHECKS: Mapping[str, Callable[[object, str], Any]] = {
    "offer_attributes": _offer_attributes,
    "wholesale_details": _tiers,
    "other_pricing": _other_pricing,
    "other_wholesale_details": _other_tiers,
    "sales_territory_settings": _territories,
    "delivery_method_ids": _methods,
}


def _no_v2_fields(body: Json, version: str, operation: str) -> None:
    too_new = sorted(V2_ONLY & set(body)) if version == "v1" else []
    if too_new:
        raise refuse(operation, f"Version v1 of G2G's API has no {', '.join(too_new)}. Use v2, or leave it empty")


# --- codes -------------------------------------------------------------------------------------------------------


def code_items(codes: Sequence[CodeToSend], operation: str) -> list[Json]:
    """Return the codes as they are sent. Each must be there, and be there once (G2G-P16, G2G-P23)."""
    if not 1 <= len(codes) <= MOST_CODES:
        raise refuse(operation, f"G2G takes 1 to {MOST_CODES} codes at once, not {len(codes)}")
    items = [code_item(code, operation) for code in codes]
    for name in ("content", "reference_id"):
        if len({item[name] for item in items}) < len(items):
            raise refuse(operation, f"A code stands twice among the {len(items)} to be sent. Nothing was sent")
    return items


def code_item(code: CodeToSend, operation: str) -> Json:
    if not code.content.strip() or not code.reference:
        raise refuse(operation, "A code is empty or has no reference. Nothing was sent")
    return {"content": code.content, "content_type": "text/plain", "reference_id": code.reference}


def code_problem(content: str, code_label: str) -> str:
    """Say why a code does not fit the columns of an offer's codes; empty when it does, or nothing is known (G2G-P45)."""
    if not content.strip():
        return "The code is empty"
    columns = [column.strip() for column in code_label.split(",") if column.strip()]
    values = content.split(",")
    if not columns or len(values) == len(columns):
        return ""
    return f"G2G expects {len(columns)} value(s) ({', '.join(columns)}) with commas between them, not {len(values)}"
