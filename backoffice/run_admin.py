"""Bulk actions as runs: from the chosen rows to the page where one can watch them being done."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, cast
from uuid import uuid4

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from backoffice import csvio, runs
from backoffice.admin import BaseAdmin, EvidenceAdmin, GoThere, age, answer, badge, kept
from backoffice.models import Run, RunItem
from backoffice.permissions import FOLLOWS_RUNS

ITEM_STATES = {
    "due": "",
    "waiting": "info",
    "done": "success",
    "unchanged": "",
    "failed": "danger",
    "cancelled": "warning",
}
SHOWN_REFUSALS = 10
RUN = "run_"  # what the names of the actions begin with that begin a run


class BulkRuns(BaseAdmin):
    """A list whose `run_kinds` stand in its menu of actions, each for who has the kind's permission."""

    run_kinds: Sequence[type[runs.Kind]] = ()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        for kind in self.run_kinds:
            if request.user.has_perm(kind.permission):
                name = f"{RUN}{kind.__name__.lower()}"
                actions[name] = (partial(_begin, kind), name, kind.title)
        return actions

    def is_watched(self, action: str) -> bool:
        """A run is but begun here: what it changes is written down where it is changed."""
        return not action.startswith(RUN) and super().is_watched(action)


def _begin(
    kind: type[runs.Kind], page: BulkRuns, request: HttpRequest, queryset: "QuerySet[Any]"
) -> HttpResponse | None:
    """Ask what the kind asks, show what would change, then start: the same action posted up to three times."""
    work = kind()
    form = kind.form_class(answer(request)) if kind.form_class.base_fields else None
    chosen = work.rows_of(queryset)
    rows = chosen.count()
    if form is not None and not form.is_valid():
        facts = [f"{intcomma(rows)} rows are chosen. Nothing is changed before you have seen a preview."]
        return page.ask(request, queryset, form=form, title=kind.title, facts=facts)
    said = _plain(form.cleaned_data) if form is not None else {}
    if "confirmed" not in request.POST:
        return _show_preview(page, request, chosen, work, said, rows)
    run = runs.start(work, rows=chosen, said=said, by=cast(User, request.user), token=request.POST["token"])
    return GoThere(reverse("admin:backoffice_run_change", args=[run.pk]))


def _plain(cleaned: dict[str, Any]) -> dict[str, Any]:
    """What a form said, for a JSON column: amounts and rows as their text."""
    return {
        name: value if isinstance(value, bool | int | str | None) else str(getattr(value, "pk", value))
        for name, value in cleaned.items()
    }


def _show_preview(
    page: BulkRuns, request: HttpRequest, queryset: "QuerySet[Any]", kind: runs.Kind, said: dict[str, Any], rows: int
) -> HttpResponse:
    preview = kind.preview(queryset, said)
    fields = [(name, value) for name in kind.form_class.base_fields for value in request.POST.getlist(name)]
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": kind.title,
        "preview": preview,
        "table": {"headers": list(preview.header), "rows": [list(line) for line in preview.sample]},
        "rows": rows,
        "refused": preview.refused[:SHOWN_REFUSALS],
        "more_refused": max(len(preview.refused) - SHOWN_REFUSALS, 0),
        "takes": timesince_of(preview.seconds),
        "is_dangerous": kind.is_dangerous,
        "kept": [*kept(request), *fields, ("token", uuid4().hex)],
        "cancel": page.where_from(request),
    }
    return TemplateResponse(request, "admin/runs/preview.html", context)


def timesince_of(seconds: float) -> str:
    """Write a length of time for people; an empty text for less than a second."""
    if seconds < 1:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
    now = timezone.now()
    return timesince(now - timedelta(seconds=seconds), now)


