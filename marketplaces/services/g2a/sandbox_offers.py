"""Offers of the make-believe G2A in both dialects (G2A-08 to G2A-11, G2A-L01). Flat bodies and numbers in the one,
variants, texts and `data` in the other; what they wish for is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal, Request, Response, operation
from marketplaces.services.g2a import sandbox_checks as check
from marketplaces.services.g2a.sandbox_catalogue import Product
from marketplaces.services.g2a.sandbox_tokens import account_hash
from marketplaces.services.g2a.sandbox_wishes import Wish, flat_wish, live_wish

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

CONTRACT, LIVE = "/integration-api/v1/offers", "/v3/sales/offers"
GONE = "deleted"


@dataclass
class Key:
    """A key that was uploaded, as text or as an image's bytes."""

    id: str
    value: str = field(repr=False)
    file_name: str = ""
    status: str = "available"  # or sold, deleted


@dataclass
class Offer:
    id: str
    account: str
    kind: str
    product: Product
    created_at: int
    updated_at: int
    set_at: int  # when the size was last set, in the order of events
    prices: dict[str, Decimal] = field(default_factory=dict)
    visibility: str = "all"
    active: bool = True
    declared: int = 0
    sold: int = 0
    status: str = "pending"
    keys: dict[str, Key] = field(default_factory=dict)
    collections: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.declared if self.kind == "dropshipping" else len(self.free_keys)

    @property
    def free_keys(self) -> list[Key]:
        return [key for key in self.keys.values() if key.status == "available"]

    @property
    def price(self) -> Decimal:
        return self.prices.get("retail") or self.prices["business"]

    @property
    def is_live(self) -> bool:
        return self.status == "active" and self.active

    @property
    def word(self) -> str:
        return "inactive" if self.status == "active" and not self.active else self.status

    def contract_row(self) -> Json:
        return {
            "id": self.id,
            "type": self.kind,
            "productId": self.product.id,
            "price": float(self.price),
            "visibility": self.visibility,
            "status": self.word,
            "active": self.active,
            "inventory": {"size": self.size, "sold": self.sold},
        }

    def live_row(self, *, nested: bool, told: bool) -> Json:
        retail, business = self.prices.get("retail"), self.prices.get("business")
        price: Any = str(self.price)
        if nested:
            price = {"retail": {"base": {"value": str(self.price), "currencyCode": "EUR"}}}
        return {
            "id": self.id,
            "type": self.kind,
            "status": self.word,
            "price": price,
            "businessPrice": str(business) if business else None,
            "visibility": self.visibility,
            "inventory": {"size": self.size, "sold": self.sold},
            "product": {"id": self.product.id, "name": self.product.name},
            "finalPrice": {"pl": str((retail * Decimal("1.23")).quantize(check.CENT))} if retail else {},
            "businessFinalPrice": {"pl": str(business)} if business else {},
            **({"active": self.active} if told else {}),
        }

    def shown(self) -> Json:
        return {
            **self.contract_row(),
            "account": self.account,
            "prices": {name: str(price) for name, price in self.prices.items()},
            "keys": [{"value": key.value, "status": key.status} for key in self.keys.values()],
            "collections": list(self.collections),
        }


