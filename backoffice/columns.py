"""Columns that many lists share, and bits of text for the pages of single rows."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import Truncator
from unfold.decorators import display

from backoffice import drawing, money

Column = Callable[[Any], Any]

# unfold's colours for the states of everything that goes out.
OUTGOING = {"due": "info", "in_flight": "info", "done": "success", "unknown": "warning", "needs_attention": "danger"}


def badge(field: str, colours: Mapping[str, str], description: str | Promise = "") -> Column:
    """Show a choice as a coloured label; a value without a colour stays grey."""

    def column(row: Any) -> str | None:
        value = getattr(row, field)
        return drawing.label(getattr(row, f"get_{field}_display")(), colours.get(value, "")) if value else None

    return _column(column, field, description, ordering=field)


def price(field: str, description: str | Promise = "", currency: str = "currency") -> Column:
    """Show an amount with its currency, rounded to what is paid."""

    def column(row: Any) -> str | None:
        shown = money.display(getattr(row, field), getattr(row, currency))
        return shown.replace(" ", "\N{NO-BREAK SPACE}") or None

    return _column(column, field, description, ordering=field)


def plain(field: str, description: str | Promise) -> Column:
    """Show a column under another title."""

    def column(row: Any) -> Any:
        return getattr(row, field)

    return _column(column, field, description, ordering=field)


def age(field: str, description: str | Promise = "") -> Column:
    """Show how long ago something was."""

    def column(row: Any) -> Any:
        at = getattr(row, field)
        return naturaltime(at) if at else None

    return _column(column, field, description, ordering=field)


def short(field: str, description: str | Promise = "", length: int = 60) -> Column:
    """Show the beginning of a long text."""

    def column(row: Any) -> str:
        return Truncator(getattr(row, field)).chars(length)

    return _column(column, field, description)


def preformatted(field: str, description: str | Promise = "") -> Column:
    """Show a text as it is, on an object's page. For texts that hold no secret."""

    def column(row: Any) -> str:
        return in_lines(getattr(row, field))

    return _column(column, field, description)


def in_lines(text: str) -> str:
    return render_to_string("admin/preformatted.html", {"text": text})


def link(view: str, text: str, *args: Any, query: str = "") -> str:
    """A link to another page of the admin."""
    url = reverse(view, args=args)
    return render_to_string("admin/link.html", {"url": f"{url}?{query}" if query else url, "text": text})


def _column(function: Column, field: str, description: str | Promise, **facts: Any) -> Column:
    function.__name__ = field  # it becomes the cell's class
    words = description or field.removesuffix("_at").replace("_", " ")
    return cast(Column, display(function, description=words, **facts))
