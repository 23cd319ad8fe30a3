"""Between which prices an offer may be sold: its own floor and ceiling, and what its least margin asks for.

    floor = (cost × (1 + margin) + fee per unit) / (1 − fee in percent), all in the offer's currency

Nothing is guessed: without a cost or a rate there is no computed floor, and the words say so. An offer's own floor holds all
the same.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar
from uuid import UUID

from backoffice import money
from inventory import costs
from inventory.models import AccountTerms, Fee, Offer, Product
from inventory.rates import MissingRate, Rates
from marketplaces.exceptions import PermanentError
from marketplaces.models import CatalogueProduct

BELOW_FLOOR, ABOVE_CEILING = "below_floor", "above_ceiling"
PLACES = Decimal("0.0001")  # those of the column

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class PriceRefused(PermanentError):
    """This price must not go out; the text names the limit, where it comes from and what to do."""


@dataclass(frozen=True)
class Limits:
    """Between what an offer's price has to be, in its currency. `because` explains the floor, `missing` why it has none."""

    currency: str
    floor: Decimal | None = None
    ceiling: Decimal | None = None
    because: str = ""
    missing: str = ""

    def refusal(self, price: Decimal) -> PriceRefused | None:
        """Say why a price is out of bounds; None when it is not."""
        if self.floor is not None and price < self.floor:
            return PriceRefused(
                f"The price {exact(price, self.currency)} is below the floor of {exact(self.floor, self.currency)}"
                f" ({self.because}). Raise the price to that, or lower the offer's floor or the least margin of its product"
                " or account; then push it",
                kind=BELOW_FLOOR,
            )
        if self.ceiling is not None and price > self.ceiling:
            return PriceRefused(
                f"The price {exact(price, self.currency)} is above the offer's ceiling of"
                f" {exact(self.ceiling, self.currency)}. Lower the price, or raise the ceiling on the offer's page; then push"
                " it",
                kind=ABOVE_CEILING,
            )
        return None

    @property
    def words(self) -> str:
        """The floor and where it comes from, or why there is none, for people."""
        said = f"{exact(self.floor, self.currency)}: {self.because}" if self.floor is not None else ""
        missing = f"no floor is computed: {self.missing}" if self.missing else ""
        return "; ".join(filter(None, [said, missing])) or "none"


class Shelf(dict[K, V]):
    """A dictionary that reads what it lacks, together with all that will be asked for."""

    def __init__(self, read: Callable[[set[K]], dict[K, V]], foreseen: Iterable[K]) -> None:
        super().__init__()
        self._read, self._foreseen = read, set(foreseen)

    def __missing__(self, key: K) -> V:
        lacking = {key, *(self._foreseen - self.keys())}
        self.update(self._read(lacking))
        return self[key]


