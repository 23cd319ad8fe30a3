"""OurShop: a marketplace's question -> one of our verbs, one line each. See marketplaces.shop.Shop."""

from inventory import publishing
from marketplaces.models import Account
from marketplaces.types import DeliveryRequest, RemoteOrder
from orders import claims, fulfilment, intake


class OurShop:
    def __init__(self, account: Account) -> None:
        self.account = account

    def order_changed(self, hint: RemoteOrder) -> None:
        intake.refresh(self.account, hint)

    def order_refunded(self, hint: RemoteOrder, event_id: str) -> None:
        claims.record_refund(self.account, hint, event_id)

    def order_disputed(self, hint: RemoteOrder, event_id: str, case_id: str) -> None:
        claims.record_dispute(self.account, hint, event_id, case_id)

    def order_reopened(self, hint: RemoteOrder, event_id: str) -> None:
        claims.record_reopening(self.account, hint, event_id)

    def delivery_requested(self, request: DeliveryRequest, hint: RemoteOrder) -> None:
        intake.request_delivery(self.account, request, hint)

    def delivery_changed(self, order_id: str, delivery_id: str) -> None:
        fulfilment.delivery_changed(self.account, order_id, delivery_id)

    def offer_changed(self, offer_id: str) -> None:
        publishing.look_at(self.account, offer_id)
