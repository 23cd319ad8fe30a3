"""A marketplace's catalogue, with the way from a product there to an offer of ours."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from backoffice.admin import link
from inventory.models import Offer
from marketplaces.admin import CatalogueProductAdmin
from marketplaces.models import Account, CatalogueProduct

admin.site.unregister(CatalogueProduct)


@admin.register(CatalogueProduct)
class SellableProductAdmin(CatalogueProductAdmin):
    """From here an offer is started, with what the marketplace says of the product."""

    list_display: Sequence[Any] = (*CatalogueProductAdmin.list_display, "start")
    fields: Sequence[Any] = (*CatalogueProductAdmin.fields, "start", "offers_of_it")
    readonly_fields: Sequence[Any] = ("start", "offers_of_it")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        mine = Account.objects.filter(is_enabled=True, marketplace=OuterRef("marketplace"))
        return super().get_queryset(request).annotate(has_account=Exists(mine))

    @display(description=_("offer it"))
    def start(self, product: Any) -> str:
        if not product.has_account:
            return "needs an account there"
        return link("admin:inventory_offer_new", "Start an offer", query=f"catalogue={product.pk}")

    @display(description=_("our offers of it"))
    def offers_of_it(self, product: CatalogueProduct) -> str:
        count = Offer.objects.filter(
            account__marketplace=product.marketplace, external_product_id=product.external_id
        ).count()
        query = urlencode({"external_product_id": product.external_id})
        return link("admin:inventory_offer_changelist", f"{count} offers", query=query) if count else "none"
