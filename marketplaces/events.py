"""What comes through the door: keep the evidence, answer or wake a worker, and later do what it asks."""

import functools
import logging
import uuid
from contextlib import nullcontext
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from backoffice import correlation, logs, queue
from backoffice.rows import asked_often
from marketplaces import door, outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import NotFound, TemporaryError, Unsupported
from marketplaces.models import Account, Outgoing, WebhookEvent
from marketplaces.outgoing import Done
from marketplaces.shop import Shop
from marketplaces.types import Call, Notice, Reply

log = logging.getLogger(__name__)

_FIELDS = [field for field in WebhookEvent._meta.concrete_fields if not field.primary_key]
# What the driver writes as it stands: to ask each field how costs as much as the rest of a call.
_PLAIN = frozenset[type]((
    models.CharField, models.TextField, models.PositiveIntegerField, models.PositiveSmallIntegerField,
    models.BooleanField, models.DateTimeField, models.ForeignKey,
))  # fmt: skip
_PREPARED = [(field, type(field) in _PLAIN) for field in _FIELDS]

# How long what an event speaks of may be missing at its marketplace before the event is taken for made up.
LAG, LAG_LOOK_SECONDS = timedelta(minutes=5), 30.0
LONGEST_ID = 130  # beside a digest
OTHER_BODY = "Its id came before, with another body."


def shop_for(account: Account) -> Shop:
    """Return the one who answers a marketplace's questions for this account."""
    return import_string(settings.MARKETPLACES_SHOP)(account)  # type: ignore[no-any-return]


class AnotherAccount(Exception):
    """The account's row is not the one any more that the call was verified with; nothing was stored."""


def receive(
    account: Account, call: Call, notice: Notice, source: str = WebhookEvent.Source.HOOK, *, version: str = ""
) -> bool:
    """Store a verified call and wake a worker, in one transaction; True when it was new.

    A repeat is counted on the first row and wakes nobody. Safe to call at once from anywhere. Raises AnotherAccount when the
    account's row is not of this `version` (see door.Known).
    """
    event = _evidence(account, call, notice)
    event.source, event.state, event.next_try_at = source, Outgoing.State.DUE, timezone.now()
    is_new = _store(event, version, is_urgent=notice.is_urgent)
    with correlation.about(event.correlation):
        log.info("Event %s %s", event.kind, "came" if is_new else "came again")
    if is_new or not notice.is_its_body or not _says_something_else(event):
        return is_new
    event.event_id = f"{event.event_id[:LONGEST_ID]} {sha256(call.body).hexdigest()}"
    event.remark = _storable(f"{OTHER_BODY} {event.remark}", 200)
    return _store(event, version, is_urgent=notice.is_urgent)


def _store(event: WebhookEvent, version: str, *, is_urgent: bool) -> bool:
    """Insert an event with its wake-up, or count a repeat; True when it was new."""
    if connection.vendor == "sqlite":
        with transaction.atomic():
            pk, repeats = _insert_or_count(event)
            if not repeats:
                queue.enqueue(WebhookEvent.task, pk, is_urgent=is_urgent)
        return not repeats
    # A statement is a transaction by itself; in one of the caller's it must be possible to go on after it failed.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        return _insert_and_wake(event, version, is_urgent=is_urgent)


def _says_something_else(event: WebhookEvent) -> bool:
    """Say whether an event that came under the id of a stored one has another body; an erased one can't tell."""
    first = WebhookEvent.objects.get(account=event.account_id, event_id=event.event_id)
    return bool(first.method) and first.body != event.body


def answer(account: Account, service: MarketplaceService, call: Call) -> Reply:
    """Answer a question and keep the evidence, in one short transaction. Never raises.

    When something breaks inside nothing has happened, and the marketplace is told no more than that.
    """
    notice = service.read_notice(call)
    try:
        # A question that leaves no row needs no transaction: on SQLite it would wait for whoever writes.
        with transaction.atomic() if notice.is_kept else nullcontext():
            reply = service.answer(call, shop_for(account))
            if notice.is_kept:
                _keep_answered(account, call, notice, reply)
        return reply
    except Exception as error:
        place = logs.place_of(error)
        log.error("A question (%s) to account %s could not be answered: %s", notice.kind, account.pk, place)
    reply = service.refusal(500)
    try:
        _keep_answered(account, call, notice, reply, broke=place)
    except Exception as error:
        log.error("Nor could it be kept: %s", logs.place_of(error))
    return reply


