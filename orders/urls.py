"""The reports' addresses, which stand below the admin's."""

from django.urls import path
from django.views.generic import RedirectView

from orders import report_pages

app_name = "reports"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="reports:profit"), name="index"),
    path("profit/", report_pages.profit, name="profit"),
    path("stock/", report_pages.stock, name="stock"),
    path("times/", report_pages.times, name="times"),
]
