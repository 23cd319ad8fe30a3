"""Feeds: many offers that a marketplace was asked to create at once, and whether they are there."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marketplaces.models import Account, Outgoing, waiting_index


class Feed(Outgoing):
    """A list of new offers that was given to a marketplace, which works on it without telling how far it is.

    `state` is the work that is left, `status` what is known of the offers. It is never sent twice by itself.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "to be sent"
        UNANSWERED = "unanswered", "no answer, perhaps taken"
        QUEUED = "queued", "taken, being looked for"
        CONFIRMED = "confirmed", "all are there"
        PARTLY = "partly", "some are there"
        UNCONFIRMED = "unconfirmed", "none was found"
        DROPPED = "dropped", "given up"

    SENT = (Status.UNANSWERED, Status.QUEUED)
    MISSING = (Status.PARTLY, Status.UNCONFIRMED)

    task = "inventory.tasks.advance_feed"

    account = models.ForeignKey(Account, models.PROTECT, related_name="feeds")
    external_id = models.CharField(
        "number",
        max_length=100,
        blank=True,
        help_text=_("The marketplace's number of this work, as its mails name it."),
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.WAITING)
    size = models.PositiveIntegerField("offers")
    by = models.CharField("asked by", max_length=150)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True, help_text=_("From here on the marketplace may have it."))
    checked_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [waiting_index("feed_waiting"), models.Index(fields=["account", "-created_at"])]

    def __str__(self) -> str:
        return f"feed {self.external_id or self.pk}"
