"""Codes that we buy at a marketplace."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backoffice.crypto import EncryptedField
from inventory.models.stock import CURRENCY_HELP, Batch, Code, Product
from marketplaces.models import Account, Outgoing, text_index, waiting_index


class Purchase(Outgoing):
    """One code that is bought at a marketplace; an order of ours for many is as many rows of one run.

    `stage` is written before the call that it speaks of, so that whoever goes on after a crash knows what may have
    happened; see inventory.buying.
    """

    class Stage(models.TextChoices):
        WANTED = "wanted", "wanted"  # with `ordered_at`: an order without an answer may lie there, unpaid
        CREATED = "created", "ordered"
        PAYING = "paying", "being paid"  # the payment may have been made
        PAID = "paid", "paid"
        COMPLETE = "complete", "ready"
        KEY_READ = "key_read", "key received"
        STORED = "stored", "in stock"
        UNFUNDED = "unfunded", "not funded"
        EXPIRED = "expired", "lapsed unpaid"
        KEY_LOST = "key_lost", "key lost"
        GIVEN_UP = "given_up", "given up"

    # What has come to its end, one way or the other.
    OVER: ClassVar[tuple[str, ...]] = (Stage.STORED.value, Stage.GIVEN_UP.value)

    task = "inventory.tasks.buy"
    is_pumped = True

    account = models.ForeignKey(Account, models.PROTECT, related_name="purchases")
    run = models.UUIDField(default=uuid.uuid4, db_index=True, help_text=_("What was ordered together."))
    product = models.ForeignKey(Product, models.PROTECT, related_name="purchases")
    external_product_id = models.CharField(
        "product id", max_length=100, help_text=_("The marketplace's id of the product in its catalogue.")
    )
    max_price = models.DecimalField(
        "ceiling", max_digits=14, decimal_places=4, help_text=_("It is never bought for more.")
    )
    currency = models.CharField(max_length=3, help_text=CURRENCY_HELP)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.WANTED)
    external_id = models.CharField("order id", max_length=100, blank=True, help_text=_("The marketplace's id."))
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    status_word = models.CharField("marketplace's status", max_length=60, blank=True)
    creates = models.PositiveSmallIntegerField(
        "orders made",
        default=0,
        help_text=_("One without an answer, or one that is not paid, lapses and costs nothing."),
    )
    payments = models.PositiveSmallIntegerField(
        "payments tried", default=0, help_text=_("Another is only tried when the marketplace says that it is not paid.")
    )
    key_reads = models.PositiveSmallIntegerField("times the key was asked for", default=0)
    lapsed = models.JSONField("orders that lapsed", default=list, blank=True, help_text=_("Their ids; none was paid."))
    answer = EncryptedField(null=True, editable=False)  # as it came, in latin-1: it is given once
    batch = models.ForeignKey(Batch, models.PROTECT, null=True, blank=True, related_name="purchases")
    code = models.OneToOneField(Code, models.PROTECT, null=True, blank=True, related_name="purchase")
    requested_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ordered_at = models.DateTimeField(null=True, blank=True)
    pay_asked_at = models.DateTimeField("payment tried at", null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    key_asked_at = models.DateTimeField(null=True, blank=True)
    stored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "external_id"], condition=~Q(external_id=""), name="one_purchase_per_external_id"
            ),
        ]
        indexes = [
            waiting_index("purchase_waiting"),
            models.Index(
                fields=["account", "next_try_at"], name="purchase_to_go_on", condition=Q(state__in=["due", "unknown"])
            ),
            text_index("external_id", "purchase_by_id"),
            models.Index(
                fields=["account", "external_product_id", "product"],
                name="purchase_unfinished",
                condition=~Q(stage__in=["stored", "given_up"]),
            ),
        ]

    def __str__(self) -> str:
        return self.external_id or f"purchase {self.pk}"
