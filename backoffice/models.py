"""What every room needs a row for."""

from datetime import timedelta

from django.conf import settings
from django.db import models
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
