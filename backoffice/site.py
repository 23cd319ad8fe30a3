"""The admin's site, in the theme's look."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):  # type: ignore[misc]
    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """All pages that a person may open, put together when something shows them: every page has them at hand."""
        return SimpleLazyObject(lambda: super(Site, self).get_app_list(request, app_label))
