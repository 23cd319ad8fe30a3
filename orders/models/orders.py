"""Reservations, orders, what was handed over for them, and their timeline."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backoffice.crypto import EncryptedField
from inventory.models import Code, Hold, Offer, Product
from marketplaces.models import Account, Outgoing, text_index, waiting_index
from marketplaces.types import DeliveryIssue, DeliveryKind, OrderState
from orders.models.booked import Booked


class Order(models.Model):
    """A buyer's order on one marketplace, as last read from there."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="orders", db_index=False)
    external_id = models.CharField("order id", max_length=100)
    state = models.CharField(
        max_length=20, choices=[(state.value, state.value.replace("_", " ")) for state in OrderState],
        default=OrderState.UNKNOWN,
    )  # fmt: skip
    state_detail = models.CharField(max_length=40, blank=True)
    status_word = models.CharField(
        "marketplace's status", max_length=60, blank=True, help_text=_("Their word, as it was read.")
    )
    event_status_word = models.CharField("status in the last event", max_length=60, blank=True)
    payment_word = models.CharField("payment", max_length=60, blank=True)
    is_disputed = models.BooleanField(
        "disputed", default=False, help_text=_("The buyer reported a problem; press “Settled” when it is.")
    )
    buyer = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    amount = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    fee = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    refunded_amount = models.DecimalField(max_digits=14, decimal_places=4, default=Decimal(0))
    ordered_at = models.DateTimeField(default=timezone.now)
    remote_updated_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    raw = models.JSONField(default=dict, blank=True)

    number = models.CharField(
        max_length=100, blank=True, help_text=_("By which people know it, where that is not the order id.")
    )
    channel = models.CharField(max_length=60, blank=True, help_text=_("The shop behind the marketplace."))
    needs_shipping = models.BooleanField(
        default=False, help_text=_("Its goods go by parcel; the marketplace asks for no codes.")
    )
    shipping_methods = models.JSONField(default=list, blank=True, help_text=_("How the buyer wants it to be sent."))
    # Who bought, and where it goes: personal, so only for those who may see it. None once it is erased.
    contact = EncryptedField(null=True, bound_to="external_id")
    email_index = models.BinaryField(max_length=32, null=True, editable=False)  # finds it by the buyer's whole address
    is_hearsay = models.BooleanField(
        "from notifications only", default=False, help_text=_("Nobody could be asked, so it may be behind.")
    )
    is_summary = models.BooleanField(
        "not read yet", default=False, help_text=_("Only its row in a list is known; the order itself is to be read.")
    )
    asked_at = models.DateTimeField(
        null=True, editable=False, help_text=_("When the answer that is shown here was asked for.")
    )
    deleted_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the marketplace removed it there. It is kept here.")
    )
    erase_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text=_("When who bought it and where it went is erased; set when the order ends."),
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "external_id"], name="one_order_per_external_id")]
        indexes = [
            models.Index(fields=["-ordered_at"]),
            models.Index(fields=["state", "-ordered_at"]),
            models.Index(fields=["-ordered_at"], name="order_disputed", condition=Q(is_disputed=True)),
            models.Index(fields=["erase_at"], name="order_to_erase", condition=Q(contact__isnull=False)),
            models.Index(fields=["email_index"], name="order_by_email", condition=Q(email_index__isnull=False)),
            text_index("external_id", "order_by_id"),
            text_index("number", "order_by_number"),
        ]
        permissions = [
            ("deliver_order", "Can deliver orders"),
            ("accept_order", "Can accept orders"),
            ("see_contact", "Can see buyers' names, addresses and telephone numbers"),
            ("view_reports", "Can see profit, stock value and delivery times, and take them along as files"),
        ]

    def __str__(self) -> str:
        return self.external_id


