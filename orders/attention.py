"""What needs a person now, and how each account is doing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, DateTimeField, F, Min, Model, Q, QuerySet, UUIDField, Value
from django.db.models.functions import Cast
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from backoffice.models import Alert
from inventory.models import Difference, Feed, Offer, Pause, Purchase, Upload
from marketplaces import vitals
from marketplaces.models import Account, Job, Outgoing, WebhookEvent
from marketplaces.vitals import Vitals
from orders.models import Acceptance, Delivery, Order, OrderReading, PurchaseOrder, Remedy, Shipment


@dataclass(frozen=True)
class Need:
    """Rows that a person has to look at: how one is called and many are, and which list shows them."""

    one: str | Promise
    many: str | Promise
    model: type[Model]
    rows: Q
    page: str  # the model whose list it is
    query: str


def _stuck(model: type[Outgoing], page: str = "", query: str = "state__exact=needs_attention") -> Need:
    one, many = model._meta.verbose_name, model._meta.verbose_name_plural
    rows = Q(state=Outgoing.State.NEEDS_ATTENTION)
    words = format_lazy(_("{name} needs attention"), name=one), format_lazy(_("{names} need attention"), names=many)
    return Need(*words, model, rows, page or model._meta.label_lower, query)


NEEDS = (
    _stuck(Delivery),
    _stuck(Shipment),
    _stuck(Acceptance, "orders.order", "attention=needed"),
    _stuck(OrderReading),
    _stuck(WebhookEvent),
    _stuck(Job),
    _stuck(Offer),
    _stuck(Upload),
    _stuck(Feed),
    _stuck(Purchase),
    _stuck(PurchaseOrder),
    Need(_("disputed order"), _("disputed orders"), Order, Q(is_disputed=True), "orders.order", "attention=disputed"),
    Need(
        _("remedy to be decided"), _("remedies to be decided"), Remedy, Q(kind=Remedy.Kind.OPEN), "orders.remedy",
        "kind__exact=open",
    ),
    Need(
        _("open difference"), _("open differences"), Difference,
        Q(state=Difference.State.OPEN, kind__in=Difference.DRIFTS), "inventory.difference",
        f"state=open&kind__in={','.join(Difference.DRIFTS)}",
    ),
    # Mostly what lay there before the account was connected: one decision for all of them.
    Need(
        _("offer there that is not kept here: take it over, or ignore it"),
        _("offers there that are not kept here: take them over, or ignore them"),
        Difference, Q(state=Difference.State.OPEN, kind=Difference.Kind.UNKNOWN), "inventory.difference",
        "state=open&kind__exact=unknown",
    ),
    Need(_("open alert"), _("open alerts"), Alert, Q(settled_at=None), "backoffice.alert", "is=open"),
    Need(_("pause of sales"), _("pauses of sales"), Pause, Q(ended_at=None), "inventory.pause", "ended_at__isnull=True"),
)  # fmt: skip
# What goes out, or is worked off, an account at a time.
WAITING = (
    Delivery, Shipment, Acceptance, OrderReading, PurchaseOrder, WebhookEvent, Job, Offer, Upload, Feed, Purchase,
)  # fmt: skip
# The list that shows each kind.
WAITS_ON: dict[type[Outgoing], str] = {model: model._meta.label_lower for model in WAITING}
WAITS_ON[Acceptance] = "orders.order"


@dataclass(frozen=True)
class Found:
    need: Need
    count: int

    @property
    def text(self) -> str:
        return f"{self.count:,} {self.need.one if self.count == 1 else self.need.many}"


@dataclass(frozen=True)
class Waiting:
    """Rows of one kind of an account that are to be worked off, and when the next one is."""

    words: str
    next_at: datetime | None


@dataclass(frozen=True)
class Health:
    """How an account is doing. `paused`: who stopped its sale and why, or nothing."""

    account: Account
    paused: str
    waiting: tuple[Waiting, ...]
    vitals: Vitals

    @property
    def next_at(self) -> datetime | None:
        """When the first of what waits is due, which may be past."""
        return min((kind.next_at for kind in self.waiting if kind.next_at), default=None)


@dataclass(frozen=True)
class Standing:
    """What needs a person, without what there is none of, and how each account is doing."""

    needs: list[Found]
    health: list[Health]


def look(accounts: Collection[Account], pages: Collection[str]) -> Standing:
    """Count what needs a person and what waits, of the lists in `pages`: two statements for any number of accounts.

    The accounts are read by vitals.joined(). Without any, nothing is asked of what waits.
    """
    needs = {f"need {number}": need for number, need in enumerate(NEEDS) if need.page in pages}
    waits_on = WAITS_ON.items() if accounts else ()
    kinds = {f"kind {number}": model for number, (model, page) in enumerate(waits_on) if page in pages}
    counts: dict[str, int] = {}
    waiting: dict[UUID, dict[str, Waiting]] = defaultdict(dict)
    for what, whose, count, next_at in _counted(needs, kinds):
        if what in needs:
            counts[what] = count
        else:
            meta = kinds[what]._meta
            words = f"{count:,} {meta.verbose_name if count == 1 else meta.verbose_name_plural}"
            waiting[whose][what] = Waiting(words, next_at)
    paused = _paused() if accounts and "inventory.pause" in pages else {}
    return Standing(
        [Found(need, counts[what]) for what, need in needs.items() if counts.get(what)],
        [
            Health(
                account,
                paused.get("") or paused.get(account.marketplace) or paused.get(account.pk) or "",
                tuple(waiting[account.pk][what] for what in kinds if what in waiting[account.pk]),
                vitals.of(account),
            )
            for account in accounts
        ],
    )


def _counted(needs: Mapping[str, Need], kinds: Mapping[str, type[Outgoing]]) -> Iterable[Any]:
    """(what, whose, count, next at) of every need and, by account, of every kind that waits, in one statement."""
    # The words of the index by which the sweep finds them.
    to_do = ~Q(state__in=[Outgoing.State.DONE, Outgoing.State.NEEDS_ATTENTION])
    columns = ("what", "whose", "count", "next_at")
    # A NULL has no type of its own, and the parts must agree on one.
    no_one, never = Cast(Value(None), UUIDField()), Cast(Value(None), DateTimeField())
    parts: list[QuerySet[Any]] = [
        model._default_manager.filter(to_do).order_by().values(what=Value(what), whose=F("account_id"))
        .annotate(count=Count("pk"), next_at=Min(F("next_try_at"))).values_list(*columns)
        for what, model in kinds.items()
    ] + [
        need.model._default_manager.filter(need.rows).order_by().values(what=Value(what))
        .annotate(whose=no_one, count=Count("pk"), next_at=never).values_list(*columns)
        for what, need in needs.items()
    ]  # fmt: skip
    if not parts:
        return ()
    return parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]


def _paused() -> dict[Any, str]:
    """Who stopped the sale and why, by account, by marketplace and, under "", for everything."""
    level = Pause.Level
    wide = Pause.objects.filter(ended_at=None, level__in=(level.EVERYTHING, level.MARKETPLACE, level.ACCOUNT))
    return {
        row.account_id or row.marketplace: f"Paused by {row.by}: {row.reason}"
        for row in wide.only("account_id", "marketplace", "by", "reason")
    }
