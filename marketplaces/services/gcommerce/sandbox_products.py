"""Categories and products of the make-believe G-Commerce (GCO-01 to GCO-07)."""

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal, Request, Response, operation
from marketplaces.services.gcommerce import sandbox_catalogue as catalogue
from marketplaces.services.gcommerce.sandbox_records import Category, Product
from marketplaces.services.gcommerce.sandbox_shapes import (
    Map,
    decimal_in,
    in_order,
    listing,
    number_in,
    page_of,
    words_in,
)

if TYPE_CHECKING:
    from marketplaces.services.gcommerce.sandbox import Sandbox

TEXT_FLAGS: Mapping[str, Callable[[Product], str]] = {
    "pname": lambda product: product.name,
    "pshort": lambda product: product.short_description,
    "pfull": lambda product: product.full_description,
    "pkeywords": lambda product: product.keywords,
}
SORTERS: Mapping[str, Callable[[Product], Any]] = {
    "status": lambda product: (product.status, product.id),
    "product": lambda product: (product.name, product.id),
    "price": lambda product: (product.price, product.id),
    "code": lambda product: (product.code, product.id),
    "amount": lambda product: (product.amount, product.id),
    "timestamp": lambda product: (product.timestamp, product.id),
    "product_id": lambda product: product.id,
}
# What a body's field is called here, and what its value becomes.
TEXTS = {
    "product": "name",
    "product_code": "code",
    "product_upc_code": "upc",
    "lang_code": "lang_code",
    "full_description": "full_description",
    "short_description": "short_description",
    "page_title": "page_title",
    "meta_description": "meta_description",
    "avail_since": "avail_since",
}
MONEY = {"price": "price", "list_price": "list_price", "weight": "weight"}
WAITS_FOR_APPROVAL = "Waits for the marketplace's approval"


