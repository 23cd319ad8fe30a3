"""Stories that the make-believe G2G plays with a seller, and what it checks of the seller's behaviour.

Every check carries the contract ids it is about. A story moves simulated time itself and lets the seller work meanwhile.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketplaces.sandbox_faults import Fault
from marketplaces.sandbox_words import Json, Message, Refusal
from marketplaces.services.g2g.sandbox_offers import Offer
from marketplaces.services.g2g.sandbox_records import Delivery, Order

if TYPE_CHECKING:
    from marketplaces.services.g2g.sandbox import Sandbox

ROUNDS = 100
STORM_ORDERS = 20  # of five events each
QUIET_ROUNDS = 10  # how long to watch that nothing happens


@dataclass
class Story:
    """One run of a scenario."""

    sandbox: "Sandbox"
    offer: Offer
    rounds: int
    checks: list[Json] = field(default_factory=list)

    def check(self, ids: str, promise: str, holds: bool) -> None:
        self.checks.append({"ids": ids, "check": promise, "ok": bool(holds)})

    def wait(self, ids: str, promise: str, is_so: Callable[[], bool]) -> None:
        """Let the seller work, a simulated second a round, until `is_so` holds."""
        for _ in range(self.rounds):
            if is_so():
                break
            self.let_work()
        self.check(ids, promise, is_so())

    def let_work(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.sandbox.idle()
            self.sandbox.advance(1.0)

    def buy(self, qty: int, request_qty: int | None = None) -> Order:
        return self.sandbox.orders.buy(offer_id=self.offer.id, qty=qty, request_qty=request_qty)

    def asked(self, order: Order, number: int = 1) -> Delivery:
        """Wait until the order's n-th delivery is asked for, and return it."""
        self.wait("G2G-WH-04", f"delivery {number} is asked for", lambda: len(order.deliveries) >= number)
        return list(order.deliveries.values())[number - 1]

    def delivered(self, order: Order, delivery: Delivery) -> None:
        """Wait until a delivery is done, and check that it was done well."""
        wanted = delivery.requested_qty
        self.wait("G2G-12", f"{wanted} codes arrive", lambda: delivery.delivered_qty == wanted)
        self.check("G2G-12", "exactly what was asked for", len(delivery.codes) == wanted)
        self.check("G2G-10", "the order was read before codes left", self.looked_first("G2G-10", order))
        self.check("G2G-11", "the delivery was read before codes left", self.looked_first("G2G-11", order))
        self.wait("G2G-WH-03", "the result is answered 200", lambda: self.answered("order.delivery_status", order))

    def happy(self, qty: int, request_qty: int | None = None) -> Order:
        order = self.buy(qty, request_qty)
        delivery = self.asked(order)
        self.delivered(order, delivery)
        return order

    def told(self, ids: str, kind: str, order: Order, times: int = 1) -> None:
        """Wait until so many events of a kind about the order were answered."""
        self.wait(ids, f"{kind} is answered 200", lambda: len(self.messages(kind, order.id)) >= times)
        self.wait(ids, f"{kind}: none is left unanswered", lambda: self.answered(kind, order))

    def messages(self, kind: str, about: str) -> list[Message]:
        found = [message for message in self.sandbox.messages if message.about == about]
        return [message for message in found if not kind or message.kind == kind]

    def answered(self, kind: str, order: Order) -> bool:
        messages = self.messages(kind, order.id)
        return bool(messages) and all(message.shown()["answered"] for message in messages)

    def called(self, op: str, about: str) -> list[int]:
        """Where in the journal the calls of an operation about something stand."""
        calls = list(self.sandbox.calls)
        return [number for number, call in enumerate(calls) if call["op"] == op and about in call["path"]]

    def looked_first(self, op: str, order: Order) -> bool:
        looked, sent = self.called(op, order.id), self.called("G2G-12", order.id)
        return bool(looked and sent) and looked[0] < sent[0]

    def read_result(self, order: Order) -> bool:
        sent = self.called("G2G-12", order.id)
        read = [*self.called("G2G-13", order.id), *self.called("G2G-11", order.id)]
        return bool(sent and read) and max(read) > sent[-1]

    @contextmanager
    def chances(self, **chances: float) -> Iterator[None]:
        before = dict(self.sandbox.faults.chances)
        self.sandbox.faults.chances |= chances
        try:
            yield
        finally:
            self.sandbox.faults.chances = before


