"""The forms of the steps that make an offer: what a marketplace asks, and price and quantity."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from inventory.limits import PriceRefused
from inventory.models import CURRENCY_HELP, Offer
from marketplaces.questions import OfferForm, Question, QuestionKind

NOT_CHOSEN = ("", "– choose –")
LONGEST_TEXT = 20_000
LEAST_PRICE = Decimal("0.0001")
MONEY = ("price", "currency", "floor", "ceiling")


class Lines(forms.CharField):
    """Texts, one in each line."""

    def clean(self, value: Any) -> list[str]:
        return [line for text in super().clean(value).splitlines() if (line := text.strip())]


def field_for(question: Question) -> forms.Field:
    """The form field for one question."""
    facts: dict[str, Any] = {
        "label": question.label,
        "help_text": question.help_text,
        "required": question.is_required,
        "initial": question.initial,
    }
    text_bounds = [MaxLengthValidator(question.longest or LONGEST_TEXT)]
    match question.kind:
        case QuestionKind.CHOICE:
            choices = list(question.choices) if question.initial else [NOT_CHOSEN, *question.choices]
            return forms.ChoiceField(**facts, choices=choices, widget=UnfoldAdminSelectWidget())
        case QuestionKind.AMOUNT:
            widget = UnfoldAdminDecimalFieldWidget(attrs={"step": "any"})
            return forms.DecimalField(**facts, min_value=0, max_digits=14, decimal_places=4, widget=widget)
        case QuestionKind.LONG_TEXT:
            return forms.CharField(**facts, validators=text_bounds, widget=UnfoldAdminTextareaWidget())
        case QuestionKind.LINES:
            return Lines(**facts, validators=text_bounds, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))
    return forms.CharField(**facts, validators=text_bounds, widget=UnfoldAdminTextInputWidget())


class ChoicesForm(forms.Form):
    """What the marketplace asks of a new offer, in its own order."""

    def __init__(self, data: Mapping[str, Any] | None, *, asked: OfferForm) -> None:
        super().__init__(data)
        self.asked = asked
        self.fields |= {question.name: field_for(question) for question in asked.questions}

    @property
    def answers(self) -> dict[str, Any]:
        """What was answered, each as a text or a list of texts. For a valid form."""
        return {name: _plain(value) for name, value in self.cleaned_data.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value if isinstance(value, list) else str("" if value is None else value)


class NumbersForm(forms.Form):
    """Price and quantity of a new offer. A price that could not go out is refused here, where it can be mended."""

    price = forms.DecimalField(
        min_value=LEAST_PRICE, max_digits=14, decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "autofocus": True}),
    )  # fmt: skip
    currency = forms.RegexField(
        r"^[A-Z]{3}$", help_text=CURRENCY_HELP, widget=UnfoldAdminTextInputWidget(attrs={"maxlength": 3}),
        error_messages={"invalid": "It takes three capital letters, such as EUR."},
    )  # fmt: skip
    floor = forms.DecimalField(
        min_value=LEAST_PRICE, max_digits=14, decimal_places=4, required=False, help_text=_("No lower price goes out."),
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )  # fmt: skip
    ceiling = forms.DecimalField(
        min_value=LEAST_PRICE, max_digits=14, decimal_places=4, required=False, help_text=_("No higher price goes out."),
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )  # fmt: skip
    quantity = forms.IntegerField(
        label=_("Show at most"), min_value=0, max_value=2_000_000_000, required=False, widget=UnfoldAdminIntegerFieldWidget(),
        help_text=_("Empty: follow stock. Never more than can be delivered is shown."),
    )  # fmt: skip
    min_quantity = forms.IntegerField(
        label=_("Least quantity of an order"), min_value=1, max_value=1_000_000, initial=1,
        widget=UnfoldAdminIntegerFieldWidget(),
    )  # fmt: skip
    low_stock_at = forms.IntegerField(
        label=_("Low stock at"), min_value=0, max_value=1_000_000, initial=0, widget=UnfoldAdminIntegerFieldWidget(),
        help_text=_("The marketplace warns when its number falls to this."),
    )  # fmt: skip

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        takes: frozenset[str],
        currencies: Sequence[str],
        refusal: Callable[[Mapping[str, Any]], PriceRefused | None],
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.refusal = refusal
        left_out = {name for name in ("min_quantity", "low_stock_at") if name not in takes}
        left_out |= set() if "price" in takes else set(MONEY)
        for name in left_out:
            del self.fields[name]
        if currencies and "currency" in self.fields:
            choices = [(word, word) for word in currencies]
            self.fields["currency"] = forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget())

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        low, high = said.get("floor"), said.get("ceiling")
        if low is not None and high is not None and low > high:
            self.add_error("ceiling", gettext("The ceiling is below the floor."))
        if "price" in self.fields and not self.errors and (refusal := self.refusal(said)):
            self.add_error("price", str(refusal))
        return said

    @property
    def values(self) -> dict[str, Any]:
        """Columns of an offer. For a valid form."""
        return {name: value for name, value in self.cleaned_data.items() if name in _COLUMNS}


_COLUMNS = frozenset(column.name for column in Offer._meta.concrete_fields)
