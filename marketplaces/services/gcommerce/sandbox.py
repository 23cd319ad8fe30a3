"""A make-believe G-Commerce: written from the contract alone, so that an error of the service next door cannot hide here.

Every seller with a key sees the one seeded shop. Where the contract leaves a choice, a switch says which; see
sandbox_switches. The control addresses of all sandboxes are joined by a page for people at `_sim/`.
"""

import base64
import binascii
import dataclasses
import hmac
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from http.client import responses
from typing import Any

from marketplaces import sandbox
from marketplaces.sandbox_faults import ANSWER_MODES, Dropped, Fault, Faults, Silence, bend
from marketplaces.sandbox_words import Json, Refusal, Request, Response, Seller
from marketplaces.services.gcommerce import sandbox_pages
from marketplaces.services.gcommerce.sandbox_bulk import Bulk
from marketplaces.services.gcommerce.sandbox_limit import TOO_MANY_AN_HOUR, Limiter
from marketplaces.services.gcommerce.sandbox_orders import Orders
from marketplaces.services.gcommerce.sandbox_products import Products
from marketplaces.services.gcommerce.sandbox_purchase_orders import PurchaseOrders
from marketplaces.services.gcommerce.sandbox_records import Order, Product, Shipment
from marketplaces.services.gcommerce.sandbox_shapes import answer, shaped
from marketplaces.services.gcommerce.sandbox_shipments import Shipments
from marketplaces.services.gcommerce.sandbox_switches import Switches

BUILT_IN = Seller({"email": "vendor@example.com", "api_key": "0123456789abcdefABCDEF0123456789"})
ROOT = "/api"
REALM = 'Basic realm="User email/API key"'
WRITES = ("POST", "PUT", "DELETE", "PATCH")
COLLECTIONS = (
    *("categories", "products", "products_bulk", "products_feed", "orders", "order_status"),
    *("purchase_orders", "shipments"),
)
OWN_MODES = frozenset({"drop_before_commit", "html_body", "html_error"})
HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = b"<html><head><title>%s</title></head><body><h1>%s</h1><p>Please try again later.</p></body></html>"
USUAL_WAIT = "30"  # Retry-After of a 429 that was ordered
KEPT_ANSWER = 2000
# Of the random buyers a few change their mind, some time before or after we have accepted.
FICKLE_PART, FICKLE_SECONDS = 0.03, (60, 900)
MOST_BOUGHT = 3


