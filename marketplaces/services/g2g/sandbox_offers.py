"""Offers of the make-believe G2G and the codes uploaded into them (G2G-05 to G2G-09, G2G-15 to G2G-17)."""

import string
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal, Request, operation
from marketplaces.services.g2g.sandbox_catalogue import Product, products
from marketplaces.services.g2g.sandbox_checks import checked_offer, checked_text, read_json

if TYPE_CHECKING:
    from marketplaces.services.g2g.sandbox import Sandbox

DELIVERY_TYPES = {"gift_card": "instant_inventory", "top_up": "direct_top_up", "manual": "manual"}
SEARCHED = ("status", "brand_id", "service_id", "seller_id")


@dataclass
class Item:
    """A code uploaded into an offer."""

    id: str
    content: str = field(repr=False)
    reference_id: str
    created_at: int
    status: str = "available"

    def shown(self, offer_id: str) -> Json:
        return {
            "item_id": self.id,
            "offer_id": offer_id,
            "content_type": "text/plain",
            "reference_id": self.reference_id,
            "status": self.status,
            "created_at": self.created_at,
        }


@dataclass
class Offer:
    id: str
    seller_id: str
    product: Product
    fields: Json
    created_at: int
    updated_at: int
    stock_set_at: int  # in the order of events, not of the clock
    status: str = "live"
    items: dict[str, Item] = field(default_factory=dict)
    reserved: int = 0
    is_low: bool = False

    @property
    def free_items(self) -> list[Item]:
        return [item for item in self.items.values() if item.status == "available"]

    @property
    def available(self) -> int:
        promised: int = self.fields["api_qty"]
        return max(0, len(self.free_items) + promised - self.reserved)

    @property
    def kind(self) -> str:
        return DELIVERY_TYPES[self.product.kind]

    def shown(self, version: str = "v2") -> Json:
        whole = {
            "offer_id": self.id,
            "seller_id": self.seller_id,
            "offer_type": "public",
            "delivery_type": [self.kind],
            "product_id": self.product.id,
            "service_id": self.product.service_id,
            "brand_id": self.product.brand_id,
            "region_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, self.product.region)),
            "title": self.product.name,
            "description": "",
            "status": self.status,
            "available_qty": self.available,
            "wholesale_details": [],
            "other_pricing": [],
            "other_wholesale_details": [],
            "sales_territory_settings": {"settings_type": "global", "countries": []},
            "delivery_method_ids": [],
            "delivery_speed": None if self.product.kind == "manual" else "instant",
            "code_label": "Code",
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            **self.fields,
        }
        if version == "v1":
            for key in ("delivery_method_ids", "delivery_speed", "other_pricing", "other_wholesale_details"):
                del whole[key]
        return whole

    def row(self) -> Json:
        keys = ("offer_id", "title", "status", "currency", "unit_price", "available_qty", "service_id", "brand_id")
        whole = self.shown()
        return {key: whole[key] for key in keys}