@admin.register(Run)
class RunAdmin(EvidenceAdmin):
    """Every run with how far it is; its own page follows it live."""

    empty_help = _(
        "No bulk action was started yet. Choose rows in a list, such as Offers, and an action; after its"
        " preview it runs in the background and is shown here."
    )
    empty_steps = ((_("Offers"), "admin:inventory_offer_changelist", "inventory.view_offer"),)
    list_display = ("title", "by", "progress", age("created_at", _("started")), age("ended_at", _("ended")))
    list_select_related = ("by",)
    ordering = ("-created_at",)
    fields = ("title", "by", "total", "created_at", "ended_at", "cancelled_by")
    actions: Sequence[str] = ("cancel", "retry")
    buttons: Sequence[str] = ("cancel", "retry")
    page_only: Sequence[str] = ("cancel", "retry")
    change_form_before_template = "admin/runs/progress.html"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """One's own runs; all of them for who may view or change runs."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows if _sees_all(request) else rows.filter(by=request.user.pk)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_look(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _may_look(request)

    def has_own_permission(self, request: HttpRequest) -> bool:
        """Whether any run is theirs to stop: one of their own, or all."""
        return _changes_all(request) or Run.objects.filter(by=request.user.pk).exists()

    @display(description=_("progress"))  # type: ignore[untyped-decorator]
    def progress(self, run: Run) -> str:
        if run.ended_at:
            return "stopped" if run.cancelled_at else "ended"
        return "being stopped" if run.cancelled_at else "under way"

    def get_buttons(self, request: HttpRequest, row: Run) -> Sequence[str]:
        if row.by_id != request.user.pk and not _changes_all(request):
            return ()
        if row.ended_at is None:
            return () if row.cancelled_at else ("cancel",)
        return ("retry",) if vars(row)["page_figures"]["can_retry"] else ()

    def get_page_context(self, request: HttpRequest, row: Run) -> dict[str, Any]:
        figures = vars(row)["page_figures"] = _figures(row)  # the buttons, which are asked for next, depend on them
        return {"run": row, "figures": figures}

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/progress/", view(self.progress_view), name="backoffice_run_progress"),
            path("<int:pk>/results.csv", view(self.results_view), name="backoffice_run_results"),
            *super().get_urls(),
        ]

    def _run(self, request: HttpRequest, pk: int) -> Run:
        run: Run | None = self.get_queryset(request).filter(pk=pk).first()
        if run is None:
            raise Http404
        return run

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return JsonResponse(_figures(self._run(request, pk)))

    def results_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        run = self._run(request, pk)
        response = StreamingHttpResponse(
            csvio.lines(("row", "state", "result"), runs.results(run)), content_type="text/csv"
        )
        response["Content-Disposition"] = f'attachment; filename="run-{run.pk}.csv"'
        return response

    @admin.action(description=_("Stop"), permissions=["own"])
    def cancel(self, request: HttpRequest, queryset: "QuerySet[Run]") -> None:
        for run in _theirs(request, queryset):
            if runs.cancel(run, by=request.user.get_username()):
                self.message_user(
                    request, gettext("The run stops before its next row; what is under way goes on."), messages.SUCCESS
                )

    @admin.action(description=_("Retry the failed"), permissions=["own"])
    def retry(self, request: HttpRequest, queryset: "QuerySet[Run]") -> None:
        count = sum(runs.retry(run) for run in _theirs(request, queryset))
        text = gettext("%(count)s rows are tried once more.") % {"count": count}
        self.message_user(request, text, messages.SUCCESS)


def _changes_all(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("backoffice.change_run"))


def _sees_all(request: HttpRequest) -> bool:
    return _changes_all(request) or bool(request.user.has_perm("backoffice.view_run"))


def _theirs(request: HttpRequest, queryset: "QuerySet[Run]") -> "QuerySet[Run]":
    """The runs that this user may stop and repeat: their own, or all."""
    return queryset if _changes_all(request) else queryset.filter(by=request.user.pk)


def _may_look(request: HttpRequest) -> bool:
    """Who started a run may follow it; who may view runs sees the pages all the same. Others see their own."""
    user = request.user
    return user.has_perm("backoffice.view_run") or (user.is_staff and user.has_perm(FOLLOWS_RUNS))


def _figures(run: Run) -> dict[str, Any]:
    found = runs.tally(run)
    over = run.total - found["due"] - found["waiting"]
    return {
        "total": run.total,
        "percent": 100 * over // run.total if run.total else 100,
        "is_over": run.ended_at is not None,
        "states": [{"state": state.value, "label": state.label, "rows": found[state.value]} for state in RunItem.State],
        "can_retry": run.ended_at is not None and found["failed"] > 0,
    }


@admin.register(RunItem)
class RunItemAdmin(EvidenceAdmin):
    """The rows of one run; reached from the run's page."""

    empty_help = _("No row was worked on yet. Every row of a bulk action gets its result here.")
    empty_steps = ((_("Runs"), "admin:backoffice_run_changelist", "backoffice.view_run"),)
    list_display = ("target", badge("state", ITEM_STATES), "text")
    list_filter = (("state", ChoicesDropdownFilter), "run")
    ordering = ("pk",)
    fields = ("run", "target", "state", "text")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_look(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("backoffice.view_runitem"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows if _sees_all(request) else rows.filter(run__by=request.user.pk)
