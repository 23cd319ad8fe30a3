"""A make-believe Ginee: written from the contract alone, so that an error of the service next door cannot hide here.

Built-in seller: the keys of the contract's signature vectors. Other sellers and all receivers of notifications come
from whoever runs the sandbox. Beside the control addresses that every sandbox has, there are below `/_sim/`: `order`,
`callbacks`, `switches`, `replay`, `stop`, `storm`, `history`, `shop` and `complaints`.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from marketplaces import sandbox
from marketplaces.sandbox_faults import Fault, Faults
from marketplaces.sandbox_words import Json, Message, Refusal, Request, Response, Seller
from marketplaces.services.ginee import sandbox_scenarios, sandbox_storm
from marketplaces.services.ginee.sandbox_events import DISGUISES, Events
from marketplaces.services.ginee.sandbox_goods import Goods
from marketplaces.services.ginee.sandbox_orders import Orders
from marketplaces.services.ginee.sandbox_reading import Reading
from marketplaces.services.ginee.sandbox_sender import MODES, SentEvents, headers_of, judge, signature
from marketplaces.services.ginee.sandbox_switches import Switches

BUILT_IN = Seller({"access_key": "test-access", "secret_key": "test-secret"})
COUNTRIES = ("ID", "CN", "PH", "VN", "TH", "MY")
# Of the random buyers some give their goods back, never pay, or change their mind before anything left.
RETURNED_PART, CANCELLED_PART, REASSIGNED_PART = 0.03, 0.07, 0.05
PAGE = b"<html><body><h1>Please wait</h1></body></html>"
RETRY_AFTER_SECONDS = 2
# Troubles of an answer by name: status, code, and what is special about it.
TROUBLES: Mapping[str, tuple[int, str]] = {
    "service_busy": (200, "SERVICE_BUSY"),
    "business_error": (200, "BUSINESS_ERROR"),
    "error": (200, "ERROR"),
    "iam_failed": (200, "IAM_FAILED"),
    "channel_not_support": (200, "CHANNEL_NOT_SUPPORT"),
    "too_many": (429, "WAIT"),
    "too_many_bare": (429, ""),
    "server_error": (500, ""),
    "unavailable": (503, ""),
    "html_body": (200, "HTML"),
}
ENGLISH, CHINESE = "OK", "成功"
CHINESE_REFUSALS = {
    "PARAMETER_ERROR": "参数错误",
    "IAM_FAILED": "鉴权失败",
    "SERVICE_BUSY": "服务繁忙",
    "BUSINESS_ERROR": "业务异常",
    "ERROR": "系统错误",
}


class Troubles(Faults):
    """Faults that also know the marketplace's own words for what goes wrong."""

    def add(self, fault: Fault) -> None:
        if fault.mode in TROUBLES:
            fault.status, fault.code = TROUBLES[fault.mode]
            fault.mode = "http_error"
        super().add(fault)


