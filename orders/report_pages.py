"""The pages of the reports, and their files; for those with the permission of their own, and nobody else."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from backoffice import csvio
from marketplaces.models import Account
from orders import reports
from orders.profit import DIMENSIONS
from orders.report_forms import ReportForm, StockForm, TimesForm, period_of
from orders.reports import Report
from orders.stock_value import DIMENSIONS as STOCK_DIMENSIONS

PERMISSION = "orders.view_reports"
UNSOLD_DAYS = 60
TABS = {
    "profit": gettext_lazy("Profit"), "stock": gettext_lazy("Stock value"), "times": gettext_lazy("Delivery times"),
}  # fmt: skip
DISPLAYED = {
    "day": gettext_lazy("Day"), "account": gettext_lazy("Account"), "product": gettext_lazy("Product"),
    "batch": gettext_lazy("Batch"), "supplier": gettext_lazy("Supplier"),
}  # fmt: skip
Page = Callable[[HttpRequest], HttpResponseBase]


def _page(view: Page) -> Page:
    """For staff who may see reports, fresh each time."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return view(request)

    page: Page = admin.site.admin_view(never_cache(require_safe(guarded)))
    return page


def _accounts() -> tuple[list[Account], bool]:
    """The accounts that count, and whether they are play accounts because there are no others."""
    every = list(Account.objects.order_by("name").only("name", "marketplace", "is_sandbox"))
    real = [account for account in every if not account.is_sandbox]
    return (real or every), bool(every) and not real


def _by(dimensions: Any) -> list[tuple[str, Any]]:
    return [(name, DISPLAYED[name]) for name in dimensions]


@_page
def profit(request: HttpRequest) -> HttpResponseBase:
    accounts, is_play = _accounts()
    form = ReportForm(request.GET, accounts=accounts, by=_by(DIMENSIONS))
    if not form.is_valid():
        return _shown(request, "profit", form, None, is_play)
    said, days = form.cleaned_data, form.days()
    house = said["currency"] or reports.house_currency(accounts)
    product = said["product"].pk if said["product"] else None
    keys = [account.pk for account in form.chosen()]
    report = reports.profit_report(said["by"] or "day", days, period_of(*days), keys, house, product)
    return _shown(request, "profit", form, report, is_play, days)


@_page
def stock(request: HttpRequest) -> HttpResponseBase:
    accounts, is_play = _accounts()
    form = StockForm(request.GET, accounts=accounts, by=_by(STOCK_DIMENSIONS))
    if not form.is_valid():
        return _shown(request, "stock", form, None, is_play)
    said = form.cleaned_data
    by = "product" if said["only"] == "dead" else said["by"] or "product"  # what sells is known of products
    house = said["currency"] or reports.house_currency(accounts)
    product = said["product"].pk if said["product"] else None
    report = reports.stock_report(by, house, product, said["unsold_days"] or UNSOLD_DAYS, said["only"])
    return _shown(request, "stock", form, report, is_play)


@_page
def times(request: HttpRequest) -> HttpResponseBase:
    accounts, is_play = _accounts()
    form = TimesForm(request.GET, accounts=accounts)
    if not form.is_valid():
        return _shown(request, "times", form, None, is_play)
    days, said = form.days(), form.cleaned_data
    product = said["product"].pk if said["product"] else None
    report = reports.times_report(days, period_of(*days), form.chosen(), product)
    return _shown(request, "times", form, report, is_play, days)


def _shown(
    request: HttpRequest, kind: str, form: ReportForm, report: Report | None, is_play: bool, days: Any = None
) -> HttpResponseBase:
    if report is not None and request.GET.get("format") == "csv":
        return _file(kind, report, days)
    query = request.GET.copy()
    query["format"] = "csv"
    context = {
        **admin.site.each_context(request),
        "title": report.title if report else TABS[kind],
        "tabs": [(title, reverse(f"reports:{name}"), name == kind) for name, title in TABS.items()],
        "form": form,
        "report": report,
        "days": days,
        "zone": timezone.get_current_timezone_name(),
        "is_play": is_play,
        "file": f"?{query.urlencode()}",
        "help": HELP[kind],
    }
    return TemplateResponse(request, "admin/reports/report.html", context)


HELP = {
    "profit": gettext_lazy(
        "What left in the period: sales less refunds, fees and cost. A code counts with its own cost or its batch's, a"
        " counted unit with the average of its receipts; an order's fee and refund are shared by its units; a replacement"
        " only costs."
    ),
    "stock": gettext_lazy(
        "What is ours now: codes that are available, set aside, uploaded or returned, and counted units. Converted at today's"
        " rate. Dead stock is older than the chosen days and was not sold in them."
    ),
    "times": gettext_lazy("How long buyers waited for what we deliver, and how much of it was in time."),
}


def _file(kind: str, report: Report, days: Any) -> HttpResponse | StreamingHttpResponse:
    """All rows as CSV. The last columns say which days of which time zone it is of."""
    zone, today = timezone.get_current_timezone_name(), timezone.localdate()
    span = [day.isoformat() for day in days] if days else [today.isoformat()]
    columns = [*report.columns, *(["from", "to"] if days else ["on"]), "time_zone"]
    rows = ([*row, *span, zone] for row in report.rows)
    response = StreamingHttpResponse(csvio.lines(columns, rows), content_type="text/csv; charset=utf-8")
    name = "-".join([_("report"), kind, *span])
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