class Products:
    """Every product, seeded or made by a seller."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all = catalogue.products(sandbox.now())
        self._last_seeded = self._last_id = max(self.all)
        self._pairs = 70

    def made(self) -> list[Product]:
        """What sellers have added to the seed."""
        return [product for product in self.all.values() if product.id > self._last_seeded]

    def on_sale(self, products: Iterable[Product]) -> list[Product]:
        return [each for each in products if each.status == "A" and each.amount >= max(1, each.min_qty)]

    # --- categories ------------------------------------------------------------------------------------------

    @operation("GCO-01", "GET", "/categories")
    def list_categories(self, request: Request) -> Any:
        switches = self._sandbox.switches
        rows, params = page_of(request, sorted(catalogue.categories().values(), key=lambda row: row.id), switches)
        shown = [{"category_id": str(row.id), "category": row.name, "status": row.status} for row in rows]
        return listing(request, "categories", shown, params, switches)

    @operation("GCO-02", "GET", "/categories/{id:[0-9]+}")
    def get_category(self, request: Request, id: str) -> Json:
        category = catalogue.categories().get(int(id))
        if category is None:
            raise Refusal(404, "", "There is no such category")
        return _category(category)

    # --- products --------------------------------------------------------------------------------------------

    @operation("GCO-03", "GET", "/products")
    def list_products(self, request: Request) -> Any:
        switches = self._sandbox.switches
        found = [product for product in self.all.values() if self._matches(request, product)]
        found = self._named(request, found)
        rows, words = in_order(request, found, SORTERS, "timestamp", "desc")
        page, params = page_of(request, rows, switches)
        return listing(request, "products", [self._row(product) for product in page], {**params, **words}, switches)

    def _named(self, request: Request, products: list[Product]) -> list[Product]:
        """Search texts: a flag says where to look for `q`; another value than Y or N is itself looked for there."""
        q, flags = request.query.get("q", "").lower(), {name: request.query.get(name, "") for name in TEXT_FLAGS}
        for name, value in flags.items():
            if value not in ("", "Y", "N"):
                products = [each for each in products if value.lower() in TEXT_FLAGS[name](each).lower()]
        if not q:
            return products
        places = [name for name, value in flags.items() if value == "Y"]
        if self._sandbox.switches.text_flags_on:
            places = [name for name, value in flags.items() if value in ("", "Y")]
        return [each for each in products if any(q in TEXT_FLAGS[name](each).lower() for name in places or ["pname"])]

    def _matches(self, request: Request, product: Product) -> bool:
        query = request.query
        ordered = words_in(request, "order_ids")
        if ordered and product.id not in self._sandbox.orders.products_of(ordered):
            return False
        if query.get("cid") and not self._is_in(product, number_in(request, "cid"), query.get("subcats") == "Y"):
            return False
        least, most = decimal_in(request, "amount_from"), decimal_in(request, "amount_to")
        cheapest, dearest = decimal_in(request, "price_from"), decimal_in(request, "price_to")
        return (
            query.get("pcode", "").lower() in product.code.lower()
            and (not query.get("status") or product.status in words_in(request, "status"))
            and (not query.get("free_shipping") or product.free_shipping == query["free_shipping"])
            and (least is None or product.amount >= least)
            and (most is None or product.amount <= most)
            and (cheapest is None or product.price >= cheapest)
            and (dearest is None or product.price <= dearest)
        )

    def _is_in(self, product: Product, category_id: int | None, with_those_below: bool) -> bool:
        wanted = catalogue.below(category_id) if with_those_below and category_id is not None else {category_id}
        return not wanted.isdisjoint(product.category_ids)

    @operation("GCO-04", "POST", "/products")
    def create_product(self, request: Request) -> Response:
        document = self._sandbox.read_object(request)
        if document.get("price") in (None, ""):
            raise Refusal(400, "", "The price field is required")
        if not document.get("product"):
            raise Refusal(400, "", "The product field is required")
        changes = self._changes(document)
        product = self.add(str(document["product"]))
        self.change(product, changes)
        return self._sandbox.created({"product_id": product.id})

    @operation("GCO-05", "GET", "/products/{id:[0-9]+}")
    def get_product(self, request: Request, id: str) -> Json:
        return self.full(self.get(id))

    @operation("GCO-06", "PUT", "/products/{id:[0-9]+}")
    def update_product(self, request: Request, id: str) -> Json:
        product, document = self.get(id), self._sandbox.read_object(request)
        self.change(product, self._changes(document))
        return {"product_id": product.id}

    @operation("GCO-07", "DELETE", "/products/{id:[0-9]+}")
    def delete_product(self, request: Request, id: str) -> Response:
        del self.all[self.get(id).id]
        return self._sandbox.deleted()

    # --- parts -----------------------------------------------------------------------------------------------

    def get(self, id: str) -> Product:
        product = self.all.get(int(id))
        if product is None:
            raise Refusal(404, "", "There is no such product")
        return product

    def by_code(self) -> dict[str, list[Product]]:
        """Every code that is one, with the products that have it."""
        found: dict[str, list[Product]] = {}
        for product in self.all.values():
            if product.code:
                found.setdefault(product.code, []).append(product)
        return found

    def add(self, name: str) -> Product:
        self._last_id += 1
        product = Product(self._last_id, name, timestamp=self._sandbox.now())
        self.all[product.id] = product
        return product

    def await_approval(self, product: Product) -> None:
        if self._sandbox.switches.approval:
            product.status, product.premoderation_reason = "R", WAITS_FOR_APPROVAL

    def _changes(self, document: Json) -> Json:
        """Read what a body changes, before anything is changed; raises Refusal."""
        changes: Json = {TEXTS[key]: str(document[key] or "") for key in TEXTS if key in document}
        changes |= {MONEY[key]: self.money(document[key], key) for key in MONEY if key in document}
        for key in ("amount", "min_qty"):
            if key in document:
                changes[key] = number(document[key], key)
        if "min_qty" in changes:
            changes["min_qty"] = int(changes["min_qty"])
        for key, letters in (("status", "ADH"), ("free_shipping", "YN")):
            if key in document and document[key] not in tuple(letters):
                raise Refusal(400, "", f"The {key} field is one of {', '.join(letters)}")
            if key in document:
                changes[key] = document[key]
        if "category_ids" in document:
            changes["category_ids"] = category_ids(document["category_ids"])
        if "main_category" in document:
            changes["main_category"] = category_ids(document["main_category"])[0]
        return changes | self.images(document)

    def money(self, value: Any, key: str) -> Decimal:
        """Read an amount, which loses its decimals by a switch; raises Refusal."""
        amount = number(value, key)
        return (
            amount.quantize(Decimal(1), ROUND_DOWN)
            if self._sandbox.switches.cut_decimals and key != "weight"
            else amount
        )

    def change(self, product: Product, changes: Json) -> None:
        for name, value in changes.items():
            setattr(product, name, value)
        if product.category_ids and product.main_category not in product.category_ids:
            product.main_category = product.category_ids[0]
        self.await_approval(product)

    def images(self, document: Json) -> Json:
        """Fetch the images whose key is there, whatever it holds: they replace the old ones. Raises Refusal."""
        found: Json = {}
        if "main_pair" in document:
            path = _image_path(document["main_pair"])
            found["main_pair"] = self._pair(path, 0) if path else {}
        if "image_pairs" in document:
            listed = document["image_pairs"] or []
            entries = [*(listed.values() if isinstance(listed, dict) else listed if isinstance(listed, list) else ())]
            pairs = [
                self._pair(path, int(number(entry.get("position") or place, "position")))
                for place, entry in enumerate(entries, 1)
                if (path := _image_path(entry))
            ]
            found["image_pairs"] = {pair["pair_id"]: pair for pair in pairs}
        return found

    def _pair(self, path: str, position: int) -> Json:
        self._sandbox.busy_seconds += self._sandbox.switches.image_seconds
        self._pairs += 1
        return {
            "pair_id": str(self._pairs),
            "image_id": "0",
            "detailed_id": str(self._pairs + 10),
            "position": str(position),
            "icon": Map(),
            "detailed": {
                "image_path": path,
                "absolute_path": f"/srv/images/{self._pairs}.jpg",
                "alt": "",
                "image_x": "800",
                "image_y": "600",
            },
        }

    def _row(self, product: Product) -> Json:
        return {
            "product_id": str(product.id),
            "product": product.name,
            "min_qty": str(product.min_qty),
            "product_code": product.code,
            "product_upc_code": product.upc,
            "status": product.status,
            "amount": str(product.amount),
            "weight": f"{product.weight:.3f}",
            "timestamp": str(product.timestamp),
            "price": f"{product.price:.6f}",
            "category_ids": self._category_ids(product),
            "main_category": product.main_category,
        }

    def _category_ids(self, product: Product) -> Any:
        """A list, as in the samples; or what other versions make of it."""
        match self._sandbox.switches.category_ids:
            case "text":
                return ",".join(map(str, product.category_ids))
            case "number" if len(product.category_ids) == 1:
                return product.category_ids[0]
        return list(product.category_ids)

    def full(self, product: Product) -> Json:
        """The form of GCO-05."""
        nothing = ("shortname", "meta_keywords", "search_words", "promo_text", "product_notice")
        unknown = ("external_product_id", "age_warning_message", "ebay_title", "ebay_description", "override")
        sizes = ("min_items_in_box", "max_items_in_box", "box_length", "box_width", "box_height")
        return {
            **dict.fromkeys(sizes, 0),
            **self._row(product),
            "product_id": product.id,
            "shipping_freight": "0.00",
            "free_shipping": product.free_shipping,
            "list_qty_count": "0",
            "average_rating": "0.00",
            "featured": "0",
            "list_price": f"{product.list_price:.2f}",
            "inventory_location": "US",
            "avail_since": product.avail_since,
            "lang_code": product.lang_code,
            **dict.fromkeys(nothing, ""),
            **dict.fromkeys(unknown, None),
            "short_description": product.short_description,
            "full_description": product.full_description,
            "meta_description": product.meta_description,
            "page_title": product.page_title,
            "image_pairs": Map(product.image_pairs),
            "main_pair": Map(product.main_pair),
            "product_features": Map(),
            "premoderation_reason": product.premoderation_reason,
        }


def number(value: Any, key: str) -> Decimal:
    """Read a number from 0; raises Refusal."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite() or found < 0:
        raise Refusal(400, "", f"The {key} field is a number from 0")
    return found


def category_ids(value: Any) -> list[int]:
    """Read category ids from a list, a number or comma text; raises Refusal for what is none."""
    entries = value if isinstance(value, list) else str(value).split(",")
    try:
        found = [int(str(entry)) for entry in entries]
    except ValueError:
        found = []
    if not found or any(each not in catalogue.categories() for each in found):
        raise Refusal(400, "", "The category_ids field names categories")
    return found


def _category(category: Category) -> Json:
    return {
        "category_id": str(category.id),
        "parent_id": str(category.parent_id),
        "id_path": category.id_path,
        "level": str(category.level),
        "status": category.status,
        "lang_code": "en",
        "category": category.name,
        "description": category.description,
    }


def _image_path(pair: Any) -> str:
    detailed = pair.get("detailed") if isinstance(pair, dict) else None
    return str(detailed.get("image_path") or "") if isinstance(detailed, dict) else ""