class Sandbox(sandbox.Sandbox):
    slug = "ginee"
    own_webhook_modes = MODES
    essential_keys = frozenset({"code", "orderId", "orderStatus", "shopId", "masterSku", "id", "more", "lastUpdateAt"})
    status_keys = frozenset({"orderStatus", "authorizationStatus"})
    default_options: ClassVar[Mapping[str, Any]] = {
        # what becomes of orders, and when
        "pay_seconds": 30.0,
        "ready_seconds": 5.0,
        "label_seconds": 5.0,
        "ship_seconds": 20.0,
        "deliver_seconds": 60.0,
        "regret_seconds": 8.0,
    }

    def reset(self) -> None:
        self.switches = Switches()
        super().reset()
        self.faults = Troubles(
            modes=self.modes - {"wrapped_data", "stale_timestamp"}, profile=self._profile, seed=self._seed
        )

    # --- parts -----------------------------------------------------------------------------------------------

    def parts(self) -> Sequence[object]:
        self.goods, self.orders, self.events = Goods(self), Orders(self), Events(self)
        self.sent = SentEvents(self, self._seed)
        return [self.goods, Reading(self)]

    def built_in_sellers(self) -> Sequence[Seller]:
        return [BUILT_IN]

    def main_key(self) -> str:
        """Return the access key of whoever hears of it when a buyer buys and nobody said from whom."""
        heard = [seller.credentials.get("access_key", "") for seller in self.sellers() if seller.url]
        return heard[0] if heard else BUILT_IN.credentials["access_key"]

    def access_key(self, request: Request) -> str:
        return request.seller.credentials["access_key"] if request.seller else ""

    # --- authentication (2.1) --------------------------------------------------------------------------------

    def admit(self, request: Request) -> None:
        key, _, given = request.headers.get("authorization", "").partition(":")
        request.seller = next(
            (
                seller
                for seller in self.sellers()
                if key
                and seller.credentials.get("access_key") == key
                and given == signature(seller.credentials.get("secret_key", ""), request.method, request.path)
            ),
            None,
        )
        if request.seller is None:
            raise self._stranger("The access key or the signature is wrong")
        if request.headers.get("x-advai-country") not in COUNTRIES:
            raise self._stranger(f"X-Advai-Country is one of {', '.join(COUNTRIES)}")
        self.bucket.per_second = self.switches.rate_limit or self._requests_per_second
        if wait := self.bucket.take(key):
            if self.switches.rate_answer == "busy":
                raise Refusal(200, "SERVICE_BUSY", "Too many requests")
            headers = {"Retry-After": str(math.ceil(wait))} if self.switches.retry_after else {}
            raise Refusal(429, "", "Too many requests", headers)

    def _stranger(self, message: str) -> Refusal:
        return Refusal(401 if self.switches.refuse_with_401 else 200, "IAM_FAILED", message)

    # --- envelope (3.2) --------------------------------------------------------------------------------------

    def accepted(self, document: Any) -> Response:
        return Response.of(self._envelope("SUCCESS", self._in_a_language(ENGLISH, CHINESE), document))

    def refused(self, refusal: Refusal) -> Response:
        if refusal.code == "HTML":
            return Response(refusal.status, PAGE, {"Content-Type": "text/html"})
        headers = dict(refusal.headers)
        if refusal.code == "WAIT":
            headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        code = "ERROR" if refusal.code in ("", "WAIT") else refusal.code
        message = self._in_a_language(refusal.message, CHINESE_REFUSALS.get(code, "失败"))
        return Response.of(self._envelope(code, message, None), refusal.status, headers)

    def unknown_address(self, request: Request) -> Refusal:
        return Refusal(404, "", "There is no such address")

    def _envelope(self, code: str, message: str, data: Any) -> Json:
        envelope: Json = {"code": code, self.switches.message_member: message, "extra": None, "data": data}
        if self.random.random() >= self.switches.absent_members:
            envelope["transactionId"] = f"{self.random.getrandbits(64):016x}"
        if self.random.random() >= self.switches.absent_members:
            envelope["pricingStrategy"] = self.random.choice(("PAY", "FREE"))
        return envelope

    def _in_a_language(self, english: str, chinese: str) -> str:
        language = self.switches.language
        is_english = self.random.random() < 0.5 if language == "mixed" else language == "english"
        return english if is_english else chinese

    # --- webhooks --------------------------------------------------------------------------------------------

    def emit(self, op: str, kind: str, receivers: Iterable[Seller], document: Json, about: str = "") -> None:
        with self.lock:
            self.sent.emit(op, kind, receivers, document, about)

    def attempt(self, message: Message) -> None:
        """Send once. No lock is held meanwhile: the receiver may call us before it answers."""
        entry: Json = {"at": self.clock.ms(), "status": 0, "error": ""}
        if not self.switches.is_sending:
            with self.lock:
                message.modes |= {"held"}
                message.is_over = True
            return
        if "drop" in message.modes:
            entry |= {"seconds": 0.0, "is_slow": False, "body": "", "problem": "lost on the way"}
        else:
            entry |= self._post(message)
        with self.lock:
            message.attempts.append(entry)
            self.sent.plan_resend(message)

    def _post(self, message: Message) -> Json:
        with self.lock:
            headers = self.sign(message)
        begun, answer, error = self.clock.time(), None, ""
        try:
            answer = self._send("POST", message.seller.url, headers, message.body)
        except OSError as failure:
            error = type(failure).__name__
        seconds = self.clock.time() - begun
        return {
            "status": answer.status if answer else 0,
            "error": error,
            "seconds": round(seconds, 3),
            **judge(answer, seconds),
        }

    def sign(self, message: Message) -> dict[str, str]:
        return headers_of(message, self.switches)

    def disguised(self, document: Json, modes: frozenset[str]) -> bytes:
        changed = json.loads(json.dumps(document))
        for mode, change in DISGUISES.items():
            if mode in modes:
                change(changed)
        return json.dumps(changed, ensure_ascii=False).encode()

    # --- control ---------------------------------------------------------------------------------------------

    def controls(self) -> dict[str, Any]:
        return {
            **super().controls(),
            "POST order": self._control_order,
            "POST callbacks": self._control_callbacks,
            "POST switches": self._control_switches,
            "GET switches": self.switches.shown,
            "POST replay": self._control_replay,
            "POST stop": lambda: self._control_switches(is_sending=False),
            "POST storm": self._control_storm,
            "POST history": self._control_history,
            "POST shop": self._control_shop,
            "GET complaints": lambda: {"complaints": self.sent.complaints()},
        }

    def _control_order(self, order_id: str = "", action: str = "", sku: str = "", **details: Any) -> Json:
        """Buy (`sku`, `quantity`, `channel`, `status`, …), or do something to an order (`order_id`, `action`, …)."""
        if order_id:
            return self.orders.shown(self.orders.act(order_id, action, **details))
        quantity = details.pop("quantity", details.pop("qty", 1))
        bought = self.orders.buy(offer_id=sku or details.pop("offer_id", ""), qty=quantity, **details)
        return self.orders.shown(bought)

    def _control_callbacks(self, url: str, secret: str = "", signed_url: str = "", **keys: str) -> Json:
        """Register a receiver of notifications; `access_key` and `secret_key` make it a seller of its own."""
        with self.lock:
            seller = Seller({**BUILT_IN.credentials, **keys}, url, signed_url or url, [secret] if secret else [])
            self.registered.append(seller)
            return {"callbacks": [seller.url for seller in self.registered]}

    def _control_switches(self, **values: Any) -> Json:
        with self.lock:
            self.switches.set(**values)
            return self.switches.shown()

    def _control_replay(self, id: str) -> Json:
        return self.sent.replay(id).shown()

    def _control_shop(self, shop_id: str, state: str) -> Json:
        """Change a shop's `authorizationStatus`."""
        with self.lock:
            if shop_id not in self.goods.shop_states:
                raise Refusal(404, "", "There is no such shop")
            self.goods.shop_states[shop_id] = state
            return dict(self.goods.shop_states)

    def _control_storm(self, **details: Any) -> Json:
        storm = sandbox_storm.make(self, **details)
        storm.send()
        return {"events": len(storm.events), "expected": storm.expected}

    def _control_history(self, **details: int) -> Json:
        return {"orders": [order.id for order in self.orders.make_history(**details)]}

    def state(self) -> Json:
        with self.lock:
            keys = sorted({seller.credentials.get("access_key", "") for seller in self.sellers()})
            return {
                **super().state(),
                "sellers": keys,
                "switches": self.switches.shown(),
                "orders": [self.orders.shown(order) for order in self.orders.all.values()],
                "stock": {key: self.goods.shown(key) for key in keys},
                "complaints": self.sent.complaints(),
            }

    def run_scenario(self, scenario: str, **details: Any) -> Json:
        return sandbox_scenarios.play(self, scenario, **details)

    def storm(self, events: int, objects: int, seed: int = 1) -> "sandbox_storm.Storm":
        """Make a storm of notifications, and what a mirror must say after it; its `send` lets it loose."""
        return sandbox_storm.make(self, events=events, objects=objects, seed=seed)

    # --- the buyer who comes along ---------------------------------------------------------------------------

    def shop_at_random(self) -> None:
        """Buy one or two of a good whose stock a seller has set."""
        with self.lock:
            key = self.main_key()
            shelf = self.goods.shelf(key)
            skus = [sku for sku, stock in shelf.items() if stock.is_set and stock.available]
            if not skus:
                return
            sku = self.random.choice(skus)
            qty = self.random.randint(1, min(2, shelf[sku].available))
            channel = self.random.choice(("SHOPEE_ID", "LAZADA_ID", "TOKOPEDIA_ID"))
            order = self.orders.buy(offer_id=sku, qty=qty, channel=channel, access_key=key)
            self._decide_fate(order.id)

    def _decide_fate(self, order_id: str) -> None:
        drawn, regret = self.random.random(), self.options["regret_seconds"]
        if drawn < CANCELLED_PART:
            self._later(regret, order_id, "cancel")
        elif drawn < CANCELLED_PART + RETURNED_PART:
            way = sum(self.options[name] for name in ("ready_seconds", "ship_seconds", "deliver_seconds"))
            self._later(way + regret, order_id, "return")
        elif drawn < CANCELLED_PART + RETURNED_PART + REASSIGNED_PART:
            self._later(regret, order_id, "reassign", "go_on")

    def _later(self, seconds: float, order_id: str, *actions: str) -> None:
        """Do something to an order later, unless it has gone another way meanwhile."""

        def call() -> None:
            with self.lock, suppress(Refusal):
                for action in actions:
                    self.orders.act(order_id, action)

        self.after(seconds, call)
