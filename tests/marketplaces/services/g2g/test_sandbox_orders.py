"""The make-believe G2G by the contract's section 11: orders and deliveries."""

import pytest

from marketplaces.sandbox_words import Response, Seller
from marketplaces.services.g2g.sandbox import BUILT_IN, Sandbox
from tests.marketplaces.services.g2g.caller import CARD, codes, payload


class Receiver:
    """A seller's webhook address that keeps what it gets and answers `status`."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200

    def __call__(self, method, url, headers, body):
        self.got.append((headers, body))
        return Response(self.status, b"{}")


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def g2g_alone(receiver):
    seller = Seller(BUILT_IN.credentials, "https://shop.test/hook", "https://shop.test/hook", ["gBW1wXgBNnA"])
    return Sandbox(send=receiver, callbacks=lambda: [seller], requests_per_second=1000, seed=1)


@pytest.fixture
def offer_id(g2g_alone):
    return payload(g2g_alone, "POST", "/v2/offers", CARD)["offer_id"]


def ask(sandbox, offer_id, qty, **details):
    """Buy, and wait until the seller is asked to deliver."""
    order = sandbox.orders.buy(offer_id=offer_id, qty=qty, **details)
    sandbox.advance(2.5)
    return order, next(iter(order.deliveries.values()))


def events(sandbox):
    return [message.kind for message in sandbox.messages]


@pytest.mark.smoke
def test_an_order_goes_from_the_buyer_to_the_buyers_consent(g2g_alone, offer_id):
    order, delivery = ask(g2g_alone, offer_id, 2)
    path = f"/v2/orders/{order.id}"
    assert payload(g2g_alone, "GET", path)["order_status"] == "start_delivering"
    payload(g2g_alone, "POST", f"{path}/delivery", codes(delivery.id, "A", "B"))
    assert payload(g2g_alone, "GET", path)["order_status"] == "delivering"
    assert payload(g2g_alone, "GET", f"{path}/delivery/{delivery.id}")["delivery_status"] == "in progress"
    g2g_alone.advance(3)
    assert payload(g2g_alone, "GET", path)["order_status"] == "awaiting_buyer_confirmation"
    assert payload(g2g_alone, "GET", f"{path}/delivery/{delivery.id}")["delivery_status"] == "fully delivered"
    g2g_alone.advance(3 * 86400)
    assert payload(g2g_alone, "GET", path)["order_status"] == "delivered"
    assert events(g2g_alone) == [
        "order.created",
        "order.confirmed",
        "order.api_delivery",
        "order.delivery_status",
        "order.completed",
    ]
    assert [code["content"] for code in g2g_alone.state()["orders"][0]["deliveries"][0]["codes"]] == ["A", "B"]
