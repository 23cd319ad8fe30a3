"""Our offers on the marketplaces, and the codes that lie in them there."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inventory.models.feeds import Feed
from inventory.models.stock import CURRENCY_HELP, Code, Product
from marketplaces.models import Account, Job, Outgoing, text_index, waiting_index
from marketplaces.types import OfferStatus


class Offer(Outgoing):
    """A product on an account's shelf: what we want it to say, what we last sent, what was last seen there."""

    trail_fields = (
        "account", "product", "external_product_id", "title", "offer_type", "visibility", "attributes", "price", "currency",
        "quantity", "floor", "ceiling", "min_quantity", "low_stock_at", "is_active", "removal_by",
    )  # fmt: skip

    class Change(models.IntegerChoices):
        """What differs most from what is shown there; the lower goes first."""

        SOLD_OUT = 0, "sold out"
        FEWER = 1, "fewer units"
        MORE = 2, "more units"
        PRICE = 3, "price, or new"
        TEXT = 4, "text"

    task = "inventory.tasks.push_offer"
    batch_task = "inventory.tasks.push_offers"
    is_pumped = True
    goes_by = ("urgency", "waits_since", "next_try_at")
    place = "waits_since"
    # Whoever buys what is not there any more is disappointed; who looks for a refused row has its batches already.
    urgent = Q(urgency__lte=Change.FEWER)
    hurries = ~Q(lot="")

    account = models.ForeignKey(Account, models.PROTECT, related_name="offers")
    product = models.ForeignKey(
        Product, models.PROTECT, null=True, blank=True, related_name="offers",
        help_text=_("Which of our products it sells. An offer that was found at the marketplace has none until you say."),
    )  # fmt: skip
    external_id = models.CharField("offer id", max_length=100, blank=True, help_text=_("The marketplace's id."))
    external_product_id = models.CharField(
        "product id", max_length=100, help_text=_("The marketplace's id of the product in its catalogue.")
    )
    title = models.CharField(max_length=300, blank=True)
    description = models.TextField(blank=True)
    offer_type = models.CharField(max_length=40, blank=True)
    visibility = models.CharField(max_length=40, blank=True)
    attributes = models.JSONField(
        default=dict, blank=True, help_text=_("The choices that the marketplace asks for, in its own words.")
    )

    price = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(Decimal("0.0001"))]
    )
    currency = models.CharField(max_length=3, blank=True, help_text=CURRENCY_HELP)
    quantity = models.PositiveIntegerField(
        null=True, blank=True,
        help_text=_("At most this many are shown. Empty means: follow stock. Never more than can be delivered is shown."),
    )  # fmt: skip
    floor = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(Decimal("0.0001"))],
        help_text=_("No lower price goes out, by any way. In the offer's currency; beside what the least margin asks for."),
    )  # fmt: skip
    ceiling = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(Decimal("0.0001"))],
        help_text=_("No higher price goes out, by any way. In the offer's currency."),
    )  # fmt: skip
    # What the marketplace says this price means, and for which price it said so.
    we_get = models.DecimalField("we get", max_digits=14, decimal_places=4, null=True, blank=True, editable=False)
    buyer_pays = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True, editable=False)
    simulated_price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True, editable=False)
    min_quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    low_stock_at = models.PositiveIntegerField(
        default=0, help_text=_("The marketplace warns when its number falls to this.")
    )
    removal_by = models.CharField(
        "to be deleted there, asked by", max_length=150, blank=True, editable=False,
        help_text=_("It is deleted at the marketplace as soon as that can be asked. Empty: it stays."),
    )  # fmt: skip
    removed_by = models.CharField(
        "deleted there for", max_length=150, blank=True, editable=False,
        help_text=_("Who asked for the deletion that was done. Empty: it is there, or vanished by itself."),
    )  # fmt: skip
    is_active = models.BooleanField("for sale", default=True, help_text=_("Off: shown as out of stock."))
    stopped_because = models.CharField(
        max_length=300, blank=True, editable=False, help_text=_("Why the marketplace itself took it off sale.")
    )

    # What asks for budget and gets none is tried again later, and yet goes before what began to wait after it.
    waits_since = models.DateTimeField(null=True, editable=False)
    urgency = models.PositiveSmallIntegerField("change", choices=Change.choices, default=Change.TEXT, editable=False)
    # Rows of a batch that was refused go on in halves, each under a name of its own, until the refused one is alone.
    lot = models.CharField(max_length=12, blank=True, editable=False)
    # What is on its way while the marketplace still works on it, and the job that says when it has arrived.
    pushing = models.JSONField(default=dict, blank=True, editable=False)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, editable=False, related_name="offers")
    feed = models.ForeignKey(Feed, models.SET_NULL, null=True, blank=True, editable=False, related_name="offers")
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
                fields=["account", "urgency", "waits_since", "next_try_at"],
                name="offer_to_push",
                condition=Q(state__in=["due", "unknown"]),
            ),
            models.Index(fields=["state", "account"]),
            text_index("external_id", "offer_by_id"),
            text_index("external_product_id", "offer_by_product_id"),
        ]
        permissions = [
            ("import_offer", "Can import offers from a file"),
            ("export_offer", "Can export offers as a file"),
        ]

    @classmethod
    def per_batch(cls, account: Account) -> int:
        """How many offers one request of this account changes."""
        if account.service_class.offers_per_update == 1:
            return 1
        return account.service().offers_per_update

    @classmethod
    def collects(cls, account: Account) -> float:
        """Seconds for which changes are collected: where requests are counted, one must not be spent on each."""
        return account.service_class.budget_window

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
    OPEN = (Status.WAITING, Status.UNANSWERED, Status.TAKEN, *LYING_THERE, Status.GONE)

    task = "inventory.tasks.upload_code"
    is_pumped = True

    account = models.ForeignKey(Account, models.PROTECT, related_name="uploads")
    offer = models.ForeignKey(Offer, models.PROTECT, related_name="uploads")
    code = models.ForeignKey(Code, models.PROTECT, related_name="uploads")
    # As it was then: an offer that is created anew has another id, and the codes lie in the old one.
    external_offer_id = models.CharField("offer id", max_length=100, db_index=True)
    external_id = models.CharField(
        "item id", max_length=100, blank=True, db_index=True, help_text=_("The marketplace's id of the code.")
    )
    collection_id = models.CharField(
        max_length=100, blank=True, help_text=_("What the marketplace put it into, where it takes many codes at once.")
    )
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="uploads")
    wish = models.CharField(max_length=3, choices=Wish.choices, default=Wish.IN)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    status_word = models.CharField("marketplace's status", max_length=60, blank=True)
    note = models.CharField(max_length=300, blank=True)
    by = models.CharField("asked by", max_length=150)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True, help_text=_("From here on it may be there."))
    checked_at = models.DateTimeField(null=True, blank=True, help_text=_("When the marketplace last told where it is."))
    sold_at = models.DateTimeField(null=True, blank=True, help_text=_("When its sale was noticed."))
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text=_("It is not there, and went back to stock."))

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
            models.Index(fields=["sold_at"], name="upload_sold", condition=Q(status="sold")),
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
