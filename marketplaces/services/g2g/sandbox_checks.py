"""What the make-believe G2G accepts in a body: types first (400), then sense (422)."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from marketplaces.sandbox_words import Json, Refusal, Request
from marketplaces.services.g2g.sandbox_catalogue import Product

NEEDED = (
    "product_id",
    "min_qty",
    "api_qty",
    "low_stock_alert_qty",
    "offer_attributes",
    "currency",
    "unit_price",
)
V1_CHANGES = {
    "min_qty",
    "api_qty",
    "low_stock_alert_qty",
    "offer_attributes",
    "currency",
    "unit_price",
    "wholesale_details",
    "sales_territory_settings",
}
V2_CHANGES = V1_CHANGES | {"other_pricing", "other_wholesale_details", "delivery_method_ids"}
ONLY_AT_CREATION = {"v1": {"product_id"}, "v2": {"product_id", "title", "description"}}
TERRITORIES = ("global", "by_country", "exclusion")
MOST_TIERS = 3
# Which texts an offer of a kind may not have, and what a manual one may not change.
TEXTS_REFUSED = {"gift_card": {"title", "description"}, "top_up": {"title"}, "manual": set[str]()}
MANUAL_CHANGES = {"currency", "unit_price", "wholesale_details", "other_pricing", "other_wholesale_details", "api_qty"}


def read_json(request: Request) -> Json:
    """Return the body, which is a JSON object sent as JSON."""
    if "json" not in request.headers.get("content-type", ""):
        raise Refusal(400, "", "Content-Type is application/json")
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Refusal(400, "", "The body is no JSON") from None
    if not isinstance(body, dict):
        raise Refusal(400, "", "The body is no object")
    return body


def checked_text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise Refusal(400, "", f"{key} is a text and is needed")
    return value


def checked_offer(body: Json, product: Product, version: str, currencies: Collection[str], *, is_new: bool) -> Json:
    """Return the fields to keep of G2G-05's or G2G-07's body, or refuse the first that is wrong."""
    allowed = V2_CHANGES if version == "v2" else V1_CHANGES
    allowed = allowed | ONLY_AT_CREATION[version] if is_new else allowed
    if unknown := body.keys() - allowed:
        raise Refusal(400, "", f"{', '.join(sorted(unknown))} cannot be set here")
    if not body:
        raise Refusal(400, "", "At least one field is needed")
    if missing := [key for key in NEEDED if is_new and key not in body]:
        raise Refusal(400, "", f"{', '.join(missing)} is missing")
    fields = {key: value for key, value in body.items() if key != "product_id"}
    for key, value in fields.items():
        if not _TYPES[key](value):
            raise Refusal(400, "", f"{key} is of a wrong type or out of bounds")
    _check_kind(fields, product, is_new=is_new)
    _check_attributes(fields, product)
    _check_prices(fields, currencies)
    return fields


def _whole(low: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= low


def _is_price(value: Any) -> bool:
    return type(value) in (int, float) and value > 0


def _list_of(keys: Mapping[str, Callable[[Any], bool]]) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        return isinstance(value, list) and all(
            isinstance(entry, dict)
            and entry.keys() == keys.keys()
            and all(fits(entry[key]) for key, fits in keys.items())
            for entry in value
        )

    return check


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_territory(value: Any) -> bool:
    return isinstance(value, dict) and value.get("settings_type") in TERRITORIES


_is_tiers = _list_of({"min": _whole(1), "max": _whole(1), "unit_price": _is_price})

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "title": _is_text,
    "description": _is_text,
    "min_qty": _whole(1),
    "api_qty": _whole(0),
    "low_stock_alert_qty": _whole(0),
    "offer_attributes": _list_of({"attribute_group_id": _is_text, "attribute_id": _is_text}),
    "currency": _is_text,
    "unit_price": _is_price,
    "wholesale_details": _is_tiers,
    "other_pricing": _list_of({"currency": _is_text, "unit_price": _is_price}),
    "other_wholesale_details": _list_of({"currency": _is_text, "wholesale_details": _is_tiers}),
    "sales_territory_settings": _is_territory,
    "delivery_method_ids": lambda value: isinstance(value, list) and all(_is_text(entry) for entry in value),
}


def _check_kind(fields: Json, product: Product, *, is_new: bool) -> None:
    if product.kind == "manual" and (is_new or fields.keys() - MANUAL_CHANGES or fields.get("api_qty")):
        raise Refusal(422, "", "delivery_speed: this product is delivered by hand, not through the API")
    if refused := fields.keys() & TEXTS_REFUSED[product.kind]:
        raise Refusal(422, "", f"{', '.join(sorted(refused))} cannot be set for this service")
    methods = fields.get("delivery_method_ids", [])
    if product.kind != "top_up":
        if methods:
            raise Refusal(422, "", "delivery_method_ids cannot be set for this service")
        return
    known = {method["delivery_method_id"] for method in product.methods}
    if (is_new or "delivery_method_ids" in fields) and (len(methods) != 1 or methods[0] not in known):
        raise Refusal(422, "", "delivery_method_ids names exactly one method of the product")


def _check_attributes(fields: Json, product: Product) -> None:
    if "offer_attributes" not in fields:
        return
    chosen = {entry["attribute_group_id"]: entry["attribute_id"] for entry in fields["offer_attributes"]}
    for group_id, attribute_id in chosen.items():
        if attribute_id not in product.attributes.get(group_id, ()):
            raise Refusal(422, "", f"offer_attributes: {group_id}/{attribute_id} is not of this product")
    if missing := product.required - chosen.keys():
        raise Refusal(422, "", f"offer_attributes: {', '.join(sorted(missing))} is needed")


def _check_prices(fields: Json, currencies: Collection[str]) -> None:
    others = [*fields.get("other_pricing", ()), *fields.get("other_wholesale_details", ())]
    for currency in [fields.get("currency", "USD"), *(entry["currency"] for entry in others)]:
        if currency not in currencies:
            raise Refusal(422, "", f"currency: {currency[:10]} is not among the store's selling currencies")
    if "wholesale_details" in fields:
        _check_tiers(fields["wholesale_details"])
    for entry in fields.get("other_wholesale_details", ()):
        _check_tiers(entry["wholesale_details"])


def _check_tiers(tiers: list[Json]) -> None:
    if not 1 <= len(tiers) <= MOST_TIERS:
        raise Refusal(422, "", f"wholesale_details has 1 to {MOST_TIERS} tiers")
    for number, tier in enumerate(tiers):
        begin = tiers[number - 1]["max"] + 1 if number else tier["min"]
        if tier["min"] != begin or tier["max"] < tier["min"]:
            raise Refusal(422, "", "wholesale_details rise without gap or overlap")
