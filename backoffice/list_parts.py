"""What every list has above and in place of its rows: saved filters, and words for when it is empty."""

from typing import Any

from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.views.main import PAGE_VAR
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext
from unfold.views import ChangeList

from backoffice import filters
from backoffice.comfort import SavedFilter


class FiltersOnce(ChangeList):  # type: ignore[misc]
    """A list that makes its filters, and reads what they offer, once; an action asks for its rows a second time."""

    _filters: Any = None

    def get_filters(self, request: HttpRequest) -> Any:
        if self._filters is None:
            self._filters = super().get_filters(request)
        return self._filters


class SavesFilters:
    """A list shows the filters that were saved of it, and opens with the person's default one."""

    opts: Any

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FiltersOnce

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method != "GET" or IS_POPUP_VAR in request.GET:
            return super().changelist_view(request, extra_context)  # type: ignore[misc]
        page = self.opts.label_lower
        saved = filters.of_list(page, request.user) if request.user.pk else []
        first = next((each for each in saved if each.is_default and each.query), None)
        if first is not None and not request.GET:
            return HttpResponseRedirect(f"{request.path}?{first.query}")
        context = {"saved_filters": _shown(saved, request), "filter_page": page, **_choice(request)}
        return super().changelist_view(request, {**(extra_context or {}), **context})  # type: ignore[misc]


def _shown(saved: list[SavedFilter], request: HttpRequest) -> list[dict[str, Any]]:
    here = _pairs(request.GET.urlencode())
    return [
        {
            "filter": each,
            "is_active": _pairs(each.query) == here,
            "is_mine": each.owner_id == request.user.pk,
            "may_change": filters.may_change(each, request.user),
            "is_default": getattr(each, "is_default", False),
        }
        for each in saved
    ]


def _choice(request: HttpRequest) -> dict[str, Any]:
    """What can be saved of what the list shows now, and by whom."""
    query = request.GET.copy()
    for name in (PAGE_VAR, "e"):
        query.pop(name, None)
    return {
        "filter_query": query.urlencode() if any(query.values()) else "",
        "may_share_filters": request.user.has_perm(filters.SHARE),
        "most_letters": SavedFilter._meta.get_field("name").max_length,
    }


def _pairs(query: str) -> list[tuple[str, str]]:
    found = QueryDict(query)
    return sorted((name, value) for name, values in found.lists() if name != PAGE_VAR for value in values if value)


class HelpsWhenEmpty:
    """A list without rows says what it is for and what to do next; see templates/unfold/helpers/empty_results.html.

    `empty_help` is the text; `empty_steps` names the pages that lead on, each a title, the name of its address and the
    permission to open it. The way to add a row is always offered to those who may.
    """

    empty_help: Any = ""
    empty_steps: Any = ()

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)  # type: ignore[misc]
        links = [
            (title, reverse(name)) for title, name, permission in self.empty_steps if request.user.has_perm(permission)
        ]
        if self.has_add_permission(request):  # type: ignore[attr-defined]
            opts = self.opts  # type: ignore[attr-defined]
            title = gettext("Add %(name)s") % {"name": opts.verbose_name}
            links.insert(0, (title, reverse(f"admin:{opts.app_label}_{opts.model_name}_add")))
        found.empty_links = links
        return found
