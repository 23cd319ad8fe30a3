"""What every row has that has something to do outside; marketplaces.outgoing moves it through its life."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from marketplaces.models import Account


class Outgoing(models.Model):
    """A row that has work to do with the outside; marketplaces.outgoing moves it through its life."""

    class State(models.TextChoices):
        DUE = "due", "due"
        IN_FLIGHT = "in_flight", "in flight"
        DONE = "done", "done"
        UNKNOWN = "unknown", "outcome unknown"
        NEEDS_ATTENTION = "needs_attention", "needs attention"

    state = models.CharField(max_length=20, choices=State.choices, default=State.DONE)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    in_flight_since = models.DateTimeField(null=True, blank=True)
    asked_again = models.BooleanField(default=False, editable=False)
    # A call may have been made without an answer. Only a recorded outcome clears it, no wish and no person.
    outcome_unknown = models.BooleanField(default=False, editable=False)
    failure = models.CharField(max_length=40, blank=True)
    last_error = models.TextField(blank=True)

    # Dotted path of the task that takes this row's primary key and does its work.
    task: ClassVar[str]
    # Rows that come in thousands are worked off an account at a time by marketplaces.pump, not by a wake-up each.
    is_pumped: ClassVar[bool] = False
    # Dotted path of the task that takes a list of primary keys of one account, where one request does many rows.
    batch_task: ClassVar[str] = ""
    # In which order an account's rows are worked off; and of those that are collected for a batch, which ones let it go
    # once the last batch is a while ago, and which ones let it go now.
    goes_by: ClassVar[Sequence[str]] = ("next_try_at",)
    place: ClassVar[str] = ""  # the column that says since when a row waits in line, where one must not lose its place
    urgent: ClassVar[Q] = Q(pk=None)
    hurries: ClassVar[Q] = Q(pk=None)
    # Every such row belongs to one account: a foreign key, or a property that follows one.
    account: Any
    # Set at the claim: an earlier call may have been made, so look before repeating it.
    must_look: bool = False

    class Meta:
        abstract = True

    @property
    def correlation(self) -> str:
        """What the log calls the work on this row; an order's, where it is known without a query."""
        return f"{self._meta.model_name}/{self.pk}"

    @classmethod
    def per_batch(cls, account: "Account") -> int:
        """How many rows of this account one request does; 1 means that each is worked off by itself."""
        return 1

    @classmethod
    def collects(cls, account: "Account") -> float:
        """Seconds for which rows of this account are collected, so that many of them are one request."""
        return 0.0


def text_index(field: str, name: str) -> models.Index:
    """The one index that finds a text whole and by its beginning; a plain one of PostgreSQL can't do the latter in most
    languages, and a second one beside it would be written with every row.
    """
    return models.Index(fields=[field], name=name, opclasses=["varchar_pattern_ops"])


def waiting_index(name: str) -> models.Index:
    """The index by which the sweep finds what waits; it holds open rows only, so it stays small."""
    return models.Index(fields=["next_try_at"], name=name, condition=~Q(state__in=["done", "needs_attention"]))