class Book:
    """What the limits and the earnings of offers stand on, as it is now: each thing is read once, when it is needed.

    It is to be thrown away soon: what changes after the first look is not seen. Nothing but the offers' keys, prices and
    limits is read of the offers, and the product where it was read with them.
    """

    def __init__(self, offers: Iterable[Offer] = ()) -> None:
        known = list(offers)
        self.rates = Rates()
        accounts = {offer.account_id for offer in known}
        products = {offer.product_id for offer in known if offer.product_id is not None}
        self._fees = Shelf(_fees_of, accounts)
        self._margins = Shelf(_margins_of, accounts)
        self._products = Shelf(_products_of, products)
        self._bases = Shelf(lambda pks: costs.bases(self._products[pk] for pk in pks), products)
        self._categories = Shelf(_categories_of, {offer.external_product_id for offer in known})
        self._products.update({one.pk: one for one in map(_read_already, known) if one is not None})

    def limits(self, offer: Offer) -> Limits:
        """Say between what the offer's price has to be."""
        known: list[tuple[Decimal, str]] = []
        missing = ""
        if offer.floor is not None:
            known.append((offer.floor, "the offer's own floor"))
        if (margin := self.margin(offer)) is not None:
            try:
                known.append(self.floor_for(offer, margin))
            except (costs.MissingCost, MissingRate) as error:
                missing = str(error)
        floor, because = max(known) if known else (None, "")
        return Limits(offer.currency, floor, offer.ceiling, because, missing)

    def margin(self, offer: Offer) -> Decimal | None:
        """The least margin that holds for the offer, in percent of the cost: its product's, else its account's."""
        if offer.product_id is not None and (own := self._products[offer.product_id].min_margin) is not None:
            return own
        return self._margins[offer.account_id]

    def floor_for(self, offer: Offer, margin: Decimal) -> tuple[Decimal, str]:
        """The least price that leaves `margin` percent of the cost, rounded up, and how it comes about.

        Raises MissingCost and MissingRate.
        """
        cost, (percent, fixed) = self.cost(offer), self.fee_in(offer)
        exactly = (cost * (100 + margin) / 100 + fixed) / (1 - percent / 100)
        step = Decimal(1) if offer.currency in money.WHOLE_ONLY else PLACES
        fees = _fee_words(percent, fixed, offer.currency) if self.fee(offer) else "no fees entered"
        words = f"cost {money.display(cost, offer.currency)}, margin {margin.normalize():f} %, {fees}"
        return exactly.quantize(step, rounding=ROUND_CEILING), words

    def cost(self, offer: Offer) -> Decimal:
        """The cost basis of a unit in the offer's currency. Raises MissingCost and MissingRate."""
        if offer.product_id is None:
            raise costs.MissingCost("The offer is not linked to a product, so there is no cost")
        return self._bases[offer.product_id].in_currency(offer.currency, self.rates)

    def fee(self, offer: Offer) -> Fee | None:
        """The fee that holds for the offer: its category's, else the account's for all; None when none is entered."""
        fees = self._fees[offer.account_id]
        if len(fees) > 1 or (fees and "" not in fees):
            names = self._categories[offer.external_product_id]
            if found := fees.get(names.get(offer.account.marketplace, "").casefold()):
                return found
        return fees.get("")

    def fee_in(self, offer: Offer) -> tuple[Decimal, Decimal]:
        """The fee in percent, and the amount per unit in the offer's currency. Raises MissingRate."""
        fee = self.fee(offer)
        if fee is None:
            return Decimal(0), Decimal(0)
        return fee.percent, self.rates.convert(fee.fixed, fee.currency, offer.currency) if fee.fixed else Decimal(0)


def check(offer: Offer, book: Book | None = None) -> None:
    """Raise PriceRefused when the offer's price is below its floor or above its ceiling. One without a price passes."""
    if offer.price is None:
        return
    if refusal := (book or Book()).limits(offer).refusal(Decimal(offer.price)):
        raise refusal


def exact(amount: Decimal, currency: str) -> str:
    """Write an amount with all its places, for a comparison that the usual rounding would hide."""
    shown = money.rounded(amount, currency)
    return money.display(amount, currency) if shown == amount else f"{amount.normalize():f} {currency}"


def _fee_words(percent: Decimal, fixed: Decimal, currency: str) -> str:
    parts = [f"{percent.normalize():f} %" if percent else "", money.display(fixed, currency) if fixed else ""]
    return f"fees {' and '.join(filter(None, parts)) or 'of nothing'}"


def _fees_of(accounts: set[UUID]) -> dict[UUID, dict[str, Fee]]:
    found: dict[UUID, dict[str, Fee]] = {pk: {} for pk in accounts}
    for fee in Fee.objects.filter(account__in=accounts).order_by():
        found[fee.account_id][fee.category.casefold()] = fee
    return found


def _margins_of(accounts: set[UUID]) -> dict[UUID, Decimal | None]:
    rows = AccountTerms.objects.filter(account__in=accounts).values_list("account_id", "min_margin")
    return dict.fromkeys(accounts) | dict(rows)


def _read_already(offer: Offer) -> Product | None:
    return offer.product if Offer.product.is_cached(offer) else None


def _products_of(pks: set[int]) -> dict[int, Product]:
    return Product.objects.in_bulk(list(pks))


def _categories_of(external_ids: set[str]) -> dict[str, dict[str, str]]:
    """By the products' ids, the category's name in each marketplace's catalogue."""
    found: dict[str, dict[str, str]] = {external_id: {} for external_id in external_ids}
    rows = CatalogueProduct.objects.filter(external_id__in=external_ids).values_list(
        "external_id", "marketplace", "category"
    )
    for external_id, marketplace, category in rows:
        found[external_id][marketplace] = category
    return found
