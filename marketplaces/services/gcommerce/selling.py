"""Products as offers: looking for one, making, changing many at once, feeding (GCO-03 to GCO-09)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marketplaces.exceptions import MarketplaceError, NotFound, PermanentError, UnknownOutcome
from marketplaces.services.gcommerce import decoding, fields, mapping
from marketplaces.services.gcommerce.fields import Form, refuse
from marketplaces.services.gcommerce.line import READ_SECONDS, SLOW_SECONDS, Line, named, whole_id
from marketplaces.types import Json, OfferChange, OfferContent, OfferResult, RemoteOffer

MOST_FED = 10_000
# All that a new product says.
ALL = frozenset(fields.OWN) | {"currency", "attributes"}
# What update_offers brings there.
IN_BULK = frozenset({"price", "quantity"}) | fields.WITHOUT_WIRE
# Sorted by what changes least, so that few rows move between pages while they are read; no id can be sorted by.
BY_CODE = {"sort_by": "code", "sort_order": "asc"}
IN_TEXTS = {"pname": "names", "pshort": "short descriptions", "pfull": "descriptions", "pkeywords": "keywords"}
FILTERS = frozenset(
    {
        "pcode", "cid", "subcats", "amount_from", "amount_to", "price_from", "price_to", "order_ids", "free_shipping",
        "status", "sort_by", "sort_order",
    }
)  # fmt: skip


# --- reading -----------------------------------------------------------------------------------------------------


def search(
    line: Line, filters: Mapping[str, str], *, q: str = "", within: Sequence[str] = ("pname",)
) -> Iterator[RemoteOffer]:
    """List products (GCO-03). `q` is looked for in the texts named by `within`: flags, for all others say N (GCO-P40)."""
    unknown = sorted((set(filters) - FILTERS) | (set(within) - set(IN_TEXTS)))
    if unknown:
        raise refuse("GCO-03", f"Products can't be searched by {', '.join(unknown)}")
    params = {**BY_CODE, **{name: value for name, value in filters.items() if value}}
    if q:
        params |= {"q": q, **{name: "Y" if name in within else "N" for name in IN_TEXTS}}
    for page in line.pages("GCO-03", "/products", "products", "product_id", params):
        yield from map(mapping.to_offer, page.rows)


def listed(line: Line, first: int) -> Iterator[list[RemoteOffer]]:
    """List all products (GCO-03) from a page on."""
    for page in line.pages("GCO-03", "/products", "products", "product_id", BY_CODE, first=first):
        yield [mapping.to_offer(row) for row in page.rows]


def get(line: Line, offer_id: str) -> RemoteOffer:
    path = f"/products/{whole_id(offer_id, 'product')}"
    return mapping.to_offer(named(line.call("GCO-05", "GET", path, about=offer_id), "product_id", offer_id, "GCO-05"))


def find(line: Line, code: str) -> RemoteOffer | None:
    """Look for the product of this code, compared exactly, since the filter may match parts (GCO-P11).

    Raises PermanentError (conflict) when several have it: then only their ids tell them apart.
    """
    if not code:
        raise refuse("GCO-03", "The offer has no product code of ours, so it can't be looked for. Give it one")
    found = [offer for offer in search(line, {"pcode": code}) if offer.external_product_id == code]
    if len(found) > 1:
        ids = ", ".join(offer.external_id for offer in found)
        raise PermanentError(
            f"G-Commerce has {len(found)} products with the code “{code}” ({ids}). Enter the id of the right one here, or"
            " give them different codes there",
            kind="conflict",
            operation="GCO-03",
        )
    return found[0] if found else None


def _read_back(line: Line, offer: RemoteOffer, warnings: list[str]) -> RemoteOffer:
    """Show what became of a write, approval above all; where that can't be read now, what is known already."""
    try:
        seen = get(line, offer.external_id)
    except MarketplaceError:
        return offer
    if reason := seen.attributes.get("premoderation_reason"):
        warnings.append(f"G-Commerce has not approved it: {reason}"[:300])
    return seen


