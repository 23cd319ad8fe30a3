"""How pages write down who changed what: around a form, an action, a deletion; and how an object's history shows it."""

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from backoffice import trail
from backoffice.comfort import Change

Looks = dict[type[Model], tuple[dict[str, trail.Snapshot], dict[str, str]]]


class KeepsTrail:
    """For models that name what matters; see backoffice.trail. All is written in the transaction of the change itself."""

    model: Any
    object_history_template = "admin/history.html"

    # --- forms: save_form comes before anything is written, save_related after everything ---

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        request.trail_before = self._look(request, form.instance, change)  # type: ignore[attr-defined]
        return super().save_form(request, form, change)  # type: ignore[misc]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)  # type: ignore[misc]
        before: Looks = getattr(request, "trail_before", {})
        for model, (after, later) in self._look(request, form.instance, True).items():
            earlier, names = before.get(model, ({}, {}))
            trail.write(model, earlier, after, names={**names, **later}, by=_name(request), how="form")

    def _look(self, request: HttpRequest, row: Model, exists: bool) -> Looks:
        """Snapshots of an object and of the tracked rows on its page, as the database has them."""
        found: Looks = {}
        if not exists:
            return found
        if trail.is_tracked(self.model):
            found[self.model] = trail.look(self.model, [row.pk])
        for inline in self.get_inline_instances(request, row):  # type: ignore[attr-defined]
            if trail.is_tracked(inline.model) and not getattr(inline, "is_evidence", False):
                link = inline.get_formset(request, row).fk.name
                keys = inline.model._default_manager.filter(**{link: row}).values_list("pk", flat=True)
                found[inline.model] = trail.look(inline.model, keys)
        return found

    # --- actions and deletions ---

    def is_watched(self, action: str) -> bool:
        """Whether the action itself may change rows that are tracked; a deletion is watched where it is done."""
        return action not in ("", "delete_selected")

    def response_action(self, request: HttpRequest, queryset: "QuerySet[Any]") -> Any:
        if not trail.is_tracked(self.model) or not self.is_watched(request.POST.get("action", "")):
            return super().response_action(request, queryset)  # type: ignore[misc]
        keys: Any = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if request.POST.get("select_across") == "1":
            keys = queryset.values_list("pk", flat=True)[: trail.MOST]
        with trail.watching(self.model, keys, by=_name(request), how=request.POST["action"]):
            return super().response_action(request, queryset)  # type: ignore[misc]

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with trail.watching(self.model, [obj.pk], by=_name(request), how="delete"):
            super().delete_model(request, obj)  # type: ignore[misc]

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        keys = list(queryset.values_list("pk", flat=True)[: trail.MOST])
        with trail.watching(self.model, keys, by=_name(request), how="delete"):
            super().delete_queryset(request, queryset)  # type: ignore[misc]

    # --- the history page ---

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        changes: list[dict[str, Any]] = []
        if trail.is_tracked(self.model):
            row = get_object_or_404(self.get_queryset(request), pk=object_id)  # type: ignore[attr-defined]
            changes = [shown(change) for change in trail.of(row)]
        return super().history_view(request, object_id, {**(extra_context or {}), "changes": changes})  # type: ignore[misc]


def shown(change: Change) -> dict[str, Any]:
    """A change for people: each field's name, what it was and what it became."""
    lines = [(name.replace("_", " "), _words(before), _words(after)) for name, (before, after) in change.fields.items()]
    return {"change": change, "lines": lines}


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return "–" if value in (None, "") else str(value)


def _name(request: HttpRequest) -> str:
    return request.user.get_username()
