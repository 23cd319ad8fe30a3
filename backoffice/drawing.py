"""What a page draws many times, drawn without a template each: plain fields, and the theme's labels and marks.

A page of offers drew 220 fields by two templates each, which was a third of what it took; see docs/benchmarks.md.
"""

import html
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from unfold.utils import display_for_label, display_for_value

# Django's templates that draw an <input> and nothing else.
INPUTS = frozenset(f"django/forms/widgets/{kind}.html" for kind in ("checkbox", "hidden", "input", "number", "text"))
# The theme's, that may put words and icons around the input.
AROUND = "unfold/widgets/text.html"
WORDS = ("prefix", "prefix_icon", "suffix", "suffix_icon")
EMPTY = "-"


class QuickFields(DjangoTemplates):
    """Django's own drawing of forms, but for plain inputs, which need no template."""

    def render(self, template_name: str, context: dict[str, Any], request: Any = None) -> str:
        widget = context.get("widget", {})
        if template_name in INPUTS:
            return _input(widget)
        if template_name == AROUND and not any(widget.get(name) for name in WORDS):
            return format_html('<div class="max-w-2xl relative w-full">{}</div>', _input(widget))
        return str(super().render(template_name, context, request))


def _input(widget: Mapping[str, Any]) -> SafeString:
    given = {"type": widget["type"], "name": widget["name"]}
    if widget["value"] is not None:
        given["value"] = widget["value"]
    attributes = "".join(
        f" {escaped(name)}" if value is True else f' {escaped(name)}="{escaped(str(value))}"'
        for name, value in {**given, **widget["attrs"]}.items()
        if value is not False
    )
    return mark_safe(f"<input{attributes}>")  # noqa: S308  # nosec  (each part is escaped)


def escaped(text: Any) -> str:
    """What Django's conditional_escape makes of a text, which a page asks for thousands of times, in a third of the time."""
    if isinstance(text, Promise):
        text = str(text)
    return str(text.__html__()) if hasattr(text, "__html__") else html.escape(str(text))


def label(text: object, colour: str) -> str:
    """The theme's coloured label of one of few texts, such as a state's name."""
    return _label(str(text), colour)


@lru_cache(maxsize=1000, typed=True)
def _label(text: str, colour: str) -> str:
    return str(display_for_label(("", text), EMPTY, {"": colour}))


def mark(value: bool | None) -> str:
    """The theme's mark for yes, no or unknown."""
    return _mark(value, get_language())


@lru_cache(maxsize=100)
def _mark(value: bool | None, language: str | None) -> str:
    return str(display_for_value(value, EMPTY, True))