class OrderLine(Booked):
    """One line of an order. Quantities are totals in units, as the marketplace counts them.

    What it has booked are units of top-ups; those that go by parcel stand with the parcel's items.
    """

    booked_as = "top-ups of line"

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines", db_index=False)
    external_id = models.CharField(max_length=100)
    offer = models.ForeignKey(Offer, models.PROTECT, null=True, blank=True, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT, null=True, blank=True, related_name="lines")
    external_offer_id = models.CharField(max_length=100, blank=True)
    external_product_id = models.CharField(max_length=100, blank=True)
    name = models.CharField(max_length=300, blank=True, help_text=_("What the marketplace calls it."))
    sku = models.CharField("SKU", max_length=100, blank=True, help_text=_("As the marketplace repeats it."))
    quantity = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0, help_text=_("As the marketplace counts it."))
    shipped = models.PositiveIntegerField(default=0, help_text=_("Units that left in parcels, by our books."))
    refunded = models.PositiveIntegerField(default=0)
    unit_price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    hold = models.ForeignKey(Hold, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("line")
        constraints = [models.UniqueConstraint(fields=["order", "external_id"], name="one_line_per_external_id")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product or self.external_offer_id or self.external_id}"


class Reservation(models.Model):
    """Units that a marketplace holds with us for a buyer, for a limited time; it becomes an order at most once."""

    class State(models.TextChoices):
        HELD = "held", "held"
        ORDERED = "ordered", "ordered"
        RELEASED = "released", "released"
        EXPIRED = "expired", "expired"

    id = models.UUIDField("reservation id", primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="reservations")
    external_id = models.CharField(
        "order id", max_length=100, blank=True, help_text=_("The marketplace's, where it names its order so early.")
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.HELD)
    until = models.DateTimeField()
    order = models.OneToOneField(Order, models.PROTECT, null=True, blank=True, related_name="reservation")
    order_number = models.UUIDField(
        "our order id", null=True, blank=True, unique=True, help_text=_("As the marketplace knows the order from us.")
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "external_id"], condition=~Q(external_id=""), name="one_reservation_per_external_id"
            ),
            models.CheckConstraint(
                condition=Q(state="ordered", order__isnull=False, order_number__isnull=False)
                | (~Q(state="ordered") & Q(order=None, order_number=None)),
                name="what_is_ordered_has_an_order",
            ),
        ]
        indexes = [
            models.Index(fields=["until"], name="reservation_until", condition=Q(state="held")),
            models.Index(fields=["-created_at"]),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def hold_reference(self) -> str:
        """Under which its units are held."""
        return f"reservation {self.pk}"


class ReservationLine(models.Model):
    """Units of one product in a reservation."""

    reservation = models.ForeignKey(Reservation, models.CASCADE, related_name="lines")
    offer = models.ForeignKey(Offer, models.PROTECT, related_name="reserved")
    product = models.ForeignKey(Product, models.PROTECT, related_name="reserved")
    external_product_id = models.CharField("product id", max_length=100)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    hold = models.ForeignKey(Hold, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("reserved line")
        constraints = [
            models.UniqueConstraint(fields=["reservation", "external_product_id"], name="one_reserved_line_per_product")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"


class Delivery(Outgoing):
    """One request to hand over units of an order line: its codes stay with it whatever happens."""

    class Status(models.TextChoices):
        REQUESTED = "requested", "requested"
        SHORT = "short", "short of stock"
        SUBMITTED = "submitted", "submitted"
        DELIVERED = "delivered", "delivered"
        PARTIAL = "partial", "partly delivered"
        UNFULFILLED = "unfulfilled", "unfulfilled"
        EXPIRED = "expired", "expired"
        STOPPED = "stopped", "stopped"

    OPEN = (Status.REQUESTED, Status.SHORT, Status.SUBMITTED)

    task = "orders.tasks.deliver"

    account = models.ForeignKey(Account, models.PROTECT, related_name="deliveries")
    line = models.ForeignKey(OrderLine, models.PROTECT, related_name="deliveries", db_index=False)
    external_id = models.CharField("delivery id", max_length=100)
    kind = models.CharField(
        max_length=10, choices=[(kind.value, kind.value.replace("_", " ")) for kind in DeliveryKind],
        default=DeliveryKind.CODES,
    )  # fmt: skip
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.REQUESTED)
    status_word = models.CharField("marketplace's status", max_length=60, blank=True)
    is_replacement = models.BooleanField("replacement", default=False)
    is_fetched = models.BooleanField(
        "fetched", default=False, help_text=_("The marketplace fetches the codes from us: nothing is sent.")
    )
    case_id = models.CharField(max_length=100, blank=True)
    requested = models.PositiveIntegerField(help_text=_("Units the marketplace asks for."))
    confirmed = models.PositiveIntegerField(default=0, help_text=_("Units the marketplace says have arrived."))
    buyer_fields = EncryptedField(default=dict, bound_to="external_id")
    requested_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True, help_text=_("When order and delivery were last read."))
    submitted_at = models.DateTimeField(null=True, blank=True)
    repeated_at = models.DateTimeField(null=True, blank=True, help_text=_("When a lot was sent a second time."))
    # What a person has done without codes, such as a top-up, and wants the marketplace to be told.
    reported = models.PositiveIntegerField(null=True, blank=True, help_text=_("Units handed over by a person."))
    report_issue = models.CharField(
        "issue", max_length=20, choices=[(issue.value, issue.value.replace("_", " ")) for issue in DeliveryIssue],
        blank=True, help_text=_("Why fewer than asked for."),
    )  # fmt: skip
    report_reference = models.CharField("reference", max_length=100, blank=True)
    reported_by = models.CharField(max_length=150, blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)
    report_sent_at = models.DateTimeField(
        null=True, blank=True, help_text=_("From here on the marketplace may know of the report.")
    )
    erase_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When what the buyer filled in is erased; set when the delivery ends.")
    )

    class Meta:
        verbose_name_plural = _("deliveries")
        constraints = [models.UniqueConstraint(fields=["line", "external_id"], name="one_delivery_per_external_id")]
        indexes = [
            waiting_index("delivery_waiting"),
            models.Index(fields=["state", "-requested_at"]),
            models.Index(fields=["-requested_at"]),
            models.Index(
                fields=["report_sent_at"], name="delivery_reported", condition=Q(report_sent_at__isnull=False)
            ),
            models.Index(fields=["erase_at"], name="delivery_to_erase", condition=Q(erase_at__isnull=False)),
            text_index("external_id", "delivery_by_id"),
        ]

    def __str__(self) -> str:
        return self.external_id

    @property
    def order(self) -> Order:
        return self.line.order