class Offers:
    """Every seller's offers. The sandbox's lock is held around each operation."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[str, Offer] = {}
        self.refused_doubles = 0  # creations that met an offer of the same product

    # --- creating --------------------------------------------------------------------------------------------

    @operation("G2A-08", "POST", CONTRACT)
    def create(self, request: Request) -> Response:
        body = check.read_json(request)
        allowed = {"offerType", "productId", "price", "visibility", "inventory", "variant"}
        check.only(body, allowed)
        check.number_of(body, "price")
        check.word_of(body, "visibility", check.VISIBILITIES)
        kind, product_id = check.word_of(body, "offerType", check.OFFER_TYPES), check.text_of(body, "productId")
        wish = flat_wish({key: body[key] for key in body.keys() - {"offerType", "productId"}})
        return self._create(request, kind, product_id, wish)

    @operation("G2A-08", "POST", LIVE)
    def create_live(self, request: Request) -> Response:
        body = check.read_json(request)
        check.only(body, {"offerType", "variants"})
        kind, variants = check.word_of(body, "offerType", check.OFFER_TYPES), body.get("variants")
        if not isinstance(variants, list) or len(variants) != 1 or not isinstance(variants[0], dict):
            raise check.wrong("variants", "is a list of one object")
        variant = dict(variants[0])
        product_id = check.text_of(variant, "productId")
        check.word_of(variant, "visibility", check.VISIBILITIES)
        check.object_of(variant, "price")
        del variant["productId"]
        return self._create(request, kind, product_id, live_wish(variant))

    def _create(self, request: Request, kind: str, product_id: str, wish: Wish) -> Response:
        account, product = account_hash(request.seller), self._sandbox.catalogue.need(product_id, 400)
        wish.check_visibility(wish.visibility or "all")
        self._check_inventory(account, kind, wish)
        same = [offer for offer in self.of(account) if offer.product is product and offer.status != "archived"]
        if same:
            self.refused_doubles += 1
            text = "Offer for this product already exists"
            return Response.of({"code": "OFFER_EXISTS", "message": text, "data": {"offerId": same[0].id}}, 409)
        self._sandbox.jobs.check_queue(account)
        offer = self.add(account, kind, product)
        self._apply(offer, wish)
        job = self._sandbox.jobs.start(
            account, "G2A-08", offer.id, lambda: _set_status(offer, "active"), lambda: _set_status(offer, GONE)
        )
        return self._job_answer(request, job.id, 202)

    # --- reading ---------------------------------------------------------------------------------------------

    @operation("G2A-09", "GET", f"{CONTRACT}/{{offer_id}}")
    def get(self, request: Request, offer_id: str) -> Json:
        return self.own(request, offer_id).contract_row()

    @operation("G2A-09", "GET", f"{LIVE}/{{offer_id}}")
    def get_live(self, request: Request, offer_id: str) -> Json:
        return {"data": self._live_row(self.own(request, offer_id))}

    @operation("G2A-10", "GET", CONTRACT)
    def list_offers(self, request: Request) -> Json:
        known = {
            "productId": check.digits,
            "status": check.filled,
            "offerType": check.among(*check.OFFER_TYPES),
            "active": check.flag,
            "page": check.whole(1),
            "perPage": check.per_page,
        }
        wanted = check.query(request, known)
        rows = [offer.contract_row() for offer in self.of(account_hash(request.seller))]
        wanted["type"] = wanted.pop("offerType", None)
        found = [row for row in rows if _matches(row, wanted, ("productId", "status", "type", "active"))]
        page, size = wanted.get("page", 1), wanted.get("perPage", 20)
        last = max(1, -(-len(found) // size))
        meta = {"currentPage": page, "lastPage": last, "perPage": size, "total": len(found)}
        shown = {"data": check.page_of(found, page, size)}
        return shown | ({"meta": meta} if self._sandbox.options["offers_meta"] else {})

    @operation("G2A-10", "GET", LIVE)
    def list_live(self, request: Request) -> Json:
        known = {
            "type": check.among(*check.OFFER_TYPES),
            "active": check.flag,
            "page": check.whole(1),
            "itemsPerPage": check.whole(1, 100),
            "updatedAtFrom": check.moment,
        }
        wanted = check.query(request, known)
        since = wanted.get("updatedAtFrom", datetime.fromtimestamp(0, UTC)).timestamp() * 1000
        found = [
            self._live_row(offer)
            for offer in self.of(account_hash(request.seller))
            if offer.updated_at >= since and _matches(offer.contract_row(), wanted, ("type", "active"))
        ]
        page, size = wanted.get("page", 1), wanted.get("itemsPerPage", 20)
        meta = {"page": page, "itemsPerPage": size, "totalResults": len(found)}
        return {"data": check.page_of(found, page, size), "meta": meta}

    # --- changing --------------------------------------------------------------------------------------------

    @operation("G2A-11", "PATCH", f"{CONTRACT}/{{offer_id}}")
    def update(self, request: Request, offer_id: str) -> Response:
        offer, body = self.own(request, offer_id), check.read_json(request)
        check.only(body, {"price", "visibility", "active", "inventory", "variant"})
        if not body:
            raise check.wrong("the body", "has at least one field")
        return self._update(request, offer, flat_wish(body), "offer")

    @operation("G2A-11", "PATCH", f"{LIVE}/{{offer_id}}")
    def update_live(self, request: Request, offer_id: str) -> Response:
        offer, body = self.own(request, offer_id), check.read_json(request)
        check.only(body, {"offerType", "variant"})
        if check.text_of(body, "offerType") != offer.kind:
            raise check.wrong("offerType", "is the offer's own")
        return self._update(request, offer, live_wish(check.object_of(body, "variant")), "job")

    def _update(self, request: Request, offer: Offer, wish: Wish, usual: str) -> Response:
        if offer.kind == "preorder":
            raise check.wrong("offerType", "preorder cannot be edited")
        wish.check_visibility(wish.visibility or offer.visibility)
        self._check_inventory(offer.account, offer.kind, wish)
        self._sandbox.jobs.check_queue(offer.account)
        answer = self._sandbox.options["patch_answer"] or usual
        if answer in ("job", "job_200"):
            job = self._sandbox.jobs.start(offer.account, "G2A-11", offer.id, lambda: self._apply(offer, wish))
            return self._job_answer(request, job.id, 200 if answer == "job_200" else 202)
        self._apply(offer, wish)
        if answer == "empty":
            return Response(204)
        is_live = request.path.startswith(LIVE)
        return Response.of({"data": self._live_row(offer)} if is_live else offer.contract_row())

    @operation("G2A-L01", "DELETE", f"{LIVE}/{{offer_id}}")
    def delete(self, request: Request, offer_id: str) -> Response:
        self.own(request, offer_id).status = GONE
        return Response(204)

    # --- what others of the sandbox do with offers -----------------------------------------------------------

    def add(self, account: str, kind: str, product: Product) -> Offer:
        now = self._sandbox.clock.ms()
        offer = Offer(self._sandbox.new_id(), account, kind, product, now, now, self._sandbox.stamp())
        self.all[offer.id] = offer
        return offer

    def by_hand(self, *, account: str, product_id: str, kind: str = "dropshipping", size: int = 0, price: str) -> Offer:
        """Create a live offer as in the web panel."""
        offer = self.add(account, kind, self._sandbox.catalogue.need(product_id))
        self._apply(offer, Wish(prices={"retail": Decimal(price)}, size=size))
        offer.status = "active"
        return offer

    def of(self, account: str) -> list[Offer]:
        return [offer for offer in self.all.values() if offer.account == account and offer.status != GONE]

    def own(self, request: Request, offer_id: str) -> Offer:
        offer = self.all.get(offer_id)
        if offer is None or offer.status == GONE or offer.account != account_hash(request.seller):
            raise Refusal(404, "", "There is no such offer")
        return offer

    def sold(self, offer: Offer, quantity: int, since: int) -> None:
        """Count a sale; a size that the seller set after the moment `since` knows of it already."""
        offer.sold += quantity
        if offer.set_at < since:
            offer.declared = max(0, offer.declared - quantity)

    def _apply(self, offer: Offer, wish: Wish) -> None:
        offer.prices |= wish.prices
        offer.visibility = wish.visibility or offer.visibility
        offer.active = offer.active if wish.active is None else wish.active
        if wish.size is not None:
            offer.declared, offer.set_at = wish.size, self._sandbox.stamp()
        if wish.archive is not None and offer.status in ("active", "archived"):
            offer.status = "archived" if wish.archive else "active"
        if wish.collection and wish.collection not in offer.collections:
            offer.collections.append(wish.collection)
            offer.keys |= self._sandbox.inventory.collections[wish.collection].keys
        offer.updated_at = self._sandbox.clock.ms()

    def _check_inventory(self, account: str, kind: str, wish: Wish) -> None:
        if wish.size is not None and kind != "dropshipping":
            raise check.wrong("inventory.size", "is for dropshipping alone")
        if not wish.collection:
            return
        collection = self._sandbox.inventory.collections.get(wish.collection)
        if kind == "dropshipping" or collection is None or collection.account != account:
            raise check.wrong("inventory.tmpInventoryId", "is no collection of yours, or not for this offer")

    def _job_answer(self, request: Request, job_id: str, status: int) -> Response:
        is_live = request.path.startswith(LIVE)
        return Response.of({"data": {"jobId": job_id}} if is_live else {"jobId": job_id}, status)

    def _live_row(self, offer: Offer) -> Json:
        options = self._sandbox.options
        return offer.live_row(nested=options["nested_price"], told=options["live_shows_active"])


def _set_status(offer: Offer, status: str) -> None:
    offer.status = status


def _matches(row: Mapping[str, Any], wanted: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all(row[name] == wanted[name] for name in names if wanted.get(name) is not None)
