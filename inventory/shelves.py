"""How many units an offer shows, and whether it may show any: rules and pauses of many offers, read together."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from inventory import stock
from inventory.models import Offer, Pause, QuantityRule

Level = Pause.Level


class Place(NamedTuple):
    """Where an offer stands: all that rules and pauses go by."""

    offer: int
    product: int | None
    account: UUID
    marketplace: str

    @classmethod
    def of(cls, offer: Offer) -> "Place":
        return cls(offer.pk, offer.product_id, offer.account_id, offer.account.marketplace)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes whose pause stops this offer, the widest first."""
        return (
            scope_of(Level.EVERYTHING),
            scope_of(Level.MARKETPLACE, self.marketplace),
            scope_of(Level.ACCOUNT, self.account),
            scope_of(Level.PRODUCT, self.product),
            scope_of(Level.OFFER, self.offer),
        )


def scope_of(level: str, key: object = "") -> str:
    return f"{level} {key}".strip()


@dataclass(frozen=True)
class Numbers:
    """What rules say of one offer's number; None is "not said"."""

    buffer: int | None = None
    share: int | None = None
    cap: int | None = None
    stop_below: int | None = None
    fixed: int | None = None

    def shown(self, units: int, at_most: int | None = None) -> int:
        """Units to show of `units` that could be sold; `at_most` is the offer's own limit."""
        if self.fixed is not None:
            number = self.fixed
        elif units < (self.stop_below or 0):
            number = 0
        else:
            number = max(units - (self.buffer or 0), 0) * (100 if self.share is None else self.share) // 100
        return min(number, *(limit for limit in (self.cap, at_most) if limit is not None), number)


NOTHING_SAID = Numbers()
COLUMNS = tuple(Numbers.__dataclass_fields__)


@dataclass(frozen=True)
class Shelves:
    """Rules, pauses and stock of some offers as they are now."""

    rules: Mapping[tuple[str, Any], QuantityRule] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    units: Mapping[int, int] = field(default_factory=dict)  # that can be sold, by product

    def pause(self, place: Place) -> Pause | None:
        """The pause that stops the offer, the widest of several."""
        return next((self.pauses[scope] for scope in place.scopes if scope in self.pauses), None)

    def numbers(self, place: Place) -> Numbers:
        keys = (("offer", place.offer), ("product", place.product), ("account", place.account))
        rules = [self.rules[key] for key in keys if key in self.rules]
        if not rules:
            return NOTHING_SAID
        said = {
            column: next((value for rule in rules if (value := getattr(rule, column)) is not None), None)
            for column in COLUMNS
        }
        return Numbers(**said)

    def shown(self, place: Place, at_most: int | None = None) -> int:
        """Units that the offer may show, `at_most` being its own limit; none while it is paused."""
        units = 0 if place.product is None else self.units.get(place.product, 0)
        return 0 if self.pause(place) else self.numbers(place).shown(units, at_most)


def read(places: Iterable[Place]) -> Shelves:
    """Read rules, pauses and stock of all these offers in three statements."""
    known = list(places)
    if not known:
        return Shelves()
    pauses = _pauses({scope for place in known for scope in place.scopes})
    products = {place.product for place in known if place.product is not None}
    mine = Q(offer__in=[place.offer for place in known]) | Q(product__in=products)
    rules = QuantityRule.objects.filter(mine | Q(account__in={place.account for place in known}))
    by_key = {
        (scope, getattr(rule, f"{scope}_id")): rule
        for rule in rules
        for scope in QuantityRule.SCOPES
        if getattr(rule, f"{scope}_id") is not None
    }
    return Shelves(by_key, pauses, stock.sellable_of(products))


def _pauses(scopes: Collection[str]) -> dict[str, Pause]:
    return {pause.scope: pause for pause in Pause.objects.filter(ended_at=None, scope__in=scopes)}


def pause_of(offer: Offer) -> Pause | None:
    """The pause that stops one offer."""
    place = Place.of(offer)
    return Shelves(pauses=_pauses(place.scopes)).pause(place)
