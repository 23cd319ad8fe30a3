"""Join the apps by name."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from backoffice import health, search_page

urlpatterns = [
    path("hooks/", include("marketplaces.urls")),  # first: nothing is called as often
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/second-factor/", include("backoffice.second_factor.pages")),
    # In the place of the theme's own search, which takes what is typed in the address and keeps its results in the cache.
    path("admin/search/", admin.site.admin_view(search_page.page), name="search"),
    path("admin/me/", include("backoffice.me")),
    path("admin/reports/", include("orders.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
]
