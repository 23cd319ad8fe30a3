"""How stock is shown in offers: rules for the number, and pauses that stop the sale."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy as _

from inventory.models.offers import Offer
from inventory.models.stock import Product
from marketplaces import services
from marketplaces.models import Account


class QuantityRule(models.Model):
    """How many units offers show. What an offer's rule leaves empty its product's says, and then its account's."""

    trail_fields = ("offer", "product", "account", "buffer", "share", "cap", "stop_below", "fixed")

    offer = models.OneToOneField(Offer, models.CASCADE, null=True, blank=True, related_name="quantity_rule")
    product = models.OneToOneField(Product, models.CASCADE, null=True, blank=True, related_name="quantity_rule")
    account = models.OneToOneField(Account, models.CASCADE, null=True, blank=True, related_name="quantity_rule")
    buffer = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Units that are kept back: never shown, but delivered if sold elsewhere.")
    )
    share = models.PositiveSmallIntegerField(
        "share in percent", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("Of what is left of the stock."),
    )  # fmt: skip
    cap = models.PositiveIntegerField(null=True, blank=True, help_text=_("Never more than this many are shown."))
    stop_below = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("With fewer units in stock than this, nothing is shown.")
    )
    fixed = models.PositiveIntegerField(
        null=True, blank=True,
        help_text=_(
            "Always this many, whatever is in stock: for what is made to order, such as top-ups. You have to be able"
            " to deliver them."
        ),
    )  # fmt: skip

    SCOPES = ("offer", "product", "account")

    class Meta:
        verbose_name = _("quantity rule")
        constraints = [
            models.CheckConstraint(
                condition=Q(offer__isnull=False, product=None, account=None)
                | Q(offer=None, product__isnull=False, account=None)
                | Q(offer=None, product=None, account__isnull=False),
                name="a_quantity_rule_is_for_one",
                violation_error_message="Choose one of offer, product and account.",
            ),
        ]

    def __str__(self) -> str:
        return f"quantities of {self.offer or self.product or self.account}"

    def clean(self) -> None:
        if self.fixed is not None and not self.offer_id:
            raise ValidationError({"fixed": gettext("Only a single offer can show a number that follows no stock.")})


class Pause(models.Model):
    """Something is not for sale, because a person said so. It stays on record when it is over."""

    class Level(models.TextChoices):
        EVERYTHING = "everything", "everything"
        MARKETPLACE = "marketplace", "marketplace"
        ACCOUNT = "account", "account"
        PRODUCT = "product", "product"
        OFFER = "offer", "offer"

    level = models.CharField(max_length=12, choices=Level.choices)
    marketplace = models.CharField(max_length=40, blank=True, choices=services.choices)
    account = models.ForeignKey(Account, models.CASCADE, null=True, blank=True, related_name="pauses")
    product = models.ForeignKey(Product, models.CASCADE, null=True, blank=True, related_name="pauses")
    offer = models.ForeignKey(Offer, models.CASCADE, null=True, blank=True, related_name="pauses")
    scope = models.CharField(max_length=60, editable=False)  # the same for the same thing; see inventory.pauses
    by = models.CharField("paused by", max_length=150)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField(default=timezone.now)
    ended_by = models.CharField("resumed by", max_length=150, blank=True)
    ended_at = models.DateTimeField("resumed at", null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope"], condition=Q(ended_at=None), name="one_open_pause_per_scope")
        ]
        indexes = [models.Index(fields=["-at"])]
        permissions = [("pause_sales", "Can pause and resume sales")]

    def __str__(self) -> str:
        return f"{self.what} by {self.by}: {self.reason}"

    @property
    def what(self) -> str:
        """What is paused, for people."""
        named = self.offer or self.product or self.account or self.marketplace
        return f"{self.get_level_display()} {named}" if named else self.get_level_display()
