"""What an action on a delivery asks before it works."""

from typing import Any, cast

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from marketplaces.types import DeliveryIssue
from orders.models import Delivery
from orders.topups import LONGEST_REFERENCE

ISSUES = {
    DeliveryIssue.WRONG_DETAILS: "What the buyer filled in does not work",
    DeliveryIssue.SHORT_OF_STOCK: "There was not enough",
    DeliveryIssue.OTHER: "Something else",
}


class ReportForm(forms.Form):
    """What a person handed over. Why it was less is asked only when it was."""

    delivered = forms.IntegerField(label=_("Units handed over"), widget=UnfoldAdminIntegerFieldWidget())
    issue = forms.ChoiceField(
        label=_("Why fewer"),
        choices=[("", "Choose"), *((issue.value, text) for issue, text in ISSUES.items())],
        widget=UnfoldAdminSelectWidget(),
    )
    reference = forms.CharField(
        label=_("Your reference"), max_length=LONGEST_REFERENCE, required=False, widget=UnfoldAdminTextInputWidget(),
        help_text=_("Such as the receipt's number. The marketplace is told; give it nothing of the buyer's."),
    )  # fmt: skip

    def __init__(self, data: Any, *, delivery: Delivery) -> None:
        super().__init__(data, initial={"delivered": delivery.requested})
        delivered = cast(forms.IntegerField, self.fields["delivered"])
        delivered.help_text = gettext("%(units)s were asked for.") % {"units": delivery.requested}
        delivered.validators += [MinValueValidator(0), MaxValueValidator(delivery.requested)]
        if not self._is_short(delivery.requested):
            del self.fields["issue"]

    def _is_short(self, requested: int) -> bool:
        given = self.data.get("delivered", "")
        return given.isdecimal() and int(given) < requested
