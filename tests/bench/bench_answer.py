"""How long a marketplace that fetches codes from us waits for its answers, while other work comes in at the same door."""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlencode, urlsplit

from django.db import connection

from backoffice import supervisor
from inventory import codes
from inventory.models import Code, Offer, Product
from marketplaces import services
from marketplaces.models import Account
from orders.models import Order
from orders.verify import verify
from tests.bench import doors
from tests.bench.bench_webhooks import Events
from tests.bench.ground import HOST
from tests.bench.load import Message
from tests.bench.measuring import Fact, Goal, Line, Prepare, Round, Way, by_clients, check, spread
from tests.bench.processes import answers, running
from tests.bench.suite import Benchmark, Run

PRODUCT = "10000068865001"
RESERVE = json.dumps([{"product_id": int(PRODUCT), "quantity": 1}]).encode()
BUYERS, SENDERS = 8, 2
QUESTIONS, EVENTS = 100, 100  # a second, in all: half of the questions reserve, half order
LATE = 500  # milliseconds
OURS, BARE = "reserve, then order", "a bare view with one INSERT, twice"

Call = Callable[..., tuple[int, bytes]]


def run(run: Run) -> Iterator[Line]:
    seconds = run.size(15, 1)
    pairs = max(int(QUESTIONS / 2 * seconds / BUYERS), 2)
    seller, other = _open_shop(units=pairs * BUYERS + 50), _open_other()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {doors.TABLE} (id bigserial PRIMARY KEY, body bytea)")
        cursor.execute("ANALYZE")
    web = supervisor.web(HOST, run.place.web_port)
    env = {"DJANGO_SETTINGS_MODULE": "tests.bench.door_settings"}
    with running(web, env=env, ready=lambda: answers(f"{run.place.web}/healthz")):
        token = _token(run.place.web, seller)
        shares = [other.make(int(EVENTS * seconds / SENDERS)) for _ in range(SENDERS)]
        ours = by_clients(BUYERS + SENDERS, _client(run.place.web, seller, token, pairs, shares, _buy))
        shares = [other.make(int(EVENTS * seconds / SENDERS)) for _ in range(SENDERS)]
        bare = by_clients(BUYERS + SENDERS, _client(run.place.web, seller, token, pairs, shares, _insert_twice))
    _check_books(ours, pairs * BUYERS)
    times = spread(ours.pieces)
    fact = Fact("99th percentile in milliseconds", times["p99"], Goal(below=LATE))
    name = f"{QUESTIONS} questions and {EVENTS} events a second"
    yield Line(name, "questions", [_way(OURS, ours), _way(BARE, bare)], [fact])


def _way(name: str, done: Round) -> Way:
    return Way(name, len(done.pieces) / done.seconds, spread(done.pieces))


def _open_shop(*, units: int) -> Account:
    service = services.get_service("g2a")
    seller = Account.objects.create(name="Seller", marketplace="g2a", credentials=dict(service.sandbox_credentials))
    product = Product.objects.create(sku="GAME")
    codes.import_codes(product=product, lines=(f"GAME-{number:07}\n".encode() for number in range(units)))
    Offer.objects.create(
        account=seller, product=product, external_product_id=PRODUCT, external_id="offer", price="5.98", currency="EUR",
        offer_type="dropshipping",
    )  # fmt: skip
    return seller


def _open_other() -> Events:
    service = services.get_service("g2g")
    return Events(
        Account.objects.create(
            name="Other",
            marketplace="g2g",
            credentials=dict(service.sandbox_credentials),
            webhook_secrets=list(service.sandbox_webhook_secrets),
        )
    )


def _token(web: str, seller: Account) -> str:
    said = {
        "grant_type": "client_credentials",
        "client_id": seller.credentials["merchant_client_id"],
        "client_secret": seller.credentials["merchant_client_secret"],
    }
    status, body = _caller(web)("GET", f"/hooks/{seller.pk}/oauth/token?{urlencode(said)}", None)
    check(status == 200, f"no token is given: {status}")
    return str(json.loads(body)["access_token"])


def _caller(web: str, token: str = "") -> Call:
    parts = urlsplit(web)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    own = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def call(method: str, path: str, body: bytes | None, headers: Mapping[str, str] = {}) -> tuple[int, bytes]:
        line.request(method, path, body, {**own, **headers})
        answer = line.getresponse()
        return answer.status, answer.read()

    return call


Pair = Callable[[Call, Account, int], list[float]]


def _client(web: str, seller: Account, token: str, pairs: int, shares: list[list[Message]], pair: Pair) -> Prepare:
    """The first clients ask, in their own pace; the rest send events in theirs."""

    def prepare(number: int) -> Callable[[], tuple[list[float], object]]:
        if number >= BUYERS:
            return lambda: _send(web, shares[number - BUYERS])
        call, pause = _caller(web, token), BUYERS / (QUESTIONS / 2)
        call("GET", "/healthz", None)

        def work() -> tuple[list[float], object]:
            pieces, begun = [], time.perf_counter() + number / (QUESTIONS / 2)
            for turn in range(pairs):
                time.sleep(max(0.0, begun + turn * pause - time.perf_counter()))
                pieces += pair(call, seller, number * 1_000_000 + turn)
            return pieces, "asked"

        return work

    return prepare


def _buy(call: Call, seller: Account, order: int) -> list[float]:
    begun = time.perf_counter()
    status, body = call("POST", f"/hooks/{seller.pk}/reservation", RESERVE)
    reserved = time.perf_counter()
    check(status == 200, f"a reservation is answered {status}")
    wish = {"reservation_id": json.loads(body)["reservation_id"], "g2a_order_id": 80_000_000_000_000 + order}
    status, _ = call("POST", f"/hooks/{seller.pk}/order", json.dumps(wish).encode())
    check(status == 200, f"an order is answered {status}")
    return [reserved - begun, time.perf_counter() - reserved]


def _insert_twice(call: Call, seller: Account, order: int) -> list[float]:
    pieces = []
    for _ in range(2):
        begun = time.perf_counter()
        call("POST", "/bench/bare", b"x" * 60)
        pieces.append(time.perf_counter() - begun)
    return pieces


def _send(web: str, messages: list[Message]) -> tuple[list[float], object]:
    call, pause, begun = _caller(web), SENDERS / EVENTS, time.perf_counter()
    for turn, message in enumerate(messages):
        time.sleep(max(0.0, begun + turn * pause - time.perf_counter()))
        status, _ = call("POST", message.path, message.body, message.headers)
        check(status == 200, f"an event is answered {status}")
    return [], "sent"


def _check_books(done: Round, sold: int) -> None:
    check(len(done.pieces) == sold * 2, f"{sold * 2} questions were asked, {len(done.pieces)} answered")
    check(Order.objects.count() == sold, f"{sold} were bought, {Order.objects.count()} orders are in the books")
    gone = Code.objects.exclude(state=Code.State.AVAILABLE).count()
    check(gone == sold, f"{sold} were bought, {gone} codes are gone")
    books = verify()
    check(not books.problems, f"the books are wrong: {books.problems[:3]}")


BENCHMARK = Benchmark(
    what="a marketplace reserves and orders at our door while another one's events come in",
    limit="a bare view with one INSERT of the body, on the same server, at the same pace",
    must_reach=f"99th percentile under {LATE} ms; every answer 200; the books are right",
    run=run,
)
