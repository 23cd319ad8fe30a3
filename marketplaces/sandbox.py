"""What every sandbox marketplace shares: WSGI, clock, timers, faults, journal, webhooks and control addresses.

A sandbox is the other side of a marketplace's folder and shares no code with the service it answers, so that an error
made in one cannot hide in the other. All of its state is in memory, under one lock. It knows no model and no database.
"""

import heapq
import ipaddress
import itertools
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from http.client import responses
from typing import Any, ClassVar

from marketplaces import sandbox_wire
from marketplaces.sandbox_faults import ANSWER_MODES, WEBHOOK_MODES, Dropped, Fault, Faults, Silence, bend
from marketplaces.sandbox_words import (
    Bucket,
    Clock,
    Message,
    Refusal,
    Request,
    Response,
    Seller,
    Sender,
    to_request,
)

Json = dict[str, Any]
CONTROL = "/_sim/"
KEPT_CALLS = 10_000
# How much later than planned a webhook leaves that another one is to overtake.
OVERTAKE_SECONDS = 7.0
# A clock that was advanced to a timer's moment may miss it by a rounding error.
ROUNDING = 0.001


class Sandbox:
    """One make-believe marketplace, a WSGI application.

    A marketplace says how it authenticates, how its envelope looks, what its parts answer and how it signs; see the
    hooks at the end. `send` carries webhooks, `callbacks` names the sellers, `pause` waits for a slow answer, `idle`
    lets the client work while a scenario waits for it, and `lapse` lets time pass for both sides in a scenario.
    """

    slug: ClassVar[str]
    retry_minutes: ClassVar[Sequence[float]] = ()  # waited before each resend of a webhook that was not answered 200
    webhook_life_seconds: ClassVar[float] = 48 * 3600
    own_webhook_modes: ClassVar[frozenset[str]] = frozenset()
    essential_keys: ClassVar[frozenset[str]] = frozenset()
    status_keys: ClassVar[frozenset[str]] = frozenset()
    default_options: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        *,
        send: Sender = sandbox_wire.send,
        clock: Clock | None = None,
        callbacks: Callable[[], Sequence[Seller]] = tuple,
        requests_per_second: float = 2.0,
        profile: str = "none",
        seed: int | None = None,
        pause: Callable[[float], None] = time.sleep,
        idle: Callable[[], None] = lambda: time.sleep(0.2),
        lapse: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.pause, self.idle, self.lapse = pause, idle, lapse
        self._send, self._callbacks = send, callbacks
        self._requests_per_second, self._profile, self._seed = requests_per_second, profile, seed
        self.reset()

    def reset(self) -> None:
        """Forget everything but the sellers that `callbacks` names; the clock is real time again."""
        with self.lock:
            self.clock.advanced = self.clock.skew = 0.0
            self.random = random.Random(self._seed)  # noqa: S311  (no secret)
            self.options = dict(self.default_options)
            self.modes = ANSWER_MODES | WEBHOOK_MODES | self.own_webhook_modes
            self.faults = Faults(modes=self.modes, profile=self._profile, seed=self._seed)
            self.bucket = Bucket(self.clock, self._requests_per_second)
            self.registered: list[Seller] = []
            self.calls: deque[Json] = deque(maxlen=KEPT_CALLS)
            self.messages: deque[Message] = deque(maxlen=KEPT_CALLS)
            self._timers: list[tuple[float, int, Callable[[], None]]] = []
            self._sequence = itertools.count()
            self._routes = [
                (*route, handler)
                for part in self.parts()
                for handler in (getattr(part, name) for name in dir(type(part)))
                if (route := getattr(handler, "route", None))
            ]

    # --- answering -------------------------------------------------------------------------------------------

    def __call__(self, environ: Json, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (WSGI). Raises Dropped and Silence, which the one who carries the bytes acts out."""
        response = self.answer(to_request(environ))
        phrase = responses.get(response.status, "Unknown")
        headers = {"Date": formatdate(self.clock.wire_time(), usegmt=True), **response.headers}
        start_response(f"{response.status} {phrase}", list(headers.items()))
        return [response.body]

    def answer(self, request: Request) -> Response:
        if request.path.startswith(CONTROL):
            return self._control(request)
        op, handler, values = self._find(request)
        with self.lock:
            fault = self.faults.take(op, ANSWER_MODES)
        entry: Json = {
            "op": op,
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "headers": sorted(request.headers),
            "body": request.body.decode(errors="replace"),
            "at": self.clock.ms(),
            "fault": fault.mode if fault else "",
            "status": None,
        }
        with self.lock:
            self.calls.append(entry)
        if fault and fault.mode == "timeout":
            raise Silence
        if fault and fault.mode == "slow":
            self.pause(fault.seconds)
        if fault and fault.mode == "http_error":
            response = self.refused(Refusal(fault.status, fault.code, "An error that was ordered"))
        else:
            response = self._work(request, handler, values)
        entry["status"] = response.status
        if fault is None:
            return response
        if fault.mode == "drop_after_commit":
            raise Dropped
        body = bend(fault.mode, response.body, essential=self.essential_keys, status_keys=self.status_keys)
        return Response(response.status, body, response.headers)

    def _find(self, request: Request) -> tuple[str, Callable[..., Any] | None, dict[str, str]]:
        for op, method, pattern, handler in self._routes:
            if method == request.method and (match := pattern.fullmatch(request.path)):
                return op, handler, match.groupdict()
        return "", None, {}

    def _work(self, request: Request, handler: Callable[..., Any] | None, values: Mapping[str, str]) -> Response:
        with self.lock:
            try:
                self.admit(request)
                if handler is None:
                    raise self.unknown_address(request)
                return self.accepted(handler(request, **values))
            except Refusal as refusal:
                return self.refused(refusal)

    # --- time ------------------------------------------------------------------------------------------------

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call` when `seconds` of simulated time have passed, from whoever runs the timers."""
        with self.lock:
            heapq.heappush(self._timers, (self.clock.time() + seconds, next(self._sequence), call))

    def next_due(self) -> float | None:
        """When the next timer is due, by the simulated clock."""
        with self.lock:
            return self._timers[0][0] if self._timers else None

    def run_due(self) -> int:
        """Run all timers that are due, and those they make due, here and now; returns how many. Safe to run at once."""
        ran = 0
        while call := self._pop_due():
            call()
            ran += 1
        return ran

    def _pop_due(self) -> Callable[[], None] | None:
        with self.lock:
            if self._timers and self._timers[0][0] <= self.clock.time() + ROUNDING:
                return heapq.heappop(self._timers)[2]
            return None

    def advance(self, seconds: float) -> None:
        """Let simulated time pass, and everything happen at its own moment on the way."""
        target = self.clock.time() + seconds
        while (due := self.next_due()) is not None and due <= target:
            self.clock.advanced += max(0.0, due - self.clock.time())
            self.run_due()
        self.clock.advanced += max(0.0, target - self.clock.time())
        self.run_due()

    # --- webhooks --------------------------------------------------------------------------------------------

    def sellers(self) -> list[Seller]:
        return [*self.built_in_sellers(), *self._callbacks(), *self.registered]

    def emit(self, op: str, kind: str, receivers: Iterable[Seller], document: Json, about: str = "") -> None:
        """Send an event to its receivers, with whatever was ordered to go wrong."""
        with self.lock:
            for seller in receivers:
                faults = self.faults.take_all(op, WEBHOOK_MODES | self.own_webhook_modes)
                modes = frozenset(fault.mode for fault in faults)
                body = self.disguised(document, modes)
                message = Message(
                    id=str(document.get("id", "")),
                    op=op,
                    kind=kind,
                    about=about,
                    seller=seller,
                    document=document,
                    body=body,
                    modes=modes,
                    happened_at=self.clock.time(),
                )
                self.messages.append(message)
                late = sum(fault.seconds for fault in faults if fault.mode == "delay")
                late += OVERTAKE_SECONDS if "reorder" in modes else 0.0
                for repeat in range(2 if "duplicate" in modes else 1):
                    self.after(late + repeat, lambda message=message: self._attempt(message))  # type: ignore[misc]

    def _attempt(self, message: Message) -> None:
        """Send once. No lock is held meanwhile: the receiver may call us before it answers."""
        attempt: Json = {"at": self.clock.ms(), "sent_at": self.clock.wire_ms(), "status": 0, "error": ""}
        if "drop" in message.modes:
            attempt["error"] = "lost on the way"
        else:
            with self.lock:
                headers = self.sign(message)
            started = time.perf_counter()
            try:
                answer = self._send("POST", message.seller.url, headers, message.body)
                attempt["status"] = answer.status
            except OSError as error:
                attempt["error"] = type(error).__name__
            attempt["seconds"] = round(time.perf_counter() - started, 3)
        with self.lock:
            message.attempts.append(attempt)
            self._plan_resend(message)

    def _plan_resend(self, message: Message) -> None:
        answered = any(attempt["status"] == HTTPStatus.OK for attempt in message.attempts)
        made = len(message.attempts) - ("duplicate" in message.modes)
        late = self.clock.time() - message.happened_at > self.webhook_life_seconds
        message.is_over = answered or "drop" in message.modes or late or made >= len(self.retry_minutes) + 1
        if not message.is_over and made > 0:
            self.after(self.retry_minutes[made - 1] * 60, lambda: self._attempt(message))

    def wait_for(self, is_so: Callable[[], bool], rounds: int = 100) -> bool:
        """Let timers run and the client work until `is_so` holds, and say whether it does."""
        for _ in range(rounds):
            self.run_due()
            if is_so():
                return True
            self.idle()
        return is_so()

    # --- control ---------------------------------------------------------------------------------------------

    def _control(self, request: Request) -> Response:
        if not _is_this_machine(request.remote):
            return Response.of({"error": "The control addresses answer this machine alone"}, 403)
        name = f"{request.method} {request.path.removeprefix(CONTROL)}"
        handler = self.controls().get(name)
        if handler is None:
            return Response.of({"error": f"There is {', '.join(self.controls())}, not {name}"}, 404)
        try:
            orders = json.loads(request.body or b"{}")
            return Response.of(handler(**orders))
        except Refusal as refusal:
            return Response.of({"error": refusal.message}, refusal.status)
        except (ValueError, TypeError, KeyError) as error:
            return Response.of({"error": f"{type(error).__name__}: {error}"}, 400)

    def controls(self) -> dict[str, Callable[..., Any]]:
        """The control addresses; what a call's JSON holds comes as keyword arguments."""
        return {
            "POST reset": self._control_reset,
            "GET state": self.state,
            "POST clock": self._control_clock,
            "POST faults": self._control_faults,
            "POST options": self._control_options,
            "POST run": self.run_scenario,
            "GET calls": self._control_calls,
        }

    def _control_calls(self) -> Json:
        with self.lock:
            return {"calls": [dict(call) for call in self.calls]}

    def _control_reset(self) -> Json:
        self.reset()
        return {"ok": True}

    def _control_clock(self, advance_seconds: float = 0.0, skew_seconds: float | None = None) -> Json:
        """Advance time; `skew_seconds` makes the marketplace's clock go wrong for all to see."""
        if skew_seconds is not None:
            self.clock.skew = float(skew_seconds)
        self.advance(float(advance_seconds))
        return {"now": self.clock.ms()}

    def _control_faults(self, op: str = "*", mode: str = "", **details: Any) -> Json:
        with self.lock:
            self.faults.add(Fault(op=op, mode=mode, **details))
            return {"waiting": [fault.shown() for fault in self.faults.waiting]}

    def _control_options(self, **options: Any) -> Json:
        with self.lock:
            unknown = options.keys() - self.options.keys()
            if unknown:
                raise ValueError(f"options are {', '.join(sorted(self.options))}")
            self.options.update(options)
            return dict(self.options)

    def state(self) -> Json:
        """All there is to see, for people and tests; subclasses add what they sell."""
        with self.lock:
            return {
                "now": self.clock.ms(),
                "advanced_seconds": self.clock.advanced,
                "timers": len(self._timers),
                "faults": [fault.shown() for fault in self.faults.waiting],
                "options": dict(self.options),
                "webhooks": [message.shown() for message in self.messages],
            }

    # --- what a marketplace says of itself -------------------------------------------------------------------

    def parts(self) -> Sequence[object]:
        """Make the objects whose marked methods are the operations. Called at each reset."""
        raise NotImplementedError

    def built_in_sellers(self) -> Sequence[Seller]:
        """The sellers that are always there."""
        raise NotImplementedError

    def admit(self, request: Request) -> None:
        """Authenticate, set `request.seller`, and throttle; raises Refusal."""
        raise NotImplementedError

    def unknown_address(self, request: Request) -> Refusal:
        raise NotImplementedError

    def accepted(self, document: Any) -> Response:
        """Wrap what an operation returned."""
        raise NotImplementedError

    def refused(self, refusal: Refusal) -> Response:
        """Wrap a refusal; one without a code takes the usual code of its status."""
        raise NotImplementedError

    def sign(self, message: Message) -> dict[str, str]:
        """Return the headers of one attempt, dated now."""
        raise NotImplementedError

    def disguised(self, document: Json, modes: frozenset[str]) -> bytes:
        """Return the body to send: what is meant, with what was ordered to be wrong with it."""
        raise NotImplementedError

    def run_scenario(self, scenario: str, **details: Any) -> Json:
        """Play a story and report what the client did, check by check."""
        raise NotImplementedError

    def shop_at_random(self) -> None:
        """Be a buyer who comes along."""
        raise NotImplementedError


def _is_this_machine(remote: str) -> bool:
    try:
        return ipaddress.ip_address(remote).is_loopback
    except ValueError:
        return False
