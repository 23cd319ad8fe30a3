"""Stock of master SKUs: set it, read it back, and find the warehouse that it lies in (GIN-C04 to GIN-C06).

A master SKU is all that an offer is here. The number that is sent is the warehouse's, absolute; what buyers have locked
in orders is taken off it by Ginee.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from django.core.cache import cache

from marketplaces.exceptions import ConfigurationError, MarketplaceError, PermanentError, UnknownOutcome
from marketplaces.services.ginee import mapping, reading
from marketplaces.services.ginee.line import Line
from marketplaces.types import Json, OfferChange, OfferResult, RemoteOffer

SET_PATH = "/openapi/warehouse-inventory/v1/product/stock/update"
READ_PATH = "/openapi/product/variation/v1/inventory-brief-list"
WAREHOUSE_PATH = "/openapi/warehouse/v1/search"
ROWS_PER_UPDATE = SKUS_PER_READ = 20
WAREHOUSES_PER_PAGE = 50
MOST_STOCK = 999_998
QUANTITY = "quantity"
REMEMBERED_SECONDS = 3600

Item = TypeVar("Item")


def batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


class Stock:
    """What an account can do about its stock."""

    def __init__(self, line: Line) -> None:
        self._line = line

    # --- reading ---------------------------------------------------------------------------------------------

    def read(self, skus: Sequence[str]) -> list[RemoteOffer]:
        """Read the stock of master SKUs (GIN-C06), twenty in a request; what is not there is missing."""
        found: list[RemoteOffer] = []
        for batch in batches(list(dict.fromkeys(skus)), SKUS_PER_READ):
            about = batch[0] if len(batch) == 1 else ""
            data = self._line.call("GIN-C06", READ_PATH, {"masterSkus": batch}, about=about)
            found += [offer for row in reading.rows(data) if (offer := mapping.to_offer(row)).external_id in batch]
        return found

    # --- setting ---------------------------------------------------------------------------------------------

    def set(self, changes: Sequence[OfferChange]) -> list[OfferResult]:
        """Set the stock of master SKUs (GIN-C04), twenty in a request; one result for every change.

        What a lost answer leaves open is read back (GIN-C06) before anybody sends it again. A zero that is refused is set
        apart, and the others are sent without it: a second request. Raises PermanentError of the kind invalid when the
        request was refused for another reason.
        """
        warehouse_id = self.warehouse_id()
        results: list[OfferResult] = []
        for batch in batches(changes, ROWS_PER_UPDATE):
            results += self._set_or_part(warehouse_id, batch)
        return results

    def _set_or_part(self, warehouse_id: str, changes: list[OfferChange]) -> list[OfferResult]:
        try:
            return self._set(warehouse_id, changes)
        except PermanentError as refused:
            zeros = [change for change in changes if not change.content.quantity]
            others = [change for change in changes if change.content.quantity]
            if refused.kind != "invalid" or not zeros or (not others and len(zeros) > 1):
                raise
            sent = self._set(warehouse_id, others) if others else []
            problem = f"A stock of 0 was refused. Set it in Ginee by hand, or it goes on selling there: {refused}"
            return sent + [OfferResult(change.offer_id, problem=problem) for change in zeros]

    def _set(self, warehouse_id: str, changes: list[OfferChange]) -> list[OfferResult]:
        wanted = {change.offer_id: min(change.content.quantity, MOST_STOCK) for change in changes}
        rows = [{"masterSku": sku, "quantity": quantity} for sku, quantity in wanted.items()]
        about = changes[0].offer_id if len(changes) == 1 else ""
        body: Json = {"warehouseId": warehouse_id, "stockList": rows}
        try:
            data = self._line.call("GIN-C04", SET_PATH, body, about=about, is_write=True)
        except UnknownOutcome as lost:
            return self._look(wanted, lost)
        failed = {reading.ident(row.get("masterSku")): row for row in reading.rows(reading.obj(data).get("failedList"))}
        shown = {offer.external_id: offer for offer in map(mapping.to_offer, _set_rows(data))}
        return [
            OfferResult(
                sku, problem=f"Ginee refused this row: {reading.first(failed[sku], ('message', 'msg', 'reason'))}"
            )
            if sku in failed
            else _compared(sku, quantity, shown.get(sku))
            for sku, quantity in wanted.items()
        ]

    def _look(self, wanted: dict[str, int], lost: UnknownOutcome) -> list[OfferResult]:
        """Find out what arrived of a request whose answer did not. What can't be found out stays an unknown outcome."""
        try:
            shown = {offer.external_id: offer for offer in self.read(list(wanted))}
        except MarketplaceError:
            raise lost from None
        return [
            OfferResult(sku, confirmed=frozenset({QUANTITY}))
            if sku in shown and shown[sku].quantity == quantity
            else OfferResult(sku)
            for sku, quantity in wanted.items()
        ]

    # --- warehouses ------------------------------------------------------------------------------------------

    def warehouse_id(self) -> str:
        """The warehouse that the account names, else Ginee's enabled default. Raises ConfigurationError."""
        named = str(self._line.connection.options.get("warehouse_id", "")).strip()
        if named:
            return named
        key = f"ginee:warehouse:{self._line.connection.account_id}"
        found = cache.get(key)
        if found is None:
            found = next((row["id"] for row in self.warehouses() if row["is_default"] and row["is_enabled"]), None)
            if found is None:
                raise ConfigurationError(
                    f'Account "{self._line.connection.name}": no warehouse is enabled and the default in Ginee. Enter the one'
                    " whose stock is to be set as warehouse_id",
                    kind="configuration",
                    operation="GIN-C05",
                )
            cache.set(key, found, REMEMBERED_SECONDS)
        return str(found)

    def warehouses(self) -> list[Json]:
        """Read the warehouses (GIN-C05): `id`, `is_default` and `is_enabled` of each."""
        return [
            {
                "id": reading.ident(row.get("id")),
                "is_default": reading.flag(row.get("isDefault")) is True,
                "is_enabled": reading.word(row.get("status")) in ("ENABLE", "ENABLED"),
            }
            for row in self._line.numbered_pages("GIN-C05", WAREHOUSE_PATH, "id", WAREHOUSES_PER_PAGE)
            if reading.ident(row.get("id"))
        ]


def _set_rows(data: object) -> list[Json]:
    told = reading.obj(data)
    return reading.rows(told.get("successList")) or reading.rows(data)


def _compared(sku: str, quantity: int, shown: RemoteOffer | None) -> OfferResult:
    """Say what an answer proves of a row: that a number is absolute is nowhere promised (GIN-P20)."""
    if shown is None or shown.quantity is None:
        return OfferResult(sku)
    if shown.quantity == quantity:
        return OfferResult(sku, confirmed=frozenset({QUANTITY}))
    return OfferResult(
        sku, problem=f"A stock of {quantity} was sent, and Ginee shows {shown.quantity}. Look at it there"
    )
