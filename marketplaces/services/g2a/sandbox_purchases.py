"""Buying at the make-believe G2A (G2A-04 to G2A-07): orders, the wallet they are paid from, and keys that are read
once.
"""

import base64
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json, Refusal, Request, Seller, operation
from marketplaces.services.g2a import sandbox_checks as check
from marketplaces.services.g2a.sandbox_catalogue import Product
from marketplaces.services.g2a.sandbox_tokens import account_hash

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

FIRST_ID = 80_201_019_921_771
UNPAID_SECONDS = 1800
# What one euro is worth; wallets are in euro.
RATES = {"EUR": Decimal(1), "USD": Decimal("1.1"), "GBP": Decimal("0.85"), "PLN": Decimal("4.3")}
BASES = "{base:/v1|/integration-api/v1}"


@dataclass
class Wallet:
    balance: Decimal
    spent: dict[str, Decimal] = field(default_factory=dict)  # by day


@dataclass
class Purchase:
    id: str
    account: str
    product: Product
    price: Decimal
    currency: str
    created_at: float
    status: str = "created"  # created, paid, complete, expired
    transaction_id: str = ""
    key: str = field(default="", repr=False)
    reads: int = 0
    paid_again: int = 0  # payments that came when it was paid already

    @property
    def euros(self) -> Decimal:
        return (self.price / RATES[self.currency]).quantize(check.CENT)

    def shown(self) -> Json:
        return {
            "order_id": self.id,
            "account": self.account,
            "product_id": self.product.id,
            "price": str(self.price),
            "currency": self.currency,
            "status": self.status,
            "key": self.key,
            "reads": self.reads,
            "paid_again": self.paid_again,
        }


class Purchases:
    """Every account's purchases. The sandbox's lock is held around each operation."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[str, Purchase] = {}
        self._wallets: dict[str, Wallet] = {}

    def wallet(self, account: str) -> Wallet:
        return self._wallets.setdefault(account, Wallet(Decimal(str(self._sandbox.options["wallet"]))))

    # --- operations ------------------------------------------------------------------------------------------

    @operation("G2A-04", "POST", f"{BASES}/order")
    def create(self, request: Request, base: str) -> Json:
        body = check.read_json(request)
        check.only(body, {"product_id", "currency", "max_price", "min_rating"})
        if account_hash(request.seller) in self._sandbox.options["hashes_without_card"]:
            raise Refusal(403, "", "Forbidden")
        product = self._sandbox.catalogue.need(check.text_of(body, "product_id"), 400)
        currency = check.word_of({"currency": "EUR", **body}, "currency", tuple(RATES))
        price = (product.price * RATES[currency]).quantize(check.CENT)
        if "max_price" in body and check.number_of(body, "max_price") < price:
            raise check.wrong("max_price", f"is below the price, {price} {currency}")
        _check_rating(body)
        if product.qty < 1 or not product.available_to_buy:
            raise Refusal(400, "BR04", "The product cannot be bought now")
        product.qty -= 1
        order = Purchase(
            id=str(FIRST_ID + len(self.all)),
            account=account_hash(request.seller),
            product=product,
            price=price,
            currency=currency,
            created_at=self._sandbox.clock.time(),
        )
        self.all[order.id] = order
        self._sandbox.after(UNPAID_SECONDS, lambda: self._expire(order))
        return {"order_id": order.id, "price": float(price), "currency": currency}

    @operation("G2A-05", "GET", f"{BASES}/order/details/{{order_id}}")
    def details(self, request: Request, base: str, order_id: str) -> Json:
        order = self._own(request.seller, order_id)
        words = {"complete": "complete", "created": "new" if self._is_live(base) else "pending"}
        status = words.get(order.status, "pending")
        return {"status": status, "price": float(order.price), "currency": order.currency}

    @operation("G2A-06", "GET", f"{BASES}/order/key/{{order_id}}")
    def key(self, request: Request, base: str, order_id: str) -> Json:
        order = self._own(request.seller, order_id)
        if order.status in ("created", "expired"):
            raise Refusal(402, "ORD05", "Payment is required, or not finished")
        if order.status == "paid":
            raise Refusal(403, "ORD06", "The order is not processed yet")
        if order.reads:
            raise Refusal(400, "ORD04" if self._is_live(base) else "ORD004", "The key was downloaded already")
        order.reads += 1
        is_file = order.product.is_file
        is_silent = self._sandbox.options["omit_is_file"] and not is_file
        return {"key": order.key} | ({} if is_silent else {"isFile": is_file})

    @operation("G2A-07", "PUT", f"{BASES}/order/pay/{{order_id}}")
    def pay(self, request: Request, base: str, order_id: str) -> Json:
        if "content-length" not in request.headers:
            raise Refusal(411, "", "Content-Length is needed, though there is no body")
        if request.body:
            raise check.wrong("the body", "is empty")
        order = self._own(request.seller, order_id)
        if order.status in ("paid", "complete"):
            order.paid_again += 1
            raise Refusal(409, "", "The order is paid already")
        if order.status == "expired":
            raise Refusal(403, "ORD114", "The payment comes too late: a new order is needed")
        self._take_money(order)
        order.status, order.transaction_id = "paid", self._sandbox.new_id()
        self._sandbox.after(self._sandbox.options["complete_seconds"], lambda: self._complete(order))
        return {"status": True, "transaction_id": order.transaction_id}

    @operation("G2A-07", "POST", f"{BASES}/order/pay/{{order_id}}")
    def pay_wrongly(self, request: Request, base: str, order_id: str) -> Json:
        raise Refusal(405, "", "An order is paid with PUT")

    # --- what happens by itself ------------------------------------------------------------------------------

    def _take_money(self, order: Purchase) -> None:
        wallet, today = self.wallet(order.account), f"{datetime.fromtimestamp(self._sandbox.clock.time(), UTC):%F}"
        spent = wallet.spent.get(today, Decimal(0))
        if spent + order.euros > Decimal(str(self._sandbox.options["day_limit"])):
            raise Refusal(403, "ORD121", "The limit of G2A PAY is reached")
        if order.euros > wallet.balance:
            raise Refusal(403, "ORD112", "Not enough funds")
        wallet.balance -= order.euros
        wallet.spent[today] = spent + order.euros

    def _complete(self, order: Purchase) -> None:
        with self._sandbox.lock:
            letters = self._sandbox.random.choices(string.ascii_uppercase + string.digits, k=15)
            text = "-".join("".join(letters[start : start + 5]) for start in (0, 5, 10))
            order.key = base64.b64encode(text.encode()).decode() if order.product.is_file else text
            order.status = "complete"

    def _expire(self, order: Purchase) -> None:
        with self._sandbox.lock:
            if order.status == "created":
                order.status = "expired"
                order.product.qty += 1

    def _own(self, seller: Seller | None, order_id: str) -> Purchase:
        if not order_id.isdigit():
            raise Refusal(400, "ORD01", "The order id is malformed")
        order = self.all.get(order_id)
        if order is None or order.account != account_hash(seller):
            raise Refusal(404, "ORD02", "There is no such order")
        return order

    def _is_live(self, base: str) -> bool:
        # Both dialects buy at the same addresses; only their words differ.
        return base == "/v1" and bool(self._sandbox.options["dialect"] == "live")


def _check_rating(body: Json) -> None:
    rating = body.get("min_rating", 0)
    if isinstance(rating, bool) or not isinstance(rating, int | Decimal) or not 0 <= rating <= 1:
        raise check.wrong("min_rating", "is a number from 0 to 1")
