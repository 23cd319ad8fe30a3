"""The ground of every admin page: BaseAdmin, and what is built on it for evidence. The columns of lists stand beside it."""

from collections.abc import Sequence
from functools import wraps
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import flatten_fieldsets, model_ngettext, quote
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import translation
from unfold.admin import ModelAdmin, TabularInline

from backoffice.columns import (
    OUTGOING,
    Column,
    age,
    badge,
    in_lines,
    link,
    plain,
    preformatted,
    price,
    short,
)
from backoffice.list_parts import HelpsWhenEmpty, SavesFilters
from backoffice.paginator import EstimatingPaginator, InlineRows
from backoffice.trail_parts import KeepsTrail

# Posted with an action that was pressed on an object's own page; its value is that object's primary key.
FROM_PAGE = "_from_page"

# Beyond this many rows the history of one action names only the first.
HISTORY_ROWS = 1000

# What the pages of every room are made of is imported from here.
__all__ = [
    "FROM_PAGE",
    "OUTGOING",
    "BaseAdmin",
    "EstimatingPaginator",
    "EvidenceAdmin",
    "EvidenceInline",
    "GoThere",
    "ReadOnlyMixin",
    "age",
    "answer",
    "badge",
    "in_lines",
    "kept",
    "link",
    "plain",
    "preformatted",
    "price",
    "short",
]


def _once_a_row(name: str, method: Column) -> Column:
    @wraps(method)
    def shown(row: Any) -> Any:
        kept = row.__dict__.setdefault("_shown", {})
        if name not in kept:
            kept[name] = method(row)
        return kept[name]

    return shown


class GoThere(HttpResponseRedirect):
    """What an action answers that leads to a page of its own, which keeps who asked for what."""


