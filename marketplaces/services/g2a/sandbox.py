"""A make-believe G2A: written from the contract alone, so that an error of the service next door cannot hide here.

It speaks both dialects at once, and it calls its merchants as G2A does. Built-in account: the published sandbox values.
An account is known by its API hash; the other accounts, and who has a merchant address, come from whoever runs it.
"""

import itertools
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from marketplaces import sandbox
from marketplaces.sandbox_words import Json, Refusal, Request, Response, Seller, Sender
from marketplaces.services.g2a import sandbox_scenarios
from marketplaces.services.g2a.sandbox_caller import CALL_MODES, Caller
from marketplaces.services.g2a.sandbox_catalogue import Catalogue
from marketplaces.services.g2a.sandbox_inventory import Inventory
from marketplaces.services.g2a.sandbox_jobs import FATES, Jobs
from marketplaces.services.g2a.sandbox_offers import Offer, Offers
from marketplaces.services.g2a.sandbox_orders import Orders
from marketplaces.services.g2a.sandbox_purchases import Purchases
from marketplaces.services.g2a.sandbox_reservations import Reservations
from marketplaces.services.g2a.sandbox_tokens import Doorkeeper, account_hash

BUILT_IN = Seller(
    {
        "api_hash": "qdaiciDiyMaTjxMt",
        "api_key": "74026b3dc2c6db6a30a73e71cdb138b1e1b5eb7a97ced46689e2d28db1050875",
        "api_secret": "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207",
        "email": "sandboxapitest@g2a.com",
        "merchant_client_id": "demo-merchant",
        "merchant_client_secret": "demo-merchant-secret",
    }
)
# Of the random buyers some go away again without ordering.
UNDECIDED_PART = 0.03
MOST_BOUGHT = 3
USUAL_CODES = {401: "AUTH02", 404: "", 429: "BR03"}
# Answers that are no JSON, by the code of an ordered http_error.
BARE_BODIES = {
    "empty": Response(),
    "html": Response(body=b"<html><body>Bad gateway</body></html>", headers={"Content-Type": "text/html"}),
}


