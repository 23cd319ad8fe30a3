"""G2G's OpenAPI: name, credentials, options, auth, one method per operation (contract ids G2G-…)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from marketplaces.base import MarketplaceService
from marketplaces.exceptions import (
    BudgetSpent,
    ConfigurationError,
    NotFound,
    PermanentError,
    TemporaryError,
    UnknownOutcome,
    Unsupported,
)
from marketplaces.http import Client
from marketplaces.questions import Answers, OfferForm, Rehearsal
from marketplaces.services.g2g import asking, inbound, mapping, reading, signing, validation, webhook_log
from marketplaces.services.g2g.browsing import Catalogue
from marketplaces.services.g2g.guide import GUIDE
from marketplaces.services.g2g.line import Line, named, segment
from marketplaces.shop import Shop
from marketplaces.types import (
    Call,
    Category,
    CodeToSend,
    Connection,
    DeliveryIssue,
    DeliveryKind,
    DeliveryResult,
    Field,
    Health,
    Json,
    Notice,
    OfferContent,
    OfferStatus,
    RemoteDelivery,
    RemoteOffer,
    RemoteOrder,
    RemoteProduct,
    UploadedCode,
)

OFFERS_PER_PAGE = 100
# Requests set aside to look for an offer: a page of offers, and a few of them in full.
REQUESTS_TO_FIND = 5
KIND_WORDS = {DeliveryKind.CODES: "codes", DeliveryKind.TOP_UP: "a top-up"}
NEEDS_V2 = frozenset(
    {"fetch_offers", "find_offer", "fetch_deliveries", "report_units", "search_catalogue", "fetch_categories"}
)
FILTERS = frozenset({"status", "query", "brand_id", "service_id", "seller_id"})


class Service(MarketplaceService):
    slug = "g2g"
    label = "G2G"
    guide = GUIDE
    find_requests = REQUESTS_TO_FIND
    searches_by_category = True
    default_base_url = "https://open-api.g2g.com"
    credentials = (
        Field("api_key", "API key", "From API Integration in G2G's account menu."),
        Field("secret", "API secret", "Shown once when the key is made; a lost one can only be replaced."),
        Field("user_id", "User id", "Your G2G user id, digits only."),
    )
    options = (
        Field("version", "API version", "v1 is deprecated and can do less.", default="v2", choices=("v2", "v1")),
        Field(
            "requests_per_minute", "Requests a minute", "G2G publishes no limit; 60 is careful.",
            default=60, minimum=1, maximum=6000,
        ),
        Field(
            "webhook_window_seconds", "Webhook window", "A webhook older or newer than this many seconds is refused.",
            default=300, minimum=10, maximum=3600,
        ),
        Field(
            "patch_qty_scope", "Top-up quantity", "What a top-up report counts: all units of the order, as G2G's"
            " documentation says, or those of the one delivery.",
            default="order", choices=("order", "delivery"),
        ),
    )  # fmt: skip
    # The values of the documentation's own examples.
    sandbox_credentials = {
        "api_key": "b5769724c1cb1d52c58717d3d12ae2fe",
        "secret": "dJirm8nG5AqQWoh7J5EHw3373Dk95zjRHaQ3gnv99kw",
        "user_id": "100000",
    }
    sandbox_webhook_secrets = ("gBW1wXgBNnA",)
    secret_keys = reading.SECRET_KEYS
    kept_headers = MarketplaceService.kept_headers | {"g2g-timestamp"}
    codes_per_call = validation.MOST_CODES

    @classmethod
    def can(cls, operation: str, options: Mapping[str, Any]) -> bool:
        return cls.supports(operation) and (options.get("version") != "v1" or operation not in NEEDS_V2)

    def __init__(self, connection: Connection, client: Client) -> None:
        super().__init__(connection, client)
        self._line = Line(connection, client, self.warnings)
        self.catalogue = Catalogue(self._line)
        self._currencies: Sequence[str] = ()
        self._kinds: dict[str, DeliveryKind] = {}  # of deliveries that were read through this line

    # --- what they call us for -------------------------------------------------------------------------------

    def verify(self, call: Call) -> None:
        inbound.verify(self.connection, call, call.received_at)

    def read_notice(self, call: Call) -> Notice:
        return inbound.notice(call)

    def process(self, call: Call, shop: Shop) -> None:
        inbound.process(call, shop, self.connection)

    # --- account -----------------------------------------------------------------------------------------------

    def check(self) -> Health:
        """View Store Settings (G2G-18). A refused key and a host out of reach are findings, not exceptions."""
        try:
            payload = self._line.call("G2G-18", "GET", "/store")
        except ConfigurationError as error:
            is_known = error.kind == "permission"
            return Health(
                reachable=error.status is not None,
                authenticated=is_known,
                usable=False,
                details=[str(error)],
                clock_off_seconds=self._line.clock_off,
            )
        except BudgetSpent:
            raise
        except TemporaryError as error:
            # It answers, but not to us now: whether the key is right is not known, so nobody should doubt it.
            return Health(reachable=False, authenticated=False, usable=False, details=[str(error)])
        health = mapping.to_health(payload, signing.credential(self.connection, "user_id"), self._line.clock_off)
        self._currencies = health.currencies
        return health

    # --- catalogue ---------------------------------------------------------------------------------------------

    def fetch_catalogue(self) -> Iterator[RemoteProduct]:
        """Walk services, categories or brands, and products (G2G-01 to G2G-03). Each product comes once."""
        return self.catalogue.fetch_all()

    def fetch_categories(self) -> Iterator[Category]:
        """Get Services (G2G-01): the places in their trees in which products lie. v2 only."""
        return self.catalogue.fetch_categories()

    def search_catalogue(self, text: str, *, category: str = "") -> Sequence[RemoteProduct]:
        """Get Products (G2G-03) of a category, by a brand's keyword. v2 only."""
        return self.catalogue.fetch_products(category_id=category, query=text)

    def offer_form(self, product_id: str) -> OfferForm:
        """Get Attributes (G2G-04), as questions."""
        return asking.form_of(self.catalogue.get_form(product_id))

    @classmethod
    def answered(cls, form: OfferForm, answers: Answers) -> Json:
        return asking.content_of(form, answers)

    def rehearse(self, content: OfferContent) -> Rehearsal:
        """The body of G2G-05."""
        body, notes = validation.create_body(content, self._line.version)
        return Rehearsal(["Create the offer (G2G-05)."], body, notes)

    # --- offers ------------------------------------------------------------------------------------------------

    def fetch_offers(self) -> Iterator[RemoteOffer]:
        """Search Offers (G2G-09) without a filter: all of ours. v2 only."""
        for page in self.offer_pages():
            yield from page

    def offer_pages(self, first: int = 1) -> Iterator[Sequence[RemoteOffer]]:
        """The same (G2G-09) from a page on. v2 only."""
        seen: set[str] = set()
        page = first
        while True:
            found = self._search(page, OFFERS_PER_PAGE, {})
            fresh = [offer for offer in found if offer.external_id not in seen]
            seen.update(offer.external_id for offer in fresh)
            yield fresh
            if len(found) < OFFERS_PER_PAGE or not fresh:
                return
            page += 1

    def search_offers(
        self, filters: Mapping[str, str], *, page: int = 1, page_size: int = OFFERS_PER_PAGE
    ) -> list[RemoteOffer]:
        """Search Offers (G2G-09): one page, filtered again here, for a wrong filter may be ignored (G2G-P55). v2 only."""
        unknown = sorted(set(filters) - FILTERS)
        if unknown:
            raise validation.refuse("G2G-09", f"Offers can't be searched by {', '.join(unknown)}")
        if not 1 <= page_size <= validation.MOST_PAGE_ROWS or page < 1:
            raise validation.refuse("G2G-09", f"A page has 1 to {validation.MOST_PAGE_ROWS} offers and a number from 1")
        return [offer for offer in self._search(page, page_size, filters) if mapping.fits(offer, filters)]

    def _search(self, page: int, page_size: int, filters: Mapping[str, str]) -> list[RemoteOffer]:
        body: Json = {"page_size": page_size, "page": page} | ({"filter": dict(filters)} if filters else {})
        payload = self._line.call("G2G-09", "POST", "/offers/search", payload=body)
        offers = [mapping.to_offer(row) for row in reading.rows(payload.get("results"))]
        return [offer for offer in offers if offer.external_id]

    def get_offer(self, offer_id: str) -> RemoteOffer:
        """Get Offer (G2G-06). Its `code_form` is `code_label`: the columns of a code, joined by commas."""
        payload = self._line.call("G2G-06", "GET", f"/offers/{segment(offer_id)}", about=offer_id)
        return mapping.to_offer(named(payload, "offer_id", offer_id, "G2G-06"))

    def find_offer(self, content: OfferContent) -> RemoteOffer | None:
        """Look through our offers (G2G-09) for the same product and choices.

        A search does not tell an offer's product or choices, so offers of the same price are read in full: one that
        was just created has the price it was created with. Raises UnknownOutcome when the budget ends before that.
        """
        if self._line.version == "v1":
            raise Unsupported(
                "An offer may have been created, and v1 of G2G's API can't look. Look there: if it exists, enter its offer"
                " id here; if not, push it again",
                kind="invalid",
                operation="G2G-09",
            )
        self.plan(REQUESTS_TO_FIND, self.client.urgency)
        try:
            likely = [offer for offer in self.fetch_offers() if mapping.may_be(offer, content)]
            return next((offer for offer in map(self._in_full, likely) if mapping.is_same(offer, content)), None)
        except BudgetSpent as spent:
            raise UnknownOutcome(
                "G2G shows too many offers like this one to read them all at once. Look there: if it exists, enter its"
                " offer id here; if not, push it again",
                kind="unknown",
                operation="G2G-09",
            ) from spent

    def _in_full(self, offer: RemoteOffer) -> RemoteOffer:
        if offer.external_product_id and "offer_attributes" in offer.attributes:
            return offer
        try:
            return self.get_offer(offer.external_id)
        except NotFound:
            return RemoteOffer(external_id=offer.external_id, status=OfferStatus.REMOVED)

    def create_offer(self, content: OfferContent) -> RemoteOffer:
        """Create Offer (G2G-05). What G2G does not take for this kind of goods is left out and told in `warnings`."""
        body, notes = validation.create_body(content, self._line.version)
        if self._currencies and content.currency not in self._currencies:
            notes.append(f"{content.currency} is not among the currencies the store sells in")
        self.warnings += notes
        payload = self._line.call(
            "G2G-05", "POST", "/offers", payload=body, about=content.external_product_id, is_write=True
        )
        offer = mapping.to_offer(payload)
        if not offer.external_id:
            raise UnknownOutcome("G2G took the offer and told no id for it", kind="unknown", operation="G2G-05")
        return offer

    def update_offer(self, offer_id: str, content: OfferContent, fields: frozenset[str]) -> RemoteOffer:
        """Update Offer (G2G-07). Product, title and description can't be changed and are never sent."""
        body = validation.update_body(content, fields, self._line.version)
        path = f"/offers/{segment(offer_id)}"
        payload = self._line.call("G2G-07", "PATCH", path, payload=body, about=offer_id, is_write=True)
        return mapping.to_offer(payload, offer_id)

    def delete_offer(self, offer_id: str) -> None:
        """Delete Offer (G2G-08). 404 is success: it is gone."""
        try:
            self._line.call("G2G-08", "DELETE", f"/offers/{segment(offer_id)}", about=offer_id, is_write=True)
        except NotFound:
            return

    # --- codes that lie in an offer ------------------------------------------------------------------------------

    def code_problem(self, content: str, offer: RemoteOffer) -> str:
        return validation.code_problem(content, offer.code_form)

    def upload_code(self, offer_id: str, code: CodeToSend) -> str:
        """Upload Code (G2G-15). There is no list of uploaded codes: an unanswered one can't be found (G2G-P53)."""
        body = validation.code_item(code, "G2G-15")
        path = f"/offers/{segment(offer_id)}/inventory_items"
        payload = self._line.call("G2G-15", "POST", path, payload=body, about=offer_id, is_write=True)
        if item_id := reading.ident(payload.get("item_id")):
            return item_id
        raise UnknownOutcome("G2G took the code and told no id for it", kind="unknown", operation="G2G-15")

    def get_uploaded(self, offer_id: str, item_id: str) -> UploadedCode:
        """View Code Info (G2G-16)."""
        path = f"/offers/{segment(offer_id)}/inventory_items/{segment(item_id)}"
        return mapping.to_uploaded(self._line.call("G2G-16", "GET", path, about=offer_id), offer_id, item_id)

    def delete_uploaded(self, offer_id: str, item_id: str) -> None:
        """Delete Code (G2G-17). NotFound may mean sold, so it is no success (G2G-P52)."""
        path = f"/offers/{segment(offer_id)}/inventory_items/{segment(item_id)}"
        self._line.call("G2G-17", "DELETE", path, about=offer_id, is_write=True)

    # --- orders and deliveries -----------------------------------------------------------------------------------

    def fetch_order(self, order_id: str) -> RemoteOrder:
        """Get Order (G2G-10). It tells no offer, product or fee: only events do (G2G-P28)."""
        payload = self._line.call("G2G-10", "GET", f"/orders/{segment(order_id)}", about=order_id)
        return mapping.to_order(named(payload, "order_id", order_id, "G2G-10"))

    def fetch_deliveries(self, order_id: str) -> Iterator[RemoteDelivery]:
        """Get Deliveries (G2G-11), page by page. `delivered` is None where only the order's total is told. v2 only."""
        for page in self._delivery_pages(order_id):
            for row in page:
                yield mapping.to_delivery(row, order_id, with_units=False)

    def fetch_delivery(self, order_id: str, delivery_id: str) -> RemoteDelivery:
        """Get Deliveries (G2G-11), and Get Delivery Status (G2G-13) for what it leaves open; v1 has the latter alone.

        One request for an order with one delivery, mostly. Without a `delivery_id` it is the order's one open delivery.
        """
        if self._line.version == "v1":
            return self.get_delivery_status(order_id, delivery_id)
        rows: list[Json] = []
        for page in self._delivery_pages(order_id):
            rows += page
            if delivery_id and any(mapping.delivery_id_of(row) == delivery_id for row in page):
                break
        row = _one_of(rows, order_id, delivery_id)
        is_alone = len(rows) == 1 and mapping.row_is_one_delivery(row)
        delivery = mapping.to_delivery(row, order_id, with_units=is_alone)
        self._remember(delivery.delivery_id, row)
        if mapping.is_complete(delivery):
            return delivery
        try:
            return mapping.completed(delivery, self.get_delivery_status(order_id, delivery.delivery_id))
        except NotFound:  # the list knows it, so it exists
            return delivery

    def get_delivery_status(self, order_id: str, delivery_id: str) -> RemoteDelivery:
        """Get Delivery Status (G2G-13), in both versions. Raises NotFound. Safe to repeat."""
        path = f"/orders/{segment(order_id)}/delivery/{segment(delivery_id)}"
        payload = self._line.call("G2G-13", "GET", path, about=order_id)
        return mapping.to_delivery({"delivery_id": delivery_id, **payload}, order_id)

    def send_codes(self, order_id: str, delivery_id: str, codes: Sequence[CodeToSend]) -> None:
        """Deliver Code (G2G-12): taken is not delivered, the result comes later (G2G-P21)."""
        items = validation.code_items(codes, "G2G-12")
        self._must_be(DeliveryKind.CODES, delivery_id, "G2G-12")
        if not delivery_id:
            raise validation.refuse("G2G-12", "The delivery has no id")
        path = f"/orders/{segment(order_id)}/delivery"
        body = {"delivery_id": delivery_id, "codes": items}
        self._line.call("G2G-12", "POST", path, payload=body, about=order_id, is_write=True)

    def report_units(
        self,
        order_id: str,
        delivery_id: str,
        *,
        delivered: int,
        requested: int,
        delivered_before: int,
        at: datetime,
        issue: DeliveryIssue = DeliveryIssue.OTHER,
        reference: str = "",
    ) -> None:
        """Patch Delivery (G2G-14), for top-ups. The answer may be empty (G2G-P33). v2 only."""
        if not 0 <= delivered <= requested or delivered_before < 0:
            raise validation.refuse("G2G-14", f"{delivered} units can't be reported: {requested} were asked for")
        self._must_be(DeliveryKind.TOP_UP, delivery_id, "G2G-14")
        is_total = self.connection.options.get("patch_qty_scope", "order") == "order"
        if is_total and delivered_before:
            self.warnings.append(
                f"The order has several deliveries: {delivered + delivered_before} units were reported"
            )
        body: Json = {
            "delivered_qty": delivered + (delivered_before if is_total else 0),
            "delivered_at": reading.ms(at),
        }
        body |= {"delivery_issue": mapping.DELIVERY_ISSUES[issue]} if delivered < requested else {}
        body |= {"reference_id": reference} if reference else {}
        path = f"/orders/{segment(order_id)}/delivery/{segment(delivery_id)}"
        self._line.call("G2G-14", "PATCH", path, payload=body, about=order_id, is_write=True)

    def missed_events(self, since: datetime, until: datetime) -> Iterator[Call]:
        """Search Webhook Logs (G2G-19): each event once, however often it was sent."""
        return webhook_log.read(self._line, since, until)

    def _delivery_pages(self, order_id: str) -> Iterator[list[Json]]:
        path = f"/orders/{segment(order_id)}/delivery"
        return self._line.pages("G2G-11", path, {}, "delivery_list", about=order_id)

    def _remember(self, delivery_id: str, row: Json) -> None:
        kind = mapping.kind_said(row)
        if kind is not None:
            self._kinds[delivery_id] = kind

    def _must_be(self, kind: DeliveryKind, delivery_id: str, operation: str) -> None:
        if self._kinds.get(delivery_id, kind) != kind:
            raise validation.refuse(operation, f"Delivery {delivery_id} is not made with {KIND_WORDS[kind]}")


def _one_of(rows: Sequence[Json], order_id: str, delivery_id: str) -> Json:
    """The row of this delivery; without an id the one that is open. Raises NotFound; PermanentError if several are."""
    if delivery_id:
        found = [row for row in rows if mapping.delivery_id_of(row) == delivery_id]
    else:
        is_open = (DeliveryResult.OPEN, DeliveryResult.UNKNOWN)
        found = [row for row in rows if mapping.to_delivery(row, order_id).result in is_open]
        if len(found) > 1:
            raise PermanentError(
                f"Order {order_id} has {len(found)} open deliveries and the request does not say which",
                kind="conflict",
                operation="G2G-11",
            )
    if not found:
        raise NotFound(
            f"Order {order_id} has no delivery {delivery_id or 'that is open'}", kind="not_found", operation="G2G-11"
        )
    return found[0]
