"""The rows of every list, cell by cell as Django's admin has them, in the theme's look.

The theme works a list's headings out for each row anew and puts each cell together from a dozen pieces, which was half of
what a page took. Here what a column's cells share is worked out once; see docs/benchmarks.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time
from itertools import repeat
from types import SimpleNamespace
from typing import Any

from django import template
from django.contrib.admin.templatetags.admin_list import result_hidden_fields
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import BooleanField, DateField, ForeignKey, Model, TimeField
from django.template.loader import render_to_string
from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from unfold.templatetags.unfold_list import CHECKBOX_CLASSES, LINK_CLASSES, ROW_CLASSES, result_headers
from unfold.utils import (
    display_for_dropdown,
    display_for_field,
    display_for_header,
    display_for_label,
    display_for_value,
)

from backoffice import drawing

register = template.Library()

CHECKBOX = "action_checkbox"
A_KEY = "the key of a row"  # stands where a row's own comes


@dataclass(frozen=True)
class Row:
    """One row as it is shown, and what is wrong with its fields as a whole."""

    cells: SafeString
    errors: Any


@register.inclusion_tag("admin/list_rows.html")
def list_rows(shown: Any) -> dict[str, Any]:
    """Draw the headings and the rows of a ChangeList, or what to do where there are none."""
    headings = list(result_headers(shown))
    return {
        "cl": shown,
        "result_headers": headings,
        "num_sorted_fields": sum(bool(heading["sortable"] and heading["sorted"]) for heading in headings),
        "result_hidden_fields": list(result_hidden_fields(shown)),
        "rows": list(_rows(shown, headings)),
    }


def _rows(shown: Any, headings: list[dict[str, Any]]) -> Iterator[Row]:
    columns = [_Column(shown, place, heading["text"]) for place, heading in enumerate(headings)]
    forms: Iterable[Any] = shown.formset.forms if shown.formset else repeat(None)
    for row, form in zip(shown.result_list, forms, strict=False):
        cells = "".join(column.cell(row, form) for column in columns)
        yield Row(mark_safe(cells), form.non_field_errors() if form else "")  # noqa: S308  # nosec  (each cell is escaped)


class _Column:
    """What the cells of one column share."""

    def __init__(self, shown: Any, place: int, heading: Any) -> None:
        self._shown, self._name = shown, shown.list_display[place]
        self._empty = shown.model_admin.get_empty_value_display()
        links = shown.list_display_links
        self._is_link = links is not None and self._name in links
        self._tag = "th" if self._is_link and links[0] == self._name else "td"
        self._label = gettext("Select record") if self._name == CHECKBOX else heading
        self._classes = CHECKBOX_CLASSES if self._name == CHECKBOX else [f"field-{_known_as(self._name)}", *ROW_CLASSES]
        self._box: list[str] = []
        self._query: str | None = None
        self._begins: dict[str, SafeString] = {}

    def cell(self, row: Model, form: Any) -> str:
        if form is not None and self._is_changed_by(form):
            field = form[self._name]
            errors = (
                render_to_string("unfold/helpers/form_errors.html", {"errors": field.errors}) if field.errors else ""
            )
            return f"{self._begin('group errors' if errors else '')}{field}{errors}</{self._tag}>"
        text, more = self._text(row)
        inner = self._link(row, text) if self._is_link else drawing.escaped(text)
        return f"{self._begin(more)}{inner}</{self._tag}>"

    def _is_changed_by(self, form: Any) -> bool:
        key = self._shown.model._meta.pk.name
        return self._name in form.fields and not (self._name == key and form[key].is_hidden)

    def _begin(self, more: str) -> SafeString:
        if more not in self._begins:
            classes = " ".join([*self._classes, more]).strip()
            self._begins[more] = format_html('<{} class="{}" data-label="{}">', self._tag, classes, self._label)
        return self._begins[more]

    def _text(self, row: Model) -> tuple[Any, str]:
        """What the cell says, and a class more where it must not break."""
        if self._name == CHECKBOX:
            return self._checkbox(row), ""
        try:
            field, function, value = lookup_field(self._name, row, self._shown.model_admin)
        except ObjectDoesNotExist:
            return self._empty, ""
        if field is None or field.auto_created:
            return self._computed(row, function, value), "nowrap" if isinstance(value, (date, time)) else ""
        more = "nowrap" if isinstance(field, (DateField, TimeField, ForeignKey)) else ""
        if field.remote_field and field.many_to_one:
            return (self._empty if value is None else value), more
        if isinstance(field, BooleanField) and not field.flatchoices:
            return drawing.mark(value), more
        return display_for_field(value, field, self._empty), more

    def _checkbox(self, row: Model) -> SafeString:
        if not self._box:  # drawn once: all but the key is the same for each row
            self._box = str(self._shown.model_admin.action_checkbox(SimpleNamespace(pk=A_KEY))).split(A_KEY)
        return mark_safe(drawing.escaped(str(row.pk)).join(self._box))  # noqa: S308  # nosec  (the key is escaped)

    def _computed(self, row: Model, function: Any, value: Any) -> Any:
        empty = getattr(function, "empty_value_display", self._empty)
        if colours := getattr(function, "label", False):
            return display_for_label(value, empty, colours) if value else empty
        if getattr(function, "dropdown", False):
            return display_for_dropdown(row, self._name, value, empty)
        if getattr(function, "header", False):
            return display_for_header(value, empty)
        if getattr(function, "boolean", False):
            return drawing.mark(value)
        return display_for_value(value, empty)

    def _link(self, row: Model, text: Any) -> str:
        try:
            address = self._shown.url_for_result(row)
        except NoReverseMatch:
            return drawing.escaped(text)
        if self._query is None:  # the same for all rows: what the list goes back to
            facts = {"preserved_filters": self._shown.preserved_filters, "opts": self._shown.opts}
            self._query = drawing.escaped(add_preserved_filters(facts, address).removeprefix(address))
        opener = ""
        if self._shown.is_popup:
            key = self._shown.to_field or self._shown.lookup_opts.pk.attname
            opener = format_html(' data-popup-opener="{}"', row.serializable_value(str(key)))
        begin = f'<a href="{drawing.escaped(address)}{self._query}" class="{" ".join(LINK_CLASSES)}"{opener}>'
        return f"{begin}{drawing.escaped(text)}</a>"


def _known_as(name: Any) -> str:
    return str(getattr(name, "__name__", name))
