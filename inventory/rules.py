"""Price rules: which one holds for an offer, and which price it asks for. Asks nobody and changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from backoffice import money
from inventory.costs import MissingCost
from inventory.limits import Book, Limits, exact
from inventory.models import Offer, PriceRule
from inventory.rates import MissingRate

Kind = PriceRule.Kind
# Whether an offer's, a product's and an account's rule must fit, the most particular first.
PARTICULAR = (("offer_id",), ("account_id", "product_id"), ("product_id",), ("account_id",))


class NoPrice(ValueError):
    """The rule can't say a price for this offer; the text is the reason, for people."""


@dataclass(frozen=True)
class Competitor:
    """The cheapest offer of somebody else."""

    price: Decimal
    currency: str
    seller: str = ""


@dataclass(frozen=True)
class Target:
    """The price that a rule asks for, rounded as it is paid, and how it comes about."""

    price: Decimal
    because: str


class Rulebook:
    """Some rules, and which of them holds for an offer: its own, else its product's, else its account's; one at most."""

    def __init__(self, rules: Iterable[PriceRule]) -> None:
        self._rules: dict[tuple[object, ...], PriceRule] = {}
        for rule in sorted(rules, key=lambda rule: rule.pk):
            self._rules.setdefault((_scope(rule), *(getattr(rule, name) for name in _scope(rule))), rule)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def rule_for(self, offer: Offer) -> PriceRule | None:
        keys = (
            (names, *(getattr(offer, "pk" if name == "offer_id" else name) for name in names)) for names in PARTICULAR
        )
        return next((self._rules[key] for key in keys if key in self._rules), None)


def _scope(rule: PriceRule) -> tuple[str, ...]:
    return next(names for names in PARTICULAR if all(getattr(rule, name) is not None for name in names))


def offers_of(rule: PriceRule) -> Q:
    """The filter of the offers that a rule is for, those for which a more particular one holds included."""
    return Q(**{"pk" if name == "offer_id" else name: getattr(rule, name) for name in _scope(rule)})


def target(rule: PriceRule, offer: Offer, book: Book, competitor: Competitor | None = None) -> Target:
    """Say which price a rule asks for. It lies between the floors and the ceilings of rule and offer. Raises NoPrice."""
    if not offer.currency:
        raise NoPrice("It has no currency yet.")
    limits = book.limits(offer)
    try:
        price, because = _wish(rule, offer, book, competitor)
        low, high = _bounds(rule, offer, limits, book)
    except (MissingCost, MissingRate) as error:
        raise NoPrice(f"{error}.") from error
    if rule.kind == Kind.COMPETITOR and (low is None or (limits.missing and offer.floor is None)):
        raise NoPrice(
            "It has no floor, and a price that follows others needs one"
            f"{f' ({limits.missing})' if limits.missing else ''}. Give it a floor, or a least margin and costs."
        )
    if low is not None and high is not None and low > high:
        raise NoPrice(
            f"Its floor of {exact(low, offer.currency)} ({limits.because or 'the rule’s'}) is above its ceiling of"
            f" {exact(high, offer.currency)}."
        )
    if low is not None and price < low:
        price, because = low, f"{because}; held at the floor ({limits.because or 'the rule’s own'})"
    if high is not None and price > high:
        price, because = high, f"{because}; held at the ceiling"
    return Target(_rounded(price, offer.currency, low, high), because)


def at_floor(offer: Offer, book: Book) -> Target:
    """The lowest price that the offer's floor allows. Raises NoPrice."""
    limits = book.limits(offer)
    if limits.floor is None:
        raise NoPrice(f"It has no floor{f': {limits.missing}' if limits.missing else ''}.")
    return Target(_rounded(limits.floor, offer.currency, limits.floor, None), f"the floor ({limits.because})")


def _wish(rule: PriceRule, offer: Offer, book: Book, competitor: Competitor | None) -> tuple[Decimal, str]:
    """What the rule would ask for if there were no limits."""
    if rule.kind == Kind.FIXED:
        return _amount(rule, rule.value, offer, book), "the fixed price"
    if rule.kind == Kind.MARGIN:
        return book.floor_for(offer, rule.value)
    if competitor is None:
        raise NoPrice("No other seller's price is known.")
    theirs = book.rates.convert(competitor.price, competitor.currency, offer.currency)
    shown = exact(theirs, offer.currency) if theirs == competitor.price else money.display(theirs, offer.currency)
    because = f"the cheapest other asks {shown}{f' ({competitor.seller})' if competitor.seller else ''}"
    if rule.step_kind == PriceRule.StepKind.PERCENT:
        return theirs * (100 - rule.value) / 100, because
    return theirs - _amount(rule, rule.value, offer, book), because


def _bounds(rule: PriceRule, offer: Offer, limits: Limits, book: Book) -> tuple[Decimal | None, Decimal | None]:
    """The highest floor and the lowest ceiling of rule and offer."""
    lows = [limits.floor, None if rule.floor is None else _amount(rule, rule.floor, offer, book)]
    highs = [limits.ceiling, None if rule.ceiling is None else _amount(rule, rule.ceiling, offer, book)]
    return (
        max((low for low in lows if low is not None), default=None),
        min((high for high in highs if high is not None), default=None),
    )


def _amount(rule: PriceRule, amount: Decimal, offer: Offer, book: Book) -> Decimal:
    return book.rates.convert(amount, rule.currency or offer.currency, offer.currency)


def _rounded(price: Decimal, currency: str, low: Decimal | None, high: Decimal | None) -> Decimal:
    """Round as it is paid, and never over a limit. Raises NoPrice where no price that can be paid lies between them."""
    step = money.rounded(Decimal(1), currency) if currency in money.WHOLE_ONLY else money.CENT
    rounded = money.rounded(price, currency)
    if low is not None and rounded < low:
        rounded += step
    if high is not None and rounded > high:
        rounded -= step
    if rounded <= 0 or (low is not None and rounded < low):
        raise NoPrice(f"The price would be {money.display(rounded, currency)}.")
    return rounded