def play(sandbox: "Sandbox", scenario: str, offer_id: str = "", rounds: int = ROUNDS) -> Json:
    """Play one of SCENARIOS on `offer_id`, or on any live offer that fits, and report the checks."""
    if scenario not in SCENARIOS:
        raise Refusal(404, "", f"scenario is one of {', '.join(SCENARIOS)}")
    tell, kind, units = SCENARIOS[scenario]
    offer = _offer(sandbox, kind, units, offer_id)
    if offer is None:
        text = f"There is no live offer of kind {kind} with {units} available; create one first"
        return {"scenario": scenario, "ok": False, "checks": [{"ids": "G2G-05", "check": text, "ok": False}]}
    story = Story(sandbox, offer, rounds)
    tell(story)
    is_ok = all(check["ok"] for check in story.checks)
    return {"scenario": scenario, "ok": is_ok, "offer_id": offer.id, "checks": story.checks}


def _offer(sandbox: "Sandbox", kind: str, units: int, offer_id: str) -> Offer | None:
    with sandbox.lock:
        fitting = (
            offer
            for offer in sandbox.offers.all.values()
            if offer.status == "live" and offer.kind == kind and offer.available >= units
        )
        return next((offer for offer in fitting if offer_id in ("", offer.id)), None)


def gift_card_happy(story: Story) -> None:
    order = story.buy(2)
    story.told("G2G-WH-01", "order.created", order)
    story.told("G2G-WH-02", "order.confirmed", order)
    story.check("G2G-WH-02", "nothing left before it was asked for", not story.called("G2G-12", order.id))
    story.delivered(order, story.asked(order))
    story.wait("G2G-13", "the result was read, here or with G2G-11", lambda: story.read_result(order))
    story.check("G2G-10", "the buyer has all", order.status == "awaiting_buyer_confirmation")
    story.sandbox.advance(story.sandbox.options["confirm_seconds"])
    story.told("G2G-WH-07", "order.completed", order)


def top_up_happy(story: Story) -> None:
    order = story.buy(1)
    delivery = story.asked(order)
    story.told("G2G-WH-04", "order.api_delivery", order)
    story.wait("G2G-14", "the top-up is reported", lambda: delivery.topped_up == 1)
    story.check("G2G-12", "no code is sent for a top-up", not story.called("G2G-12", order.id))
    story.told("G2G-WH-03", "order.delivery_status", order)


def partial(story: Story) -> None:
    order = story.happy(3, request_qty=2)
    story.check("G2G-WH-04", "two of the three that were bought", order.delivered_qty == 2)
    rest = story.sandbox.orders.request(order)
    story.delivered(order, rest)
    story.check("G2G-12", "three in all", order.delivered_qty == 3)


def replacement(story: Story) -> None:
    order = story.happy(1)
    story.sandbox.orders.act(order.id, "replace", qty=1)
    story.told("G2G-WH-10", "order.case_opened", order)
    story.delivered(order, story.asked(order, 2))
    contents = [code.content for delivery in order.deliveries.values() for code in delivery.codes]
    story.check("G2G-12", "the replacement is another code", len(set(contents)) == 2)


def cancel_first(story: Story) -> None:
    """The cancellation overtakes the request to deliver."""
    story.sandbox.faults.add(Fault("G2G-WH-04", "delay", seconds=60))
    order = story.buy(1)
    delivery = story.asked(order)
    story.sandbox.orders.act(order.id, "cancel")
    story.told("G2G-WH-05", "order.cancelled", order)
    story.sandbox.advance(60)
    story.told("G2G-WH-04", "order.api_delivery", order)
    story.let_work(QUIET_ROUNDS)
    story.check("G2G-WH-05", "no code is sent for a cancelled order", not story.called("G2G-12", order.id))
    story.check("G2G-WH-05", "and none arrived", not delivery.codes)


