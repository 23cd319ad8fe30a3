"""Tell people of alerts: gather them into messages, and send each by mail or webhook until it has arrived.

A message is a row, made in the transaction that marks its alerts as told, so none is lost; a worker may die anywhere, and
then the message goes twice, under the same id. The first alert of a kind waits half a minute for others of its kind, and
what comes soon after a message waits to become one together: a message tells of one event or of hundreds.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import requests
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import Max, Q
from django.urls import reverse
from django.utils import timezone

from backoffice import queue
from backoffice.addresses import public_session, unsafe_address
from backoffice.alerts import URGENT
from backoffice.crypto import CannotOpen
from backoffice.models import Alert, AlertMessage, AlertRule

log = logging.getLogger(__name__)

State, Channel = AlertMessage.State, AlertMessage.Channel

SEND = "backoffice.tasks.send_alert"
GATHER, SPACING, URGENT_SPACING = timedelta(seconds=30), timedelta(minutes=10), timedelta(minutes=2)
TOLD_AT_ONCE, LISTED = 2000, 20
MAX_ATTEMPTS, FIRST_PAUSE, LONGEST_PAUSE = 80, timedelta(seconds=10), timedelta(hours=1)
CALL_SECONDS = 10
LOST_AFTER = timedelta(seconds=settings.LOST_AFTER_SECONDS)  # longer than a task may run
GRACE = timedelta(seconds=5)


class NotSent(Exception):
    """A message did not go; the text is for people and holds no address and no secret."""


# --- gather ----------------------------------------------------------------------------------------------------------


def tell() -> int:
    """Put the alerts that nobody was told of into messages of the rules that want them; returns how many. Safe to repeat."""
    now = timezone.now()
    with transaction.atomic():
        skips = connection.features.has_select_for_update_skip_locked
        untold = Alert.objects.filter(told_at=None).order_by("pk")
        fresh = list(untold.select_for_update(no_key=True, skip_locked=skips)[:TOLD_AT_ONCE])
        if not fresh:
            return 0
        by_kind: dict[str, list[Alert]] = {}
        for alert in fresh:
            by_kind.setdefault(alert.kind, []).append(alert)
        # Everybody in the same order, so that no two wait for each other.
        for rule in AlertRule.objects.filter(is_enabled=True).order_by("pk"):
            for channel in channels(rule):
                for kind in sorted(kind for kind in by_kind if rule.wants(kind)):
                    _add(rule, channel, kind, by_kind[kind], now)
        Alert.objects.filter(pk__in=[alert.pk for alert in fresh]).update(told_at=now)
        if len(fresh) == TOLD_AT_ONCE:
            queue.enqueue("backoffice.tasks.tell_alerts")
    return len(fresh)


def channels(rule: AlertRule) -> list[str]:
    """How a rule tells; one that can't be opened has a message that says so."""
    try:
        return [
            *([Channel.MAIL] if rule.addresses else []),
            *([Channel.WEBHOOK] if rule.webhook_url else []),
        ]
    except CannotOpen:
        return [Channel.MAIL]


def _add(rule: AlertRule, channel: str, kind: str, alerts: Sequence[Alert], now: datetime) -> None:
    """Let alerts of a kind join the message that gathers, or begin one."""
    quiet_end = None if kind in URGENT else rule.quiet_end(now)
    bundle = "" if quiet_end else kind
    due = quiet_end or max(now + (timedelta() if kind in URGENT else GATHER), _spaced(rule, channel, kind))
    message, is_new = AlertMessage.objects.select_for_update(no_key=True).get_or_create(
        rule=rule, channel=channel, bundle=bundle, state=State.GATHERING, defaults={"next_try_at": due}
    )
    message.alerts.add(*alerts)
    if is_new:
        queue.enqueue_at(due, SEND, str(message.pk))


