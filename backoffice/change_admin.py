"""Every change of what matters, to look at and for nobody to touch."""

from django.apps import apps
from django.contrib import admin
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from backoffice.admin import EvidenceAdmin, age, badge
from backoffice.comfort import Change
from backoffice.trail_parts import shown

KINDS = {"added": "success", "changed": "info", "deleted": "danger"}


@admin.register(Change)
class ChangeAdmin(EvidenceAdmin):
    list_display = (age("at", _("when")), "by", "what", badge("kind", KINDS, _("did")), "which", "how")
    list_display_links = ("which",)
    list_filter = (("kind", ChoicesDropdownFilter), ("page", AllValuesCheckboxFilter), ("at", RangeDateTimeFilter))
    search_fields = ("by__exact", "name__startswith")
    search_help_text = _("The user's name, or the beginning of what was changed")
    ordering = ("-at", "-pk")
    fields = ("at", "by", "kind", "what", "which", "how", "differences")
    readonly_fields = ("what", "which", "differences")
    empty_help = _(
        "Nothing was changed yet. Whoever changes a product, an offer, a price rule, an account, a user and the like is"
        " written down here with what it was before and what it became; nobody can edit or delete that."
    )

    @display(description=_("what"), ordering="page")  # type: ignore[untyped-decorator]
    def what(self, change: Change) -> str:
        try:
            return str(apps.get_model(change.page)._meta.verbose_name)
        except LookupError:
            return change.page

    @display(description=_("which"))  # type: ignore[untyped-decorator]
    def which(self, change: Change) -> str:
        return change.name

    @display(description=_("before and after"))  # type: ignore[untyped-decorator]
    def differences(self, change: Change) -> str:
        try:
            address = reverse(f"admin:{change.page.replace('.', '_')}_history", args=[change.target])
        except NoReverseMatch:
            address = ""
        return render_to_string("admin/differences.html", {**shown(change), "address": address})
