"""What a marketplace tells of an order: it is read, or believed where nobody can be asked; and nothing is ever deleted."""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from marketplaces.models import Account
from marketplaces.types import RemoteOrder
from orders import intake, readings, timeline
from orders.models import Order

# Another machine's clock may be ahead: what was read so shortly after news of it may be from before.
SKEW = timedelta(seconds=1)


def order_changed(account: Account, hint: RemoteOrder, *, heard_at: datetime | None = None) -> None:
    """Read an order that is new or changed: now, or together with others where one request reads many. Safe to repeat.

    Until it is read a new order is shown with what the notification said; of a known one nothing changes. News of an order
    that was read since they came (`heard_at`) tell nothing: where many wait, the last of them is read and the others are not.
    """
    if account.service_class.orders_per_read > 1 or hint.is_summary:
        with transaction.atomic():
            summary = replace(hint, is_summary=True)
            intake.import_order(account=account, remote=summary, event_status_word=hint.status_word)
            readings.ask(account, hint.external_id)
        return
    order = _read_since(account, hint.external_id, heard_at + SKEW) if heard_at else None
    if order is None:
        intake.refresh(account, hint)
    elif (known := intake.as_known(order)) != intake.with_hint(known, hint):
        intake.import_order(account=account, remote=replace(hint, is_summary=True))  # fills what is empty


def _read_since(account: Account, external_id: str, when: datetime) -> Order | None:
    """The order, when it was asked for after that."""
    if timezone.now() <= when:  # nobody can have asked since
        return None
    is_read = {"is_summary": False, "is_hearsay": False, "asked_at__gt": when}
    return Order.objects.defer("raw").filter(account=account, external_id=external_id, **is_read).first()


def order_told(account: Account, remote: RemoteOrder) -> None:
    """Believe a notification, as nobody can be asked. One that is older than what is known changes nothing of it."""
    intake.import_order(account=account, remote=remote, event_status_word=remote.status_word, is_hearsay=True)


def order_deleted(account: Account, hint: RemoteOrder, event_id: str) -> None:
    """Flag an order that was removed there, keep all of it, and read it again where it was read before. Safe to repeat."""
    with transaction.atomic():
        order = (
            Order.objects.select_for_update(no_key=True).filter(account=account, external_id=hint.external_id).first()
        )
        if order is None:
            order = intake.import_order(account=account, remote=hint, is_hearsay=True)
        text = "The marketplace removed it there. Everything is kept here: look whether something is still to be done."
        if timeline.warn(order, "deleted", text, event_id=event_id) and order.deleted_at is None:
            Order.objects.filter(pk=order.pk).update(deleted_at=hint.updated_at or timezone.now())
        if not order.is_hearsay:
            readings.ask(account, order.external_id)
