"""Offers that are being put together."""

import uuid

from django.db import models
from django.utils import timezone

from inventory.models.offers import Offer


class OfferDraft(models.Model):
    """An offer on its way through the steps that make one: what was typed so far, whether it can be used or not.

    It is kept after the offer was made, so that a button that is pressed twice finds what the first press made.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    by = models.CharField(max_length=150)
    said = models.JSONField(default=dict)  # by step, as it was typed
    found = models.JSONField(default=dict)  # what the marketplace told of the product, and what it asks
    offer = models.ForeignKey(Offer, models.SET_NULL, null=True, related_name="drafts")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()  # who may make offers has drafts, each for themselves
        indexes = [models.Index(fields=["by", "-changed_at"])]

    def __str__(self) -> str:
        return str(self.pk)
