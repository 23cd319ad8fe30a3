"""Shop: all that a marketplace may tell us or ask of us. One implementation, named by settings.MARKETPLACES_SHOP.

A service calls these while it processes an event, outside any transaction. Each is safe to repeat, in any order. What
they are told is a hint: they read the object again through the service before money or codes move.
"""

from typing import Protocol

from marketplaces.types import DeliveryRequest, RemoteOrder


class Shop(Protocol):
    def order_changed(self, hint: RemoteOrder) -> None:
        """An order is new or changed. `hint` carries what only the notification knows, such as the offer."""

    def order_refunded(self, hint: RemoteOrder, event_id: str) -> None:
        """Money went back to the buyer; one record an event, totals by reading again."""

    def order_disputed(self, hint: RemoteOrder, event_id: str, case_id: str) -> None:
        """The buyer reported a problem; a person has to look."""

    def order_reopened(self, hint: RemoteOrder, event_id: str) -> None:
        """An order that was closed is open again."""

    def delivery_requested(self, request: DeliveryRequest, hint: RemoteOrder) -> None:
        """Hand over units of an order now."""

    def delivery_changed(self, order_id: str, delivery_id: str) -> None:
        """The result of a delivery may be known now."""

    def offer_changed(self, offer_id: str) -> None:
        """An offer's stock or state may have changed there."""
