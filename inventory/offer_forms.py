"""The form of an offer, and those of a list of offers."""

from typing import Any

from django import forms
from django.utils.translation import gettext

from inventory import limits
from inventory.limits import Book, PriceRefused
from inventory.models import Offer

DECIDES = frozenset({"price", "currency", "floor", "ceiling", "product", "account"})

ROW_WIDGETS = {
    "price": {"style": "min-width: 5.5rem; width: 5.5rem"},
    "quantity": {"style": "min-width: 8rem; width: 8rem", "placeholder": "follow stock"},
}


class OfferForm(forms.ModelForm):
    """What an offer should say. A price that could not go out is refused here, where it can be mended."""

    class Meta:
        model = Offer
        fields = "__all__"  # noqa: DJ007  (the admin's fieldsets name them)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        low, high = data.get("floor"), data.get("ceiling")
        if low is not None and high is not None and low > high:
            self.add_error("ceiling", gettext("The ceiling is below the floor."))
        return data

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        # Costs rise while an offer stands: whoever mends its title must not be kept from that.
        if self.errors or not DECIDES & set(self.changed_data):
            return
        try:
            limits.check(self.instance, getattr(self.instance, "book", None))
        except PriceRefused as refusal:
            self.add_error("price", str(refusal))


class OfferRowForm(OfferForm):
    """What can be changed of an offer in the list."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.price is not None:
            self.initial["price"] = f"{self.instance.price.normalize():f}"
        for name, more in ROW_WIDGETS.items():
            if name in self.fields:
                self.fields[name].widget.attrs.update(more, **{"aria-label": f"{name.capitalize()} of {self.instance}"})


class OfferRows(forms.BaseModelFormSet):
    """The rows of a list; those that are changed share one look at what their limits stand on."""

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        if self.is_bound and not hasattr(self, "book"):
            self.book = Book(rows)
            for offer in rows:
                offer.book = self.book
        return rows
