"""A limit that counts every request of the last so many seconds: who may send now, and who has to wait how long.

A call occupies its slot from before it is sent until a window after its answer, so that no window of the other side's
clock ever holds more calls than there are slots. Pure: marketplaces.budget keeps it in the account's row.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from marketplaces.types import Urgency

# Orders may use this part of the slots while somebody else waits.
ORDERS_SHARE = 0.5
# What waited for so long moves up one class, again and again until only deliveries go before it.
AGES_AFTER = 30 * 60.0
# Who was told when to come back is waited for so long after that, and its age is remembered for so long.
GRACE = 5.0
REMEMBERED = 10 * 60.0
# Planned calls follow each other at once; a slot that nobody used after this is free again.
PLANNED_SECONDS = 30.0
# Hosts whose clocks are kept right differ by less than this.
CLOCKS_DIFFER = 0.25
SHORTEST_WAIT = 0.05
# No call takes longer; what a slot says beyond that was written by a clock that was wrong.
LONGEST_CALL = 300.0

# A want of so many requests says that its class has just been served and may go on.
HINT = 0

# One work in two degrees: its own hint must not hold it up.
PUSHES = (Urgency.STOCK, Urgency.PRICE)

PLANNED, SENT, OVER = "planned", "sent", "over"


@dataclass
class Slot:
    """A call that is planned, on its way, or answered less than a window ago. `until` are seconds since 1970."""

    holder: str
    urgency: int
    stage: str
    until: float


@dataclass
class Want:
    """Somebody who was told to come back at `at` for so many requests, and waits since then."""

    urgency: int
    requests: int
    since: float
    at: float

    def rank(self, now: float) -> tuple[int, float]:
        """Its place among all who wait: deliveries first, then by class and age; the lowest goes first."""
        if self.urgency == Urgency.DELIVERY:
            return Urgency.DELIVERY, self.since
        moved_up = int((now - self.since) // AGES_AFTER)
        return max(self.urgency - moved_up, Urgency.STOCK), self.since

    def is_expected(self, now: float) -> bool:
        return now <= self.at + GRACE


@dataclass
class Window:
    """`limit` requests in any `seconds`, `kept` of them for deliveries alone."""

    limit: int
    seconds: float
    kept: int
    slots: list[Slot] = field(default_factory=list)
    wants: list[Want] = field(default_factory=list)

    @classmethod
    def read(cls, text: str, *, limit: int, seconds: float, kept: int) -> "Window":
        kept_as = json.loads(text) if text else {"slots": [], "wants": []}
        slots, wants = [Slot(*row) for row in kept_as["slots"]], [Want(*row) for row in kept_as["wants"]]
        return cls(limit, seconds, kept, slots, wants)

    def write(self) -> str:
        return json.dumps({
            "slots": [list(asdict(slot).values()) for slot in self.slots],
            "wants": [list(asdict(want).values()) for want in self.wants],
        })  # fmt: skip

    def take(self, now: float, *, holder: str, urgency: Urgency, requests: int) -> float:
        """Set slots aside and return 0.0, or none and return the seconds after which to ask again.

        What no window could ever hold is granted as far as it fits; the rest asks again on its way.
        """
        self._forget(now)
        most = self.limit if urgency == Urgency.DELIVERY else max(self.limit - self.kept, 1)
        requests = min(requests, most)
        known = (want for want in self.wants if (want.urgency, want.requests) == (urgency, requests))
        mine = next(known, None) or Want(urgency, requests, since=now, at=now)
        wait = self._until_free(now, self.slots, len(self.slots) + requests - most)
        if self._is_capped(now, mine):
            orders = self._orders()
            wait = max(wait, self._until_free(now, orders, len(orders) + requests - self._orders_share))
        is_roomy = len(self.slots) + requests <= most // 2
        first = [want for want in self.wants if want is not mine and self._goes_first(now, want, mine, is_roomy)]
        self.wants = [want for want in self.wants if want is not mine]
        if not wait and not first:
            until = now + PLANNED_SECONDS
            self.slots += [Slot(holder, urgency, PLANNED, until) for _ in range(requests)]
            self._hint(now, urgency)
            return 0.0
        ends = [want.at + SHORTEST_WAIT if want.at > now else want.at + GRACE for want in first]
        mine.at = max([now + wait, now + SHORTEST_WAIT, *ends])
        self.wants.append(mine)
        return mine.at - now

    def begin(self, now: float, *, holder: str, lasts: float) -> bool:
        """Use one of the holder's planned slots for a call that lasts so long at the most; False when none is left."""
        self._forget(now)
        planned = [slot for slot in self.slots if slot.holder == holder and slot.stage == PLANNED]
        if not planned:
            return False
        for slot in planned:
            slot.until = now + lasts + PLANNED_SECONDS
        # Should its worker die, nobody says that it ended: then it did by the end of its time-out.
        planned[0].stage, planned[0].until = SENT, now + lasts + self.seconds + CLOCKS_DIFFER
        return True

    def end(self, now: float, *, holder: str) -> None:
        """Note that the holder's call was answered, or broke off."""
        until = now + self.seconds + CLOCKS_DIFFER
        sent = [slot for slot in self.slots if slot.holder == holder and slot.stage == SENT]
        if not sent:  # it took longer than it could, and its slot was given up
            sent = [Slot(holder, Urgency.DELIVERY, SENT, until)]
            self.slots += sent
        for slot in sent:
            slot.stage, slot.until = OVER, until
        for slot in self.slots:
            if slot.holder == holder and slot.stage == PLANNED:
                slot.until = now + PLANNED_SECONDS

    def used(self, now: float) -> float:
        """The share of the slots that are occupied, from 0 to 1."""
        return min(sum(slot.until > now for slot in self.slots) / max(self.limit, 1), 1.0)

    def _forget(self, now: float) -> None:
        self.slots = [slot for slot in self.slots if slot.until > now]
        for slot in self.slots:
            slot.until = min(slot.until, now + LONGEST_CALL + self.seconds)
        self.wants = [want for want in self.wants if now - REMEMBERED < want.at < now + 2 * self.seconds + REMEMBERED]

    def _until_free(self, now: float, slots: Iterable[Slot], needed: int) -> float:
        """Seconds until so many of the slots will be free, if calls on their way are answered in a moment."""
        if needed <= 0:
            return 0.0
        ends = sorted(min(slot.until, now + self.seconds + 1) for slot in slots)
        return max(ends[min(needed, len(ends)) - 1] - now, SHORTEST_WAIT)

    def _hint(self, now: float, urgency: Urgency) -> None:
        """Expect another call of this class for a moment: work of many calls makes them one after the other, and what is
        less urgent would slip in between.
        """
        self.wants = [want for want in self.wants if (want.urgency, want.requests) != (urgency, HINT)]
        if urgency != Urgency.DELIVERY:
            self.wants.append(Want(urgency, HINT, since=now, at=now))

    def _goes_first(self, now: float, other: Want, mine: Want, is_roomy: bool) -> bool:
        if not other.is_expected(now) or other.rank(now) > mine.rank(now) or self._is_capped(now, other):
            return False
        if other.requests == HINT:
            if other.urgency in PUSHES and mine.urgency in PUSHES:
                return False
            return not is_roomy and other.rank(now)[0] < mine.rank(now)[0]
        # Large work lets small work of its class pass, for one window: then it goes first, or it would never go.
        is_alike = other.rank(now)[0] == mine.rank(now)[0] and other.requests > mine.requests
        return not (is_alike and now - other.since < self.seconds)

    def _is_capped(self, now: float, want: Want) -> bool:
        """Whether these are orders that had their share, and others wait."""
        if want.urgency != Urgency.ORDERS or not self._orders():
            return False
        others = any(other.urgency != Urgency.ORDERS and other.is_expected(now) for other in self.wants)
        return others and len(self._orders()) + max(want.requests, 1) > self._orders_share

    @property
    def _orders_share(self) -> int:
        return max(int(self.limit * ORDERS_SHARE), 1)

    def _orders(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.urgency == Urgency.ORDERS]