class BaseAdmin(KeepsTrail, SavesFilters, HelpsWhenEmpty, ModelAdmin):  # type: ignore[misc]
    """What every list and every form of ours has in common.

    `buttons` names actions that also stand on an object's page; those in `page_only` do not stand in the list's menu.
    A button posts the action for that one object, so both are the same code with the same permission.
    """

    paginator = EstimatingPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every choice of every filter
    list_per_page = 50
    list_max_show_all = 200
    list_filter_submit = True
    list_fullwidth = True
    list_select_related: Sequence[str] = ()
    warn_unsaved_form = True
    change_form_outer_before_template = "admin/buttons.html"
    buttons: Sequence[str] = ()
    page_only: Sequence[str] = ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Let each form post what it showed, too: what a worker wrote after that is no change of the user's."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and not db_field.many_to_many:
            field.show_hidden_initial = True
        return field

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Read the page's row once, however many ask for it while the page is made."""
        if request.method != "GET":
            return super().get_object(request, object_id, from_field)
        rows = request.__dict__.setdefault("_rows", {})
        key = (self.model, object_id, from_field)
        if key not in rows:
            rows[key] = self._read(request, object_id, from_field)
        return rows[key]

    def _read(self, request: HttpRequest, object_id: str, from_field: str | None) -> Any:
        field: Any = self.opts.get_field(from_field) if from_field else self.opts.pk
        rows = self.get_page_queryset(request)
        try:
            return rows.get(**{field.name: field.to_python(object_id)})
        except (ObjectDoesNotExist, ValidationError, ValueError):
            return None

    def get_page_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """The rows of which a page shows one: with what the list shows of each, so that it is not read afterwards."""
        rows: QuerySet[Any] = self.get_queryset(request)
        return rows.select_related(*self.list_select_related) if self.list_select_related else rows

    def _work_out_once(self, names: Sequence[Any]) -> None:
        """Work out what a page shows of its row once; the theme asks for each field's words five times."""
        for name in names:
            if name not in self.__dict__ and callable(method := getattr(self, name, None)):
                setattr(self, name, _once_a_row(name, method))

    def get_buttons(self, request: HttpRequest, row: Any) -> Sequence[str]:
        """Name the buttons that make sense for this row now."""
        return self.buttons

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {**(extra_context or {}), "from_page": FROM_PAGE, "page_buttons": []}
        row = self.get_object(request, object_id) if object_id and request.method == "GET" else None
        if row is not None:
            self._work_out_once(flatten_fieldsets(self.get_fieldsets(request, row)))
            context |= self.get_page_context(request, row)
            allowed = self.get_actions(request)
            wanted = self.get_buttons(request, row)
            context["page_buttons"] = [(name, allowed[name][2]) for name in wanted if name in allowed]
        return super().changeform_view(request, object_id, form_url, context)

    def get_page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Add what an object's page shows beside its fields."""
        return {}

    def get_action_choices(self, request: HttpRequest, default_choices: Any = ()) -> list[tuple[str, str]]:
        choices = super().get_action_choices(request, list(default_choices))
        if FROM_PAGE in request.POST:
            return cast("list[tuple[str, str]]", choices)
        return [choice for choice in choices if choice[0] not in self.page_only]

    def response_action(self, request: HttpRequest, queryset: "QuerySet[Any]") -> Any:
        response = super().response_action(request, queryset)
        if not isinstance(response, HttpResponseRedirect) or isinstance(response, GoThere):
            return response  # nothing was chosen, or a page asks something first
        self._write_history(request, queryset)
        return HttpResponseRedirect(self.where_from(request))

    def _write_history(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        """Keep who chose which action for which rows; deleting writes its own."""
        with translation.override(None):  # what is stored is in one language
            label = str(self.get_actions(request).get(request.POST.get("action", ""), ("", "", ""))[2])
        if not label or request.POST["action"] == "delete_selected":
            return
        chosen = (
            queryset
            if request.POST.get("select_across") == "1"
            else self.get_queryset(request).filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        )
        rows = chosen.select_related(*self.list_select_related)[:HISTORY_ROWS]
        LogEntry.objects.log_actions(cast(int, request.user.pk), rows, CHANGE, change_message=f"{label}.")

    def where_from(self, request: HttpRequest) -> str:
        """The address where an action was chosen: the object's page, or the list with its filters."""
        if FROM_PAGE not in request.POST:
            return request.get_full_path()
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[quote(request.POST[FROM_PAGE])])

    def ask(
        self,
        request: HttpRequest,
        queryset: "QuerySet[Any]",
        *,
        form: forms.Form,
        title: str,
        facts: Sequence[str] = (),
        is_dangerous: bool = False,
    ) -> HttpResponse:
        """Show a form between an action and its work; it posts the same action again, with the form's fields."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "facts": facts,
            "form": form,
            "rows": list(queryset[:10]),
            "is_dangerous": is_dangerous,
            "kept": kept(request),
            "cancel": self.where_from(request),
        }
        return TemplateResponse(request, "admin/ask.html", context)

    def tell(self, request: HttpRequest, count: int, text: str) -> None:
        """Say what an action did: `{rows}` in `text` becomes "3 offers"."""
        rows = f"{count} {model_ngettext(self.opts, count)}"
        self.message_user(request, text.format(rows=rows), messages.SUCCESS if count else messages.WARNING)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what the user changed against what the form showed, and nothing else.

        A worker may have written other columns meanwhile, also between the page's showing and its saving.
        """
        if not change:
            super().save_model(request, obj, form, change)
            return
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in columns])


def answer(request: HttpRequest) -> Any:
    """The data for the form of an `ask` page: None when the page was not shown yet."""
    return request.POST if "answered" in request.POST else None


def kept(request: HttpRequest) -> list[tuple[str, str]]:
    """What the first post of an action said, to be said again with the form: the action and the chosen rows."""
    names = ("action", "select_across", FROM_PAGE, ACTION_CHECKBOX_NAME)
    return [(name, value) for name in names for value in request.POST.getlist(name)]


class ReadOnlyMixin:
    """Evidence: it can be looked at, and by nobody be added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class EvidenceAdmin(ReadOnlyMixin, BaseAdmin):
    warn_unsaved_form = False


class EvidenceInline(ReadOnlyMixin, TabularInline):  # type: ignore[misc]
    is_evidence = True
    formset = InlineRows
    extra = 0
    can_delete = False
    hide_title = True


admin.site.index_title = "Back office"

# Last, since it stands on what is above; autodiscovery knows only this module.
from backoffice import alert_admin, change_admin, queue_admin, run_admin, staff_admin  # noqa: E402, F401
from backoffice.second_factor import admin as second_factor_admin  # noqa: E402, F401
