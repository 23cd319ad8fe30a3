"""Many products at once on the make-believe G-Commerce: bulk update (GCO-08), and the feed with its mails (GCO-09)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal, Request, operation
from marketplaces.services.gcommerce.sandbox_products import category_ids, number
from marketplaces.services.gcommerce.sandbox_records import Product
from marketplaces.services.gcommerce.sandbox_shapes import Map, answer

if TYPE_CHECKING:
    from marketplaces.services.gcommerce.sandbox import Sandbox

MOST_ROWS, MOST_ITEMS = 1_000, 10_000
FIRST_QUEUE_ID = 6_772_968_756_425_294
DETAILS = (
    "abilityone",
    "unit_of_measure",
    "manufacturer_name",
    "manufacturer_part_number",
    "country_of_origin",
    "unspsc",
    "eccn",
)
FLAGS = ("abilityone", "made_in_usa", "green_product", "free_shipping")
KEYS = ("product_id", "code")
BULK_FIELDS = frozenset({*KEYS, "vendor_price", "amount", "upc", *DETAILS})
# The feed knows a few that bulk does not.
FEED_DETAILS = (*DETAILS, "brand", "made_in_usa", "green_product")


class Bulk:
    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.feeds: dict[str, Json] = {}
        self.outbox: list[Json] = []

    # --- bulk update (3.7) -----------------------------------------------------------------------------------

    @operation("GCO-08", "POST", "/products_bulk")
    def update_products(self, request: Request) -> Any:
        rows = self._sandbox.read(request)
        if not isinstance(rows, list) or not rows:
            raise Refusal(400, "", "The body is a list of products")
        if len(rows) > MOST_ROWS:
            raise Refusal(413, "", f"No more than {MOST_ROWS} products at once")
        if not all(isinstance(row, dict) for row in rows):
            raise Refusal(400, "", "Each row is an object")
        switches = self._sandbox.switches
        if switches.bulk_strict and any(row.keys() - BULK_FIELDS for row in rows):
            raise Refusal(400, "", "A field is unknown")
        by_code = self._sandbox.products.by_code()
        found = [(row, self._find(row, by_code)) for row in rows]
        if switches.bulk_bad_row == "refuse" and any(product is None or self._is_bad(row) for row, product in found):
            raise Refusal(400, "", "A row is not valid")
        answers = [entry for row, product in found if (entry := self._row(row, product)) is not None]
        if switches.bulk_shuffled:
            answers = answers[len(answers) // 2 :] + answers[: len(answers) // 2][::-1]
        return answers

    def _find(self, row: Json, by_code: Mapping[str, list[Product]]) -> Product | None:
        """Return the product that `product_id` names, or without one, the only product with this `code`."""
        id, code = str(row.get("product_id") or ""), str(row.get("code") or "")
        if id:
            return self._sandbox.products.all.get(int(id)) if id.isascii() and id.isdigit() else None
        found = by_code.get(code, [])
        return found[0] if len(found) == 1 else None

    def _is_bad(self, row: Json) -> bool:
        try:
            for key in ("vendor_price", "amount"):
                if key in row:
                    number(row[key], key)
        except Refusal:
            return True
        return any(row.get(key, "Y") not in ("Y", "N") for key in FLAGS)

    def _row(self, row: Json, product: Product | None) -> Json | None:
        switches = self._sandbox.switches
        names = {str(product.id), product.code} if product else set()
        entry: Json = {key: row[key] for key in KEYS if key in row}
        if product:
            entry = {"product_id": product.id, "code": product.code}
        is_bad = product is None or self._is_bad(row)
        if not names.isdisjoint(switches.bulk_missing) or (is_bad and switches.bulk_bad_row == "missing"):
            return None
        if not names.isdisjoint(switches.bulk_empty) or (is_bad and switches.bulk_bad_row == "empty"):
            return {**entry, "updates": Map()}
        if product is None or is_bad:
            return {**entry, "updates": {_shown(key): False for key in row if key not in KEYS}}
        done = {key for key in row if key in BULK_FIELDS and key not in KEYS} - set(switches.bulk_false)
        self._apply(product, {key: row[key] for key in done})
        updates = {_shown(key): key in done for key in row if key in BULK_FIELDS and key not in KEYS}
        return {**entry, "updates": Map(updates)}

    def _apply(self, product: Product, fields: Json) -> None:
        if "vendor_price" in fields:
            product.price = self._sandbox.products.money(fields["vendor_price"], "vendor_price")
        if "amount" in fields:
            product.amount = number(fields["amount"], "amount")
        if "upc" in fields:
            product.upc = str(fields["upc"])
        product.details |= {key: str(fields[key]) for key in DETAILS if key in fields}

    # --- feed (3.8) ------------------------------------------------------------------------------------------

    @operation("GCO-09", "POST", "/products_feed")
    def feed_products(self, request: Request) -> Any:
        items = self._sandbox.read_object(request).get("items")
        if not isinstance(items, list) or not items:
            raise Refusal(400, "", "The items field is required")
        if len(items) > MOST_ITEMS:
            raise Refusal(413, "", f"No more than {MOST_ITEMS} items at once")
        queue_id = str(FIRST_QUEUE_ID + len(self.feeds) * 7)
        feed: Json = {"queue_id": queue_id, "state": "received", "items": len(items), "made": 0, "refused": []}
        self.feeds[queue_id] = feed
        self._mail(feed, "received", f"{len(items)} items were received")
        seconds = self._sandbox.switches.feed_seconds
        self._sandbox.after(seconds / 2, lambda: self._begin(feed))
        self._sandbox.after(seconds, lambda: self._finish(feed, items))
        return answer({"queue_id": queue_id}, self._sandbox.switches)

    def _begin(self, feed: Json) -> None:
        with self._sandbox.lock:
            self._mail(feed, "processing", f"{feed['items']} items are being processed")

    def _finish(self, feed: Json, items: list[Any]) -> None:
        """Create what can be created, and say in the last mail what could not."""
        with self._sandbox.lock:
            codes = {product.code for product in self._sandbox.products.all.values()}
            for place, item in enumerate(items):
                try:
                    product = self._make(item, codes)
                    codes.add(product.code)
                    feed["made"] += 1
                except Refusal as refusal:
                    code = item.get("code", "") if isinstance(item, dict) else ""
                    feed["refused"].append({"item": place, "code": code, "reason": refusal.message})
            refused = "".join(f"\n{each['code'] or each['item']}: {each['reason']}" for each in feed["refused"])
            self._mail(feed, "completed", f"{feed['made']} created, {len(feed['refused'])} refused{refused}")

    def _make(self, item: Any, taken: set[str]) -> Product:
        if not isinstance(item, dict) or not item.get("product") or not item.get("code"):
            raise Refusal(400, "", "product and code are required")
        code = str(item["code"])
        if code in taken or code in self._sandbox.switches.feed_refused:
            raise Refusal(400, "", "The code exists already" if code in taken else "The item was refused")
        price, amount = (
            self._sandbox.products.money(item.get("price", ""), "price"),
            number(item.get("amount", 0), "amount"),
        )
        weight, categories = number(item.get("weight", 0), "weight"), category_ids(item.get("category_ids", ""))
        if any(item.get(key, "Y") not in ("Y", "N") for key in FLAGS):
            raise Refusal(400, "", f"{', '.join(FLAGS)} are Y or N")
        products = self._sandbox.products
        product = products.add(str(item["product"]))
        product.code, product.price, product.amount, product.weight = code, price, amount, weight
        product.category_ids, product.main_category = categories, categories[0]
        product.upc = str(item.get("upc", ""))
        product.full_description = str(item.get("full_description", ""))
        product.free_shipping = item.get("free_shipping", "N")
        product.details = {key: str(item[key]) for key in FEED_DETAILS if key in item}
        addresses = [{"detailed": {"image_path": each}} for each in str(item.get("images", "")).split("///") if each]
        pairs = {"main_pair": addresses[0], "image_pairs": addresses[1:]} if addresses else {}
        products.change(product, products.images(pairs))
        return product

    def _mail(self, feed: Json, state: str, text: str) -> None:
        feed["state"] = state
        self.outbox.append(
            {
                "at": self._sandbox.now(),
                "to": "vendor@example.com",
                "subject": f"Feed {feed['queue_id']} {state}",
                "queue_id": feed["queue_id"],
                "state": state,
                "text": text,
            }
        )


def _shown(key: str) -> str:
    """A bulk field as the answer calls it."""
    return {"vendor_price": "prices"}.get(key, key)
