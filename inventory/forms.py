"""What an action on stock asks before it works."""

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

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
