"""Cost basis: what the dearest unit of a product that is still to be sold has cost us."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Count, F, Max, Q, Sum, Window
from django.db.models.functions import Coalesce

from inventory.models import Code, Movement, Product
from inventory.rates import Rates


class MissingCost(ValueError):
    """Nobody wrote down what the unsold units have cost; the text says what to do."""


@dataclass(frozen=True)
class Basis:
    """The dearest unsold unit in each currency that was paid in, and how many batches or codes name no cost."""

    dearest: Mapping[str, Decimal] = field(default_factory=dict)
    unknown: int = 0

    def in_currency(self, currency: str, rates: Rates) -> Decimal:
        """The dearest of all, in `currency` and unrounded. Raises MissingCost and MissingRate."""
        if not self.dearest:
            raise MissingCost(
                "No cost is known of what is in stock. Enter it on the batch, or with what was received"
                if self.unknown
                else "Nothing is in stock, so there is no cost"
            )
        return max(rates.convert(amount, paid_in, currency) for paid_in, amount in self.dearest.items())


def basis(product: Product) -> Basis:
    """Find the cost basis of a product, in one query."""
    return bases([product])[product.pk]


def bases(products: Iterable[Product]) -> dict[int, Basis]:
    """Find the cost basis of many products, in one query for those of codes and one for those that are counted."""
    by_kind: dict[bool, list[int]] = {True: [], False: []}
    for product in products:
        by_kind[product.is_counted].append(product.pk)
    rows = [*_of_codes(by_kind[False]), *_of_units(by_kind[True])]
    found: dict[int, Basis] = {pk: Basis() for pks in by_kind.values() for pk in pks}
    for pk, currency, cost, unknown in rows:
        before = found[pk]
        if cost is None or not currency:
            found[pk] = Basis(before.dearest, before.unknown + max(unknown, 1))
            continue
        dearest = max(cost, before.dearest.get(currency, cost))
        found[pk] = Basis({**before.dearest, currency: dearest}, before.unknown + unknown)
    return found


Row = tuple[int, str, Decimal | None, int]


def _of_codes(pks: list[int]) -> list[Row]:
    """Available codes: a code's own cost, else its batch's, by currency."""
    if not pks:
        return []
    codes = Code.objects.filter(product__in=pks, state=Code.State.AVAILABLE).order_by()
    return list(
        codes.values("product_id", "batch__currency")
        .annotate(
            dearest=Max(Coalesce("cost", "batch__cost")),
            unknown=Count("pk", filter=Q(cost=None, batch__cost=None)),
        )
        .values_list("product_id", "batch__currency", "dearest", "unknown")
    )


def _of_units(pks: list[int]) -> list[Row]:
    """The last receipts that together cover what is on hand: older ones have left by now."""
    if not pks:
        return []
    newest_first = Window(Sum("on_hand"), partition_by=F("product"), order_by=[F("at").desc(), F("pk").desc()])
    received = Movement.objects.filter(product__in=pks, kind=Movement.Kind.RECEIVED).order_by()
    rows = received.annotate(with_newer=newest_first).values_list(
        "product_id", "currency", "cost", "on_hand", "with_newer", "product__level__on_hand"
    )
    return [
        (pk, currency, cost, int(cost is None))
        for pk, currency, cost, units, with_newer, on_hand in rows
        if with_newer - units < (on_hand or 0)
    ]
