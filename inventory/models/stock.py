"""Products, and the codes that we hold of them."""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy as _

from marketplaces.models import Account
from marketplaces.shop import CodeKind

CURRENCY_HELP = _("Three letters, such as EUR.")
MARGIN_HELP = _(
    "Percent of the cost that has to be left after the fees, such as 10. No price goes out below it; 0 means at no loss."
)


class Product(models.Model):
    """What we sell, under our own SKU, wherever it is offered."""

    trail_fields = ("sku", "name", "kind", "min_margin", "low_at", "low_days")

    class Kind(models.TextChoices):
        CODES = "codes", "codes"
        COUNTED = "counted", "counted units"

    sku = models.CharField("SKU", max_length=100, unique=True, help_text=_("Your own short name; imports refer to it."))
    name = models.CharField(max_length=300, blank=True)
    kind = models.CharField(
        "stock", max_length=10, choices=Kind.choices, default=Kind.CODES,
        help_text=_(
            "A pool of codes, each handed over once; or units that are counted, such as goods on a shelf or top-ups."
            " It can't change once there is stock."
        ),
    )  # fmt: skip
    min_margin = models.DecimalField(
        "least margin", max_digits=7, decimal_places=2, null=True, blank=True,
        validators=[MinValueValidator(Decimal(-99)), MaxValueValidator(Decimal(10_000))],
        help_text=format_lazy("{} {}", MARGIN_HELP, _("Empty: the account's.")),
    )  # fmt: skip
    low_at = models.PositiveIntegerField(
        "low at units",
        null=True,
        blank=True,
        help_text=_("With so many units left or fewer it is low. Empty: as for all."),
    )
    low_days = models.PositiveIntegerField(
        "low at days", null=True, blank=True,
        help_text=_("When what is left lasts for fewer days it is low. Empty: as for all; 0: never for that reason."),
    )  # fmt: skip
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["sku"]

    def __str__(self) -> str:
        return self.sku

    @property
    def is_counted(self) -> bool:
        return self.kind == self.Kind.COUNTED

    def clean(self) -> None:
        if (
            self.pk
            and self._has_stock()
            and self.kind != Product.objects.values_list("kind", flat=True).get(pk=self.pk)
        ):
            raise ValidationError(
                {"kind": gettext("There is stock of it already. Make a product of its own for the other kind.")}
            )

    def _has_stock(self) -> bool:
        mine = Q(product=self.pk)
        return Code.objects.filter(mine).exists() or Movement.objects.filter(mine).exists()


class Supplier(models.Model):
    """Who we buy codes from."""

    name = models.CharField(max_length=200, unique=True)
    notes = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Batch(models.Model):
    """Codes that came in together, at one cost."""

    trail_fields = ("product", "supplier", "reference", "cost", "currency")

    product = models.ForeignKey(Product, models.PROTECT, related_name="batches")
    supplier = models.ForeignKey(Supplier, models.PROTECT, null=True, blank=True, related_name="batches")
    reference = models.CharField(
        max_length=200,
        blank=True,
        db_index=True,
        help_text=_("The supplier's invoice or order number, to find the batch again."),
    )
    file_name = models.CharField(max_length=300, blank=True)
    cost = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)],
        help_text=_("Cost basis of one code, where its own row names none."),
    )  # fmt: skip
    currency = models.CharField(max_length=3, blank=True, help_text=CURRENCY_HELP)
    imported = models.PositiveIntegerField(default=0, editable=False)
    duplicates = models.PositiveIntegerField(default=0, editable=False)
    rejected = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = _("batches")

    def __str__(self) -> str:
        return self.reference or f"{self.product} {self.created_at:%Y-%m-%d}"


