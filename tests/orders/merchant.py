"""How most stories begin in which a marketplace asks us: codes in stock, an offer of them, and a token of ours."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client

from inventory import stock
from inventory.models import Offer, Product
from marketplaces.models import Account, WebhookEvent
from marketplaces.services.g2a.account import SANDBOX_CREDENTIALS
from orders.models import Delivery, Order, Reservation
from tests import make

PRODUCT = 10_000_068_865_001
G2A_ORDER = 80_201_000_000_192
NOBODY = "00000000-0000-4000-8000-000000000000"
CLIENT = {
    "client_id": SANDBOX_CREDENTIALS["merchant_client_id"],
    "client_secret": SANDBOX_CREDENTIALS["merchant_client_secret"],
}


@dataclass
class Merchant:
    """We, as G2A sees us: calls go through the door, as any HTTP client's would."""

    account: Account
    product: Product
    offer: Offer
    token: str = ""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        names = {"HTTP_AUTHORIZATION": f"Bearer {self.token}"} if self.token else {}
        names |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        address = f"/hooks/{self.account.pk}/{path}"
        return Client().generic(method, address, content, content_type="application/json", **names)

    def ask_token(self, *, by_post: bool = False, **changes: str) -> HttpResponse:
        form = urlencode({"grant_type": "client_credentials", **CLIENT, **changes})
        address = f"/hooks/{self.account.pk}/oauth/token"
        if by_post:
            return Client().generic("POST", address, form, content_type="application/x-www-form-urlencoded")
        return Client().generic("GET", f"{address}?{form}")

    def sign_in(self) -> "Merchant":
        self.token = self.ask_token().json()["access_token"]
        return self

    def reserve(self, quantity: int = 1, product: int = PRODUCT, **data: str) -> HttpResponse:
        line: dict[str, Any] = {"product_id": product, "quantity": quantity}
        return self.call("POST", "reservation", [line | ({"additional_data": data} if data else {})])

    def reserved(self, quantity: int = 1) -> str:
        """Reserve and return the reservation's id."""
        answer = self.reserve(quantity)
        assert answer.status_code == 200, answer.content
        return answer.json()["reservation_id"]

    def order(self, reservation_id: str, g2a_order_id: int = G2A_ORDER) -> HttpResponse:
        return self.call("POST", "order", {"reservation_id": reservation_id, "g2a_order_id": g2a_order_id})

    def ordered(self, quantity: int = 1) -> Any:
        """Reserve and order; returns the answer."""
        answer = self.order(self.reserved(quantity))
        assert answer.status_code == 200, answer.content
        return answer.json()

    def inventory(self, order_id: str) -> HttpResponse:
        return self.call("GET", f"order/{order_id}/inventory")

    def give_back(self, order_id: str, *item_ids: str) -> HttpResponse:
        return self.call("DELETE", f"order/{order_id}/inventory?{urlencode([('id[]', pk) for pk in item_ids])}")

    # --- what our books say ----------------------------------------------------------------------------------

    def count(self, state: str) -> int:
        return stock.count(self.product.pk)[state]

    def the_order(self) -> Order:
        return Order.objects.get()

    def the_delivery(self) -> Delivery:
        return Delivery.objects.get()

    def reservation(self, reservation_id: str) -> Reservation:
        return Reservation.objects.get(pk=reservation_id)

    def events(self, kind: str) -> list[WebhookEvent]:
        return list(WebhookEvent.objects.filter(kind__startswith=kind).order_by("pk"))


def begin(*, codes: int = 0, name: str = "Main G2A", sku: str = "GAME-1", **options: Any) -> Merchant:
    """An account on G2A, `codes` codes in stock and an offer of them."""
    account = make.account(name, "g2a", credentials=dict(SANDBOX_CREDENTIALS), options=options)
    product = make.product(sku, codes=codes)
    offer = make.offer(
        product, account, external_product_id=str(PRODUCT), external_id=f"offer-of-{sku}", price="5.98",
        currency="EUR", offer_type="dropshipping",
    )  # fmt: skip
    return Merchant(account, product, offer)


def codes_in(lines: Any) -> list[str]:
    """The values of all items in an answer's stock."""
    return [item["value"] for line in lines for item in line["inventory"]]


def ids_in(lines: Any) -> list[str]:
    return [item["id"] for line in lines for item in line["inventory"]]
