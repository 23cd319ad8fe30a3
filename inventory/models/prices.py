"""What prices stand on: fees, exchange rates, margins, rules, what others ask, and every change there was."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy as _

from backoffice import clock, money
from inventory.models.offers import Offer
from inventory.models.stock import CURRENCY_HELP, MARGIN_HELP, Product
from marketplaces.models import Account, Outgoing, waiting_index

LEAST, NOTHING = Decimal("0.0001"), Decimal(0)
is_currency = RegexValidator(r"\A[A-Z]{3}\Z", "Three capital letters, such as EUR.")


def _amount(name: str | None = None, *, least: Decimal = NOTHING, **facts: Any) -> Any:
    return models.DecimalField(name, max_digits=14, decimal_places=4, validators=[MinValueValidator(least)], **facts)


class Fee(models.Model):
    """What a marketplace keeps of a sale on an account: a part of the price, and an amount for each unit."""

    trail_fields = ("account", "category", "percent", "fixed", "currency")

    account = models.ForeignKey(Account, models.CASCADE, related_name="fees")
    category = models.CharField(
        max_length=200, blank=True,
        help_text=_("The category's name as the marketplace's catalogue has it. Empty: all that have no row of their own."),
    )  # fmt: skip
    percent = models.DecimalField(
        max_digits=7, decimal_places=4, default=NOTHING,
        validators=[MinValueValidator(NOTHING), MaxValueValidator(Decimal("99.99"))],
        help_text=_("Of the price that the offer says, such as 9.9."),
    )  # fmt: skip
    fixed = _amount(
        "per unit", default=NOTHING, help_text=_("An amount that is kept of each unit sold, whatever its price.")
    )
    currency = models.CharField(
        max_length=3,
        blank=True,
        validators=[is_currency],
        help_text=format_lazy("{} {}", _("Of the amount per unit."), CURRENCY_HELP),
    )

    class Meta:
        ordering = ["account", "category"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "category"], name="one_fee_per_category",
                violation_error_message="The account has a fee for this category already.",
            ),
            models.CheckConstraint(
                condition=Q(fixed=0) | ~Q(currency=""), name="a_fixed_fee_has_a_currency",
                violation_error_message="An amount per unit needs its currency.",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.account}, {self.category or 'all categories'}"


class AccountTerms(models.Model):
    """What an account has to earn at least."""

    trail_fields = ("account", "min_margin")

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="terms")
    min_margin = models.DecimalField(
        "least margin", max_digits=7, decimal_places=2, null=True, blank=True,
        validators=[MinValueValidator(Decimal(-99)), MaxValueValidator(Decimal(10_000))],
        help_text=format_lazy("{} {}", MARGIN_HELP, _("Empty: no such limit. A product's own goes before it.")),
    )  # fmt: skip

    class Meta:
        verbose_name = verbose_name_plural = _("least margin")

    def __str__(self) -> str:
        return f"least margin of {self.account}"


class ExchangeRate(models.Model):
    """What one unit of `base` was worth in `quote` from a day on, until there is a newer row."""

    trail_fields = ("base", "quote", "rate", "day")

    base = models.CharField(
        max_length=3, validators=[is_currency], help_text=format_lazy("{} {}", _("One unit of this."), CURRENCY_HELP)
    )
    quote = models.CharField(
        max_length=3, validators=[is_currency], help_text=format_lazy("{} {}", _("In units of this."), CURRENCY_HELP)
    )
    rate = models.DecimalField(
        max_digits=20, decimal_places=10, validators=[MinValueValidator(Decimal("0.0000000001"))]
    )
    day = models.DateField(default=timezone.localdate, help_text=_("It holds from this day on."))

    class Meta:
        ordering = ["-day", "base", "quote"]
        constraints = [
            models.UniqueConstraint(
                fields=["base", "quote", "day"], name="one_rate_per_pair_and_day",
                violation_error_message="There is a rate of this pair for this day already: change that one.",
            ),
            models.CheckConstraint(
                condition=~Q(base=F("quote")), name="a_rate_is_between_two_currencies",
                violation_error_message="A rate is between two different currencies.",
            ),
            models.CheckConstraint(condition=Q(rate__gt=0), name="a_rate_is_more_than_nothing"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"1 {self.base} = {self.rate.normalize():f} {self.quote} ({self.day})"


class PriceRule(models.Model):
    """How prices are set by the clock, for one offer, for a product's offers or for an account's."""

    trail_fields = (
        "name", "is_enabled", "is_dry_run", "account", "product", "offer", "kind", "value", "step_kind", "currency", "floor",
        "ceiling", "dead_band", "changes_an_hour",
    )  # fmt: skip

    class Kind(models.TextChoices):
        FIXED = "fixed", "a fixed price"
        MARGIN = "margin", "a margin over cost"
        COMPETITOR = "competitor", "below the cheapest competitor"

    class StepKind(models.TextChoices):
        AMOUNT = "amount", "an amount"
        PERCENT = "percent", "percent"

    name = models.CharField(max_length=200, unique=True)
    is_enabled = models.BooleanField("enabled", default=True)
    is_dry_run = models.BooleanField(
        "dry run", default=True, help_text=_("Write into the price history what it would do, and change nothing.")
    )
    account = models.ForeignKey(
        Account, models.CASCADE, null=True, blank=True, related_name="price_rules",
        help_text=_("For its offers. With a product: for its offers of that product."),
    )  # fmt: skip
    product = models.ForeignKey(Product, models.CASCADE, null=True, blank=True, related_name="price_rules")
    offer = models.ForeignKey(
        Offer, models.CASCADE, null=True, blank=True, related_name="price_rules",
        help_text=_("For this one alone. An offer's own rule goes before its product's, and that before its account's."),
    )  # fmt: skip
    kind = models.CharField("sets", max_length=12, choices=Kind.choices)
    value = models.DecimalField(
        max_digits=14, decimal_places=4,
        help_text=_(
            "The fixed price; or the margin, in percent of the cost; or by how much to be cheaper than the cheapest"
            " other seller (0: as cheap)."
        ),
    )  # fmt: skip
    step_kind = models.CharField(
        "cheaper by", max_length=10, choices=StepKind.choices, default=StepKind.AMOUNT,
        help_text=_("What the value means for a rule that follows competitors."),
    )  # fmt: skip
    currency = models.CharField(
        max_length=3, blank=True, validators=[is_currency],
        help_text=format_lazy("{} {}", _("Of the value, the floor and the ceiling. Empty: each offer's own."), CURRENCY_HELP),
    )  # fmt: skip
    floor = _amount(null=True, blank=True, least=LEAST, help_text=_("The rule sets no lower price."))
    ceiling = _amount(null=True, blank=True, least=LEAST, help_text=_("The rule sets no higher price."))
    dead_band = models.DecimalField(
        "ignores less than", max_digits=5, decimal_places=2, default=Decimal("0.5"),
        validators=[MinValueValidator(NOTHING), MaxValueValidator(Decimal(50))],
        help_text=_("Percent. A smaller difference changes nothing, so that two sellers' programs do not chase each other."),
    )  # fmt: skip
    changes_an_hour = models.PositiveSmallIntegerField(
        default=4, validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text=_("So often at most it changes the price of one offer within an hour."),
    )  # fmt: skip

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(account__isnull=False) | Q(product__isnull=False) | Q(offer__isnull=False),
                name="a_price_rule_is_for_something",
                violation_error_message="Say what it is for: an account, a product or one offer.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def scope(self) -> str:
        """What it is for, in words."""
        named = {"offer": self.offer, "product": self.product, "account": self.account}
        return ", ".join(f"{word} {row}" for word, row in named.items() if row is not None)

    def clean(self) -> None:
        if "value" not in self.__dict__ or not isinstance(self.value, Decimal):
            return  # its own field says what is wrong with it
        if self.kind == self.Kind.FIXED and self.value <= 0:
            raise ValidationError({"value": gettext("A price is more than nothing.")})
        if self.kind == self.Kind.MARGIN and self.value <= -100:
            raise ValidationError({"value": gettext("A margin is more than -100 percent.")})
        if self.kind == self.Kind.COMPETITOR and self.value < 0:
            raise ValidationError(
                {"value": gettext("To be dearer than the cheapest is no way to follow it: 0 or more.")}
            )
        if self.kind == self.Kind.COMPETITOR and self.step_kind == self.StepKind.PERCENT and self.value >= 100:
            raise ValidationError({"value": gettext("Cheaper by less than 100 percent.")})
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise ValidationError({"ceiling": gettext("The ceiling is below the floor.")})


class CompetitorWatch(Outgoing):
    """What other sellers ask for what an offer sells, read again and again while a rule follows them."""

    task = "inventory.tasks.read_competitors"
    is_pumped = True

    account = models.ForeignKey(Account, models.CASCADE, related_name="competitor_watches")
    offer = models.OneToOneField(Offer, models.CASCADE, related_name="watch")
    price = _amount("cheapest", null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    seller = models.CharField(max_length=200, blank=True)
    others = models.PositiveIntegerField("other offers", default=0)
    note = models.CharField("what came of it", max_length=500, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("competitor's price")
        indexes = [
            waiting_index("watch_waiting"),
            models.Index(
                fields=["account", "next_try_at"], name="watch_to_read", condition=Q(state__in=["due", "unknown"])
            ),
        ]

    def __str__(self) -> str:
        return f"competitors of {self.offer}"


class PriceChange(models.Model):
    """One change of an offer's price, and why; or, of a dry run, what it would have been. Append only."""

    offer = models.ForeignKey(Offer, models.CASCADE, related_name="price_changes", db_index=False)
    before = _amount(null=True, blank=True)
    after = _amount(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    currency_before = models.CharField(max_length=3, blank=True)
    reason = models.CharField(max_length=500)
    rule = models.ForeignKey(PriceRule, models.SET_NULL, null=True, blank=True, related_name="changes")
    is_dry_run = models.BooleanField("dry run", default=False)
    by = models.CharField(max_length=150, blank=True, help_text=_("Empty: the program itself."))
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["offer", "-at"], name="price_changes_of_offer"),
            models.Index(fields=["-at"]),
        ]

    def __str__(self) -> str:
        return f"{self.offer_id} at {clock.said(self.at)}"

    @property
    def words(self) -> str:
        """Before and after, for people."""
        before = money.display(self.before, self.currency_before or self.currency)
        return f"{before or 'none'} → {money.display(self.after, self.currency) or 'none'}"

    @property
    def differs(self) -> bool:
        return (self.before, self.currency_before) != (self.after, self.currency)
