"""How the make-believe G-Commerce writes what it says: ids and numbers, lists and their pages, empty maps."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from marketplaces.sandbox_words import Json, Request, Response
from marketplaces.services.gcommerce.sandbox_switches import Switches

Row = TypeVar("Row")
DEFAULT_PAGE = 10
WHOLE = re.compile(r"-?[0-9]+")
NUMERIC = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# What is an id, a count or money, and may come as text or as a number. Codes and postal codes stay text.
NUMBER_KEYS = re.compile(
    r"(.*_)?(id|ids|total|subtotal|discount|price|cost|amount|weight|qty|level|timestamp|surcharge|position|freight)"
    r"|main_category|total_items|page|items_per_page|updated_at|repaid|count|featured|average_rating|list_qty_count"
)
NOT_NUMBERS = {"queue_id", "validation_code", "external_product_id"}
ROW_IDS = ("shipment_id", "purchase_order_id", "order_id", "product_id", "category_id", "shipping_id")


class Map(dict[str, Any]):
    """A map by id, which comes as [] when it is empty."""


def write(document: Any, switches: Switches) -> bytes:
    """Write JSON as PHP does, with what the switches say about its types."""
    return json.dumps(shaped(document, switches)).replace("/", "\\/").encode()


def answer(document: Any, switches: Switches, status: int = 200) -> Response:
    return Response(status, write(document, switches), {"Content-Type": "application/json"})


def shaped(value: Any, switches: Switches, key: str = "") -> Any:
    """Return `value` as it goes out: a field called `key`, or what such fields are part of."""
    if isinstance(value, Map) and not value:
        return {} if switches.empty_as_object else []
    if isinstance(value, dict):
        return {name: shaped(entry, switches, name) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        entries = [shaped(entry, switches, key) for entry in value]
        is_keyed = switches.lists_as_objects and entries and all(isinstance(entry, dict) for entry in entries)
        return {_row_key(entry, number): entry for number, entry in enumerate(entries)} if is_keyed else entries
    return _number(value, key, switches.numbers)


def _row_key(row: Json, number: int) -> str:
    # A line or a shipment holds other ids too; its own comes first.
    return str(row.get("item_id") or next((row[name] for name in ROW_IDS if name in row), number))


def _number(value: Any, key: str, form: str) -> Any:
    if isinstance(value, Decimal):
        value = float(value) if value % 1 else int(value)
    if form == "text" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    is_number = isinstance(value, str) and NUMERIC.fullmatch(value) and key not in NOT_NUMBERS
    if form == "number" and is_number and NUMBER_KEYS.fullmatch(key):
        return int(value) if WHOLE.fullmatch(value) else float(value)
    return value


# --- lists -----------------------------------------------------------------------------------------------------


def number_in(request: Request, name: str) -> int | None:
    text = request.query.get(name, "")
    return int(text) if WHOLE.fullmatch(text) else None


def decimal_in(request: Request, name: str) -> Decimal | None:
    text = request.query.get(name, "")
    return Decimal(text) if NUMERIC.fullmatch(text) else None


def words_in(request: Request, name: str) -> set[str]:
    """The values of a parameter that may come once, as comma list, or as name[]=…"""
    values = [value for key, value in request.query.items() if key == name or key.startswith(f"{name}[")]
    return {word.strip() for value in values for word in value.split(",") if word.strip()}


def in_order(
    request: Request, rows: Iterable[Row], sorters: Mapping[str, Callable[[Row], Any]], sort_by: str, sort_order: str
) -> tuple[list[Row], Json]:
    """Sort as asked; an unknown word falls back in silence. Returns the words that counted too."""
    word, order = request.query.get("sort_by", ""), request.query.get("sort_order", "").lower()
    word = word if word in sorters else sort_by
    order = order if order in ("asc", "desc") else sort_order
    return sorted(rows, key=sorters[word], reverse=order == "desc"), {"sort_order": order, "sort_by": word}


def page_of(request: Request, rows: Sequence[Row], switches: Switches) -> tuple[list[Row], Json]:
    """Cut the page that was asked for, and say what `params` holds of it."""
    page, size = max(1, number_in(request, "page") or 1), number_in(request, "items_per_page")
    if size == 0:
        return list(rows), {"page": page, "items_per_page": 0}
    size = DEFAULT_PAGE if size is None or size < 0 else size
    size = min(size, switches.page_cap) if switches.page_cap else size
    if switches.repeat_last_page:
        page = max(1, min(page, -(-len(rows) // size)))
    begin = max(0, (page - 1) * (size - switches.shifted_rows))
    total = len(rows) + switches.shifted_rows * (page - 1)
    found: Json = {"page": page, "items_per_page": size}
    if switches.total_items != "absent":
        found["total_items"] = str(total) if switches.total_items == "text" else total
    return list(rows[begin : begin + size]), found


def listing(request: Request, name: str, rows: Sequence[Json], params: Json, switches: Switches) -> Any:
    """Wrap a page's rows: `params` echoes what was sent as text, and defaults as numbers."""
    if switches.bare_lists:
        return list(rows)
    if switches.params == "absent" or (name == "categories" and not switches.category_params):
        return {name: list(rows)}
    noise = {"advanced_info": True, "sort_order_rev": "asc", "skip_view": "Y"} if switches.params_noise else {}
    sent = {key: value for key, value in request.query.items() if key not in ("page", "items_per_page")}
    echo = {key: request.query[key] for key in ("page", "items_per_page") if key in request.query}
    return {name: list(rows), "params": {**sent, **params, **echo, **noise}}
