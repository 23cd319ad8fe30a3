"""Ship many orders at once: each goes as one parcel with all that remains of it, under the tracking number typed for it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Max, Q, QuerySet
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from backoffice import runs
from backoffice.runs import Key, Outcome
from marketplaces.runs import EachRow, ends_of
from orders import mirroring, shipping
from orders.models import Order, Shipment
from orders.ship_form import CARRIERS, OTHER, CarrierForm, carrier_of

LONGEST = 500_000
STRAYS_NAMED = 5
SEPARATORS = ",;\t"
CODES = {word.casefold(): code for code, label in CARRIERS if code != OTHER for word in (code, label)}


@dataclass(frozen=True)
class Typed:
    """What was typed for one order."""

    tracking_number: str
    carrier: str = ""


@lru_cache(maxsize=4)  # the same text is asked about for each page of a run's rows
def parsed(text: str) -> Mapping[str, Typed]:
    """Read lines of “order, tracking number[, carrier]”, by the order's id or number. Raises ValueError, for people."""
    found: dict[str, Typed] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        separator = next((sign for sign in SEPARATORS if sign in line), None)
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator))] if separator else line.split()
        if not 2 <= len(cells) <= 3 or not all(cells[:2]):
            raise ValueError(f"Line {number} is not an order, a tracking number and perhaps a carrier: “{line[:80]}”.")
        if cells[0] in found:
            raise ValueError(f"Line {number} names order {cells[0]} once more: each goes as one parcel.")
        if len(cells[1]) > 100 or len(cells[-1]) > 100:
            raise ValueError(f"Line {number} is longer than any tracking number.")
        carrier = cells[2] if len(cells) == 3 else ""
        found[cells[0]] = Typed(cells[1], CODES.get(carrier.casefold(), carrier)[:60])
    return found


class ShipManyForm(CarrierForm):
    """Tracking numbers by order, as a carrier's software or a spreadsheet gives them, and the carrier of those without."""

    parcels = forms.CharField(
        label=_("Tracking numbers"), max_length=LONGEST, required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 10}),
        help_text=_(
            "An order a line: its id or number, the tracking number, and the carrier if it is not the one below,"
            " separated by commas, semicolons or tabs. Columns copied from a spreadsheet fit."
        ),
    )  # fmt: skip
    without_number = forms.BooleanField(
        label=_("Also those without a tracking number"), required=False, widget=UnfoldBooleanSwitchWidget(),
        help_text=_("Otherwise an order that no line names is left alone."),
    )  # fmt: skip
    field_order = ("parcels", "carrier", "other_carrier", "without_number")

    def clean_parcels(self) -> str:
        text: str = self.cleaned_data["parcels"]
        try:
            parsed(text)
        except (ValueError, csv.Error) as problem:
            raise ValidationError(str(problem)) from None
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not cleaned.get("without_number") and not cleaned.get("parcels", "").strip():
            self.add_error("parcels", gettext("Give tracking numbers, or ship without them."))
        return cleaned


@dataclass(frozen=True)
class Ground:
    """What is known of some orders: what was typed, what remains of each, numbers in use, and parcels that got stuck."""

    typed: Mapping[str, Typed]
    left: Mapping[int, Mapping[int, int]]
    used: set[tuple[int, str]]
    stuck: Mapping[int, Shipment]

    def parcel(self, order: Order) -> Typed | None:
        return self.typed.get(order.external_id) or (self.typed.get(order.number) if order.number else None)

    def units(self, order: Order) -> int:
        return sum(self.left[order.pk].values())


