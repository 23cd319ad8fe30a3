"""How long a buyer waits: from the moment the marketplace asks for a code to the moment it has it."""

import http.client
import json
import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.utils.module_loading import import_string

from backoffice import queue, supervisor
from inventory import codes, publishing, stock
from inventory.models import Offer, Product
from marketplaces import services
from marketplaces.base import MarketplaceService
from marketplaces.models import Account
from marketplaces.types import CodeToSend, RemoteDelivery, Urgency
from orders.models import Delivery
from orders.verify import verify
from tests.bench.ground import HOST
from tests.bench.measuring import Fact, Goal, Line, Round, Way, Wrong, check, spread, timed
from tests.bench.processes import answers, running
from tests.bench.suite import Benchmark, Run
from tests.drain import drain

SLUG, REQUEST = "g2g", "order.api_delivery"
RATES = (1, 20, 50)
OFFERS = 10
BUYERS = 8
WARM_UP = 0.2  # of the orders of each rate: they are not counted
UNTHROTTLED = 100_000
READY_SECONDS = 60
REST_SECONDS = 60  # how long after the last order a delivery may come
CLEAR_SECONDS = 180
LOOK_SECONDS = 0.2
BARE_ORDERS = 50
MEDIAN, LATE = 250, 1000  # milliseconds
OURS, BARE = "from the request to the code", "the same calls in a row, in one process"


def run(run: Run) -> Iterator[Line]:
    seconds = 4.0 if run.is_quick else run.seconds
    rates = (5,) if run.is_quick else RATES
    bare = _bare(run, run.size(BARE_ORDERS, 5))
    run.place.fresh()
    with ExitStack() as household:
        market = _open_market(run, household)
        household.enter_context(running(supervisor.manage("qcluster")))
        web = supervisor.web(HOST, run.place.web_port)
        household.enter_context(running(web, ready=lambda: answers(f"{run.place.web}/healthz")))
        _open_shop(run, units=int(sum(rates) * seconds) + 500)
        shelf = _wait_for_offers()
        for rate in rates:
            _come_to_rest()
            yield _sell(market, shelf, rate, seconds, bare)
    books = verify()
    check(not books.problems, f"the books are wrong: {books.problems[:3]}")


# --- the shop and the marketplace ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Market:
    """The control addresses of a sandbox."""

    address: str
    slug: str = SLUG

    def tell(self, method: str, what: str, **orders: Any) -> Any:
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            connection.request(method, f"/{self.slug}/_sim/{what}", json.dumps(orders))
            answer = connection.getresponse()
            said = json.loads(answer.read())
        finally:
            connection.close()
        check(answer.status == 200, f"the sandbox refuses {what}: {said}")
        return said

    def buy(self, offer_id: str) -> str:
        return str(self.tell("POST", "order", offer_id=offer_id)["order_id"])


def _open_market(run: Run, household: ExitStack) -> Market:
    port = str(run.place.sandbox_port)
    command = supervisor.manage("sandbox", "--port", port, "--requests-per-second", str(UNTHROTTLED))
    household.enter_context(running(command, ready=lambda: answers(run.place.sandbox)))
    return Market(run.place.sandbox)


