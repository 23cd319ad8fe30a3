"""What the letters of G-Commerce mean (section 7). Those of orders are the shop's own, so an account may name more."""

import json
from collections.abc import Mapping
from typing import Any

from marketplaces.services.gcommerce.decoding import letter
from marketplaces.types import OfferStatus, OrderState, ShipmentState

ACCEPTED, SHIPPED = "K", "J"
PARENT = "T"  # a basket as a whole; our part of it is an order of its own

ORDERS: Mapping[str, OrderState] = {
    "O": OrderState.NEW,
    "P": OrderState.NEW,
    "K": OrderState.ACCEPTED,
    "J": OrderState.SHIPPED,
    "C": OrderState.COMPLETED,
    "F": OrderState.FAILED,
    "D": OrderState.CANCELLED,
    "I": OrderState.CANCELLED,
    "B": OrderState.ON_HOLD,
    "Y": OrderState.ON_HOLD,
    "N": OrderState.AWAITING_PAYMENT,
}
# What an order has that was accepted, however far it is by now.
IS_ACCEPTED = frozenset(
    {OrderState.ACCEPTED, OrderState.READY_TO_SHIP, OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED}
)

SHIPMENTS: Mapping[str, ShipmentState] = {
    "P": ShipmentState.PICKED,
    "A": ShipmentState.PACKED,
    "S": ShipmentState.SHIPPED,
}
SHIPMENT_LETTERS: Mapping[ShipmentState, str] = {state: word for word, state in SHIPMENTS.items()}

# R waits for the marketplace's approval, X was rejected by it: neither is on sale, and neither by our wish.
PRODUCTS: Mapping[str, OfferStatus] = {
    "A": OfferStatus.LIVE,
    "D": OfferStatus.PAUSED,
    "H": OfferStatus.PAUSED,
    "R": OfferStatus.SUSPENDED,
    "X": OfferStatus.SUSPENDED,
}
PRODUCT_LETTERS = ("A", "D", "H")  # those that we may give


def read_table(given: object) -> tuple[dict[str, OrderState], str]:
    """Return the meanings of order letters with those of an account, and what of these can't be read."""
    table = dict(ORDERS)
    if not given:
        return table, ""
    known = ", ".join(OrderState)
    try:
        said: Any = json.loads(given) if isinstance(given, str) else given
        pairs = [(letter(word), OrderState(state)) for word, state in said.items()]
    except (ValueError, AttributeError, RecursionError):
        return (
            table,
            f'The status letters are no JSON such as {{"Q": "on_hold"}} with one of: {known}. They are ignored',
        )
    return table | {word: state for word, state in pairs if word}, ""