class Offers:
    """Every seller's offers. The sandbox's lock is held around each call."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[str, Offer] = {}
        self.doubles = 0  # offers created a second time for the same product and choices

    # --- operations ------------------------------------------------------------------------------------------

    @operation("G2G-05", "POST", "/{version:v1|v2}/offers")
    def create(self, request: Request, version: str) -> Json:
        body = read_json(request)
        product = products().get(checked_text(body, "product_id"))
        if product is None:
            raise Refusal(404, "", "product_id: there is no such product")
        fields = checked_offer(body, product, version, self._sandbox.currencies, is_new=True)
        same = [
            offer
            for offer in self.of(self._sandbox.user_id(request))
            if offer.product is product and offer.fields["offer_attributes"] == fields["offer_attributes"]
        ]
        self.doubles += bool(same)
        offer = self.add(self._sandbox.user_id(request), product, fields)
        return offer.shown(version)

    @operation("G2G-06", "GET", "/{version:v1|v2}/offers/{offer_id}")
    def get(self, request: Request, version: str, offer_id: str) -> Json:
        return self._own(request, offer_id).shown(version)

    @operation("G2G-07", "PATCH", "/{version:v1|v2}/offers/{offer_id}")
    def update(self, request: Request, version: str, offer_id: str) -> Json:
        offer = self._own(request, offer_id)
        fields = checked_offer(read_json(request), offer.product, version, self._sandbox.currencies, is_new=False)
        self.change(offer, fields)
        return offer.shown(version)

    @operation("G2G-08", "DELETE", "/{version:v1|v2}/offers/{offer_id}")
    def delete(self, request: Request, version: str, offer_id: str) -> Json:
        self._own(request, offer_id).status = "deleted"
        return {"success": True}

    @operation("G2G-09", "POST", "/v2/offers/search")
    def search(self, request: Request) -> Json:
        body = read_json(request)
        wanted = body.get("filter", {})
        size, page = body.get("page_size", 20), body.get("page", 1)
        if not isinstance(wanted, dict):
            raise Refusal(400, "", "filter is an object")
        if type(size) is not int or not 1 <= size <= 100:
            raise Refusal(400, "", "page_size is a whole number from 1 to 100")
        if type(page) is not int or page < 1:
            raise Refusal(400, "", "page is a whole number from 1")
        rows = [offer.shown() for offer in self.of(self._sandbox.user_id(request))]
        found = [
            row
            for row in rows
            if all(row[key] == wanted[key] for key in SEARCHED if key in wanted)
            and str(wanted.get("query", "")).lower() in row["title"].lower()
        ]
        begin = (page - 1) * size
        return {"results": [self.all[row["offer_id"]].row() for row in found[begin : begin + size]]}

    @operation("G2G-15", "POST", "/{version:v1|v2}/offers/{offer_id}/inventory_items")
    def upload(self, request: Request, version: str, offer_id: str) -> Json:
        offer = self._own(request, offer_id)
        body = read_json(request)
        content, reference = checked_text(body, "content"), checked_text(body, "reference_id")
        if checked_text(body, "content_type") != "text/plain":
            raise Refusal(400, "", "content_type is text/plain")
        if offer.product.kind != "gift_card":
            raise Refusal(422, "", "delivery_speed: this offer is not delivered from an inventory")
        if any(item.reference_id == reference for item in offer.items.values()):
            raise Refusal(409, "40900001", "reference_id exists already")
        if any(item.content == content for item in offer.items.values()):
            raise Refusal(409, "40900002", "content exists already")
        item = Item(
            str(uuid.UUID(int=self._sandbox.random.getrandbits(128), version=4)), content, reference, self._ms()
        )
        offer.items[item.id] = item
        self.stock_changed(offer)
        return {"item_id": item.id, "offer_id": offer.id}

    @operation("G2G-16", "GET", "/{version:v1|v2}/offers/{offer_id}/inventory_items/{item_id}")
    def view_item(self, request: Request, version: str, offer_id: str, item_id: str) -> Json:
        return self._item(request, offer_id, item_id).shown(offer_id)

    @operation("G2G-17", "DELETE", "/{version:v1|v2}/offers/{offer_id}/inventory_items/{item_id}")
    def delete_item(self, request: Request, version: str, offer_id: str, item_id: str) -> Json:
        item = self._item(request, offer_id, item_id)
        if item.status != "available":
            raise Refusal(404, "", "There is no such code")  # sold ones too: a 404 does not say "never sold"
        item.status = "deleted"
        self.stock_changed(self.all[offer_id])
        return {"success": True}

    # --- what others of the sandbox do with offers -----------------------------------------------------------

    def add(self, seller_id: str, product: Product, fields: Json) -> Offer:
        now = self._ms()
        while (offer_id := f"G{now}{self._letters(2)}") in self.all:
            pass
        offer = Offer(offer_id, seller_id, product, fields, now, now, self._sandbox.stamp())
        self.all[offer_id] = offer
        offer.is_low = offer.available <= fields["low_stock_alert_qty"]
        return offer

    def change(self, offer: Offer, fields: Json) -> None:
        offer.fields |= fields
        offer.updated_at = self._ms()
        if "api_qty" in fields:
            offer.stock_set_at = self._sandbox.stamp()
        self.stock_changed(offer)

    def of(self, seller_id: str) -> list[Offer]:
        return [offer for offer in self.all.values() if offer.seller_id == seller_id and offer.status != "deleted"]

    def stock_changed(self, offer: Offer) -> None:
        """Send offer.low_stock once when the stock falls to the threshold or below."""
        is_low = offer.available <= offer.fields["low_stock_alert_qty"]
        if is_low and not offer.is_low and offer.status == "live":
            self._sandbox.events.low_stock(offer)
        offer.is_low = is_low

    def by_hand(self, *, product_id: str, seller_id: str, status: str = "live", **fields: Any) -> Offer:
        """Create an offer as on the web site, where products with manual delivery are allowed too."""
        basic = {"currency": "USD", "unit_price": 10.0, "min_qty": 1, "api_qty": 0, "low_stock_alert_qty": 0}
        with self._sandbox.lock:
            if product_id not in products():
                raise Refusal(404, "", "There is no such product")
            offer = self.add(seller_id, products()[product_id], {**basic, "offer_attributes": [], **fields})
            offer.status = status
            return offer

    def _own(self, request: Request, offer_id: str) -> Offer:
        offer = self.all.get(offer_id)
        if offer is None or offer.status == "deleted" or offer.seller_id != self._sandbox.user_id(request):
            raise Refusal(404, "", "There is no such offer")
        return offer

    def _item(self, request: Request, offer_id: str, item_id: str) -> Item:
        item = self._own(request, offer_id).items.get(item_id)
        if item is None or item.status == "deleted":
            raise Refusal(404, "", "There is no such code")
        return item

    def _ms(self) -> int:
        return self._sandbox.clock.ms()

    def _letters(self, count: int) -> str:
        return "".join(self._sandbox.random.choices(string.ascii_uppercase, k=count))