def _open_shop(run: Run, *, units: int) -> Account:
    """An account whose own limit is out of the way, with offers that are to be made, and stock for all orders."""
    service = services.get_service(SLUG)
    account = Account.objects.create(
        name="Main shop",
        marketplace=SLUG,
        base_url=f"{run.place.sandbox}/{SLUG}",
        is_sandbox=True,
        credentials=dict(service.sandbox_credentials),
        webhook_secrets=list(service.sandbox_webhook_secrets),
        options={"requests_per_minute": UNTHROTTLED * 60},
    )
    for content in import_string(f"{services.__name__}.{SLUG}.demo.offers")(OFFERS):
        product = Product.objects.create(sku=content.title[:100])
        lines = (f"{product.pk}-{number:07}-CODE\n".encode() for number in range(units // OFFERS + 50))
        codes.import_codes(product=product, lines=lines)
        offer = Offer.objects.create(
            account=account,
            product=product,
            external_product_id=content.external_product_id,
            price=content.price,
            currency=content.currency,
            attributes=content.attributes,
        )
        publishing.request(Offer.objects.filter(pk=offer.pk))
    return account


def _wait_for_offers() -> list[str]:
    until = time.monotonic() + READY_SECONDS
    while Offer.objects.exclude(external_id="").count() < OFFERS:
        if time.monotonic() > until:
            raise Wrong("the workers did not bring the offers to the marketplace")
        time.sleep(LOOK_SECONDS)
    return list(Offer.objects.values_list("external_id", flat=True))


# --- ours ------------------------------------------------------------------------------------------------------


def _sell(market: Market, shelf: list[str], rate: int, seconds: float, bare: Round) -> Line:
    """Let buyers come at `rate` a second, whatever becomes of their orders, and see when each had its code."""
    before = Delivery.objects.count()
    due = [(number / rate, shelf[number % len(shelf)]) for number in range(max(int(rate * seconds), BUYERS))]
    begun = time.monotonic()

    def buy(order: tuple[float, str]) -> str:
        at, offer_id = order
        time.sleep(max(0.0, begun + at - time.monotonic()))
        return market.buy(offer_id)

    with ThreadPoolExecutor(BUYERS) as buyers:
        bought = list(buyers.map(buy, due))
    buying, depth = time.monotonic() - begun, queue.depth()
    rest = _wait_for_deliveries(before + len(bought))
    counted = set(bought[int(len(bought) * WARM_UP) :])
    ours = spread(_waits(market.tell("GET", "state"), counted))
    made = _handed_over() - before
    ways = [Way(OURS, len(bought) / buying, ours), Way(BARE, bare.rate, spread(bare.pieces))]
    facts = [
        Fact("median in milliseconds", ours.get("median", math.inf), Goal(below=MEDIAN)),
        Fact("99th percentile in milliseconds", ours.get("p99", math.inf), Goal(below=LATE)),
        Fact("orders a second that had their code, to the last of them", made / (buying + rest)),
        Fact("wake-ups that waited when the last order was placed", depth),
        Fact("seconds after that until the last had its code", rest),
        Fact(f"orders without a code {REST_SECONDS} s after that", len(bought) - made, Goal(below=1)),
    ]
    return Line(f"{rate} orders a second for {seconds:g} s", "orders", ways, facts)


def _handed_over() -> int:
    return Delivery.objects.exclude(submitted_at=None).count()


def _wait_for_deliveries(wanted: int) -> float:
    """Wait until so many deliveries were made in all; returns how long it took."""
    begun = time.monotonic()
    while _handed_over() < wanted and time.monotonic() - begun < REST_SECONDS:
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - begun


def _come_to_rest() -> None:
    """Let the workers finish, so that one rate's backlog is not the next one's."""
    until = time.monotonic() + CLEAR_SECONDS
    while queue.depth() and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


def _waits(state: Mapping[str, Any], order_ids: set[str]) -> list[float]:
    """Seconds from the moment the sandbox sent the request, which it knows of its newest messages, to the code."""
    asked = {
        message["about"]: message["attempts"][0]["sent_at"]
        for message in state["webhooks"]
        if message["event_type"] == REQUEST and message["attempts"] and message["about"] in order_ids
    }
    arrived = {
        order["order_id"]: code["at"]
        for order in state["orders"]
        for delivery in order["deliveries"]
        for code in delivery["codes"]
    }
    return [(arrived[order_id] - sent) / 1000 for order_id, sent in asked.items() if order_id in arrived]


# --- the limit -------------------------------------------------------------------------------------------------


def _bare(run: Run, count: int) -> Round:
    """Take the same steps one after the other: read the order, read the request, take a code, send it."""
    with ExitStack() as household:
        market = _open_market(run, household)
        account = _open_shop(run, units=count)
        drain()
        offer = Offer.objects.exclude(external_id="").first()
        check(offer is not None, "the sandbox took no offer")
        market.tell("POST", "options", pay_seconds=0, request_seconds=0)
        service = account.service()
        waiting = [_wait_for_request(service, market.buy(offer.external_id)) for _ in range(count)]

        def deliver() -> None:
            delivery = waiting.pop()
            service.plan(3, Urgency.DELIVERY)
            service.fetch_order(delivery.order_id)
            service.fetch_delivery(delivery.order_id, delivery.delivery_id)
            with transaction.atomic():
                taken = stock.take(product_id=offer.product_id, quantity=1)
                stock.mark_sent(taken)
            plain = codes.plaintexts(taken)
            to_send = [CodeToSend(content=plain[pk], reference=f"bare-{pk}") for pk in taken]
            service.send_codes(delivery.order_id, delivery.delivery_id, to_send)

        begun = time.monotonic()
        pieces, _ = timed(deliver, count)
        return Round(time.monotonic() - begun, pieces)


def _wait_for_request(service: MarketplaceService, order_id: str) -> RemoteDelivery:
    until = time.monotonic() + READY_SECONDS
    service.plan(1, Urgency.DELIVERY)
    while not (found := list(service.fetch_deliveries(order_id))):
        check(time.monotonic() < until, "the sandbox never asks for the order's delivery")
        time.sleep(LOOK_SECONDS)
        service.plan(1, Urgency.DELIVERY)
    return found[0]


BENCHMARK = Benchmark(
    what="buyers order at the sandbox; real processes: sandbox, web, and the workers of one cluster",
    limit="reading the order, reading the request, taking a code and sending it, in a row in one process without a queue",
    must_reach=f"median under {MEDIAN} ms and 99th percentile under {LATE} ms at 50 a second; no backlog at the end",
    run=run,
)
