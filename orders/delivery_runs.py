"""Runs over deliveries: go on with many that wait, from their own list and from that of orders."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone

from backoffice import runs
from backoffice.runs import Key, Outcome
from marketplaces.runs import EachRow, ends_of
from orders import fulfilment, topups
from orders.models import Delivery

Status, State = Delivery.Status, Delivery.State


class DeliverNow(EachRow):
    """Go on with deliveries. What is handed over is done with; the marketplace's confirmation may take a day."""

    title = "Deliver now"
    model = Delivery
    permission = "orders.deliver_order"
    related = ("account", "line__order", "line__product")
    deferred = ("buyer_fields", "line__order__raw", "line__order__contact")
    requests_each = 3  # read the order, read the delivery, hand over
    header = ("delivery", "order", "account", "units", "now")
    facts: ClassVar[Sequence[str]] = (
        "Order and delivery are read again first. Each code is sent once, and where an answer is missing we look before"
        " anything is repeated.",
    )

    def is_over(self, row: Delivery, said: Mapping[str, Any], ground: Any) -> str:
        return "" if fulfilment.can_go_on(row) else f"It is {row.get_status_display()}: nothing is to be delivered."

    def why_not(self, row: Delivery, said: Mapping[str, Any], ground: Any) -> str:
        if topups.waits_for_a_person(row):
            return "It waits for a person to top it up. Report it on its page when that is done."
        return ""

    def columns(self, row: Delivery, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        units = f"{max(row.requested - row.confirmed, 0)} × {row.line.product or row.line.name}"
        return str(row), str(row.order), str(row.account), units, row.get_status_display()

    def do(self, row: Delivery, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        fulfilment.go_on(row)
        return runs.waiting()

    def outcomes(self, rows: "QuerySet[Any]") -> Mapping[Key, Outcome]:
        resting = rows.filter(state=State.DUE, next_try_at__gt=timezone.now(), status__in=Delivery.OPEN, failure="")
        found = {
            str(pk): runs.done("Handed over; the marketplace has yet to confirm it.")
            if status == Status.SUBMITTED
            else runs.failed(f"{said} It goes on by itself.")
            for pk, status, said in resting.exclude(last_error="").values_list("pk", "status", "last_error")
        }
        return found | ends_of(rows)


class DeliverOrders(DeliverNow):
    """The same for all deliveries of chosen orders."""

    facts = (
        *DeliverNow.facts,
        "The rows are the deliveries of the chosen orders; an order whose goods nobody asked for has none.",
    )

    def rows_of(self, chosen: "QuerySet[Any]") -> "QuerySet[Any]":
        return Delivery.objects.filter(line__order__in=chosen.order_by().values("pk"))
