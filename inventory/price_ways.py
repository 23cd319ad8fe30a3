"""The ways in which prices of many offers change at once: by an amount, by percent, to the floor, as a rule says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from backoffice import money
from inventory import repricing, rules
from inventory.limits import Book
from inventory.models import Offer, PriceRule
from inventory.rules import Competitor, Target

RULE, FLOOR = "rule", "floor"
WAYS = {
    "percent": "by percent", "amount": "by an amount", "to": "to an amount", FLOOR: "to the floor",
    RULE: "as a price rule says",
}  # fmt: skip
WITHOUT_VALUE = (RULE, FLOOR)


class PriceForm(forms.Form):
    """How prices change."""

    way = forms.ChoiceField(label=_("Change"), choices=list(WAYS.items()), widget=UnfoldAdminSelectWidget())
    value = forms.DecimalField(
        max_digits=12, decimal_places=4, required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"autofocus": True, "step": "any"}),
        help_text=_("Such as 5 or -2.5, for the first three. An amount is in each offer's own currency."),
    )  # fmt: skip
    rule = forms.ModelChoiceField(
        PriceRule.objects.all(), required=False, widget=UnfoldAdminSelectWidget(),
        help_text=_(
            "For the last. It is applied to the chosen offers, whichever it is made for, also when it is switched off"
            " or on a dry run."
        ),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        value, way = said.get("value"), said.get("way")
        if way in WAYS and way not in WITHOUT_VALUE and value is None and "value" not in self.errors:
            self.add_error("value", gettext("Say how much."))
        if way == RULE and said.get("rule") is None and "rule" not in self.errors:
            self.add_error("rule", gettext("Say which rule."))
        if value is not None and way == "to" and value <= 0:
            self.add_error("value", gettext("A price is more than nothing."))
        if value is not None and way == "percent" and not -90 <= value <= 500:
            self.add_error("value", gettext("Between -90 and 500 percent at once."))
        return said


@dataclass
class Ground:
    """What new prices stand on, and how each of them came about."""

    book: Book
    rule: PriceRule | None = None
    competitors: Mapping[int, Competitor] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)


def describe(said: Mapping[str, Any]) -> str:
    """Name what the form said, for the list of runs and the price history."""
    if said["way"] == RULE:
        return f"Apply the price rule “{_rule(said)}”"
    if said["way"] == FLOOR:
        return "Set prices to the floor"
    value = Decimal(said["value"])
    return {
        "percent": f"Change prices by {value:+f} %", "amount": f"Change prices by {value:+f}",
    }.get(said["way"], f"Set prices to {value:f}")  # fmt: skip


def ground_for(offers: Sequence[Offer], said: Mapping[str, Any]) -> Ground:
    """Read together what the new prices of many offers stand on."""
    if said["way"] != RULE:
        return Ground(Book(offers))
    rule = _rule(said)
    follows = rule is not None and rule.kind == PriceRule.Kind.COMPETITOR
    return Ground(Book(offers), rule, repricing.fresh_competitors(offers) if follows else {})


def new_price(offer: Offer, said: Mapping[str, Any], ground: Ground) -> Decimal:
    """Say what an offer is to cost. Raises ValueError, with a reason for people, also for what must not go out."""
    if said["way"] in WITHOUT_VALUE:
        target = _target(offer, said, ground)
        price, ground.notes[offer.pk] = target.price, target.because
    else:
        price = _changed(offer, said)
    if refusal := ground.book.limits(offer).refusal(price):
        raise ValueError(str(refusal))
    return price


def _target(offer: Offer, said: Mapping[str, Any], ground: Ground) -> Target:
    if said["way"] == FLOOR:
        return rules.at_floor(offer, ground.book)
    if ground.rule is None:
        raise ValueError("The rule is gone.")
    return rules.target(ground.rule, offer, ground.book, ground.competitors.get(offer.pk))


def _rule(said: Mapping[str, Any]) -> PriceRule | None:
    return PriceRule.objects.filter(pk=said["rule"]).first()


def _changed(offer: Offer, said: Mapping[str, Any]) -> Decimal:
    """The price by percent, by an amount, or to one. Raises ValueError."""
    if offer.price is None or not offer.currency:
        raise ValueError("It has no price yet.")
    value = Decimal(said["value"])
    price = {"percent": offer.price * (100 + value) / 100, "amount": offer.price + value}.get(said["way"], value)
    price = money.rounded(price, offer.currency)
    if price <= 0:
        raise ValueError(f"Its price would be {money.display(price, offer.currency)}.")
    return price
