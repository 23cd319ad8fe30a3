"""A marketplace's catalogue, with the way from a product there to an offer of ours."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from unfold.decorators import display

from backoffice.admin import link
from inventory.models import Offer
from marketplaces.admin import CatalogueProductAdmin
from marketplaces.models import Account, CatalogueProduct

admin.site.unregister(CatalogueProduct)


@admin.register(CatalogueProduct)
class SellableProductAdmin(CatalogueProductAdmin):
    """From here an offer is started, its form filled in with what the marketplace says of the product."""

    list_display: Sequence[Any] = (*CatalogueProductAdmin.list_display, "start")
    fields: Sequence[Any] = (*CatalogueProductAdmin.fields, "start", "offers_of_it")
    readonly_fields: Sequence[Any] = ("start", "offers_of_it")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        mine = Account.objects.filter(is_enabled=True, marketplace=OuterRef("marketplace")).order_by()
        count = mine.values("marketplace").annotate(n=Count("pk")).values("n")
        return (
            super().get_queryset(request).annotate(accounts=Subquery(count), an_account=Subquery(mine.values("pk")[:1]))
        )

    @display(description="offer it")
    def start(self, product: Any) -> str:
        if not product.accounts:
            return "needs an account there"
        filled_in = {
            "external_product_id": product.external_id,
            "title": product.name,
            "price": "" if product.price is None else f"{product.price.normalize():f}",
            "currency": product.currency,
            "account": product.an_account if product.accounts == 1 else "",
        }
        query = urlencode({name: value for name, value in filled_in.items() if value})
        return link("admin:inventory_offer_add", "Start an offer", query=query)

    @display(description="our offers of it")
    def offers_of_it(self, product: CatalogueProduct) -> str:
        count = Offer.objects.filter(
            account__marketplace=product.marketplace, external_product_id=product.external_id
        ).count()
        query = urlencode({"external_product_id": product.external_id})
        return link("admin:inventory_offer_changelist", f"{count} offers", query=query) if count else "none"