# --- writing one -------------------------------------------------------------------------------------------------


def create(line: Line, content: OfferContent, warnings: list[str]) -> RemoteOffer:
    """Create a product (GCO-04) and read it back; a second request that may fail without harm."""
    operation = "GCO-04"
    body = new_product(content, warnings)
    seconds = SLOW_SECONDS if "main_pair" in body else READ_SECONDS
    payload = line.call(
        operation, "POST", "/products", payload=body, about=content.external_product_id, read_seconds=seconds
    )
    offer_id = decoding.ident(decoding.obj(payload).get("product_id"))
    if not offer_id:
        raise UnknownOutcome("G-Commerce took the product and told no id for it", kind="unknown", operation=operation)
    return _read_back(line, RemoteOffer(offer_id, external_product_id=content.external_product_id), warnings)


def new_product(content: OfferContent, warnings: list[str]) -> Json:
    """The body of GCO-04; what it leaves out is told in `warnings`. Raises PermanentError (invalid)."""
    if not content.title or not content.external_product_id:
        raise refuse("GCO-04", "A new product needs a name and a product code of ours. Give it both")
    body = fields.body(content, ALL, Form.PRODUCT) | fields.image_pairs(content)
    if "category_ids" not in body:
        warnings.append("The product has no category: G-Commerce may refuse it, or hide it")
    if left := [name for name in fields.unlisted(content, Form.PRODUCT) if name != "images"]:
        warnings.append(f"A new product takes no {', '.join(left)}: change the attributes once it is there")
    return body


def update(line: Line, offer_id: str, content: OfferContent, names: frozenset[str], warnings: list[str]) -> RemoteOffer:
    """Change a product's fields (GCO-06), never its images; attributes that only a bulk update takes go by one (GCO-08).

    A text that is empty here is left as it is there.
    """
    number = whole_id(offer_id, "product")
    body = fields.body(content, names - {"external_product_id"}, Form.PRODUCT)
    if body:
        line.call("GCO-06", "PUT", f"/products/{number}", payload=body, about=offer_id)
    if "attributes" in names and _only_in_bulk(content):
        change = OfferChange(offer_id, content, frozenset({"attributes"}))
        (result,) = update_many(line, [change])
        if result.problem:
            raise UnknownOutcome(f"Product {offer_id}: {result.problem}", kind="unknown", operation="GCO-08")
    if not body:
        return RemoteOffer(offer_id)
    return _read_back(line, RemoteOffer(offer_id), warnings)


def requests_to_update(content: OfferContent, names: frozenset[str]) -> int:
    """How many requests an update takes at least, without looking at it afterwards."""
    return 2 if "attributes" in names and _only_in_bulk(content) else 1


def _only_in_bulk(content: OfferContent) -> bool:
    known = fields.attributes(content, Form.BULK)
    return bool(known.keys() - {fields.ATTRIBUTES["upc"].bulk})


def replace_images(line: Line, offer_id: str, content: OfferContent, warnings: list[str]) -> RemoteOffer:
    """Put other images in place of a product's (GCO-06): they delete the old ones there, as soon as they are named."""
    body = fields.image_pairs(content)
    if not body:
        raise refuse("GCO-06", "The offer has no images, and none would delete those that are there. Give it some")
    path = f"/products/{whole_id(offer_id, 'product')}"
    # The extra ones are named in any case, or the old extra ones would stay beside the new main one.
    body = {"image_pairs": []} | body
    line.call("GCO-06", "PUT", path, payload=body, about=offer_id, read_seconds=SLOW_SECONDS)
    return _read_back(line, RemoteOffer(offer_id), warnings)


def delete(line: Line, offer_id: str) -> None:
    try:
        line.call("GCO-07", "DELETE", f"/products/{whole_id(offer_id, 'product')}", about=offer_id)
    except NotFound:
        return


# --- writing many ------------------------------------------------------------------------------------------------


