"""G-Commerce's API: name, credentials, options, one method per operation (contract ids GCO-…). It calls nobody back."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from marketplaces.base import MarketplaceService
from marketplaces.exceptions import BudgetSpent, ConfigurationError, TemporaryError
from marketplaces.http import Client
from marketplaces.questions import OfferForm, Rehearsal
from marketplaces.services.gcommerce import asking, decoding, fields, mapping, selling, statuses, trading
from marketplaces.services.gcommerce.guide import GUIDE
from marketplaces.services.gcommerce.line import Line, named, whole_id
from marketplaces.types import (
    Category,
    Connection,
    Field,
    Health,
    NewShipment,
    OfferChange,
    OfferContent,
    OfferResult,
    OrderState,
    RemoteOffer,
    RemoteOrder,
    RemotePurchaseOrder,
    RemoteShipment,
    ShipmentState,
)

MOST_IN_BULK = 1000
IN_PANEL = "G-Commerce has no call for that: do it in its vendor panel"


class Service(MarketplaceService):
    slug = "gcommerce"
    label = "G-Commerce"
    default_base_url = "https://gcommerce.glass/api"
    credentials = (
        Field("email", "E-mail", "Of the administrator whose API key it is, as in the vendor panel's login."),
        Field(
            "api_key",
            "API key",
            "From Account, Administrators, API access. Shown once; a lost one can only be replaced.",
        ),
    )
    options = (
        Field(
            "requests_per_minute", "Requests a minute", "G-Commerce takes 10, and more when you ask them.",
            default=10, minimum=3, maximum=6000,
        ),
        Field(
            "bulk_size", "Products in a bulk update", "How many are changed by one request.",
            default=MOST_IN_BULK, minimum=1, maximum=MOST_IN_BULK,
        ),
        Field(
            "page_size", "Rows of a page", "How many rows of a list are asked for at once.",
            default=250, minimum=10, maximum=1000,
        ),
        Field(
            "watch_days", "Watched days", "Orders and shipments of so many days are listed every time, so that their changes"
            " are seen; older ones are read one by one.",
            default=7, minimum=0, maximum=90,
        ),
        Field(
            "statuses", "Status letters", "What your shop's own order letters mean, as JSON such as"
            f' {{"Q": "on_hold"}}, with these words: {", ".join(OrderState)}.',
            required=False,
        ),
    )  # fmt: skip
    # The values of the documentation's own examples.
    sandbox_credentials = {"email": "vendor@example.com", "api_key": "0123456789abcdefABCDEF0123456789"}
    secret_keys = decoding.SECRET_KEYS
    hook_methods = ()
    budget_window = 60.0
    find_requests = 2  # a list that tells no total takes a second look
    offers_per_update = MOST_IN_BULK
    bulk_fields = selling.IN_BULK
    offers_per_feed = selling.MOST_FED
    offers_by_code = True
    guide = GUIDE
    own_code = asking.OWN_CODE
    currencies = (fields.CURRENCY,)
    elsewhere = {"cancel_order": IN_PANEL, "accept_purchase_order": IN_PANEL}

    def __init__(self, connection: Connection, client: Client) -> None:
        super().__init__(connection, client)
        self._line = Line(connection, client)
        self._table, self._table_problem = statuses.read_table(connection.options.get("statuses"))
        if self._table_problem:
            self.warnings.append(self._table_problem)
        self.offers_per_update = min(int(connection.options.get("bulk_size", MOST_IN_BULK)), MOST_IN_BULK)

    @property
    def list_page(self) -> int:
        return self._line.list_page

    @list_page.setter
    def list_page(self, number: int) -> None:
        self._line.list_page = number

    # --- account -----------------------------------------------------------------------------------------------

    def check(self) -> Health:
        """List one order (GCO-10). A refused key and a host out of reach are findings, not exceptions."""
        try:
            params = {"page": "1", "items_per_page": "1"}
            payload = self._line.call("GCO-10", "GET", "/orders", params=params)
        except ConfigurationError as error:
            is_known = error.kind == "permission"
            return Health(
                reachable=error.status is not None, authenticated=is_known, usable=False, details=[str(error)]
            )
        except BudgetSpent:
            raise
        except TemporaryError as error:
            # It answers, but not to us now: whether the key is right is not known, so nobody should doubt it.
            return Health(reachable=False, authenticated=False, usable=False, details=[str(error)])
        found = decoding.listed(payload, "orders", "order_id")
        if found is None:
            return Health(
                reachable=True,
                authenticated=True,
                usable=False,
                details=[f"What answers at {self.connection.base_url} is no G-Commerce. Check the account's base URL"],
            )
        told = [f"{found.total:,} orders can be read"] if found.total is not None else []
        return Health(True, True, [*told, *filter(None, [self._table_problem])], currencies=[fields.CURRENCY])

    # --- categories --------------------------------------------------------------------------------------------

    def fetch_categories(self) -> Iterator[Category]:
        """List Categories (GCO-01)."""
        for page in self._line.pages("GCO-01", "/categories", "categories", "category_id", {}):
            yield from map(mapping.to_category, page.rows)

    def get_category(self, category_id: str) -> Category:
        """One Category (GCO-02), which alone tells its parent."""
        path = f"/categories/{whole_id(category_id, 'category')}"
        payload = self._line.call("GCO-02", "GET", path, about=category_id)
        return mapping.to_category(named(payload, "category_id", category_id, "GCO-02"))

    # --- offers ------------------------------------------------------------------------------------------------

    def offer_form(self, product_id: str) -> OfferForm:
        """What a new product says, with the categories there are (GCO-01)."""
        return asking.form_of(self.fetch_categories())

    def rehearse(self, content: OfferContent) -> Rehearsal:
        """The body of GCO-04."""
        notes: list[str] = []
        body = selling.new_product(content, notes)
        return Rehearsal(["Create the product (GCO-04), and read it back: it may wait for approval."], body, notes)

    def fetch_offers(self) -> Iterator[RemoteOffer]:
        """List Products (GCO-03): all of ours, in a short form."""
        return selling.search(self._line, {})

    def offer_pages(self, first: int = 1) -> Iterator[Sequence[RemoteOffer]]:
        """The same (GCO-03) from a page on."""
        return selling.listed(self._line, first)

    def search_offers(
        self, filters: Mapping[str, str], *, q: str = "", within: Sequence[str] = ("pname",)
    ) -> Iterator[RemoteOffer]:
        """List Products (GCO-03) by the filters of the contract; `q` in the texts that `within` names. Safe to repeat."""
        return selling.search(self._line, filters, q=q, within=within)

    def get_offer(self, offer_id: str) -> RemoteOffer:
        """One Product (GCO-05)."""
        return selling.get(self._line, offer_id)

    def find_offer(self, content: OfferContent) -> RemoteOffer | None:
        """List Products (GCO-03) by our code. Raises PermanentError (conflict) when several have it."""
        return selling.find(self._line, content.external_product_id)

    def create_offer(self, content: OfferContent) -> RemoteOffer:
        """Create Product (GCO-04), and read it back where the budget has room: it may wait for approval."""
        return selling.create(self._line, content, self.warnings)

    def update_offer(self, offer_id: str, content: OfferContent, fields: frozenset[str]) -> RemoteOffer:
        """Update Product (GCO-06), without images; for many offers' price and stock there is update_offers (GCO-P44)."""
        self.plan(selling.requests_to_update(content, fields), self.client.urgency)
        return selling.update(self._line, offer_id, content, fields, self.warnings)

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[OfferResult]:
        """Bulk Update (GCO-08). It takes `bulk_fields`, and attributes as far as it has a field for them."""
        if not 1 <= len(changes) <= self.offers_per_update:
            raise fields.refuse(
                "GCO-08", f"A bulk update has 1 to {self.offers_per_update:,} rows, not {len(changes):,}"
            )
        return selling.update_many(self._line, changes)

    def feed_offers(self, contents: Sequence[OfferContent]) -> str:
        """Feed (GCO-09). Of codes that exist there nobody knows what becomes: give new ones only."""
        return selling.feed(self._line, contents)

    def replace_images(self, offer_id: str, content: OfferContent) -> RemoteOffer:
        """Update Product (GCO-06) with its images alone: an action of its own, for it deletes the old ones (GCO-P08)."""
        return selling.replace_images(self._line, offer_id, content, self.warnings)

    def delete_offer(self, offer_id: str) -> None:
        """Delete Product (GCO-07). 404 is success: it is gone."""
        selling.delete(self._line, offer_id)

    # --- orders ------------------------------------------------------------------------------------------------

    def fetch_orders(self, since: datetime) -> Iterator[RemoteOrder]:
        """List Orders (GCO-10), the newest first, back to `since` or the watched days: by a change it can't be asked."""
        return trading.orders_since(self._line, self._table, self._from(since))

    def search_orders(self, filters: Mapping[str, str]) -> Iterator[RemoteOrder]:
        """List Orders (GCO-10) by `status`, `email` (exactly), `user_id`. Rows are summaries. Safe to repeat."""
        return trading.search_orders(self._line, self._table, filters)

    def fetch_order(self, order_id: str) -> RemoteOrder:
        """One Order (GCO-11)."""
        return trading.get_order(self._line, self._table, order_id)

    def accept_order(self, order_id: str) -> RemoteOrder:
        """Accept (GCO-12) and read it again (GCO-11): two requests."""
        self.plan(2, self.client.urgency)
        return trading.accept(self._line, self._table, order_id)

    def fetch_purchase_orders(self, since: datetime) -> Iterator[RemotePurchaseOrder]:
        """List Purchase Orders (GCO-13), as fetch_orders does."""
        return trading.purchase_orders_since(self._line, self._table, self._from(since))

    def search_purchase_orders(self, filters: Mapping[str, str]) -> Iterator[RemotePurchaseOrder]:
        """List Purchase Orders (GCO-13) by the filters of orders. Rows are summaries. Safe to repeat."""
        return trading.search_purchase_orders(self._line, self._table, filters)

    def get_purchase_order(self, purchase_order_id: str) -> RemotePurchaseOrder:
        """One Purchase Order (GCO-14). No call accepts or ships it."""
        return trading.get_purchase_order(self._line, self._table, purchase_order_id)

    # --- shipments ---------------------------------------------------------------------------------------------

    def fetch_shipments(self, *, order_id: str = "", since: datetime | None = None) -> Iterator[RemoteShipment]:
        """List Shipments (GCO-15), the newest first: of one order all, else as fetch_orders does."""
        return trading.shipments(self._line, order_id=order_id, since=self._from(since) if since else None)

    def search_shipments(self, *, status: str) -> Iterator[RemoteShipment]:
        """List Shipments (GCO-15) of one letter. Safe to repeat."""
        return trading.shipments(self._line, status=status)

    def get_shipment(self, shipment_id: str) -> RemoteShipment:
        """One Shipment (GCO-17)."""
        return trading.get_shipment(self._line, shipment_id)

    def create_shipment(self, shipment: NewShipment) -> str:
        """Create Shipment (GCO-16). Where it is refused, two more requests tell whether nothing was left (GCO-P25)."""
        return trading.create_shipment(self._line, shipment)

    def update_shipment(self, shipment_id: str, state: ShipmentState) -> RemoteShipment:
        """Update Shipment (GCO-18) between two looks (GCO-17): three requests, and two more to put back what it blanked."""
        self.plan(3, self.client.urgency)
        return trading.update_shipment(self._line, shipment_id, state, self.warnings)

    def delete_shipment(self, shipment_id: str) -> None:
        """Delete Shipment (GCO-19). 404 is success: it is gone."""
        trading.delete_shipment(self._line, shipment_id)

    def _from(self, since: datetime) -> datetime:
        """From when on lists are read: a change of what is older is seen by reading it alone."""
        days = int(self.connection.options.get("watch_days", 7))
        return min(since, timezone.now() - timedelta(days=days))