def _spaced(rule: AlertRule, channel: str, kind: str) -> datetime:
    """When the next message about a kind may go."""
    sent = AlertMessage.objects.filter(rule=rule, channel=channel, bundle=kind, sent_at__isnull=False)
    last = sent.aggregate(last=Max("sent_at"))["last"]
    spacing = URGENT_SPACING if kind in URGENT else SPACING
    return last + spacing if last else timezone.now()


# --- send ------------------------------------------------------------------------------------------------------------


def send(pk: str) -> bool:
    """Send a message that is due; False when it is not. Safe to repeat and to run at once."""
    message = _claim(pk)
    if message is None:
        return False
    try:
        _carry(message)
    except (NotSent, CannotOpen) as problem:
        _failed(message, problem.advice if isinstance(problem, CannotOpen) else str(problem))
    except Exception as error:
        # Its text may hold an address; its kind and the log's place say enough.
        log.warning("alert message %s did not go: %s", message.pk, type(error).__name__)
        _failed(
            message, f"It could not be sent ({type(error).__name__}). Look at the mail settings, or at the address."
        )
    else:
        _record(message, state=State.DONE, sent_at=timezone.now(), last_error="", next_try_at=None)
    return True


def _claim(pk: str) -> AlertMessage | None:
    now = timezone.now()
    with transaction.atomic():
        waiting = AlertMessage.objects.filter(pk=pk, state__in=[State.GATHERING, State.DUE], next_try_at__lte=now)
        message = waiting.select_for_update(no_key=True, of=("self",)).select_related("rule").first()
        if message is None:
            return None
        if not message.rule.is_enabled:
            message.state, message.last_error = State.DONE, "The rule was switched off."
            message.save(update_fields=["state", "last_error"])
            return None
        quiet_end = message.rule.quiet_end(now)
        if quiet_end and not message.alerts.filter(kind__in=URGENT).exists():
            message.next_try_at = quiet_end
            message.save(update_fields=["next_try_at"])
            queue.enqueue_at(quiet_end, SEND, str(message.pk))
            return None
        message.state, message.in_flight_since = State.IN_FLIGHT, now
        message.attempts += 1
        message.save(update_fields=["state", "in_flight_since", "attempts"])
    return message


def _failed(message: AlertMessage, reason: str) -> None:
    if message.attempts >= MAX_ATTEMPTS:
        _record(message, state=State.NEEDS_ATTENTION, last_error=reason[:300], next_try_at=None)
        return
    pause = min(FIRST_PAUSE * 2 ** min(message.attempts - 1, 20), LONGEST_PAUSE)
    _record(message, state=State.DUE, last_error=reason[:300], next_try_at=timezone.now() + pause)
    queue.enqueue_at(timezone.now() + pause, SEND, str(message.pk))


def _record(message: AlertMessage, **values: object) -> None:
    # in_flight_since is the fence: who was believed dead must not overwrite who took its place.
    mine = AlertMessage.objects.filter(pk=message.pk, state=State.IN_FLIGHT, in_flight_since=message.in_flight_since)
    mine.update(in_flight_since=None, **values)


def send_again(message: AlertMessage) -> bool:
    """A person asks for another try; False while it is in flight or was never put off. Safe to repeat."""
    mine = AlertMessage.objects.filter(pk=message.pk, state__in=[State.DUE, State.NEEDS_ATTENTION, State.DONE])
    is_due = bool(mine.update(state=State.DUE, attempts=0, next_try_at=timezone.now()))
    if is_due:
        queue.enqueue(SEND, str(message.pk))
    return is_due


def due() -> list[str]:
    """The ids of messages that should be on their way."""
    waiting = AlertMessage.objects.filter(Q(next_try_at__lte=timezone.now()), state__in=[State.GATHERING, State.DUE])
    return [str(pk) for pk in waiting.order_by("next_try_at").values_list("pk", flat=True)[:200]]


