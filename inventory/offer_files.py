"""Offers as a file, in and out: what django-import-export shows and asks, over the verb that knows the rules."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import tablib
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy as _
from import_export.admin import ImportExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV, XLSX
from import_export.forms import ConfirmImportForm
from import_export.resources import ModelResource
from import_export.results import Error, Result, RowResult
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminSelectWidget

from inventory import offers
from inventory.models import Offer
from inventory.offer_rows import cell, exported, read_row
from inventory.offers import Outcome
from marketplaces.models import Account

ACCOUNT = "account"
COLUMNS = (ACCOUNT, *offers.COLUMNS)
# Columns that say something of other rows, and who may see those.
NEEDS = {ACCOUNT: "marketplaces.view_account", "sku": "inventory.view_product"}
VIEW = "inventory.view_offer"
LARGEST_FILE, MOST_ROWS = 10 * 1024 * 1024, 50_000
SHOWN = 200
TYPES = {
    "created": RowResult.IMPORT_TYPE_NEW,
    "changed": RowResult.IMPORT_TYPE_UPDATE,
    "unchanged": RowResult.IMPORT_TYPE_SKIP,
    "refused": RowResult.IMPORT_TYPE_ERROR,
}


def columns_for(user: Any) -> list[str]:
    """The columns of an export that this user may see."""
    return [name for name in COLUMNS if user.has_perm(NEEDS.get(name, VIEW))]


class OfferResource(ModelResource):
    """Rows of a file, by the columns that import_offers takes and the name of the account.

    The library's own way of writing fields is not used: offers.apply_rows alone knows what a row may do.
    """

    class Meta:
        model = Offer
        fields = ()

    def __init__(self, user: Any = None, **kwargs: Any) -> None:
        super().__init__()
        self.user = user

    @classmethod
    def get_display_name(cls) -> str:
        return "Offers"

    def get_user_visible_fields(self) -> list[Field]:
        return [Field(column_name=name) for name in (columns_for(self.user) if self.user else COLUMNS)]

    def export(self, queryset: "QuerySet[Offer]", **kwargs: Any) -> tablib.Dataset:
        columns = columns_for(self.user)
        data = tablib.Dataset(headers=columns)
        rows = queryset.filter(product__isnull=False).select_related("account", "product").order_by("pk")
        for offer in rows.iterator(chunk_size=1000):
            data.append([exported(offer, name) if name != ACCOUNT else offer.account.name for name in columns])
        return data

    def import_data(
        self, dataset: tablib.Dataset, dry_run: bool = False, account: Account | None = None, **kwargs: Any
    ) -> Result:
        """Apply a file, or say what it would change. Good rows are applied, bad ones are in the result with their reason."""
        result = FileResult()
        result.diff_headers = ["row", ACCOUNT, *offers.COLUMNS]
        result.total_rows = len(dataset)
        try:
            header = _header(dataset)
        except offers.UnusableHeader as error:
            result.append_base_error(_Told(error))
            return result
        for outcome in sorted(_outcomes(header, dataset, account, is_trial=dry_run), key=lambda found: found.number):
            _add(result, outcome, is_trial=dry_run)
        return result


class FileResult(Result):
    """What became of a file: `rows` are those that change something, `error_rows` the first that were refused."""

    def row_errors(self) -> list[tuple[int, list[Error]]]:
        return [(row.number, row.errors) for row in self.error_rows]

    def has_errors(self) -> bool:
        return bool(self.base_errors or self.totals[RowResult.IMPORT_TYPE_ERROR])


class _Told(Error):
    """A reason for people; where in our code it was found is nobody's business."""

    traceback = ""


def _header(dataset: tablib.Dataset) -> list[str]:
    if len(dataset) > MOST_ROWS:
        raise offers.UnusableHeader(f"The file has more than {MOST_ROWS:,} rows. Cut it into parts.")
    names = [_text(name).strip().lower() for name in dataset.headers or []]
    while names and not names[-1]:  # a sheet may be wider than its table
        names.pop()
    offers.check_header([name for name in names if name != ACCOUNT])
    if names.count(ACCOUNT) > 1:
        raise offers.UnusableHeader("The header names a column twice.")
    return names


def _outcomes(
    header: Sequence[str], dataset: tablib.Dataset, account: Account | None, *, is_trial: bool
) -> Iterator[Outcome]:
    """What becomes of the rows, an account after the other."""
    named = {found.name: found for found in Account.objects.all()}
    by_account: dict[str, list[tuple[int, Mapping[str, str]]]] = {}
    for number, values in enumerate(dataset, 2):  # the first row is the header
        cells = [_text(value) for value in values]
        if not any(text.strip() for text in cells):
            continue
        try:
            row = read_row(header, cells[: len(header)] if not any(cells[len(header) :]) else cells)
            name = row.pop(ACCOUNT, "") or (account.name if account else "")
            if name not in named:
                why = f'there is no account "{name}"' if name else "it names no account; choose one, or add the column"
                raise offers.UnusableRow(why)
        except offers.UnusableRow as error:
            yield Outcome(number, "refused", reason=str(error))
            continue
        by_account.setdefault(name, []).append((number, row))
    for name, rows in by_account.items():
        yield from offers.apply_rows(account=named[name], rows=rows, is_trial=is_trial, is_pushed=not is_trial)


