"""What is to be done for a buyer who has a code that was called back."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inventory.models import Code, Recall
from orders.models.orders import DeliveryItem


class Remedy(models.Model):
    """One sold code of a recall: a person decides whether the buyer gets another or the money back."""

    class Kind(models.TextChoices):
        OPEN = "open", "to be decided"
        REPLACED = "replaced", "replaced"
        REFUNDED = "refunded", "refunded"
        NONE = "none", "nothing to do"

    recall = models.ForeignKey(Recall, models.PROTECT, related_name="remedies")
    item = models.OneToOneField(DeliveryItem, models.PROTECT, related_name="remedy")
    kind = models.CharField("remedy", max_length=10, choices=Kind.choices, default=Kind.OPEN)
    replacement = models.OneToOneField(Code, models.PROTECT, null=True, blank=True, related_name="replaces")
    by = models.CharField("decided by", max_length=150, blank=True)
    at = models.DateTimeField("decided", null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = _("remedies")
        constraints = [
            models.CheckConstraint(condition=Q(kind="replaced") ^ Q(replacement=None), name="a_replacement_has_a_code")
        ]
        indexes = [models.Index(fields=["recall", "kind"])]

    def __str__(self) -> str:
        return f"code {self.item.code_id} of order {self.item.delivery.order}"
