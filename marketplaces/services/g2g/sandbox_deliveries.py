"""Reading orders and handing over goods at the make-believe G2G (G2G-10 to G2G-14). Here the buyer's side is kept:
every code that arrived, and how often the same one came twice.
"""

from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json, Refusal, Request, operation
from marketplaces.services.g2g.sandbox_checks import checked_text, read_json
from marketplaces.services.g2g.sandbox_records import Delivery, Order, Sent

if TYPE_CHECKING:
    from marketplaces.services.g2g.sandbox import Sandbox

MOST_CODES = 100
PER_CALL = 100
ISSUES = ("incorrect_delivery_detail", "insufficient_stock", "others")
# Words of a result, by how much arrived: nothing, a part, all.
FULLY, PARTLY, NOTHING = "fully delivered", "partial delivered", "unfulfilled"


class Deliveries:
    """Answers G2G-10 to G2G-14 and decides what becomes of what was handed over."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._contents: dict[str, str] = {}  # content -> the delivery it came in
        self._references: set[str] = set()
        # What came again: codes, references, and codes that came for another delivery than at first.
        self.doubles = {"contents": 0, "references": 0, "sold_twice": 0}

    # --- operations ------------------------------------------------------------------------------------------

    @operation("G2G-10", "GET", "/{version:v1|v2}/orders/{order_id}")
    def get_order(self, request: Request, version: str, order_id: str) -> Json:
        return self._order(request, order_id).shown()

    @operation("G2G-11", "GET", "/v2/orders/{order_id}/delivery")
    def list_deliveries(self, request: Request, order_id: str) -> Json:
        order = self._order(request, order_id)
        deliveries = sorted(order.deliveries.values(), key=lambda delivery: delivery.requested_at)
        after = request.query.get("after", "")
        cursors = [f"Item#{order.id}#{delivery.id}" for delivery in deliveries]
        if after and after not in cursors:
            raise Refusal(400, "", "after is not of this list")
        begin = cursors.index(after) + 1 if after else 0
        page = deliveries[begin : begin + PER_CALL]
        has_more = begin + len(page) < len(deliveries)
        rows = [
            {
                "purchased_qty": order.purchased_qty,
                "delivered_qty": delivery.delivered_qty,
                "undelivered_qty": max(0, delivery.requested_qty - delivery.delivered_qty),
                "delivery_summary": {**delivery.summary(), "delivery_status": delivery.status},
            }
            for delivery in page
        ]
        cursor = cursors[begin + len(page) - 1] if has_more else ""
        return {"order_id": order.id, "after": cursor, "delivery_list": rows}

    @operation("G2G-12", "POST", "/{version:v1|v2}/orders/{order_id}/delivery")
    def deliver_codes(self, request: Request, version: str, order_id: str) -> Json:
        order = self._order(request, order_id)
        body = read_json(request)
        delivery = self._delivery(order, checked_text(body, "delivery_id"))
        codes = body.get("codes")
        if not isinstance(codes, list) or not 1 <= len(codes) <= MOST_CODES:
            raise Refusal(400, "", f"codes is a list of 1 to {MOST_CODES}")
        sent = [self._code(entry) for entry in codes]
        if delivery.method != "instant_inventory":
            raise Refusal(422, "", "This delivery is not made with codes")
        has_doubles = self._count_doubles(delivery, sent)
        self._check_open(delivery)
        if has_doubles and not self._sandbox.options["accept_doubles"]:
            raise Refusal(409, "40900002", "A code or its reference was sent before")
        if len(delivery.codes) + len(sent) > delivery.requested_qty:
            raise Refusal(422, "", f"{delivery.requested_qty} are asked for, {len(delivery.codes)} are here already")
        delivery.codes.extend(sent)
        self._references.update(code.reference_id for code in sent)
        self._contents = {code.content: delivery.id for code in sent} | self._contents
        self._under_way(order, delivery)
        return {"order_id": order.id, "delivery_id": delivery.id}

    @operation("G2G-13", "GET", "/{version:v1|v2}/orders/{order_id}/delivery/{delivery_id}")
    def status(self, request: Request, version: str, order_id: str, delivery_id: str) -> Json:
        order = self._order(request, order_id)
        return self.result(order, self._delivery(order, delivery_id))

    @operation("G2G-14", "PATCH", "/v2/orders/{order_id}/delivery/{delivery_id}")
    def patch(self, request: Request, order_id: str, delivery_id: str) -> Json:
        order = self._order(request, order_id)
        delivery = self._delivery(order, delivery_id)
        body = read_json(request)
        for key in ("delivered_qty", "delivered_at"):
            if type(body.get(key)) is not int or body[key] < 0:
                raise Refusal(400, "", f"{key} is a whole number and is needed")
        if body.get("delivery_issue", "others") not in ISSUES:
            raise Refusal(400, "", f"delivery_issue is one of {', '.join(ISSUES)}")
        if delivery.method == "instant_inventory":
            raise Refusal(422, "", "This delivery is made with codes")
        self._check_open(delivery)
        others = order.delivered_qty - delivery.delivered_qty
        counts_order = self._sandbox.options["patch_qty_scope"] == "order"
        own = body["delivered_qty"] - others if counts_order else body["delivered_qty"]
        if others + own > order.wanted:
            raise Refusal(422, "", "More than purchased")
        delivery.topped_up = min(max(0, own), delivery.requested_qty)
        delivery.issue = body.get("delivery_issue", "")
        self._under_way(order, delivery)
        return {} if self._sandbox.options["empty_patch_answer"] else {**body, "delivery_id": delivery.id}

    # --- results ---------------------------------------------------------------------------------------------

    def result(self, order: Order, delivery: Delivery) -> Json:
        facts = {
            "delivery_id": delivery.id,
            "delivery_status": delivery.status,
            "requested_qty": delivery.requested_qty,
            "delivered_qty": delivery.delivered_qty,
        }
        if self._sandbox.options["nested_results"]:
            return {"order_id": order.id, "delivery_summary": facts}
        return {"order_id": order.id, **facts}

    def _under_way(self, order: Order, delivery: Delivery) -> None:
        """Plan the result; codes that follow soon put it off, so that lots in a row have one result."""
        delivery.round += 1
        this_round = delivery.round
        if order.status == "start_delivering":
            order.status = "delivering"
        delivery.status = "in progress"

        def settle() -> None:
            with self._sandbox.lock:
                if delivery.round == this_round and delivery.is_open:
                    self._settle(order, delivery)

        self._sandbox.after(self._sandbox.options["result_seconds"], settle)

    def _settle(self, order: Order, delivery: Delivery) -> None:
        forced = self._sandbox.options["result"]
        arrived = {"unfulfilled": 0, "partial": delivery.received // 2}.get(forced, delivery.received)
        units = max(0, arrived - delivery.delivered_qty)
        delivery.delivered_qty += units
        is_whole = delivery.delivered_qty >= delivery.requested_qty
        delivery.status = FULLY if is_whole else PARTLY if delivery.delivered_qty else NOTHING
        closes = is_whole or delivery.issue or not delivery.delivered_qty or self._sandbox.options["partial_closes"]
        delivery.is_open = not closes
        self._sandbox.orders.released_by_delivery(order, units)
        self._sandbox.orders.handed_over(order, units)
        self._sandbox.events.delivery_status(order, delivery)

    def expire(self, order: Order, delivery: Delivery) -> None:
        """The deadline passed: what is missing will not be taken any more."""
        with self._sandbox.lock:
            if delivery.is_open:
                delivery.is_open = False
                delivery.status = PARTLY if delivery.delivered_qty else NOTHING
                self._sandbox.events.delivery_status(order, delivery)
                self._sandbox.orders.await_buyer(order)

    # --- checks ----------------------------------------------------------------------------------------------

    def _order(self, request: Request, order_id: str) -> Order:
        order = self._sandbox.orders.all.get(order_id)
        if order is None or order.offer.seller_id != self._sandbox.user_id(request):
            raise Refusal(404, "", "There is no such order")
        return order

    def _delivery(self, order: Order, delivery_id: str) -> Delivery:
        delivery = order.deliveries.get(delivery_id)
        if delivery is None:
            raise Refusal(404, "", "There is no such delivery")
        return delivery

    def _check_open(self, delivery: Delivery) -> None:
        if not delivery.is_open or self._sandbox.clock.ms() > delivery.expired_at:
            raise Refusal(409, "40900001", "The delivery is closed")

    def _code(self, entry: object) -> Sent:
        if not isinstance(entry, dict):
            raise Refusal(400, "", "codes holds objects")
        if checked_text(entry, "content_type") != "text/plain":
            raise Refusal(400, "", "content_type is text/plain")
        return Sent(checked_text(entry, "content"), checked_text(entry, "reference_id"), self._sandbox.clock.ms())

    def _count_doubles(self, delivery: Delivery, sent: list[Sent]) -> bool:
        """Count what came before or comes twice in one call, and say whether there was any."""
        contents, references = {code.content for code in sent}, {code.reference_id for code in sent}
        again = {
            "contents": len(sent) - len(contents - self._contents.keys()),
            "references": len(sent) - len(references - self._references),
            "sold_twice": sum(self._contents.get(content, delivery.id) != delivery.id for content in contents),
        }
        for what, count in again.items():
            self.doubles[what] += count
        return any(again.values())