class Hold(models.Model):
    """Codes set aside for somebody who may still take them; the codes point here while they are held."""

    product = models.ForeignKey(Product, models.PROTECT, related_name="holds")
    account = models.ForeignKey(Account, models.PROTECT, null=True, blank=True, related_name="holds")
    reference = models.CharField(max_length=200, help_text=_("For whom: an order or a reservation."))
    units = models.PositiveIntegerField(default=0, help_text=_("Of a counted product; codes point here by themselves."))
    until = models.DateTimeField(null=True, blank=True, help_text=_("Empty: until it is taken or released."))
    released_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product", "account", "reference"],
                condition=Q(released_at=None),
                name="one_open_hold_per_reference",
            ),
            models.CheckConstraint(condition=Q(released_at=None) | Q(units=0), name="a_released_hold_has_no_units"),
        ]
        indexes = [models.Index(fields=["until"], name="hold_until", condition=Q(released_at=None))]

    def __str__(self) -> str:
        return f"{self.product} for {self.reference}"


class Code(models.Model):
    """One code: sealed, findable by its blind index, in exactly one state.

    `position` orders the picking. It is not the primary key on purpose: ordered by that, the planner may walk the whole
    table instead of the small index of available codes.
    """

    class State(models.TextChoices):
        AVAILABLE = "available", "available"
        HELD = "held", "held"  # set aside, or picked for a delivery that has not left
        SENT = "sent", "sent"  # it may have left: never for anyone else
        DELIVERED = "delivered", "delivered"
        UPLOADED = "uploaded", "uploaded"  # lies in one marketplace's own inventory
        RETURNED = "returned", "returned"
        FAULTY = "faulty", "faulty"
        VOID = "void", "void"
        EXPIRED = "expired", "expired"

    # Found by the indexes below, which hold less than one of its own.
    product = models.ForeignKey(Product, models.PROTECT, related_name="codes", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="codes")
    kind = models.CharField(
        max_length=10, choices=[(kind.value, kind.value) for kind in CodeKind],
        default=CodeKind.TEXT, db_default=CodeKind.TEXT.value,
        help_text=_("What is sealed: the text itself, or the parts of a file or of an account's login, as JSON."),
    )  # fmt: skip
    sealed = models.BinaryField()
    index = models.BinaryField(max_length=32, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.AVAILABLE)
    position = models.BigIntegerField()
    hold = models.ForeignKey(Hold, models.PROTECT, null=True, blank=True, related_name="codes", db_index=False)
    serial = models.CharField(max_length=200, blank=True)
    cost = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    expires_at = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        permissions = [("reveal_code", "Can reveal a code")]
        constraints = [
            # A code of a hold is held; when it goes on, the hold lets it go.
            models.CheckConstraint(condition=Q(hold=None) | Q(state="held"), name="only_held_codes_have_a_hold"),
        ]
        indexes = [
            models.Index(fields=["product", "position"], name="code_to_pick", condition=Q(state="available")),
            models.Index(fields=["product", "state"], name="code_by_state"),
            models.Index(
                fields=["expires_at"], name="code_expiring", condition=Q(state="available", expires_at__isnull=False)
            ),
            models.Index(fields=["hold"], name="code_of_hold", condition=Q(hold__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"code {self.pk}"

    @property
    def binding(self) -> str:
        """What the sealed text is bound to: this row and no other."""
        return code_binding(self.pk)


def code_binding(pk: int) -> str:
    return f"inventory.code:{pk}"


class CodeReveal(models.Model):
    """Somebody saw a code in plain text: who, when, why. Append only."""

    code = models.ForeignKey(Code, models.PROTECT, related_name="reveals")
    user = models.CharField(max_length=150)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("reveal")
        indexes = [models.Index(fields=["-at"])]

    def __str__(self) -> str:
        return f"code {self.code_id} by {self.user}"


class StockChange(models.Model):
    """What can be sold of a product has changed, and its offers were not told yet.

    Written in the transaction of the change. An insert waits for nobody: marking the offers there would make every sale
    of one product queue up behind the same rows.
    """

    product = models.ForeignKey(Product, models.CASCADE, related_name="changes")
    at = models.DateTimeField(default=timezone.now)


class Level(models.Model):
    """How many units of a counted product there are. Its row is what everybody who takes some waits for."""

    product = models.OneToOneField(Product, models.CASCADE, primary_key=True, related_name="level")
    on_hand = models.PositiveIntegerField(default=0, help_text=_("On the shelf, whoever they are meant for."))
    held = models.PositiveIntegerField(default=0, help_text=_("Of these, set aside for orders and reservations."))

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(held__lte=models.F("on_hand")), name="no_more_is_held_than_there_is")
        ]

    def __str__(self) -> str:
        return f"{self.free} of {self.product_id}"

    @property
    def free(self) -> int:
        return self.on_hand - self.held


class Movement(models.Model):
    """One change of a counted product's units, and why. Append only: a level is the sum of its movements."""

    class Kind(models.TextChoices):
        RECEIVED = "received", "received"
        HELD = "held", "set aside"
        RELEASED = "released", "let go"
        SHIPPED = "shipped", "shipped"
        RETURNED = "returned", "returned"
        CORRECTED = "corrected", "corrected"

    product = models.ForeignKey(Product, models.PROTECT, related_name="movements", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    on_hand = models.IntegerField("units on the shelf", default=0, help_text=_("More, or with a minus less."))
    held = models.IntegerField("units set aside", default=0)
    reference = models.CharField(max_length=200, blank=True, help_text=_("An invoice, a parcel, an order."))
    # What was done once is not done again: the work's own name, where it may be repeated.
    key = models.CharField(max_length=200, blank=True, editable=False)
    supplier = models.ForeignKey(Supplier, models.PROTECT, null=True, blank=True, related_name="movements")
    cost = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)],
        help_text=_("Cost basis of one unit."),
    )  # fmt: skip
    currency = models.CharField(max_length=3, blank=True, help_text=CURRENCY_HELP)
    note = models.CharField(max_length=300, blank=True)
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="a_movement_is_made_once")]
        indexes = [
            models.Index(fields=["product", "-at"], name="movement_of_product"),
            models.Index(fields=["-at"]),
        ]
        permissions = [("move_stock", "Can receive and correct counted stock")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {abs(self.on_hand or self.held)} × {self.product}"


class StockSettings(models.Model):
    """When stock counts as low, for every product that says nothing else; one row."""

    trail_fields = ("low_at", "low_days", "sales_days", "reveals_an_hour")

    low_at = models.PositiveIntegerField(
        "low at units",
        null=True,
        blank=True,
        help_text=_("With so many units left or fewer a product is low. Empty: never."),
    )
    low_days = models.PositiveIntegerField(
        "low at days", default=3, help_text=_("When what is left lasts for fewer days a product is low. 0: never.")
    )
    sales_days = models.PositiveIntegerField(
        "days of sales", default=14, validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text=_("How many days of sales say how long stock lasts."),
    )  # fmt: skip
    reveals_an_hour = models.PositiveIntegerField(
        default=20, help_text=_("When one user sees more codes than this within an hour there is an alert. 0: never.")
    )

    class Meta:
        verbose_name = verbose_name_plural = _("stock warnings")
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_row_of_stock_settings")]

    def __str__(self) -> str:
        return "Stock warnings"

    @classmethod
    def current(cls) -> "StockSettings":
        found, _ = cls.objects.get_or_create(pk=1)
        return found


class Cover(models.Model):
    """How long a product's stock lasts, as counted a few minutes ago; see inventory.cover."""

    product = models.OneToOneField(Product, models.CASCADE, primary_key=True, related_name="cover")
    sold = models.PositiveIntegerField(default=0, help_text=_("Units, in the days that count."))
    left = models.PositiveIntegerField(default=0, help_text=_("Units that can be sold."))
    days = models.DecimalField(
        "days of cover", max_digits=8, decimal_places=1, null=True, help_text=_("Empty: no sales.")
    )
    is_low = models.BooleanField("low", default=False)

    class Meta:
        indexes = [
            models.Index(fields=["days"]),
            models.Index(fields=["product"], name="cover_low", condition=Q(is_low=True)),
        ]

    def __str__(self) -> str:
        return f"{self.left} left, {self.sold} sold"
