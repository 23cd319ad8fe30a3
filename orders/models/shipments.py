"""Parcels: those that we announce, and those that a marketplace shows."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backoffice import correlation
from backoffice.crypto import EncryptedField
from marketplaces.models import Account, Outgoing, waiting_index
from marketplaces.types import ShipmentState
from orders.models.booked import Booked
from orders.models.orders import Order, OrderLine


class Shipment(Outgoing):
    """A parcel. `wish` is what a worker is to do with it at the marketplace; a mirrored one has none."""

    class Wish(models.TextChoices):
        NOTHING = "", "nothing"
        CREATE = "create", "announce"
        MARK_SHIPPED = "mark_shipped", "mark as shipped"
        DELETE = "delete", "delete"

    task = "orders.tasks.ship"

    account = models.ForeignKey(Account, models.PROTECT, related_name="shipments")
    order = models.ForeignKey(Order, models.PROTECT, null=True, blank=True, related_name="shipments")
    external_id = models.CharField("shipment id", max_length=100, blank=True, db_index=True)
    external_order_id = models.CharField("order id", max_length=100, blank=True, help_text=_("The marketplace's."))
    order_number = models.CharField(max_length=100, blank=True)
    channel = models.CharField(max_length=60, blank=True, help_text=_("The shop behind the marketplace."))
    number = models.CharField(max_length=100, blank=True, help_text=_("By which people know the parcel."))
    status = models.CharField(
        max_length=12, choices=[(state.value, state.value) for state in ShipmentState], default=ShipmentState.UNKNOWN
    )
    status_word = models.CharField("marketplace's status", max_length=60, blank=True)
    carrier = models.CharField(max_length=60, blank=True, help_text=_("Its code at the marketplace."))
    carrier_name = models.CharField(max_length=100, blank=True)
    tracking_number = models.CharField(max_length=100, blank=True, db_index=True)
    tracking_url = models.CharField(max_length=1000, blank=True)
    label_url = models.CharField("waybill", max_length=1000, blank=True)
    shipping_method_id = models.CharField("way of shipping", max_length=100, blank=True)
    comment = models.CharField(max_length=500, blank=True)
    # Who sends and who receives it: personal, so only for those who may see it. None once it is erased.
    contact = EncryptedField(null=True, bound_to="token")
    completes_order = models.BooleanField(default=False, help_text=_("Nothing of the order was left to be shipped."))
    wish = models.CharField(max_length=12, choices=Wish.choices, blank=True)
    # Given out with a form, so that a second press of its button makes no second parcel.
    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    by = models.CharField(max_length=150, blank=True, help_text=_("Who announced it, if it was done here."))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_at = models.DateTimeField(
        null=True, blank=True, help_text=_("From here on the marketplace may know of a parcel announced here.")
    )
    repeated_at = models.DateTimeField(null=True, blank=True, help_text=_("When it was last announced again."))
    repeats = models.PositiveSmallIntegerField(default=0, help_text=_("How often it was announced again."))
    announced_at = models.DateTimeField(null=True, blank=True, help_text=_("When its units left our books."))
    remote_created_at = models.DateTimeField("created there", null=True, blank=True)
    remote_updated_at = models.DateTimeField("changed there", null=True, blank=True)
    asked_at = models.DateTimeField(null=True, editable=False)
    deleted_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When it was removed at the marketplace. It is kept here.")
    )
    # The newest moment that anything was said of, and for each field the moment of what it shows; see orders.said.
    version = models.DateTimeField(null=True, editable=False)
    said = models.JSONField(default=dict, blank=True, editable=False)
    notes = models.JSONField(default=list, blank=True, help_text=_("What was odd about what the marketplace said."))
    raw = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "external_id"], condition=~Q(external_id=""), name="one_shipment_per_external_id"
            )
        ]
        indexes = [
            waiting_index("shipment_waiting"),
            models.Index(fields=["-created_at"]),
            models.Index(fields=["state", "-created_at"]),
            models.Index(fields=["status", "-created_at"]),
            models.Index(fields=["announced_at"], name="shipment_announced", condition=Q(deleted_at=None)),
            models.Index(fields=["created_at"], name="shipment_to_erase", condition=Q(contact__isnull=False)),
            models.Index(
                fields=["account", "external_order_id"], name="shipment_without_order", condition=Q(order=None)
            ),
        ]
        permissions = [("ship_order", "Can announce, change and delete shipments")]

    def __str__(self) -> str:
        return self.external_id or f"parcel {self.pk}"

    @property
    def correlation(self) -> str:
        number = self.external_order_id
        return correlation.of(self.account_id, number) if number else super().correlation

    @property
    def is_announced(self) -> bool:
        """Whether the marketplace knows it, and its units have left our books."""
        return self.announced_at is not None and self.deleted_at is None


class ShipmentItem(Booked):
    """Units of one order line in a parcel."""

    booked_as = "shipment item"

    shipment = models.ForeignKey(Shipment, models.CASCADE, related_name="items")
    line = models.ForeignKey(OrderLine, models.PROTECT, null=True, blank=True, related_name="shipment_items")
    external_id = models.CharField("item id", max_length=100, blank=True)
    external_line_id = models.CharField("order line id", max_length=100, blank=True)
    sku = models.CharField("SKU", max_length=100, blank=True)
    name = models.CharField(max_length=300, blank=True)
    wanted = models.PositiveIntegerField(null=True, blank=True, help_text=_("Units that we put into it."))
    confirmed = models.PositiveIntegerField(null=True, blank=True, help_text=_("Units that the marketplace shows."))
    is_missing = models.BooleanField(
        "missing there", default=False, help_text=_("The marketplace's list does not name it any more.")
    )
    said = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        verbose_name = _("item")
        constraints = [
            models.UniqueConstraint(
                fields=["shipment", "external_id"], condition=~Q(external_id=""), name="one_item_per_external_id"
            ),
            models.UniqueConstraint(
                fields=["shipment", "external_line_id"],
                condition=Q(external_id="") & ~Q(external_line_id=""),
                name="one_item_per_line",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.units} × {self.sku or self.name or self.external_line_id}"

    @property
    def units(self) -> int:
        """What is in the parcel: by the marketplace where it says so, else by us."""
        return (self.wanted or 0) if self.confirmed is None else self.confirmed

    @property
    def product(self) -> Any:
        return self.line.product if self.line else None
