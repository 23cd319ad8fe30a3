"""Buyers' requests to buy. They have numbers of their own, which are no order's: nothing joins the two."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from backoffice.crypto import EncryptedField
from marketplaces.models import Account, Outgoing, waiting_index
from marketplaces.types import OrderState


class PurchaseOrder(Outgoing):
    """A purchase order as last read. What is to be done with it is done in the marketplace's own pages.

    Its outgoing work is to be read: a list shows it first, in short.
    """

    task = "orders.tasks.read_purchase_order"
    is_pumped = True

    account = models.ForeignKey(Account, models.PROTECT, related_name="purchase_orders")
    external_id = models.CharField("number", max_length=100, db_index=True)
    stage = models.CharField(
        "status", max_length=20, choices=[(state.value, state.value.replace("_", " ")) for state in OrderState],
        default=OrderState.UNKNOWN,
    )  # fmt: skip
    status_word = models.CharField("marketplace's status", max_length=60, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    subtotal = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    amount = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    lines = models.JSONField(default=list, blank=True)
    shipping_methods = models.JSONField(default=list, blank=True)
    # Who wants to buy: personal, so only for those who may see it. None once it is erased.
    contact = EncryptedField(null=True, bound_to="external_id")
    email_index = models.BinaryField(max_length=32, null=True, editable=False)  # finds it by the buyer's whole address
    is_summary = models.BooleanField("not read yet", default=False)
    ordered_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(null=True, blank=True)
    erase_at = models.DateTimeField(null=True, editable=False)
    raw = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "external_id"], name="one_purchase_order_per_external_id")
        ]
        indexes = [
            waiting_index("purchase_order_waiting"),
            models.Index(fields=["-ordered_at"]),
            models.Index(fields=["erase_at"], name="purchase_order_to_erase", condition=Q(contact__isnull=False)),
            models.Index(
                fields=["email_index"], name="purchase_order_by_email", condition=Q(email_index__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.external_id
