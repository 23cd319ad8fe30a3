"""What a story of the make-believe G2A with a merchant is made of: steps, each with its checks, and a report."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Seller
from marketplaces.services.g2a import sandbox_shapes as shapes
from marketplaces.services.g2a.sandbox_caller import NO_ANSWER, Answer
from marketplaces.services.g2a.sandbox_orders import Order

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox


@dataclass
class Report:
    """Every check of a story, with the operation that it is about."""

    checks: list[Json] = field(default_factory=list)

    def check(self, op: str, what: str, fits: bool, detail: str = "") -> bool:
        self.checks.append({"id": op, "what": what, "ok": bool(fits), "detail": "" if fits else detail})
        return bool(fits)

    def answered(
        self, op: str, answer: Answer, statuses: Collection[int], shape: Callable[[Any], str] | None = None
    ) -> bool:
        """Check that an answer came in time, with one of these statuses and in this shape."""
        if not self.check(op, "answers within the deadline", answer.status != NO_ANSWER, answer.error):
            return False
        words = " or ".join(map(str, statuses))
        if not self.check(op, f"answers {words}", answer.status in statuses, f"it answered {answer.status}"):
            return False
        if answer.status == 204:
            return self.check(op, "answers 204 without a body", not answer.body, "there is a body")
        judge = shapes.error if answer.status >= 400 else shape
        wrong = judge(answer.document) if judge else ""
        return self.check(op, "has the contract's shape", not wrong, wrong)

    def unkept(self, op: str, answer: Answer) -> None:
        self.check(
            op, "forbids caches to keep it", shapes.is_never_stored(answer.headers), "no Cache-Control: no-store"
        )


class Stop(Exception):
    """A story cannot go on; its report says why."""


class Story:
    """One run of a scenario against one merchant."""

    def __init__(
        self, sandbox: "Sandbox", seller: Seller, product_id: int, quantity: int, offer: Any, details: Mapping[str, Any]
    ) -> None:
        self.sandbox, self.seller, self.details = sandbox, seller, details
        self.product_id, self.quantity, self.offer = product_id, quantity, offer
        self.report = Report()
        self.made: list[Order] = []

    # --- steps -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Fetch a token and call the health check, as G2A does before anything else."""
        answer = self.sandbox.caller.fetch_token(self.seller)
        self.need(self.report.answered("G2A-IN-01", answer, [200], shapes.token))
        self.report.unkept("G2A-IN-01", answer)
        self.report.answered("G2A-IN-02", self.call("G2A-IN-02", "GET", "/healthcheck"), [204])

    def reserve(self, quantity: int | None = None) -> Order:
        order = self.sandbox.orders.new(self.seller, self.product_id, quantity or self.quantity, offer=self.offer)
        self.made.append(order)
        answer = self.sandbox.orders.reserve(order)
        self.need(self.report.answered("G2A-IN-03", answer, [200], self.held))
        return order

    def place(self, order: Order, statuses: Collection[int] = (200, 202)) -> Answer:
        answer = self.sandbox.orders.place(order)
        self.need(self.report.answered("G2A-IN-06", answer, statuses, lambda got: shapes.order(got, [self.product_id])))
        if answer.status in (200, 202):
            self.report.unkept("G2A-IN-06", answer)
            wanted = order.quantity if answer.status == 200 else len(order.items)
            self.report.check(
                "G2A-IN-06", "hands over what was ordered", len(order.items) == wanted, f"{len(order.items)} codes"
            )
        return answer

    def collect(self, order: Order) -> Answer:
        answer = self.sandbox.orders.collect(order)
        self.report.answered("G2A-IN-07", answer, [200], lambda got: shapes.inventory(got, [self.product_id]))
        self.report.unkept("G2A-IN-07", answer)
        self.report.check("G2A-IN-07", "keeps ids and values", order.changed == 0, f"{order.changed} have changed")
        return answer

    def left(self, order: Order) -> set[str]:
        """The ids of the items that an order still has."""
        document = self.collect(order).document
        self.need(not shapes.inventory(document, [self.product_id]))
        return {item["id"] for row in document for item in row["inventory"]}

    def refused(self, op: str, answer: Answer, status: int) -> None:
        """Check a refusal, in which there is no code."""
        self.report.answered(op, answer, [status])
        self.report.check(op, "hands over no code", not shapes.has_code(answer.document), "there is a code in it")

    def call(self, op: str, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        return self.sandbox.caller.call(self.seller, op, method, path, body, **more)

    def held(self, document: Any) -> str:
        return shapes.reservation(document, [self.product_id])

    def need(self, fits: bool) -> None:
        if not fits:
            raise Stop

    def lapse(self, seconds: float) -> None:
        self.sandbox.lapse(float(self.details.get("wait_seconds", seconds)))