def refund_twice(story: Story) -> None:
    order = story.happy(3)
    for count in (1, 2):
        story.sandbox.orders.act(order.id, "refund", qty=1)
        story.told("G2G-WH-06", "order.refunded", order, times=count)
    last = story.called("G2G-10", order.id)
    delivered = story.called("G2G-12", order.id)
    story.check("G2G-10", "totals are read again", bool(last and delivered) and last[-1] > delivered[-1])


def case(story: Story) -> None:
    order = story.happy(1)
    before = len(story.called("G2G-12", order.id))
    story.sandbox.orders.act(order.id, "case")
    story.told("G2G-WH-10", "order.case_opened", order)
    story.let_work(QUIET_ROUNDS)
    story.check("G2G-WH-10", "nothing is sent on its own", len(story.called("G2G-12", order.id)) == before)


def low_stock(story: Story) -> None:
    offer = story.offer
    before = len(story.called("G2G-06", offer.id))
    with story.sandbox.lock:
        story.sandbox.offers.change(offer, {"low_stock_alert_qty": offer.available - 1})
    story.buy(1)
    kind = "offer.low_stock"
    story.wait("G2G-WH-11", "offer.low_stock is sent", lambda: bool(story.messages(kind, offer.id)))
    story.wait(
        "G2G-WH-11",
        "it is answered 200",
        lambda: all(message.shown()["answered"] for message in story.messages(kind, offer.id)),
    )
    story.wait("G2G-06", "the offer is read again", lambda: len(story.called("G2G-06", offer.id)) > before)


def lost_webhook(story: Story) -> None:
    """The request to deliver never arrives; the seller finds it in the log."""
    story.sandbox.faults.add(Fault("G2G-WH-04", "drop"))
    order = story.buy(1)
    delivery = story.asked(order)
    asked = len(story.called("G2G-19", ""))
    story.wait("G2G-19", "the log is read", lambda: len(story.called("G2G-19", "")) > asked)
    story.wait("G2G-12", "the code arrives", lambda: delivery.delivered_qty == 1)


def storm(story: Story) -> None:
    """A hundred events, out of order, each twice."""
    doubles = dict(story.sandbox.deliveries.doubles)
    with story.chances(duplicate=1.0, delay=1.0):
        orders = [story.buy(1) for _ in range(STORM_ORDERS)]
        story.wait("G2G-12", "every order gets its code", lambda: all(order.delivered_qty == 1 for order in orders))
        story.sandbox.advance(story.sandbox.options["confirm_seconds"])
        messages = [message for order in orders for message in story.messages("", order.id)]
        story.wait("G2G-WH-01", "each event came twice", lambda: all(len(one.attempts) == 2 for one in messages))
    story.check("G2G-WH-01", "a hundred events", len(messages) == STORM_ORDERS * 5)
    story.check("G2G-WH-01", "each is answered 200", all(one.shown()["answered"] for one in messages))
    sent = [len(delivery.codes) for order in orders for delivery in order.deliveries.values()]
    story.check("G2G-WH-04", "one delivery of one code an order", sent == [1] * STORM_ORDERS)
    story.check("G2G-12", "no code is sent twice", story.sandbox.deliveries.doubles == doubles)


# The story, the kind of offer it needs, and how many units of it.
SCENARIOS: dict[str, tuple[Callable[[Story], None], str, int]] = {
    "gift_card_happy": (gift_card_happy, "instant_inventory", 2),
    "top_up_happy": (top_up_happy, "direct_top_up", 1),
    "partial": (partial, "instant_inventory", 3),
    "replacement": (replacement, "instant_inventory", 1),
    "cancel_first": (cancel_first, "instant_inventory", 1),
    "refund_twice": (refund_twice, "instant_inventory", 3),
    "case": (case, "instant_inventory", 1),
    "low_stock": (low_stock, "instant_inventory", 1),
    "lost_webhook": (lost_webhook, "instant_inventory", 1),
    "storm": (storm, "instant_inventory", STORM_ORDERS),
}
