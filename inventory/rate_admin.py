"""Exchange rates: the list, and the page that imports a file of them after a preview."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import AllValuesCheckboxFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from backoffice.admin import BaseAdmin
from inventory import rates
from inventory.models import ExchangeRate

LARGEST_FILE = 1_000_000
SHOWN = 20


class RatesForm(forms.Form):
    """A file of rates, or the same as a text."""

    file = forms.FileField(required=False, widget=UnfoldAdminFileFieldWidget(), help_text=_("UTF-8, at most 1 MB."))
    text = forms.CharField(
        label=_("Or its text"),
        required=False,
        max_length=LARGEST_FILE,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        file = data.get("file")
        if file is not None and file.size > LARGEST_FILE:
            self.add_error("file", gettext("The file is larger than 1 MB."))
        elif file is not None:
            data["text"] = file.read().decode("utf-8-sig", errors="replace")
        if not self.errors and not data.get("text", "").strip():
            self.add_error("file", gettext("Choose a file, or paste its text."))
        return data


@admin.register(ExchangeRate)
class ExchangeRateAdmin(BaseAdmin):
    list_display = ("pair", "amount", "day")
    list_filter = (("base", AllValuesCheckboxFilter), ("quote", AllValuesCheckboxFilter))
    search_fields = ("base__exact", "quote__exact")
    search_help_text = _("A currency, such as EUR")
    ordering = ("-day", "base", "quote")
    fields = (("base", "quote"), "rate", "day")
    list_before_template = "admin/inventory/exchangerate/button.html"
    empty_help = _(
        "No exchange rate is known yet. They are needed where a cost, a fee or a competitor's price is in another currency"
        " than the offer: without one there is no floor from the margin. Enter each pair once, or import a CSV; the newest"
        " rate that is not after the day counts, also the other way round and over a third currency."
    )

    @display(description=_("pair"), ordering="base")
    def pair(self, rate: ExchangeRate) -> str:
        return f"{rate.base} → {rate.quote}"

    @display(description=_("rate"), ordering="rate")
    def amount(self, rate: ExchangeRate) -> str:
        return f"{rate.rate.normalize():f}"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.import_view)
        return [path("import/", view, name="inventory_exchangerate_import"), *super().get_urls()]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, show what it would change, then store it: the same text is posted twice."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form = RatesForm(request.POST or None, request.FILES or None)
        if not form.is_valid():
            return self._page(request, form)
        text = form.cleaned_data["text"]
        try:
            found = rates.read(text.splitlines(keepends=True))
        except ValueError as error:
            form.add_error("file", gettext("This is no file of rates: %(problem)s.") % {"problem": error})
            return self._page(request, form)
        if "confirmed" not in request.POST:
            return self._preview(request, form, text, found)
        stored = rates.store(found.rows)
        told = gettext("%(added)s rates were added and %(changed)s changed; %(left_out)s lines left out.")
        counts = {"added": len(stored.new), "changed": len(stored.changed), "left_out": len(found.errors)}
        self.message_user(request, told % counts, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:inventory_exchangerate_changelist"))

    def _preview(self, request: HttpRequest, form: RatesForm, text: str, found: rates.RatesFile) -> HttpResponse:
        compared = rates.compare(found.rows)
        lines = [(row, "") for row in compared.new] + [(row, f"{old.normalize():f}") for row, old in compared.changed]
        rows = [
            [f"{row.base} → {row.quote}", str(row.day), old, f"{row.rate.normalize():f}"] for row, old in lines[:SHOWN]
        ]
        return self._page(
            request, form, compared=compared, text=text, errors=found.errors, shown_errors=found.errors[:SHOWN],
            more_errors=max(len(found.errors) - SHOWN, 0), table={"headers": ["Pair", "Day", "Now", "After"], "rows": rows},
        )  # fmt: skip

    def _page(self, request: HttpRequest, form: RatesForm, **more: Any) -> HttpResponse:
        again = "import" if more else "changelist"
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Import exchange rates", "form": form,
            "cancel": reverse(f"admin:inventory_exchangerate_{again}"), **more,
        }  # fmt: skip
        return TemplateResponse(request, "admin/inventory/exchangerate/import.html", context)
