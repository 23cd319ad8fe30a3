"""Runs over parcels: mark as shipped, try again, delete at the marketplace."""

from collections.abc import Mapping, Sequence
from typing import Any

from backoffice import runs
from backoffice.runs import Outcome
from marketplaces.runs import EachRow
from orders import shipping
from orders.models import Shipment

State = Shipment.State


class ParcelKind(EachRow):
    model = Shipment
    permission = "orders.ship_order"
    related = ("account", "order")
    deferred = ("contact", "raw", "order__raw", "order__contact")
    header = ("parcel", "order", "account", "tracking number", "now")

    def columns(self, row: Shipment, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        order = str(row.order or row.external_order_id or row.order_number)
        return str(row), order, str(row.account), row.tracking_number or "none", row.status


class MarkShipped(ParcelKind):
    title = "Mark as shipped"
    requests_each = 5  # look, say it, look, put back what that blanked, look

    def is_over(self, row: Shipment, said: Mapping[str, Any], ground: Any) -> str:
        return "It is shipped." if row.status == "shipped" and row.deleted_at is None else ""

    def why_not(self, row: Shipment, said: Mapping[str, Any], ground: Any) -> str:
        if shipping.can_mark_shipped(row):
            return ""
        if not row.account.service_class.supports("update_shipment"):
            return f"{row.account.service_class.label} can't be told from here."
        return "It is deleted." if row.deleted_at else "It is not announced yet, or another wish is on its way."

    def do(self, row: Shipment, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        try:
            shipping.mark_shipped(row, by=by)
        except shipping.NotShippable as problem:
            return runs.failed(f"{problem}.")
        return runs.waiting()


class TryParcelsAgain(ParcelKind):
    """Go on with what is wished of parcels."""

    title = "Try again"
    requests_each = 4
    facts = ("Each is looked for first, so nothing is announced twice.",)

    def is_over(self, row: Shipment, said: Mapping[str, Any], ground: Any) -> str:
        return "" if row.wish else "Nothing is to be done with it."

    def do(self, row: Shipment, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        shipping.try_again(row)
        return runs.waiting()


class DeleteParcels(ParcelKind):
    title = "Delete at the marketplace"
    requests_each = 2
    is_dangerous = True
    facts = (
        "Each parcel is removed there and stays here, marked as deleted; one that was never announced is dropped here. Its"
        " units can be packed again. Its order stays as it is: where it is shown as shipped, it goes on being shown so.",
    )

    def is_over(self, row: Shipment, said: Mapping[str, Any], ground: Any) -> str:
        return "It is deleted already." if row.deleted_at else ""

    def why_not(self, row: Shipment, said: Mapping[str, Any], ground: Any) -> str:
        if shipping.can_delete(row):
            return ""
        if not row.account.service_class.supports("delete_shipment"):
            return f"{row.account.service_class.label} deletes no parcels from here."
        return "It may be on its way: look at its state first."

    def do(self, row: Shipment, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        try:
            shipping.delete(row, by=by)
        except shipping.NotShippable as problem:
            return runs.failed(f"{problem}.")
        return runs.waiting()
