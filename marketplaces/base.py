"""MarketplaceService: all that we may ask of a marketplace.

A service overrides what its marketplace can do; `supports()` is derived from that, so no table can drift from the code.
One method is one operation and mostly one HTTP request. Every method may raise what `exceptions` names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, ClassVar

from marketplaces.exceptions import Unsupported
from marketplaces.http import READ_SECONDS, Client
from marketplaces.questions import Answers, OfferForm, Rehearsal, as_content
from marketplaces.shop import CodeKind, Shop
from marketplaces.types import (
    Call,
    Category,
    CodeToSend,
    CompetingOffer,
    Connection,
    DeliveryIssue,
    Earnings,
    Field,
    FileToSend,
    Health,
    Json,
    NewShipment,
    Notice,
    OfferChange,
    OfferContent,
    OfferResult,
    PurchasedKey,
    RemoteDelivery,
    RemoteJob,
    RemoteOffer,
    RemoteOrder,
    RemoteProduct,
    RemotePurchase,
    RemotePurchaseOrder,
    RemoteShipment,
    Reply,
    ShipmentState,
    Uploaded,
    UploadedCode,
    Urgency,
)

# Fields of an offer's content that a reading may show as well.
COMPARED = ("price", "quantity", "is_for_sale", "title", "visibility", "min_quantity", "attributes")
OFFERS_TAKEN = 500  # together, from a list that has no pages of its own here


class MarketplaceService:
    """One account's line to its marketplace."""

    slug: ClassVar[str]  # the folder's name
    label: ClassVar[str]  # for people
    default_base_url: ClassVar[str]
    credentials: ClassVar[Sequence[Field]] = ()
    options: ClassVar[Sequence[Field]] = ()
    # What a play account uses when nothing else is given: values that the sandbox of the same folder accepts.
    sandbox_credentials: ClassVar[dict[str, str]] = {}
    sandbox_webhook_secrets: ClassVar[Sequence[str]] = ()
    max_body_bytes: ClassVar[int] = 1024 * 1024
    hook_methods: ClassVar[Sequence[str]] = ("POST",)
    # Refusals that a caller acts upon, so that it is told them however many strangers knock from its address.
    always_told: ClassVar[frozenset[int]] = frozenset()
    budget_burst: ClassVar[int] = 5
    # A limit that counts every request of the last so many seconds, where a burst after a quiet time would break it;
    # `requests_per_minute` is then what may be sent in it, and `budget_kept` of these are kept for what people wait for.
    budget_window: ClassVar[float] = 0.0
    budget_kept: ClassVar[int] = 2
    # Keys of their JSON whose values are secret or personal; masked in the call log.
    secret_keys: ClassVar[frozenset[str]] = frozenset()
    # Headers of an inbound call that are kept as evidence; a signature or a token is not among them.
    kept_headers: ClassVar[frozenset[str]] = frozenset({"content-type", "user-agent"})
    codes_per_call: ClassVar[int] = 100
    find_requests: ClassVar[int] = 1  # the most that find_offer takes
    codes_per_upload: ClassVar[int] = 1
    # More than one: update_offers takes so many. An account's line may take fewer than its class says.
    offers_per_update: int = 1
    # Fields of OfferContent that update_offers brings there; what else differs goes by update_offer, offer by offer.
    bulk_fields: ClassVar[frozenset[str]] = frozenset()
    # Fields of OfferContent that can be sent; what is not among them is never wanted there, nor compared.
    offer_fields: ClassVar[frozenset[str]] = frozenset(field.name for field in fields(OfferContent))
    offers_per_feed: ClassVar[int] = 0
    # An offer's external_product_id is a code of ours that should name one offer there; where two have it, it names none.
    offers_by_code: ClassVar[bool] = False
    # Where there is no catalogue to choose from: the field by which an offer names its goods, with words for people.
    own_code: ClassVar[Field | None] = None
    # create_offer makes nothing: it takes over what has that code there, so find_offer tells whether it can.
    offers_exist_there: ClassVar[bool] = False
    # In which prices can be, where that is known; empty: the account's own affair.
    currencies: ClassVar[Sequence[str]] = ()
    # search_catalogue looks within one category of fetch_categories.
    searches_by_category: ClassVar[bool] = False
    offers_per_read: ClassVar[int] = 1
    orders_per_read: ClassVar[int] = 1
    # How often its lists are read for news, in seconds; by kind: orders, shipments, purchase_orders.
    poll_seconds: ClassVar[Mapping[str, int]] = {}
    # A list is read from so long before the last time on: clocks differ, rows come late, and a list of what is new may
    # not show what changed.
    poll_overlap_seconds: ClassVar[int] = 3600
    poll_first_days: ClassVar[int] = 30  # how far back an account's first reading goes
    repair_days: ClassVar[int] = 14  # how far back the orders are read again that fetch_made_orders lists
    # How an account is connected: what to do in each step of marketplaces.connecting, in lines for people.
    guide: ClassVar[Mapping[str, Sequence[str]]] = {}
    # Words of this marketplace's pages that tell people what to do where it has no such operation.
    elsewhere: ClassVar[Mapping[str, str]] = {}
    files_per_upload: ClassVar[int] = 1
    # In so many seconds a delivery should be handed over, where its request names no deadline of its own; for reports.
    delivery_target_seconds: ClassVar[int] = 60
    # Seconds that the slowest of its calls waits for an answer; marketplaces.checks proves that a task outlasts it.
    longest_read_seconds: ClassVar[float] = READ_SECONDS
    # Of a list of news in numbered pages: where reading it begins, and then the page that came last. Others leave it alone.
    list_page: int = 1
    accepted: ClassVar[Reply] = Reply()  # the answer to a notification that was stored

    def __init__(self, connection: Connection, client: Client) -> None:
        self.connection = connection
        self.client = client
        self.warnings: list[str] = []  # what was worth telling beside the answers, for people

    @classmethod
    def supports(cls, operation: str) -> bool:
        """Say whether this marketplace can do `operation`, a method's name."""
        return getattr(cls, operation) is not getattr(MarketplaceService, operation)

    @classmethod
    def can(cls, operation: str, options: Mapping[str, Any]) -> bool:
        """Say whether an account with these options can do `operation`: what it speaks may lack what another's has."""
        return cls.supports(operation)

    @classmethod
    def calls_us(cls) -> bool:
        """Say whether it sends us anything; one that does not has no use for our address and is asked for news instead."""
        return cls.supports("verify")

    def plan(self, requests: int, urgency: Urgency) -> None:
        """Set aside `requests` of the account's budget for the calls that follow, or raise BudgetSpent.

        Work of several calls asks before its first one, so that it never stops in the middle for want of budget.
        """
        self.client.plan(requests, urgency)

    # --- how an account is set up ----------------------------------------------------------------------------

    @classmethod
    def completed(cls, before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
        """Return the credentials `now` as they are to be stored: with what only we can make, and with what of those
        `before` stays valid for a while. Raises ConfigurationError, naming what can't be used. Safe to repeat.
        """
        return dict(now)

    @classmethod
    def hook_path(cls, credentials: Mapping[str, str], options: Mapping[str, Any]) -> str:
        """What follows an account's own part of its webhook address, such as a secret of that address."""
        return ""

    def letter(self) -> str:
        """What a person sends to the marketplace's staff where notifications are ordered by hand; else empty."""
        return ""

    # --- what they call us for -------------------------------------------------------------------------------

    def verify(self, call: Call) -> None:
        """Raise Refused unless `call` really comes from the marketplace."""
        raise self._unsupported("verify")

    def read_notice(self, call: Call) -> Notice:
        """Say what a verified call is about. Never raises: what cannot be read gets a digest as its id."""
        raise self._unsupported("read_notice")

    def notices(self, call: Call) -> Iterable[tuple[Call, Notice]]:
        """Take a verified call apart into what is kept and processed by itself. Never raises."""
        return [(call, self.read_notice(call))]

    def answers(self, call: Call) -> bool:
        """Say whether a call is a question, which `answer` answers inside the request. It is asked before verify()."""
        return False

    def answer(self, call: Call, shop: Shop) -> Reply:
        """Answer a question. It runs in a transaction that an exception undoes, and calls nobody."""
        raise self._unsupported("answer")

    @classmethod
    def refusal(cls, status: int) -> Reply:
        """What a call that is not accepted, or that broke something inside, is told: nothing about the reason."""
        return Reply(status, b"", {})

    def process(self, call: Call, shop: Shop) -> None:
        """Do what a stored event asks for. Safe to repeat, in any order."""
        raise self._unsupported("process")

    # --- account -----------------------------------------------------------------------------------------------

    def check(self) -> Health:
        """Make the cheapest read and say what works. Safe to repeat."""
        raise self._unsupported("check")

    # --- catalogue ---------------------------------------------------------------------------------------------

    def fetch_catalogue(self) -> Iterator[RemoteProduct]:
        """Read the whole catalogue, page by page. Safe to repeat."""
        raise self._unsupported("fetch_catalogue")

    def fetch_categories(self) -> Iterator[Category]:
        """Read the taxonomy, page by page. Safe to repeat."""
        raise self._unsupported("fetch_categories")

    def get_category(self, category_id: str) -> Category:
        """Read one category. Raises NotFound. Safe to repeat."""
        raise self._unsupported("get_category")

    def search_catalogue(self, text: str, *, category: str = "") -> Sequence[RemoteProduct]:
        """Find products that an offer can be made of, by a text, as many as one request brings. Safe to repeat.

        With `searches_by_category` it takes one of fetch_categories, and the text may be empty.
        """
        raise self._unsupported("search_catalogue")

    # --- offers ------------------------------------------------------------------------------------------------

    def offer_form(self, product_id: str) -> OfferForm:
        """Say what a new offer of a product is asked beyond price and quantity. One request, or none where it is always
        the same. Raises NotFound. Safe to repeat.
        """
        raise self._unsupported("offer_form")

    @classmethod
    def answered(cls, form: OfferForm, answers: Answers) -> Json:
        """Return the fields of OfferContent that answers to the form stand for. Asks nobody."""
        return as_content(form, answers)

    def rehearse(self, content: OfferContent) -> Rehearsal:
        """Say what create_offer would send, and send nothing. Raises PermanentError (invalid), naming what can't be sent."""
        raise self._unsupported("rehearse")

    def fetch_offers(self) -> Iterator[RemoteOffer]:
        """Read all our offers, page by page. Safe to repeat."""
        raise self._unsupported("fetch_offers")

    def offer_pages(self, first: int = 1) -> Iterator[Sequence[RemoteOffer]]:
        """Read all our offers from the page `first` on, counted from 1: one request a page, which may be empty.

        A reading that was broken off goes on with it. Rows shift while pages are read, so an offer may come twice or be
        missing. Safe to repeat. Overridden where a list can be entered at a page; here what was read already is read again.
        """
        offers, number = self.fetch_offers(), 1
        while page := list(islice(offers, OFFERS_TAKEN)):
            if number >= first:
                yield page
            number += 1

    @classmethod
    def shown(cls, content: OfferContent) -> dict[str, Any]:
        """Say what a reading shows of an offer that says `content`, by the field's name; what no reading can tell is missing.

        Overridden where the marketplace shows another value than it was sent, such as its largest number. Asks nobody.
        """
        return {name: getattr(content, name) for name in COMPARED if name in cls.offer_fields}

    def get_offer(self, offer_id: str) -> RemoteOffer:
        """Read one offer. Raises NotFound. Safe to repeat."""
        raise self._unsupported("get_offer")

    def find_offer(self, content: OfferContent) -> RemoteOffer | None:
        """Look whether an offer for the same product and choices exists, as after a create without an answer."""
        raise self._unsupported("find_offer")

    def create_offer(self, content: OfferContent) -> RemoteOffer:
        """Create an offer. Not safe to repeat: after UnknownOutcome call find_offer first."""
        raise self._unsupported("create_offer")

    def update_offer(self, offer_id: str, content: OfferContent, fields: frozenset[str]) -> RemoteOffer:
        """Set the named fields of `content` on an offer. Safe to repeat: it sets values. Raises NotFound."""
        raise self._unsupported("update_offer")

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[OfferResult]:
        """Set fields of many offers in one request, at most `offers_per_update`; one result for every change.

        A field that is not confirmed may or may not have arrived: it is read back before it is sent again. Safe to repeat:
        it sets values. Raises PermanentError of the kind invalid when the whole request was refused for one of its rows.
        """
        raise self._unsupported("update_offers")

    def get_offers(self, offer_ids: Sequence[str]) -> Sequence[RemoteOffer]:
        """Read offers, at most `offers_per_read`, in one request; what is gone is missing. Safe to repeat."""
        raise self._unsupported("get_offers")

    def feed_offers(self, contents: Sequence[OfferContent]) -> str:
        """Ask for many offers to be created, at most `offers_per_feed`, and return the marketplace's number of that work.

        Never repeated automatically: after UnknownOutcome a person looks. That an offer exists is seen by reading offers.
        """
        raise self._unsupported("feed_offers")

    def replace_images(self, offer_id: str, content: OfferContent) -> RemoteOffer:
        """Put the images of `content` in place of all that an offer has; the old ones are deleted there.

        Raises NotFound. Not safe to repeat: the marketplace fetches the images anew.
        """
        raise self._unsupported("replace_images")

    def delete_offer(self, offer_id: str) -> None:
        """Remove an offer; one that is gone already is success. Safe to repeat."""
        raise self._unsupported("delete_offer")

    def code_problem(self, content: str, offer: RemoteOffer) -> str:
        """Say why a code lacks the form that this offer's codes need (`code_form`); empty when all is well. Asks nobody."""
        return ""

    def file_problem(self, file: FileToSend, offer: RemoteOffer) -> str:
        """Say why a file is none that this offer takes; empty when all is well. Asks nobody."""
        return ""

    # --- codes that lie in the marketplace's own inventory -------------------------------------------------------

    def upload_code(self, offer_id: str, code: CodeToSend) -> str:
        """Give a code away into an offer there and return its id there. Not safe to repeat, and can't be looked up:
        after UnknownOutcome a person decides, and until then the code is not for anybody else.
        """
        raise self._unsupported("upload_code")

    def upload_codes(self, offer_id: str, codes: Sequence[CodeToSend]) -> Uploaded:
        """Give codes away into an offer there, at most `codes_per_upload`, all of them or none. One request.

        Not safe to repeat, and can't be looked up, as upload_code. Overridden where one request takes many codes.
        """
        (code,) = codes
        return Uploaded(ids=[self.upload_code(offer_id, code)])

    @classmethod
    def kinds_taken(cls) -> frozenset[CodeKind]:
        """Say which kinds of codes can be uploaded to offers there; none where they have no inventory of their own."""
        takes_texts = cls.supports("upload_code") or cls.supports("upload_codes")
        kinds = {CodeKind.TEXT: takes_texts, CodeKind.FILE: cls.supports("upload_files")}
        return frozenset(kind for kind, is_taken in kinds.items() if is_taken)

    def fetch_uploaded(self, offer_id: str) -> Iterator[UploadedCode]:
        """List the codes that lie in an offer, page by page, without their text. Raises NotFound. Safe to repeat."""
        raise self._unsupported("fetch_uploaded")

    def get_uploaded(self, offer_id: str, item_id: str) -> UploadedCode:
        """Read what has become of an uploaded code. Raises NotFound. Safe to repeat."""
        raise self._unsupported("get_uploaded")

    def delete_uploaded(self, offer_id: str, item_id: str) -> None:
        """Take an uploaded code back. Raises NotFound, which may mean sold: then it must not go back to stock.
        Safe to repeat.
        """
        raise self._unsupported("delete_uploaded")

    def upload_keys(self, offer_id: str, keys: Sequence[CodeToSend]) -> str:
        """Give codes away as one collection and return its id, for attach_upload. Not safe to repeat, and can't be
        looked up: after UnknownOutcome a person decides, and until then the codes are not for anybody else.
        """
        raise self._unsupported("upload_keys")

    def upload_files(self, offer_id: str, files: Sequence[FileToSend]) -> str:
        """Give codes that are files away as one collection, at most `files_per_upload`; the rest is as in upload_keys."""
        raise self._unsupported("upload_files")

    def attach_upload(self, offer_id: str, offer_type: str, collection_id: str) -> RemoteOffer:
        """Put an uploaded collection on sale in an offer. Safe to repeat: it sets a value. Raises NotFound."""
        raise self._unsupported("attach_upload")

    # --- jobs and prices ----------------------------------------------------------------------------------------

    def fetch_job(self, job_id: str) -> RemoteJob:
        """Read how far the marketplace's own work is. Raises NotFound. Safe to repeat."""
        raise self._unsupported("fetch_job")

    def simulate_price(self, product_id: str, price: Decimal) -> Earnings:
        """Ask what a price would mean for the buyer and for us. Safe to repeat."""
        raise self._unsupported("simulate_price")

    def fetch_bestsellers(self, *, category: str = "", platform: str = "") -> Iterator[RemoteProduct]:
        """Read what sells well there, page by page. Safe to repeat."""
        raise self._unsupported("fetch_bestsellers")

    def fetch_competing_offers(self, product_id: str) -> Sequence[CompetingOffer]:
        """Read other sellers' offers of a product, as many as one request brings. Safe to repeat."""
        raise self._unsupported("fetch_competing_offers")

    # --- buying ---------------------------------------------------------------------------------------------------

    def search_products(self, text: str = "", *, page: int = 1) -> Sequence[RemoteProduct]:
        """Read one page of what can be bought, with price and stock. Safe to repeat."""
        raise self._unsupported("search_products")

    def get_product(self, product_id: str) -> RemoteProduct:
        """Read one product with its price and stock. Raises NotFound. Safe to repeat."""
        raise self._unsupported("get_product")

    def create_purchase(self, product_id: str, *, max_price: Decimal, currency: str) -> RemotePurchase:
        """Order one key for at most `max_price`. It costs nothing until it is paid; an unpaid one lapses by itself."""
        raise self._unsupported("create_purchase")

    def fetch_purchase(self, purchase_id: str) -> RemotePurchase:
        """Read a purchase. Raises NotFound. Safe to repeat."""
        raise self._unsupported("fetch_purchase")

    def pay_purchase(self, purchase_id: str) -> None:
        """Pay. Not safe to repeat: after UnknownOutcome, or TemporaryError of the kind not_ready, call fetch_purchase first.

        Raises PermanentError of the kind insufficient_funds, or of the kind conflict when it has lapsed and a new purchase
        is needed.
        """
        raise self._unsupported("pay_purchase")

    def fetch_purchased_key(self, purchase_id: str) -> bytes:
        """Read the key's answer as it came; it may be given only once, so store it before looking into it.

        Raises PermanentError of the kind key_read_before when it was given away; NotPaid, or TemporaryError of the kind
        not_ready, while it is not there yet. Asking again after no answer is right: the request may never have arrived.
        """
        raise self._unsupported("fetch_purchased_key")

    @classmethod
    def read_purchased_key(cls, body: bytes) -> PurchasedKey:
        """Find the key in a stored answer. Raises PermanentError when there is none."""
        raise Unsupported(f"{cls.label} sells us no keys", kind="unsupported", operation="read_purchased_key")

    # --- orders and deliveries -----------------------------------------------------------------------------------

    def fetch_order(self, order_id: str) -> RemoteOrder:
        """Read one order. Raises NotFound. Safe to repeat."""
        raise self._unsupported("fetch_order")

    def fetch_orders(self, since: datetime) -> Iterator[RemoteOrder]:
        """Read the orders that are new or changed since then, page by page, the oldest first where it can be chosen.

        Rows may be summaries. Safe to repeat.
        """
        raise self._unsupported("fetch_orders")

    def fetch_made_orders(self, since: datetime) -> Iterator[RemoteOrder]:
        """List the orders that were made since then, changed or not, in short rows. Safe to repeat.

        Overridden where fetch_orders goes by what changed and may miss an order, since times are others': it is read once a
        day, `repair_days` back.
        """
        raise self._unsupported("fetch_made_orders")

    def get_orders(self, order_ids: Sequence[str]) -> Sequence[RemoteOrder]:
        """Read orders, at most `orders_per_read`, in one request; what is gone is missing. Safe to repeat."""
        raise self._unsupported("get_orders")

    def accept_order(self, order_id: str) -> RemoteOrder:
        """Confirm an order to its buyer and return it as read back. Two requests, three where the answer got lost.

        One that is accepted or further is success. Raises PermanentError of the kind conflict when it was answered without
        effect. Safe to repeat.
        """
        raise self._unsupported("accept_order")

    def fetch_purchase_orders(self, since: datetime) -> Iterator[RemotePurchaseOrder]:
        """Read purchase orders since then, page by page; rows may be summaries. Safe to repeat."""
        raise self._unsupported("fetch_purchase_orders")

    def get_purchase_order(self, purchase_order_id: str) -> RemotePurchaseOrder:
        """Read one purchase order. Raises NotFound. Safe to repeat."""
        raise self._unsupported("get_purchase_order")

    # --- shipments -----------------------------------------------------------------------------------------------

    def fetch_shipments(self, *, order_id: str = "", since: datetime | None = None) -> Iterator[RemoteShipment]:
        """Read the shipments of one order, or all since then, page by page. Safe to repeat."""
        raise self._unsupported("fetch_shipments")

    def get_shipment(self, shipment_id: str) -> RemoteShipment:
        """Read one shipment. Raises NotFound. Safe to repeat."""
        raise self._unsupported("get_shipment")

    def create_shipment(self, shipment: NewShipment) -> str:
        """Announce a parcel and return its id there. Not safe to repeat: look with fetch_shipments first.

        The marketplace may have taken fewer units than were named: read it back. Raises PermanentError of the kind
        already_done when nothing is left to ship.
        """
        raise self._unsupported("create_shipment")

    def update_shipment(self, shipment_id: str, state: ShipmentState) -> RemoteShipment:
        """Say where a parcel stands and return it as read back. Raises NotFound. Safe to repeat."""
        raise self._unsupported("update_shipment")

    def delete_shipment(self, shipment_id: str) -> None:
        """Remove a shipment; one that is gone already is success. Its order stays as it is. Safe to repeat."""
        raise self._unsupported("delete_shipment")

    def fetch_delivery(self, order_id: str, delivery_id: str) -> RemoteDelivery:
        """Read what was asked for and what arrived; an empty `delivery_id` means the one that is open.

        Raises NotFound, and PermanentError when several are open. Safe to repeat.
        """
        raise self._unsupported("fetch_delivery")

    def send_codes(self, order_id: str, delivery_id: str, codes: Sequence[CodeToSend]) -> None:
        """Hand over codes, at most `codes_per_call`. Not safe to repeat: look with fetch_delivery first."""
        raise self._unsupported("send_codes")

    def fetch_deliveries(self, order_id: str) -> Iterator[RemoteDelivery]:
        """Read every delivery that was asked for in an order, page by page. Raises NotFound. Safe to repeat."""
        raise self._unsupported("fetch_deliveries")

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
        """Say how many units of a delivery were handed over by other means than codes, such as a top-up.

        `delivered` and `requested` are this delivery's; `delivered_before` counts the order's other deliveries.
        `issue` is told only when less than requested was delivered. Not safe to repeat: look with fetch_delivery first.
        """
        raise self._unsupported("report_units")

    def missed_events(self, since: datetime, until: datetime) -> Iterator[Call]:
        """Read the marketplace's own log of what it sent us, as the calls it made, the oldest first. Safe to repeat.

        `received_at` of such a call is when it was sent, so that a walk that breaks off can go on from there.
        """
        raise self._unsupported("missed_events")

    def _unsupported(self, operation: str) -> Unsupported:
        words = operation.replace("_", " ")
        return Unsupported(f"{self.label} has no {words}", kind="unsupported", operation=operation)
