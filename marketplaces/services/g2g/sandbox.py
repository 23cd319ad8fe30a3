"""A make-believe G2G: written from the contract alone, so that an error of the service next door cannot hide here.

Built-in seller: the published keys of the signature samples. Other sellers and all receivers of webhooks come from
whoever runs the sandbox.
"""

import hashlib
import hmac
import itertools
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from marketplaces import sandbox
from marketplaces.sandbox_words import Json, Message, Refusal, Request, Response, Seller, operation
from marketplaces.services.g2g.sandbox_catalogue import Catalogue
from marketplaces.services.g2g.sandbox_deliveries import Deliveries
from marketplaces.services.g2g.sandbox_events import MODES, Events, disguise, sign
from marketplaces.services.g2g.sandbox_offers import Offers
from marketplaces.services.g2g.sandbox_orders import Orders
from marketplaces.services.g2g.sandbox_scenarios import play

BUILT_IN = Seller(
    {
        "api_key": "b5769724c1cb1d52c58717d3d12ae2fe",
        "secret": "dJirm8nG5AqQWoh7J5EHw3373Dk95zjRHaQ3gnv99kw",
        "user_id": "100000",
    }
)
SUCCESS = 20000001
TIMESTAMP_LIFE_SECONDS = 300
# Of the random buyers some never pay, and their orders are cancelled.
UNPAID_PART, UNPAID_SECONDS = 0.03, 600
# Half of them confirm within minutes, so that a demonstration sees completed orders.
EAGER_PART, EAGER_SECONDS = 0.5, (30, 300)