class Sandbox(sandbox.Sandbox):
    """`requests_per_second`, where it is given, sets what `switches.limit` starts with; else it is 10 in 60 seconds."""

    slug = "gcommerce"
    essential_keys = frozenset(
        {
            "product_id",
            "order_id",
            "shipment_id",
            "purchase_order_id",
            "item_id",
            "queue_id",
            "status",
            "amount",
            "price",
        }
    )
    status_keys = frozenset({"status"})

    def __init__(self, *, requests_per_second: float | None = None, **more: Any) -> None:
        self._limit = None if requests_per_second is None else max(1, round(requests_per_second * 60))
        super().__init__(requests_per_second=requests_per_second or 1.0, **more)

    def reset(self) -> None:
        with self.lock:
            super().reset()
            self.modes = ANSWER_MODES | OWN_MODES
            self.faults = Faults(modes=self.modes, profile=self._profile, seed=self._seed)

    # --- parts -----------------------------------------------------------------------------------------------

    def parts(self) -> Sequence[object]:
        self.switches = Switches() if self._limit is None else Switches(limit=self._limit)
        self.limiter = Limiter(self.clock, self.switches)
        self.ids = itertools.count(1)
        self._shop_round = 0
        self.busy_seconds = 0.0  # what the request at hand takes
        self.products, self.bulk = Products(self), Bulk(self)
        self.orders, self.purchase_orders, self.shipments = Orders(self), PurchaseOrders(self), Shipments(self)
        self.orders.seed()
        self.purchase_orders.seed()
        self.shipments.seed()
        return [self.products, self.bulk, self.orders, self.purchase_orders, self.shipments]

    def built_in_sellers(self) -> Sequence[Seller]:
        return [BUILT_IN]

    def now(self) -> int:
        """The moment in Unix seconds by the simulated clock."""
        return int(self.clock.time())

    # --- answering -------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response:
        if request.path.startswith(sandbox.CONTROL):
            answered = super().answer(request)
            is_page = answered.status == HTTPStatus.NOT_FOUND and request.method == "GET"
            return (is_page and sandbox_pages.answer(self, request.path)) or answered
        request = dataclasses.replace(request, path=_below_the_root(request.path))
        op, handler, values = self._find(request)
        with self.lock:
            fault = self.faults.take(op, self.modes)
            entry = self._enter(op, request, fault)
        response = self._answer(request, handler, values, fault, entry)
        with self.lock:
            entry["answer"] = response.body[:KEPT_ANSWER].decode(errors="replace")
            entry["status"] = response.status
        if fault and fault.mode == "drop_after_commit":
            raise Dropped
        return response

    def _enter(self, op: str, request: Request, fault: Fault | None) -> Json:
        entry: Json = {
            "op": op,
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "headers": sorted(request.headers),
            "body": request.body.decode(errors="replace"),
            "at": self.clock.ms(),
            "fault": fault.mode if fault else "",
            "status": None,
            "answer": "",
            "calls_before": None,  # in the window, with the window's second: once it is known who calls
            "second": None,
        }
        self.calls.append(entry)
        return entry

    def _answer(
        self,
        request: Request,
        handler: Callable[..., Any] | None,
        values: Mapping[str, str],
        fault: Fault | None,
        entry: Json,
    ) -> Response:
        with self.lock:
            entry["calls_before"], second = self.limiter.place(self._limit_key(request))
            entry["second"] = round(second, 3)
        mode = fault.mode if fault else ""
        if mode == "timeout":
            raise Silence
        if mode == "drop_before_commit":
            raise Dropped
        if fault and mode == "slow":
            self.pause(fault.seconds)
        if fault and mode in ("http_error", "html_error"):
            response = self.refused(Refusal(fault.status, fault.code, "An error that was ordered"))
            return _as_html(response) if mode == "html_error" else response
        if mode == "html_body":
            return _as_html(Response(200))
        with self.lock:
            self.busy_seconds = 0.0
            response, wait = self._work(request, handler, values), self.busy_seconds
        if wait:
            self.pause(wait)  # others are served meanwhile
        if response.status == HTTPStatus.TOO_MANY_REQUESTS and self.switches.limit_html:
            return _as_html(response)
        if mode == "extra_keys":
            return Response(response.status, _with_more(response.body), response.headers)
        body = bend(mode, response.body, essential=self.essential_keys, status_keys=self.status_keys)
        return Response(response.status, body, response.headers)

    def accepted(self, document: Any) -> Response:
        return document if isinstance(document, Response) else answer(document, self.switches)

    def created(self, document: Json) -> Response:
        return answer(document, self.switches, 200 if self.is_old else 201)

    def deleted(self) -> Response:
        return answer({"message": "Ok"}, self.switches) if self.is_old else Response(204)

    @property
    def is_old(self) -> bool:
        return self.switches.style == "old"

    def refused(self, refusal: Refusal) -> Response:
        """Word a refusal: the reason phrase, then what is wrong. Some have a phrase alone, or a phrase and nothing."""
        phrase = responses.get(refusal.status, "Bandwidth Limit Exceeded")
        headers = dict(refusal.headers)
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = REALM
        is_limit = refusal.status in (HTTPStatus.TOO_MANY_REQUESTS, TOO_MANY_AN_HOUR)
        if is_limit and self.switches.retry_after:
            headers.setdefault("Retry-After", USUAL_WAIT)
        document: Json = {"message": phrase if is_limit else f"{phrase}: {refusal.message}", "status": refusal.status}
        if refusal.message and not is_limit and not self.is_old:
            document["messages"] = [refusal.message]
        return Response.of(document, refusal.status, headers)

    # --- who may call, and how (2, 5, 6) ---------------------------------------------------------------------

    def admit(self, request: Request) -> None:
        if self.switches.https_only and request.headers.get("x-forwarded-proto") != "https":
            raise Refusal(403, "", "The API is only accessible over HTTPS")
        request.seller = self._seller_of(request)
        if request.seller is None or self.switches.user_disabled:
            raise Refusal(401, "", "")
        self.limiter.take(self._limit_key(request))
        if self.switches.read_only and request.method in WRITES:
            raise Refusal(403, "", "You have no right to change this")
        if request.method == "PATCH":
            raise Refusal(501, "", "PATCH is not implemented")
        if not _accepts_json(request.headers.get("accept", "")):
            raise Refusal(406, "", "Only application/json can be given")

    def _limit_key(self, request: Request) -> str:
        return request.remote if self.switches.limit_per_ip else _pair(request)[1]

    def _seller_of(self, request: Request) -> Seller | None:
        email, key = _pair(request)
        for seller in self.sellers():
            known, secret = seller.credentials.get("email", ""), seller.credentials.get("api_key", "")
            if email and key and email == known and hmac.compare_digest(key.encode(), secret.encode()):
                return seller
        return None

    def unknown_address(self, request: Request) -> Refusal:
        """A method that does not fit its address is 405; an address that is none is 404."""
        parts = request.path.strip("/").split("/")
        name, ids = parts[0], parts[1:]
        is_address = name in COLLECTIONS and len(ids) <= 1 and all(each.isascii() and each.isdigit() for each in ids)
        if not is_address or request.path != f"/{'/'.join(parts)}":
            return Refusal(404, "", "There is no such address")
        return Refusal(405, "", f"{request.method} is not possible here")

    def read(self, request: Request) -> Any:
        """Return the body's JSON; raises Refusal when it is empty, of another type, or malformed."""
        if not request.body:
            raise Refusal(405, "", "The body is empty")
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "", "The body is application/json")
        try:
            return json.loads(request.body, parse_float=Decimal, parse_constant=_no_number)
        except ValueError as error:
            raise Refusal(400, "", "The body is malformed") from error

    def read_object(self, request: Request) -> Json:
        document = self.read(request)
        if not isinstance(document, dict):
            raise Refusal(400, "", "The body is an object")
        return document

    # --- control ---------------------------------------------------------------------------------------------

    def controls(self) -> dict[str, Callable[..., Any]]:
        shared = super().controls()
        # No webhook leaves here, so there is no story to play.
        del shared["POST run"], shared["POST options"]
        return {
            **shared,
            "POST switches": self._control_switches,
            "GET switches": self.switches.shown,
            "POST order": self._control_order,
            "POST timer": self.sell_every,
            "GET outbox": lambda: {"mails": list(self.bulk.outbox)},
        }

    def _control_switches(self, **values: Any) -> Json:
        with self.lock:
            self.switches.change(**values)
            return self.switches.shown()

    def _control_order(self, order_id: str = "", status: str = "", **details: Any) -> Json:
        """Buy (`offer_id`, `qty`, `items`, …; anything there is, when nothing is said), or give an order a letter."""
        with self.lock:
            if order_id:
                return self._shown(self.orders.become(self.orders.get(str(order_id)), status))
            if status:
                details["status"] = status
            if not details.keys() & {"offer_id", "items"}:
                details |= self._any_choice()
            return self._shown(self.orders.buy(**details))

    def _shown(self, kept: Order | Product | Shipment) -> Json:
        """What a seller would read of it, for people and tests."""
        match kept:
            case Order():
                document = self.orders.shown(kept)
            case Product():
                document = self.products.full(kept) | kept.details
            case Shipment():
                document = self.shipments.shown(kept)
        return dict(shaped(document, self.switches))

    def state(self) -> Json:
        with self.lock:
            return {
                **super().state(),
                "switches": self.switches.shown(),
                "sellers": sorted({seller.credentials.get("email", "") for seller in self.sellers()}),
                "products": len(self.products.all),
                "made": [self._shown(product) for product in self.products.made()],
                "orders": [self._shown(order) for order in self.orders.bought()],
                "shipments": [self._shown(shipment) for shipment in self.shipments.made()],
                "feeds": list(self.bulk.feeds.values()),
                "mails": list(self.bulk.outbox),
            }

    # --- the buyer who comes along ---------------------------------------------------------------------------

    def sell_every(self, seconds: float = 0.0) -> Json:
        """Let a buyer come every so many simulated seconds, until this is called again; 0 stops it."""
        with self.lock:
            self._shop_round += 1
            if seconds > 0:
                self._shop_again(self._shop_round, float(seconds))
            return {"seconds": seconds}

    def _shop_again(self, number: int, seconds: float) -> None:
        def come() -> None:
            with self.lock:
                if number == self._shop_round:
                    self.shop_at_random()
                    self._shop_again(number, seconds)

        self.after(seconds, come)

    def shop_at_random(self) -> None:
        """Buy what a seller has made, or something of the seed while that is all there is."""
        with self.lock:
            choice = self._any_choice()
            if not choice:
                return
            order = self.orders.buy(**choice)
            if self.random.random() < FICKLE_PART:
                self.after(self.random.uniform(*FICKLE_SECONDS), lambda: self.orders.call_off(order))

    def _any_choice(self) -> Json:
        """A product of the shop that can be bought, and how many; nothing when there is none."""
        on_sale = self.products.on_sale(self.products.made()) or self.products.on_sale(self.products.all.values())
        if not on_sale:
            return {}
        product = self.random.choice(on_sale)
        least = max(1, product.min_qty)
        return {"offer_id": str(product.id), "qty": min(int(product.amount), self.random.randint(least, least + 2))}