class DeliveryItem(models.Model):
    """A code in a delivery. While it is not withdrawn no other delivery can have the same code."""

    delivery = models.ForeignKey(Delivery, models.PROTECT, related_name="items")
    code = models.ForeignKey(Code, models.PROTECT, related_name="items")
    picked_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True, help_text=_("From here on the buyer may have it."))
    accepted_at = models.DateTimeField(null=True, blank=True, help_text=_("The marketplace took it."))
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text=_("It never left and went back to stock."))
    returned_at = models.DateTimeField(null=True, blank=True, help_text=_("The marketplace gave it back."))

    class Meta:
        verbose_name = _("item")
        indexes = [models.Index(fields=["sent_at"], name="item_sent", condition=Q(sent_at__isnull=False))]
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(withdrawn_at=None, returned_at=None), name="a_code_is_delivered_once"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None) | Q(sent_at=None), name="what_was_sent_is_not_withdrawn"
            ),
        ]

    def __str__(self) -> str:
        return f"code {self.code_id} in {self.delivery}"

    @property
    def reference(self) -> str:
        """Our name for the code towards the marketplace; the same on every repeat."""
        return f"code-{self.code_id}"


class OrderEvent(models.Model):
    """One entry of an order's timeline. Append only."""

    class Level(models.TextChoices):
        INFO = "info", "info"
        WARNING = "warning", "warning"

    order = models.ForeignKey(Order, models.CASCADE, related_name="timeline")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=40)
    level = models.CharField(max_length=10, choices=Level.choices, default=Level.INFO)
    text = models.CharField(max_length=500)
    event_id = models.CharField(max_length=200, blank=True)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("timeline entry")
        verbose_name_plural = _("timeline entries")
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["order", "kind", "event_id"], condition=~Q(event_id=""), name="one_entry_per_event"
            )
        ]

    def __str__(self) -> str:
        return self.text
