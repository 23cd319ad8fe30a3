"""The form of an offer."""

from typing import Any

from django import forms

from inventory import limits
from inventory.limits import PriceRefused
from inventory.models import Offer

DECIDES = frozenset({"price", "currency", "floor", "ceiling", "product", "account"})


class OfferForm(forms.ModelForm):
    """What an offer should say. A price that could not go out is refused here, where it can be mended."""

    class Meta:
        model = Offer
        fields = "__all__"  # noqa: DJ007  (the admin's fieldsets name them)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        low, high = data.get("floor"), data.get("ceiling")
        if low is not None and high is not None and low > high:
            self.add_error("ceiling", "The ceiling is below the floor.")
        return data

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        # Costs rise while an offer stands: whoever mends its title must not be kept from that.
        if self.errors or not DECIDES & set(self.changed_data):
            return
        try:
            limits.check(self.instance)
        except PriceRefused as refusal:
            self.add_error("price", str(refusal))
