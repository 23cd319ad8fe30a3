"""Show who bought and where it goes: on the page of an order, to those who may see it, and nowhere else."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from backoffice.admin import in_lines

PERMISSION = "orders.see_contact"
PLAIN = {"buyer": "Buyer", "email": "Email", "phone": "Telephone", "note": "Note"}
ADDRESSES = {"ship_to": "Ship to", "bill_to": "Bill to"}
# As on a label.
LABEL = ("name", "company", "street", "district", "city", "region", "postal_code", "country", "phone", "email")


def may_see(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(PERMISSION))


def shown(contact: Mapping[str, Any] | None) -> str:
    """The contact as lines of text."""
    if not contact:
        return ""
    lines = [f"{label}: {contact[name]}" for name, label in PLAIN.items() if contact.get(name)]
    for name, label in ADDRESSES.items():
        if address := contact.get(name):
            lines += ["", f"{label}:", *(address[part] for part in LABEL if address.get(part))]
    return in_lines("\n".join(lines).strip())