def _keep_answered(account: Account, call: Call, notice: Notice, reply: Reply, *, broke: str = "") -> None:
    event = _evidence(account, call, notice)
    event.event_id = uuid.uuid4().hex  # two equal questions are two questions
    event.subject = _storable(reply.about or notice.subject, 100)
    event.answer_status, event.last_error = reply.status, broke or _storable(reply.problem, 500)
    event.answered_ms = max(round((timezone.now() - call.received_at).total_seconds() * 1000), 0)
    event.state = Outgoing.State.NEEDS_ATTENTION if broke else Outgoing.State.DONE
    event.failure = "broken" if broke else ""
    event.save(force_insert=True)
    with correlation.about(event.correlation):
        log.info("Question %s was answered %s", event.kind, event.answer_status)


def _evidence(account: Account, call: Call, notice: Notice) -> WebhookEvent:
    """The call as it is kept: never its query, which may hold credentials, and only harmless headers."""
    kept = account.service_class.kept_headers
    return WebhookEvent(
        account=account,
        event_id=_storable(notice.event_id, 200),
        kind=_storable(notice.kind, 100),
        subject=_storable(notice.subject, 100),
        method=call.method,
        path=_storable(call.path, 200),
        headers={name: value for name, value in call.headers.items() if name in kept},
        body="" if notice.has_secrets else call.body.decode("latin-1"),
        happened_at=notice.happened_at,
        received_at=call.received_at,
        remark=_storable(notice.remark, 200),
    )


def _storable(text: str, length: int) -> str:
    """The text as a database takes it: without NUL, and without half of a surrogate pair."""
    return text.replace("\x00", "").encode(errors="replace").decode()[:length]


def _insert_or_count(event: WebhookEvent) -> tuple[int, int]:
    """One statement that inserts, or counts a repeat: the ORM can't tell which of the two it did."""
    with connection.cursor() as cursor:
        cursor.execute(_insert_sql(with_pk=False, for_version=False), _values(event))
        pk, repeats = cursor.fetchone()
    return pk, repeats


def _insert_and_wake(event: WebhookEvent, version: str, *, is_urgent: bool) -> bool:
    """One statement that inserts the event and its wake-up, or counts a repeat; True when it was new."""
    pk = door.next_pk()
    wake, woken = queue.enqueue_with("event WHERE repeats = 0", WebhookEvent.task, pk, is_urgent=is_urgent)
    insert = _insert_sql(with_pk=True, for_version=bool(version))
    sql = f"WITH event AS ({insert}), woken AS ({wake}) SELECT repeats FROM event"  # noqa: S608
    row: list[Any] = [event.account_id, version] if version else []
    with asked_often() as cursor:
        cursor.execute(sql, [pk, *_values(event), *row, *woken])
        stored = cursor.fetchone()
    if stored is None:
        raise AnotherAccount
    return not stored[0]


def _values(event: WebhookEvent) -> list[Any]:
    if connection.vendor == "sqlite":
        return [field.get_db_prep_save(field.pre_save(event, True), connection) for field in _FIELDS]
    return [
        getattr(event, field.attname) if plain else field.get_db_prep_save(field.pre_save(event, True), connection)
        for field, plain in _PREPARED
    ]


@functools.cache
def _insert_sql(*, with_pk: bool, for_version: bool) -> str:
    quote = connection.ops.quote_name
    columns = [*(["id"] if with_pk else []), *(quote(field.column or "") for field in _FIELDS)]
    table, values = quote(WebhookEvent._meta.db_table), ", ".join(["%s"] * len(columns))
    unchanged = f"SELECT {values} FROM {quote(Account._meta.db_table)} WHERE id = %s AND {door.VERSION} = %s"  # noqa: S608
    return (  # names of our own columns; every value is a parameter
        f"INSERT INTO {table} ({', '.join(columns)}) {unchanged if for_version else f'VALUES ({values})'}"
        f" ON CONFLICT (account_id, event_id) DO UPDATE SET repeats = {table}.repeats + 1 RETURNING id, repeats"
    )


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
            shop = shop_for(account)
            shop.heard_at = event.received_at
            account.service().process(stored_call(event), shop)
        except Unsupported as error:  # it is kept and shown, and there is nothing to try again
            return Done(str(error), failure=error.kind or "unsupported")
        except NotFound as error:
            # What it speaks of may be so new that the marketplace's own reads lag behind its events.
            if timezone.now() - event.received_at > LAG:
                raise
            raise TemporaryError(str(error), kind=error.kind, retry_after=LAG_LOOK_SECONDS) from error
        return None

    return outgoing.run(WebhookEvent, pk, work)
