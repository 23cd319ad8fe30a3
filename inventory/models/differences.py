"""What differs between our books and a marketplace's, and how far the comparison of an account has come."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inventory.models.offers import Offer
from marketplaces.models import Account


class Difference(models.Model):
    """One field of one offer or order that the marketplace shows otherwise than we want or know it.

    It stays as long as it is found; the comparison that finds it no more settles it. One that comes back is a new row.
    """

    class Kind(models.TextChoices):
        CHANGED = "changed", "changed"
        BY_HAND = "by_hand", "priced by hand"
        GONE = "gone", "gone"
        UNKNOWN = "unknown", "unknown there"
        ORDER = "order", "order"

    class State(models.TextChoices):
        OPEN = "open", "open"
        IGNORED = "ignored", "ignored"
        SETTLED = "settled", "settled"

    LASTING = (State.OPEN, State.IGNORED)
    # What drifted of what is kept here; an offer there that is not kept here is no drift.
    DRIFTS = (Kind.CHANGED, Kind.BY_HAND, Kind.GONE, Kind.ORDER)
    # Kinds that a push of what we want can end.
    PUSHABLE = (Kind.CHANGED, Kind.BY_HAND)

    account = models.ForeignKey(Account, models.CASCADE, related_name="differences")
    offer = models.ForeignKey(Offer, models.CASCADE, null=True, blank=True, related_name="differences")
    external_id = models.CharField(
        "offer id", max_length=100, blank=True, help_text=_("The marketplace's id of the offer.")
    )
    order_id = models.CharField(max_length=100, blank=True, help_text=_("The marketplace's id of the order."))
    field = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    ours = models.CharField(max_length=300, blank=True)
    theirs = models.CharField(max_length=300, blank=True)
    shown = models.JSONField(
        default=dict, blank=True, help_text=_("What the list there said of it, if it is unknown here.")
    )
    found_at = models.DateTimeField("found", default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    ignored_until = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    by = models.CharField(
        max_length=150, blank=True, help_text=_("Who ignored or settled it; empty: a later comparison.")
    )
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "external_id", "order_id", "field"],
                condition=~Q(state="settled"),
                name="one_lasting_difference_per_field",
            ),
            models.CheckConstraint(
                condition=~Q(external_id="") ^ ~Q(order_id=""), name="difference_of_an_offer_or_an_order"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-found_at"]),
            models.Index(fields=["account", "kind"], name="difference_open", condition=Q(state="open")),
        ]
        permissions = [("reconcile", "Can settle differences from the marketplaces")]

    def __str__(self) -> str:
        return f"{self.field} of {'order ' + self.order_id if self.order_id else 'offer ' + self.external_id}"

    @property
    def key(self) -> tuple[str, str, str]:
        return self.external_id, self.order_id, self.field


class Reconciliation(models.Model):
    """The comparison of one account: who works on it, how far it is, and what the last one found."""

    class Stage(models.TextChoices):
        RESTING = "", "over"
        OFFERS = "offers", "reading offers"
        MISSING = "missing", "looking for missing offers"
        ORDERS = "orders", "reading orders"

    account = models.OneToOneField(Account, models.CASCADE, related_name="reconciliation")
    stage = models.CharField(max_length=10, choices=Stage.choices, blank=True, default=Stage.RESTING)
    reached = models.PositiveBigIntegerField(default=0, help_text=_("The page, or the row, that was done last."))
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    to_look_at = models.JSONField(
        default=list, help_text=_("Offers of which the list said too little, by their ids there.")
    )
    offers = models.PositiveIntegerField(default=0, help_text=_("Offers compared."))
    orders = models.PositiveIntegerField(default=0, help_text=_("Orders compared."))
    on_their_way = models.PositiveIntegerField(
        default=0, help_text=_("Left out, because a change of ours is on its way.")
    )
    problem = models.TextField(blank=True, help_text=_("What a person has to know of the last comparison."))
    next_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text=_("In a row."))
    last_error = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["next_at"])]

    def __str__(self) -> str:
        return f"comparison of {self.account}"
