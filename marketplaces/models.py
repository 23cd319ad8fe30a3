"""Accounts, what came in, what went out."""

import logging
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy as _

from backoffice import correlation
from backoffice.crypto import CannotOpen, EncryptedField
from backoffice.rows import asked_often
from marketplaces import budget, services
from marketplaces.base import MarketplaceService
from marketplaces.budget import Meter
from marketplaces.exceptions import ConfigurationError
from marketplaces.http import Client, unsafe_address
from marketplaces.rows import Outgoing as Outgoing, text_index as text_index, waiting_index as waiting_index
from marketplaces.types import CallRecord, Connection, Urgency

log = logging.getLogger(__name__)

# How long a row whose account is set up wrong waits before it tries whether that was mended.
TROUBLE_PAUSE = timedelta(minutes=5)
# Answers of a marketplace that is not well, whoever asks for what.
DOWN = frozenset({500, 502, 503, 504, 507})
# A success is noted once in so long.
SUCCESS_LASTS = timedelta(seconds=30)


class Account(models.Model):
    """One account of ours on one marketplace."""

    trail_fields = ("name", "marketplace", "base_url", "options", "is_sandbox", "is_enabled")
    trail_secrets = ("credentials", "webhook_secrets", "registered_url")  # an address may hold a secret, too

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True, help_text=_("What you call it, such as “Main shop”."))
    marketplace = models.CharField(max_length=40, choices=services.choices)
    base_url = models.CharField(
        max_length=200,
        blank=True,
        help_text=_("Only when the marketplace told you another host than its usual one. Empty is right."),
    )
    credentials = EncryptedField(default=dict, blank=True)
    webhook_secrets = EncryptedField(default=list, blank=True)
    options = models.JSONField(default=dict, blank=True)
    registered_url = models.CharField(
        max_length=500,
        blank=True,
        help_text=_(
            "The webhook address exactly as it was entered at the marketplace; signatures are made over this "
            "text. Empty means the address shown here."
        ),
    )
    is_sandbox = models.BooleanField(
        "play account", default=False, help_text=_("Labelled everywhere and left out of reports.")
    )
    is_enabled = models.BooleanField(
        "enabled", default=True, help_text=_("Off: nothing is sent, and what comes in is stored and waits.")
    )
    # When a person sent the letter that orders notifications, and its wording, which holds the webhook address.
    letter_sent = EncryptedField(null=True, blank=True, editable=False)
    trouble = models.TextField(blank=True, editable=False)
    trouble_since = models.DateTimeField(null=True, editable=False)
    last_success_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(
        null=True, editable=False, help_text=_("The marketplace can't be reached or has errors of its own; rows wait.")
    )
    refused_calls = models.PositiveIntegerField(default=0, editable=False)
    last_refused = models.TextField(blank=True, editable=False)
    last_refused_at = models.DateTimeField(null=True, editable=False)
    events_read_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} (play)" if self.is_sandbox else self.name

    def clean(self) -> None:
        if self.base_url:
            reason = unsafe_address(self.base_url, allow_local=settings.ALLOW_LOCAL_MARKETPLACES)
            if reason:
                raise ValidationError(
                    {"base_url": gettext("This address is refused: %(reason)s.") % {"reason": reason}}
                )

    @property
    def service_class(self) -> type[MarketplaceService]:
        """The marketplace's class; KeyError when its folder is gone."""
        return services.get_service(self.marketplace)

    @property
    def hook_url(self) -> str:
        """Where the marketplace reaches us, for people to copy. It may hold a secret."""
        address, service = f"{settings.PUBLIC_BASE_URL}/hooks/{self.pk}/", services.all_services().get(self.marketplace)
        try:
            return address + (service.hook_path(self.credentials, self.all_options()) if service else "")
        except CannotOpen:  # whoever looks at its credentials is told
            return address

    def all_options(self) -> dict[str, Any]:
        """Every option's value by its name."""
        return {field.name: self.option(field.name) for field in self.service_class.options}

    def option(self, name: str) -> Any:
        """The option's value, or its marketplace's default."""
        default = next(field.default for field in self.service_class.options if field.name == name)
        return self.options.get(name, default)

    def can(self, operation: str) -> bool:
        """Say whether its marketplace can do `operation` the way that this account speaks with it. Asks nobody."""
        service = self.service_class
        return service.can(operation, {field.name: self.option(field.name) for field in service.options})

    def connection(self) -> Connection:
        service = self.service_class
        return Connection(
            account_id=str(self.pk),
            name=self.name,
            base_url=(self.base_url or service.default_base_url).rstrip("/"),
            hook_url=self.registered_url or self.hook_url,
            credentials=self.credentials,
            options=self.all_options(),
            webhook_secrets=self.webhook_secrets,
        )

    def service(self, *, is_patient: bool = False) -> MarketplaceService:
        """Open a line to the marketplace. A patient one waits for its budget, as a command may; a worker must not.

        Raises ConfigurationError when the credentials can't be opened.
        """
        try:
            connection = self.connection()
        except CannotOpen as error:
            text = f'Account "{self.name}": its credentials can\'t be opened. {error.advice}'
            raise ConfigurationError(text, kind="configuration") from error
        meter = self._meter()
        client = Client(
            base_url=connection.base_url,
            budget=meter.take if meter else self._take_at_pace,
            meter=meter,
            hold_off=self.hold_off,
            record=self.record_call,
            secret_keys=self.service_class.secret_keys,
            secrets=[*connection.credentials.values(), *connection.webhook_secrets],
            allow_local=settings.ALLOW_LOCAL_MARKETPLACES,
            is_patient=is_patient,
        )
        return self.service_class(connection, client)

    def _meter(self) -> Meter | None:
        """What counts this client's calls, where the marketplace counts them over a window."""
        service = self.service_class
        if not service.budget_window:
            return None
        return Meter(self.pk, self.option("requests_per_minute"), service.budget_window, service.budget_kept)

    def hold_off(self, seconds: float) -> None:
        """Let all calls of this account wait: its marketplace asked to slow down."""
        budget.hold_off(self.pk, seconds)

    def _take_at_pace(self, requests: int, urgency: Urgency) -> float:
        return budget.take(
            self.pk,
            per_minute=self.option("requests_per_minute"),
            burst=self.service_class.budget_burst,
            requests=requests,
            urgency=urgency,
        )

    def record_call(self, record: CallRecord) -> None:
        """Keep a finished request, and whether the marketplace was there; runs outside any transaction of the caller, so
        that no rollback can take it back.
        """
        is_down = bool(record.error) or record.status in DOWN
        if is_down:
            budget.unavailable(self.pk)
        answered = record.error or record.status
        log.info("Call %s of account %s: %s after %d ms", record.operation, self.pk, answered, record.milliseconds)
        ApiCall.keep(self, record, is_sound=not is_down)

    def call_refused(self, reason: str) -> None:
        """Count a call that failed verification, and keep why, to help with the set-up."""
        Account.objects.filter(pk=self.pk).update(
            refused_calls=F("refused_calls") + 1, last_refused=reason, last_refused_at=timezone.now()
        )

    def has_trouble(self, text: str) -> None:
        """Note that the account is set up wrong; its rows wait, and one a while tries whether that was mended."""
        self.trouble, self.trouble_since = text, timezone.now()
        self.save(update_fields=["trouble", "trouble_since"])

    def is_failing(self) -> None:
        """Note that the marketplace is out of reach, the first time it is."""
        Account.objects.filter(pk=self.pk, failing_since=None).update(failing_since=timezone.now())

    def works(self) -> bool:
        """Note a success; free when nothing changed, since every delivery says it. True when it ends an outage.

        What has changed since this account was read is noted by the next success.
        """
        now, mine = timezone.now(), Account.objects.filter(pk=self.pk)
        is_known = self.last_success_at is not None and now - self.last_success_at < SUCCESS_LASTS
        if is_known and self.failing_since is None and not self.trouble:
            return False
        stale = Q(last_success_at=None) | Q(last_success_at__lt=now - SUCCESS_LASTS) | ~Q(trouble="")
        was_down = mine.exclude(failing_since=None).update(failing_since=None, last_success_at=now)
        mine.filter(stale).update(last_success_at=now, trouble="", trouble_since=None)
        return bool(was_down)

    @property
    def is_stopped(self) -> bool:
        """True while nothing should be sent: switched off, or in trouble since a moment ago."""
        in_trouble = self.trouble_since is not None and timezone.now() - self.trouble_since < TROUBLE_PAUSE
        return not self.is_enabled or in_trouble


