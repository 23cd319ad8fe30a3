"""What an action on stock asks before it works."""

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from inventory.models import Code


class WithdrawForm(forms.Form):
    """What is wrong with codes that are taken out of sale."""

    state = forms.ChoiceField(
        label="They are",
        choices=[
            (Code.State.FAULTY.value, "faulty: they do not work"),
            (Code.State.VOID.value, "void: they must not be sold"),
        ],
        widget=UnfoldAdminSelectWidget(),
    )


class QuantityForm(forms.Form):
    """How many codes of each offer."""

    quantity = forms.IntegerField(
        label="How many", min_value=1, max_value=10_000, widget=UnfoldAdminIntegerFieldWidget(attrs={"autofocus": True}),
        help_text="Of each offer chosen.",
    )  # fmt: skip


class ItemIdForm(forms.Form):
    """Under which id a person saw a code at the marketplace."""

    external_id = forms.CharField(
        label="Its id there", max_length=100, required=False, widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text="With it the code is watched, and can be taken back from here. Empty if it is not shown.",
    )  # fmt: skip
