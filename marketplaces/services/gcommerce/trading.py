"""Orders, purchase orders and shipments (GCO-10 to GCO-19)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from urllib.parse import quote_plus

from django.utils import timezone

from marketplaces.exceptions import MarketplaceError, NotFound, PermanentError, UnknownOutcome
from marketplaces.services.gcommerce import decoding, mapping, statuses
from marketplaces.services.gcommerce.fields import refuse
from marketplaces.services.gcommerce.line import Line, Page, named, whole_id
from marketplaces.types import (
    Json,
    NewShipment,
    OrderState,
    RemoteOrder,
    RemotePurchaseOrder,
    RemoteShipment,
    ShipmentState,
)

Table = Mapping[str, OrderState]

BY_DATE = {"sort_by": "date", "sort_order": "desc"}
INVALID = 400
FILTERS = frozenset({"status", "email", "user_id", "sort_by", "sort_order"})
# What an old version of the platform blanks in a shipment when it is left out of a change (GCO-P28).
BLANKED = {"tracking_number": "tracking_number", "carrier": "carrier"}


# --- lists -------------------------------------------------------------------------------------------------------


def _filtered(line: Line, filters: Mapping[str, str], operation: str) -> dict[str, str]:
    """The query of a search, with the e-mail kept out of the call log."""
    if unknown := sorted(set(filters) - FILTERS):
        raise refuse(operation, f"The list can't be searched by {', '.join(unknown)}")
    if email := filters.get("email", ""):
        line.client.hide(email, quote_plus(email))
    return BY_DATE | {name: value for name, value in filters.items() if value}


def _has_email(row: Json, filters: Mapping[str, str]) -> bool:
    """The filter matches parts of an address, so it is compared here (GCO-P17)."""
    wanted = filters.get("email", "").casefold()
    return not wanted or decoding.text(row.get("email")).casefold() == wanted


def _until(pages: Iterator[Page], time_key: str, since: datetime) -> Iterator[tuple[Json, Page]]:
    """The rows from `since` on, of pages that begin with the newest.

    A row without a time passes. Where rows are not in order, for a word to sort by may be ignored (GCO-P39), all pages are
    read.
    """
    last: datetime | None = None
    is_sorted = True
    for page in pages:
        is_over = False
        for row in page.rows:
            at = decoding.when(row.get(time_key))
            if at is not None:
                is_sorted = is_sorted and (last is None or at <= last)
                last, is_over = at, is_over or at < since
            if at is None or at >= since:
                yield row, page
        if is_over and is_sorted:
            return


# --- orders ------------------------------------------------------------------------------------------------------


def search_orders(line: Line, table: Table, filters: Mapping[str, str]) -> Iterator[RemoteOrder]:
    for page in line.pages("GCO-10", "/orders", "orders", "order_id", _filtered(line, filters, "GCO-10")):
        for row in page.rows:
            if mapping.is_ours(row) and _has_email(row, filters):
                yield mapping.to_order(row, table, asked_at=page.asked_at, is_summary=True)


def orders_since(line: Line, table: Table, since: datetime) -> Iterator[RemoteOrder]:
    pages = line.pages("GCO-10", "/orders", "orders", "order_id", BY_DATE, goes_on=True)
    for row, page in _until(pages, "timestamp", since):
        if mapping.is_ours(row):
            yield mapping.to_order(row, table, asked_at=page.asked_at, is_summary=True)


def get_order(line: Line, table: Table, order_id: str) -> RemoteOrder:
    path, asked_at = f"/orders/{whole_id(order_id, 'order')}", timezone.now()
    payload = named(line.call("GCO-11", "GET", path, about=order_id), "order_id", order_id, "GCO-11")
    return mapping.to_order(payload, table, asked_at=asked_at)


def accept(line: Line, table: Table, order_id: str) -> RemoteOrder:
    """Send K (GCO-12) and read the order again, for a 200 proves nothing (GCO-P21).

    Whatever the first answer was, short of a refusal for good, the second decides.
    """
    operation = "GCO-12"
    path = f"/order_status/{whole_id(order_id, 'order')}"
    doubt: MarketplaceError | None = None
    try:
        line.call(operation, "PUT", path, payload={"status": statuses.ACCEPTED}, about=order_id)
    except UnknownOutcome as error:
        doubt = error
    except PermanentError as error:
        if error.kind != "invalid" or error.status != INVALID:
            raise
        doubt = error  # some refuse to accept what is accepted already with a 400
    try:
        order = get_order(line, table, order_id)
    except MarketplaceError as error:
        raise UnknownOutcome(
            f"Order {order_id} may or may not be accepted: it could not be read again ({error.message})",
            kind=error.kind,
            operation=operation,
        ) from error
    if order.state in statuses.IS_ACCEPTED:
        return order
    if doubt is not None and doubt.kind != "conflict":
        raise doubt
    raise PermanentError(
        f"Order {order_id} was not accepted: G-Commerce shows it as “{order.status_word}” ({order.state.value})."
        " Look at it in the vendor panel",
        kind="conflict",
        operation=operation,
    )


# --- purchase orders ---------------------------------------------------------------------------------------------


def purchase_orders_since(line: Line, table: Table, since: datetime) -> Iterator[RemotePurchaseOrder]:
    pages = line.pages("GCO-13", "/purchase_orders", "purchase_orders", "purchase_order_id", BY_DATE, goes_on=True)
    for row, _ in _until(pages, "timestamp", since):
        yield mapping.to_purchase_order(row, table, is_summary=True)


def search_purchase_orders(line: Line, table: Table, filters: Mapping[str, str]) -> Iterator[RemotePurchaseOrder]:
    params = _filtered(line, filters, "GCO-13")
    for page in line.pages("GCO-13", "/purchase_orders", "purchase_orders", "purchase_order_id", params):
        for row in page.rows:
            if _has_email(row, filters):
                yield mapping.to_purchase_order(row, table, is_summary=True)


def get_purchase_order(line: Line, table: Table, purchase_order_id: str) -> RemotePurchaseOrder:
    path = f"/purchase_orders/{whole_id(purchase_order_id, 'purchase order')}"
    payload = line.call("GCO-14", "GET", path, about=purchase_order_id)
    return mapping.to_purchase_order(named(payload, "purchase_order_id", purchase_order_id, "GCO-14"), table)


# --- shipments ---------------------------------------------------------------------------------------------------


def shipments(
    line: Line, *, order_id: str = "", since: datetime | None = None, status: str = ""
) -> Iterator[RemoteShipment]:
    """List shipments (GCO-15): of one order, or all, the newest first; those of other orders are left out."""
    params = {"sort_by": "id", "sort_order": "desc"} | ({"status": status} if status else {})
    if order_id:
        params["order_id"] = str(whole_id(order_id, "order"))
    pages = line.pages("GCO-15", "/shipments", "shipments", "shipment_id", params, about=order_id, goes_on=not order_id)
    found = _until(pages, "shipment_timestamp", since or decoding.EPOCH)
    for row, page in found:
        if not order_id or decoding.ident(row.get("order_id")) == params["order_id"]:
            yield mapping.to_shipment(row, asked_at=page.asked_at, is_summary=True)


def get_shipment(line: Line, shipment_id: str) -> RemoteShipment:
    path, asked_at = f"/shipments/{whole_id(shipment_id, 'shipment')}", timezone.now()
    payload = line.call("GCO-17", "GET", path, about=shipment_id)
    return mapping.to_shipment(named(payload, "shipment_id", shipment_id, "GCO-17"), asked_at=asked_at)


def shipment_body(shipment: NewShipment) -> Json:
    """Return the body of GCO-16. Raises PermanentError (invalid); above all for no items, which would ship everything."""
    operation = "GCO-16"
    if not shipment.items or any(count < 1 for count in shipment.items.values()):
        raise refuse(
            operation, "A shipment needs items, at least one of each: without any, everything would be shipped"
        )
    if not shipment.shipping_method_id:
        raise refuse(operation, "Choose one of the order's ways of shipping: G-Commerce needs it")
    if not shipment.carrier and not shipment.tracking_number:
        raise refuse(operation, "Give the shipment a tracking number, or at least a carrier")
    body: Json = {
        "order_id": whole_id(shipment.order_id, "order"),
        "shipping_id": whole_id(shipment.shipping_method_id, "way of shipping"),
        "products": {str(whole_id(line_id, "order line")): count for line_id, count in shipment.items.items()},
        "comments": shipment.comment,
        "status": statuses.SHIPMENT_LETTERS[ShipmentState.SHIPPED],
    }
    body |= {"carrier": shipment.carrier.strip().lower()} if shipment.carrier else {}
    body |= {"tracking_number": shipment.tracking_number.strip()} if shipment.tracking_number else {}
    return body | ({"order_status": statuses.SHIPPED} if shipment.completes_order else {})


def create_shipment(line: Line, shipment: NewShipment) -> str:
    operation, body = "GCO-16", shipment_body(shipment)
    try:
        payload = line.call(operation, "POST", "/shipments", payload=body, about=shipment.order_id)
    except PermanentError as error:
        if error.status == INVALID and _is_shipped(line, shipment, error):
            raise PermanentError(
                f"Nothing of order {shipment.order_id} is left to ship: other shipments have these units",
                kind="already_done",
                operation=operation,
                status=error.status,
            ) from error
        raise
    shipment_id = decoding.ident(decoding.obj(payload).get("shipment_id"))
    if not shipment_id:
        raise UnknownOutcome("G-Commerce took the shipment and told no id for it", kind="unknown", operation=operation)
    return shipment_id


def _is_shipped(line: Line, shipment: NewShipment, refusal: PermanentError) -> bool:
    """Say whether all units that were ordered of these items are in shipments, which a bare 400 may mean.

    Raises UnknownOutcome when that can't be read now: whoever tries again looks first.
    """
    try:
        ordered = {row.external_id: row.quantity or 0 for row in get_order(line, {}, shipment.order_id).lines}
        found = [item for parcel in shipments(line, order_id=shipment.order_id) for item in parcel.items]
    except MarketplaceError as error:
        raise UnknownOutcome(
            f"{refusal.message}. Whether anything is left to ship could not be read ({error.message})",
            kind=refusal.kind,
            operation=refusal.operation,
            status=refusal.status,
        ) from error
    shipped = {name: sum(item.quantity or 0 for item in found if item.line_id == name) for name in shipment.items}
    return all(name in ordered and shipped[name] >= ordered[name] for name in shipment.items)


def update_shipment(line: Line, shipment_id: str, state: ShipmentState, warnings: list[str]) -> RemoteShipment:
    """Send the letter alone (GCO-18), look what became of it, and put back once what that blanked (GCO-P28)."""
    word = statuses.SHIPMENT_LETTERS.get(state)
    if word is None:
        raise refuse("GCO-18", f"G-Commerce has no word for a shipment that is {state.value}")
    before = get_shipment(line, shipment_id)
    if before.status_word == word:
        return before
    _put_shipment(line, shipment_id, {"status": word})
    after = get_shipment(line, shipment_id)
    lost = {
        theirs: told for theirs, ours in BLANKED.items() if (told := getattr(before, ours)) and not getattr(after, ours)
    }
    if not lost:
        return after
    try:
        _put_shipment(line, shipment_id, {"status": word, **lost})
        after = get_shipment(line, shipment_id)
    except PermanentError as error:
        warnings.append(f"Shipment {shipment_id}: it can't be put back ({error.message})")
    gone = [theirs.replace("_", " ") for theirs, ours in BLANKED.items() if theirs in lost and not getattr(after, ours)]
    if gone:
        raise PermanentError(
            f"G-Commerce blanked the {' and the '.join(gone)} of shipment {shipment_id} when its status changed. Enter it"
            " again in the vendor panel",
            kind="conflict",
            operation="GCO-18",
        )
    return after


def _put_shipment(line: Line, shipment_id: str, body: Json) -> None:
    line.call("GCO-18", "PUT", f"/shipments/{whole_id(shipment_id, 'shipment')}", payload=body, about=shipment_id)


def delete_shipment(line: Line, shipment_id: str) -> None:
    """The documentation's own sample of this deletes a product (GCO-P01): the path is below /shipments."""
    try:
        line.call("GCO-19", "DELETE", f"/shipments/{whole_id(shipment_id, 'shipment')}", about=shipment_id)
    except NotFound:
        return
