"""What is to be read from a marketplace, what is to be confirmed to it, and how far its lists were read."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backoffice import correlation
from marketplaces.models import Account, Outgoing, waiting_index
from orders.models.orders import Order


class OrderReading(Outgoing):
    """The wish to read one order. Wishes that come before it is done are the same wish."""

    task = "orders.tasks.read_order"
    batch_task = "orders.tasks.read_orders"
    is_pumped = True

    account = models.ForeignKey(Account, models.CASCADE, related_name="readings", db_index=False)
    external_id = models.CharField("order id", max_length=100)
    news = models.CharField(max_length=120, blank=True, help_text=_("The status and total that a list showed last."))
    wished_at = models.DateTimeField(default=timezone.now, help_text=_("When it was last wished for."))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "external_id"], name="one_reading_per_order")]
        indexes = [
            waiting_index("reading_waiting"),
            models.Index(
                fields=["account", "next_try_at"],
                name="reading_of_account",
                condition=models.Q(state__in=["due", "unknown"]),
            ),
            models.Index(fields=["state", "-wished_at"]),
        ]

    def __str__(self) -> str:
        return self.external_id

    @property
    def correlation(self) -> str:
        return correlation.of(self.account_id, self.external_id)

    @classmethod
    def per_batch(cls, account: Account) -> int:
        return account.service_class.orders_per_read


class Acceptance(Outgoing):
    """A person's wish to confirm an order to its buyer. There is one for an order, whatever becomes of it."""

    task = "orders.tasks.accept"
    is_pumped = True

    account = models.ForeignKey(Account, models.CASCADE, related_name="acceptances")
    order = models.OneToOneField(Order, models.CASCADE, related_name="acceptance")
    wished_by = models.CharField(max_length=150, blank=True)
    wished_at = models.DateTimeField(default=timezone.now)
    accepted_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the marketplace showed it as accepted.")
    )

    class Meta:
        indexes = [waiting_index("acceptance_waiting"), models.Index(fields=["state", "-wished_at"])]

    def __str__(self) -> str:
        return f"acceptance of {self.order}"


class Poll(models.Model):
    """How far an account's list of one kind was read, who reads it now, and when that goes on."""

    class Kind(models.TextChoices):
        ORDERS = "orders", "orders"
        SHIPMENTS = "shipments", "shipments"
        PURCHASE_ORDERS = "purchase_orders", "purchase orders"
        MADE_ORDERS = "made_orders", "orders of the last days"

    account = models.ForeignKey(Account, models.CASCADE, related_name="polls")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    read_until = models.DateTimeField(null=True, help_text=_("When the last walk that came to its end had begun."))
    # A walk that was interrupted: when it began, and from where on it still has to read.
    began_at = models.DateTimeField(null=True)
    reached = models.DateTimeField(null=True)
    page = models.PositiveIntegerField(default=0, help_text=_("The page that an interrupted walk had come to."))
    broken_off = models.PositiveSmallIntegerField(default=0, help_text=_("How often it had to begin anew."))
    next_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text=_("In a row."))
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "kind"], name="one_poll_per_account_and_kind")]
        indexes = [models.Index(fields=["next_at"])]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.account}"
