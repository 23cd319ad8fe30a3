"""What every room needs a row for."""

import uuid
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy as _

from backoffice import clock, environment
from backoffice.comfort import (
    Change as Change,
    DefaultFilter as DefaultFilter,
    Preference as Preference,
    SavedFilter as SavedFilter,
)
from backoffice.crypto import EncryptedField
from backoffice.second_factor.models import (
    Authenticator as Authenticator,
    RecoveryCode as RecoveryCode,
    RecoveryCodes as RecoveryCodes,
    SecondFactorEvent as SecondFactorEvent,
)


class Heartbeat(models.Model):
    """The last time a worker ran a task to its end; one row a name."""

    name = models.CharField(max_length=50, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("heartbeat")

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def is_fresh(self) -> bool:
        return timezone.now() - self.at < timedelta(seconds=settings.HEARTBEAT_STALE_SECONDS)


class Run(models.Model):
    """A bulk action on its way: who asked for what, for which rows, and how far it is. See backoffice.runs."""

    kind = models.CharField(max_length=200, editable=False)  # dotted path of its runs.Kind
    title = models.CharField(max_length=200)
    said = models.JSONField("what was asked for", default=dict, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="runs")
    token = models.CharField(max_length=40, unique=True, editable=False)  # a form that is sent twice makes one run
    total = models.PositiveIntegerField("rows", default=0)
    created_at = models.DateTimeField(default=timezone.now)
    stepped_at = models.DateTimeField("last step", null=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.CharField(max_length=150, blank=True)
    told_at = models.DateTimeField(null=True, editable=False)  # when who started it was told of its end

    class Meta:
        indexes = [
            models.Index(fields=["-created_at"]),
            models.Index(fields=["stepped_at"], name="run_under_way", condition=Q(ended_at=None)),
            models.Index(fields=["by"], name="run_to_tell", condition=Q(ended_at__isnull=False, told_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.title}, {clock.said(self.created_at)}"


class RunItem(models.Model):
    """One row of a run, and what became of it."""

    class State(models.TextChoices):
        DUE = "due", "to do"
        WAITING = "waiting", "under way"
        DONE = "done", "done"
        UNCHANGED = "unchanged", "nothing to do"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    run = models.ForeignKey(Run, models.CASCADE, related_name="items", db_index=False)
    target = models.CharField("row", max_length=40)  # its primary key
    state = models.CharField(max_length=10, choices=State.choices, default=State.DUE)
    text = models.CharField("result", max_length=500, blank=True)

    class Meta:
        verbose_name = _("row of a run")
        verbose_name_plural = _("rows of runs")
        constraints = [models.UniqueConstraint(fields=["run", "target"], name="one_item_per_row_of_a_run")]
        indexes = [models.Index(fields=["run", "state", "id"], name="run_item_by_state")]

    def __str__(self) -> str:
        return f"{self.target}: {self.get_state_display()}"


class Alert(models.Model):
    """Something that a person should know of; open until its cause is gone. Raised by backoffice.alerts alone."""

    class Kind(models.TextChoices):
        LOW_STOCK = "low_stock", "low stock"
        DELIVERY = "delivery", "delivery needs attention"
        JOB_STUCK = "job_stuck", "job stuck"
        ACCOUNT = "account", "account in trouble"
        DIFFERENCES = "differences", "differences found"
        REVEALS = "reveals", "many codes revealed"
        PRICE_FLOOR = "price_floor", "price below floor"
        WORKERS = "workers", "workers stand still"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    subject = models.CharField(max_length=200, help_text=_("What it is about; one open alert for each."))
    text = models.CharField(max_length=500)
    link = models.CharField(max_length=300, blank=True, help_text=_("Where it can be looked at, as a path."))
    count = models.PositiveIntegerField("times", default=1, help_text=_("How often it was raised while it was open."))
    first_at = models.DateTimeField("since", default=timezone.now)
    last_at = models.DateTimeField("last", default=timezone.now)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField("settled", null=True, blank=True, help_text=_("When its cause was gone."))
    told_at = models.DateTimeField(null=True, editable=False)  # when it was put into the messages of every rule

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(settled_at=None), name="one_open_alert_per_subject"
            )
        ]
        indexes = [
            models.Index(fields=["-last_at"]),
            models.Index(fields=["-last_at"], name="alert_open", condition=Q(settled_at=None)),
            models.Index(fields=["id"], name="alert_to_tell", condition=Q(told_at=None)),
        ]
        permissions = [("acknowledge_alert", "Can acknowledge alerts")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"


class AlertRule(models.Model):
    """Who is told of which alerts, and how."""

    trail_fields = ("name", "is_enabled", "kinds", "quiet_from", "quiet_until", "time_zone")
    trail_secrets = ("addresses", "webhook_url", "webhook_secret")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)  # known before anything is sealed
    name = models.CharField(max_length=100, unique=True)
    is_enabled = models.BooleanField("enabled", default=True)
    kinds = models.JSONField(default=list, blank=True)  # none means all
    addresses = EncryptedField(default=list, blank=True)
    webhook_url = EncryptedField(null=True, blank=True)  # its path may be a secret
    webhook_secret = EncryptedField(null=True, blank=True)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(
        null=True,
        blank=True,
        help_text=_("What comes in between is sent as one message afterwards; urgent kinds at once."),
    )
    time_zone = models.CharField(max_length=60, default="UTC", help_text=_("Such as Europe/Berlin."))

    class Meta:
        verbose_name = _("alert rule")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValidationError({"quiet_until": gettext("Give both times, or none.")})
        try:
            environment.time_zone(self.time_zone)
        except ValueError:
            raise ValidationError({"time_zone": gettext("Name a time zone, such as Europe/Berlin.")}) from None

    def wants(self, kind: str) -> bool:
        return not self.kinds or kind in self.kinds

    def quiet_end(self, now: datetime) -> datetime | None:
        """When the quiet hours that it is in now end; None outside of them."""
        start, end = self.quiet_from, self.quiet_until
        if start is None or end is None or start == end:
            return None
        local = now.astimezone(ZoneInfo(self.time_zone))
        clock = local.time()
        is_quiet = start <= clock < end if start < end else clock >= start or clock < end
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1 if clock >= end else 0)
        return datetime.combine(day, end, tzinfo=local.tzinfo)


class AlertMessage(models.Model):
    """One message of a rule, by mail or webhook, about one alert or many; see backoffice.alert_messages."""

    class Channel(models.TextChoices):
        MAIL = "mail", "e-mail"
        WEBHOOK = "webhook", "webhook"

    class State(models.TextChoices):
        GATHERING = "gathering", "gathering"  # more alerts may still join it
        DUE = "due", "due"
        IN_FLIGHT = "in_flight", "in flight"
        DONE = "done", "done"
        NEEDS_ATTENTION = "needs_attention", "needs attention"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="messages")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    bundle = models.CharField(
        "about", max_length=20, blank=True, help_text=_("A kind of alerts; empty after quiet hours.")
    )
    alerts = models.ManyToManyField(Alert, related_name="messages")
    state = models.CharField(max_length=20, choices=State.choices, default=State.GATHERING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    in_flight_since = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("alert message")
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "channel", "bundle"], condition=Q(state="gathering"), name="one_gathering_alert_message"
            )
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="alert_message_waiting",
                condition=~Q(state__in=["done", "needs_attention"]),
            ),
            models.Index(fields=["-created_at"]),
            models.Index(fields=["rule", "channel", "bundle", "-sent_at"], name="alert_message_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} of {clock.said(self.created_at)}"
