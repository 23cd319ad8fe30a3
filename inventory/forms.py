"""What an action on stock asks before it works."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from backoffice import money
from inventory import products
from inventory.models import CURRENCY_HELP, Code, Product, Supplier
from inventory.purchasing import MOST_AT_ONCE
from marketplaces.types import RemoteProduct


class WithdrawForm(forms.Form):
    """What is wrong with codes that are taken out of sale."""

    state = forms.ChoiceField(
        label=_("They are"),
        choices=[
            (Code.State.FAULTY.value, "faulty: they do not work"),
            (Code.State.VOID.value, "void: they must not be sold"),
        ],
        widget=UnfoldAdminSelectWidget(),
    )


class QuantityForm(forms.Form):
    """How many codes of each offer."""

    quantity = forms.IntegerField(
        label=_("How many"), min_value=1, max_value=10_000, widget=UnfoldAdminIntegerFieldWidget(attrs={"autofocus": True}),
        help_text=_("Of each offer chosen."),
    )  # fmt: skip


class ItemIdForm(forms.Form):
    """Under which id a person saw a code at the marketplace."""

    external_id = forms.CharField(
        label=_("Its id there"), max_length=100, required=False, widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text=_("With it the code is watched, and can be taken back from here. Empty if it is not shown."),
    )  # fmt: skip


class BuyForm(forms.Form):
    """How many codes to buy, for how much at most, for which product of ours."""

    quantity = forms.IntegerField(
        label=_("How many"), min_value=1, max_value=MOST_AT_ONCE,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"autofocus": True}),
    )  # fmt: skip
    max_price = forms.DecimalField(
        label=_("Ceiling for one"), min_value=Decimal("0.01"), max_digits=12, decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.01"}),
        help_text=_("The cheapest is bought, and none for more than this."),
    )  # fmt: skip
    currency = forms.RegexField(
        r"^[A-Z]{3}$", widget=UnfoldAdminTextInputWidget(), help_text=CURRENCY_HELP,
        error_messages={"invalid": "It takes three capital letters, such as EUR."},
    )  # fmt: skip
    sku = forms.CharField(
        label=_("Our product"), max_length=100, widget=UnfoldAdminTextInputWidget(),
        help_text=_("The SKU that the codes go into stock as."),
    )  # fmt: skip

    def __init__(self, *args: Any, remote: RemoteProduct, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.remote = remote

    def clean_sku(self) -> Product:
        try:
            return products.for_codes(self.cleaned_data["sku"].strip())
        except products.UnknownSku as error:
            raise forms.ValidationError(str(error)) from error

    def clean_quantity(self) -> int:
        quantity, available = int(self.cleaned_data["quantity"]), self.remote.available
        if available is not None and quantity > available:
            raise forms.ValidationError(gettext("Only %(count)s are in stock there.") % {"count": f"{available:,}"})
        return quantity

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        lowest, ceiling = self.remote.price, data.get("max_price")
        is_comparable = self.remote.currency in ("", data.get("currency"))
        if lowest is not None and ceiling is not None and is_comparable and lowest > ceiling:
            shown = money.display(lowest, self.remote.currency)
            text = gettext("The lowest price is %(price)s now: none could be bought.") % {"price": shown}
            self.add_error("max_price", text)
        return data


class ReceiveForm(forms.Form):
    """Units of a counted product that came in."""

    # A form that is sent twice puts its units on the shelf once.
    token = forms.CharField(max_length=40, widget=forms.HiddenInput, initial=lambda: uuid4().hex)
    quantity = forms.IntegerField(
        label=_("How many"),
        min_value=1,
        max_value=1_000_000,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"autofocus": True}),
    )
    cost = forms.DecimalField(
        label=_("Cost of one"), min_value=0, max_digits=14, decimal_places=4, required=False,
        widget=UnfoldAdminDecimalFieldWidget(), help_text=_("What was paid for a unit; profit is counted from it."),
    )  # fmt: skip
    currency = forms.RegexField(
        r"^[A-Z]{3}$", required=False, widget=UnfoldAdminTextInputWidget(), help_text=CURRENCY_HELP,
        error_messages={"invalid": "It takes three capital letters, such as EUR."},
    )  # fmt: skip
    supplier = forms.ModelChoiceField(
        Supplier.objects.all(), required=False, widget=UnfoldAdminSelectWidget(), help_text=_("Who they came from.")
    )
    reference = forms.CharField(
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Their invoice or order number."),
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("cost") is not None and not said.get("currency"):
            self.add_error("currency", f"{gettext('A cost has a currency.')} {CURRENCY_HELP}")
        return said


class CorrectForm(forms.Form):
    """What a person counted on the shelf."""

    counted = forms.IntegerField(
        label=_("Units on the shelf"), min_value=0, max_value=10_000_000,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"autofocus": True}),
        help_text=_("All that is there, with what is set aside for orders."),
    )  # fmt: skip
    note = forms.CharField(
        label=_("Why"), max_length=300, widget=UnfoldAdminTextInputWidget(), help_text=_("Such as “broken in transit”.")
    )
