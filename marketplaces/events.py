"""What comes through the door: keep the evidence, wake a worker, and later do what it asks."""

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from backoffice import queue
from marketplaces import outgoing
from marketplaces.exceptions import Unsupported
from marketplaces.models import Account, Outgoing, WebhookEvent
from marketplaces.outgoing import Done
from marketplaces.shop import Shop
from marketplaces.types import Call, Notice


def shop_for(account: Account) -> Shop:
    """Return the one who answers a marketplace's questions for this account."""
    return import_string(settings.MARKETPLACES_SHOP)(account)  # type: ignore[no-any-return]


def receive(account: Account, call: Call, notice: Notice, source: str = WebhookEvent.Source.HOOK) -> bool:
    """Store a verified call and wake a worker, in one transaction; True when it was new.

    A repeat is counted on the first row and wakes nobody. Safe to call at once from anywhere.
    """
    kept = account.service_class.kept_headers
    event = WebhookEvent(
        account=account,
        event_id=notice.event_id[:200],
        kind=notice.kind[:100],
        subject=notice.subject[:100],
        source=source,
        method=call.method,
        path=call.path[:200],
        headers={name: value for name, value in call.headers.items() if name in kept},
        body=call.body.decode("latin-1"),
        happened_at=notice.happened_at,
        received_at=call.received_at,
        state=Outgoing.State.DUE,
        next_try_at=timezone.now(),
    )
    with transaction.atomic():
        pk, repeats = _insert_or_count(event)
        if not repeats:
            queue.enqueue(WebhookEvent.task, pk)
    return not repeats


def _insert_or_count(event: WebhookEvent) -> tuple[int, int]:
    """One statement that inserts, or counts a repeat: the ORM can't tell which of the two it did."""
    fields = [field for field in WebhookEvent._meta.concrete_fields if not field.primary_key]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column or "") for field in fields)
    values = [field.get_db_prep_save(field.pre_save(event, True), connection) for field in fields]
    table = quote(WebhookEvent._meta.db_table)
    sql = (  # names of our own columns; every value is a parameter
        f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(fields))})"  # noqa: S608
        f" ON CONFLICT (account_id, event_id) DO UPDATE SET repeats = {table}.repeats + 1 RETURNING id, repeats"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        pk, repeats = cursor.fetchone()
    return pk, repeats


def stored_call(event: WebhookEvent) -> Call:
    """Give back the call as it came, less its secret headers."""
    return Call(
        method=event.method,
        path=event.path,
        query="",
        headers=event.headers,
        body=event.body.encode("latin-1"),
        received_at=event.received_at,
    )


def process(pk: int) -> bool:
    """Do what a stored event asks for; False when it is not due. Safe to repeat, in any order."""

    def work(event: WebhookEvent) -> Done | None:
        account = event.account
        try:
            account.service().process(stored_call(event), shop_for(account))
        except Unsupported as error:  # it is kept and shown, and there is nothing to try again
            return Done(str(error), failure="unsupported")
        return None

    return outgoing.run(WebhookEvent, pk, work)
