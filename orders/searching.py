"""What can be found of orders, deliveries, parcels, reservations and purchase orders."""

import uuid
from typing import Any

from django.db.models import F, Model, Q, TextField
from django.db.models.functions import Cast

from backoffice.search import Facts, Kind, Term, amount, label, line, moment
from orders import contacts
from orders.contact_page import PERMISSION
from orders.models import Delivery, Order, PurchaseOrder, Reservation, Shipment

ORDER: dict[str, Any] = {
    "id": F("external_id"), "number": F("number"), "state": F("state"), "amount": Cast(F("amount"), TextField()),
    "currency": F("currency"), "at": F("ordered_at"), "account": F("account__name"),
}  # fmt: skip
PURCHASE_ORDER: dict[str, Any] = {
    "id": F("external_id"), "stage": F("stage"), "amount": Cast(F("amount"), TextField()), "currency": F("currency"),
    "at": F("ordered_at"), "account": F("account__name"),
}  # fmt: skip


def _show_order(row: Facts) -> tuple[str, str]:
    price = amount(row["amount"], row["currency"])
    return row["id"], line(row["account"], row["number"], label(Order, "state", row["state"]), price, moment(row["at"]))


def _show_purchase_order(row: Facts) -> tuple[str, str]:
    price = amount(row["amount"], row["currency"])
    return row["id"], line(row["account"], label(PurchaseOrder, "stage", row["stage"]), price, moment(row["at"]))


def _show_delivery(row: Facts) -> tuple[str, str]:
    units = f"{row['confirmed']} of {row['requested']} units"
    status = label(Delivery, "status", row["status"])
    return row["id"], line(row["account"], f"for order {row['order']}", status, units, moment(row["at"]))


def _show_shipment(row: Facts) -> tuple[str, str]:
    order = f"for order {row['order']}" if row["order"] else ""
    state = label(Shipment, "status", row["status"])
    name = row["tracking"] or row["id"] or "parcel"
    return name, line(row["account"], row["id"] if row["tracking"] else "", order, row["carrier"], state)


def _show_reservation(row: Facts) -> tuple[str, str]:
    return row["id"], line(row["account"], label(Reservation, "state", row["state"]), moment(row["at"]))


def _reservation(term: Term) -> Q | None:
    try:
        known = uuid.UUID(term.text)
    except ValueError:
        return None
    return Q(pk=known) | Q(order_number=known)


def _of(model: type[Model], facts: dict[str, Any], show: Any) -> Kind:
    return Kind(
        model,
        "a buyer's whole e-mail address",
        facts,
        show,
        sealed=lambda term: Q(email_index=contacts.email_index(term.text)) if "@" in term.text else None,
        permission=PERMISSION,
    )


KINDS = [
    Kind(
        Order,
        "order id or number, whole or its beginning",
        ORDER,
        _show_order,
        whole=lambda term: term.whole("external_id", "number"),
        part=lambda term: term.beginning("external_id", "number"),
    ),
    _of(Order, ORDER, _show_order),
    Kind(
        Delivery,
        "delivery id, whole or its beginning",
        {
            "id": F("external_id"), "status": F("status"), "confirmed": F("confirmed"), "requested": F("requested"),
            "at": F("requested_at"), "order": F("line__order__external_id"), "account": F("account__name"),
        },
        _show_delivery,
        whole=lambda term: term.whole("external_id"),
        part=lambda term: term.beginning("external_id"),
    ),
    Kind(
        Shipment,
        "tracking number or shipment id, whole or its beginning",
        {
            "id": F("external_id"), "tracking": F("tracking_number"), "carrier": F("carrier"), "status": F("status"),
            "order": F("order__external_id"), "account": F("account__name"),
        },
        _show_shipment,
        whole=lambda term: term.whole("external_id", "tracking_number"),
        part=lambda term: term.beginning("external_id", "tracking_number"),
    ),
    Kind(
        Reservation,
        "whole reservation id, or our id of its order",
        {"id": Cast("pk", TextField()), "state": F("state"), "at": F("created_at"), "account": F("account__name")},
        _show_reservation,
        part=_reservation,
        whole=_reservation,
    ),
    Kind(
        PurchaseOrder,
        "number, whole or its beginning",
        PURCHASE_ORDER,
        _show_purchase_order,
        whole=lambda term: term.whole("external_id"),
        part=lambda term: term.beginning("external_id"),
    ),
    _of(PurchaseOrder, PURCHASE_ORDER, _show_purchase_order),
]  # fmt: skip