class Budget(models.Model):
    """What an account may send, and when: all times in seconds since 1970; see marketplaces.budget."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True)
    used_until = models.FloatField(default=0)
    # Until then a delivery waits for its requests, and everybody else waits for the delivery.
    wanted_until = models.FloatField(default=0)
    # The calls of the last window and who waits for one; see marketplaces.window.
    calls = models.TextField(default="", blank=True)
    # Until then nothing is sent: the marketplace asked for it.
    blocked_until = models.FloatField(default=0)
    # Calls in a row without a sound answer, and when the next one may be tried that is no delivery.
    failures = models.PositiveIntegerField(default=0)
    probe_at = models.FloatField(default=0)


class ApiCall(models.Model):
    """One request of ours and its answer, masked. Kept for 30 days."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="calls", db_index=False)
    operation = models.CharField(max_length=40)
    about = models.CharField(max_length=100, blank=True)
    method = models.CharField(max_length=10)
    url = models.CharField(max_length=500)
    status = models.PositiveSmallIntegerField(null=True)
    request = models.TextField(blank=True)
    response = models.TextField(blank=True)
    error = models.CharField(max_length=100, blank=True)
    milliseconds = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("call")
        indexes = [
            models.Index(fields=["account", "-started_at"]),
            text_index("about", "call_by_about"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} at {timezone.localtime(self.started_at):%Y-%m-%d %H:%M:%S}"

    @classmethod
    def keep(cls, account: Account, record: CallRecord, *, is_sound: bool) -> None:
        """Write a finished request down, and where its answer was sound that an outage is over: one statement, as there
        are many.
        """
        call = cls(
            account=account,
            operation=record.operation,
            about=record.about[:100],
            method=record.method,
            url=record.url[:500],
            status=record.status,
            request=record.request,
            response=record.response,
            error=record.error,
            milliseconds=record.milliseconds,
            started_at=record.started_at,
        )
        fields = [field for field in cls._meta.concrete_fields if not field.primary_key]
        names = ", ".join(str(field.column) for field in fields)
        sql = f"INSERT INTO {cls._meta.db_table} ({names}) VALUES ({', '.join(['%s'] * len(fields))})"  # noqa: S608
        values = [field.get_db_prep_save(getattr(call, field.attname), connection) for field in fields]
        if is_sound and connection.vendor == "sqlite":  # where a WITH holds no UPDATE
            budget.available(account.pk)
        elif is_sound:
            sql, values = f"WITH works AS ({budget.WORKS}) {sql}", [account.pk, *values]
        with asked_often() as cursor:
            cursor.execute(sql, values)


class WebhookEvent(Outgoing):
    """A verified call as it came in: evidence first, work second."""

    class Source(models.TextChoices):
        HOOK = "hook", "webhook"
        LOG = "log", "marketplace's own log"

    task = "marketplaces.tasks.process_event"

    account = models.ForeignKey(Account, models.CASCADE, related_name="events", db_index=False)
    event_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=100)
    subject = models.CharField(max_length=100, blank=True)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.HOOK)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=200, blank=True)
    headers = models.JSONField(default=dict)
    body = EncryptedField(bound_to="event_id")
    repeats = models.PositiveIntegerField(default=0)
    answer_status = models.PositiveSmallIntegerField(
        "answered", null=True, blank=True, help_text=_("The HTTP status of an answer that was given at once.")
    )
    answered_ms = models.PositiveIntegerField(
        "answered within",
        null=True,
        blank=True,
        editable=False,
        help_text=_("Milliseconds, to be held against a deadline."),
    )
    happened_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(db_index=True)
    remark = models.CharField(max_length=200, blank=True, help_text=_("What was noticed at the door."))

    # An event without a method was erased: its body, too, is gone.
    ERASED = Q(method="")

    class Meta:
        verbose_name = _("event")
        constraints = [models.UniqueConstraint(fields=["account", "event_id"], name="one_event_per_account_and_id")]
        indexes = [
            waiting_index("event_waiting"),
            models.Index(fields=["state", "-received_at"]),
            text_index("subject", "event_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".strip()

    @property
    def correlation(self) -> str:
        return correlation.of(self.account_id, self.subject) if self.subject else super().correlation


class Pump(models.Model):
    """Who works off an account's rows of one kind, and for when the next turn is planned; see marketplaces.pump."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="pumps")
    kind = models.CharField(max_length=60)
    leased_until = models.DateTimeField(null=True)
    planned_at = models.DateTimeField(null=True)
    # Of rows that are collected: since when, when the last batch went, and the last one that went before others.
    collecting_since = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    urgent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "kind"], name="one_pump_per_account_and_kind")]


class Job(Outgoing):
    """Work that a marketplace goes on with after its answer; followed until it ends."""

    class Result(models.TextChoices):
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    task = "marketplaces.tasks.follow_job"
    is_pumped = True

    account = models.ForeignKey(Account, models.CASCADE, related_name="jobs", db_index=False)
    external_id = models.CharField("job id", max_length=100)
    purpose = models.CharField(max_length=200, help_text=_("What it was started for."))
    status_word = models.CharField("marketplace's status", max_length=60, blank=True)
    result = models.CharField(max_length=10, choices=Result.choices, blank=True, help_text=_("Empty while it runs."))
    is_stuck = models.BooleanField(
        "stuck",
        default=False,
        help_text=_("It takes longer than any job should. It has not failed and is still watched."),
    )
    resource_id = models.CharField(max_length=100, blank=True, help_text=_("What it made."))
    reason = models.CharField(max_length=500, blank=True)
    polls = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "external_id"], name="one_job_per_external_id")]
        indexes = [
            waiting_index("job_waiting"),
            models.Index(
                fields=["account", "next_try_at"], name="job_to_poll", condition=Q(state__in=["due", "unknown"])
            ),
            models.Index(fields=["-started_at"]),
            text_index("external_id", "job_by_id"),
        ]

    def __str__(self) -> str:
        return self.external_id


class CatalogueProduct(models.Model):
    """A product of a marketplace's catalogue, mirrored so that an offer can be started from it."""

    marketplace = models.CharField(max_length=40)
    external_id = models.CharField(max_length=100)
    name = models.CharField(max_length=300)
    category = models.CharField(max_length=200, blank=True)
    brand = models.CharField(max_length=200, blank=True)
    region = models.CharField(max_length=100, blank=True)
    price = models.DecimalField(
        "lowest price",
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        help_text=_("At which it is sold there."),
    )
    currency = models.CharField(max_length=3, blank=True)
    available = models.PositiveIntegerField(null=True, blank=True, help_text=_("Units that all sellers have there."))
    rank = models.PositiveIntegerField(
        "best seller", null=True, blank=True, db_index=True, help_text=_("Its place among what sells best there.")
    )
    raw = models.JSONField(default=dict)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("catalogue product")
        constraints = [
            models.UniqueConstraint(fields=["marketplace", "external_id"], name="one_catalogue_product_per_id")
        ]
        indexes = [models.Index(fields=["name"])]

    def __str__(self) -> str:
        return self.name
