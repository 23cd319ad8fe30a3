"""Ginee's Open API: name, credentials, options, one method per operation (contract ids GIN-…)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from marketplaces.base import MarketplaceService
from marketplaces.exceptions import (
    BudgetSpent,
    ConfigurationError,
    NotFound,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
)
from marketplaces.http import Client
from marketplaces.questions import Rehearsal
from marketplaces.services.ginee import address, inbound, mapping, reading, signing, subscription
from marketplaces.services.ginee.guide import GUIDE
from marketplaces.services.ginee.line import ORDERS_PER_PAGE, Line, windows
from marketplaces.services.ginee.stock import MOST_STOCK, QUANTITY, ROWS_PER_UPDATE, SKUS_PER_READ, Stock, batches
from marketplaces.shop import Shop
from marketplaces.types import (
    Call,
    Connection,
    Field,
    Health,
    Notice,
    OfferChange,
    OfferContent,
    OfferResult,
    RemoteOffer,
    RemoteOrder,
    Reply,
)

LIST_PATH = "/openapi/order/v2/list-order"
DETAILS_PATH = "/openapi/order/v1/batch-get"
SHOPS_PATH = "/openapi/shop/v1/list"
ORDERS_PER_READ = 100
SHOPS_PER_PAGE = 100


class Service(MarketplaceService):
    slug = "ginee"
    label = "Ginee"
    default_base_url = "https://api.ginee.com"
    credentials = (
        Field(
            "access_key", "Access key", "Of Ginee's Open API. Without keys orders are known from notifications alone.",
            required=False,
        ),
        Field("secret_key", "Secret key", "Belongs to the access key.", required=False),
        Field(
            address.TOKEN, "Token of the webhook address", "Leave it empty and one is made. A new one takes over at once; the"
            " one before it stays valid for two weeks.",
            required=False,
        ),
        Field(
            address.PREVIOUS, "Token before it", "Filled in by itself when the token changes.", required=False,
        ),
        Field(
            address.PREVIOUS_UNTIL, "It stays valid until", "UTC, such as 2026-03-01T00:00:00Z; filled in by itself.",
            required=False,
        ),
    )  # fmt: skip
    options = (
        Field("country", "Country", "For the header X-Advai-Country.", default="ID", choices=signing.COUNTRIES),
        Field(
            "verification", "Verification", "What a notification has to prove. All but off need the token of the address;"
            " choose signature only after real calls proved that they match.",
            default="path_token", choices=("path_token", "signature", "shared_secret", "off"),
        ),
        Field(
            "signature_check", "Signature beside the token", "record notes with each event whether it was signed by us.",
            default="record", choices=("ignore", "record", "require"),
        ),
        Field(
            "public_path", "Signed path", "The path exactly as it is registered at Ginee, several with commas between. Empty:"
            " that of the webhook address.",
            required=False,
        ),
        Field("secret_header", "Header of the shared secret", "Its value is the webhook secret.", default="X-Webhook-Secret"),
        Field("allow_off", "Off is meant", "Lets anybody who knows the address send notifications.", default=False),
        Field(
            "warehouse_id", "Warehouse", "The warehouse whose stock is set. Empty: Ginee's default one.", required=False,
        ),
        Field(
            "overlap_minutes", "Overlap", "Lists of changed orders begin this much earlier, since channels' clocks differ.",
            default=60, minimum=30, maximum=180,
        ),
        Field(
            "requests_per_minute", "Requests a minute", "Ginee publishes no limit; 120 is careful.",
            default=120, minimum=1, maximum=6000,
        ),
    )  # fmt: skip
    # The keys of the contract's vectors.
    sandbox_credentials = {"access_key": "test-access", "secret_key": "test-secret"}
    secret_keys = reading.PERSONAL_KEYS
    accepted = inbound.ACCEPTED
    offer_fields = bulk_fields = frozenset({QUANTITY})
    own_code = Field(
        "external_product_id", "Master SKU", "As it stands in Ginee, to the letter. Usually the same as our SKU.",
    )  # fmt: skip
    guide = GUIDE
    offers_exist_there = True
    offers_per_update = ROWS_PER_UPDATE
    offers_per_read = SKUS_PER_READ
    orders_per_read = ORDERS_PER_READ
    elsewhere = {
        "fetch_offers": "Ginee's master SKUs are not listed: an offer here names the SKU as its product id.",
    }

    def __init__(self, connection: Connection, client: Client) -> None:
        super().__init__(connection, client)
        self._line = Line(connection, client)
        self._stock = Stock(self._line)

    # --- how an account is set up ----------------------------------------------------------------------------

    @classmethod
    def completed(cls, before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
        return address.completed(before, now)

    @classmethod
    def hook_path(cls, credentials: Mapping[str, str], options: Mapping[str, Any]) -> str:
        return address.path(credentials, options)

    def letter(self) -> str:
        """What subscribes us to notifications (GIN-07), which is done by a person there."""
        return subscription.letter(self.connection)

    # --- what they call us for -------------------------------------------------------------------------------

    def verify(self, call: Call) -> None:
        inbound.verify(self.connection, call)

    def notices(self, call: Call) -> Iterable[tuple[Call, Notice]]:
        return inbound.notices(self.connection, call)

    def read_notice(self, call: Call) -> Notice:
        return next(inbound.notices(self.connection, call))[1]

    @classmethod
    def refusal(cls, status: int) -> Reply:
        return inbound.refusal(status)

    def process(self, call: Call, shop: Shop) -> None:
        inbound.process(call, shop, self.connection)

    # --- account ---------------------------------------------------------------------------------------------

    def check(self) -> Health:
        """List shops (GIN-C03) and warehouses (GIN-C05): two requests. Without keys nothing is asked, and that is said.

        A refused key and a host out of reach are findings, not exceptions.
        """
        if not signing.has_keys(self.connection):
            words = "No keys of the Open API: orders are known from notifications only, and stock is not sent."
            return Health(reachable=True, authenticated=True, details=[*inbound.door_lines(self.connection), words])
        try:
            details = [*inbound.door_lines(self.connection), *self._shop_lines(), self._warehouse_line()]
        except ConfigurationError as error:
            return Health(
                reachable=error.status is not None or error.kind == "authentication",
                authenticated=error.kind == "permission",
                usable=False,
                details=[str(error)],
            )
        except BudgetSpent:
            raise
        except TemporaryError as error:
            return Health(reachable=False, authenticated=False, usable=False, details=[str(error)])
        return Health(reachable=True, authenticated=True, details=details)

    def _shop_lines(self) -> list[str]:
        shops = list(self._line.numbered_pages("GIN-C03", SHOPS_PATH, "shopId", SHOPS_PER_PAGE))
        troubles = [line for shop in shops if (line := mapping.shop_line(shop))]
        return [*troubles, f"{len(shops) - len(troubles)} of {len(shops)} shops are connected."]

    def _warehouse_line(self) -> str:
        named = str(self.connection.options.get("warehouse_id", "")).strip()
        enabled = [row for row in self._stock.warehouses() if row["is_enabled"]]
        if named:
            known = any(row["id"] == named for row in enabled)
            return f"Stock is set in warehouse {named}{'.' if known else ', which is not among the enabled ones.'}"
        default = next((row["id"] for row in enabled if row["is_default"]), "")
        others = ", ".join(row["id"] for row in enabled if row["id"] != default)
        line = f"Stock is set in the default warehouse {default}." if default else "There is no default warehouse."
        return f"{line} Others to be chosen as warehouse_id: {others}." if others else line

    # --- orders ----------------------------------------------------------------------------------------------

    def fetch_orders(self, since: datetime) -> Iterator[RemoteOrder]:
        """List the orders that changed since then (GIN-C01), in windows of 15 days from the oldest on; summaries.

        It begins some minutes earlier, for the times are the channels' (GIN-P18), and three months back at most. An account
        without keys has nothing to read.
        """
        overlap = timedelta(minutes=int(self.connection.options.get("overlap_minutes", 60)))
        yield from self._listed("lastUpdate", since - overlap)

    def fetch_made_orders(self, since: datetime) -> Iterator[RemoteOrder]:
        """List the orders that were made since then (GIN-C01), as once a day to mend what changes did not tell; summaries."""
        yield from self._listed("create", since)

    def _listed(self, by: str, since: datetime) -> Iterator[RemoteOrder]:
        if not signing.has_keys(self.connection):
            return
        seen: set[str] = set()
        for start, end in windows(since, timezone.now()):
            query = {"size": ORDERS_PER_PAGE, f"{by}Since": reading.iso(start), f"{by}To": reading.iso(end)}
            for page in self._line.cursor_pages("GIN-C01", LIST_PATH, query):
                for order in (mapping.to_order(row, is_summary=True) for row in page):
                    if order.external_id and order.external_id not in seen:
                        seen.add(order.external_id)
                        yield order

    def get_orders(self, order_ids: Sequence[str]) -> Sequence[RemoteOrder]:
        """Read orders (GIN-C02), a hundred in a request; one that is not in the answer is not found."""
        found: list[RemoteOrder] = []
        for batch in batches(list(dict.fromkeys(order_ids)), ORDERS_PER_READ):
            found += self._details(batch)
        return found

    def fetch_order(self, order_id: str) -> RemoteOrder:
        """Read one order (GIN-C02), and where it is missing look among those older than three months. Raises NotFound."""
        for is_old in (False, True):
            for order in self._details([order_id], is_old=is_old):
                return order
        raise NotFound(f"Ginee does not know the order “{order_id}”", kind="not_found", operation="GIN-C02")

    def _details(self, order_ids: list[str], *, is_old: bool = False) -> list[RemoteOrder]:
        asked_at = timezone.now()
        about = order_ids[0] if len(order_ids) == 1 else ""
        data = self._line.call("GIN-C02", DETAILS_PATH, {"orderIds": order_ids, "historicalData": is_old}, about=about)
        orders = [mapping.to_order(row, asked_at=asked_at) for row in reading.rows(data)]
        return [order for order in orders if order.external_id in order_ids]

    # --- offers: master SKUs, of which only the stock is sent ------------------------------------------------

    def get_offers(self, offer_ids: Sequence[str]) -> Sequence[RemoteOffer]:
        """Read the stock of master SKUs (GIN-C06); what is not there is missing."""
        return self._stock.read(offer_ids)

    @classmethod
    def shown(cls, content: OfferContent) -> dict[str, Any]:
        """The stock, up to the most that Ginee takes (GIN-C04)."""
        return {QUANTITY: min(content.quantity, MOST_STOCK)}

    def get_offer(self, offer_id: str) -> RemoteOffer:
        """Read the stock of one master SKU (GIN-C06)."""
        for offer in self._stock.read([offer_id]):
            return offer
        raise NotFound(f"Ginee has no master SKU “{offer_id}”", kind="not_found", operation="GIN-C06")

    def find_offer(self, content: OfferContent) -> RemoteOffer | None:
        """Look whether the SKU exists (GIN-C06)."""
        return next(iter(self._stock.read([content.external_product_id])), None)

    def create_offer(self, content: OfferContent) -> RemoteOffer:
        """Take over the master SKU that `content` names, which has to exist: Ginee's products are made there (GIN-C06).

        Nothing is created, so it is safe to repeat.
        """
        found = self.find_offer(content)
        if found is None:
            raise PermanentError(
                f"Ginee has no master SKU “{content.external_product_id}”. Make it there, or enter"
                " another SKU as product id here, then push again",
                kind="invalid",
                operation="GIN-C06",
            )
        return replace(found, was_there=True)

    def rehearse(self, content: OfferContent) -> Rehearsal:
        """Nothing is made: what is sent is stock."""
        sku, quantity = content.external_product_id, min(content.quantity, MOST_STOCK)
        steps = [f"Look the master SKU “{sku}” up (GIN-C06).", f"Set its stock to {quantity:,} (GIN-C04)."]
        return Rehearsal(steps, None, ["Ginee's prices and texts are left to Ginee: only stock is sent"])

    def update_offer(self, offer_id: str, content: OfferContent, fields: frozenset[str]) -> RemoteOffer:
        """Set the stock of one master SKU (GIN-C04); other fields can't be sent."""
        (result,) = self._stock.set([OfferChange(offer_id, content, fields)])
        if result.problem:
            raise PermanentError(result.problem, kind="invalid", operation="GIN-C04")
        if QUANTITY not in result.confirmed:
            raise UnknownOutcome("Ginee does not say whether the stock was set", kind="unknown", operation="GIN-C04")
        return RemoteOffer(
            external_id=offer_id, external_product_id=offer_id, quantity=min(content.quantity, MOST_STOCK)
        )

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[OfferResult]:
        """Set the stock of master SKUs (GIN-C04), twenty in a request; see `Stock.set` for when it takes a second one."""
        return self._stock.set(changes)
