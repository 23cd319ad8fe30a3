"""Products, the codes we hold of them, and our offers of them on the marketplaces."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from backoffice.crypto import EncryptedField
from marketplaces.models import Account, Job, Outgoing, waiting_index
from marketplaces.shop import CodeKind
from marketplaces.types import OfferStatus

CURRENCY_HELP = "Three letters, such as EUR."


class Product(models.Model):
    """What we sell, under our own SKU, wherever it is offered."""

    sku = models.CharField("SKU", max_length=100, unique=True, help_text="Your own short name; imports refer to it.")
    name = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["sku"]

    def __str__(self) -> str:
        return self.sku


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

    product = models.ForeignKey(Product, models.PROTECT, related_name="batches")
    supplier = models.ForeignKey(Supplier, models.PROTECT, null=True, blank=True, related_name="batches")
    reference = models.CharField(
        max_length=200,
        blank=True,
        db_index=True,
        help_text="The supplier's invoice or order number, to find the batch again.",
    )
    file_name = models.CharField(max_length=300, blank=True)
    cost = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)],
        help_text="Cost basis of one code, where its own row names none.",
    )  # fmt: skip
    currency = models.CharField(max_length=3, blank=True, help_text=CURRENCY_HELP)
    imported = models.PositiveIntegerField(default=0, editable=False)
    duplicates = models.PositiveIntegerField(default=0, editable=False)
    rejected = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return self.reference or f"{self.product} {self.created_at:%Y-%m-%d}"


class Hold(models.Model):
    """Codes set aside for somebody who may still take them; the codes point here while they are held."""

    product = models.ForeignKey(Product, models.PROTECT, related_name="holds")
    account = models.ForeignKey(Account, models.PROTECT, null=True, blank=True, related_name="holds")
    reference = models.CharField(max_length=200, help_text="For whom: an order or a reservation.")
    until = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is taken or released.")
    released_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product", "account", "reference"],
                condition=Q(released_at=None),
                name="one_open_hold_per_reference",
            )
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
        help_text="What is sealed: the text itself, or the parts of a file or of an account's login, as JSON.",
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
        verbose_name = "reveal"
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


class Offer(Outgoing):
    """A product on an account's shelf: what we want it to say, what we last sent, what was last seen there."""

    task = "inventory.tasks.push_offer"
    is_pumped = True

    account = models.ForeignKey(Account, models.PROTECT, related_name="offers")
    product = models.ForeignKey(
        Product, models.PROTECT, null=True, blank=True, related_name="offers",
        help_text="Which of our products it sells. An offer that was found at the marketplace has none until you say.",
    )  # fmt: skip
    external_id = models.CharField(
        "offer id", max_length=100, blank=True, db_index=True, help_text="The marketplace's id."
    )
    external_product_id = models.CharField(
        "product id", max_length=100, db_index=True, help_text="The marketplace's id of the product in its catalogue."
    )
    title = models.CharField(max_length=300, blank=True)
    description = models.TextField(blank=True)
    offer_type = models.CharField(max_length=40, blank=True)
    visibility = models.CharField(max_length=40, blank=True)
    attributes = models.JSONField(
        default=dict, blank=True, help_text="The choices that the marketplace asks for, in its own words."
    )

    price = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(Decimal("0.0001"))]
    )
    currency = models.CharField(max_length=3, blank=True, help_text=CURRENCY_HELP)
    quantity = models.PositiveIntegerField(
        null=True, blank=True,
        help_text="At most this many are shown. Empty means: follow stock. Never more than can be delivered is shown.",
    )  # fmt: skip
    # What the marketplace says this price means, and for which price it said so.
    we_get = models.DecimalField("we get", max_digits=14, decimal_places=4, null=True, blank=True, editable=False)
    buyer_pays = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True, editable=False)
    simulated_price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True, editable=False)
    min_quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    low_stock_at = models.PositiveIntegerField(
        default=0, help_text="The marketplace warns when its number falls to this."
    )
    is_active = models.BooleanField("for sale", default=True, help_text="Off: shown as out of stock.")
    stopped_because = models.CharField(
        max_length=300, blank=True, editable=False, help_text="Why the marketplace itself took it off sale."
    )

    # What is on its way while the marketplace still works on it, and the job that says when it has arrived.
    pushing = models.JSONField(default=dict, blank=True, editable=False)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, editable=False, related_name="offers")
    pushed = models.JSONField(default=dict, blank=True, editable=False)
    pushed_quantity = models.PositiveIntegerField(null=True, blank=True, editable=False)
    pushed_at = models.DateTimeField(null=True, blank=True, editable=False)
    seen = models.JSONField(default=dict, blank=True, editable=False)
    seen_price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True, editable=False)
    seen_quantity = models.PositiveIntegerField(null=True, blank=True, editable=False)
    seen_status = models.CharField(
        max_length=20, blank=True, editable=False, choices=[(status.value, status.value) for status in OfferStatus]
    )
    seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "external_id"], condition=~Q(external_id=""), name="one_offer_per_external_id"
            ),
        ]
        indexes = [
            waiting_index("offer_waiting"),
            models.Index(
                fields=["account", "next_try_at"], name="offer_to_push", condition=Q(state__in=["due", "unknown"])
            ),
            models.Index(fields=["state", "account"]),
        ]

    def __str__(self) -> str:
        return self.external_id or f"new offer of {self.product or self.external_product_id}"


