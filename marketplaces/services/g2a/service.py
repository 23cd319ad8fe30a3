"""G2A's APIs: name, credentials, options, one method per operation that we call (contract ids G2A-…)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.utils import timezone

from marketplaces.base import MarketplaceService
from marketplaces.exceptions import (
    BudgetSpent,
    MarketplaceError,
    NotFound,
    UnknownOutcome,
    Unsupported,
)
from marketplaces.http import Client
from marketplaces.questions import OfferForm, Rehearsal
from marketplaces.services.g2a import (
    account,
    asking,
    bodies,
    catalogue,
    dialects,
    inbound,
    mapping,
    random_keys,
    reading,
)
from marketplaces.services.g2a.bodies import OfferFilter, ProductFilter
from marketplaces.services.g2a.guide import GUIDE
from marketplaces.services.g2a.line import Line
from marketplaces.services.g2a.mapping import ProductPage, Reservation, ReservedStock
from marketplaces.services.g2a.offers import PAGE_SIZE, Offers
from marketplaces.shop import Shop
from marketplaces.types import (
    Call,
    CodeToSend,
    CompetingOffer,
    Connection,
    Earnings,
    FileToSend,
    Health,
    JobState,
    Json,
    Notice,
    OfferContent,
    PurchasedKey,
    PurchaseState,
    RemoteJob,
    RemoteOffer,
    RemoteProduct,
    RemotePurchase,
    Reply,
    Uploaded,
    UploadedCode,
)

BESTSELLER_DAYS = 2
# A key is given once, so its answer is worth waiting for. Longer than this, the worker that has it in hand could be ended
# for the length of its task, and the key be lost with it; a longer task would keep every row of a dead worker waiting.
KEY_SECONDS = 45
RESERVATION_SECONDS = 9


class Service(MarketplaceService):
    slug = "g2a"
    delivery_target_seconds = 9  # G2A asks for the codes and waits so long
    label = "G2A"
    default_base_url = dialects.PRODUCTION_ROOT
    credentials = account.CREDENTIALS
    options = account.OPTIONS
    sandbox_credentials = account.SANDBOX_CREDENTIALS
    secret_keys = reading.SECRET_KEYS
    budget_burst = 20
    longest_read_seconds = KEY_SECONDS
    guide = GUIDE
    currencies = (bodies.CURRENCY,)
    find_requests = 5  # `contract` needs one; in `live` the offers of one type are read page by page
    hook_methods = inbound.METHODS
    always_told = frozenset({401})  # it fetches a new token then
    accepted = Reply(204, b"", {})

    def __init__(self, connection: Connection, client: Client) -> None:
        super().__init__(connection, client)
        self._line = Line(connection, client)
        self._dialect = self._line.dialect
        self._offers = Offers(self._line, self._warn)

    @classmethod
    def can(cls, operation: str, options: Mapping[str, Any]) -> bool:
        needed = dialects.IN_ONE_ALONE.get(operation)
        return cls.supports(operation) and (needed is None or needed in dialects.named(options).routes)

    # --- what G2A calls us for (G2A-IN-01 to G2A-IN-14) --------------------------------------------------------

    def verify(self, call: Call) -> None:
        inbound.verify(self.connection, call)

    def answers(self, call: Call) -> bool:
        return inbound.is_question(self.connection, call)

    def answer(self, call: Call, shop: Shop) -> Reply:
        return inbound.answer(self.connection, call, shop)

    def read_notice(self, call: Call) -> Notice:
        return inbound.notice(self.connection, call)

    def notices(self, call: Call) -> Iterable[tuple[Call, Notice]]:
        return inbound.notices(self.connection, call)

    @classmethod
    def refusal(cls, status: int) -> Reply:
        return inbound.refusal(status)

    def process(self, call: Call, shop: Shop) -> None:
        inbound.process(call, shop)

    def code_problem(self, content: str, offer: RemoteOffer) -> str:
        """An offer whose attribute `random_keys` is true sells codes of several games."""
        return random_keys.problem(content) if offer.attributes.get("random_keys") is True else ""

    def file_problem(self, file: FileToSend, offer: RemoteOffer) -> str:
        return "" if file.mime_type.startswith("image/") else f"G2A takes images, and this is {file.mime_type}"

    # --- account -----------------------------------------------------------------------------------------------

    def check(self) -> Health:
        """Read one page of our offers (G2A-10) and one product page (G2A-02): selling and buying prove themselves apart.

        Refused credentials and a host out of reach are findings, not exceptions.
        """
        failures: dict[str, MarketplaceError] = {}
        details = []
        for title, look in (("Selling", self._look_at_offers), ("Buying", self._look_at_products)):
            try:
                details.append(f"{title}: {look()}")
            except BudgetSpent:
                raise
            except MarketplaceError as error:
                failures[title] = error
                details.append(f"{title}: {error}")
        works = len(failures) < len(details)
        return Health(
            reachable=works or any(error.status is not None for error in failures.values()),
            authenticated=works or any(error.kind == "permission" for error in failures.values()),
            usable="Selling" not in failures,
            details=details,
            clock_off_seconds=self._line.clock_off,
            currencies=(bodies.CURRENCY,),
        )

    def _look_at_offers(self) -> str:
        body = self._line.get("G2A-10", params={"page": "1", self._dialect.page_size: "10"})
        meta = reading.obj(body.get("meta"))
        total = reading.count(meta.get("total", meta.get("totalResults")))
        return "works" if total is None else f"works, {total:,} offers"

    def _look_at_products(self) -> str:
        total = self.fetch_products(ProductFilter()).total
        return "works" if total is None else f"works, {total:,} products in stock"

    # --- catalogue ---------------------------------------------------------------------------------------------

    def fetch_catalogue(self) -> Iterator[RemoteProduct]:
        """Walk the whole catalogue (G2A-02), products out of stock included; each comes once."""
        return catalogue.walk(self.fetch_products, timezone.now(), self.warnings.append)

    def fetch_products(self, wanted: ProductFilter, page: int = 1) -> ProductPage:
        """Read one page, 20 products, of what the filter lets through (G2A-02). Safe to repeat."""
        body = self._line.get("G2A-02", params=bodies.products_query(wanted, page), needs="docs")
        return mapping.to_product_page(body)

    def search_products(self, text: str = "", *, page: int = 1) -> Sequence[RemoteProduct]:
        """One page of what is in stock (G2A-02), or the product whose id or shop link `text` is; G2A searches no names."""
        product_id = bodies.product_id(text)
        if product_id and not product_id.isdigit():
            raise bodies.refuse(
                "G2A-02",
                f"G2A's API does not search by name. Search “{text}” in the mirrored catalogue, or give a product id or the"
                " address of the product in G2A's shop",
            )
        wanted = ProductFilter(product_id=product_id, is_out_of_stock_shown=bool(product_id))
        return self.fetch_products(wanted, page).products

    def search_catalogue(self, text: str, *, category: str = "") -> Sequence[RemoteProduct]:
        """The same: what can be bought there is what can be sold there."""
        return self.search_products(text)

    def get_product(self, product_id: str) -> RemoteProduct:
        """Read a product with price and stock (G2A-03); there is no other call for these (G2A-P52)."""
        product_id = bodies.product_id(product_id)
        if self._dialect.is_live:
            params = {"id": product_id, "includeOutOfStock": "true"}
            body = self._line.get("G2A-03", params=params, about=product_id, needs="docs")
            found = mapping.to_product_page(body).products[:1]
        else:
            found = [mapping.to_product(self._line.get("G2A-03", product_id, about=product_id, needs="id"))]
        if not found:
            raise NotFound(f"G2A does not know “{product_id}”", kind="not_found", operation="G2A-03")
        return found[0]

    # --- offers ------------------------------------------------------------------------------------------------

    def offer_form(self, product_id: str) -> OfferForm:
        """The same for every product; no request."""
        return asking.FORM

    def rehearse(self, content: OfferContent) -> Rehearsal:
        """The body of G2A-08."""
        return Rehearsal(asking.STEPS, bodies.create_body(content, self._dialect), asking.left_out(content))

    def fetch_offers(self) -> Iterator[RemoteOffer]:
        """List our offers (G2A-10): all of them, each once."""
        return self.list_offers(OfferFilter())

    def offer_pages(self, first: int = 1) -> Iterator[Sequence[RemoteOffer]]:
        """The same (G2A-10) from a page on."""
        return self._offers.pages(first)

    @classmethod
    def shown(cls, content: OfferContent) -> dict[str, Any]:
        """The title is the catalogue's; the size is ours only where we deliver, and has an end (G2A-10)."""
        return bodies.shown(super().shown(content), content)

    def list_offers(self, wanted: OfferFilter, *, page_size: int = PAGE_SIZE) -> Iterator[RemoteOffer]:
        """List those of our offers that the filter lets through (G2A-10), page by page. Safe to repeat."""
        return self._offers.fetch(wanted, page_size)

    def get_offer(self, offer_id: str) -> RemoteOffer:
        """Get an offer (G2A-09)."""
        return self._offers.get(offer_id)

    def find_offer(self, content: OfferContent) -> RemoteOffer | None:
        """Look for an offer of the same product and type (G2A-10); one that was removed does not count."""
        return self._offers.find(content)

    def create_offer(self, content: OfferContent) -> RemoteOffer:
        """Create an offer (G2A-08): a job, mostly, that tells the offer's id when it is done.

        An offer that exists for the product is adopted (`was_there`): its id is returned without a job, and nothing was
        changed in it yet, so update_offer has to follow (G2A-P20).
        """
        return self._offers.create(content)

    def update_offer(self, offer_id: str, content: OfferContent, fields: frozenset[str]) -> RemoteOffer:
        """Change an offer (G2A-11). A sale is stopped by active false, plus size 0 for dropshipping.

        What G2A does not have (title, description, least quantity …) is left out; when nothing is left the offer is read.
        """
        body = bodies.update_body(content, fields, self._dialect)
        return self._offers.change(offer_id, body) if body else self.get_offer(offer_id)

    def attach_upload(self, offer_id: str, offer_type: str, collection_id: str) -> RemoteOffer:
        """Put an uploaded collection on sale (G2A-11 with tmpInventoryId)."""
        return self._offers.change(offer_id, bodies.attach_body(offer_type, collection_id, self._dialect))

    def delete_offer(self, offer_id: str) -> None:
        """Delete an offer (G2A-L01). 404 is success: it is gone. `live` only."""
        self._line.call("G2A-L01", offer_id, about=offer_id, accepts={404})

    # --- codes that lie in the marketplace's own inventory -------------------------------------------------------

    codes_per_upload, files_per_upload = bodies.MOST_KEYS, bodies.MOST_FILES

    def upload_codes(self, offer_id: str, codes: Sequence[CodeToSend]) -> Uploaded:
        """Upload up to 500 keys at once (G2A-12). They are on sale once attach_upload has named their collection."""
        return Uploaded(collection_id=self.upload_keys(offer_id, codes))

    def upload_keys(self, offer_id: str, keys: Sequence[CodeToSend]) -> str:
        """Upload up to 500 keys (G2A-12). In `live` it comes before the offer, whose id may be empty (G2A-P54)."""
        return self._upload(offer_id, payload=bodies.upload_body(keys))

    def upload_files(self, offer_id: str, files: Sequence[FileToSend]) -> str:
        """Upload keys that are images (G2A-12), as parts of a form."""
        if not 0 < len(files) <= bodies.MOST_FILES:
            raise bodies.refuse("G2A-12", f"{len(files)} files can't be uploaded at once: 1 to {bodies.MOST_FILES} can")
        return self._upload(offer_id, files=[replace(file, part=bodies.FILES_PART) for file in files])

    def _upload(self, offer_id: str, **request: Any) -> str:
        answer = self._line.call("G2A-12", offer_id, about=offer_id, is_write=True, is_secret=True, **request)
        found = reading.unwrapped(answer.json, "collectionUuid")
        if collection_id := reading.ident(found.get("collectionUuid")):
            return collection_id
        raise self._line.unreadable(answer, "G2A-12", about=offer_id, is_write=True, is_secret=True)

    def fetch_uploaded(self, offer_id: str) -> Iterator[UploadedCode]:
        """List the codes that lie in an offer (G2A-L02), without their text. `live` only. Safe to repeat."""
        pages = self._line.pages("G2A-L02", offer_id, size=PAGE_SIZE, params={}, about=offer_id, is_secret=True)
        for page in pages:
            yield from (code for code in (mapping.to_uploaded(row, offer_id) for row in page) if code.external_id)

    def delete_uploaded(self, offer_id: str, item_id: str) -> None:
        """Take one code out of an offer (G2A-L04). NotFound may mean sold. `live` only."""
        self._line.call("G2A-L04", offer_id, item_id, about=offer_id)

    def delete_all_uploaded(self, offer_id: str) -> None:
        """Take all codes out of an offer (G2A-L03). Which of them were sold before is not told. `live` only."""
        self._line.call("G2A-L03", offer_id, about=offer_id)

    # --- jobs and prices ---------------------------------------------------------------------------------------

    def fetch_job(self, job_id: str) -> RemoteJob:
        """Read a job (G2A-13). First after 2 s, then every 2 s, then ever more slowly."""
        job = mapping.to_job(self._line.get("G2A-13", job_id, about=job_id, needs="status"), job_id)
        if job.warning:
            self._warn(f"G2A did what was asked and adds: {job.warning}")
        if job.state is JobState.UNKNOWN:
            self._warn(f"G2A uses a word for a job's status that is not known here: “{job.status_word}”")
        return job

    def simulate_price(self, product_id: str, price: Decimal, *, country: str = "") -> Earnings:
        """Simulate a price (G2A-14) for buyers of `country` (two letters), else of any country that is not special."""
        amount = bodies.price(price, "G2A-14")
        params = {"productId": bodies.product_id(product_id), "price": f"{amount:.2f}"}
        params |= {"country": country} if country else {}
        return mapping.to_earnings(self._line.get("G2A-14", params=params, about=product_id), country)

    def fetch_bestsellers(self, *, category: str = "", platform: str = "") -> Iterator[RemoteProduct]:
        """List what sells well (G2A-15). `live` can't be asked for a category or a platform."""
        if self._dialect.is_live and (category or platform):
            raise Unsupported(
                "G2A's dialect live lists bestsellers of all categories and platforms only",
                kind="invalid",
                operation="G2A-15",
            )
        asked = (
            {"daysNumber": str(BESTSELLER_DAYS)}
            if self._dialect.is_live
            else {"category": category, "platform": platform}
        )
        params = {name: value for name, value in asked.items() if value}
        return self._bestsellers(params)

    def _bestsellers(self, params: dict[str, str]) -> Iterator[RemoteProduct]:
        seen: set[str] = set()
        for page in self._line.pages("G2A-15", size=PAGE_SIZE, params=params):
            products = [product for product in map(mapping.to_bestseller, page) if product.external_id not in seen]
            if not products:
                return
            seen.update(product.external_id for product in products)
            yield from (product for product in products if product.external_id)

    def fetch_competing_offers(self, product_id: str, *, country: str = "DE") -> Sequence[CompetingOffer]:
        """List up to 100 offers of other sellers as buyers of `country` see them (G2A-L05). `live` only."""
        product_id = bodies.product_id(product_id)
        params = {"visibility": "all", "countryCode": country}
        pages = self._line.pages("G2A-L05", product_id, size=PAGE_SIZE, params=params, about=product_id)
        return [mapping.to_competing(row) for row in next(pages, [])]

    # --- buying --------------------------------------------------------------------------------------------------

    def create_purchase(
        self, product_id: str, *, max_price: Decimal, currency: str = bodies.CURRENCY
    ) -> RemotePurchase:
        """Create an order (G2A-04). UnknownOutcome can't be looked up: let it lapse for 30 minutes (G2A-P32)."""
        product_id = bodies.product_id(product_id)
        ceiling = bodies.price(max_price, "G2A-04", name="highest price")
        body = {"product_id": product_id, "currency": currency or bodies.CURRENCY, "max_price": ceiling}
        found = self._line.get("G2A-04", payload=body, about=product_id, is_write=True, needs="order_id")
        return mapping.to_new_purchase(found)

    def fetch_purchase(self, purchase_id: str) -> RemotePurchase:
        """Read an order of ours (G2A-05)."""
        body = self._line.get("G2A-05", purchase_id, about=purchase_id, needs="status")
        purchase = mapping.to_purchase(body, purchase_id)
        if purchase.status_word and purchase.state is PurchaseState.UNKNOWN:
            self._warn(f"G2A uses a word for an order's status that is not known here: “{purchase.status_word}”")
        return purchase

    def pay_purchase(self, purchase_id: str) -> None:
        """Pay (G2A-07), at once after the order (G2A-P26). A PUT without a body: Content-Length is 0 (G2A-P30)."""
        found = self._line.get("G2A-07", purchase_id, about=purchase_id, is_write=True, needs="status")
        if reading.flag(found.get("status")) is not True:
            raise UnknownOutcome(
                f"G2A says that “{purchase_id}” is not paid, and not why; this may or may not have been done",
                kind="not_ready",
                operation="G2A-07",
            )

    def fetch_purchased_key(self, purchase_id: str) -> bytes:
        """Read the key's answer (G2A-06) as it came. A second read is refused: PermanentError, kind key_read_before.

        TemporaryError, kind not_ready, while the payment or the order is not through. Asking again after no answer is right.
        """
        answer = self._line.call("G2A-06", purchase_id, about=purchase_id, is_secret=True, read_seconds=KEY_SECONDS)
        if not answer.body.strip():
            raise self._line.unreadable(answer, "G2A-06", about=purchase_id, is_secret=True)
        return answer.body

    @classmethod
    def read_purchased_key(cls, body: bytes) -> PurchasedKey:
        return mapping.to_purchased_key(body)

    # --- reservations: the outgoing surface of the contract; in truth G2A calls us for these (G2A-P37) --------------

    def reserve(self, *, order_id: str, product_id: str, quantity: int) -> Reservation:
        """Hold stock for an order (G2A-16). Not safe to repeat: after UnknownOutcome check_inventory. `contract` only."""
        if quantity < 1:
            raise bodies.refuse("G2A-16", f"{quantity} units can't be reserved: at least 1 can")
        body = {"orderId": order_id, "productId": bodies.product_id(product_id), "quantity": quantity}
        request: Json = {"about": order_id, "is_write": True, "read_seconds": RESERVATION_SECONDS}
        return mapping.to_reservation(self._line.get("G2A-16", payload=body, needs="reservationId", **request))

    def confirm_reservation(self, reservation_id: str) -> Reservation:
        """Make the order (G2A-17). Without `is_ready` the stock comes later: check_inventory tells. `contract` only."""
        request: Json = {"about": reservation_id, "is_write": True, "read_seconds": RESERVATION_SECONDS}
        answer = self._line.call("G2A-17", reservation_id, **request)
        found = reading.unwrapped(answer.json, "stockReady")
        is_ready = reading.flag(found.get("stockReady"))
        said = {**found, "stockReady": answer.status == 200 if is_ready is None else is_ready}
        return mapping.to_reservation({"reservationId": reservation_id, **said})

    def check_inventory(self, order_id: str) -> ReservedStock:
        """Read what an order has got (G2A-18): keys once they are ready, the same at every read. `contract` only."""
        found = self._line.get("G2A-18", order_id, about=order_id, is_secret=True, needs="stockReady")
        return mapping.to_reserved_stock(found, order_id)

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
