"""Mirror buyers' purchase orders. They are read and shown, nothing else; their numbers are never taken for orders'."""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from backoffice import money
from marketplaces import outgoing, pump
from marketplaces.masking import mask_json
from marketplaces.models import Account
from marketplaces.types import RemotePurchaseOrder, Urgency
from orders import contacts
from orders.models import PurchaseOrder

CENTS = Decimal("0.0001")  # as amounts are kept


@dataclass(frozen=True)
class News:
    is_new: bool = False
    is_to_be_read: bool = False


def take_row(account: Account, remote: RemotePurchaseOrder) -> News:
    """Take in a row of the list; one that is new, or shows another status or total, is to be read. Safe to repeat."""
    known = PurchaseOrder.objects.filter(account=account, external_id=remote.external_id)
    with transaction.atomic():
        row = known.select_for_update(no_key=True).first()
        if row is not None and not _is_news(row, remote):
            return News()
        is_new = row is None
        if row is None or not remote.is_summary:
            save(account, remote)
        if not remote.is_summary:
            return News(is_new)
        outgoing.mark_due(known)
        pump.plan(PurchaseOrder, account)
        return News(is_new, is_to_be_read=True)


def _is_news(row: PurchaseOrder, remote: RemotePurchaseOrder) -> bool:
    is_other_total = remote.amount is not None and remote.amount.quantize(CENTS) != row.amount
    return is_other_total or bool(remote.status_word and remote.status_word != row.status_word)


def read(pk: int) -> bool:
    """Read one purchase order that is due; False when it is not. Safe to repeat and to run at once."""
    return outgoing.run(PurchaseOrder, pk, _read)


def _read(row: PurchaseOrder) -> None:
    service = row.account.service()
    service.plan(1, Urgency.PRICE)
    save(row.account, service.get_purchase_order(row.external_id))


def save(account: Account, remote: RemotePurchaseOrder) -> PurchaseOrder:
    """Insert or update a purchase order; a row of a list fills what is empty and replaces nothing. Safe to repeat."""
    with transaction.atomic():
        row, is_new = PurchaseOrder.objects.select_for_update(no_key=True).get_or_create(
            account=account,
            external_id=remote.external_id,
            defaults={"ordered_at": remote.created_at or timezone.now(), "is_summary": remote.is_summary},
        )
        replaces = not remote.is_summary
        values = _said(remote)
        for name, value in values.items():
            if replaces or not getattr(row, name):
                setattr(row, name, value)
        if (replaces or is_new) and (remote.status_word or remote.state):
            row.stage, row.status_word = remote.state, remote.status_word[:60]
        raw = mask_json(money.json_safe(remote.raw), account.service_class.secret_keys)
        row.raw = {**row.raw, **raw} if replaces else {**raw, **row.raw}
        contacts.keep_until(row, row.stage)
        if not contacts.is_erased(row):
            contacts.put(row, contacts.merged(row.contact, contacts.said_in(remote), replaces=replaces))
        row.is_summary = row.is_summary and remote.is_summary
        row.seen_at = timezone.now()
        # Not its outgoing columns: a worker may hold them.
        always = ("stage", "status_word", "raw", "erase_at", "contact", "email_index", "is_summary", "seen_at")
        row.save(update_fields=[*values, *always])
    return row


def _said(remote: RemotePurchaseOrder) -> dict[str, Any]:
    values = {
        "currency": remote.currency,
        "subtotal": remote.subtotal,
        "amount": remote.amount,
        "lines": [money.json_safe(asdict(line)) for line in remote.lines],
        "shipping_methods": [asdict(method) for method in remote.shipping_methods],
    }
    return {name: value for name, value in values.items() if value is not None and value not in ("", [])}