def update_many(line: Line, changes: Sequence[OfferChange]) -> list[OfferResult]:
    """Change products in one request (GCO-08). Rows are matched by id, else by code, never by their place."""
    ids = [change.offer_id for change in changes]
    if len(set(ids)) < len(ids):
        raise refuse("GCO-08", "A product stands twice in one bulk update. Send its newest values alone")
    sent = {change.offer_id: fields.write(change.content, change.fields, Form.BULK) for change in changes}
    rows = [
        {"product_id": whole_id(offer_id, "product")} | _joined(parts)
        for offer_id, parts in sent.items()
        if any(parts.values())
    ]
    updates: dict[str, Json] = {}
    if rows:
        payload = line.call(
            "GCO-08", "POST", "/products_bulk", payload=rows, about=_about(ids), read_seconds=SLOW_SECONDS
        )
        updates = _updates(payload, changes)
    return [_result(change, sent[change.offer_id], updates) for change in changes]


def _about(ids: Sequence[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{len(ids)} products"


def _joined(parts: Mapping[str, Json]) -> Json:
    return {theirs: value for part in parts.values() for theirs, value in part.items()}


def _updates(payload: Any, changes: Sequence[OfferChange]) -> dict[str, Json]:
    """Product id -> the flags that its row answers with."""
    codes: dict[str, list[str]] = {}
    for change in changes:
        codes.setdefault(change.content.external_product_id, []).append(change.offer_id)
    found = {}
    for row in decoding.rows(payload):
        product_id, code = decoding.ident(row.get("product_id")), decoding.ident(row.get("code"))
        if not product_id and len(codes.get(code, ())) == 1:
            (product_id,) = codes[code]
        if product_id:
            found[product_id] = decoding.obj(row.get("updates"))
    return found


def _result(change: OfferChange, sent: Mapping[str, Json], updates: Mapping[str, Json]) -> OfferResult:
    """A field is done when all that was sent for it is answered with a yes (GCO-P13)."""
    flags = updates.get(decoding.ident(change.offer_id))
    done, open_fields = set(change.fields & fields.WITHOUT_WIRE), []
    for name in sorted(change.fields - fields.WITHOUT_WIRE):
        theirs = sent.get(name) or {}
        if not all(decoding.flag((flags or {}).get(fields.ANSWERED_AS.get(key, key))) for key in theirs):
            open_fields.append(name)
        elif theirs and not (name == "attributes" and _beyond_bulk(change.content)):
            done.add(name)
    problem = ""
    if flags is None and any(sent.values()):
        problem = "G-Commerce's answer to the bulk update does not name this product"
    elif open_fields:
        problem = f"G-Commerce did not confirm {', '.join(open_fields)}"
    return OfferResult(change.offer_id, frozenset(done), problem)


def _beyond_bulk(content: OfferContent) -> bool:
    """Say whether an offer's attributes have any that a bulk update does not take."""
    return bool(fields.attributes(content, Form.PRODUCT).keys() - {fields.ATTRIBUTES["upc"].product})


def feed(line: Line, contents: Sequence[OfferContent]) -> str:
    """Ask for products to be created (GCO-09) and return the queue's number, digit by digit."""
    operation = "GCO-09"
    if not 1 <= len(contents) <= MOST_FED:
        raise refuse(operation, f"A feed has 1 to {MOST_FED:,} products, not {len(contents):,}")
    codes = [content.external_product_id for content in contents]
    if not all(codes) or len(set(codes)) < len(codes):
        raise refuse(operation, "Each product of a feed needs a code of its own")
    if not all(content.title for content in contents):
        raise refuse(operation, "Each product of a feed needs a name")
    items = [fields.body(content, ALL, Form.FEED) for content in contents]
    payload = line.call(
        operation, "POST", "/products_feed", payload={"items": items}, about=_about(codes), read_seconds=SLOW_SECONDS
    )
    queue_id = decoding.ident(decoding.obj(payload).get("queue_id"))
    if not queue_id:
        raise UnknownOutcome("G-Commerce took the feed and told no number for it", kind="unknown", operation=operation)
    return queue_id
