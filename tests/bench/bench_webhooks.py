"""How fast the door takes in signed events, as the supervisor serves it."""

import functools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from django.db import connection
from django_q.models import OrmQ

from backoffice import supervisor
from marketplaces import services
from marketplaces.models import Account, WebhookEvent
from marketplaces.services.g2g import signing
from tests.bench import doors, load
from tests.bench.ground import HOST
from tests.bench.load import Message
from tests.bench.measuring import Fact, Goal, Line, Round, check, compare, in_turns, spread
from tests.bench.processes import answers, running
from tests.bench.suite import Benchmark, Run

SLUG = "g2g"
CONNECTIONS = 16
WARM_UP = 2  # of each connection, each round
REPEATS = 3
OURS, BARE, NOTHING = "the door", "a bare view with one INSERT", "a view that does nothing"
PACE, LATE = 300, 50  # events a second; milliseconds
SAMPLE = Path(services.__file__).parent / SLUG / "samples" / "order.api_delivery.json"
# An event of which `kinds` come: new ones, or such as came before.
KINDS = {"all new": (1, 0), "all duplicates": (0, 1), "half and half": (1, 1)}


def open_account() -> Account:
    service = services.get_service(SLUG)
    return Account.objects.create(
        name="Main shop",
        marketplace=SLUG,
        credentials=dict(service.sandbox_credentials),
        webhook_secrets=list(service.sandbox_webhook_secrets),
    )


def run(run: Run) -> Iterator[Line]:
    account = open_account()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {doors.TABLE} (id bigserial PRIMARY KEY, body bytea)")
    events = Events(account)
    env = {"DJANGO_SETTINGS_MODULE": "tests.bench.door_settings"}
    web = supervisor.web(HOST, run.place.web_port)
    with running(web, env=env, ready=lambda: answers(f"{run.place.web}/healthz")):
        send = functools.partial(load.send_all, run.place.web, connections=CONNECTIONS, warm_up=WARM_UP)
        count, repeats = run.size(1500, 100), run.size(REPEATS, 1)
        for path in ("/bench/nothing", "/bench/bare", ""):  # every process of the server has its connection then
            _all_taken(send(events.make(100, to=path)))
        for kind, (new, old) in KINDS.items():
            yield _closed(kind, lambda new=new, old=old: events.mixed(count, new, old), events, send, count, repeats)
        yield _paced(events.make(run.size(PACE * 10, PACE)), send)
    check_books(events)


class Events:
    """Makes signed events, and knows which of them were sent before."""

    def __init__(self, account: Account) -> None:
        self._connection, self._path = account.connection(), f"/hooks/{account.pk}/"
        self._sample = json.loads(SAMPLE.read_text())
        self.sent: list[bytes] = []

    def make(self, count: int, to: str = "") -> list[Message]:
        """New events, to the door or to another address."""
        bodies = [self._body() for _ in range(count)]
        if not to:
            self.sent += bodies
        return [self._signed(body, to) for body in bodies]

    def mixed(self, count: int, new: int, old: int) -> list[Message]:
        """So many events, new and old ones in turns as `new` and `old` say; an old one is signed again."""
        known, bodies = self.sent[-count:], []
        for number in range(count):
            is_new = number % (new + old) < new
            bodies.append(self._body() if is_new else known[number % len(known)])
            if is_new:
                self.sent.append(bodies[-1])
        return [self._signed(body) for body in bodies]

    def _body(self) -> bytes:
        document = {**self._sample, "id": f"{uuid.uuid4()}-1", "event_happened_at": time.time_ns() // 1_000_000}
        return json.dumps(document).encode()

    def _signed(self, body: bytes, to: str = "") -> Message:
        timestamp = str(time.time_ns() // 1_000_000)
        signature = signing.webhook_signature(
            secret=self._connection.webhook_secrets[0],
            url=self._connection.hook_url,
            user_id=str(self._connection.credentials["user_id"]),
            timestamp=timestamp,
        )
        headers = {"Content-Type": "application/json", "g2g-timestamp": timestamp, "g2g-signature": signature}
        return Message(to or self._path, headers, body)


Send = Callable[..., Round]


def _closed(kind: str, make: Callable[[], list[Message]], events: Events, send: Send, count: int, repeats: int) -> Line:
    """As fast as the answers come, beside the two views that show what there is to reach."""
    rounds = in_turns(
        {
            OURS: lambda: _all_taken(send(make())),
            BARE: lambda: _all_taken(send(events.make(count, to="/bench/bare"))),
            NOTHING: lambda: _all_taken(send(events.make(count, to="/bench/nothing"))),
        },
        repeats,
    )
    return compare(kind, "events", rounds, {BARE: Goal(at_least=0.6)})


def _paced(messages: list[Message], send: Send) -> Line:
    done = _all_taken(send(messages, per_second=PACE))
    late = spread(done.pieces)["p99"]
    fact = Fact("99th percentile in milliseconds, from the moment each was due", late, Goal(below=LATE))
    return compare(f"new, {PACE} a second", "events", {OURS: [done]}, {}, [fact])


def _all_taken(done: Round) -> Round:
    statuses = [status for brought in done.brought for status in brought]
    check(set(statuses) == {200}, f"answers other than 200 came: {sorted(set(statuses))}")
    return done


def check_books(events: Events) -> None:
    known = len(events.sent)
    check(WebhookEvent.objects.count() == known, f"{known} events were sent, {WebhookEvent.objects.count()} are kept")
    check(OrmQ.objects.count() == known, f"{known} events were sent, and {OrmQ.objects.count()} wake workers")


BENCHMARK = Benchmark(
    what=f"signed events come in at the door over {CONNECTIONS} connections, served by granian as `make run` starts it",
    limit="a bare view with one INSERT of the body, and one that does nothing, on the same server",
    must_reach=f"0.6 of the bare view; 99th percentile under {LATE} ms at {PACE} a second; nothing refused",
    run=run,
)
