"""Stories that the make-believe Ginee plays with a seller, and what it checks of the seller's behaviour.

Every check carries the contract ids it is about. A story moves simulated time itself and lets the seller work meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json, Message, Refusal
from marketplaces.services.ginee import sandbox_storm
from marketplaces.services.ginee.sandbox_records import Order

if TYPE_CHECKING:
    from marketplaces.services.ginee.sandbox import Sandbox

ROUNDS = 100
STORM_EVENTS, STORM_OBJECTS = 200, 20
POLL_MINUTES = 20


@dataclass
class Story:
    """One run of a scenario."""

    sandbox: "Sandbox"
    sku: str
    rounds: int
    checks: list[Json] = field(default_factory=list)

    def check(self, ids: str, promise: str, holds: bool) -> None:
        self.checks.append({"ids": ids, "check": promise, "ok": bool(holds)})

    def wait(self, ids: str, promise: str, is_so: Callable[[], bool]) -> None:
        """Let the seller work, a simulated second a round, until `is_so` holds."""
        for _ in range(self.rounds):
            if is_so():
                break
            self.sandbox.idle()
            self.sandbox.advance(1.0)
        self.check(ids, promise, is_so())

    def buy(self, qty: int = 1) -> Order:
        return self.sandbox.orders.buy(offer_id=self.sku, qty=qty)

    def messages(self, *about: str) -> list[Message]:
        return [message for message in self.sandbox.messages if message.about in about]

    def are_answered(self, *about: str) -> bool:
        messages = self.messages(*about)
        return bool(messages) and all(message.shown()["answered"] for message in messages)

    def is_read(self, order: Order, since: int = 0) -> bool:
        calls = list(self.sandbox.calls)[since:]
        return any(call["op"] == "GIN-C02" and order.id in call["body"] for call in calls)

    def no_complaints(self) -> None:
        self.check("GIN-06", 'every answer was 200 {"status": true}, in time', not self.sandbox.sent.complaints())


def play(sandbox: "Sandbox", scenario: str, sku: str = "SKU-RED-M", rounds: int = ROUNDS) -> Json:
    """Play one of SCENARIOS with the good `sku`, and report the checks."""
    if scenario not in SCENARIOS:
        raise Refusal(404, "", f"scenario is one of {', '.join(SCENARIOS)}")
    story = Story(sandbox, sku, rounds)
    SCENARIOS[scenario](story)
    is_ok = all(check["ok"] for check in story.checks)
    return {"scenario": scenario, "ok": is_ok, "sku": sku, "checks": story.checks}


def happy(story: Story) -> None:
    order = story.buy()
    story.wait("GIN-01", "the order's creation is answered", lambda: story.are_answered(order.id))
    story.wait("GIN-C02", "the order is read", lambda: story.is_read(order))
    story.wait("GIN-05", "the order is delivered", lambda: order.status == "DELIVERED")
    delivery_ids = [delivery.id for delivery in order.deliveries]
    story.wait("GIN-02 GIN-03", "its delivery order is heard of", lambda: story.are_answered(*delivery_ids))
    story.wait("GIN-05", "every step is answered", lambda: story.are_answered(order.id))
    story.no_complaints()


def cancelled(story: Story) -> None:
    order = story.buy()
    story.wait("GIN-02", "the warehouse has its job", lambda: bool(order.deliveries))
    story.sandbox.orders.act(order.id, "cancel")
    about = [order.id, *(delivery.id for delivery in order.deliveries)]
    story.wait("GIN-04 GIN-05", "the end of both is answered", lambda: story.are_answered(*about))
    story.no_complaints()


def lost(story: Story) -> None:
    """Nothing is sent; the seller finds the order by looking (section 12)."""
    story.sandbox.switches.is_sending = False
    since = len(story.sandbox.calls)
    order = story.buy()
    for _ in range(POLL_MINUTES):
        if story.is_read(order, since):
            break
        story.sandbox.lapse(60)
        story.sandbox.idle()
    story.sandbox.switches.is_sending = True
    polls = [call for call in list(story.sandbox.calls)[since:] if call["op"] == "GIN-C01"]
    story.check("GIN-C01", "the list of changed orders is read", bool(polls))
    story.check("GIN-C02", "the order is read", story.is_read(order, since))


def storm(story: Story) -> None:
    made = sandbox_storm.make(story.sandbox, STORM_EVENTS, STORM_OBJECTS)
    made.send()
    about = [key.split()[1] for key in made.expected]
    story.wait("GIN-06", "every notification is answered", lambda: story.are_answered(*about))
    story.no_complaints()


SCENARIOS: dict[str, Callable[[Story], None]] = {"happy": happy, "cancelled": cancelled, "lost": lost, "storm": storm}