class ShipOrders(EachRow):
    """Announce a parcel for each order. One whose announcement got stuck is tried again and not packed twice."""

    title = "Ship"
    model = Order
    permission = "orders.ship_order"
    form_class: ClassVar[type[forms.Form]] = ShipManyForm
    deferred = ("raw", "contact")
    requests_each = 4  # read the order or look for its parcels, announce, read back
    header = ("order", "account", "units", "carrier", "tracking number", "way of shipping")
    facts = (
        "Each order goes as one parcel with all that remains of it, and its buyer is told. An order in several parcels is"
        " packed on its own page.",
    )

    def describe(self, said: Mapping[str, Any]) -> str:
        return f"Ship, {len(parsed(said['parcels']))} tracking numbers"

    def ground(self, rows: Sequence[Order], said: Mapping[str, Any]) -> Ground:
        pks = [row.pk for row in rows]
        stuck = Shipment.objects.filter(
            order__in=pks, wish=Shipment.Wish.CREATE, deleted_at=None, state=Shipment.State.NEEDS_ATTENTION
        )
        return Ground(
            parsed(said["parcels"]), shipping.remaining_of(pks), shipping.numbers_of(pks),
            {parcel.order_id or 0: parcel for parcel in stuck.defer("contact", "raw").order_by("-pk")},
        )  # fmt: skip

    def is_over(self, row: Order, said: Mapping[str, Any], ground: Ground) -> str:
        if row.pk in ground.stuck or not row.needs_shipping or row.is_summary or ground.units(row):
            return ""
        return "Everything is in parcels."

    def why_not(self, row: Order, said: Mapping[str, Any], ground: Ground) -> str:
        if not row.needs_shipping:
            return "Its goods do not go by parcel."
        if row.is_summary:
            return "Only its row in a list is known yet: it is being read. Try again in a minute."
        if problem := shipping.cannot_ship(row):
            return f"{problem}."
        if not ground.units(row):  # a parcel that got stuck is all there is to do
            return ""
        if len(row.shipping_methods) > 1:
            return "It names several ways of shipping. Pack it on its page, where you choose one."
        return self._why_no_number(row, said, ground)

    def _why_no_number(self, row: Order, said: Mapping[str, Any], ground: Ground) -> str:
        typed = ground.parcel(row)
        if typed is None:
            return "" if said["without_number"] else "No tracking number was typed for it."
        if (row.pk, mirroring.plain(typed.tracking_number)) in ground.used:
            return f"Tracking number {typed.tracking_number} is on another parcel of it."
        return ""

    def columns(self, row: Order, said: Mapping[str, Any], ground: Ground) -> Sequence[str]:
        units = ground.units(row)
        if not units:
            again = ground.stuck[row.pk]
            return str(row), str(row.account), f"{again}, again", again.carrier, again.tracking_number, ""
        fields = self._fields(row, said, ground)
        way = row.shipping_methods[0].get("name") or fields["shipping_method_id"] if row.shipping_methods else ""
        name = f"{row} ({row.number})" if row.number else str(row)
        return (
            name,
            str(row.account),
            str(units),
            fields["carrier"] or "not said",
            fields["tracking_number"] or "none",
            way,
        )

    def _fields(self, row: Order, said: Mapping[str, Any], ground: Ground) -> dict[str, Any]:
        typed = ground.parcel(row)
        usual = carrier_of(said)
        return {
            "tracking_number": typed.tracking_number if typed else "",
            "carrier": (typed.carrier if typed else "") or usual,
            "shipping_method_id": str(row.shipping_methods[0].get("external_id", "")) if row.shipping_methods else "",
        }

    def more_facts(self, rows: "QuerySet[Any]", said: Mapping[str, Any]) -> Sequence[str]:
        """Lines that name no chosen order are most likely mistyped."""
        typed = parsed(said["parcels"])
        chosen = Order.objects.filter(pk__in=rows.order_by().values("pk"))
        named = chosen.filter(Q(external_id__in=typed) | Q(number__in=typed)).values_list("external_id", "number")
        known = {name for names in named for name in names}
        if not (strays := [name for name in typed if name not in known]):
            return []
        more = f" and {len(strays) - STRAYS_NAMED:,} more" if len(strays) > STRAYS_NAMED else ""
        return [f"Lines that name no chosen order, and are not used: {', '.join(strays[:STRAYS_NAMED])}{more}."]

    def do(self, row: Order, said: Mapping[str, Any], by: str, ground: Ground) -> Outcome:
        if not ground.units(row):
            shipping.try_again(ground.stuck[row.pk])
            return runs.waiting("announced again")
        try:
            shipping.ship(row, ground.left[row.pk], by=by, **self._fields(row, said, ground))
        except shipping.NotShippable as problem:
            return runs.failed(f"{problem}.")
        return runs.waiting("being announced")

    def outcomes(self, rows: "QuerySet[Any]") -> Mapping[Key, Outcome]:
        packed_here = Shipment.objects.filter(order__in=rows.order_by().values("pk")).exclude(by="")
        newest = packed_here.order_by().values("order").annotate(newest=Max("pk")).values("newest")
        return ends_of(Shipment.objects.filter(pk__in=newest), "order_id")