def _below_the_root(path: str) -> str:
    """Take the base path away, and the one slash at the end that does no harm."""
    path = path.removeprefix(ROOT) if path.startswith(f"{ROOT}/") else path
    return path[:-1] if len(path) > 1 and path.endswith("/") and not path.endswith("//") else path


def _pair(request: Request) -> tuple[str, str]:
    """The e-mail and the key of HTTP Basic; both empty when there is no such header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        email, colon, key = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return (email, key) if scheme.lower() == "basic" and colon else ("", "")


def _accepts_json(accept: str) -> bool:
    words = {word.split(";")[0].strip().lower() for word in accept.split(",")}
    return not accept.strip() or bool(words & {"application/json", "application/*", "*/*"})


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _as_html(response: Response) -> Response:
    headers = {name: value for name, value in response.headers.items() if name != "Content-Type"}
    title = responses.get(response.status, "Error").encode()
    return Response(response.status, PAGE % (title, title), headers | HTML)


def _with_more(body: bytes) -> bytes:
    """Add a field to every object that is no map by id: those gain entries, not fields."""

    def grown(value: Any) -> Any:
        if isinstance(value, list):
            return [grown(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        is_map = bool(value) and all(key.isdigit() for key in value)
        return {key: grown(entry) for key, entry in value.items()} | ({} if is_map else {"added_later": "an add-on"})

    return json.dumps(grown(json.loads(body))).encode() if body else body
