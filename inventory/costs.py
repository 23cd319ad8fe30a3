"""Cost basis: what the dearest unit of a product that is still to be sold has cost us."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Count, F, Max, OuterRef, Q, Subquery, Sum, Window
from django.db.models.functions import Coalesce

from inventory.models import Batch, Code, Movement, Product
from inventory.rates import Rates

# What lies in a marketplace's own inventory is sold at the offer's price, too.
UNSOLD = (Code.State.AVAILABLE, Code.State.UPLOADED)


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
                else "Nothing was ever in stock, so there is no cost"
            )
        return max(rates.convert(amount, paid_in, currency) for paid_in, amount in self.dearest.items())


def basis(product: Product) -> Basis:
    """Find the cost basis of a product, in one query; in two where it is sold out."""
    return bases([product])[product.pk]


def bases(products: Iterable[Product]) -> dict[int, Basis]:
    """Find the cost basis of many products: one query for those of codes, one for those that are counted.

    Of what is sold out, the cost of what came in last stands in, so that its price is not free to fall meanwhile; for
    codes that is one more query.
    """
    by_kind: dict[bool, list[int]] = {True: [], False: []}
    for product in products:
        by_kind[product.is_counted].append(product.pk)
    found = _gathered([pk for pks in by_kind.values() for pk in pks], _of_codes(by_kind[False]))
    found |= _gathered(by_kind[True], _of_units(by_kind[True]))
    sold_out = [pk for pk in by_kind[False] if found[pk] == Basis()]
    return found | _gathered(sold_out, _last_batches(sold_out))


Row = tuple[int, str, Decimal | None, int]


def _gathered(pks: Iterable[int], rows: Iterable[Row]) -> dict[int, Basis]:
    """The dearest of each product in each currency."""
    found: dict[int, Basis] = {pk: Basis() for pk in pks}
    for pk, currency, cost, unknown in rows:
        before = found[pk]
        if cost is None or not currency:
            found[pk] = Basis(before.dearest, before.unknown + max(unknown, 1))
            continue
        dearest = max(cost, before.dearest.get(currency, cost))
        found[pk] = Basis({**before.dearest, currency: dearest}, before.unknown + unknown)
    return found


def _of_codes(pks: list[int]) -> list[Row]:
    """Unsold codes: a code's own cost, else its batch's, by currency."""
    if not pks:
        return []
    codes = Code.objects.filter(product__in=pks, state__in=UNSOLD).order_by()
    return list(
        codes.values("product_id", "batch__currency")
        .annotate(
            dearest=Max(Coalesce("cost", "batch__cost")),
            unknown=Count("pk", filter=Q(cost=None, batch__cost=None)),
        )
        .values_list("product_id", "batch__currency", "dearest", "unknown")
    )


def _last_batches(pks: list[int]) -> list[Row]:
    """What was paid for the newest batch of each product that names it."""
    if not pks:
        return []
    named = Batch.objects.filter(cost__isnull=False)
    newest = named.filter(product=OuterRef("product")).order_by("-created_at", "-pk").values("pk")[:1]
    rows = named.filter(product__in=pks, pk=Subquery(newest)).order_by()
    return [(pk, currency, cost, 0) for pk, currency, cost in rows.values_list("product_id", "currency", "cost")]


def _of_units(pks: list[int]) -> list[Row]:
    """The last receipts that together cover what is on hand, and the last one always: older ones have left by now."""
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
        if with_newer - units < max(on_hand or 0, 1)
    ]
