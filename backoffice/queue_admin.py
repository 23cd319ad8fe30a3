"""The queue: django-q2's own tables, to look at and to run a failed task once more."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy as _
from django_q import admin as q2
from django_q.models import Failure, OrmQ, Schedule, Success

from backoffice.admin import EvidenceAdmin, age

admin.site.unregister([Success, Failure, Schedule, OrmQ])


@admin.register(OrmQ)
class QueueAdmin(q2.QueueAdmin, EvidenceAdmin):  # type: ignore[misc]
    """The wake-ups that wait. A wake-up that is lost costs a minute: the sweep sends another."""

    empty_help = _(
        "Nothing waits for a worker: all wake-ups are taken. If work stands still nevertheless, see whether"
        " the workers run."
    )
    list_display = ("func", "args", age("lock", _("due")), "task_id")
    list_filter = ()
    ordering = ("lock",)


class _TaskAdmin(EvidenceAdmin):
    search_fields = ("name__startswith", "func__startswith")
    ordering = ("-stopped",)
    fields = ("name", "func", "args", "kwargs", "started", "stopped", "success", "result", "attempt_count")


@admin.register(Success)
class SuccessAdmin(q2.TaskAdmin, _TaskAdmin):  # type: ignore[misc]
    empty_help = _(
        "No task has ended yet. Workers write each one down here for some hours; if this stays empty, start"
        " them with “manage.py qcluster”."
    )
    list_display = ("func", "args", age("stopped", _("finished")), "time_taken")
    list_filter = ("func",)
    search_fields = _TaskAdmin.search_fields
    actions = ()


@admin.register(Failure)
class FailureAdmin(q2.FailAdmin, _TaskAdmin):  # type: ignore[misc]
    empty_help = _("No task has failed. One that does is shown here with its reason and can be run again.")
    list_display = ("func", "args", age("stopped", _("failed")), "short_result")
    list_filter = ("func",)
    search_fields = _TaskAdmin.search_fields
    actions = ("run_again",)
    buttons = ("run_again",)

    def has_run_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("django_q.change_failure"))

    @admin.action(description=_("Run again"), permissions=["run"])
    def run_again(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        count = len(queryset)
        q2.resubmit_task(self, request, queryset)
        self.tell(request, count, gettext("{rows} sent to the queue again; a new failure would show up here."))


@admin.register(Schedule)
class ScheduleAdmin(q2.ScheduleAdmin, EvidenceAdmin):  # type: ignore[misc]
    """What runs by the clock. Written by `migrate` from settings.SCHEDULES, so a change here would not last."""

    empty_help = _("No schedule is written down. “manage.py migrate” writes them from the settings.")
    list_display = ("name", "func", "minutes", age("next_run"), "get_last_run", "get_success")
    list_display_links = ("name",)
    list_filter = ()
