"""Import codes from a file or a text: what is asked, the preview, and the page where one can watch it being done."""

import io
from typing import Any, BinaryIO, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from backoffice import csvio, money
from backoffice.admin import EvidenceAdmin, age
from inventory import code_imports, importing
from inventory.code_imports import KEPT_FOR, MOST_LINES
from inventory.code_lines import UnusableFile, read_cost
from inventory.importing import BatchTerms, OtherTerms
from inventory.models import CURRENCY_HELP, Batch, CodeImport, CodeImportPart, Product, Supplier

PERMISSION = "inventory.import_code"
LARGEST_FILE = 25 * 1024 * 1024
LONGEST_PASTE = 2_000_000  # what a browser may post beside a file
SHOWN = 20
STAGES = {"comparing": "info", "compared": "warning", "importing": "info", "ended": "success", "erased": ""}


class ImportForm(forms.Form):
    """Codes, and on which terms they came in."""

    product = forms.ModelChoiceField(
        Product.objects.filter(kind=Product.Kind.CODES),
        widget=AutocompleteSelect(Batch._meta.get_field("product"), admin.site),
        help_text=_("What the codes are for, by the beginning of its SKU or name."),
        error_messages={"invalid_choice": "Choose a product that is a pool of codes; units that are counted take none."},
    )  # fmt: skip
    file = forms.FileField(required=False, widget=forms.FileInput())
    text = forms.CharField(
        label=_("Or paste them"), required=False, strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("A code a line; or a CSV with the header code[,serial][,expires][,cost]."),
    )  # fmt: skip
    cost = forms.CharField(
        label=_("Cost of one"), required=False, widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.0001", "min": "0"}),
        help_text=_("What was paid for a code, where its own line names none. Profit is counted from it."),
    )  # fmt: skip
    currency = forms.RegexField(
        r"^[A-Za-z]{3}$", required=False, widget=UnfoldAdminTextInputWidget(), help_text=CURRENCY_HELP,
        error_messages={"invalid": "It takes three letters, such as EUR."},
    )  # fmt: skip
    supplier = forms.ModelChoiceField(
        Supplier.objects.all(), required=False, widget=UnfoldAdminSelectWidget(),
        help_text=_("Who sold them. New ones are added under Suppliers."),
    )  # fmt: skip
    reference = forms.CharField(
        max_length=200, required=False, widget=UnfoldAdminTextInputWidget(),
        help_text=_("Their invoice or order number. A batch of the product that has it is added to."),
    )  # fmt: skip
    expires = forms.DateField(
        required=False,
        widget=UnfoldAdminTextInputWidget({"type": "date"}),
        help_text=_("Where a line names no date of its own."),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file and file.size > LARGEST_FILE:
            most = LARGEST_FILE // 1024 // 1024
            raise forms.ValidationError(
                gettext("The file is larger than %(most)s MB. Cut it into parts, or use the command import_codes.")
                % {"most": most}
            )
        return file

    def clean_cost(self) -> Any:
        try:
            return read_cost(self.cleaned_data["cost"].strip())
        except ValueError as error:
            raise forms.ValidationError(str(error).capitalize()) from None

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    def clean_reference(self) -> str:
        reference = str(self.cleaned_data["reference"])
        Batch(reference=reference).clean_fields(exclude=["product"])
        return reference

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        file, text = said.get("file"), said.get("text", "").strip()
        if "file" not in self.errors and bool(file) == bool(text):
            self.add_error(
                "file",
                gettext("Choose either: a file or pasted codes.")
                if file
                else gettext("Choose a file, or paste codes."),
            )
        if said.get("cost") is not None and not said.get("currency") and "currency" not in self.errors:
            self.add_error("currency", f"{gettext('A cost has a currency.')} {CURRENCY_HELP}")
        if not self.errors:
            self._check_batch()
        return said

    def _check_batch(self) -> None:
        try:
            importing.existing_batch(self.terms())
        except OtherTerms as error:
            self.add_error("reference", f"{error}.")

    def terms(self) -> BatchTerms:
        said = self.cleaned_data
        name = said["file"].name if said["file"] else ""
        return BatchTerms(
            said["product"], said["reference"], name, said["cost"], said["currency"], said["supplier"], said["expires"]
        )

    def lines(self) -> BinaryIO:
        said = self.cleaned_data
        return cast(BinaryIO, said["file"].file) if said["file"] else io.BytesIO(said["text"].encode())


@admin.register(CodeImport)
class CodeImportAdmin(EvidenceAdmin):
    """Imports: to add one is to give a file or a text; its page shows the preview, then how far it is, then the result."""

    empty_help = _(
        "No import yet. Drop a file of codes or paste them: nothing is brought in before you have seen what is new, what is"
        " there twice and what is refused."
    )
    empty_steps = ((_("Import codes"), "admin:inventory_codeimport_add", "inventory.import_code"),)
    list_display = (
        "__str__", "product", "by", "shown_stage", "lines", "imported", "duplicates", "rejected", age("created_at"),
    )  # fmt: skip
    list_select_related = ("product", "by", "run")
    ordering = ("-created_at",)
    fields = (
        "product", "supplier", "reference", "file_name", "price", "expires", "by", "created_at",
    )  # fmt: skip
    readonly_fields = ("price",)
    change_form_outer_before_template = "admin/inventory/codeimport/progress.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(PERMISSION))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may import sees imports, too."""
        return self.has_add_permission(request) or super().has_view_permission(request, obj)

    @display(description=_("status"), label=STAGES)
    def shown_stage(self, found: CodeImport) -> tuple[str, str]:
        stage = CodeImport.Stage(found.stage)
        return stage.value, stage.label

    @display(description=_("cost of one"))
    def price(self, found: CodeImport) -> str:
        return money.display(found.cost, found.currency)

    def get_urls(self) -> list[Any]:
        view, own = self.admin_site.admin_view, "inventory_codeimport"
        return [
            path("<uuid:pk>/confirm/", view(require_POST(self.confirm_view)), name=f"{own}_confirm"),
            path("<uuid:pk>/discard/", view(require_POST(self.discard_view)), name=f"{own}_discard"),
            path("<uuid:pk>/progress/", view(self.progress_view), name=f"{own}_progress"),
            path("<uuid:pk>/left-out.csv", view(self.left_out_view), name=f"{own}_left_out"),
            *super().get_urls(),
        ]

    @method_decorator(sensitive_post_parameters("text"))
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Take a file or a text and go to its preview. Nothing of it is shown again: a form with an error is filled anew."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None, initial={"product": request.GET.get("product")})
        if form.is_valid():
            try:
                found = code_imports.begin(terms=form.terms(), lines=form.lines(), by=cast(User, request.user))
                return HttpResponseRedirect(reverse("admin:inventory_codeimport_change", args=[found.pk]))
            except UnusableFile as error:
                form.add_error("file" if form.cleaned_data["file"] else "text", str(error))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Import codes",
            "form": form,
            "media": form.media,
            "fields": [field for field in form if field.name not in ("product", "file", "text")],
            "most_lines": MOST_LINES,
            "most_megabytes": LARGEST_FILE // 1024 // 1024,
            "longest_paste": LONGEST_PASTE,
            "cancel": reverse("admin:inventory_codeimport_changelist"),
        }
        return TemplateResponse(request, "admin/inventory/codeimport/add.html", context)

    def get_page_context(self, request: HttpRequest, row: CodeImport) -> dict[str, Any]:
        parts = CodeImportPart.objects.filter(code_import=row)
        first = parts.exclude(left_out=[]).order_by("number").values_list("left_out", flat=True)[:3]
        lines = [line for left_out in first for line in left_out][:SHOWN]
        return {
            "code_import": row,
            "figures": _figures(row),
            "until": row.created_at + KEPT_FOR,
            "may_import": self.has_add_permission(request),
            "left": parts.filter(content__isnull=False).count() if row.stage == row.Stage.ENDED else 0,
            "table": {
                "headers": ["line", "code", "why it is left out"],
                "rows": [[str(cell) for cell in line] for line in lines],
            },
            "price": money.display(row.cost, row.currency),
        }

    def _import(self, request: HttpRequest, pk: Any) -> CodeImport:
        found: CodeImport | None = CodeImport.objects.select_related("run", "product").filter(pk=pk).first()
        if found is None or not self.has_view_permission(request):
            raise Http404
        return found

    def _to_change(self, request: HttpRequest, pk: Any) -> CodeImport:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._import(request, pk)

    def confirm_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if code_imports.confirm(self._to_change(request, pk), by=cast(User, request.user)) is None:
            text = gettext(
                "It was not confirmed in time, so its lines were erased. Nothing was imported: give the codes again."
            )
            self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:inventory_codeimport_change", args=[pk]))

    def discard_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        is_gone = code_imports.discard(self._to_change(request, pk))
        text = (
            gettext("Its lines were erased. Nothing was imported.")
            if is_gone
            else gettext("It is being imported, or was erased, already.")
        )
        self.message_user(request, text, messages.SUCCESS if is_gone else messages.WARNING)
        return HttpResponseRedirect(reverse("admin:inventory_codeimport_changelist"))

    def progress_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return JsonResponse(_figures(self._import(request, pk)))

    def left_out_view(self, request: HttpRequest, pk: Any) -> StreamingHttpResponse:
        lines = csvio.lines(("line", "code", "reason"), code_imports.left_out(self._import(request, pk)))
        response = StreamingHttpResponse(lines, content_type="text/csv")
        response["Content-Disposition"] = f'attachment; filename="left-out-{pk}.csv"'
        return response


def _figures(row: CodeImport) -> dict[str, Any]:
    """How far it is, for the script of runs' pages."""
    done = {"imported": row.imported, "twice": row.duplicates, "refused": row.rejected}
    return {
        "percent": 100 * row.worked_off // row.lines if row.lines else 100,
        "is_over": row.stage not in (row.Stage.COMPARING, row.Stage.IMPORTING),
        "states": [{"state": name, "label": name, "rows": lines} for name, lines in done.items()],
    }
