"""Alerts about deliveries: those that wait for a person."""

from django.urls import reverse

from backoffice import alerts
from backoffice.alerts import Cause
from orders.models import Delivery

MOST = 2000


def look() -> None:
    """Raise and settle the alerts about deliveries that need attention. Safe to repeat."""
    waiting = Delivery.objects.filter(state=Delivery.State.NEEDS_ATTENTION).order_by("-requested_at")
    rows = waiting.values_list("pk", "external_id", "line__order__external_id", "account__name")[:MOST]
    alerts.match(
        alerts.Kind.DELIVERY,
        {
            f"{account}: {external_id}"[:180] + f" ({pk})": Cause(
                f"Delivery {external_id} of order {order} on “{account}” waits for a person; its page says why.",
                reverse("admin:orders_delivery_change", args=[pk]),
            )
            for pk, external_id, order, account in rows
        },
    )
