"""Codes in offers' own inventories: the actions on an offer that give them away, and the list of where they are."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from backoffice.admin import OUTGOING, BaseAdmin, EvidenceAdmin, EvidenceInline, age, answer, badge, link, short
from backoffice.run_admin import BulkRuns
from inventory import uploads
from inventory.forms import ItemIdForm, QuantityForm
from inventory.models import Offer, Upload
from inventory.upload_runs import KINDS
from marketplaces.exceptions import PermanentError
from marketplaces.shop import CodeKind

STATUSES = {
    "waiting": "info", "unanswered": "danger", "taken": "info", "there": "success", "reserved": "info", "gone": "danger",
    "sold": "primary", "back": "", "refused": "warning",
}  # fmt: skip
NAMED = 5  # offers whose numbers a question names one by one


class UploadsMixin:
    """The permission that both pages ask for."""

    def has_upload_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.upload_code"))


class OfferUploads(UploadsMixin, BaseAdmin):
    """What an offer's page and list can do with codes in its own inventory."""

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        mine = Upload.objects.filter(offer=OuterRef("pk"), status__in=Upload.LYING_THERE).order_by()
        units = Subquery(mine.values("offer").annotate(n=Count("pk")).values("n"), output_field=IntegerField())
        return super().get_queryset(request).annotate(units_uploaded=Coalesce(units, 0))

    @display(description=_("uploaded"), ordering="units_uploaded")
    def uploaded(self, offer: Any) -> int:
        return int(offer.units_uploaded)

    @display(description=_("codes in the offer"))
    def its_uploads(self, offer: Any) -> str:
        query = f"offer__id__exact={offer.pk}"
        return link("admin:inventory_upload_changelist", f"{offer.units_uploaded} there now: see all", query=query)

    @admin.action(description=_("Upload codes"), permissions=["upload"])
    def upload_codes(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> HttpResponse | None:
        form = QuantityForm(answer(request))
        if not form.is_valid():
            facts = [
                "The codes leave the pool and are sold by the marketplace alone, until you take them back. Where there are"
                " fewer, those there are go.",
                *(_can_be_given(offer) for offer in queryset[:NAMED]),
            ]
            return self.ask(request, queryset, form=form, title="Upload codes", facts=facts)
        by, count = request.user.get_username(), 0
        for offer in queryset:
            try:
                count += uploads.upload(offer, quantity=form.cleaned_data["quantity"], by=by)
            except PermanentError as error:
                self.message_user(request, str(error), messages.ERROR)
        text = gettext("%(count)s codes are on their way into the offer; “Uploaded codes” shows what became of each.")
        self.tell(
            request,
            count,
            text % {"count": count} if count else gettext("No code was uploaded: there is none in stock."),
        )
        return None

    @admin.action(description=_("Take codes back"), permissions=["upload"])
    def take_codes_back(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> HttpResponse | None:
        form = QuantityForm(answer(request))
        if not form.is_valid():
            facts = [f"Offer “{offer}”: {_of(offer).count()} codes can be taken back." for offer in queryset[:NAMED]]
            return self.ask(request, queryset, form=form, title="Take codes back", facts=facts)
        by, quantity = request.user.get_username(), form.cleaned_data["quantity"]
        count = sum(uploads.take_newest_back(offer, quantity=quantity, by=by) for offer in queryset)
        text = gettext(
            "%(count)s codes are coming back; each is for sale again when the marketplace has given it back."
        )
        self.tell(
            request, count, text % {"count": count} if count else gettext("No code of these offers can be taken back.")
        )
        return None


def _of(offer: Offer) -> "QuerySet[Upload]":
    return uploads.can_be_taken_back(Upload.objects.filter(offer=offer, wish=Upload.Wish.IN))


def _can_be_given(offer: Offer) -> str:
    if reason := uploads.why_not(offer):
        return f"{reason}."
    units = uploads.can_be_given(offer)
    files = f" {units[CodeKind.FILE]} of them are files and go by themselves." if units.get(CodeKind.FILE) else ""
    return f"Offer “{offer}”: {sum(units.values())} codes of {offer.product} can be uploaded.{files}"


class CodeUploadInline(EvidenceInline):
    """Where a code was uploaded to, on its own page."""

    model = Upload
    fields = readonly_fields = ("page", "account", "status", "by", "created_at", "note")
    verbose_name_plural = _("uploaded to")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("account")

    @display(description=_("offer"))
    def page(self, row: Upload) -> str:
        return link("admin:inventory_upload_change", row.external_offer_id, row.pk)


@admin.register(Upload)
class UploadAdmin(UploadsMixin, BulkRuns, EvidenceAdmin):
    """Where each uploaded code is, by its number; never the code itself."""

    empty_help = _(
        "No code lies in a marketplace's own inventory. Open an offer and upload codes where its marketplace"
        " takes them."
    )
    empty_steps = ((_("Offers"), "admin:inventory_offer_changelist", "inventory.view_offer"),)
    list_display = (
        "code_number", "kind", "account", "external_offer_id", badge("status", STATUSES), badge("state", OUTGOING, _("work")),
        "status_word", short("last_error", _("problem"), 50), short("note", length=50), "by", age("created_at", _("asked")),
    )  # fmt: skip
    list_filter = (
        ("status", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter),
        ("code__kind", ChoicesDropdownFilter), ("offer", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("account", "code")
    search_fields = ("external_offer_id__exact", "external_id__exact")
    search_help_text = _("An offer's id, or the id of a code there")
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "code_link",
                    "kind",
                    "offer",
                    "external_offer_id",
                    "account",
                    "status",
                    "status_word",
                    "external_id",
                )
            },
        ),
        (_("Asked for"), {"fields": ("wish", "by", "created_at", "note", "collection_id")}),
        (_("Work"), {"fields": ("state", "failure", "last_error", "attempts", "next_try_at")}),
        (_("Times"), {"fields": ("sent_at", "checked_at", "sold_at", "withdrawn_at")}),
    )
    readonly_fields = ("code_link", "kind")
    actions = ("look", "take_back", "say_there", "say_not_there", "say_sold")
    buttons = actions
    page_only = actions
    run_kinds = KINDS

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("code__sealed", "code__index")

    def get_buttons(self, request: HttpRequest, row: Upload) -> Sequence[str]:
        if row.needs_an_answer:
            return ("say_there", "say_not_there", "say_sold")
        return () if row.status in (*Upload.ENDED, Upload.Status.TAKEN) else ("look", "take_back")

    @display(description=_("code"), ordering="code_id")
    def code_number(self, row: Upload) -> str:
        return f"code {row.code_id}"

    @display(description=_("kind"), ordering="code__kind")
    def kind(self, row: Upload) -> str:
        return row.code.kind

    @display(description=_("code"))
    def code_link(self, row: Upload) -> str:
        return link("admin:inventory_code_change", f"code {row.code_id}", row.code_id)

    @admin.action(description=_("Look now"), permissions=["upload"])
    def look(self, request: HttpRequest, queryset: "QuerySet[Upload]") -> None:
        self.tell(request, uploads.look_now(queryset), gettext("{rows} being looked at. Others can't be read there."))

    @admin.action(description=_("Take back"), permissions=["upload"])
    def take_back(self, request: HttpRequest, queryset: "QuerySet[Upload]") -> None:
        count = uploads.take_back(queryset, by=request.user.get_username())
        self.tell(
            request, count, gettext("{rows} coming back. Others are not there, or nobody knows whether they are.")
        )

    @admin.action(description=_("It is there"), permissions=["upload"])
    def say_there(self, request: HttpRequest, queryset: "QuerySet[Upload]") -> HttpResponse | None:
        is_one = queryset.count() == 1
        form = ItemIdForm(answer(request)) if is_one else forms.Form(answer(request))
        if not form.is_valid():
            facts = ["Only when you have seen it in the offer, under our reference: “code-” and its number."]
            return self.ask(request, queryset, form=form, title="It is there", facts=facts)
        by, external_id = request.user.get_username(), form.cleaned_data.get("external_id", "")
        try:
            count = sum(uploads.say_there(row, by=by, external_id=external_id) for row in queryset)
        except PermanentError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self._decided(request, count)
        return None

    @admin.action(description=_("It is not there: back to stock"), permissions=["upload"])
    def say_not_there(self, request: HttpRequest, queryset: "QuerySet[Upload]") -> HttpResponse | None:
        facts = [
            "Only when you have made sure that the offer does not hold it, and that no buyer has it: it will be sold again.",
        ]
        if not forms.Form(answer(request)).is_valid():
            title = "It is not there"
            return self.ask(request, queryset, form=forms.Form(), title=title, facts=facts, is_dangerous=True)
        by = request.user.get_username()
        self._decided(request, sum(uploads.say_not_there(row, by=by) for row in queryset))
        return None

    @admin.action(description=_("It was sold"), permissions=["upload"])
    def say_sold(self, request: HttpRequest, queryset: "QuerySet[Upload]") -> HttpResponse | None:
        if not forms.Form(answer(request)).is_valid():
            facts = ["A buyer of the marketplace has it: it counts as delivered."]
            return self.ask(request, queryset, form=forms.Form(), title="It was sold", facts=facts)
        by = request.user.get_username()
        self._decided(request, sum(uploads.say_sold(row, by=by) for row in queryset))
        return None

    def _decided(self, request: HttpRequest, count: int) -> None:
        self.tell(request, count, gettext("{rows} settled. Where the marketplace can be asked, nobody has to decide."))
