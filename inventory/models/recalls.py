"""Codes that went bad, and were called back wherever they are."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inventory.models.stock import Code


class Recall(models.Model):
    """Codes that a person called back together, and why. What is in it is never for sale again."""

    reason = models.CharField(max_length=300)
    by = models.CharField("called back by", max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at"]
        permissions = [("recall_code", "Can call codes back")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d} {self.reason}"


class RecalledCode(models.Model):
    """One code of a recall, and where it was then. While this row is there, no way leads back into the pool."""

    recall = models.ForeignKey(Recall, models.PROTECT, related_name="codes")
    code = models.OneToOneField(Code, models.PROTECT, related_name="recalled")
    was = models.CharField(max_length=10, choices=Code.State.choices, help_text=_("Its state when it was called back."))

    class Meta:
        verbose_name = _("recalled code")
        indexes = [models.Index(fields=["recall", "was"])]

    def __str__(self) -> str:
        return f"code {self.code_id}"
