"""OurShop: a marketplace's question -> one of our verbs, one line each. See marketplaces.shop.Shop."""

from collections.abc import Collection, Sequence
from datetime import datetime

from inventory import publishing
from marketplaces.models import Account
from marketplaces.shop import Reserved, SoldItem, SoldOrder, StockLine, Terms
from marketplaces.types import DeliveryRequest, RemoteOrder, RemoteShipment
from orders import claims, fulfilment, handover, mirroring, news, pickup, reservations


class OurShop:
    def __init__(self, account: Account) -> None:
        self.account = account
        self.heard_at: datetime | None = None

    def order_changed(self, hint: RemoteOrder) -> None:
        news.order_changed(self.account, hint, heard_at=self.heard_at)

    def order_told(self, remote: RemoteOrder) -> None:
        news.order_told(self.account, remote)

    def order_deleted(self, hint: RemoteOrder, event_id: str) -> None:
        news.order_deleted(self.account, hint, event_id)

    def order_refunded(self, hint: RemoteOrder, event_id: str) -> None:
        claims.record_refund(self.account, hint, event_id)

    def order_disputed(self, hint: RemoteOrder, event_id: str, case_id: str) -> None:
        claims.record_dispute(self.account, hint, event_id, case_id)

    def order_reopened(self, hint: RemoteOrder, event_id: str) -> None:
        claims.record_reopening(self.account, hint, event_id)

    def shipment_changed(self, remote: RemoteShipment, event_id: str) -> None:
        mirroring.mirror(self.account, remote, event_id)

    def delivery_requested(self, request: DeliveryRequest, hint: RemoteOrder) -> None:
        fulfilment.delivery_requested(self.account, request, hint)

    def delivery_changed(self, order_id: str, delivery_id: str) -> None:
        fulfilment.delivery_changed(self.account, order_id, delivery_id)

    def offer_changed(self, offer_id: str) -> None:
        publishing.look_at(self.account, offer_id)

    def offer_stopped(self, offer_ids: Sequence[str], reason: str) -> None:
        publishing.stopped_there(self.account, offer_ids, reason)

    def reserve(self, lines: Sequence[StockLine], terms: Terms, *, external_order_id: str = "") -> Reserved:
        return reservations.reserve(self.account, lines, terms, external_order_id=external_order_id)

    def renew(self, reservation_id: str, lines: Sequence[StockLine], terms: Terms) -> Reserved:
        return reservations.renew(self.account, reservation_id, lines, terms)

    def release(self, reservation_id: str) -> None:
        reservations.release(self.account, reservation_id)

    def order(self, reservation_id: str, external_order_id: str) -> SoldOrder:
        return pickup.order(self.account, reservation_id, external_order_id)

    def confirm(self, reservation_id: str) -> SoldOrder:
        return pickup.confirm(self.account, reservation_id)

    def sold(self, order_id: str) -> SoldOrder:
        return handover.sold(self.account, order_id)

    def sold_for(self, external_order_id: str) -> SoldOrder:
        return handover.sold_for(self.account, external_order_id)

    def sold_item(self, order_id: str, item_id: str) -> SoldItem:
        return handover.sold_item(self.account, order_id, item_id)

    def take_back(self, order_id: str, item_ids: Collection[str]) -> None:
        handover.take_back(self.account, order_id, item_ids)