def _text(value: object) -> str:
    """A cell of a sheet as a person typed it: 10.0 is how a sheet keeps a 10."""
    if value is None:
        return ""
    if isinstance(value, float):
        exact = Decimal(repr(value))
        return f"{exact.to_integral_value() if exact == exact.to_integral_value() else exact:f}"
    return str(value)


def _add(result: Result, outcome: Outcome, *, is_trial: bool) -> None:
    row = RowResult()
    row.import_type, row.number = TYPES[outcome.word], outcome.number
    if outcome.offer is None:
        row.errors = [_Told(offers.UnusableRow(outcome.reason), number=outcome.number)]
        if len(result.error_rows) < SHOWN:
            result.append_error_row(outcome.number, {}, row.errors)
    result.increment_row_result_total(row)
    if outcome.offer is None or outcome.word not in ("created", "changed"):
        return
    if not is_trial:
        row.instance, row.object_id, row.object_repr = outcome.offer, outcome.offer.pk, str(outcome.offer)
        result.append_row_result(row)
    elif len(result.rows) < SHOWN:
        row.diff = _diff(outcome)
        result.append_row_result(row)


def _diff(outcome: Outcome) -> list[str]:
    offer = outcome.offer
    assert offer is not None  # noqa: S101  (a refused row has no diff)
    cells = [str(outcome.number), offer.account.name]
    for name in offers.COLUMNS:
        before, after = outcome.changes.get(name, ("", ""))
        if name not in outcome.changes:
            cells.append(cell(offer, name)[:100])
        elif before:
            cells.append(format_html("<del>{}</del> <ins>{}</ins>", before[:100], after[:100]))
        else:
            cells.append(format_html("<ins>{}</ins>", after[:100]))
    return cells


# --- forms and pages -------------------------------------------------------------------------------------------------


class OfferImportForm(ImportForm):
    account = forms.ModelChoiceField(
        Account.objects.all(), required=False, widget=UnfoldAdminSelectWidget(),
        help_text=_("Of rows that name none in a column “account”."),
    )  # fmt: skip

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > LARGEST_FILE:
            text = gettext("The file is larger than %(most)s MB. Cut it into parts.")
            raise ValidationError(text % {"most": LARGEST_FILE // 1024 // 1024})
        return file


class OfferConfirmForm(ConfirmImportForm):
    account = forms.ModelChoiceField(Account.objects.all(), required=False, widget=forms.HiddenInput())


class OfferFiles(ImportExportMixin):
    """A list of offers that can be imported and exported, each with a permission of its own."""

    resource_classes = [OfferResource]
    formats = [CSV, XLSX]
    import_form_class = OfferImportForm
    confirm_form_class = OfferConfirmForm
    export_form_class = ExportForm
    import_template_name = "admin/inventory/offer/import.html"
    to_encoding = "utf-8-sig"  # by which a spreadsheet knows it

    def has_import_permission(self, request: HttpRequest) -> bool:
        """A file makes and changes offers, so it takes these permissions, too."""
        needed = [f"inventory.{verb}_offer" for verb in ("import", "add", "change")]
        return bool(request.user.has_perms(needed))

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perms(["inventory.export_offer", VIEW]))

    def get_resource_kwargs(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {"user": request.user}

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs["form"]
        return {"account": form.cleaned_data.get("account")}

    def get_confirm_form_initial(self, request: HttpRequest, import_form: Any) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_confirm_form_initial(request, import_form)
        if import_form is not None:
            account = import_form.cleaned_data.get("account")
            initial["account"] = account.pk if account else None
        return initial

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Import what was shown. A file that waited too long is gone, and one that was imported is, too."""
        form = self.create_confirm_form(request)
        if request.method == "POST" and self.has_import_permission(request) and form.is_valid():
            storage = self.get_tmp_storage_class()(name=form.cleaned_data["import_file_name"], read_mode="rb")
            if storage.read() is None:
                messages.error(
                    request, gettext("The file was imported already, or waited for too long. Choose it again.")
                )
                return HttpResponseRedirect(reverse("admin:inventory_offer_import"))
        return super().process_import(request, **kwargs)

    def add_success_message(self, result: Result, request: HttpRequest) -> None:
        made, changed = result.totals["new"], result.totals["update"]
        text = gettext(
            "%(made)s offers created, %(changed)s changed, %(same)s rows as they were."
            " What changed is on its way to the marketplaces."
        )
        messages.success(request, text % {"made": made, "changed": changed, "same": result.totals["skip"]})
        refused = result.totals["error"]
        if refused:
            first = "; ".join(f"row {row.number}: {row.errors[0].error}" for row in result.error_rows[:3])
            text = gettext("%(count)s rows were refused after all: %(first)s.")
            messages.warning(request, text % {"count": refused, "first": first})
