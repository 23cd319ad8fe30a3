"""How most stories begin: codes in stock, an offer of them at the marketplace."""

import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

import inventory.tasks
import marketplaces.tasks
import orders.tasks
from inventory import publishing, stock
from inventory.models import Offer, Product
from marketplaces.models import ApiCall, WebhookEvent
from marketplaces.sandbox_words import Response
from marketplaces.services.g2g.sandbox_catalogue import ITUNES_CARD
from orders.models import Delivery, Order
from tests import make
from tests.desk import Desk, post_to_the_door

CHOICES = {"offer_attributes": [{"attribute_group_id": "1f00aa01", "attribute_id": "1f00aa02"}]}


@dataclass
class Story:
    desk: Desk
    product: Product
    offer: Offer

    def buy(self, qty: int = 1, **details: Any) -> str:
        """A buyer orders; returns the marketplace's order id."""
        return self.desk.buy(self.offer.external_id, qty, **details).id

    def until_asked(self) -> None:
        """Until the buyer has paid and the marketplace has asked for the delivery."""
        self.desk.advance(2.5)

    def until_delivered(self) -> None:
        """Until the marketplace has confirmed the delivery."""
        self.desk.advance(8)

    def order(self, order_id: str) -> Order:
        return Order.objects.get(external_id=order_id)

    def delivery(self, order_id: str) -> Delivery:
        return Delivery.objects.get(line__order__external_id=order_id)

    def received(self, order_id: str) -> list[str]:
        """The codes that the buyer has: what the other side's books say."""
        order = self.desk.sandbox.orders.all[order_id]
        return [code for delivery in order.deliveries.values() for code in received_in(delivery)]

    def fault(self, op: str, mode: str, **details: Any) -> None:
        self.desk.fault(op, mode, **details)

    def count(self, state: str) -> int:
        return stock.count(self.product.pk)[state]

    def calls(self, operation: str) -> int:
        """How many requests of ours reached the other side and were of this operation."""
        return ApiCall.objects.filter(operation=operation).count()

    def sweep(self) -> None:
        """What the schedules do every minute."""
        for sweep in (marketplaces.tasks.sweep, inventory.tasks.sweep, orders.tasks.sweep):
            sweep()
        self.desk.settle()

    def stock_came(self) -> None:
        stock.changed(self.product.pk)
        self.desk.settle()

    def send_again(self, event: WebhookEvent) -> int:
        """Let the marketplace send an event once more, newly signed; returns our answer's status."""
        return self.post(event.body.encode())

    def forge(self, kind: str, payload: dict[str, Any], **envelope: Any) -> int:
        """Post an event with valid headers and a body of somebody's own: the signature does not cover it."""
        event = {"id": str(uuid.uuid4()), "event_happened_at": 1, "event_type": kind, "payload": payload, **envelope}
        return self.post(json.dumps(event).encode())

    def post(self, body: bytes, **headers: str) -> int:
        return self.send(body, **headers).status

    def send(self, body: bytes, *, to: str = "", **headers: str) -> Response:
        """Post a body, signed now with the account's own secret."""
        timestamp = str(int(timezone.now().timestamp() * 1000))
        signed = f"{self.desk.account.hook_url}100000{timestamp}".encode()
        signature = hmac.new(self.desk.account.webhook_secrets[0].encode(), signed, hashlib.sha256).hexdigest()
        return post_to_the_door(
            "POST",
            to or self.desk.account.hook_url,
            {"g2g-timestamp": timestamp, "g2g-signature": signature, "content-type": "application/json", **headers},
            body,
        )


def received_in(delivery: Any) -> list[str]:
    return [code.content for code in delivery.codes]


def begin(desk: Desk, *, codes: int, **fields: Any) -> Story:
    """Put `codes` codes in stock and offer them."""
    product = make.product(codes=codes)
    offer = make.offer(product, desk.account, external_product_id=ITUNES_CARD, attributes=CHOICES, **fields)
    publishing.request(Offer.objects.filter(pk=offer.pk))
    desk.settle()
    offer.refresh_from_db()
    return Story(desk, product, offer)