class Sandbox(sandbox.Sandbox):
    slug = "g2g"
    retry_minutes = (30, 60, 120, 240, 480)
    own_webhook_modes = MODES
    essential_keys = frozenset({"code", "offer_id", "order_id", "delivery_id", "item_id", "order_status"})
    status_keys = frozenset({"status", "order_status", "delivery_status", "account_status", "seller_status"})
    default_options: ClassVar[Mapping[str, Any]] = {
        # how the answers look
        "code_as_text": False,
        "warning": "",
        "retry_after": True,
        "nested_results": False,
        "empty_patch_answer": False,
        # who may do what
        "denied_keys": [],
        "keys_without_access": [],
        "account_status": "active",
        "seller_status": "active",
        "selling_currencies": ["USD", "EUR", "GBP", "MYR", "SGD"],
        # what becomes of orders, and when
        "pay_seconds": 1.0,
        "request_seconds": 1.0,
        "result_seconds": 2.0,
        "confirm_seconds": 3 * 86400.0,
        "result": "",  # or unfulfilled, partial: whatever the seller hands over
        "partial_closes": False,
        "accept_doubles": False,
        "patch_qty_scope": "order",
        "confirmed_word": "",  # such as verifying_payment in order.confirmed
    }

    # --- parts -----------------------------------------------------------------------------------------------

    def parts(self) -> Sequence[object]:
        self._stamps = itertools.count(1)
        self.offers, self.orders = Offers(self), Orders(self)
        self.deliveries, self.events = Deliveries(self), Events(self)
        return [Catalogue(), self.offers, self.deliveries, self.events, self]

    def built_in_sellers(self) -> Sequence[Seller]:
        return [BUILT_IN]

    def stamp(self) -> int:
        """A number that says what came before what, even when the clock stands still."""
        return next(self._stamps)

    @property
    def currencies(self) -> list[str]:
        return list(self.options["selling_currencies"])

    @operation("G2G-18", "GET", "/{version:v1|v2}/store")
    def get_store(self, request: Request, version: str) -> Json:
        return {
            "user_id": self.user_id(request),
            "account_status": self.options["account_status"],
            "seller_status": self.options["seller_status"],
            "selling_currencies": self.currencies,
        }

    # --- authentication (2.1) --------------------------------------------------------------------------------

    def user_id(self, request: Request) -> str:
        return request.seller.credentials["user_id"] if request.seller else ""

    def admit(self, request: Request) -> None:
        key, user_id = request.headers.get("g2g-api-key", ""), request.headers.get("g2g-userid", "")
        timestamp, signature = request.headers.get("g2g-timestamp", ""), request.headers.get("g2g-signature", "")
        if not self._is_fresh(timestamp):
            raise Refusal(401, "", "g2g-timestamp is missing, not in milliseconds, or too old")
        request.seller = next(
            (
                seller
                for seller in self.sellers()
                if key
                and seller.credentials.get("api_key") == key
                and seller.credentials.get("user_id") == user_id
                and signature in _signatures(request, seller, timestamp)
            ),
            None,
        )
        if request.seller is None or key in self.options["denied_keys"]:
            raise Refusal(401, "", "Not authorised")
        if key in self.options["keys_without_access"]:
            raise Refusal(403, "", "This key has no access to the API")
        if wait := self.bucket.take(key):
            headers = {"Retry-After": str(math.ceil(wait))} if self.options["retry_after"] else {}
            raise Refusal(429, "", "Too many requests", headers)

    def _is_fresh(self, timestamp: str) -> bool:
        # Advancing the simulated clock must not shut out clients that live in real time.
        if not timestamp.isdigit():
            return False
        nows = (self.clock.wire_time(), self.clock.time())
        return any(abs(int(timestamp) / 1000 - now) <= TIMESTAMP_LIFE_SECONDS for now in nows)

    # --- envelope (3.1) --------------------------------------------------------------------------------------

    def accepted(self, document: Any) -> Response:
        return Response.of(self._envelope(SUCCESS, "", document))

    def refused(self, refusal: Refusal) -> Response:
        code = int(refusal.code or f"{refusal.status}00001")
        return Response.of(self._envelope(code, refusal.message, {}), refusal.status, refusal.headers)

    def unknown_address(self, request: Request) -> Refusal:
        return Refusal(404, "", "There is no such address")

    def _envelope(self, code: int, message: str, payload: Json) -> Json:
        return {
            "request_id": str(uuid.uuid4()),
            "code": str(code) if self.options["code_as_text"] else code,
            "message": message,
            "warning": self.options["warning"],
            "payload": payload,
        }

    # --- webhooks --------------------------------------------------------------------------------------------

    def sign(self, message: Message) -> dict[str, str]:
        return sign(message, self.clock.wire_ms())

    def disguised(self, document: Json, modes: frozenset[str]) -> bytes:
        return disguise(document, modes)

    # --- control ---------------------------------------------------------------------------------------------

    def controls(self) -> dict[str, Any]:
        return {
            **super().controls(),
            "POST order": self._control_order,
            "POST offer": self._control_offer,
            "POST callbacks": self._control_callbacks,
        }

    def _control_order(self, order_id: str = "", action: str = "", **details: Any) -> Json:
        """Buy (`offer_id`, `qty`, `pay`, …), or do something to an order (`order_id`, `action`, …)."""
        if order_id:
            return self._shown_order(self.orders.act(order_id, action, **details))
        return self._shown_order(self.orders.buy(**details))

    def _control_offer(self, offer_id: str = "", user_id: str = "100000", **fields: Any) -> Json:
        """Change an offer's `status`, or create one as on the web site (`product_id`, …)."""
        with self.lock:
            if not offer_id:
                return self.offers.by_hand(seller_id=user_id, **fields).shown()
            offer = self.offers.all[offer_id]
            offer.status = fields.pop("status", offer.status)
            self.offers.change(offer, fields)
            return offer.shown()

    def _control_callbacks(self, url: str, secret: str, user_id: str = "100000", **more: str) -> Json:
        """Register a receiver of webhooks; `api_key` and `api_secret` make it a seller with keys of its own."""
        credentials = {"user_id": user_id, "api_key": more.get("api_key", ""), "secret": more.get("api_secret", "")}
        with self.lock:
            self.registered.append(Seller(credentials, url, more.get("signed_url", url), [secret]))
            return {"callbacks": [seller.url for seller in self.registered]}

    def state(self) -> Json:
        with self.lock:
            return {
                **super().state(),
                "sellers": sorted({seller.credentials.get("user_id", "") for seller in self.sellers()}),
                "offers": [
                    {
                        **offer.shown(),
                        "reserved": offer.reserved,
                        "items": [{**item.shown(offer.id), "content": item.content} for item in offer.items.values()],
                    }
                    for offer in self.offers.all.values()
                ],
                "orders": [self._shown_order(order) for order in self.orders.all.values()],
                "doubles": {**self.deliveries.doubles, "offers": self.offers.doubles},
            }

    def _shown_order(self, order: Any) -> Json:
        return {
            **order.shown(),
            "offer_id": order.offer.id,
            "payment": order.payment,
            "cases": list(order.case_ids),
            "deliveries": [
                {
                    **delivery.summary(),
                    "delivery_status": delivery.status,
                    "is_open": delivery.is_open,
                    "delivered_qty": delivery.delivered_qty,
                    "codes": [vars(code) for code in delivery.codes],
                    "topped_up": delivery.topped_up,
                    "delivery_issue": delivery.issue,
                }
                for delivery in order.deliveries.values()
            ],
        }

    def run_scenario(self, scenario: str, **details: Any) -> Json:
        return play(self, scenario, **details)

    # --- the buyer who comes along ---------------------------------------------------------------------------

    def shop_at_random(self) -> None:
        with self.lock:
            offers = [
                offer
                for offer in self.offers.all.values()
                if offer.status == "live" and offer.available >= offer.fields["min_qty"]
            ]
            if not offers:
                return
            offer = self.random.choice(offers)
            least = offer.fields["min_qty"]
            qty = self.random.randint(least, min(offer.available, least + 2))
            pays = self.random.random() > UNPAID_PART
            order = self.orders.buy(offer_id=offer.id, qty=qty, pay=pays)
            if not pays:
                self.after(UNPAID_SECONDS, lambda: self.orders.give_up(order))
            elif self.random.random() < EAGER_PART:
                self.after(self.random.uniform(*EAGER_SECONDS), lambda: self.orders.confirm(order))


def _signatures(request: Request, seller: Seller, timestamp: str) -> set[str]:
    """The right ones: over the path below this marketplace's root, or over the whole path as it was written."""
    secret = seller.credentials.get("secret", "").encode()
    tail = seller.credentials.get("api_key", "") + seller.credentials.get("user_id", "") + timestamp
    return {
        hmac.new(secret, (path + tail).encode(), hashlib.sha256).hexdigest()
        for path in (quote(request.path), request.wire_path)
    }