class Upload(Outgoing):
    """A code given into an offer's own inventory at its marketplace, which sells it there without asking us.

    Until it is withdrawn the code is in no other upload and not for sale here. `state` is the work that is left; `status`
    is where the code is.
    """

    class Wish(models.TextChoices):
        IN = "in", "in the offer"
        OUT = "out", "back in stock"

    class Status(models.TextChoices):
        WAITING = "waiting", "to be uploaded"
        UNANSWERED = "unanswered", "no answer, perhaps there"
        TAKEN = "taken", "taken, not in the offer yet"
        THERE = "there", "in the offer"
        RESERVED = "reserved", "reserved for a buyer"
        GONE = "gone", "not found, perhaps sold"
        SOLD = "sold", "sold"
        BACK = "back", "back in stock"
        REFUSED = "refused", "refused, back in stock"

    LYING_THERE = (Status.THERE, Status.RESERVED)
    WITHDRAWN = (Status.BACK, Status.REFUSED)
    ENDED = (Status.SOLD, *WITHDRAWN)

    task = "inventory.tasks.upload_code"
    is_pumped = True

    account = models.ForeignKey(Account, models.PROTECT, related_name="uploads")
    offer = models.ForeignKey(Offer, models.PROTECT, related_name="uploads")
    code = models.ForeignKey(Code, models.PROTECT, related_name="uploads")
    # As it was then: an offer that is created anew has another id, and the codes lie in the old one.
    external_offer_id = models.CharField("offer id", max_length=100, db_index=True)
    external_id = models.CharField(
        "item id", max_length=100, blank=True, db_index=True, help_text="The marketplace's id of the code."
    )
    collection_id = models.CharField(
        max_length=100, blank=True, help_text="What the marketplace put it into, where it takes many codes at once."
    )
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="uploads")
    wish = models.CharField(max_length=3, choices=Wish.choices, default=Wish.IN)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    status_word = models.CharField("marketplace's status", max_length=60, blank=True)
    note = models.CharField(max_length=300, blank=True)
    by = models.CharField("asked by", max_length=150)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="From here on it may be there.")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When the marketplace last told where it is.")
    sold_at = models.DateTimeField(null=True, blank=True, help_text="When its sale was noticed.")
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text="It is not there, and went back to stock.")

    class Meta:
        permissions = [("upload_code", "Can upload codes to a marketplace and take them back")]
        constraints = [
            models.UniqueConstraint(fields=["code"], condition=Q(withdrawn_at=None), name="a_code_is_uploaded_once"),
            models.UniqueConstraint(
                fields=["account", "external_id"], condition=~Q(external_id=""), name="one_upload_per_external_id"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None) ^ Q(status__in=["back", "refused"]), name="withdrawn_is_back_in_stock"
            ),
        ]
        indexes = [
            waiting_index("upload_waiting"),
            models.Index(
                fields=["account", "next_try_at"], name="upload_to_do", condition=Q(state__in=["due", "unknown"])
            ),
            models.Index(
                fields=["checked_at"],
                name="upload_to_check",
                condition=Q(state="done", status__in=["there", "reserved"]),
            ),
            models.Index(fields=["offer", "status"]),
            models.Index(fields=["state", "-created_at"]),
        ]

    def __str__(self) -> str:
        return f"code {self.code_id} in {self.external_offer_id}"

    @property
    def reference(self) -> str:
        """Our name for the code towards the marketplace."""
        return f"code-{self.code_id}"

    @property
    def needs_an_answer(self) -> bool:
        """Whether only a person can say where the code is: the marketplace can't be asked."""
        return self.status in (self.Status.UNANSWERED, self.Status.GONE) or (
            self.status in self.LYING_THERE and not self.external_id
        )


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
    run = models.UUIDField(default=uuid.uuid4, db_index=True, help_text="What was ordered together.")
    product = models.ForeignKey(Product, models.PROTECT, related_name="purchases")
    external_product_id = models.CharField(
        "product id", max_length=100, help_text="The marketplace's id of the product in its catalogue."
    )
    max_price = models.DecimalField(
        "ceiling", max_digits=14, decimal_places=4, help_text="It is never bought for more."
    )
    currency = models.CharField(max_length=3, help_text=CURRENCY_HELP)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.WANTED)
    external_id = models.CharField("order id", max_length=100, blank=True, help_text="The marketplace's id.")
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    status_word = models.CharField("marketplace's status", max_length=60, blank=True)
    creates = models.PositiveSmallIntegerField(
        "orders made", default=0, help_text="One without an answer, or one that is not paid, lapses and costs nothing."
    )
    payments = models.PositiveSmallIntegerField(
        "payments tried", default=0, help_text="Another is only tried when the marketplace says that it is not paid."
    )
    key_reads = models.PositiveSmallIntegerField("times the key was asked for", default=0)
    lapsed = models.JSONField("orders that lapsed", default=list, blank=True, help_text="Their ids; none was paid.")
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
            models.Index(fields=["external_id"]),
            models.Index(
                fields=["account", "external_product_id", "product"],
                name="purchase_unfinished",
                condition=~Q(stage__in=["stored", "given_up"]),
            ),
        ]

    def __str__(self) -> str:
        return self.external_id or f"purchase {self.pk}"