def sweep() -> int:
    """Find messages that lost their worker or wake-up, and wake workers for them; returns how many. Safe to repeat."""
    now = timezone.now()
    lost = AlertMessage.objects.filter(state=State.IN_FLIGHT, in_flight_since__lt=now - LOST_AFTER)
    lost.update(state=State.DUE, next_try_at=now, in_flight_since=None)
    pks = due()
    for pk in pks:
        queue.enqueue(SEND, pk)
    return len(pks)


# --- what it says ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """A message in words."""

    title: str
    alerts: list[Alert]
    more: int


def said(message: AlertMessage) -> Said:
    """What a message tells: its newest alerts, and how many more there are."""
    count = message.alerts.count()
    listed = list(message.alerts.order_by("kind", "-pk")[:LISTED])
    kinds = dict.fromkeys(alert.get_kind_display() for alert in listed)
    title = str(listed[0]) if count == 1 else f"{count} alerts: {', '.join(kinds)}"
    return Said(" ".join(title.split())[:150], listed, count - len(listed))


def _carry(message: AlertMessage) -> None:
    if message.channel == Channel.MAIL:
        _mail(message)
    else:
        _post(message)


def _mail(message: AlertMessage) -> None:
    content = said(message)
    mail = EmailMessage(
        subject=f"[Back office] {content.title}",
        body="\n".join(_lines(content)),
        to=list(message.rule.addresses),
        headers={"Message-ID": f"<{message.pk}@alerts.back-office>", "Auto-Submitted": "auto-generated"},
    )
    mail.send()


def _lines(content: Said) -> Iterator[str]:
    for alert in content.alerts:
        over = " (over by now)" if alert.settled_at else ""
        yield f"{alert.get_kind_display()}: {alert.text}{over}"
        if alert.link:
            yield f"    {settings.PUBLIC_BASE_URL}{alert.link}"
        yield ""
    if content.more:
        yield f"And {content.more} more."
    yield f"All of them: {settings.PUBLIC_BASE_URL}{reverse('admin:backoffice_alert_changelist')}"


def _post(message: AlertMessage) -> None:
    """POST what it says as JSON, signed over time and body with HMAC-SHA256. Raises NotSent unless it was taken."""
    url, secret = message.rule.webhook_url or "", message.rule.webhook_secret or ""
    is_local = settings.ALLOW_LOCAL_MARKETPLACES
    if reason := unsafe_address(url, allow_local=is_local):
        raise NotSent(f"The webhook's address is refused: {reason}.")
    body, at = json.dumps(payload(message)).encode(), str(int(timezone.now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "X-Alert-Id": str(message.pk),
        "X-Alert-Timestamp": at,
        "X-Alert-Signature": signature(secret, at, body),
    }
    made = requests.Session() if is_local else public_session()
    made.trust_env = False
    with made:
        try:
            answer = made.post(
                url, data=body, headers=headers, timeout=CALL_SECONDS, allow_redirects=False, stream=True
            )
        except requests.RequestException as error:
            raise NotSent(f"The webhook could not be reached ({type(error).__name__}).") from None
        if not 200 <= answer.status_code < 300:
            raise NotSent(f"The webhook answered {answer.status_code}.")


def payload(message: AlertMessage) -> dict[str, object]:
    """The JSON of a webhook. `id` is the same on every repeat of a message; times are UTC."""
    content = said(message)
    return {
        "id": str(message.pk),
        "title": content.title,
        "more": content.more,
        "alerts": [
            {
                "id": alert.pk,
                "kind": alert.kind,
                "subject": alert.subject,
                "text": alert.text,
                "url": f"{settings.PUBLIC_BASE_URL}{alert.link}" if alert.link else "",
                "count": alert.count,
                "since": alert.first_at.isoformat(),
                "settled": alert.settled_at is not None,
            }
            for alert in content.alerts
        ],
    }


def signature(secret: str, at: str, body: bytes) -> str:
    """The value of X-Alert-Signature: sha256= and the HMAC of `<timestamp>.<body>` in hex."""
    return "sha256=" + hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
