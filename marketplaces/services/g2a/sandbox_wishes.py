"""What a seller wishes for an offer, read from the body of either dialect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from marketplaces.sandbox_words import Json
from marketplaces.services.g2a import sandbox_checks as check

VARIANT = {
    "price",
    "active",
    "inventory",
    "visibility",
    "archive",
    "regions",
    "regionRestrictions",
}
# Which prices an offer with a visibility may have.
PRICE_NAMES = {"all": {"retail", "business"}, "retail": {"retail"}, "business": {"business"}}


@dataclass(frozen=True)
class Wish:
    """A change; None and nothing mean "as it is"."""

    prices: Mapping[str, Decimal] = field(default_factory=dict)
    visibility: str | None = None
    active: bool | None = None
    archive: bool | None = None
    size: int | None = None
    collection: str | None = None
    has_price_names: bool = False  # as in the live dialect, where the names must fit the visibility

    def check_visibility(self, visibility: str) -> None:
        """Refuse prices that nobody who sees the offer would pay."""
        if self.has_price_names and (extra := self.prices.keys() - PRICE_NAMES[visibility]):
            raise check.wrong(f"price.{extra.pop()}", f"does not go with the visibility {visibility}")


def flat_wish(body: Mapping[str, Any]) -> Wish:
    """Read the `contract` dialect's body; `variant` may say the same things in the other dialect's way."""
    variant = live_wish(check.object_of(body, "variant"), may_be_empty=True) if "variant" in body else Wish()
    size, collection = _inventory(body)
    price = {"retail": check.number_of(body, "price")} if "price" in body else {}
    return Wish(
        prices={**variant.prices, **price},
        visibility=_visibility(body) or variant.visibility,
        active=check.flag_of(body, "active") if "active" in body else variant.active,
        archive=variant.archive,
        size=variant.size if size is None else size,
        collection=collection or variant.collection,
    )


def live_wish(variant: Json, *, may_be_empty: bool = False) -> Wish:
    """Read the `live` dialect's variant."""
    check.only(variant, VARIANT)
    if not variant and not may_be_empty:
        raise check.wrong("variant", "has at least one field")
    size, collection = _inventory(variant)
    prices = check.object_of(variant, "price") if "price" in variant else {}
    check.only(prices, {"retail", "business"})
    if "price" in variant and not prices:
        raise check.wrong("price", "has retail, business or both")
    return Wish(
        prices={name: check.price_text_of(prices, name) for name in prices},
        visibility=_visibility(variant),
        active=check.flag_of(variant, "active") if "active" in variant else None,
        archive=check.flag_of(variant, "archive") if "archive" in variant else None,
        size=size,
        collection=collection,
        has_price_names=True,
    )


def _visibility(body: Mapping[str, Any]) -> str | None:
    return check.word_of(body, "visibility", check.VISIBILITIES) if "visibility" in body else None


def _inventory(body: Mapping[str, Any]) -> tuple[int | None, str | None]:
    if "inventory" not in body:
        return None, None
    inventory = check.object_of(body, "inventory")
    check.only(inventory, {"size", "tmpInventoryId"})
    if len(inventory) != 1:
        raise check.wrong("inventory", "has size or tmpInventoryId")
    if "size" in inventory:
        return check.whole_of(inventory, "size", 0, check.MOST_SIZE), None
    return None, check.text_of(inventory, "tmpInventoryId")
