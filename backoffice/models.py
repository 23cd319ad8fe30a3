"""What every room needs a row for."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Heartbeat(models.Model):
    """The last time a worker ran a task to its end; one row a name."""

    name = models.CharField(max_length=50, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = "heartbeat"

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
        return f"{self.title}, {self.created_at:%Y-%m-%d %H:%M}"


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
        verbose_name = "row of a run"
        verbose_name_plural = "rows of runs"
        constraints = [models.UniqueConstraint(fields=["run", "target"], name="one_item_per_row_of_a_run")]
        indexes = [models.Index(fields=["run", "state", "id"], name="run_item_by_state")]

    def __str__(self) -> str:
        return f"{self.target}: {self.get_state_display()}"
