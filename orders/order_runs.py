"""Runs over orders: accept many, and settle disputes."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from backoffice import runs
from backoffice.runs import Key, Outcome
from marketplaces.runs import EachRow, ends_of
from marketplaces.types import OrderState
from orders import acceptance, disputes
from orders.models import Acceptance, Order


class OrderKind(EachRow):
    model = Order
    deferred = ("raw", "contact")
    header = ("order", "account", "now")

    def columns(self, row: Order, said: Mapping[str, Any], ground: Any) -> Sequence[str]:
        number = f"{row} ({row.number})" if row.number else str(row)
        return number, str(row.account), row.get_state_display()


class AcceptOrders(OrderKind):
    """Confirm orders to their buyers, each once."""

    title = "Accept"
    permission = "orders.accept_order"
    requests_each = 2
    facts = ("Buyers are told that you accept their orders. It can't be taken back from here.",)

    def ground(self, rows: Sequence[Order], said: Mapping[str, Any]) -> set[int]:
        """The orders that somebody's wish is on its way for."""
        wishes = Acceptance.objects.filter(order__in=[row.pk for row in rows]).exclude(state__in=acceptance.ASLEEP)
        return set(wishes.values_list("order_id", flat=True))

    def is_over(self, row: Order, said: Mapping[str, Any], ground: set[int]) -> str:
        if row.pk in ground:
            return "It is being accepted already."
        return f"It is {row.get_state_display()} already." if row.state in acceptance.ACCEPTED else ""

    def why_not(self, row: Order, said: Mapping[str, Any], ground: set[int]) -> str:
        if not acceptance.has_acceptance(row.account):
            return f"{row.account.service_class.label} takes no acceptance."
        return "" if acceptance.can_accept(row) else f"It is {row.get_state_display()}, and can't be accepted."

    def more_facts(self, rows: "QuerySet[Any]", said: Mapping[str, Any]) -> Sequence[str]:
        on_hold = rows.filter(state=OrderState.ON_HOLD).count()
        return [f"{on_hold:,} of the chosen are on hold there; the timeline of each says that it was accepted all the same."
                ] if on_hold else []  # fmt: skip

    def do(self, row: Order, said: Mapping[str, Any], by: str, ground: set[int]) -> Outcome:
        if acceptance.accept(row, by=by):
            return runs.waiting()
        return runs.unchanged("It changed meanwhile; its page says how it stands.")

    def outcomes(self, rows: "QuerySet[Any]") -> Mapping[Key, Outcome]:
        return ends_of(Acceptance.objects.filter(order__in=rows.order_by().values("pk")), "order_id")


class SettleDisputes(OrderKind):
    """Take the flag of disputes off."""

    title = "Settled"
    permission = "orders.deliver_order"
    facts = ("The flag is off until the buyer reports again. The marketplace is told nothing.",)

    def is_over(self, row: Order, said: Mapping[str, Any], ground: Any) -> str:
        return "" if row.is_disputed else "No dispute is open."

    def do(self, row: Order, said: Mapping[str, Any], by: str, ground: Any) -> Outcome:
        disputes.settle(row, by=by)
        return runs.done()