class Sandbox(sandbox.Sandbox):
    slug = "g2a"
    own_webhook_modes = CALL_MODES | FATES.keys()
    essential_keys = frozenset(
        {
            "access_token",
            "expires_in",
            "id",
            "offerId",
            "order_id",
            "key",
            "jobId",
            "status",
            "resourceId",
            "collectionUuid",
            "productId",
            "reservationId",
            "stockReady",
        }
    )
    status_keys = frozenset({"status"})
    default_options: ClassVar[Mapping[str, Any]] = {
        # who may do what
        "environment": "",  # "production" or "sandbox" takes one kind of hash authentication alone
        "auth01_status": 400,
        "blocked_hashes": [],
        "denied_hashes": [],
        "hashes_without_card": [],
        "requests_per_minute": 0,  # 0: as the sandbox was started
        "retry_after": True,
        "token_life": 3600,
        "single_token": False,  # a new token ends the old one
        # the catalogue, and buying
        "products": 66,
        "dialect": "contract",  # the words of buying, which has the same addresses in both
        "wallet": 1000,
        "day_limit": 10_000,
        "complete_seconds": 2.0,
        "omit_is_file": True,
        "simulation_numbers": False,
        "final_price_name": "finalePrice",
        "bestsellers_meta": True,
        # offers and jobs
        "job_polls": 2,  # how often a job is found unfinished
        "job_seconds": 60.0,  # when it ends without being asked for
        "queue_limit": 5000,
        "patch_answer": "",  # or offer, job, job_200, empty
        "offers_meta": True,
        "nested_price": False,
        "live_shows_active": False,
        "refuse_doubles": False,
        # reservations as the platform
        "stock_seconds": 5.0,
        "epoch_times": False,
        # calling merchants
        "deadline_seconds": 9.0,
        "merchant_retries": 2,
    }

    def __init__(self, *, requests_per_second: float = 10.0, **more: Any) -> None:
        super().__init__(requests_per_second=requests_per_second, **more)

    # --- parts -----------------------------------------------------------------------------------------------

    def parts(self) -> Sequence[object]:
        self._stamps = itertools.count(1)
        self.door, self.catalogue, self.caller = Doorkeeper(self), Catalogue(self), Caller(self)
        self.offers, self.jobs, self.inventory = Offers(self), Jobs(self), Inventory(self)
        self.purchases, self.reservations, self.orders = Purchases(self), Reservations(self), Orders(self)
        return [
            self.door,
            self.catalogue,
            self.offers,
            self.jobs,
            self.inventory,
            self.purchases,
            self.reservations,
        ]

    def built_in_sellers(self) -> Sequence[Seller]:
        return [BUILT_IN]

    @property
    def send(self) -> Sender:
        return self._send

    def stamp(self) -> int:
        """A number that says what came before what, even when the clock stands still."""
        return next(self._stamps)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def merchant(self, account: str = "") -> Seller:
        """Who sells under `account`: an API hash, a merchant client id, or a part of it; any merchant when empty."""
        merchants = [one for one in self.sellers() if one.url and one.credentials.get("merchant_client_id")]
        for seller in merchants:
            if account == account_hash(seller) or account in seller.credentials["merchant_client_id"]:
                return seller
        raise Refusal(409, "", "There is no such merchant: an account needs an address and merchant credentials")

    # --- answering -------------------------------------------------------------------------------------------

    def admit(self, request: Request) -> None:
        if per_minute := self.options["requests_per_minute"]:
            self.bucket.per_second = per_minute / 60
        self.door.admit(request)

    def accepted(self, document: Any) -> Response:
        return document if isinstance(document, Response) else Response.of(document)

    def refused(self, refusal: Refusal) -> Response:
        if bare := BARE_BODIES.get(refusal.code):
            return Response(refusal.status, bare.body, bare.headers)
        usual = USUAL_CODES.get(refusal.status, "API00" if refusal.status >= 500 else "")
        document = {"status": "ERROR", "message": refusal.message, "code": refusal.code or usual}
        return Response.of(document, refusal.status, refusal.headers)

    def unknown_address(self, request: Request) -> Refusal:
        return Refusal(404, "WRONGURL", "There is no such address")

    # --- control ---------------------------------------------------------------------------------------------

    def controls(self) -> dict[str, Any]:
        return {
            **super().controls(),
            "POST merchant/run": self.run_scenario,
            "POST order": self._control_order,
            "POST offer": self._control_offer,
            "POST product": self._control_product,
            "POST wallet": self._control_wallet,
        }

    def _control_order(self, **details: Any) -> Json:
        """A buyer buys (`offer_id`, `qty`, `release`, `force`)."""
        made = self.orders.buy(**details)
        return made if isinstance(made, dict) else made.shown()

    def _control_offer(self, offer_id: str = "", account: str = "", **fields: Any) -> Json:
        """Set an offer's `active` or `status`, or create one as in the web panel (`product_id`, `price`, …)."""
        with self.lock:
            if not offer_id:
                account = account or account_hash(self.merchant())
                return self.offers.by_hand(account=account, **fields).shown()
            offer = self.offers.all[offer_id]
            offer.active, offer.status = fields.get("active", offer.active), fields.get("status", offer.status)
            return offer.shown()

    def _control_product(self, product_id: str, qty: int | None = None, price: str = "") -> Json:
        with self.lock:
            return self.catalogue.change(product_id, qty=qty, price=price).shown()

    def _control_wallet(self, balance: str, account: str = "") -> Json:
        with self.lock:
            account = account or account_hash(BUILT_IN)
            self.purchases.wallet(account).balance = Decimal(balance)
            return {"account": account, "balance": balance}

    def state(self) -> Json:
        with self.lock:
            accounts = sorted({account_hash(seller) for seller in self.sellers()})
            return {
                **super().state(),
                "accounts": {
                    account: {
                        "wallet": str(wallet.balance),
                        "spent": {day: str(sum_) for day, sum_ in wallet.spent.items()},
                    }
                    for account in accounts
                    for wallet in [self.purchases.wallet(account)]
                },
                "offers": [offer.shown() for offer in self.offers.all.values()],
                "jobs": [job.shown() for job in self.jobs.all.values()],
                "collections": [collection.shown() for collection in self.inventory.collections.values()],
                "purchases": [purchase.shown() for purchase in self.purchases.all.values()],
                "reservations": [reservation.shown() for reservation in self.reservations.all.values()],
                "orders": [order.shown() for order in self.orders.all.values()],
                "sales": list(self.orders.sales),
                "merchant_calls": list(self.caller.calls),
                "doubles": {
                    "sold_twice": list(self.orders.doubles),
                    "uploads": self.inventory.doubles(),
                    "offers": self.offers.refused_doubles,
                    "payments": sum(purchase.paid_again for purchase in self.purchases.all.values()),
                },
            }

    # --- stories, and the buyer who comes along --------------------------------------------------------------

    def run_scenario(
        self, scenario: str, *, account: str = "", product_id: str = "", quantity: int = 1, **details: Any
    ) -> Json:
        """Call the merchant `account` as the scenario says, and report what it answered, check by check.

        The product is `product_id`, or that of the account's first live dropshipping offer with enough in stock.
        """
        with self.lock:
            seller = self.merchant(account)
            offer = next(
                (
                    offer
                    for offer in self._on_sale()
                    if offer.kind == "dropshipping"
                    and offer.account == account_hash(seller)
                    and product_id in ("", offer.product.id)
                    and (product_id or offer.size >= quantity)
                ),
                None,
            )
        if offer is None and not product_id:
            raise Refusal(409, "", "There is no live dropshipping offer with enough stock: give a product_id")
        target = {
            "seller": seller,
            "product_id": int(offer.product.id if offer else product_id),
            "quantity": quantity,
            "offer": offer,
        }
        return sandbox_scenarios.run(self, scenario, target, details)

    def shop_at_random(self) -> None:
        with self.lock:
            merchants = {
                account_hash(one) for one in self.sellers() if one.credentials.get("merchant_client_id") and one.url
            }
            offers = [
                offer
                for offer in self._on_sale()
                if offer.size and (offer.kind != "dropshipping" or offer.account in merchants)
            ]
            if not offers:
                return
            offer = self.random.choice(offers)
            quantity = self.random.randint(1, min(offer.size, MOST_BOUGHT))
            is_undecided = self.random.random() < UNDECIDED_PART
        self.orders.buy(offer_id=offer.id, qty=quantity, release=is_undecided)

    def _on_sale(self) -> list[Offer]:
        return [offer for offer in self.offers.all.values() if offer.is_live]
