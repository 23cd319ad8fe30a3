"""The form that packs a parcel: all that remains of an order, to be lowered, and how it goes."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from orders import shipping
from orders.models import Order, OrderLine

OTHER = "other"
CARRIERS = (("ups", "UPS"), ("usps", "USPS"), ("fedex", "FedEx"), ("dhl", "DHL"), (OTHER, "Another"))


class CarrierForm(forms.Form):
    """Which carrier takes a parcel: one of those that are known, or another by the marketplace's code."""

    carrier = forms.ChoiceField(choices=[("", "Not said"), *CARRIERS], required=False, widget=UnfoldAdminSelectWidget())
    other_carrier = forms.CharField(
        max_length=60,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("The marketplace's code of another."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("carrier") == OTHER and not cleaned.get("other_carrier"):
            self.add_error("other_carrier", gettext("Say which carrier."))
        return cleaned


def carrier_of(said: Mapping[str, Any]) -> str:
    """The carrier's code, of the answers to a form that asks for one; empty where none was said."""
    return str(said["other_carrier"].strip() if said["carrier"] == OTHER else said["carrier"])


class ShipForm(CarrierForm):
    """Units by line, carrier, tracking number and way of shipping. Its token makes a second press the same parcel."""

    tracking_number = forms.CharField(
        max_length=100, required=False, widget=UnfoldAdminTextInputWidget(),
        help_text=_("By it the parcel is recognised; without one, by its items and its time."),
    )  # fmt: skip
    shipping_method = forms.ChoiceField(label=_("Way of shipping"), widget=UnfoldAdminSelectWidget())
    comment = forms.CharField(max_length=500, required=False, widget=UnfoldAdminTextInputWidget())
    token = forms.UUIDField(widget=forms.HiddenInput())

    def __init__(self, data: Any, *, order: Order, left: Mapping[int, int] | None = None) -> None:
        """`left` is what remains by line, where it is known; then the order's lines were read with it, too."""
        super().__init__(data, initial={"token": uuid.uuid4()})
        self.lines = self._open_lines(order) if left is None else _open(order.lines.all(), left)
        for line, most in self.lines:
            self.fields[self._name(line)] = forms.IntegerField(
                label=line.name or line.sku or str(line.product or line.external_id), initial=most, required=False,
                validators=[MinValueValidator(0), MaxValueValidator(most)],
                help_text=gettext("%(units)s remain.") % {"units": most},
                widget=UnfoldAdminIntegerFieldWidget(attrs={"min": 0, "max": most}),
            )  # fmt: skip
        self.order_fields([self._name(line) for line, _ in self.lines])
        methods = [(str(method.get("external_id", "")), _words(method)) for method in order.shipping_methods]
        ways = self.fields["shipping_method"]
        assert isinstance(ways, forms.ChoiceField)  # noqa: S101  (it is declared above)
        ways.choices, ways.required = methods or [("", "The order names none")], bool(methods)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not any(cleaned.get(self._name(line)) for line, _ in self.lines):
            self.add_error(self._name(self.lines[0][0]) if self.lines else None, gettext("The parcel is empty."))
        return cleaned

    def parcel(self) -> dict[str, Any]:
        """What orders.shipping.ship takes."""
        given = self.cleaned_data
        return {
            "items": {line.pk: given[self._name(line)] or 0 for line, _ in self.lines},
            "carrier": carrier_of(given),
            "tracking_number": given["tracking_number"],
            "shipping_method_id": given["shipping_method"],
            "comment": given["comment"],
            "token": given["token"],
        }

    def _open_lines(self, order: Order) -> list[tuple[OrderLine, int]]:
        lines = order.lines.select_related("product", "offer").order_by("pk")
        return _open(lines, shipping.remaining(order))

    @staticmethod
    def _name(line: OrderLine) -> str:
        return f"line_{line.pk}"


def _open(lines: Iterable[OrderLine], left: Mapping[int, int]) -> list[tuple[OrderLine, int]]:
    return [(line, left[line.pk]) for line in lines if left.get(line.pk)]


def _words(method: dict[str, Any]) -> str:
    name, time = str(method.get("name") or method.get("external_id") or ""), method.get("delivery_time")
    return f"{name} ({time})" if time else name
