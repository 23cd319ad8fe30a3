"""A storm of notifications of the make-believe Ginee, and what a mirror has to say when it is over.

By the contract's rules (4.7) the end does not depend on the order of arrival: the newest notification of each object
says everything, unless it is a deletion; of a deleted object only the deletion and its moment are certain.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json
from marketplaces.services.ginee.sandbox_checks import MICROS
from marketplaces.services.ginee.sandbox_events import ABSENT_WHEN_DELETED, OPS, OTHER
from marketplaces.services.ginee.sandbox_records import DeliveryOrder, Order, delivery_payload

if TYPE_CHECKING:
    from marketplaces.services.ginee.sandbox import Sandbox

WAY = ("PAID", "READY_TO_SHIP", "SHIPPING", "DELIVERED")
TWICE_PART = MISSING_PART = 10  # one of so many
DELETED_PART, REVIVED_PART = 0.15, 0.2
KEYS = frozenset({"orderId", "deliveryOrderId"})


@dataclass
class Storm:
    """Notifications in the order in which they leave, and by `<entity> <id>` the newest state of each object.

    An expected state is `{"entity", "id", "is_deleted", "payload"}`; every member of `payload` must be in the mirror,
    times as moments, and `""` where nothing was said.
    """

    sandbox: "Sandbox" = field(repr=False)
    events: list[Json]
    expected: dict[str, Json]
    twice: int  # how many of the events are there twice
    incomplete: int  # how many lack members

    def send(self) -> None:
        """Let all leave now, in their order."""
        key = self.sandbox.main_key()
        for document in self.events:
            about = document["payload"].get("deliveryOrderId") or document["payload"].get("orderId")
            self.sandbox.emit(
                OPS.get((document["entity"], document["action"]), OTHER),
                f"{document['entity']} {document['action']}",
                [one for one in self.sandbox.sellers() if one.url and one.credentials.get("access_key") == key],
                document,
                about,
            )


@dataclass
class _Chain:
    """The history of one object, oldest first."""

    entity: str
    id: str
    events: list[Json]

    @property
    def end(self) -> Json:
        return self.events[-1]


def make(sandbox: "Sandbox", events: int, objects: int, seed: int = 1) -> Storm:
    """Make `events` notifications over `objects` objects, shuffled; a tenth comes twice, a tenth lacks members.

    Orders and delivery orders alternate. Their orders are there to be read, in their newest state. The same seed on a
    sandbox in the same state, at the same moment, makes the same storm. Raises ValueError when objects are too many.
    """
    if not 1 <= objects <= events:
        raise ValueError("there are at least as many events as objects, and at least one")
    dice = random.Random(seed)  # noqa: S311  (no secret)
    with sandbox.lock:
        lengths = [1] * objects
        for _ in range(events - objects):
            lengths[dice.randrange(objects)] += 1
        begin = int(sandbox.clock.time()) * MICROS - (max(lengths) + 60) * MICROS
        chains = [
            (_delivery_chain if number % 2 else _order_chain)(sandbox, dice, length, begin)
            for number, length in enumerate(lengths)
        ]
    told = [document for chain in chains for document in chain.events]
    incomplete = _leave_out(dice, chains, len(told) // MISSING_PART)
    twice = dice.sample(told, len(told) // TWICE_PART)
    leaving = [*told, *twice]
    dice.shuffle(leaving)
    expected = {f"{chain.entity} {chain.id}": _expected(chain) for chain in chains}
    return Storm(sandbox, leaving, expected, len(twice), incomplete)


def _order(sandbox: "Sandbox", dice: random.Random, at: int) -> Order:
    sku = dice.choice(list(sandbox.goods.all))
    return sandbox.orders.make({sku: dice.randint(1, 3)}, channel=dice.choice(("SHOPEE_ID", "LAZADA_ID")), at=at)


def _order_chain(sandbox: "Sandbox", dice: random.Random, length: int, begin: int) -> _Chain:
    order = _order(sandbox, dice, begin)
    chain = _Chain("order", order.id, [])
    for step, at in _moments(length, begin):
        order.status, order.updated_at = WAY[min(step, len(WAY) - 1)], at
        action = "UPDATE" if step else "CREATE"
        chain.events.append(sandbox.events.envelope("order", action, order.payload(sandbox.events.decimals()), at))
    return chain


def _delivery_chain(sandbox: "Sandbox", dice: random.Random, length: int, begin: int) -> _Chain:
    order = _order(sandbox, dice, begin)
    order.status = "READY_TO_SHIP"
    delivery = DeliveryOrder(
        id=order.id.replace("SO", "WDO", 1),
        number=f"2100{order.external_number}",
        order=order,
        created_at=begin,
        updated_at=begin,
    )
    order.deliveries.append(delivery)
    removed = _when_removed(dice, length)
    chain = _Chain("delivery-order", delivery.id, [])
    for step, at in _moments(length, begin):
        number = f"{dice.randint(10**13, 10**14 - 1)}"
        delivery.updated_at, delivery.tracking_number = at, number
        delivery.waybill_url, delivery.carrier = f"https://labels.example.com/{number}", "Demo Express"
        delivery.is_deleted = step == removed
        payload = delivery_payload(delivery, sandbox.events.decimals())
        if delivery.is_deleted:
            payload = {name: value for name, value in payload.items() if name not in ABSENT_WHEN_DELETED}
        action = "DELETE" if delivery.is_deleted else "UPDATE" if step else "CREATE"
        chain.events.append(sandbox.events.envelope("delivery-order", action, payload, at))
    return chain


def _when_removed(dice: random.Random, length: int) -> int | None:
    """Choose whether a delivery order's history ends with its removal, or has one in its middle, or none."""
    drawn = dice.random()
    if length > 1 and drawn < DELETED_PART:
        return length - 1
    if length > 2 and drawn < DELETED_PART + REVIVED_PART:
        return dice.randrange(1, length - 1)
    return None


def _moments(length: int, begin: int) -> Iterator[tuple[int, int]]:
    """Whole seconds, so that they are the same moment with any number of decimals."""
    return zip(range(length), itertools.count(begin, MICROS), strict=False)


def _leave_out(dice: random.Random, chains: list[_Chain], wanted: int) -> int:
    """Take one to three members out of so many notifications; the last of each object stays whole."""
    fitting = [one for chain in chains for one in chain.events[:-1] if one["action"] != "DELETE"]
    chosen = dice.sample(fitting, min(wanted, len(fitting)))
    for document in chosen:
        names = sorted(document["payload"].keys() - KEYS)
        for name in dice.sample(names, dice.randint(1, 3)):
            del document["payload"][name]
    return len(chosen)


def _expected(chain: _Chain) -> Json:
    is_deleted = chain.end["action"] == "DELETE"
    payload = dict(chain.end["payload"])
    if is_deleted:
        certain = ("deliveryOrderId", "deliveryOrderSn", "sourceOrderId", "sourceOrderSn", "createAt", "lastUpdateAt")
        payload = {name: payload[name] for name in certain}
    return {"entity": chain.entity, "id": chain.id, "is_deleted": is_deleted, "payload": payload}
