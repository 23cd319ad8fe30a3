"""What an offer's page asks its marketplace for when a person wants it: competitors, codes there, and its deletion."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import date
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _

from backoffice import money
from backoffice.admin import BaseAdmin, answer, link
from inventory import comparing, removal
from inventory.models import Offer
from marketplaces import accounts
from marketplaces.types import CompetingOffer, Urgency

# The operation that a button needs, which its marketplace or the account's way to speak with it may lack.
NEEDS = {
    "competitors": "fetch_competing_offers",
    "codes_there": "fetch_uploaded",
    "delete_there": removal.OPERATION,
}


class OfferThere(BaseAdmin):
    """Actions on one offer that are answered by a page, read when it was asked for."""

    def get_there_buttons(self, row: Offer) -> Sequence[str]:
        """Name those that this offer's account can do."""
        makes_sense = {
            "competitors": bool(row.external_product_id),
            "codes_there": removal.is_there(row),
            "delete_there": removal.is_there(row) and not row.removal_by,
        }
        return [name for name, operation in NEEDS.items() if makes_sense[name] and row.account.can(operation)]

    def has_delete_there_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("inventory.delete_offer"))

    @admin.action(description=_("Competitors"), permissions=["change"])
    def competitors(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> HttpResponse | None:
        offer = self._the_one(request, queryset, "competitors")
        if offer is None:
            return None
        found, problem = _competing(offer)
        ours = money.display(offer.price, offer.currency)
        facts = [
            f"Ours costs {ours}." if ours else "Ours has no price.",
            f"{len(found)} offers of others, cheapest first.",
        ]
        rows = [
            [
                row.seller or row.external_id,
                "" if row.rating is None else str(row.rating),
                money.display(row.price, row.currency),
                _against(row, offer),
            ]
            for row in found
        ]
        headers = ["Seller", "Rating", "Price", "Against ours"]
        return self._page(request, offer, "Competitors", facts=facts, problem=problem, headers=headers, rows=rows)

    @admin.action(description=_("Codes there"), permissions=["change"])
    def codes_there(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> HttpResponse | None:
        offer = self._the_one(request, queryset, "codes_there")
        if offer is None:
            return None
        found = comparing.compare(offer) if offer.account.is_enabled else comparing.Comparison(problem=_off(offer))
        facts = [
            f"{count.name}: {'' if count.there is None else f'{count.there} there, '}{count.ours} in our books"
            f"{' – a difference' if count.differs else ''}."
            for count in found.counts
        ]
        rows = [
            [
                line.external_id,
                line.word,
                date(line.since, "DATETIME_FORMAT") if line.since else "",
                link("admin:inventory_upload_change", f"code {line.upload.code_id}", line.upload.pk)
                if line.upload
                else "",
                line.difference,
            ]
            for line in found.lines
        ]
        headers = ["Id there", "Status there", "Since", "Our code", "Difference"]
        return self._page(request, offer, "Codes there", facts=facts, problem=found.problem, headers=headers, rows=rows)

    @admin.action(description=_("Delete there"), permissions=["delete_there"])
    def delete_there(self, request: HttpRequest, queryset: "QuerySet[Offer]") -> HttpResponse | None:
        offer = self._the_one(request, queryset, "delete_there")
        if offer is None:
            return None
        reason = removal.why_not(offer)
        if not reason and answer(request) is None:
            title = "Delete there"
            return self.ask(
                request, queryset, form=forms.Form(), title=title, facts=_what_is_lost(offer), is_dangerous=True
            )
        if not reason:
            removal.ask(offer, by=request.user.get_username())
            text = gettext("Offer “%(offer)s” is being deleted there; “shown as” says when it is.") % {"offer": offer}
            self.message_user(request, text)
            return None
        self.message_user(request, f"{reason}.", messages.ERROR)
        return None

    def _the_one(self, request: HttpRequest, queryset: "QuerySet[Offer]", action: str) -> Offer | None:
        """The offer that a page is asked about; None, with a message, where there is no such page."""
        offer = queryset.select_related("account", "product").first()
        if offer is not None and action in self.get_there_buttons(offer):
            return offer
        self.message_user(request, gettext("That can't be asked of this offer's marketplace now."), messages.WARNING)
        return None

    def _page(
        self,
        request: HttpRequest,
        offer: Offer,
        title: str,
        *,
        facts: Sequence[str],
        problem: str,
        headers: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{title}: {offer.title or offer}",
            "facts": facts,
            "problem": problem,
            "table": {"headers": headers, "rows": rows},
            "back": reverse("admin:inventory_offer_change", args=[offer.pk]),
        }
        return TemplateResponse(request, "admin/inventory/offer/there.html", context)


def _off(offer: Offer) -> str:
    return f"Account “{offer.account}” is switched off, so nothing is asked."


def _competing(offer: Offer) -> tuple[Sequence[CompetingOffer], str]:
    """Others' offers, cheapest first, and why they could not be read. One request."""
    if not offer.account.is_enabled:
        return (), _off(offer)
    try:
        service = offer.account.service()
        service.plan(1, Urgency.CATALOGUE)
        found = service.fetch_competing_offers(offer.external_product_id)
    except Exception as error:
        return (), accounts.problem_of(offer.account, error)
    return sorted(found, key=lambda row: (row.price is None, row.price or 0)), ""


def _against(row: CompetingOffer, offer: Offer) -> str:
    if row.price is None or offer.price is None or row.currency != offer.currency:
        return ""
    gap = row.price - offer.price
    if not gap:
        return "the same"
    return f"{money.display(abs(gap), row.currency)} {'more' if gap > 0 else 'less'}"


def _what_is_lost(offer: Offer) -> list[str]:
    shown = offer.pushed_quantity if offer.seen_quantity is None else offer.seen_quantity
    price = money.display(offer.price if offer.seen_price is None else offer.seen_price, offer.currency)
    return [
        f"Offer {offer.external_id} at {offer.account} is deleted for good, with its place in searches and its reviews there."
        f" It shows {0 if shown is None else shown} units{f' at {price}' if price else ''} now.",
        f"{removal.codes_in(offer)} uploaded codes lie in it. The marketplace is asked once more before it is deleted.",
        "Our own row, its sales and its codes stay. To sell the product there again a new offer is made.",
    ]
